//! From what a thief spends to the dead key: the provider's usage API is a simulator over HTTP, the built monitor reads it,
//! puts its score into emulated CloudWatch and makes the alarm itself, SNS wakes the built kill switch. The same where the
//! alarm's message is lost, and where CloudWatch cannot be reached.
//!
//! Emulated CloudWatch looks at alarms when a score is put. AWS's does so every minute for a period of five:
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html>.
#![allow(clippy::unwrap_used, reason = "test code")]

use jiff::{SignedDuration, Timestamp};
use keyward_core::model::alert::AlertKind;
use keyward_core::model::incident::Incident;
use keyward_core::model::names::AccountName;
use keyward_core::model::slot::{Mode, ProviderName, Slot, SlotState};
use keyward_core::model::version::{Confirmation, Confirmed, Version, VersionState};
use keyward_core::ports::Fence;
use keyward_tests::end_to_end::{Deployment, NOWHERE, Secret, alarm_of};
use keyward_tests::support::say;

const PROVIDER: ProviderName = ProviderName::OpenAi;

/// So long stands between the monitor's runs.
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// A slot at OpenAI that is enforced, with rotation on, and the key that it was registered with.
async fn enforced(deployment: &Deployment, name: &str) -> (Secret, String) {
    let key = deployment.seed_at(PROVIDER, name);
    let secret = deployment.create(name, &key).await;
    deployment.register_at(PROVIDER, &secret).await;
    let slot = Slot {
        mode: Mode::Enforce,
        ..deployment.slot(&secret.slot).await
    };
    deployment.ports.inventory.save_slot(&slot).await.unwrap();
    deployment.turn_rotation_on(&secret, 30).await;
    (secret, key)
}

async fn incident(deployment: &Deployment, secret: &Secret) -> Option<Incident> {
    let id = format!("{}-1", secret.slot);
    deployment.ports.inventory.incident(&id).await.unwrap()
}

async fn until_replaced(deployment: &Deployment, secret: &Secret, key: &str) {
    deployment
        .until("the end of the key", async || {
            !deployment.accepts_at(PROVIDER, key)
        })
        .await;
    deployment.until_replaced(&secret.slot).await;
    let fetched = deployment.key_in(&deployment.current(secret).await);
    assert_ne!(fetched, key);
    assert!(deployment.accepts_at(PROVIDER, &fetched));
    let slot = deployment.slot(&secret.slot).await;
    assert_eq!(slot.state, SlotState::Restricted);
    deployment
        .until("the last word", async || {
            deployment.retire().await.unwrap();
            let alerts = deployment.alerts().await;
            alerts.iter().any(|a| a.kind == AlertKind::KillDone)
        })
        .await;
}

