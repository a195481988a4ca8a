//! A drill: the canary's score is put, and everything after that is the kill switch's real path.

#[path = "drill/ends.rs"]
mod ends;

use keyward_control::{Deps, handle as control};
use keyward_core::model::act::{ActId, CallerArn};
use keyward_core::model::act_kind::Served;
use keyward_core::model::alarm::AlarmMetric;
use keyward_core::model::drill::{Drill, DrillOutcome, DrillUnderWay};
use keyward_core::model::incident::{Figures, Stage, Suspends, TriggerId};
use keyward_core::model::text::OutsideText;
use keyward_core::model::version::VersionState;
use keyward_core::ports::NoAlarmStates;
use keyward_core::rules::drill::NotDrilled;
use keyward_core::usecases::drill::{DrillError, DrillRequest, Drills, SCORE, begin, look};
use keyward_core::usecases::kill::{KillOrder, kill};
use keyward_core::usecases::restore::Second;
use keyward_testkit::drive::{Point, Scenario, crash_at_every_call};
use keyward_testkit::gate::gated_metrics;
use keyward_testkit::memory::{MemoryMetrics, MemoryUsage};
use keyward_tests::support::{OrderedFunction, say};

use super::*;

/// A canary with its alarm, the function that it wakes, and the metrics that it reads.
struct Range {
    switched: Switched,
    metrics: Arc<MemoryMetrics>,
}

impl Range {
    async fn new() -> Self {
        Self::on(&Arc::default()).await
    }

    async fn on(gate: &Arc<Gate>) -> Self {
        let switched = Switched::on(gate).await;
        let slot = Slot {
            canary: true,
            ..switched.world.slot().await
        };
        let inventory = &switched.world.outside.inventory;
        inventory.save_slot(&slot).await.unwrap();
        let metric = metric("Keyward", "KillScore", "prod", slot.name.as_str());
        let alarm = switched.alarm();
        switched.alarms.set_up(&alarm, Some(metric), Some(TOPIC));
        let range = Self {
            switched,
            metrics: Arc::default(),
        };
        range.recovers();
        range
    }

    fn drills(&self) -> Drills {
        let gate = &self.switched.gate;
        Drills {
            alarms: gated_alarms(self.switched.alarms.clone(), gate),
            metrics: gated_metrics(self.metrics.clone(), gate),
            deployment: self.switched.deployment(),
        }
    }

    fn request(&self, id: &str) -> DrillRequest {
        DrillRequest {
            id: ActId::new(id),
            slot: self.switched.world.slot.clone(),
            by: CallerArn::new("arn:aws:sts::111122223333:assumed-role/operators/ana"),
            reason: OutsideText::new("the monthly drill"),
        }
    }

    async fn begin(&self, id: &str) -> Result<DrillUnderWay, DrillError> {
        let (ports, request) = (&self.switched.world.ports, self.request(id));
        let drills = self.drills();
        let slot = look(ports, &drills, &request.slot, Some(&request.id)).await?;
        begin(ports, &drills, slot, &request).await
    }

    /// The alarm reads what was put, and goes to ALARM; the function is woken. Twenty seconds later.
    async fn alarm_reads(&self) -> Report {
        let world = &self.switched.world;
        let put = self.metrics.scores(&"prod".parse().unwrap());
        let over = put.iter().any(|score| score.thousandths >= SCORE);
        assert!(over, "a score was put: {put:?}");
        world.pass(SignedDuration::from_secs(20));
        let event = event(&[self.switched.fires()]);
        self.switched.handle(&event).await.unwrap()
    }

    /// The alarm has no more data that breach.
    fn recovers(&self) {
        let switched = &self.switched;
        let (alarm, now) = (switched.alarm(), switched.now());
        switched.alarms.change(&alarm, now, AlarmState::Ok);
    }

    async fn goes_on(&self, hours: i64) {
        let time = SignedDuration::from_hours(hours);
        self.switched.world.live_through(time).await;
    }

    async fn drill(&self) -> Option<DrillUnderWay> {
        self.switched.world.slot().await.drill
    }

