//! The function `kill-switch`, from an event to its answer: whom it asks, how soon it cuts off, and when it wants the
//! event again.
#![allow(clippy::unwrap_used, reason = "test code")]

#[path = "kill_switch/crashes.rs"]
mod crashes;
#[path = "kill_switch/drill.rs"]
mod drill;
#[path = "kill_switch/repeats.rs"]
mod repeats;
#[path = "kill_switch/trips.rs"]
mod trips;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use keyward_core::model::act_order::{ActOrder, CutOff, Ground};
use keyward_core::model::alarm::{AlarmArn, AlarmState};
use keyward_core::model::alert::{Alert, AlertKind, Severity};
use keyward_core::model::incident::{Evidence, Incident, OwnerId, TriggerId};
use keyward_core::model::kill_order::TopicArn;
use keyward_core::model::slot::{Mode, Slot, SlotState};
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{ActOutcome, Clock, Deadline, Inventory, TAG_SLOT, TAG_STACK};
use keyward_core::rules::kill::{AlarmMap, Deployment};
use keyward_core::usecases::Ports;
use keyward_core::usecases::kill::{Invocation, KillOutcome};
use keyward_core::usecases::kill_switch::KillSwitch;
use keyward_kill_switch::{KillSwitchError, Report, handle};
use keyward_testkit::gate::{Gate, gated_alarms};
use keyward_testkit::memory::MemoryAlarms;
use keyward_tests::support::World;
use serde_json::{Value, json};

const TOPIC: &str = "arn:aws:sns:us-east-1:111122223333:keyward-prod-alarms";

/// How long the function may run.
const TIMEOUT: SignedDuration = SignedDuration::from_secs(60);

/// One slot that enforces, with the alarm that Keyward made for it, and the function.
struct Switched {
    world: World,
    gate: Arc<Gate>,
    alarms: Arc<MemoryAlarms>,
}

fn arn(name: &str) -> AlarmArn {
    format!("arn:aws:cloudwatch:us-east-1:111122223333:alarm:{name}")
        .parse()
        .unwrap()
}

impl Switched {
    async fn new() -> Self {
        Self::on(&Arc::default()).await
    }

    async fn on(gate: &Arc<Gate>) -> Self {
        let world = World::in_memory(gate).await;
        let slot = Slot {
            mode: Mode::Enforce,
            ..world.slot().await
        };
        world.outside.inventory.save_slot(&slot).await.unwrap();
        let alarms = Arc::new(MemoryAlarms::default());
        let switched = Self {
            world,
            gate: gate.clone(),
            alarms,
        };
        let tags = [(TAG_STACK, "prod"), (TAG_SLOT, slot.name.as_str())];
        switched.alarms.make(&switched.alarm(), &tags);
        switched
    }

    /// The alarm that Keyward made for the slot.
    fn alarm(&self) -> AlarmArn {
        arn(&format!("keyward-prod-kill-{}", self.world.slot))
    }

    fn deployment(&self) -> Deployment {
        Deployment {
            account: "111122223333".to_owned(),
            region: "us-east-1".to_owned(),
            stack: "prod".parse().unwrap(),
            topic: TopicArn::new(TOPIC),
            map: AlarmMap::default(),
        }
    }

    fn now(&self) -> Timestamp {
        self.world.outside.clock.now()
    }

    /// The alarm goes to ALARM. The message about it.
    fn fires(&self) -> Value {
        self.alarms
            .change(&self.alarm(), self.now(), AlarmState::Alarm);
        self.message(self.now(), "ALARM")
    }

    /// What CloudWatch publishes about the slot's alarm.
    fn message(&self, changed: Timestamp, state: &str) -> Value {
        message_of(&self.alarm(), self.world.slot.as_str(), changed, state)
    }

    fn switch_on(&self, ports: &Ports) -> KillSwitch {
        KillSwitch {
            ports: ports.clone(),
            alarms: gated_alarms(self.alarms.clone(), &self.gate),
            deployment: self.deployment(),
            confirm: self.world.confirm,
        }
    }

    async fn handle_as(&self, event: &Value, id: &str) -> Result<Report, KillSwitchError> {
        let switch = self.switch_on(&self.world.ports);
        let invocation = invocation(switch.ports.clock.as_ref(), id);
        let reply = handle(&switch, event, &invocation).await?;
        Ok(reply.report().unwrap())
    }

    async fn handle(&self, event: &Value) -> Result<Report, KillSwitchError> {
        self.handle_as(event, "one").await
    }

    fn is_alive(&self) -> bool {
        let provider = &self.world.outside.provider;
        provider.accepts(&self.world.current_key())
    }

    fn incidents(&self) -> Vec<Incident> {
        self.world.outside.inventory.all_incidents()
    }

    fn alerts(&self, kind: AlertKind) -> Vec<Alert> {
        let mut alerts = self.world.outside.alerts.sent();
        alerts.retain(|alert| alert.kind == kind);
        alerts
    }
}

fn invocation(clock: &dyn Clock, id: &str) -> Invocation {
    Invocation {
        owner: OwnerId::new(id),
        deadline: Deadline(clock.now() + TIMEOUT),
    }
}

