mod claiming;
mod confirming;
mod containing;
mod naming;

use super::*;
use crate::model::act_order::LimitedKeys;
use crate::model::alarm::{Dimension, WatchedMetric, Watches};
use crate::model::kill_order::Unreadable;
use crate::model::slot::Epoch;

const TOPIC: &str = "arn:aws:sns:us-east-1:111122223333:keyward-kill";
const OURS: &str = "keyward-prod-kill-chat-eu";
const THEIRS: &str = "llm-chat-eu-beta-spend";

fn deployment() -> Deployment {
    Deployment {
        account: "111122223333".to_owned(),
        region: "us-east-1".to_owned(),
        stack: "prod".parse().unwrap(),
        topic: TopicArn::new(TOPIC),
        map: map(&[]),
    }
}

fn map(entries: Mapped) -> AlarmMap {
    let entries = entries.iter();
    entries
        .map(|(alarm, slot)| ((*alarm).to_owned(), slot.parse().unwrap()))
        .collect()
}

fn arn(name: &str) -> String {
    format!("arn:aws:cloudwatch:us-east-1:111122223333:alarm:{name}")
}

fn metric(namespace: &str, dimensions: &[(&str, &str)]) -> WatchedMetric {
    let dimension = |(name, value): &(&str, &str)| Dimension {
        name: OutsideText::new(name),
        value: OutsideText::new(value),
    };
    WatchedMetric {
        namespace: OutsideText::new(namespace),
        account: None,
        dimensions: dimensions.iter().map(dimension).collect(),
    }
}

fn of_slot(slot: &str) -> WatchedMetric {
    metric("Keyward", &[("Stack", "prod"), ("Slot", slot)])
}

/// The alarm `name` went to ALARM at 15:00:00, by what it watches.
fn alarm(name: &str, metrics: Vec<WatchedMetric>) -> AlarmMessage {
    AlarmMessage {
        transition: Transition::new(arn(name).parse().unwrap(), at(0)),
        account: Some(OutsideText::new("111122223333")),
        new_state: AlarmState::Alarm,
        old_state: Some(AlarmState::Ok),
        watches: Watches::Metrics(metrics),
        reason: OutsideText::new("Threshold Crossed"),
    }
}

fn ours() -> AlarmMessage {
    alarm(OURS, vec![of_slot("chat-eu")])
}

/// Minutes after the change.
fn at(minutes: i64) -> Timestamp {
    let changed: Timestamp = "2026-11-25T15:00:00Z".parse().unwrap();
    changed + SignedDuration::from_mins(minutes)
}

fn says(content: Content) -> KillMessage {
    KillMessage {
        source: Source::Topic(TopicArn::new(TOPIC)),
        id: None,
        content,
    }
}

fn from_alarm(alarm: AlarmMessage) -> KillMessage {
    says(Content::Alarm(Box::new(alarm)))
}

fn tagged(slot: &str, history: History) -> AlarmCheck {
    let slot = slot.parse().unwrap();
    AlarmCheck::Ours { slot, history }
}

const HOLDS: History = History::HoldsTransition;
const LACKS: History = History::LacksTransition;
const OTHERS: AlarmCheck = AlarmCheck::NotOurs { history: HOLDS };

/// Alarms and their slots, as the configuration maps them.
type Mapped<'a> = &'a [(&'a str, &'a str)];

/// The slot that is killed and by what evidence, or why none is.
type Outcome<'a> = Result<(&'a str, Evidence), NotKilled>;

fn outcome<'a>(decision: &'a Decision) -> Outcome<'a> {
    match decision {
        Decision::Kill(kill) => Ok((kill.slot.as_str(), kill.evidence)),
        Decision::AlertOnly(alert) => {
            assert!(!alert.why.as_str().is_empty());
            Err(alert.kind)
        }
        Decision::GoOn(incident) => panic!("{incident}"),
        Decision::CarryOut(order) => panic!("{order:?}"),
    }
}

fn judged(message: &KillMessage, deployment: &Deployment, check: &AlarmCheck) -> Decision {
    let now = at(1);
    judge(
        message,
        &KillFacts {
            deployment,
            check,
            now,
        },
    )
}