    async fn over(&self) -> Vec<Drill> {
        let world = &self.switched.world;
        world.outside.inventory.drills(&world.slot).await.unwrap()
    }

    async fn refused(&self) -> NotDrilled {
        match self.begin("refused").await {
            Err(DrillError::Refused(_, why)) => why,
            other => panic!("{other:?}"),
        }
    }

    async fn change(&self, change: impl FnOnce(&mut Slot)) {
        let world = &self.switched.world;
        let mut slot = world.slot().await;
        change(&mut slot);
        world.outside.inventory.save_slot(&slot).await.unwrap();
    }
}

fn metric(namespace: &str, name: &str, stack: &str, slot: &str) -> AlarmMetric {
    AlarmMetric::new(namespace, name, &[("Stack", stack), ("Slot", slot)])
}

#[tokio::test]
async fn k_32_a_drill_cuts_the_canary_off_by_the_real_path_and_keeps_the_time_of_each_stage() {
    let range = Range::new().await;
    let key = range.switched.world.current_key();
    let drill = range.begin("drill-1").await.unwrap();
    assert!(range.switched.is_alive(), "a drill itself cuts off nothing");
    assert_eq!(range.alarm_reads().await, report(1, 0));
    let provider = &range.switched.world.outside.provider;
    assert!(!provider.accepts(&key));
    range.recovers();
    range.goes_on(1).await;

    let [incident] = &range.switched.incidents()[..] else {
        panic!("one incident");
    };
    assert_eq!(incident.drill.as_ref(), Some(&drill.id));
    assert_eq!(range.drill().await, None);
    let [over] = &range.over().await[..] else {
        panic!("one drill");
    };
    assert_eq!(over.outcome, DrillOutcome::Passed);
    assert_eq!(over.incident.as_ref(), Some(&incident.id));
    assert_eq!((&over.id, over.started), (&drill.id, drill.started));
    let stages: Vec<Stage> = over.stages.iter().map(|s| s.stage).collect();
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
    assert_eq!(over.stages[0].millis, 20_000, "when the alarm changed");
    let slot = range.switched.world.slot().await;
    assert_eq!(slot.state, SlotState::Active, "as it was before");
    assert!(range.switched.is_alive(), "the replacement");

    let [told] = &range.switched.alerts(AlertKind::DrillDone)[..] else {
        panic!("one alert");
    };
    assert_eq!(told.severity, Severity::Notice);
    assert!(
        told.done.as_str().contains("alarm changed after 20.0 s"),
        "{told:?}"
    );
    assert!(
        told.done.as_str().contains("confirmed dead after"),
        "{told:?}"
    );
    assert_eq!(range.switched.alerts(AlertKind::DrillFailed), []);
}

#[tokio::test]
async fn every_alert_of_a_drills_incident_says_that_it_is_one_and_no_other_does() {
    let range = Range::new().await;
    range.begin("drill-1").await.unwrap();
    range.alarm_reads().await;
    range.recovers();
    range.goes_on(2).await;
    let alerts = range.switched.world.outside.alerts.take();
    assert!(alerts.len() >= 3, "{alerts:?}");
    for alert in alerts.iter().filter(|a| a.incident.is_some()) {
        let drill = alert.drill.as_ref().map(|d| d.as_str());
        assert_eq!(drill, Some("drill-1"), "{alert:?}");
        let is_told =
            alert.what.as_str().starts_with("DRILL: ") || alert.kind == AlertKind::DrillDone;
        assert!(is_told, "{alert:?}");
    }
    range.switched.world.pass(SignedDuration::from_hours(25));
    let event = event(&[range.switched.fires()]);
    range.switched.handle(&event).await.unwrap();
    let [contained] = &range.switched.alerts(AlertKind::Contained)[..] else {
        panic!("one alert");
    };
    assert_eq!(contained.drill, None);
    assert!(!contained.what.as_str().contains("DRILL"), "{contained:?}");
}

