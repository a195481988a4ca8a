//! What messages to the kill switch mean, by case: each file is read, and what it kills, or only alerts of, is said in
//! the words of the case. Acting on it is not shown here.
#![allow(clippy::unwrap_used, reason = "test code")]

#[path = "kill_messages/mutations.rs"]
mod mutations;
#[path = "kill_messages/outside_text.rs"]
mod outside_text;
#[path = "kill_messages/shapes.rs"]
mod shapes;

use std::path::Path;

use jiff::Timestamp;
use keyward_core::model::kill_order::{Content, KillMessage, Source, TopicArn, Unreadable};
use keyward_core::rules::kill::{
    AlarmCheck, AlarmMap, Decision, Deployment, History, KillFacts, NotKilled, judge,
};
use keyward_kill_switch::message::read;
use serde_json::Value;

const TOPIC: &str = "arn:aws:sns:us-east-1:111122223333:llm-key-kill-switch";

/// The alarms of the files are not Keyward's: the map names their slots.
const MAP: [(&str, &str); 5] = [
    ("agent-billing-spend", "agent-billing"),
    ("agent-billing-composite", "agent-billing"),
    ("agent-billing-cost-per-call", "agent-billing"),
    ("agent-chat-spend", "agent-chat"),
    ("agent-search-spend", "agent-search"),
];

fn deployment() -> Deployment {
    let map: AlarmMap = MAP
        .iter()
        .map(|(alarm, slot)| ((*alarm).to_owned(), slot.parse().unwrap()))
        .collect();
    Deployment {
        account: "111122223333".to_owned(),
        region: "us-east-1".to_owned(),
        stack: "prod".parse().unwrap(),
        topic: TopicArn::new(TOPIC),
        map,
    }
}

/// CloudWatch knows the alarms, and their histories hold what is told.
const CONFIRMED: AlarmCheck = AlarmCheck::NotOurs {
    history: History::HoldsTransition,
};

