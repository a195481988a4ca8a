//! Faults that last, answers that mislead, and time that jumps: nothing is lost, and nobody is told what is not so.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "test code")]

#[path = "trouble/odd_input.rs"]
mod odd_input;
#[path = "trouble/served.rs"]
mod served;

use std::sync::Arc;

use jiff::SignedDuration;
use keyward_core::model::act_order::{ActOrder, CutOff, Ground};
use keyward_core::model::alert::{AlertKind, Severity};
use keyward_core::model::fleet::PolicyEntry;
use keyward_core::model::incident::TriggerId;
use keyward_core::model::secret_document::SecretDocument;
use keyward_core::model::text::OutsideText;
use keyward_core::model::version::{Confirmation, Version, VersionState};
use keyward_core::ports::{
    Clock, Deadline, Fence, Inventory, SecretStore, Stage, TAG_SLOT, VersionSelector,
};
use keyward_core::usecases::register::{RegisterError, Registered, register};
use keyward_core::usecases::rotate::{RotationError, StepOutcome};
use keyward_retire::RetireError;
use keyward_rotate::RotateError;
use keyward_testkit::clock::ManualClock;
use keyward_testkit::gate::Gate;
use keyward_testkit::memory::MemoryProvider;
use keyward_tests::support::{Oddity, OrderedFunction, STEPS, World, check_rules, fleet, token};
use secrecy::ExposeSecret;
use serde_json::json;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

async fn world() -> (World, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    (World::in_memory(&gate).await, gate)
}

/// A world whose old key is retiring.
async fn rotated() -> (World, Arc<Gate>) {
    let (world, gate) = world().await;
    world.outside.provider.call(&world.current_key());
    world.rotate(&token(2)).await.unwrap();
    (world, gate)
}

/// Retire, woken every five minutes, through the gate.
async fn retire_for(world: &World, time: SignedDuration) {
    let end = world.outside.clock.now() + time;
    while world.outside.clock.now() < end {
        world.pass(MINUTE * 5);
        let _ = keyward_tests::support::retire_due(&world.ports, &world.confirm, world.deadline())
            .await;
    }
}

fn alerts(world: &World, kind: AlertKind) -> usize {
    world.outside.alerts.count(kind)
}

/// Changes the oldest version as stored.
async fn change(world: &World, change: impl FnOnce(&mut Version)) {
    let mut version = world.versions().await.remove(0);
    change(&mut version);
    let inventory = &world.outside.inventory;
    inventory
        .save_versions(&[version], Fence::None)
        .await
        .unwrap();
}

#[tokio::test]
async fn at_its_hard_deadline_a_key_is_revoked_though_its_use_cannot_be_read() {
    let (world, gate) = rotated().await;
    let old = world.versions().await.remove(0);
    gate.silence(&["provider.get"]);
    retire_for(&world, HOUR * 23).await;
    assert_eq!(world.versions().await[0].state, VersionState::Retiring);
    retire_for(&world, HOUR * 2).await;
    let ended = world.versions().await.remove(0);
    assert_eq!((ended.id, ended.state), (old.id, VersionState::Revoked));
    assert_eq!(alerts(&world, AlertKind::DeadlineRevocation), 0);
}

#[tokio::test]
async fn work_that_fails_for_a_day_is_told_a_few_times_and_again_after_it_has_worked() {
    let (world, gate) = rotated().await;
    gate.silence(&["provider.get", "secrets.describe"]);
    retire_for(&world, HOUR * 23).await;
    let told = alerts(&world, AlertKind::WorkFailed);
    assert!((4..=10).contains(&told), "told {told} times");
    gate.disarm();
    retire_for(&world, HOUR).await;
    gate.silence(&["secrets.describe"]);
    retire_for(&world, HOUR).await;
    assert!(alerts(&world, AlertKind::WorkFailed) > told);
}

