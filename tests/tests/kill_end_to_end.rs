//! From a metric that crosses its line to the proof that the key is dead: emulated CloudWatch and SNS wake the built kill
//! switch, emulated Secrets Manager rotates with the built rotation function, the provider is a simulator over HTTP.
#![allow(clippy::unwrap_used, reason = "test code")]

use keyward_core::model::alert::{AlertKind, Severity};
use keyward_core::model::drill::DrillOutcome;
use keyward_core::model::incident::{Incident, Stage};
use keyward_core::model::slot::{Mode, Slot, SlotState};
use keyward_core::model::version::Confirmation;
use keyward_tests::end_to_end::{Deployment, Secret};
use keyward_tests::support::say;

async fn enforced(deployment: &Deployment, name: &str) -> (Secret, String) {
    let (secret, key) = deployment.one_slot(name).await;
    let slot = Slot {
        mode: Mode::Enforce,
        ..deployment.slot(&secret.slot).await
    };
    deployment.ports.inventory.save_slot(&slot).await.unwrap();
    deployment.turn_rotation_on(&secret, 30).await;
    (secret, key)
}

async fn incident(deployment: &Deployment, secret: &Secret, epoch: u64) -> Option<Incident> {
    let id = format!("{}-{epoch}", secret.slot);
    deployment.ports.inventory.incident(&id).await.unwrap()
}

#[tokio::test]
async fn a_metric_over_its_line_ends_in_a_dead_key_and_a_new_one_with_nobody_awake() {
    let Some(deployment) = Deployment::start().await else {
        return;
    };
    let (secret, key) = enforced(&deployment, "support-bot").await;
    let (other, other_key) = enforced(&deployment, "billing-bot").await;
    let guard = deployment.guard().await;
    guard.watch(&secret.slot).await;
    guard.score(&secret.slot, 0.4).await;

    let crossed = deployment.ports.clock.now();
    guard.score(&secret.slot, 1.6).await;
    deployment
        .until("the end of the key", async || !deployment.accepts(&key))
        .await;
    let dead = deployment.ports.clock.now();
    deployment.until_replaced(&secret.slot).await;
    let fetched = deployment.key_in(&deployment.current(&secret).await);
    assert_ne!(fetched, key);
    assert!(deployment.accepts(&fetched));
    let slot = deployment.slot(&secret.slot).await;
    assert_eq!(slot.state, SlotState::Restricted);
    let limit = deployment.at_provider(&fetched).limit;
    assert_eq!(limit, Some(slot.expected.daily), "one normal day");

    deployment
        .until("the last word", async || {
            deployment.retire().await.unwrap();
            let alerts = deployment.alerts().await;
            alerts.iter().any(|a| a.kind == AlertKind::KillDone)
        })
        .await;
    let incident = incident(&deployment, &secret, 1).await.unwrap();
    let timeline = incident.timeline();
    let stages: Vec<Stage> = timeline.iter().map(|(stage, _)| *stage).collect();
    let expected = [
        Stage::Seen,
        Stage::Claimed,
        Stage::Contained,
        Stage::Told,
        Stage::ReplacementAsked,
        Stage::Replaced,
        Stage::Confirmed,
        Stage::Done,
    ];
    assert_eq!(stages, expected);
    say(format_args!("seconds after the metric crossed its line:"));
    say(format_args!(
        "{:>8.2}  key refused at the provider",
        dead.duration_since(crossed).as_secs_f64()
    ));
    for (stage, at) in &timeline {
        let after = at.duration_since(crossed).as_secs_f64();
        say(format_args!("{after:>8.2}  {stage}"));
    }
    let by = incident.undo[0].confirmed.map(|c| c.by);
    assert_eq!(by, Some(Confirmation::Refused));

    // Nobody else was touched, and people know.
    assert!(deployment.accepts(&other_key));
    assert_eq!(deployment.slot(&other.slot).await.epoch.0, 0);
    let mut alerts = deployment.alerts().await;
    // moto stages no AWSPENDING for the run that only tests, which turning rotation on begins.
    alerts.retain(|alert| alert.kind != AlertKind::RotationFailed);
    let kinds: Vec<AlertKind> = alerts.iter().map(|a| a.kind).collect();
    let expected = [
        AlertKind::KillRefused,
        AlertKind::Contained,
        AlertKind::KillDone,
    ];
    assert_eq!(
        kinds, expected,
        "the first tells that the alarm was OK at 0.4"
    );
    let told = &alerts[1];
    assert_eq!(told.severity, Severity::Page);
    assert_eq!(
        told.incident.as_ref().map(|i| i.as_str()),
        Some("support-bot-1")
    );
    let command = told.command.as_ref().unwrap().as_str();
    assert!(
        command.starts_with("keyward restore support-bot"),
        "{command}"
    );

    deployment.assert_no_key_text().await;
    let canary = deployment.canary();
    let log = deployment.ministack.log("kill-switch");
    assert!(log.contains("an order to cut off a slot"), "{log}");
    canary.assert_absent("the log of kill-switch", log);
}

/// The metric is put by `control`, and nobody else does anything by hand.
#[tokio::test]
async fn k_32_a_drill_goes_the_whole_way_and_its_seconds_are_kept() {
    let Some(deployment) = Deployment::start().await else {
        return;
    };
    let (secret, key) = enforced(&deployment, "canary-bot").await;
    let canary = Slot {
        canary: true,
        ..deployment.slot(&secret.slot).await
    };
    deployment.ports.inventory.save_slot(&canary).await.unwrap();
    let guard = deployment.guard().await;
    guard.watch(&secret.slot).await;
    guard.recovers(&secret.slot).await;
    deployment.drill(&secret.slot).await;
    deployment
        .until("the end of the key", async || !deployment.accepts(&key))
        .await;
    deployment.until_drilled(&secret.slot).await;
    let inventory = &deployment.ports.inventory;
    let drills = inventory.drills(&secret.slot).await.unwrap();
    let [drill] = &drills[..] else {
        panic!("one drill: {drills:?}");
    };
    assert_eq!(drill.outcome, DrillOutcome::Passed);
    say(format_args!("seconds after the drill's score was put:"));
    for reached in &drill.stages {
        let seconds = reached.millis as f64 / 1000.0;
        say(format_args!("{seconds:>8.2}  {}", reached.words()));
    }
    let alerts = deployment.alerts().await;
    let done = alerts.iter().find(|a| a.kind == AlertKind::DrillDone);
    assert_eq!(done.unwrap().severity, Severity::Notice);
    let contained = alerts.iter().find(|a| a.kind == AlertKind::Contained);
    assert!(contained.unwrap().what.as_str().starts_with("DRILL: "));
    deployment.assert_no_key_text().await;
}
