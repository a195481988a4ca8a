//! The built kill switch, by case: each file's events through the binary under its Runtime API, with AWS and the provider over
//! the wire. What must do nothing calls no provider, writes nothing, rotates nothing and is told; what must be cut off is dead.
#![allow(clippy::unwrap_used, reason = "test code")]

#[path = "kill_function/case.rs"]
mod case;

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;
use keyward_aws::CloudWatchAlarms;
use keyward_core::model::alarm::{AlarmArn, AlarmState};
use keyward_core::model::alert::{AlertKind, Severity};
use keyward_core::model::slot::SlotState;
use keyward_core::model::version::VersionState;
use keyward_core::ports::AlarmSource;
use keyward_testkit::contract;
use keyward_testkit::contract::alarms::{AlarmOn, AlarmSubject, CHECKS};
use keyward_testkit::contract::provider::ProviderCall;
use keyward_testkit::simulator::{Body, Fault, FaultRule};
use keyward_tests::emulators::sdk_config;
use keyward_tests::end_to_end::{CloudWatch, Deployment};

use Severity::{Notice, Page, Warning};
use case::{Case, Play};

struct OverTheWire {
    wire: CloudWatch,
    alarms: CloudWatchAlarms,
}

#[async_trait]
impl AlarmSubject for OverTheWire {
    fn alarms(&self) -> &dyn AlarmSource {
        &self.alarms
    }

    async fn make(&self, name: &str, _on: AlarmOn, tags: &[(&str, &str)]) -> AlarmArn {
        let arn = format!("arn:aws:cloudwatch:us-east-1:123456789012:alarm:{name}");
        let arn = arn.parse().unwrap();
        self.wire.alarms.make(&arn, tags);
        arn
    }

    async fn set(&self, alarm: &AlarmArn, state: &str) -> Timestamp {
        let now = "2026-12-01T09:00:00Z".parse().unwrap();
        self.wire.alarms.change(alarm, now, AlarmState::new(state));
        now
    }
}

/// The stand-in for CloudWatch keeps the contract of the real one.
#[tokio::test]
async fn cloudwatch_over_the_wire_is_cloudwatch() {
    let wire = CloudWatch::start().await;
    let alarms = CloudWatchAlarms::new(&sdk_config(&wire.url).await);
    let subject = OverTheWire { wire, alarms };
    let count = contract::run(CHECKS, &subject as &dyn AlarmSubject, &[]).await;
    assert_eq!(count, CHECKS.len());
}

/// What must do nothing: the file, and how soon a person must look at each of its messages.
const NOTHING: [(&str, &[Severity]); 11] = [
    ("K-02-ok-state.json", &[Notice]),
    ("K-03-insufficient-data.json", &[Warning]),
    ("K-09-plain-text.json", &[Warning]),
    ("K-09b-json-but-not-object.json", &[Warning; 3]),
    ("K-10-budget-actual.json", &[Warning]),
    ("K-10b-budget-forecasted.json", &[Warning]),
    ("K-21-ambiguous-name.json", &[Page]),
    ("K-23-cross-account.json", &[Page]),
    ("K-33-describe-alarms.json", &[Warning]),
    ("S-01-marker-values.json", &[Warning]),
    ("K-01-metric-alarm.json", &[Page]),
];

#[tokio::test]
async fn what_must_do_nothing_does_nothing_and_is_told() {
    let Some(deployment) = Deployment::start().await else {
        return;
    };
    let play = Play::new(&deployment).await;
    for (name, expected) in NOTHING {
        let mut case = Case::of(name);
        if name.starts_with("K-01") {
            // Whoever can publish to the topic can say so much.
            case.forge();
        }
        play.prepare(&case).await;
        let before = play.state(&case).await;
        deployment.simulator.clear_requests();
        for event in &case.events {
            let answer = deployment.invoke(&case.function, event).await;
            // What the history does not hold may come into it: the event is wanted again.
            assert_eq!(
                answer.is_err(),
                name.starts_with("K-01"),
                "{name}: {answer:?}"
            );
        }
        assert_eq!(
            deployment.simulator.requests().len(),
            0,
            "{name}: the provider was called"
        );
        assert_eq!(
            play.state(&case).await,
            before,
            "{name}: something was changed"
        );
        let told = play.told().await;
        let refused = told
            .iter()
            .filter(|alert| alert.kind == AlertKind::KillRefused);
        let mut severities: Vec<Severity> = refused.map(|alert| alert.severity).collect();
        severities.sort();
        assert_eq!(severities, expected, "{name}");
        assert_eq!(told.len(), expected.len(), "{name}: {told:#?}");
        for marker in &case.markers {
            let log = deployment.moto.log(&case.function);
            assert!(!log.contains(marker.as_str()), "{name}: {marker}");
            assert!(
                !format!("{told:?}").contains(marker.as_str()),
                "{name}: {marker}"
            );
        }
    }
    deployment.assert_no_key_text().await;
}