#[tokio::test]
async fn a_revoke_that_stays_unconfirmed_pages_once() {
    let (world, gate) = rotated().await;
    retire_for(&world, HOUR + MINUTE * 55).await;
    world.outside.provider.call(&world.current_key());
    while world.versions().await[0].state == VersionState::Retiring {
        retire_for(&world, MINUTE * 5).await;
    }
    gate.silence(&["provider.verify", "provider.disable"]);
    retire_for(&world, HOUR * 5).await;
    assert_eq!(alerts(&world, AlertKind::RevokeUnconfirmed), 1);
    assert!(alerts(&world, AlertKind::WorkFailed) <= 1);
    gate.disarm();
    retire_for(&world, HOUR).await;
    assert_eq!(world.versions().await[0].state, VersionState::Revoked);
}

#[tokio::test]
async fn a_refused_admin_credential_pages_a_few_times_a_day() {
    let (world, _) = rotated().await;
    let unconfigured = keyward_core::usecases::Ports {
        providers: Arc::new(NoCredential),
        ..world.open.clone()
    };
    for _ in 0..12 * 12 {
        world.pass(MINUTE * 5);
        let _ = keyward_tests::support::retire_due(&unconfigured, &world.confirm, world.deadline())
            .await;
    }
    let paged = alerts(&world, AlertKind::AdminCredentialRefused);
    assert!((2..=6).contains(&paged), "paged {paged} times");
    assert_eq!(alerts(&world, AlertKind::WorkFailed), 0);
}

#[tokio::test]
async fn a_rotation_that_finds_its_admin_credential_refused_pages_once_and_waits_for_a_person() {
    let (world, _) = world().await;
    let ports = keyward_core::usecases::Ports {
        providers: Arc::new(NoCredential),
        ..world.open.clone()
    };
    let secrets = &world.outside.secrets;
    secrets.begin_rotation(&world.secret, &token(2));
    let outcome = world.step_on(&ports, "createSecret", &token(2)).await;
    assert!(!outcome.unwrap_err().is_retryable());
    let sent: Vec<_> = world.outside.alerts.sent().iter().map(|a| a.kind).collect();
    assert_eq!(sent, [AlertKind::AdminCredentialRefused]);
}

/// The key is not cut off: that pages, and why does.
#[tokio::test]
async fn a_kill_that_finds_its_admin_credential_refused_pages_for_that_too_and_once() {
    let (world, _) = rotated().await;
    let ports = keyward_core::usecases::Ports {
        providers: Arc::new(NoCredential),
        ..world.open.clone()
    };
    let order = ActOrder::CutOff(CutOff {
        slot: world.slot.clone(),
        trigger: TriggerId::new("request-1"),
        ground: Ground::Person,
        cause: OutsideText::new("calls at night"),
        seen: world.outside.clock.now(),
    });
    for _ in 0..3 {
        OrderedFunction::on(&ports).carry_out(&order).await.unwrap();
        world.pass(MINUTE * 10);
    }
    assert_eq!(alerts(&world, AlertKind::AdminCredentialRefused), 1);
    let sent = world.outside.alerts.sent();
    let refused = sent
        .iter()
        .find(|a| a.kind == AlertKind::AdminCredentialRefused);
    assert_eq!(refused.unwrap().severity, Severity::Page);
    assert!(alerts(&world, AlertKind::NotContained) > 0);
    OrderedFunction::on(&world.open)
        .carry_out(&order)
        .await
        .unwrap();
    assert!(!world.outside.provider.accepts(&world.current_key()));
}

struct NoCredential;

#[async_trait::async_trait]
impl keyward_core::ports::Providers for NoCredential {
    async fn open(
        &self,
        _: &keyward_core::model::names::AccountName,
        _: keyward_core::model::slot::ProviderName,
    ) -> Result<Arc<dyn keyward_core::ports::KeyProvider>, keyward_core::ports::ProviderError> {
        let detail = keyward_core::model::text::OutsideText::new("401");
        Err(keyward_core::ports::ProviderError::AdminCredential { detail })
    }

    fn pool(
        &self,
        _: &keyward_core::model::names::AccountName,
    ) -> Option<keyward_core::ports::PoolSettings> {
        None
    }
}

/// Retire did not run over the whole overlap: that a figure was never looked at before does not mean that it moves.
#[tokio::test]
async fn a_first_look_after_the_overlap_accuses_nobody() {
    for (late, ends) in [(HOUR * 3, HOUR * 2), (HOUR * 72, MINUTE * 30)] {
        let (world, _) = rotated().await;
        world.outside.provider.call(&world.current_key());
        world.pass(late);
        retire_for(&world, ends).await;
        assert_eq!(world.versions().await[0].state, VersionState::Revoked);
        assert_eq!(world.outside.alerts.sent(), [], "after {late:?}");
    }
}

