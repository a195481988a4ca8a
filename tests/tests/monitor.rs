//! The monitor, run by run: what it puts, tells, orders and remembers, in one process or many, cut off anywhere.
#![allow(clippy::unwrap_used, reason = "test code")]

#[path = "monitor/accounts.rs"]
mod accounts;
#[path = "monitor/cases.rs"]
mod cases;
#[path = "monitor/containment.rs"]
mod containment;
#[path = "monitor/disturbed.rs"]
mod disturbed;
#[path = "monitor/rogue.rs"]
mod rogue;
#[path = "monitor/scene.rs"]
mod scene;
#[path = "monitor/told.rs"]
mod told;

use jiff::SignedDuration;
use keyward_core::model::alert::{AlertKind, Severity};
use keyward_core::model::kill_order::Basis;
use keyward_core::model::metric::KillScore;
use keyward_core::model::slot::{Expectation, Mode, SlotState};
use keyward_core::model::usage::Bucket;
use keyward_core::usecases::monitor::MonitorError;
use scene::{CHEAP, DOLLAR, Scene};

/// A theft of $400 an hour on a slot of $10 a day: a minute's tokens cost so much.
const THEFT: u64 = 400 * DOLLAR / 60;

#[tokio::test]
async fn a_theft_is_scored_told_and_sent_to_the_kill_switch_if_no_alarm_comes_through() {
    let scene = Scene::learned(15, 10).await;
    let mut first = None;
    for minute in 0..20 {
        scene.spend("chat", THEFT).await;
        let report = scene.run().await.unwrap();
        assert_eq!(report.left, [""; 0], "minute {minute}");
        let over = scene
            .scores()
            .iter()
            .any(|s| s.thousandths >= KillScore::LINE);
        if over && first.is_none() {
            first = Some(minute);
            let told = scene.alerts().pop().unwrap();
            assert_eq!(told.kind, AlertKind::SpendUnusual, "{told:?}");
            assert_eq!(told.severity, Severity::Page, "{told:?}");
            assert!(told.what.as_str().contains("in 1 hour"), "{told:?}");
        }
        let waited = first.map_or(0, |first| minute - first);
        assert_eq!(scene.orders().is_empty(), waited < 2, "minute {minute}");
        scene.pass(1);
    }
    let first = first.expect("it was seen");
    assert!(first <= 15, "{first} minutes");
    let order = &scene.orders()[0];
    assert_eq!(order.basis, Basis::Usual);
    assert_eq!(order.slot.as_str(), "chat");
    let ordered = scene.alert(AlertKind::KillOrdered);
    assert!(ordered.what.as_str().contains("no alarm"), "{ordered:?}");
}

#[tokio::test]
async fn ordinary_use_puts_no_score_and_tells_nobody() {
    let scene = Scene::learned(15, 10).await;
    for _ in 0..120 {
        scene.spend("chat", 10 * DOLLAR / 1440).await;
        scene.run().await.unwrap();
        scene.pass(1);
    }
    assert_eq!(scene.scores(), []);
    assert_eq!(scene.alerts(), []);
    assert_eq!(scene.orders(), []);
    assert_eq!(scene.beats(), 120);
}

#[tokio::test]
async fn a_slot_that_observes_is_sent_only_for_what_its_owner_declared() {
    let learned = Scene::learned(15, 10).await;
    learned.set("chat", |slot| slot.mode = Mode::Observe).await;
    let new = Scene::new().await;
    new.set("chat", |slot| slot.mode = Mode::Observe).await;
    for scene in [&learned, &new] {
        for _ in 0..20 {
            scene.spend("chat", THEFT).await;
            scene.run().await.unwrap();
            scene.pass(1);
        }
        assert!(
            scene
                .scores()
                .iter()
                .any(|s| s.thousandths >= KillScore::LINE)
        );
    }
    assert_eq!(learned.orders(), []);
    let order = &new.orders()[0];
    assert_eq!(order.basis, Basis::Declared);
    let first = new
        .scores()
        .into_iter()
        .find(|s| s.thousandths >= KillScore::LINE);
    assert_eq!(order.judged, first.unwrap().at, "at once");
    let told = new.alert(AlertKind::KillOrdered);
    assert!(told.what.as_str().contains("only observes"), "{told:?}");
}

#[tokio::test]
async fn what_was_announced_is_no_theft() {
    let scene = Scene::learned(15, 100).await;
    let until = scene.now() + SignedDuration::from_hours(24);
    let expectation = Expectation {
        percent: 2000,
        until,
    };
    scene
        .set("chat", |slot| slot.expectation = Some(expectation))
        .await;
    for _ in 0..60 {
        scene.spend("chat", THEFT).await;
        scene.run().await.unwrap();
        scene.pass(1);
    }
    assert_eq!(scene.orders(), []);
}

