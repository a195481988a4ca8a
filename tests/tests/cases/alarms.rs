//! Messages to the kill switch: what each file cuts off, and what it leaves alone.

use keyward_core::model::alert::{AlertKind, Severity};
use keyward_core::model::slot::SlotState;
use keyward_tests::replay::{Options, Stage, replay};
use serde_json::{Value, json};

use crate::{Seen as _, fixture, play, play_with};

/// What a test asks of what came out.
trait Cut {
    fn of(&self, event: &str) -> Vec<&keyward_tests::replay::Invocation>;
    fn cut(&self, slot: &str) -> bool;
    fn refused(&self) -> Vec<Severity>;
}

impl Cut for Stage {
    fn of(&self, event: &str) -> Vec<&keyward_tests::replay::Invocation> {
        let all = self.report.invocations.iter();
        all.filter(|entry| entry.event == event).collect()
    }

    /// Whether the slot was cut off, once, and has a new key.
    fn cut(&self, slot: &str) -> bool {
        let seen = &self.report.slots[slot];
        assert_eq!(seen.live, 1, "{seen:?}");
        let (state, versions) = match seen.epoch {
            0 => (SlotState::Active, 1),
            1 => (SlotState::Restricted, 2),
            more => panic!("{slot} was cut off {more} times"),
        };
        assert_eq!((seen.state, seen.versions.len()), (state, versions));
        seen.epoch == 1
    }

    fn refused(&self) -> Vec<Severity> {
        let alerts = self.report.alerts.iter();
        let refused = alerts.filter(|alert| alert.kind == AlertKind::KillRefused);
        let mut refused: Vec<Severity> = refused.map(|alert| alert.severity).collect();
        refused.sort();
        refused
    }
}

/// What the file did not kill it left entirely alone.
fn did_nothing(stage: &Stage) {
    assert_eq!(stage.report.provider_calls.len(), 0);
    assert_eq!(stage.writes(), [""; 0]);
    for slot in stage.report.slots.keys() {
        assert!(!stage.cut(slot), "{slot}");
    }
    assert!(!stage.refused().is_empty(), "it must not vanish");
}

/// One alert that the slot is cut off, whatever else is told.
fn told_once(stage: &Stage, slot: &str) {
    let alerts = stage.report.alerts.iter();
    let told = alerts.filter(|alert| {
        let of_slot = alert.slot.as_ref().is_some_and(|of| of.as_str() == slot);
        alert.kind == AlertKind::Contained && of_slot
    });
    assert_eq!(told.count(), 1, "{slot}");
}

#[tokio::test]
async fn k_01_an_alarm_cuts_the_slot_off_once_and_replaces_its_key() {
    for name in [
        "K-01-metric-alarm.json",
        "K-05-composite.json",
        "K-08-null-description.json",
        "K-17-dimension-keys-upper.json",
        "K-18-eventbridge-alarm.json",
    ] {
        let stage = play(name).await;
        assert!(stage.cut("agent-billing"), "{name}");
        told_once(&stage, "agent-billing");
        assert_eq!(stage.refused(), [], "{name}");
        let asked: Vec<&str> = stage.report.aws_calls[..2]
            .iter()
            .map(|call| call.operation.as_str())
            .collect();
        assert_eq!(
            asked,
            ["ListTagsForResource", "DescribeAlarmHistory"],
            "{name}"
        );
    }
}

#[tokio::test]
async fn k_02_ok_and_no_data_leave_everything_alone_and_are_told() {
    for (name, severity) in [
        ("K-02-ok-state.json", Severity::Notice),
        ("K-03-insufficient-data.json", Severity::Warning),
    ] {
        let stage = play(name).await;
        did_nothing(&stage);
        assert_eq!(stage.refused(), [severity], "{name}");
    }
}

#[tokio::test]
async fn k_06_an_alarm_on_an_expression_cuts_its_slot_off() {
    let stage = play("K-06-metric-math.json").await;
    assert!(stage.cut("agent-billing"));
}

#[tokio::test]
async fn k_09_what_is_no_alarm_is_told_each_by_itself() {
    for (name, messages) in [
        ("K-09-plain-text.json", 1),
        ("K-09b-json-but-not-object.json", 3),
    ] {
        let stage = play(name).await;
        did_nothing(&stage);
        assert_eq!(stage.refused(), vec![Severity::Warning; messages], "{name}");
    }
}

#[tokio::test]
async fn k_10_a_budgets_notice_is_told() {
    for name in ["K-10-budget-actual.json", "K-10b-budget-forecasted.json"] {
        let stage = play(name).await;
        did_nothing(&stage);
        assert_eq!(stage.refused(), [Severity::Warning], "{name}");
    }
}

#[tokio::test]
async fn k_12_good_records_are_acted_on_and_bad_ones_told() {
    let stage = play("K-12-mixed-records.json").await;
    assert!(stage.cut("agent-billing"));
    assert!(stage.cut("agent-search"));
    assert!(!stage.cut("agent-chat"));
    assert_eq!(stage.refused(), [Severity::Notice, Severity::Warning]);
    let [handled] = stage.of("kill-switch")[..] else {
        panic!("{:?}", stage.report.invocations);
    };
    let expected = json!({"messages": 4, "contained": 2, "passed": 2, "unfinished": 0});
    assert_eq!(handled.outcome, Some(expected));
}

#[tokio::test]
async fn k_13_the_second_delivery_does_nothing() {
    let stage = play("K-13-duplicate-delivery.json").await;
    assert!(stage.cut("agent-billing"));
    told_once(&stage, "agent-billing");
    assert_eq!(stage.of("kill-switch").len(), 2);
}