#[tokio::test]
async fn a_key_whose_secret_was_deleted_still_ends() {
    let (world, _) = rotated().await;
    world
        .outside
        .secrets
        .begin_rotation(&world.secret, &token(3));
    world.pass(MINUTE * 11);
    world.step("createSecret", &token(3)).await.unwrap();
    world.outside.secrets.remove(&world.secret);
    retire_for(&world, HOUR * 26).await;
    let versions = world.versions().await;
    for gone in [&versions[0], &versions[2]] {
        assert_eq!(gone.state, VersionState::Revoked, "{}", gone.id);
        let by = gone.revoke_confirmed.unwrap().by;
        assert_eq!(by, Confirmation::ListOnly, "{}", gone.id);
    }
    let live = world.outside.provider.live();
    assert_eq!(live.len(), 1, "only what was current");
}

/// Whatever could not be told is told later, or the run fails.
#[tokio::test]
async fn an_alert_that_cannot_be_sent_does_not_vanish() {
    let (world, gate) = world().await;
    change(&world, |version| {
        version.handle = None;
        version.hint = None;
    })
    .await;
    world.rotate(&token(2)).await.unwrap();
    gate.silence(&["alerts.send"]);
    retire_for(&world, HOUR * 3).await;
    assert_eq!(world.versions().await[0].state, VersionState::Revoking);
    gate.disarm();
    retire_for(&world, MINUTE * 10).await;
    assert_eq!(alerts(&world, AlertKind::HandleUnknown), 1);

    gate.silence(&["alerts.send"]);
    let age = HOUR * 24 * 57 + HOUR;
    world.pass(age);
    retire_for(&world, MINUTE * 15).await;
    gate.disarm();
    retire_for(&world, MINUTE * 15).await;
    assert_eq!(alerts(&world, AlertKind::KeyNearEnd), 1);
}

#[tokio::test]
async fn a_run_fails_if_nobody_could_be_told_what_it_did() {
    let cut = |alert: AlertKind| async move {
        let (world, gate) = rotated().await;
        match alert {
            AlertKind::DeadlineRevocation => {
                let old = world.versions().await.remove(0);
                let text = old_text(&world, &old).await;
                for _ in 0..24 {
                    retire_for(&world, MINUTE * 55).await;
                    world.outside.provider.call(&text);
                }
                world.pass(HOUR * 2);
            }
            _ => {
                world.pass(MINUTE * 11);
                let secrets = &world.outside.secrets;
                secrets.begin_rotation(&world.secret, &token(3));
                if alert == AlertKind::StuckPendingCleared {
                    world.step("createSecret", &token(3)).await.unwrap();
                }
                retire_for(&world, MINUTE * 40).await;
                world.pass(HOUR * 2);
            }
        }
        gate.silence(&["alerts.send"]);
        let run =
            keyward_tests::support::retire_due(&world.ports, &world.confirm, world.deadline());
        let Err(RetireError::SomeFailed { report }) = run.await else {
            panic!("{alert:?}: nobody knows");
        };
        assert_eq!(report.failed, 1, "{alert:?}");
    };
    cut(AlertKind::DeadlineRevocation).await;
    cut(AlertKind::StuckPendingCleared).await;
    // A label that no version is known for.
    cut(AlertKind::ForeignSecretChange).await;
}

async fn old_text(world: &World, version: &Version) -> String {
    let selector = VersionSelector::Id(&version.id.secret_version);
    let stored = world.outside.secrets.value(&world.secret, selector).await;
    let (_, text) = stored.unwrap().unwrap();
    let format = world.outside.provider.driver().abilities().format;
    let document = SecretDocument::parse(&text, &format).unwrap();
    document.key().expose_secret().to_owned()
}