/// A minute passes for what the monitor remembers, and it runs.
async fn next_run(deployment: &Deployment, secret: &Secret) -> serde_json::Value {
    let account: AccountName = format!("{PROVIDER}-main").parse().unwrap();
    deployment
        .pass_for_monitor(&account, &secret.slot, MINUTE)
        .await;
    deployment.monitor().await.unwrap()
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

#[tokio::test]
async fn what_a_thief_spends_ends_in_a_dead_key_and_a_new_one_with_nobody_awake() {
    let Some(deployment) = Deployment::start().await else {
        return;
    };
    let (secret, key) = enforced(&deployment, "support-bot").await;
    let (other, other_key) = enforced(&deployment, "billing-bot").await;
    let guard = deployment.guard().await;
    deployment.watch(&guard).await;
    deployment.spend(PROVIDER, &key, 1000, MINUTE * 10);
    deployment.spend(PROVIDER, &other_key, 1000, MINUTE * 10);
    let first = deployment.monitor().await.unwrap();
    assert_eq!(
        (&first["judged"], &first["over"]),
        (&2.into(), &0.into()),
        "{first}"
    );
    let made: Vec<String> = guard.alarms().await.into_keys().collect();
    assert_eq!(made, [alarm_of("billing-bot"), alarm_of("support-bot")]);

    let clock = &deployment.ports.clock;
    let stolen = clock.now();
    deployment.steal(PROVIDER, &key);
    let ran = next_run(&deployment, &secret).await;
    let judged = clock.now();
    assert_eq!(
        (&ran["over"], &ran["sent"]),
        (&1.into(), &0.into()),
        "{ran}"
    );
    deployment
        .until("the end of the key", async || {
            !deployment.accepts_at(PROVIDER, &key)
        })
        .await;
    let dead = clock.now();
    until_replaced(&deployment, &secret, &key).await;
    let incident = incident(&deployment, &secret).await.unwrap();
    let cause = incident.triggers[0].cause.as_str();
    assert!(cause.contains(&alarm_of("support-bot")), "{cause}");
    say(format_args!(
        "seconds after the provider had the usage (up to {MINUTE:#} until the monitor runs left out):"
    ));
    say(format_args!(
        "{:>8.2}  the monitor's run was over",
        seconds(stolen, judged)
    ));
    say(format_args!(
        "{:>8.2}  key refused at the provider",
        seconds(stolen, dead)
    ));
    for (stage, at) in &incident.timeline() {
        say(format_args!("{:>8.2}  {stage}", seconds(stolen, *at)));
    }

    // Nobody else was touched, and people know.
    assert!(deployment.accepts_at(PROVIDER, &other_key));
    assert_eq!(deployment.slot(&other.slot).await.epoch.0, 0);
    let told: Vec<AlertKind> = deployment.alerts().await.iter().map(|a| a.kind).collect();
    for kind in [
        AlertKind::SpendUnusual,
        AlertKind::Contained,
        AlertKind::KillDone,
    ] {
        assert!(told.contains(&kind), "{kind:?}: {told:?}");
    }
    let again = next_run(&deployment, &secret).await;
    assert_eq!(again["over"], 0, "what is contained fires nothing: {again}");
    assert_eq!(deployment.slot(&secret.slot).await.epoch.0, 1);
    deployment.assert_no_key_text().await;
    let canary = deployment.canary();
    canary.assert_absent("the log of monitor", deployment.moto.log("monitor"));
}

/// Lets the monitor run each minute until it sends the slot itself, and waits for the end. The seconds are those since the
/// first run that could see the data, which is a minute after they are there at most, without the work of a test between
/// runs.
async fn sent_by_the_monitor(deployment: &Deployment, secret: &Secret, key: &str) {
    let clock = &deployment.ports.clock;
    let mut passed = SignedDuration::ZERO;
    for run in 1..=3 {
        let begun = clock.now();
        let ran = next_run(deployment, secret).await;
        passed += clock.now().duration_since(begun);
        assert_eq!(ran["over"], 1, "run {run}: {ran}");
        let sent = i32::from(run == 3);
        assert_eq!(ran["sent"], sent, "run {run}: {ran}");
        if run < 3 {
            assert!(deployment.accepts_at(PROVIDER, key), "run {run}");
            passed += MINUTE;
        }
    }
    let sent = clock.now();
    deployment
        .until("the end of the key", async || {
            !deployment.accepts_at(PROVIDER, key)
        })
        .await;
    passed += clock.now().duration_since(sent);
    say(format_args!(
        "{:.1} s from the first run after the data to the dead key",
        passed.as_secs_f64()
    ));
    assert!(passed < MINUTE * 3, "{passed:#}");
    until_replaced(deployment, secret, key).await;
    let incident = incident(deployment, secret).await.unwrap();
    let cause = incident.triggers[0].cause.as_str();
    assert!(!cause.contains("alarm"), "{cause}");
    let alerts = deployment.alerts().await;
    let ordered = alerts.iter().filter(|a| a.kind == AlertKind::KillOrdered);
    assert_eq!(ordered.count(), 1);
}

#[tokio::test]
async fn an_alarm_whose_message_is_lost_costs_two_minutes() {
    let Some(deployment) = Deployment::start().await else {
        return;
    };
    let (secret, key) = enforced(&deployment, "support-bot").await;
    let guard = deployment.guard_that_hears_nothing().await;
    deployment.watch(&guard).await;
    deployment.monitor().await.unwrap();
    deployment.steal(PROVIDER, &key);
    sent_by_the_monitor(&deployment, &secret, &key).await;
    let states = guard.alarms().await;
    assert_eq!(states[&alarm_of("support-bot")], "ALARM", "it went off");
}

#[tokio::test]
async fn without_cloudwatch_the_monitor_sends_the_slot_itself() {
    let Some(deployment) = Deployment::start().await else {
        return;
    };
    let (secret, key) = enforced(&deployment, "support-bot").await;
    let guard = deployment.guard().await;
    deployment.watch_with(&guard, NOWHERE).await;
    let ran = deployment.monitor().await.unwrap();
    assert!(ran["left"].to_string().contains("heartbeat"), "{ran}");
    deployment.steal(PROVIDER, &key);
    sent_by_the_monitor(&deployment, &secret, &key).await;
    assert!(guard.alarms().await.is_empty());
}

#[tokio::test]
async fn a_slot_has_its_alarm_as_long_as_it_is_there() {
    let Some(deployment) = Deployment::start().await else {
        return;
    };
    let guard = deployment.guard().await;
    deployment.watch(&guard).await;
    enforced(&deployment, "first").await;
    deployment.monitor().await.unwrap();
    let (late, _) = enforced(&deployment, "late").await;
    // A new process reads all slots; one that runs does so every few minutes.
    deployment.restart_monitor().await;
    deployment.monitor().await.unwrap();
    let made: Vec<String> = guard.alarms().await.into_keys().collect();
    assert_eq!(made, [alarm_of("first"), alarm_of("late")]);

    let inventory = &deployment.ports.inventory;
    let gone = Slot {
        state: SlotState::Decommissioned,
        ..deployment.slot(&late.slot).await
    };
    inventory.save_slot(&gone).await.unwrap();
    deployment.restart_monitor().await;
    deployment.monitor().await.unwrap();
    assert_eq!(guard.alarms().await.len(), 2, "its key is alive still");
    let dead = |version: Version| Version {
        state: VersionState::Revoked,
        revoke_confirmed: Some(Confirmed {
            at: deployment.ports.clock.now(),
            by: Confirmation::Refused,
        }),
        ..version
    };
    let versions = deployment.versions(&late.slot).await;
    let versions: Vec<Version> = versions.into_iter().map(dead).collect();
    let saved = inventory.save_versions(&versions, Fence::None).await;
    saved.unwrap();
    deployment.restart_monitor().await;
    deployment.monitor().await.unwrap();
    let left: Vec<String> = guard.alarms().await.into_keys().collect();
    assert_eq!(left, [alarm_of("first")]);
}