/// What must be cut off: the file, the slots, and how soon a person must look at the messages that cut off nobody.
const KILLS: [(&str, &[&str], &[Severity]); 10] = [
    ("K-01-metric-alarm.json", &["agent-billing"], &[]),
    ("K-05-composite.json", &["agent-billing"], &[]),
    ("K-06-metric-math.json", &["agent-billing"], &[]),
    ("K-08-null-description.json", &["agent-billing"], &[]),
    (
        "K-12-mixed-records.json",
        &["agent-billing", "agent-search"],
        &[Notice, Warning],
    ),
    ("K-15-out-of-order.json", &["agent-billing"], &[Notice]),
    ("K-17-dimension-keys-upper.json", &["agent-billing"], &[]),
    ("K-18-eventbridge-alarm.json", &["agent-billing"], &[]),
    (
        "K-25-envelope-variants.json",
        &["agent-billing", "agent-chat", "agent-search"],
        &[],
    ),
    ("S-02-newline-in-alarm.json", &["agent-billing"], &[]),
];

#[tokio::test]
async fn what_must_be_cut_off_is_dead_and_told_and_nothing_else_is() {
    let Some(deployment) = Deployment::start().await else {
        return;
    };
    let play = Play::new(&deployment).await;
    for (name, kills, expected) in KILLS {
        let case = Case::of(name);
        play.prepare(&case).await;
        for event in &case.events {
            deployment.invoke(&case.function, event).await.unwrap();
        }
        play.assert_cut_off(&case, kills).await;
        let told = play.told().await;
        let refused = told
            .iter()
            .filter(|alert| alert.kind == AlertKind::KillRefused);
        let mut severities: Vec<Severity> = refused.map(|alert| alert.severity).collect();
        severities.sort();
        assert_eq!(severities, expected, "{name}");
        let cut_off = told
            .iter()
            .filter(|alert| alert.kind == AlertKind::Contained);
        let cut_off: BTreeSet<String> = cut_off
            .map(|a| a.slot.as_ref().unwrap().to_string())
            .collect();
        let slots: BTreeSet<String> = kills.iter().map(|agent| case.slot(agent)).collect();
        assert_eq!(cut_off, slots, "{name}");
        // Each line of the log is a record, whatever the alarm's name and reason hold.
        assert!(!deployment.records(&case.function).is_empty(), "{name}");
        let log = deployment.moto.log(&case.function);
        assert!(
            !log.contains("Threshold Crossed"),
            "{name}: the event is in the log"
        );
    }
    deployment.assert_no_key_text().await;
}

/// Deliveries that are repeated, alarms that flap, a provider that is down for a while: one kill each.
#[tokio::test]
async fn what_comes_again_is_one_kill() {
    let Some(deployment) = Deployment::start().await else {
        return;
    };
    let play = Play::new(&deployment).await;
    for name in ["K-13-duplicate-delivery.json", "K-28-flapping.json"] {
        let case = Case::of(name);
        play.prepare(&case).await;
        for event in &case.events {
            deployment.invoke(&case.function, event).await.unwrap();
        }
        play.assert_cut_off(&case, &["agent-billing"]).await;
        let told = play.told().await;
        let contained = told
            .iter()
            .filter(|alert| alert.kind == AlertKind::Contained);
        assert_eq!(contained.count(), 1, "{name}");
    }

    let case = Case::of("K-29-provider-down-first-try.json");
    play.prepare(&case).await;
    let (method, path) = deployment.simulator.route(ProviderCall::Change);
    let down = FaultRule::on(method, path, Fault::status(503, Body::Json)).always();
    deployment.simulator.inject(down);
    let failed = deployment
        .invoke(&case.function, &case.events[0])
        .await
        .unwrap_err();
    assert_eq!(failed.kind, "Retryable", "{failed:?}");
    let slot = case.slot("agent-billing").parse().unwrap();
    assert_eq!(deployment.slot(&slot).await.state, SlotState::Restricted);
    let told = play.told().await;
    assert!(
        told.iter()
            .any(|alert| alert.kind == AlertKind::NotContained),
        "{told:?}"
    );
    deployment.simulator.clear_faults();
    deployment
        .invoke(&case.function, &case.events[0])
        .await
        .unwrap();
    play.assert_cut_off(&case, &["agent-billing"]).await;
    let versions = deployment.versions(&slot).await;
    let old = versions.iter().filter(|v| v.epoch.0 == 0);
    assert!(old.clone().count() == 1 && old.clone().all(|v| v.state == VersionState::Contained));
}