#[tokio::test]
async fn a_key_that_is_back_under_awscurrent_pages_though_its_use_was_told() {
    let (world, _) = rotated().await;
    let old = world.versions().await.remove(0);
    let text = old_text(&world, &old).await;
    world.outside.provider.call(&text);
    retire_for(&world, HOUR + MINUTE * 30).await;
    world.outside.provider.call(&text);
    world.outside.provider.call(&world.current_key());
    retire_for(&world, HOUR).await;
    assert_eq!(alerts(&world, AlertKind::OldKeyStillUsed), 1);
    let secrets = &world.outside.secrets;
    secrets.put_current(&world.secret, &token(1), &text);
    retire_for(&world, HOUR).await;
    assert_eq!(alerts(&world, AlertKind::ForeignSecretChange), 1);
    retire_for(&world, HOUR * 30).await;
    assert!(world.outside.provider.accepts(&text), "agents fetch it");
}

/// The policy's age counts, however late the provider would end the key by itself.
#[tokio::test]
async fn an_old_key_pages_though_it_expires_much_later() {
    let (world, _) = world().await;
    let expires = world.outside.clock.now() + HOUR * 24 * 365;
    change(&world, |version| version.expires = Some(expires)).await;
    retire_for(&world, MINUTE * 10).await;
    world.pass(HOUR * 24 * 57);
    retire_for(&world, MINUTE * 10).await;
    assert_eq!(alerts(&world, AlertKind::KeyNearEnd), 1);
    let sent = world.outside.alerts.sent();
    assert_eq!(sent[0].severity, Severity::Page);
}

/// A key that cannot be named counts as dead only by refusals in a row.
#[tokio::test]
async fn a_key_that_is_accepted_in_between_is_not_dead() {
    let (world, _) = rotated().await;
    let old = world.versions().await.remove(0);
    let text = old_text(&world, &old).await;
    change(&world, |version| {
        version.handle = None;
        version.hint = None;
        version.retire_after = Some(version.created);
        version.deadline = Some(version.created);
        version.due_at = Some(version.created);
    })
    .await;
    let driver = world.outside.provider.driver();
    let handle = old.handle.unwrap();
    let mut verdicts = [true, true, false, true].into_iter();
    for dead in verdicts.by_ref() {
        if dead {
            driver.disable(&handle).await.unwrap();
        } else {
            driver.restore(&handle, &Default::default()).await.unwrap();
        }
        assert_eq!(world.outside.provider.accepts(&text), !dead);
        world.retire().await.unwrap();
        world.pass(HOUR * 25);
    }
    let refusals = world.versions().await[0].refusals.unwrap();
    assert_eq!(refusals.count, 1);
    assert_eq!(world.versions().await[0].state, VersionState::Revoking);
}

/// A create that failed is tried again by Secrets Manager: retire, passing by, leaves the label for that.
#[tokio::test]
async fn a_failed_create_can_be_tried_again_after_retire_has_passed_by() {
    let (world, gate) = world().await;
    let secrets = &world.outside.secrets;
    secrets.begin_rotation(&world.secret, &token(2));
    gate.silence(&["provider.issue"]);
    world.step("createSecret", &token(2)).await.unwrap_err();
    gate.disarm();
    retire_for(&world, MINUTE * 35).await;
    world.rotate(&token(2)).await.unwrap();
    check_rules(&world, "tried again").await;

    world.pass(MINUTE * 11);
    secrets.begin_rotation(&world.secret, &token(3));
    gate.silence(&["provider.issue"]);
    world.step("createSecret", &token(3)).await.unwrap_err();
    gate.disarm();
    retire_for(&world, HOUR * 2).await;
    check_rules(&world, "not tried again").await;
    assert_eq!(alerts(&world, AlertKind::StuckPendingCleared), 1);
}

/// A refusal made no key, so there is no orphan, whatever else fails.
#[tokio::test]
async fn a_refused_create_leaves_no_orphan() {
    let (world, gate) = world().await;
    let ports = keyward_testkit::gate::gated(&world.odd(Oddity::Busy), &gate);
    gate.silence(&["provider.list"]);
    let secrets = &world.outside.secrets;
    secrets.begin_rotation(&world.secret, &token(2));
    let outcome = world.step_on(&ports, "createSecret", &token(2)).await;
    assert!(outcome.is_err());
    assert_eq!(world.outside.alerts.sent(), []);
    assert_eq!(world.versions().await[1].state, VersionState::Abandoned);
}