#[tokio::test]
async fn a_score_that_cannot_be_put_is_told_and_the_slot_is_sent_all_the_same() {
    let scene = Scene::learned(15, 10).await;
    scene.silence(&["metrics.put_scores", "metrics.beat"]);
    for _ in 0..20 {
        scene.spend("chat", THEFT).await;
        let report = scene.run().await.unwrap();
        assert!(report.left.contains(&"the heartbeat".to_owned()));
        scene.pass(1);
    }
    assert_eq!(scene.scores(), []);
    assert!(!scene.orders().is_empty());
    let told = scene.alert(AlertKind::MonitorFailed);
    assert!(told.what.as_str().contains("could not be put"), "{told:?}");
}

#[tokio::test]
async fn an_order_that_is_refused_is_told_and_given_again() {
    let scene = Scene::learned(15, 10).await;
    scene.kill_switch.refuse();
    let mut refused = 0;
    for _ in 0..20 {
        scene.spend("chat", THEFT).await;
        let report = scene.run().await.unwrap();
        refused += usize::from(report.left == ["the order to cut off chat"]);
        scene.pass(1);
    }
    assert!(refused > 3, "{refused}");
    let told = scene.alert(AlertKind::KillOrdered);
    assert!(told.done.as_str().contains("could not send"), "{told:?}");
    assert_eq!(
        told.command.unwrap().as_str(),
        "keyward kill chat --reason \"...\""
    );
}

#[tokio::test]
async fn a_new_model_is_told_once() {
    let scene = Scene::learned(15, 10).await;
    for _ in 0..90 {
        scene.use_model("chat", "gpt-5-mini", 1, 100).await;
        scene.run().await.unwrap();
        scene.pass(1);
    }
    let told: Vec<_> = scene.alerts();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].kind, AlertKind::UsageUnusual);
    assert!(told[0].what.as_str().contains("gpt-5-mini"), "{told:?}");
}

/// 200 requests an hour become 2,000, each of which costs $0.002.
#[tokio::test]
async fn ten_times_the_requests_are_heard_within_15_minutes_though_they_cost_little() {
    let scene = Scene::with_history(15, 10, 200 * 1250, 200).await;
    let mut heard = None;
    for minute in 0..15 {
        scene.use_model("chat", CHEAP, 34, 34 * 1600).await;
        scene.run().await.unwrap();
        if heard.is_none() && scene.count(AlertKind::UsageUnusual) > 0 {
            heard = Some(minute);
        }
        scene.pass(1);
    }
    assert!(heard.is_some_and(|minute| minute < 15), "{heard:?}");
    let told = scene.alert(AlertKind::UsageUnusual);
    assert!(
        told.what.as_str().contains("requests in 1 hour"),
        "{told:?}"
    );
    assert_eq!(scene.orders(), []);
}

#[tokio::test]
async fn a_month_that_is_spent_restricts_once_and_what_a_person_lifts_stays_lifted() {
    let scene = Scene::learned(15, 10).await;
    // The cap is $390 a month; a day of much more than that is a theft, so it is spread.
    scene
        .set("chat", |slot| {
            slot.expected.monthly = keyward_core::model::money::MicroDollars(DOLLAR);
        })
        .await;
    let state = async || scene.slot("chat").await.state;
    for _ in 0..3 {
        scene.spend("chat", DOLLAR / 2).await;
        scene.run().await.unwrap();
        scene.pass(5);
    }
    assert_eq!(state().await, SlotState::Restricted);
    assert_eq!(scene.count(AlertKind::Restricted), 1);
    scene
        .set("chat", |slot| slot.state = SlotState::Active)
        .await;
    for _ in 0..12 {
        scene.spend("chat", DOLLAR / 100).await;
        scene.run().await.unwrap();
        scene.pass(5);
    }
    assert_eq!(state().await, SlotState::Active);
    assert_eq!(scene.count(AlertKind::Restricted), 1);
}

#[tokio::test]
async fn two_runs_never_overlap() {
    let scene = Scene::new().await;
    let until = scene.now() + SignedDuration::from_secs(30);
    let leases: &dyn keyward_core::ports::Leases = &*scene.usage;
    leases
        .take("monitor", "another run", scene.now(), until)
        .await
        .unwrap();
    let report = scene.run().await.unwrap();
    assert!(report.overlapped && report.slots == 0, "{report:?}");
    assert_eq!(scene.beats(), 0);
    scene.pass(1);
    let report = scene.run().await.unwrap();
    assert!(!report.overlapped && report.slots == 2, "{report:?}");
    assert_eq!(scene.beats(), 1);
}

#[tokio::test]
async fn a_new_slot_is_guarded_at_once_and_one_that_is_gone_no_more() {
    let scene = Scene::new().await;
    scene.run().await.unwrap();
    assert_eq!(scene.guarded().await, ["chat", "search"]);
    scene.add_slot("notes", "other").await;
    scene.pass(1);
    let report = scene.run().await.unwrap();
    assert_eq!((report.slots, report.left), (3, vec![]));
    assert_eq!(scene.guarded().await, ["chat", "notes", "search"]);
}