#[test]
fn what_is_said_before_the_alarm_is_looked_at_kills_nobody() {
    type Change = fn(&mut AlarmMessage);
    let table: [(&str, Change, NotKilled); 8] = [
        ("OK", |a| a.new_state = AlarmState::Ok, NotKilled::Recovered),
        (
            "no data",
            |a| a.new_state = AlarmState::InsufficientData,
            NotKilled::NoData,
        ),
        (
            "a state in another spelling",
            |a| a.new_state = AlarmState::new("Alarm"),
            NotKilled::UnknownState,
        ),
        (
            "another account's alarm",
            |a| move_to(a, "us-east-1:444455556666"),
            NotKilled::WrongAccount,
        ),
        (
            "another region's alarm",
            |a| move_to(a, "eu-west-1:111122223333"),
            NotKilled::WrongAccount,
        ),
        (
            "a contradiction about the account",
            |a| a.account = Some(OutsideText::new("444455556666")),
            NotKilled::WrongAccount,
        ),
        (
            "another account's recovery",
            |a| {
                a.new_state = AlarmState::Ok;
                move_to(a, "us-east-1:444455556666");
            },
            NotKilled::WrongAccount,
        ),
        (
            "from the future",
            |a| a.transition = Transition::new(a.transition.alarm().clone(), at(7)),
            NotKilled::FromTheFuture,
        ),
    ];
    for (name, change, expected) in table {
        let mut alarm = ours();
        change(&mut alarm);
        for check in [tagged("chat-eu", HOLDS), AlarmCheck::CouldNotAsk] {
            let decision = judged(&from_alarm(alarm.clone()), &deployment(), &check);
            assert_eq!(outcome(&decision), Err(expected), "{name}");
        }
    }
}

fn move_to(alarm: &mut AlarmMessage, place: &str) {
    let moved = alarm.transition.alarm().to_string();
    let moved = moved.replace("us-east-1:111122223333", place);
    alarm.transition = Transition::new(moved.parse().unwrap(), at(0));
}

#[test]
fn a_change_is_acted_on_for_an_hour() {
    let check = tagged("chat-eu", HOLDS);
    let killed = Ok(("chat-eu", Evidence::Alarm));
    for (minutes, expected) in [
        (-6, Err(NotKilled::FromTheFuture)),
        (-5, killed),
        (0, killed),
        (59, killed),
        (60, Err(NotKilled::TooOld)),
        (60 * 24 * 365 * 5, Err(NotKilled::TooOld)),
    ] {
        let facts = KillFacts {
            deployment: &deployment(),
            check: &check,
            now: at(minutes),
        };
        let decision = judge(&from_alarm(ours()), &facts);
        assert_eq!(outcome(&decision), expected, "{minutes} minutes");
    }
}

#[test]
fn messages_are_taken_from_our_topic_and_from_who_may_invoke_us() {
    let killed = Ok(("chat-eu", Evidence::Alarm));
    let topic = |arn| Source::Topic(TopicArn::new(arn));
    for (source, expected) in [
        (topic(TOPIC), killed),
        (Source::Direct, killed),
        (
            topic("arn:aws:sns:us-east-1:444455556666:keyward-kill"),
            Err(NotKilled::WrongWay),
        ),
        (topic(""), Err(NotKilled::WrongWay)),
        (
            Source::Elsewhere(OutsideText::new("aws:sqs")),
            Err(NotKilled::WrongWay),
        ),
    ] {
        let message = KillMessage {
            source,
            ..from_alarm(ours())
        };
        let decision = judged(&message, &deployment(), &tagged("chat-eu", HOLDS));
        assert_eq!(outcome(&decision), expected, "{message:?}");
    }
}

fn order() -> MonitorOrder {
    MonitorOrder {
        stack: "prod".parse().unwrap(),
        slot: "chat-eu".parse().unwrap(),
        score_thousandths: 2400,
        judged: at(0),
        basis: Basis::Usual,
        reason: OutsideText::new("cost per hour 3.1 times the baseline"),
    }
}

#[test]
fn an_order_of_the_monitor_is_taken_directly_and_nowhere_else() {
    type Change = fn(&mut KillMessage, &mut MonitorOrder);
    let killed = Ok(("chat-eu", Evidence::Monitor));
    let table: [(&str, Change, Outcome); 7] = [
        ("direct", |_, _| {}, killed),
        (
            "over what its owner declared",
            |_, o| o.basis = Basis::Declared,
            Ok(("chat-eu", Evidence::Cap)),
        ),
        (
            "on the topic",
            |m, _| m.source = Source::Topic(TopicArn::new(TOPIC)),
            Err(NotKilled::OrderNotTaken),
        ),
        (
            "another stack's",
            |_, o| o.stack = "test".parse().unwrap(),
            Err(NotKilled::OrderNotTaken),
        ),
        (
            "no reason to kill",
            |_, o| o.score_thousandths = 999,
            Err(NotKilled::OrderNotTaken),
        ),
        ("old", |_, o| o.judged = at(-59), Err(NotKilled::TooOld)),
        (
            "early",
            |_, o| o.judged = at(30),
            Err(NotKilled::FromTheFuture),
        ),
    ];
    for (name, change, expected) in table {
        let mut order = order();
        let mut message = says(Content::Unreadable(Unreadable::Empty));
        message.source = Source::Direct;
        change(&mut message, &mut order);
        message.content = Content::Order(Order::Monitor(order));
        let decision = judged(&message, &deployment(), &AlarmCheck::CouldNotAsk);
        assert_eq!(outcome(&decision), expected, "{name}");
    }
}

