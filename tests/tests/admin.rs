//! Admin credentials: the four steps of their rotation against OpenAI's API over HTTP, each twice and cut off at every call;
//! what `retire` ends afterwards; and what is told.
#![allow(clippy::unwrap_used, reason = "test code")]

#[path = "admin/canary.rs"]
mod canary;
#[path = "admin/lockdown.rs"]
mod lockdown;
#[path = "admin/scene.rs"]
mod scene;

use std::sync::Arc;

use jiff::SignedDuration;
use keyward_core::model::admin::{AdminRecord, AdminState};
use keyward_core::model::alert::{AlertKind, Severity};
use keyward_core::model::key::AdminKey;
use keyward_core::model::names::SecretArn;
use keyward_core::ports::{Clock, Deadline, SecretStore, TAG_ADMIN, Verdict};
use keyward_core::rules::revoke::ConfirmPolicy;
use keyward_core::rules::rotation::RotationStep;
use keyward_core::usecases::admin::keep;
use keyward_core::usecases::rotate::{StepRequest, run_step};
use keyward_testkit::drive::{Point, Scenario, crash_at_every_call};
use keyward_testkit::gate::Gate;
use keyward_testkit::simulator::{Body, Fault, FaultRule};
use keyward_tests::support::{ADMIN_SECRET, say, token};

use scene::{World, arn};

#[tokio::test]
async fn the_entered_credential_is_replaced_and_ended_by_the_new_one() {
    let world = World::plain().await;
    let entered = world.current();
    world.rotate(&token(2)).await.unwrap();
    assert_ne!(world.current().fingerprint(), entered.fingerprint());
    assert!(matches!(world.accepts(&entered).await, Verdict::Dead(_)));
    let ended = world
        .simulator
        .requests_to("DELETE", "/organization/admin_api_keys/*");
    assert_eq!(ended.len(), 1);
    // It is not called ended before it was refused often enough.
    let state = |record: &AdminRecord| record.by_text(&entered.fingerprint()).unwrap().state;
    assert_eq!(state(&world.record().await), AdminState::Revoking);
    world.live_through(SignedDuration::from_mins(30)).await;
    assert_eq!(state(&world.record().await), AdminState::Revoked);
    let record = world.record().await;
    let current = record.current().unwrap();
    assert!(
        current.expires.is_some() && current.tested.is_some(),
        "{current:?}"
    );
    assert!(
        record
            .by_text(&entered.fingerprint())
            .unwrap()
            .refusals
            .unwrap()
            .count
            >= 3
    );
    world.check_settled("rotated").await;
    assert_eq!(world.alerts.sent(), []);
    // And again, with the one that Keyward made.
    world.rotate(&token(3)).await.unwrap();
    world.live_through(SignedDuration::from_mins(30)).await;
    world.check_settled("rotated again").await;
}

#[tokio::test]
async fn every_step_twice_is_the_step_once() {
    let world = World::plain().await;
    world.secrets.begin_rotation(&arn(), &token(2));
    for step in RotationStep::ALL {
        for _ in 0..2 {
            world.step(&world.open, step, &token(2)).await.unwrap();
        }
        world.check(&format!("{step:?} twice")).await;
    }
    world.live_through(SignedDuration::from_mins(30)).await;
    world.check_settled("all steps twice").await;
    let made = world
        .simulator
        .requests_to("POST", "/organization/admin_api_keys");
    assert_eq!(made.len(), 1);
}

/// One step, the ones before it done.
struct Step(RotationStep);

impl Scenario for Step {
    type World = World;

    async fn world(&self, gate: &Arc<Gate>) -> World {
        let world = World::new(gate).await;
        world.secrets.begin_rotation(&arn(), &token(2));
        for step in RotationStep::ALL
            .into_iter()
            .take_while(|step| *step != self.0)
        {
            world.step(&world.open, step, &token(2)).await.unwrap();
        }
        world
    }

    async fn operation(&self, world: &World) {
        let _ = world.step(&world.ports, self.0, &token(2)).await;
    }

    /// Secrets Manager tries the rotation again, or it does not; then `retire`, and another rotation.
    async fn recover_and_check(&self, world: &World, point: Option<Point>) {
        let context = format!("{:?} {point:?}", self.0);
        world.check(&context).await;
        let again = point.is_none_or(|point| point.number % 2 == 0);
        if again {
            world
                .rotate(&token(2))
                .await
                .unwrap_or_else(|error| panic!("{context}: {error:?}"));
            world.check(&context).await;
        }
        world.live_through(SignedDuration::from_mins(90)).await;
        world.check(&context).await;
        world
            .rotate(&token(3))
            .await
            .unwrap_or_else(|error| panic!("{context}: {error:?}"));
        world.live_through(SignedDuration::from_mins(150)).await;
        world.check_settled(&context).await;
    }
}

