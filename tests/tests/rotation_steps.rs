//! The four steps, repeated, out of order and on bad input.
#![allow(clippy::unwrap_used, reason = "test code")]

#[path = "rotation_steps/by_hand.rs"]
mod by_hand;

use std::sync::Arc;

use keyward_core::model::money::DayLimit;
use keyward_core::model::slot::SlotState;
use keyward_core::model::version::{Version, VersionState};
use keyward_core::ports::{Clock, Fence, Inventory, IssueRequest, SecretStore, Stage, TAG_SLOT};
use keyward_core::rules::rotation::Refusal;
use keyward_core::rules::{birth, caps};
use keyward_core::usecases::rotate::{RotationError, StepOutcome};
use keyward_rotate::RotateError;
use keyward_testkit::gate::Gate;
use keyward_tests::support::{World, check_rules, token};

const STEPS: [&str; 4] = ["createSecret", "setSecret", "testSecret", "finishSecret"];

async fn world() -> World {
    World::in_memory(&Arc::new(Gate::default())).await
}

async fn begun() -> World {
    let world = world().await;
    world
        .outside
        .secrets
        .begin_rotation(&world.secret, &token(2));
    world
}

fn step_error(result: Result<StepOutcome, RotateError>) -> RotationError {
    match result.unwrap_err() {
        RotateError::Step(error) => error,
        RotateError::Event(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn every_step_twice() {
    let world = begun().await;
    for step in STEPS {
        assert_eq!(
            world.step(step, &token(2)).await.unwrap(),
            StepOutcome::Done,
            "{step}"
        );
        let keys = world.outside.provider.live().len();
        let versions = world.versions().await.len();
        world.step(step, &token(2)).await.unwrap();
        assert_eq!(
            world.outside.provider.live().len(),
            keys,
            "{step} made or killed a key"
        );
        assert_eq!(world.versions().await.len(), versions, "{step}");
    }
    for step in STEPS {
        assert_eq!(
            world.step(step, &token(2)).await.unwrap(),
            StepOutcome::AlreadyDone,
            "{step}"
        );
    }
    check_rules(&world, "every step twice").await;
}

#[tokio::test]
async fn the_new_key_is_born_with_label_limit_and_expiry_and_its_handle_is_mirrored() {
    let world = begun().await;
    world.rotate(&token(2)).await.unwrap();
    let version = world.versions().await.pop().unwrap();
    let driver = world.outside.provider.driver();
    let record = driver
        .get(version.handle.as_ref().unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        record.label.as_str(),
        format!("keyward-support-bot-openrouter--{}-1", token(2))
    );
    assert_eq!(record.cap, version.cap);
    assert_eq!(record.cap.unwrap().amount.to_string(), "$25.00");
    assert_eq!(
        record.expires,
        Some(version.created + world.slot().await.policy.max_age)
    );
    let secret = world
        .outside
        .secrets
        .describe(world.secret.as_str())
        .await
        .unwrap();
    let mirrored = secret.tags.get(&format!("keyward:handle:{}", version.id));
    assert_eq!(
        mirrored.map(String::as_str),
        version.handle.as_ref().map(|h| h.as_str())
    );
}

#[tokio::test]
async fn finish_without_a_test_promotes_nothing() {
    let world = begun().await;
    let key = world.current_key();
    world.step("createSecret", &token(2)).await.unwrap();
    world.step("setSecret", &token(2)).await.unwrap();
    let error = step_error(world.step("finishSecret", &token(2)).await);
    assert!(matches!(error, RotationError::NotTested), "{error}");
    assert_eq!(world.current_key(), key);
}

#[tokio::test]
async fn a_run_that_only_tests_changes_nothing() {
    let world = world().await;
    let value = world.outside.secrets.current_text(&world.secret).unwrap();
    world
        .outside
        .secrets
        .put_current(&world.secret, &token(7), &value);
    world
        .outside
        .secrets
        .stage(&world.secret, Stage::Current, &token(1));
    world
        .outside
        .secrets
        .stage(&world.secret, Stage::Pending, &token(7));
    let before = world.outside.inventory.dump();
    let outcome = world.step("testSecret", &token(7)).await.unwrap();
    assert_eq!(outcome, StepOutcome::TestedOnly);
    assert_eq!(world.outside.inventory.dump(), before);
    assert_eq!(world.outside.provider.live().len(), 1);
}

/// Bad input is refused by name before any key is made.
#[tokio::test]
async fn refusals_come_before_any_key() {
    type Break = fn(&World);
    type Expect = fn(&RotationError) -> bool;
    let cases: [(&str, Break, Expect); 9] = [
        (
            "rotation off",
            |w| w.outside.secrets.cancel_rotation(&w.secret),
            |e| matches!(e, RotationError::Refused(Refusal::RotationOff)),
        ),
        (
            "token gone",
            |w| {
                w.outside
                    .secrets
                    .stage(&w.secret, Stage::Pending, &token(3))
            },
            |e| matches!(e, RotationError::Refused(Refusal::UnknownToken(_))),
        ),
        (
            "other label",
            |w| {
                w.outside
                    .secrets
                    .stage(&w.secret, Stage::Pending, &token(3));
                w.outside
                    .secrets
                    .stage(&w.secret, Stage::Previous, &token(2));
            },
            |e| matches!(e, RotationError::Refused(Refusal::NotPending { found, .. }) if found == "AWSPREVIOUS"),
        ),
        (
            "binary",
            |w| w.outside.secrets.make_binary(&w.secret),
            |e| {
                matches!(
                    e,
                    RotationError::Secret(keyward_core::ports::SecretError::Binary)
                )
            },
        ),
        (
            "broken JSON",
            |w| {
                w.outside
                    .secrets
                    .put_current(&w.secret, &token(9), "{\"api_key\":\"EXAMPLE\",}")
            },
            |e| matches!(e, RotationError::Document(_)),
        ),
        (
            "wrong provider",
            |w| {
                w.outside
                    .secrets
                    .put_current(&w.secret, &token(9), "sk-ant-EXAMPLE")
            },
            |e| matches!(e, RotationError::WrongProvider { .. }),
        ),
        (
            "empty",
            |w| w.outside.secrets.put_current(&w.secret, &token(9), " "),
            |e| matches!(e, RotationError::Document(_)),
        ),
        (
            "no such secret",
            |w| w.outside.secrets.remove(&w.secret),
            |e| {
                matches!(
                    e,
                    RotationError::Secret(keyward_core::ports::SecretError::NotFound(_))
                )
            },
        ),
        (
            "no slot tag",
            |w| w.outside.secrets.forget_tag(&w.secret, TAG_SLOT),
            |e| matches!(e, RotationError::NoSlot { .. }),
        ),
    ];
    for (name, break_it, expected) in cases {
        let world = begun().await;
        break_it(&world);
        let error = step_error(world.step("createSecret", &token(2)).await);
        assert!(expected(&error), "{name}: {error:?}");
        assert!(!error.is_retryable(), "{name}");
        assert_eq!(
            world.outside.provider.live().len(),
            1,
            "{name}: a key was made"
        );
        assert_eq!(world.versions().await.len(), 1, "{name}");
    }
}

#[tokio::test]
async fn a_tag_that_names_a_slot_of_another_secret_is_refused() {
    let world = begun().await;
    let other = "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/other-a1B2c3"
        .parse()
        .unwrap();
    world.outside.secrets.create(&other, None);
    world.outside.secrets.begin_rotation(&other, &token(2));
    world
        .outside
        .secrets
        .tag(&other, TAG_SLOT, world.slot.as_str())
        .await
        .unwrap();
    let event = serde_json::json!({"Step": "createSecret", "SecretId": other, "ClientRequestToken": token(2)});
    let error = step_error(keyward_rotate::handle(&world.ports, &event, world.deadline()).await);
    assert!(
        matches!(error, RotationError::Refused(Refusal::OtherSecret { .. })),
        "{error}"
    );
    assert_eq!(world.outside.provider.live().len(), 1);
}

#[tokio::test]
async fn a_suspended_slot_makes_no_key() {
    for state in [SlotState::Suspended, SlotState::Decommissioned] {
        let world = begun().await;
        let mut slot = world.slot().await;
        slot.state = state;
        world.outside.inventory.save_slot(&slot).await.unwrap();
        let error = step_error(world.step("createSecret", &token(2)).await);
        assert!(
            matches!(error, RotationError::Refused(Refusal::SlotClosed(_))),
            "{error}"
        );
        assert_eq!(world.outside.provider.live().len(), 1);
    }
}

#[tokio::test]
async fn rotations_are_spaced_and_budgeted() {
    let world = world().await;
    world.rotate(&token(2)).await.unwrap();
    let Err(RotateError::Step(error)) = world.rotate(&token(3)).await else {
        panic!("too soon")
    };
    assert!(
        matches!(error, RotationError::Refused(Refusal::TooSoon(_))),
        "{error}"
    );
    assert!(error.is_retryable());
    for number in 3..=21 {
        world.pass(jiff::SignedDuration::from_mins(11));
        world.rotate(&token(number)).await.unwrap();
    }
    world.pass(jiff::SignedDuration::from_mins(11));
    let Err(RotateError::Step(error)) = world.rotate(&token(22)).await else {
        panic!("over budget")
    };
    assert!(
        matches!(error, RotationError::Refused(Refusal::Budget(20))),
        "{error}"
    );
    let keys = world
        .versions()
        .await
        .iter()
        .filter(|v| v.id.secret_version == token(22))
        .count();
    assert_eq!(keys, 0);
}