fn message_of(alarm: &AlarmArn, slot: &str, changed: Timestamp, state: &str) -> Value {
    json!({
        "AlarmName": alarm.name(),
        "AlarmArn": alarm.to_string(),
        "AWSAccountId": "111122223333",
        "NewStateValue": state,
        "OldStateValue": "OK",
        "NewStateReason": "Threshold Crossed: 2 of 2 datapoints",
        "StateChangeTime": format!("{changed:.3}"),
        "Trigger": {
            "Namespace": "Keyward",
            "MetricName": "KillScore",
            "Dimensions": [{"name": "Stack", "value": "prod"}, {"name": "Slot", "value": slot}],
        },
    })
}

/// Messages as one event of the alarm topic.
fn event(messages: &[Value]) -> Value {
    let record = |(number, message): (usize, &Value)| {
        json!({"EventSource": "aws:sns", "Sns": {
            "Type": "Notification",
            "MessageId": format!("aaaaaaaa-0000-5000-8000-{number:012}"),
            "TopicArn": TOPIC,
            "Message": message.to_string(),
        }})
    };
    let records: Vec<Value> = messages.iter().enumerate().map(record).collect();
    json!({"Records": records})
}

fn report(contained: usize, passed: usize) -> Report {
    Report {
        messages: contained + passed,
        contained,
        passed,
        unfinished: 0,
    }
}

#[tokio::test]
async fn an_alarm_of_keywards_that_cloudwatch_confirms_cuts_its_slot_off() {
    let switched = Switched::new().await;
    let event = event(&[switched.fires()]);
    assert_eq!(switched.handle(&event).await.unwrap(), report(1, 0));
    assert!(!switched.is_alive());
    let [incident] = &switched.incidents()[..] else {
        panic!("one incident");
    };
    let [trigger] = &incident.triggers[..] else {
        panic!("{incident:?}");
    };
    assert_eq!(trigger.evidence, Evidence::Alarm);
    assert_eq!(switched.world.slot().await.state, SlotState::Restricted);
    assert_eq!(switched.alerts(AlertKind::Contained).len(), 1);
    assert_eq!(switched.alerts(AlertKind::KillRefused), []);
}

#[tokio::test]
async fn the_monitors_order_needs_no_alarm() {
    let switched = Switched::new().await;
    let order = json!({
        "keyward": "kill", "schema": 1, "stack": "prod", "slot": switched.world.slot,
        "score_thousandths": 2400, "basis": "usual", "judged": switched.now(), "reason": "3.1 times the baseline",
    });
    assert_eq!(switched.handle(&order).await.unwrap(), report(1, 0));
    assert!(!switched.is_alive());
    let evidence = switched.incidents()[0].triggers[0].evidence;
    assert_eq!(evidence, Evidence::Monitor);
}

fn order_of_a_person(switched: &Switched) -> ActOrder {
    ActOrder::CutOff(CutOff {
        slot: switched.world.slot.clone(),
        trigger: TriggerId::new("person@e1506fd5"),
        ground: Ground::Person,
        cause: OutsideText::new("ana (person): it calls all night"),
        seen: switched.now(),
    })
}

#[tokio::test]
async fn a_persons_order_is_carried_out_once_and_answered_each_time() {
    let switched = Switched::new().await;
    let order = order_of_a_person(&switched);
    let event = order.to_json(&"prod".parse().unwrap());
    let switch = switched.switch_on(&switched.world.ports);
    for id in ["one", "two"] {
        let invocation = invocation(switch.ports.clock.as_ref(), id);
        let reply = handle(&switch, &event, &invocation).await.unwrap();
        let answer = serde_json::to_value(reply).unwrap();
        let Some(ActOutcome::Killed(outcome)) = ActOutcome::from_answer(&order, &answer) else {
            panic!("{answer}");
        };
        assert!(
            matches!(outcome, KillOutcome::Contained(_) | KillOutcome::Attached),
            "{answer}"
        );
        assert!(!switched.is_alive());
    }
    let [incident] = &switched.incidents()[..] else {
        panic!("one incident");
    };
    assert_eq!(incident.triggers.len(), 1, "{incident:?}");
    assert_eq!(incident.triggers[0].evidence, Evidence::Person);
    assert_eq!(switched.alerts(AlertKind::Contained).len(), 1);
}

/// Whoever can publish to the topic, or invokes the switch of another stack, gives no orders.
#[tokio::test]
async fn a_persons_order_that_came_another_way_kills_nobody_and_pages() {
    for stack in ["prod", "test"] {
        let switched = Switched::new().await;
        let order = order_of_a_person(&switched).to_json(&stack.parse().unwrap());
        let event = match stack {
            "prod" => event(&[order]),
            _ => order,
        };
        assert_eq!(switched.handle(&event).await.unwrap(), report(0, 1));
        assert!(switched.is_alive());
        assert_eq!(switched.incidents(), []);
        let [alert] = &switched.alerts(AlertKind::KillRefused)[..] else {
            panic!("one alert");
        };
        assert_eq!(alert.severity, Severity::Page);
    }
}