#[tokio::test]
async fn crash_at_every_call_of_a_step() {
    for (step, least) in [
        (RotationStep::Create, 9),
        (RotationStep::Test, 5),
        (RotationStep::Finish, 8),
    ] {
        let ran = crash_at_every_call(&Step(step)).await;
        say(format_args!("admin credential, {step:?}: {ran} points"));
        assert!(ran >= 3 * least, "{step:?} made fewer calls than it must");
    }
}

/// What `retire` does after a rotation.
struct Kept;

impl Scenario for Kept {
    type World = World;

    async fn world(&self, gate: &Arc<Gate>) -> World {
        let world = World::new(gate).await;
        world.simulator.inject(down("DELETE"));
        world.rotate(&token(2)).await.unwrap();
        world.clock.advance(SignedDuration::from_mins(5));
        world.simulator.clear_faults();
        world
    }

    async fn operation(&self, world: &World) {
        keep(&world.ports, &ConfirmPolicy::default()).await;
    }

    async fn recover_and_check(&self, world: &World, point: Option<Point>) {
        let context = format!("retire {point:?}");
        world.check(&context).await;
        world.live_through(SignedDuration::from_mins(30)).await;
        world.check_settled(&context).await;
    }
}

fn down(method: &str) -> FaultRule {
    let fault = Fault::status(503, Body::Json);
    FaultRule::on(method, "/organization/admin_api_keys/*", fault).always()
}

#[tokio::test]
async fn crash_at_every_call_of_what_retire_does() {
    let ran = crash_at_every_call(&Kept).await;
    say(format_args!("admin credential, retire: {ran} points"));
    assert!(ran >= 3 * 7);
}

#[tokio::test]
async fn a_refused_credential_pages_at_once_and_nothing_is_made() {
    let world = World::plain().await;
    world
        .simulator
        .set_management_key(&AdminKey::new("sk-admin-EXAMPLEother"));
    let error = world.rotate(&token(2)).await.unwrap_err();
    assert!(!error.is_retryable(), "{error:?}");
    let sent = world.alerts.sent();
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert_eq!(sent[0].kind, AlertKind::AdminCredentialRefused);
    assert_eq!(sent[0].severity, Severity::Page);
    assert!(
        sent[0]
            .left
            .as_str()
            .contains("keyward doctor --bootstrap --account openai-main")
    );
    let made = world
        .simulator
        .requests_to("POST", "/organization/admin_api_keys");
    assert_eq!(made.len(), 0);
}

#[tokio::test]
async fn a_secret_that_its_account_does_not_name_is_refused() {
    let world = World::plain().await;
    let other: SecretArn = ADMIN_SECRET.replace("admin-", "other-").parse().unwrap();
    world
        .secrets
        .create(&other, Some((&token(1), "sk-admin-EXAMPLE")));
    world
        .secrets
        .tag(&other, TAG_ADMIN, "openai-main")
        .await
        .unwrap();
    world.secrets.begin_rotation(&other, &token(2));
    let request = StepRequest {
        step: RotationStep::Create,
        secret_id: other.to_string(),
        token: token(2),
        rotation_token: None,
        deadline: Deadline(world.clock.now() + SignedDuration::from_mins(5)),
    };
    let error = run_step(&world.open, &request).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`admin_secret` is another secret"),
        "{error}"
    );
    assert_eq!(world.simulator.requests().len(), 0);
}

#[tokio::test]
async fn one_that_does_not_end_and_one_that_runs_out_page() {
    let world = World::plain().await;
    world.rotate(&token(2)).await.unwrap();
    world.live_through(SignedDuration::from_mins(30)).await;
    world.clock.advance(SignedDuration::from_hours(88 * 24));
    world.live_through(SignedDuration::from_hours(7)).await;
    let told = world.alerts.count(AlertKind::KeyNearEnd);
    assert_eq!(told, 2, "once, and again after six hours");
    assert!(
        world
            .alerts
            .sent()
            .iter()
            .all(|alert| alert.severity == Severity::Page)
    );
}

/// A driver that was opened before a rotation goes on with the new credential, and pages nobody.
#[tokio::test]
async fn who_holds_the_old_credential_goes_on_with_the_new() {
    let world = World::plain().await;
    let scope = keyward_testkit::contract::provider::ProviderWorld::scope(&world.simulator);
    world.driver.list(&scope, None).await.unwrap();
    world.rotate(&token(2)).await.unwrap();
    world.driver.list(&scope, None).await.unwrap();
}
