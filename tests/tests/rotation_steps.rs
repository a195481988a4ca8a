//! The four steps, repeated, out of order and on bad input.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::sync::Arc;

use keyward_core::model::slot::SlotState;
use keyward_core::model::version::{Version, VersionState};
use keyward_core::ports::{Clock, Fence, Inventory, IssueRequest, SecretStore, Stage, TAG_SLOT};
use keyward_core::rules::birth;
use keyward_core::rules::rotation::Refusal;
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

/// A person stores a key by hand while a rotation is under way: it is replaced, retired like any other, and reported.
#[tokio::test]
async fn a_key_put_by_hand_is_taken_in_and_retired() {
    let world = begun().await;
    for step in &STEPS[..3] {
        world.step(step, &token(2)).await.unwrap();
    }
    let by_hand = world.outside.provider.seed("by hand");
    world
        .outside
        .secrets
        .put_current(&world.secret, &token(9), &by_hand);
    world.step("finishSecret", &token(2)).await.unwrap();
    assert!(world.outside.provider.accepts(&by_hand));
    let versions = world.versions().await;
    let taken_in = versions
        .iter()
        .find(|v| v.id.secret_version == token(9))
        .unwrap();
    assert_eq!(taken_in.state, VersionState::Retiring);
    assert!(taken_in.handle.is_some());
    let kinds: Vec<_> = world.outside.alerts.sent().iter().map(|a| a.kind).collect();
    assert_eq!(
        kinds,
        [keyward_core::model::alert::AlertKind::ForeignSecretChange]
    );
    world
        .live_through(jiff::SignedDuration::from_hours(27))
        .await;
    assert!(!world.outside.provider.accepts(&by_hand));
    check_rules(&world, "put by hand").await;
}

/// A person moves AWSCURRENT back, and a step of the key's own rotation comes late: the key that agents fetch stays.
#[tokio::test]
async fn a_late_step_does_not_revoke_a_key_that_was_promoted() {
    let world = world().await;
    world.rotate(&token(2)).await.unwrap();
    let back = world.current_key();
    world.pass(jiff::SignedDuration::from_mins(11));
    world.rotate(&token(3)).await.unwrap();
    world
        .outside
        .secrets
        .put_current(&world.secret, &token(2), &back);
    for step in STEPS {
        let outcome = world.step(step, &token(2)).await.unwrap();
        assert_eq!(outcome, StepOutcome::AlreadyDone, "{step}");
    }
    assert!(world.outside.provider.accepts(&back));
}

/// A secret without a value gets its first key by its first rotation. Secrets Manager makes a first value current at
/// once, so the limits and the test must come all the same.
#[tokio::test]
async fn a_secret_without_a_value_gets_a_tested_key() {
    let clock = Arc::new(keyward_testkit::clock::ManualClock::start());
    let provider = keyward_testkit::memory::MemoryProvider::new(clock.clone());
    let world = World::unregistered(
        &Arc::new(Gate::default()),
        clock,
        Box::new(Arc::new(provider)),
    );
    world.outside.secrets.create(&world.secret, None);
    let fleet = keyward_tests::support::fleet();
    let registered = keyward_core::usecases::register::register(&world.open, &fleet[0]).await;
    assert_eq!(
        registered.unwrap(),
        keyward_core::usecases::register::Registered::WithoutKey
    );
    world
        .outside
        .secrets
        .begin_rotation(&world.secret, &token(2));
    for step in STEPS {
        let outcome = world.step(step, &token(2)).await;
        assert_eq!(outcome.unwrap(), StepOutcome::Done, "{step}");
    }
    let version = world.versions().await.pop().unwrap();
    assert_eq!(version.state, VersionState::Current);
    assert!(version.tested.is_some() && version.promoted.is_some());
    check_rules(&world, "first key").await;
    world.pass(jiff::SignedDuration::from_hours(1));
    world.rotate(&token(3)).await.unwrap();
    world
        .live_through(jiff::SignedDuration::from_hours(27))
        .await;
    check_rules(&world, "second key").await;
}

/// The answer to PutSecretValue is lost: the next call finds what was stored and keeps it, or finds nothing and makes
/// another key. Nothing waits for the first invocation's end.
#[tokio::test]
async fn a_lost_answer_to_storing_is_settled_by_the_next_call() {
    let gate = Arc::new(Gate::default());
    let world = World::in_memory(&gate).await;
    world
        .outside
        .secrets
        .begin_rotation(&world.secret, &token(2));
    let put = calls_of_create_secret()
        .await
        .iter()
        .position(|call| *call == "secrets.put_pending")
        .unwrap();
    gate.arm(put, keyward_testkit::gate::Cut::AnswerLost);
    let error = world.step("createSecret", &token(2)).await.unwrap_err();
    assert!(error.is_retryable());
    gate.disarm();
    assert_eq!(
        world.outside.provider.live().len(),
        2,
        "the stored key is kept"
    );
    world.rotate(&token(2)).await.unwrap();
    assert_eq!(world.versions().await.len(), 2, "no other key was made");
    check_rules(&world, "lost answer to storing").await;
}

async fn calls_of_create_secret() -> Vec<&'static str> {
    let gate = Arc::new(Gate::default());
    let world = World::in_memory(&gate).await;
    world
        .outside
        .secrets
        .begin_rotation(&world.secret, &token(2));
    gate.record();
    world.step("createSecret", &token(2)).await.unwrap();
    gate.disarm().0
}

#[tokio::test]
async fn what_was_taken_out_of_a_rotation_is_cut_off_before_it_makes_another_key() {
    for state in [VersionState::Abandoned, VersionState::Contained] {
        let world = begun().await;
        let id = "11111111-aaaa-4bbb-8ccc-000000000002.1".parse().unwrap();
        let slot = world.slot().await;
        let now = world.outside.clock.now();
        let intent = Version::intended(&slot.name, id, slot.epoch, now);
        let inventory = &world.outside.inventory;
        inventory.add_version(&intent, Fence::None).await.unwrap();
        let request = IssueRequest {
            label: intent.label.unwrap(),
            scope: intent.scope,
            cap: birth::cap(&slot),
            expires: birth::expires(&slot.policy, now),
            keep: Vec::new(),
        };
        let driver = world.outside.provider.driver();
        let issued = driver.issuer().unwrap().issue(&request).await.unwrap();
        // As retire or a kill writes it, before it asks the provider.
        let taken_out = world.versions().await.pop().unwrap();
        let taken_out = [taken_out.become_state(state).unwrap()];
        let saved = inventory.save_versions(&taken_out, Fence::None);
        saved.await.unwrap();

        world.step("createSecret", &token(2)).await.unwrap();
        let first = driver.get(&issued.handle).await.unwrap().unwrap();
        assert_eq!(first.suspended, Some(true), "rule 2: {state:?}");
        assert_eq!(world.outside.provider.live().len(), 2, "{state:?}");
    }
}