/// Nobody took the key of a drill, so that its replacement is abused says nothing about who takes keys.
#[tokio::test]
async fn drills_of_one_day_suspend_nobody_and_hide_no_loop() {
    let range = Range::new().await;
    for id in ["drill-1", "drill-2", "drill-3"] {
        range.begin(id).await.unwrap();
        assert_eq!(range.alarm_reads().await, report(1, 0), "{id}");
        range.recovers();
        range.goes_on(3).await;
        let slot = range.switched.world.slot().await;
        assert_eq!(slot.state, SlotState::Active, "{id}");
    }
    let outcomes: Vec<DrillOutcome> = range.over().await.iter().map(|d| d.outcome).collect();
    assert_eq!(outcomes, [DrillOutcome::Passed; 3]);

    // The first kill in earnest after them gets a replacement.
    let fired = event(&[range.switched.fires()]);
    range.switched.handle(&fired).await.unwrap();
    range.recovers();
    range.goes_on(1).await;
    let slot = range.switched.world.slot().await;
    assert_eq!(slot.state, SlotState::Restricted);

    // A drill between two kills in earnest does not hide that they are a loop.
    range.begin("drill-4").await.unwrap();
    range.alarm_reads().await;
    range.recovers();
    range.goes_on(1).await;
    assert_eq!(range.over().await.len(), 4);
    let fired = event(&[range.switched.fires()]);
    range.switched.handle(&fired).await.unwrap();
    let slot = range.switched.world.slot().await;
    assert_eq!(slot.state, SlotState::Suspended);
    let incidents = range.switched.incidents();
    let last = incidents.iter().max_by_key(|i| i.epoch).unwrap();
    assert_eq!((last.suspends, &last.drill), (Some(Suspends::Loop), &None));
}

#[tokio::test]
async fn k_32_a_drill_that_sets_nothing_off_pages_within_twenty_minutes() {
    let range = Range::new().await;
    range.begin("drill-1").await.unwrap();
    let world = &range.switched.world;
    world.live_through(SignedDuration::from_mins(5)).await;
    assert_eq!(range.switched.alerts(AlertKind::DrillFailed), []);
    world.live_through(SignedDuration::from_mins(10)).await;
    let [told] = &range.switched.alerts(AlertKind::DrillFailed)[..] else {
        panic!("one alert");
    };
    assert_eq!(told.severity, Severity::Page);
    assert!(told.what.as_str().contains("NOTHING"), "{told:?}");
    assert!(
        told.left.as_str().contains("cloudwatch.amazonaws.com"),
        "{told:?}"
    );
    assert!(range.switched.is_alive());
    let [over] = &range.over().await[..] else {
        panic!("one drill");
    };
    assert_eq!(over.outcome, DrillOutcome::SetNothingOff);
    assert_eq!(over.stages, []);

    // What comes later than that is in earnest.
    let fired = event(&[range.switched.fires()]);
    range.switched.handle(&fired).await.unwrap();
    assert_eq!(range.switched.incidents()[0].drill, None);
}

#[tokio::test]
async fn a_kill_for_something_else_meanwhile_is_in_earnest_and_the_drill_says_so() {
    let range = Range::new().await;
    range.begin("drill-1").await.unwrap();
    let order = json!({
        "keyward": "kill", "schema": 1, "stack": "prod", "slot": range.switched.world.slot,
        "score_thousandths": 2400, "basis": "usual", "judged": range.switched.now(), "reason": "3.1 times the baseline",
    });
    range.switched.handle(&order).await.unwrap();
    assert_eq!(range.switched.incidents()[0].drill, None);
    range.goes_on(1).await;
    let [over] = &range.over().await[..] else {
        panic!("one drill");
    };
    assert_eq!(over.outcome, DrillOutcome::Overtaken);
    let told = range.switched.alerts(AlertKind::DrillFailed);
    assert_eq!(told[0].severity, Severity::Warning);
}