#[test]
fn an_order_to_go_on_is_taken_directly_and_nowhere_else() {
    let order = |stack: &str| GoOnOrder {
        stack: stack.parse().unwrap(),
        incident: OutsideText::new("chat-eu-3"),
    };
    for (source, stack, expected) in [
        (Source::Direct, "prod", None),
        (Source::Direct, "test", Some(NotKilled::OrderNotTaken)),
        (
            Source::Topic(TopicArn::new(TOPIC)),
            "prod",
            Some(NotKilled::OrderNotTaken),
        ),
    ] {
        let mut message = says(Content::Order(Order::GoOn(order(stack))));
        message.source = source;
        let decision = judged(&message, &deployment(), &AlarmCheck::CouldNotAsk);
        match expected {
            Some(refused) => assert_eq!(outcome(&decision), Err(refused), "{message:?}"),
            None => assert_eq!(decision, Decision::GoOn(OutsideText::new("chat-eu-3"))),
        }
    }
}

#[test]
fn what_control_orders_is_taken_directly_and_nowhere_else() {
    let order = ActOrder::SetLimits {
        slot: "chat-eu".parse().unwrap(),
        epoch: Epoch(3),
        keys: LimitedKeys::Current,
    };
    let forged = Err(NotKilled::OrderNotTaken);
    for (source, stack, expected) in [
        (Source::Direct, "prod", Ok(())),
        (Source::Direct, "test", forged),
        (Source::Topic(TopicArn::new(TOPIC)), "prod", forged),
    ] {
        let content = Order::Control(stack.parse().unwrap(), Box::new(order.clone()));
        let mut message = says(Content::Order(content));
        message.source = source;
        let decision = judged(&message, &deployment(), &AlarmCheck::CouldNotAsk);
        match expected {
            Err(refused) => assert_eq!(outcome(&decision), Err(refused), "{message:?}"),
            Ok(()) => assert_eq!(decision, Decision::CarryOut(Box::new(order.clone()))),
        }
    }
}

#[test]
fn notices_orders_and_what_cannot_be_read_alert() {
    let budget = |basis| {
        let name = OutsideText::new("llm");
        Content::Notice(Notice::Budget { name, basis })
    };
    let act = |name| Content::Order(Order::Act(OutsideText::new(name)));
    for (content, expected) in [
        (budget(BudgetBasis::Actual), NotKilled::Notice),
        (budget(BudgetBasis::Forecasted), NotKilled::Notice),
        (
            Content::Notice(Notice::CostAnomaly(OutsideText::new("x"))),
            NotKilled::Notice,
        ),
        (act("leak"), NotKilled::OrderNotTaken),
        (act("restore"), NotKilled::OrderNotTaken),
        (
            Content::Unreadable(Unreadable::PlainText(28)),
            NotKilled::Unreadable,
        ),
    ] {
        for source in [Source::Direct, Source::Topic(TopicArn::new(TOPIC))] {
            let mut message = says(content.clone());
            message.source = source;
            let decision = judged(&message, &deployment(), &tagged("chat-eu", HOLDS));
            assert_eq!(outcome(&decision), Err(expected), "{message:?}");
        }
    }
}

#[test]
fn a_kill_says_what_set_it_off_and_only_a_leak_is_final() {
    let decision = judged(
        &from_alarm(ours()),
        &deployment(),
        &tagged("chat-eu", HOLDS),
    );
    let Decision::Kill(kill) = decision else {
        panic!("{decision:?}");
    };
    assert_eq!(kill.trigger, Trigger::Alarm(ours().transition));
    assert_eq!(kill.trigger.id(), ours().transition.id());
    assert_eq!(
        Trigger::Monitor("chat-eu".parse().unwrap(), at(0)).id(),
        "monitor chat-eu@2026-11-25T15:00:00.000Z"
    );
    assert_eq!(
        kill.cause.as_str(),
        format!("alarm {OURS} at 2026-11-25T15:00:00Z: Threshold Crossed")
    );
    for (evidence, containment) in [
        (Evidence::Alarm, Containment::Reversible),
        (Evidence::UncheckedAlarm, Containment::Reversible),
        (Evidence::Monitor, Containment::Reversible),
        (Evidence::Person, Containment::Reversible),
        (Evidence::Leak, Containment::Final),
    ] {
        assert_eq!(evidence.containment(), containment);
    }
}