/// Between two readings of all slots a run asks for their names, and for nothing else of the inventory.
#[tokio::test]
async fn a_run_reads_no_slot_anew_where_none_came_or_went() {
    let scene = Scene::new().await;
    scene.run().await.unwrap();
    let reads = |calls: &[&'static str]| {
        let of = |name: &str| calls.iter().filter(|call| **call == name).count();
        (of("inventory.slot_names"), of("inventory.slot"))
    };
    for expected in [(1, 0), (1, 0), (1, 0), (1, 0), (1, 2), (1, 0)] {
        scene.pass(1);
        scene.gate.record();
        scene.run().await.unwrap();
        let (calls, _) = scene.gate.disarm();
        assert_eq!(reads(&calls), expected, "{calls:?}");
    }
}

#[tokio::test]
async fn slots_that_cannot_be_listed_are_watched_as_they_were_until_reading_them_is_due() {
    let scene = Scene::new().await;
    scene.run().await.unwrap();
    scene.add_slot("notes", "other").await;
    scene.silence(&["inventory.slot_names"]);
    for _ in 0..4 {
        scene.pass(1);
        let report = scene.run().await.unwrap();
        assert_eq!(
            (report.slots, report.left),
            (2, vec!["slots that may be new".to_owned()])
        );
    }
    assert_eq!(scene.beats(), 5);
    scene.pass(1);
    let run = scene.run().await;
    assert!(matches!(run, Err(MonitorError::Slots(_))), "{run:?}");
    scene.gate.disarm();
    scene.pass(1);
    scene.run().await.unwrap();
    assert_eq!(scene.guarded().await, ["chat", "notes", "search"]);
}

#[tokio::test]
async fn an_alarm_of_a_new_slot_that_could_not_be_made_is_made_by_the_next_run() {
    let scene = Scene::new().await;
    scene.run().await.unwrap();
    scene.add_slot("notes", "other").await;
    scene.silence(&["alarms.list"]);
    scene.pass(1);
    let report = scene.run().await.unwrap();
    assert_eq!(report.left, ["the alarms"]);
    scene.gate.disarm();
    scene.pass(1);
    scene.run().await.unwrap();
    assert_eq!(scene.guarded().await, ["chat", "notes", "search"]);
}

#[tokio::test]
async fn incidents_that_nobody_is_at_work_on_are_handed_on() {
    let scene = Scene::new().await;
    let incident = scene.open_incident("chat").await;
    scene.run().await.unwrap();
    let handed: Vec<_> = scene.kill_switch.go_ons();
    assert_eq!(handed.len(), 1);
    assert_eq!(handed[0].incident.as_str(), incident);
    assert_eq!(handed[0].stack.as_str(), "prod");
}

/// Judged by what is stored, whenever the process began.
#[tokio::test]
async fn what_is_remembered_does_not_depend_on_the_process() {
    let one = Scene::learned(15, 10).await;
    let many = Scene::learned(15, 10).await;
    for minute in 0..400u64 {
        for scene in [&one, &many] {
            let amount = 10 * DOLLAR / 1440 * (minute % 7);
            scene.spend("chat", amount).await;
            if (200..230).contains(&minute) {
                scene.spend("chat", DOLLAR).await;
            }
            if minute % 13 == 0 {
                scene.use_model("chat", "gpt-5-mini", 3, 900).await;
            }
        }
        many.restart().await;
        one.run().await.unwrap();
        many.run().await.unwrap();
        assert_eq!(one.scores(), many.scores(), "minute {minute}");
        let kinds = |scene: &Scene| -> Vec<_> {
            let alerts = scene.alerts().into_iter();
            alerts.map(|alert| (alert.at, alert.what)).collect()
        };
        assert_eq!(kinds(&one), kinds(&many), "minute {minute}");
        assert_eq!(one.orders(), many.orders(), "minute {minute}");
        one.pass(1);
        many.pass(1);
    }
    assert!(!one.scores().is_empty() && !one.alerts().is_empty());
    let last = Bucket::of(one.now());
    assert!(last.0 > 0);
}

/// The provider tells of it once the hour that is read each minute is over, in the last day that is read each hour.
#[tokio::test]
async fn spend_that_is_told_hours_late_counts_and_has_the_slot_cut_off() {
    let scene = Scene::learned(15, 10).await;
    for minute in 0..150 {
        scene.spend("chat", 10 * DOLLAR / 1440).await;
        if minute == 80 {
            let then = scene.now() - SignedDuration::from_mins(70);
            scene.use_late("chat", then, 400 * DOLLAR).await;
        }
        scene.run().await.unwrap();
        scene.pass(1);
    }
    let order = &scene.orders()[0];
    assert!(order.reason.as_str().contains("late"), "{order:?}");
}