fn fixture(name: &str) -> Value {
    let kind = match name.starts_with("S-") {
        true => "security",
        false => "alarms",
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cases");
    let text = std::fs::read_to_string(folder.join(kind).join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The invocations in a file: one, one beside what else it says, or a list.
fn events(name: &str) -> Vec<Value> {
    match fixture(name) {
        Value::Array(events) => events,
        mut file => match file.get_mut("event") {
            Some(event) => vec![event.take()],
            None => vec![file],
        },
    }
}

/// Some minutes after the first change in the files.
fn now() -> Timestamp {
    "2026-11-25T15:30:00Z".parse().unwrap()
}

fn decide(message: &KillMessage, deployment: &Deployment) -> Decision {
    let facts = KillFacts {
        deployment,
        check: &CONFIRMED,
        now: now(),
    };
    judge(message, &facts)
}

/// For each message of an event the slot that it kills, or why it kills none.
fn outcomes_of(event: &Value) -> Vec<Result<String, NotKilled>> {
    let outcome = |message| match decide(&message, &deployment()) {
        Decision::Kill(kill) => Ok(kill.slot.to_string()),
        Decision::AlertOnly(alert) => Err(alert.kind),
        Decision::GoOn(incident) => panic!("{incident}"),
        Decision::CarryOut(order) => panic!("{order:?}"),
    };
    read(event).into_iter().map(outcome).collect()
}

/// The same for each invocation of a file.
fn outcomes(name: &str) -> Vec<Vec<Result<String, NotKilled>>> {
    events(name).iter().map(outcomes_of).collect()
}

fn killed(slot: &str) -> Result<String, NotKilled> {
    Ok(slot.to_owned())
}

/// The one message of a file.
fn message(name: &str) -> KillMessage {
    let messages = read(&events(name)[0]);
    let [message] = <[KillMessage; 1]>::try_from(messages).unwrap();
    message
}

fn unreadable(message: &KillMessage) -> &Unreadable {
    match &message.content {
        Content::Unreadable(why) => why,
        other => panic!("{other:?}"),
    }
}

fn triggers(name: &str) -> Vec<Option<String>> {
    let messages = events(name).iter().flat_map(read).collect::<Vec<_>>();
    let trigger = |message| match decide(&message, &deployment()) {
        Decision::Kill(kill) => Some(kill.trigger.id()),
        Decision::GoOn(_) | Decision::CarryOut(_) | Decision::AlertOnly(_) => None,
    };
    messages.into_iter().map(trigger).collect()
}

#[test]
fn k_01_a_metric_alarm_kills_the_slot_that_is_named() {
    assert_eq!(
        outcomes("K-01-metric-alarm.json"),
        [[killed("agent-billing")]]
    );
    let message = message("K-01-metric-alarm.json");
    assert_eq!(message.source, Source::Topic(TopicArn::new(TOPIC)));
    let id = message.id.as_ref().map(|id| id.as_str());
    assert_eq!(id, Some("aaaaaaaa-0000-5000-8000-000000000001"));
    let Decision::Kill(kill) = decide(&message, &deployment()) else {
        panic!("{message:?}");
    };
    let cause = kill.cause.as_str();
    assert!(cause.starts_with("alarm agent-billing-spend at 2026-11-25T15:00:04.987Z: Thre"));
    assert!(cause.contains("[42.0 (25/11/26 14:55:00)]"), "{cause}");
}

#[test]
fn k_01_an_alarm_that_nobody_mapped_kills_nobody() {
    let unmapped = Deployment {
        map: AlarmMap::default(),
        ..deployment()
    };
    let decision = decide(&message("K-01-metric-alarm.json"), &unmapped);
    let Decision::AlertOnly(alert) = decision else {
        panic!("{decision:?}");
    };
    assert_eq!(alert.kind, NotKilled::Unmapped);
}

#[test]
fn k_02_ok_kills_nobody() {
    assert_eq!(
        outcomes("K-02-ok-state.json"),
        [[Err(NotKilled::Recovered)]]
    );
}

#[test]
fn k_03_no_data_kills_nobody() {
    let outcomes = outcomes("K-03-insufficient-data.json");
    assert_eq!(outcomes, [[Err(NotKilled::NoData)]]);
}

#[test]
fn k_05_a_composite_alarm_is_read_and_named_by_the_map_only() {
    assert_eq!(outcomes("K-05-composite.json"), [[killed("agent-billing")]]);
    let children_only = Deployment {
        map: [("agent-billing-spend", "agent-billing")]
            .map(|(alarm, slot)| (alarm.to_owned(), slot.parse().unwrap()))
            .into_iter()
            .collect(),
        ..deployment()
    };
    let decision = decide(&message("K-05-composite.json"), &children_only);
    assert!(
        matches!(&decision, Decision::AlertOnly(alert) if alert.kind == NotKilled::Unmapped),
        "{decision:?}"
    );
}

#[test]
fn k_06_a_metric_math_alarm_shows_the_dimensions_of_its_inner_metrics() {
    let name = "K-06-metric-math.json";
    assert_eq!(outcomes(name), [[killed("agent-billing")]]);
    assert_eq!(dimensions(&message(name)), ["Agent=agent-billing"; 2]);
}

/// The dimensions of all metrics that a message's alarm watches.
fn dimensions(message: &KillMessage) -> Vec<String> {
    use keyward_core::model::alarm::Watches;
    let Content::Alarm(alarm) = &message.content else {
        panic!("{message:?}");
    };
    let Watches::Metrics(metrics) = &alarm.watches else {
        panic!("{alarm:?}");
    };
    let dimensions = metrics.iter().flat_map(|metric| &metric.dimensions);
    dimensions
        .map(|d| format!("{}={}", d.name, d.value))
        .collect()
}

#[test]
fn k_08_an_alarm_without_a_description_is_like_any_other() {
    let outcomes = outcomes("K-08-null-description.json");
    assert_eq!(outcomes, [[killed("agent-billing")]]);
}

#[test]
fn k_09_what_is_no_alarm_is_said_to_be_none_each_by_itself() {
    let text = message("K-09-plain-text.json");
    assert_eq!(*unreadable(&text), Unreadable::PlainText(28));
    let messages = read(&events("K-09b-json-but-not-object.json")[0]);
    let why: Vec<&Unreadable> = messages.iter().map(unreadable).collect();
    let expected = [
        &Unreadable::NotAnObject,
        &Unreadable::NotAnObject,
        &Unreadable::UnknownShape,
    ];
    assert_eq!(why, expected);
    let mut empty = fixture("K-09-plain-text.json");
    empty["Records"][0]["Sns"]["Message"] = "".into();
    assert_eq!(*unreadable(&read(&empty)[0]), Unreadable::Empty);
    for message in [&text].into_iter().chain(&messages) {
        let decision = decide(message, &deployment());
        assert!(matches!(decision, Decision::AlertOnly(a) if a.kind == NotKilled::Unreadable));
    }
}

#[test]
fn k_10_a_budgets_notice_alerts_whether_actual_or_forecast() {
    for (name, text) in [
        ("K-10-budget-actual.json", "was billed more"),
        (
            "K-10b-budget-forecasted.json",
            "is forecast to be billed more",
        ),
    ] {
        let decision = decide(&message(name), &deployment());
        let Decision::AlertOnly(alert) = decision else {
            panic!("{decision:?}");
        };
        assert_eq!(alert.kind, NotKilled::Notice);
        let why = alert.why.as_str();
        assert!(
            why.contains("`llm-agent-billing`") && why.contains(text),
            "{why}"
        );
    }
}

#[test]
fn k_12_bad_records_cost_good_ones_nothing() {
    let expected = [
        Err(NotKilled::Unreadable),
        killed("agent-billing"),
        Err(NotKilled::Recovered),
        killed("agent-search"),
    ];
    assert_eq!(outcomes("K-12-mixed-records.json"), [expected]);
}

#[test]
fn k_13_two_deliveries_have_one_trigger() {
    let triggers = triggers("K-13-duplicate-delivery.json");
    assert_eq!(triggers.len(), 2);
    assert!(triggers[0].is_some());
    assert_eq!(triggers[0], triggers[1]);
}

#[test]
fn k_15_an_ok_that_comes_first_cancels_nothing() {
    assert_eq!(
        outcomes("K-15-out-of-order.json"),
        [[Err(NotKilled::Recovered)], [killed("agent-billing")]]
    );
}

#[test]
fn k_17_keys_of_dimensions_are_read_in_any_case() {
    let name = "K-17-dimension-keys-upper.json";
    assert_eq!(outcomes(name), [[killed("agent-billing")]]);
    let expected = ["Agent=agent-billing", "Provider=openai"];
    assert_eq!(dimensions(&message(name)), expected);
}

#[test]
fn k_18_an_alarm_by_event_bridge_is_the_same_change() {
    let name = "K-18-eventbridge-alarm.json";
    assert_eq!(outcomes(name), [[killed("agent-billing")]]);
    assert_eq!(triggers(name), triggers("K-01-metric-alarm.json"));
    let expected = ["Agent=agent-billing", "Provider=openai"];
    assert_eq!(dimensions(&message(name)), expected);
}

#[test]
fn k_21_a_name_that_fits_several_agents_names_none() {
    let name = "K-21-ambiguous-name.json";
    assert_eq!(outcomes(name), [[Err(NotKilled::Unmapped)]]);
    let agents = fixture(name)["agents_in_inventory"].clone();
    let agents: Vec<String> = serde_json::from_value(agents).unwrap();
    let of_agents = |prefix: &str| {
        let entry = |agent: &String| (format!("{prefix}{agent}"), agent.parse().unwrap());
        Deployment {
            map: agents.iter().map(entry).collect(),
            ..deployment()
        }
    };
    for prefix in ["", "llm-", "llm-chat-eu-beta-"] {
        let decision = decide(&message(name), &of_agents(prefix));
        assert!(matches!(decision, Decision::AlertOnly(a) if a.kind == NotKilled::Unmapped));
    }
}

#[test]
fn k_23_another_accounts_alarm_kills_nobody() {
    let outcomes = outcomes("K-23-cross-account.json");
    assert_eq!(outcomes, [[Err(NotKilled::WrongAccount)]]);
}

#[test]
fn k_25_all_variants_of_the_envelope_are_read() {
    let expected = ["agent-billing", "agent-chat", "agent-search"].map(killed);
    assert_eq!(outcomes("K-25-envelope-variants.json"), [expected]);
}

#[test]
fn k_28_each_change_of_a_flapping_alarm_has_a_trigger_of_its_own() {
    let triggers = triggers("K-28-flapping.json");
    let times: Vec<Option<&str>> = triggers
        .iter()
        .map(|trigger| trigger.as_deref().and_then(|id| id.split('@').nth(1)))
        .collect();
    let expected = [
        Some("2026-11-25T15:00:00.000Z"),
        None,
        Some("2026-11-25T15:08:00.000Z"),
        None,
        Some("2026-11-25T15:16:00.000Z"),
        None,
        Some("2026-11-25T15:24:00.000Z"),
    ];
    assert_eq!(times, expected);
}

#[test]
fn k_29_a_message_that_comes_again_has_the_trigger_of_the_first() {
    let name = "K-29-provider-down-first-try.json";
    assert_eq!(outcomes(name), [[killed("agent-billing")]]);
    assert_eq!(triggers(name), triggers(name));
    assert_eq!(triggers(name), triggers("K-01-metric-alarm.json"));
}

#[test]
fn a_change_that_is_published_anew_has_the_trigger_of_the_first() {
    let first = events("K-01-metric-alarm.json").remove(0);
    let text = first.to_string();
    let id = "aaaaaaaa-0000-5000-8000-000000000001";
    let other = text.replace(id, "bbbbbbbb-0000-5000-8000-000000000002");
    assert_ne!(other, text);
    let again: Value = serde_json::from_str(&other).unwrap();
    let trigger = |event: &Value| match decide(&read(event)[0], &deployment()) {
        Decision::Kill(kill) => kill.trigger.id(),
        other => panic!("{other:?}"),
    };
    assert_eq!(trigger(&first), trigger(&again));
}

/// A list of alarms is for the audit; as an event it is nothing.
#[test]
fn k_33_a_list_of_alarms_is_no_message() {
    let message = message("K-33-describe-alarms.json");
    assert_eq!(*unreadable(&message), Unreadable::UnknownShape);
}