#[tokio::test]
async fn a_drill_begins_only_where_it_can_be_seen_to_work() {
    let range = Range::new().await;
    range.change(|slot| slot.canary = false).await;
    assert_eq!(range.refused().await, NotDrilled::NoCanary);
    range.change(|slot| slot.canary = true).await;
    range.change(|slot| slot.mode = Mode::Observe).await;
    assert_eq!(range.refused().await, NotDrilled::Observes);
    range.change(|slot| slot.mode = Mode::Enforce).await;
    range.change(|slot| slot.state = SlotState::Suspended).await;
    assert_eq!(range.refused().await, NotDrilled::Closed("suspended"));
    range.change(|slot| slot.state = SlotState::Active).await;

    let (alarm, alarms) = (range.switched.alarm(), &range.switched.alarms);
    let slot = range.switched.world.slot.to_string();
    let right = || Some(metric("Keyward", "KillScore", "prod", &slot));
    for wrong in [
        None,
        Some(metric("Keyward", "KillScore", "test", &slot)),
        Some(metric("Keyward", "KillScore", "prod", "another-slot")),
        Some(metric("Keyward", "Spend", "prod", &slot)),
        Some(metric("Other", "KillScore", "prod", &slot)),
    ] {
        alarms.set_up(&alarm, wrong, Some(TOPIC));
        assert_eq!(range.refused().await, NotDrilled::WatchesOther);
    }
    for topic in [None, Some("arn:aws:sns:us-east-1:111122223333:other")] {
        alarms.set_up(&alarm, right(), topic);
        let refused = range.refused().await;
        assert_eq!(refused, NotDrilled::OtherTopic(TOPIC.to_owned()));
    }
    alarms.set_up(&alarm, right(), Some(TOPIC));
    alarms.change(&alarm, range.switched.now(), AlarmState::Alarm);
    assert_eq!(range.refused().await, NotDrilled::InAlarm);
    range.recovers();
    alarms.make(&alarm, &[(TAG_STACK, "prod"), (TAG_SLOT, "another-slot")]);
    assert_eq!(range.refused().await, NotDrilled::NotOurs);
    alarms.make(&alarm, &[(TAG_STACK, "prod"), (TAG_SLOT, &slot)]);
    alarms.change_setup(&alarm, |setup| setup.is_enabled = false);
    assert_eq!(range.refused().await, NotDrilled::ActionsOff);
    assert!(range.metrics.scores(&"prod".parse().unwrap()).is_empty());

    let range = Range::new().await;
    let begun = range.begin("drill-1").await.unwrap();
    assert_eq!(range.refused().await, NotDrilled::UnderWay(begun.started));
    assert_eq!(
        range.begin("drill-1").await.unwrap(),
        begun,
        "the same again"
    );
    range.alarm_reads().await;
    range.recovers();
    range.change(|slot| slot.drill = None).await;
    let id = range.switched.incidents()[0].id.clone();
    assert_eq!(range.refused().await, NotDrilled::Incident(id));
}

#[tokio::test]
async fn a_score_that_is_refused_is_no_drill_and_one_whose_answer_is_lost_may_be_one() {
    let range = Range::new().await;
    range.switched.gate.silence(&["metrics.put_scores"]);
    let lost = range.begin("drill-1").await;
    assert!(matches!(lost, Err(DrillError::MaybePut(_))), "{lost:?}");
    assert!(range.drill().await.is_some(), "it is waited for");

    let range = Range::new().await;
    range.switched.gate.silence(&["alarms.settings"]);
    let unseen = range.begin("drill-1").await;
    assert!(matches!(unseen, Err(DrillError::Alarm(_))), "{unseen:?}");
    assert_eq!(range.drill().await, None);
}

/// The whole operation as a person asks for it, cut off at each call.
struct Drilled;

fn asked(range: &Range) -> Value {
    let body = json!({"reason": "the monthly drill", "slot": range.switched.world.slot});
    json!({
        "requestContext": {
            "authorizer": {"iam": {"userArn": "arn:aws:sts::111122223333:assumed-role/ops/ana"}},
            "http": {"method": "POST", "path": "/drill"},
            "requestId": "e1506fd5-9e7b-434f-bd42-000000000001",
        },
        "body": body.to_string(),
    })
}