#[tokio::test]
async fn what_cloudwatch_does_not_confirm_does_nothing_and_pages() {
    type Forge = fn(&Switched) -> Value;
    let cases: [(&str, bool, Forge); 4] = [
        ("no such change", true, |s| s.message(s.now(), "ALARM")),
        ("a change at another time", false, |s| {
            s.fires();
            s.message(s.now() - SignedDuration::from_mins(10), "ALARM")
        }),
        ("a change to OK only", true, |s| {
            s.alarms.change(&s.alarm(), s.now(), AlarmState::Ok);
            s.message(s.now(), "ALARM")
        }),
        ("no such alarm", false, |s| {
            let alarm = arn("keyward-prod-kill-forged");
            message_of(&alarm, s.world.slot.as_str(), s.now(), "ALARM")
        }),
    ];
    for (name, again, forge) in cases {
        let switched = Switched::new().await;
        let before = (switched.world.slot().await, switched.world.versions().await);
        let event = event(&[forge(&switched)]);
        switched.gate.record();
        let handled = switched.handle(&event).await;
        match again {
            true => assert!(
                matches!(handled, Err(KillSwitchError::Unfinished { .. })),
                "{name}: a history may be behind, so it is given again"
            ),
            false => assert_eq!(handled.unwrap(), report(0, 1), "{name}"),
        }
        let (calls, _) = switched.gate.disarm();
        let reads = |call: &&str| call.starts_with("alarms.") || READS.contains(call);
        let others: Vec<&&str> = calls.iter().filter(|call| !reads(call)).collect();
        assert_eq!(others, [&"alerts.send"], "{name}");
        assert!(switched.is_alive(), "{name}");
        let after = (switched.world.slot().await, switched.world.versions().await);
        assert_eq!(after, before, "{name}");
        let [told] = &switched.alerts(AlertKind::KillRefused)[..] else {
            panic!("{name}: one alert");
        };
        assert_eq!(told.severity, Severity::Page, "{name}");
        assert!(told.cause.is_some(), "{name}: the message's id");
    }
}

/// Lambda gives an event again after a minute, and again after two:
/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>.
#[tokio::test]
async fn a_change_that_comes_into_the_history_late_cuts_off_all_the_same() {
    let switched = Switched::new().await;
    let event = event(&[switched.message(switched.now(), "ALARM")]);
    let changed = switched.now();
    assert!(switched.handle(&event).await.is_err());
    assert!(switched.is_alive(), "not on a guess");
    switched.world.pass(SignedDuration::from_mins(1));
    let alarm = switched.alarm();
    switched.alarms.change(&alarm, changed, AlarmState::Alarm);
    assert_eq!(switched.handle(&event).await.unwrap(), report(1, 0));
    assert!(!switched.is_alive());
    assert_eq!(switched.incidents().len(), 1);
}

#[tokio::test]
async fn an_alarm_that_is_ok_again_brings_no_key_back() {
    let switched = Switched::new().await;
    let fired = event(&[switched.fires()]);
    assert_eq!(switched.handle(&fired).await.unwrap(), report(1, 0));
    assert!(!switched.is_alive());
    let recovered = event(&[switched.message(switched.now(), "OK")]);
    assert_eq!(switched.handle(&recovered).await.unwrap(), report(0, 1));
    assert!(!switched.is_alive());
}

/// What is read of the inventory beside the check.
const READS: [&str; 4] = [
    "inventory.slot",
    "inventory.versions",
    "inventory.incident_of_slot",
    "inventory.incident_of_trigger",
];

#[tokio::test]
async fn where_cloudwatch_cannot_be_asked_the_slot_is_cut_off_so_that_it_can_be_undone() {
    for silent in ["alarms.tags", "alarms.changes"] {
        let switched = Switched::new().await;
        let event = event(&[switched.fires()]);
        switched.gate.silence(&[silent]);
        assert_eq!(
            switched.handle(&event).await.unwrap(),
            report(1, 0),
            "{silent}"
        );
        let evidence = switched.incidents()[0].triggers[0].evidence;
        assert_eq!(evidence, Evidence::UncheckedAlarm, "{silent}");
        assert!(!switched.is_alive(), "{silent}");
    }
}

#[tokio::test]
async fn an_alarm_that_is_ok_again_or_tagged_for_another_slot_cuts_off_nobody() {
    let switched = Switched::new().await;
    let ok = switched.message(switched.now(), "OK");
    let fires = switched.fires();
    let tags = [(TAG_STACK, "prod"), (TAG_SLOT, "another-slot")];
    switched.alarms.make(&switched.alarm(), &tags);
    let event = event(&[ok, fires, json!("hello")]);
    assert_eq!(switched.handle(&event).await.unwrap(), report(0, 3));
    assert!(switched.is_alive());
    let told = switched.alerts(AlertKind::KillRefused).into_iter();
    let mut told: Vec<Severity> = told.map(|alert| alert.severity).collect();
    told.sort();
    assert_eq!(told, [Severity::Notice, Severity::Warning, Severity::Page]);
}