#[tokio::test]
async fn k_15_an_ok_before_the_alarm_cancels_nothing() {
    let stage = play("K-15-out-of-order.json").await;
    assert!(stage.cut("agent-billing"));
    assert_eq!(stage.refused(), [Severity::Notice]);
}

#[tokio::test]
async fn k_21_a_name_that_fits_several_agents_cuts_off_none() {
    let stage = play("K-21-ambiguous-name.json").await;
    assert_eq!(stage.report.slots.len(), 3);
    did_nothing(&stage);
    assert_eq!(stage.refused(), [Severity::Page]);
}

#[tokio::test]
async fn k_23_another_accounts_alarm_cuts_off_nobody() {
    let stage = play("K-23-cross-account.json").await;
    did_nothing(&stage);
    assert_eq!(stage.refused(), [Severity::Page]);
}

#[tokio::test]
async fn k_25_all_three_records_are_acted_on() {
    let stage = play("K-25-envelope-variants.json").await;
    for slot in ["agent-billing", "agent-chat", "agent-search"] {
        assert!(stage.cut(slot), "{slot}");
        told_once(&stage, slot);
    }
}

/// Four changes to ALARM in 24 minutes are one kill and one new key: what dead keys spent speaks for nothing.
#[tokio::test]
async fn k_28_an_alarm_that_flaps_cuts_off_once() {
    let stage = play("K-28-flapping.json").await;
    assert!(stage.cut("agent-billing"));
    told_once(&stage, "agent-billing");
    assert_eq!(stage.refused(), [Severity::Notice; 3]);
    assert_eq!(stage.creates(), 1);
}

/// The provider is down for the whole first attempt: the event is wanted again, and the second attempt ends it.
#[tokio::test]
async fn k_29_what_failed_is_wanted_again_and_ends_once() {
    let stage = play("K-29-provider-down-first-try.json").await;
    let attempts = stage.of("kill-switch");
    let [first, second] = attempts[..] else {
        panic!("{attempts:?}");
    };
    let failed = first.error.as_ref().unwrap();
    assert!(failed.retryable, "{failed:?}");
    assert_eq!(second.step.as_deref(), Some("retry 1"));
    assert!(stage.cut("agent-billing"));
    told_once(&stage, "agent-billing");
    let late = stage.told(AlertKind::NotContained);
    assert!(late.contains("NOT cut off yet"), "{late}");
}

#[tokio::test]
async fn k_33_a_list_of_alarms_is_no_event() {
    let name = "K-33-describe-alarms.json";
    let refused = replay(name, &fixture(name), &Options::default()).await;
    let refused = refused.err().unwrap().to_string();
    assert!(refused.ends_with("the audit"), "{refused}");
}

#[tokio::test]
async fn s_02_line_breaks_of_an_alarm_are_in_no_alert() {
    let stage = play("S-02-newline-in-alarm.json").await;
    assert!(stage.cut("agent-billing"));
    for alert in &stage.report.alerts {
        for text in [&alert.what, &alert.done, &alert.left] {
            assert!(!text.as_str().contains(['\n', '\r']), "{text:?}");
        }
    }
}

/// A file can say which alarms there are: then nothing is made up.
#[tokio::test]
async fn alarms_tags_and_history_can_be_given() {
    const ARN: &str = "arn:aws:cloudwatch:us-east-1:111122223333:alarm:agent-billing-spend";
    let entry = |at: &str, state: &str| json!({"at": at, "state": state});
    let changed = "2026-11-25T15:00:04.987Z";
    for (alarms, kills) in [
        (json!({ARN: {"history": [entry(changed, "ALARM")]}}), true),
        (json!({ARN: {"history": [entry(changed, "OK")]}}), false),
        (json!({ARN: {}}), false),
        (json!({}), false),
        (
            json!({ARN: {
                "tags": {"keyward:stack": "prod", "keyward:slot": "another"},
                "history": [entry(changed, "ALARM")],
            }}),
            false,
        ),
    ] {
        let stage = play_with("K-01-metric-alarm.json", |file| {
            *file = json!({"event": file.take(), "alarms": alarms.clone()});
        });
        let stage = stage.await;
        assert_eq!(stage.cut("agent-billing"), kills, "{alarms}");
        if !kills {
            did_nothing(&stage);
        }
    }
}

#[tokio::test]
async fn the_map_and_the_monitors_order_can_be_given() {
    let stage = play_with("K-01-metric-alarm.json", |file| {
        *file = json!({"event": file.take(), "alarm_map": {"agent-billing-spend": "another"}});
    });
    let stage = stage.await;
    assert!(stage.cut("another"));
    assert!(!stage.cut("agent-billing"));
    let order: Value = json!({
        "keyward": "kill", "schema": 1, "stack": "test", "slot": "chat-eu",
        "score_thousandths": 1000, "basis": "usual", "judged": "2026-11-25T15:00:00Z", "reason": "x",
    });
    let stage = replay("order.json", &order.to_string(), &Options::default()).await;
    assert!(stage.unwrap().cut("chat-eu"));
}

#[tokio::test]
async fn an_event_without_messages_is_told() {
    for text in [
        r#"{"Records":[]}"#,
        r#"[{"Records":[]}]"#,
        r#"{"source":"aws.cloudwatch"}"#,
    ] {
        let stage = replay("x.json", text, &Options::default()).await.unwrap();
        did_nothing(&stage);
    }
}