async fn ask(range: &Range) -> Value {
    let world = &range.switched.world;
    let deps = Deps {
        ports: world.ports.clone(),
        orders: OrderedFunction::on(&world.ports),
        acts: world.outside.inventory.clone(),
        risks: Arc::new(keyward_testkit::memory::MemoryAudits::default()),
        items: world.outside.inventory.clone(),
        usage: Arc::new(MemoryUsage::default()),
        alarms: Arc::new(NoAlarmStates),
        drills: Some(range.drills()),
        callers: keyward_core::usecases::report::Callers::People,
        cases: world.outside.inventory.clone(),
        offboard: Arc::new(keyward_core::ports::NoOffboardOrders),
        guards: None,
        restore_second: Second::NotNeeded,
        enforce_second: Second::NotNeeded,
    };
    let deadline = Deadline(range.switched.now() + SignedDuration::from_mins(5));
    control(&deps, Served::All, asked(range), deadline).await
}

impl Scenario for Drilled {
    type World = Range;

    async fn world(&self, gate: &Arc<Gate>) -> Range {
        Range::on(gate).await
    }

    async fn operation(&self, range: &Range) {
        ask(range).await;
    }

    /// The same request comes again, whether it had begun or not.
    async fn recover_and_check(&self, range: &Range, point: Option<Point>) {
        let context = format!("{point:?}");
        assert!(range.switched.is_alive(), "{context}: nothing is cut short");
        let answer = ask(range).await;
        assert_eq!(answer["statusCode"], 200, "{context}: {answer}");
        assert_eq!(range.alarm_reads().await, report(1, 0), "{context}");
        range.recovers();
        range.goes_on(1).await;
        let [incident] = &range.switched.incidents()[..] else {
            panic!("{context}: one incident");
        };
        assert!(incident.drill.is_some(), "{context}");
        let [over] = &range.over().await[..] else {
            panic!("{context}: one drill");
        };
        assert_eq!(over.outcome, DrillOutcome::Passed, "{context}");
        assert_eq!(range.switched.alerts(AlertKind::DrillFailed), []);
        let versions = range.switched.world.versions().await;
        let current = versions.iter().filter(|v| v.state == VersionState::Current);
        assert_eq!(current.count(), 1, "{context}");
    }
}

#[tokio::test]
async fn crash_at_every_call_of_a_drill() {
    let ran = crash_at_every_call(&Drilled).await;
    say(format_args!("a drill: {ran} points"));
    assert!(ran >= 3 * 6);
}

/// The kill that a drill sets off, and its end, cut off at each call.
struct Ends;

impl Scenario for Ends {
    type World = Range;

    async fn world(&self, gate: &Arc<Gate>) -> Range {
        let range = Range::on(gate).await;
        range.begin("drill-1").await.unwrap();
        range.alarm_reads().await;
        range.recovers();
        range.goes_on(1).await;
        // As if its end had not been seen yet.
        let under_way = ends::under_way_again(range.over().await.remove(0));
        let now = range.switched.now();
        range
            .change(|slot| {
                slot.state = SlotState::Restricted;
                slot.drill = Some(under_way);
                slot.due_at = now;
            })
            .await;
        range
    }

    async fn operation(&self, range: &Range) {
        let world = &range.switched.world;
        let confirm = world.confirm;
        let deadline = Deadline(range.switched.now() + SignedDuration::from_mins(5));
        let _ = keyward_core::usecases::retire::carry_on(&world.ports, &confirm, deadline).await;
    }

    async fn recover_and_check(&self, range: &Range, point: Option<Point>) {
        range.goes_on(1).await;
        let slot = range.switched.world.slot().await;
        assert_eq!(
            (slot.state, slot.drill),
            (SlotState::Active, None),
            "{point:?}"
        );
        assert_eq!(range.over().await.len(), 2, "{point:?}");
        let told = range.switched.alerts(AlertKind::DrillDone);
        assert!(told.len() >= 2, "{point:?}");
    }
}

#[tokio::test]
async fn crash_at_every_call_of_a_drills_end() {
    let ran = crash_at_every_call(&Ends).await;
    say(format_args!("the end of a drill: {ran} points"));
    assert!(ran >= 3 * 4);
}
