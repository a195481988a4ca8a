//! Shapes that no case has.

use keyward_core::model::alarm::AlarmState;
use keyward_core::model::kill_order::{Basis, MonitorOrder, Notice, Order};
use keyward_core::model::text::OutsideText;
use keyward_kill_switch::message::MAX_MESSAGES;
use serde_json::json;

use super::*;

fn alarm() -> Value {
    let event = fixture("K-01-metric-alarm.json");
    let told = event["Records"][0]["Sns"]["Message"].as_str().unwrap();
    serde_json::from_str(told).unwrap()
}

fn in_sns(topic: &str, message: &Value) -> Value {
    let message = match message {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    json!({"Type": "Notification", "MessageId": "m", "TopicArn": topic, "Message": message})
}

fn in_records(sns: Value) -> Value {
    json!({"Records": [{"EventSource": "aws:sns", "Sns": sns}]})
}

fn why(event: &Value) -> Unreadable {
    let messages = read(event);
    assert_eq!(messages.len(), 1, "{messages:?}");
    unreadable(&messages[0]).clone()
}

/// An alarm as its Lambda action tells it.
fn lambda_action() -> Value {
    json!({
        "source": "aws.cloudwatch",
        "alarmArn": "arn:aws:cloudwatch:us-east-1:111122223333:alarm:agent-billing-spend",
        "accountId": "111122223333",
        "time": "2026-11-25T15:00:04.987+0000",
        "region": "us-east-1",
        "alarmData": {
            "alarmName": "agent-billing-spend",
            "state": {
                "value": "ALARM",
                "reason": "Threshold Crossed",
                "timestamp": "2026-11-25T15:00:04.987+0000",
            },
            "previousState": {"value": "INSUFFICIENT_DATA"},
            "configuration": {"metrics": [{"id": "m", "metricStat": {"metric": {
                "namespace": "LLM/Usage",
                "name": "SpendUsd",
                "dimensions": {"Agent": "agent-billing"},
            }}}]},
        },
    })
}

#[test]
fn a_lambda_action_tells_of_the_same_change() {
    let messages = read(&lambda_action());
    assert_eq!(messages[0].source, Source::Direct);
    assert_eq!(dimensions(&messages[0]), ["Agent=agent-billing"]);
    let sns = message("K-01-metric-alarm.json");
    let (Content::Alarm(one), Content::Alarm(other)) = (&messages[0].content, &sns.content) else {
        panic!("{messages:?}");
    };
    assert_eq!(one.transition, other.transition);
    assert_eq!(one.old_state, Some(AlarmState::InsufficientData));
    assert_eq!(outcomes_of(&lambda_action()), [killed("agent-billing")]);
    let mut composite = lambda_action();
    composite["alarmData"]["configuration"] = json!({"alarmRule": "ALARM(a)"});
    assert_eq!(outcomes_of(&composite), [killed("agent-billing")]);
}

#[test]
fn keywards_own_alarm_is_named_by_its_dimensions_alone() {
    let mut alarm = alarm();
    let name = "keyward-prod-kill-chat-eu";
    alarm["AlarmName"] = name.into();
    alarm["AlarmArn"] = format!("arn:aws:cloudwatch:us-east-1:111122223333:alarm:{name}").into();
    alarm["Trigger"]["Namespace"] = "Keyward".into();
    alarm["Trigger"]["Dimensions"] = json!([
        {"value": "prod", "name": "Stack"},
        {"value": "chat-eu", "name": "Slot"},
    ]);
    let message = read(&in_records(in_sns(TOPIC, &alarm))).remove(0);
    let check = AlarmCheck::Ours {
        slot: "chat-eu".parse().unwrap(),
        history: History::HoldsTransition,
    };
    let facts = KillFacts {
        deployment: &deployment(),
        check: &check,
        now: now(),
    };
    let Decision::Kill(kill) = judge(&message, &facts) else {
        panic!("{message:?}");
    };
    assert_eq!(kill.slot.as_str(), "chat-eu");
}

#[test]
fn envelopes_within_envelopes_come_by_the_outermost() {
    let bare = in_sns(TOPIC, &alarm());
    let once = in_records(in_sns(TOPIC, &alarm()));
    let forwarded = in_records(in_sns(TOPIC, &in_sns("arn:aws:sns:x:y:other", &alarm())));
    let event_in_message = in_records(in_sns(TOPIC, &once));
    let in_a_string = in_records(in_sns(
        TOPIC,
        &json!(alarm().to_string()).to_string().into(),
    ));
    for event in [&bare, &once, &forwarded, &event_in_message, &in_a_string] {
        assert_eq!(outcomes_of(event), [killed("agent-billing")], "{event}");
    }
    let stranger = in_sns("arn:aws:sns:us-east-1:444455556666:other", &bare);
    for event in [&stranger, &in_records(stranger.clone())] {
        assert_eq!(outcomes_of(event), [Err(NotKilled::WrongWay)]);
    }
    let queued = json!({"Records": [{"eventSource": "aws:sqs", "body": bare.to_string()}]});
    assert_eq!(outcomes_of(&queued), [Err(NotKilled::WrongWay)]);
    let lying = json!({"Records": [{"EventSource": "aws:sqs", "Sns": bare}]});
    assert_eq!(outcomes_of(&lying), [Err(NotKilled::WrongWay)]);
    assert_eq!(outcomes_of(&alarm()), [killed("agent-billing")]);
}

#[test]
fn what_is_too_much_is_said_to_be() {
    let mut deep = in_sns(TOPIC, &alarm());
    for _ in 0..Unreadable::MAX_DEPTH {
        deep = in_sns(TOPIC, &deep);
    }
    assert_eq!(why(&deep), Unreadable::TooDeep);
    let long = "x".repeat(Unreadable::MAX_BYTES + 1);
    let event = in_records(in_sns(TOPIC, &long.as_str().into()));
    assert_eq!(why(&event), Unreadable::TooLong(long.len()));

    let mut many = in_records(in_sns(TOPIC, &alarm()));
    let record = many["Records"][0].clone();
    many["Records"] = vec![record; MAX_MESSAGES + 10].into();
    let messages = read(&many);
    assert_eq!(messages.len(), MAX_MESSAGES + 1);
    let last = unreadable(messages.last().unwrap());
    assert_eq!(*last, Unreadable::TooMany("messages"));

    let mut wide = alarm();
    wide["Trigger"]["Dimensions"] = vec![json!({"name": "a", "value": "b"}); 101].into();
    assert_eq!(why(&wide), Unreadable::TooMany("dimensions"));
    wide["Trigger"] = json!({"Metrics": vec![json!({}); 501]});
    assert_eq!(why(&wide), Unreadable::TooMany("metrics"));
}

#[test]
fn a_field_that_decides_is_there_or_the_message_is_refused() {
    type Change = fn(&mut Value);
    let cases: [(Change, Unreadable); 12] = [
        (
            |a| a["AlarmArn"] = Value::Null,
            Unreadable::Field("AlarmArn"),
        ),
        (
            |a| a["AlarmArn"] = "arn:aws:s3:::x".into(),
            Unreadable::Field("AlarmArn"),
        ),
        (
            |a| a["AlarmName"] = "other".into(),
            Unreadable::Field("AlarmName"),
        ),
        (
            |a| a["StateChangeTime"] = 1.into(),
            Unreadable::Field("StateChangeTime"),
        ),
        (
            |a| a["StateChangeTime"] = "2026-11-25T15:00:04".into(),
            Unreadable::Field("StateChangeTime"),
        ),
        (
            |a| a["StateChangeTime"] = "yesterday".into(),
            Unreadable::Field("StateChangeTime"),
        ),
        (
            |a| a["NewStateValue"] = true.into(),
            Unreadable::Field("NewStateValue"),
        ),
        (
            |a| a["AWSAccountId"] = json!([]),
            Unreadable::Field("account"),
        ),
        (
            |a| a["Trigger"]["Dimensions"] = "Slot".into(),
            Unreadable::Field("Dimensions"),
        ),
        (
            |a| a["Trigger"]["Dimensions"][1] = json!({"name": "Slot", "value": ["chat"]}),
            Unreadable::Field("Dimensions"),
        ),
        (
            |a| a["Trigger"]["Namespace"] = 1.into(),
            Unreadable::Field("Namespace"),
        ),
        (
            |a| a["Trigger"]["Metrics"] = "m1".into(),
            Unreadable::Field("Metrics"),
        ),
    ];
    for (change, expected) in cases {
        let mut alarm = alarm();
        change(&mut alarm);
        assert_eq!(why(&alarm), expected, "{alarm}");
    }
    let mut event = fixture("K-18-eventbridge-alarm.json");
    event["resources"] = json!([]);
    assert_eq!(why(&event), Unreadable::Field("resources"));
}

#[test]
fn what_is_no_change_of_an_alarm_is_named_and_kills_nobody() {
    let mut confirmation = in_sns(TOPIC, &"You have chosen to subscribe".into());
    confirmation["Type"] = "SubscriptionConfirmation".into();
    confirmation["Token"] = "EXAMPLE-token".into();
    let mut configured = fixture("K-18-eventbridge-alarm.json");
    configured["detail-type"] = "CloudWatch Alarm Configuration Change".into();
    let mut stranger = fixture("K-18-eventbridge-alarm.json");
    stranger["source"] = "com.example".into();
    let kind = |text| Unreadable::OtherKind(OutsideText::new(text));
    for (event, expected) in [
        (in_records(confirmation), kind("SubscriptionConfirmation")),
        (configured, kind("CloudWatch Alarm Configuration Change")),
        (stranger, kind("CloudWatch Alarm State Change")),
        (json!({}), Unreadable::Empty),
        (json!({"Records": []}), Unreadable::Empty),
        (json!({"Records": {}}), Unreadable::Field("Records")),
        (json!({"Records": [7]}), Unreadable::NotAnObject),
        (json!(null), Unreadable::NotAnObject),
        (json!([alarm()]), Unreadable::NotAnObject),
        (json!("hello"), Unreadable::PlainText(5)),
        (json!({"operation": "opened"}), Unreadable::UnknownShape),
        (
            json!({"Records": [{"eventSource": "aws:s3"}]}),
            Unreadable::UnknownShape,
        ),
        (json!({"TopicArn": TOPIC}), Unreadable::Field("Message")),
        (json!({"detail-type": 1}), Unreadable::Field("detail-type")),
    ] {
        assert_eq!(why(&event), expected, "{event}");
    }
}

#[test]
fn cost_anomalies_are_notices() {
    let anomaly = json!({
        "accountId": "111122223333",
        "anomalyId": "a-1",
        "impact": {"totalImpact": 151},
        "monitorArn": "arn:aws:ce::111122223333:anomalymonitor/m-1",
    });
    let event = json!({"detail-type": "Anomaly Detected", "source": "aws.ce", "detail": anomaly});
    for event in [in_records(in_sns(TOPIC, &anomaly)), event] {
        let messages = read(&event);
        let expected = Content::Notice(Notice::CostAnomaly(OutsideText::new("a-1")));
        assert_eq!(messages[0].content, expected);
        assert_eq!(outcomes_of(&event), [Err(NotKilled::Notice)]);
    }
}

#[test]
fn the_monitors_order_kills_when_it_comes_directly_and_no_order_does_on_the_topic() {
    let order = MonitorOrder {
        stack: "prod".parse().unwrap(),
        slot: "agent-billing".parse().unwrap(),
        score_thousandths: 2400,
        judged: now(),
        basis: Basis::Usual,
        reason: OutsideText::new("cost per hour 3.1 times the baseline"),
    };
    let sent = order.to_json();
    let read_back = read(&sent).remove(0);
    assert_eq!(read_back.content, Content::Order(Order::Monitor(order)));
    assert_eq!(outcomes_of(&sent), [killed("agent-billing")]);
    let leak = json!({"keyward": "leak", "slot": "agent-billing"});
    let restore = json!({"operation": "restore", "slot": "agent-billing"});
    for order in [sent, leak, restore] {
        let event = in_records(in_sns(TOPIC, &order));
        assert_eq!(
            outcomes_of(&event),
            [Err(NotKilled::OrderNotTaken)],
            "{order}"
        );
    }
}
