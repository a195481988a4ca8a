//! `/drill`: what is refused, what is recorded. What a drill sets off: suite `kill_switch`.

use keyward_core::model::alarm::{AlarmArn, AlarmMetric, AlarmState};
use keyward_core::model::kill_order::TopicArn;
use keyward_core::model::slot::Slot;
use keyward_core::ports::{Clock, TAG_SLOT, TAG_STACK};
use keyward_core::rules::kill::{AlarmMap, Deployment};
use keyward_core::usecases::drill::{Drills, SCORE};
use keyward_testkit::memory::{MemoryAlarms, MemoryMetrics};

use super::*;

const TOPIC: &str = "arn:aws:sns:us-east-1:111122223333:keyward-prod-alarms";

/// A canary that enforces, its alarm, and a control function that is told who it is.
async fn range() -> (World, Deps, Arc<MemoryMetrics>) {
    let world = World::in_memory(&Arc::default()).await;
    let canary = Slot {
        canary: true,
        mode: Mode::Enforce,
        ..world.slot().await
    };
    world.outside.inventory.save_slot(&canary).await.unwrap();
    let (alarms, metrics) = (Arc::new(MemoryAlarms::default()), Arc::default());
    let name = &world.slot;
    let arn = format!("arn:aws:cloudwatch:us-east-1:111122223333:alarm:keyward-prod-kill-{name}");
    let arn: AlarmArn = arn.parse().unwrap();
    alarms.make(&arn, &[(TAG_STACK, "prod"), (TAG_SLOT, name.as_str())]);
    let dimensions = [("Slot", name.as_str()), ("Stack", "prod")];
    let metric = AlarmMetric::new("Keyward", "KillScore", &dimensions);
    alarms.set_up(&arn, Some(metric), Some(TOPIC));
    alarms.change(&arn, world.outside.clock.now(), AlarmState::Ok);
    let drills = Drills {
        alarms,
        metrics: Arc::clone(&metrics) as Arc<_>,
        deployment: Deployment {
            account: "111122223333".to_owned(),
            region: "us-east-1".to_owned(),
            stack: "prod".parse().unwrap(),
            topic: TopicArn::new(TOPIC),
            map: AlarmMap::default(),
        },
    };
    let deps = Deps {
        drills: Some(drills),
        ..deps(&world)
    };
    (world, deps, metrics)
}

fn asked(world: &World) -> Value {
    json!({"reason": "the monthly drill", "slot": world.slot})
}

#[tokio::test]
async fn a_drill_puts_the_score_and_is_on_record() {
    let (world, deps, metrics) = range().await;
    let (status, body) = post(&deps, "/drill", asked(&world)).await;
    assert_eq!((status, &body["result"]), (200, &json!("under_way")));
    assert_eq!(body["unrecorded"], false);
    assert_eq!(body["alarm"], format!("keyward-prod-kill-{}", world.slot));
    let put = metrics.scores(&"prod".parse().unwrap());
    let [score] = &put[..] else {
        panic!("{put:?}");
    };
    assert_eq!((&score.slot, score.thousandths), (&world.slot, SCORE));
    assert_eq!(json!(score.at), body["started"]);
    let drill = world.slot().await.drill.unwrap();
    assert_eq!(json!(drill.id), body["drill"]);
    assert_eq!(drill.by.as_str(), CALLER);
    assert_eq!(drill.reason.as_str(), "the monthly drill");
    assert!(world.outside.provider.accepts(&world.current_key()));
    assert_eq!(world.outside.inventory.all_incidents(), []);

    let acts = acts(&world);
    let [begun, ended] = &acts[..] else {
        panic!("{acts:?}");
    };
    assert_eq!((begun.phase, ended.phase), (Phase::Begun, Phase::Ended));
    assert_eq!(begun.operation.as_str(), "/drill");
    assert_eq!(begun.subject, Subject::Slot(world.slot.clone()));
    assert_eq!(ended.state["drill"]["id"], body["drill"]);
    assert_eq!(ended.outcome.as_ref().unwrap().as_str(), "under way");
}

#[tokio::test]
async fn a_request_that_arrives_twice_is_one_drill_and_another_waits() {
    let (world, deps, metrics) = range().await;
    let event = event("/drill", &asked(&world));
    let (_, first) = send(&deps, event.clone()).await;
    let (status, again) = send(&deps, event).await;
    assert_eq!((status, &first["started"]), (200, &again["started"]));
    let scores = metrics.scores(&"prod".parse().unwrap());
    assert_eq!(scores[0], scores[1], "the same score in the same minute");
    let (status, other) = post(&deps, "/drill", asked(&world)).await;
    assert_eq!(status, 409);
    let what = other["what"].as_str().unwrap();
    assert!(what.contains("has been under way since"), "{what}");
}

#[tokio::test]
async fn what_may_not_be_drilled_is_refused_and_says_what_to_do() {
    let (world, deps, metrics) = range().await;
    let no_canary = Slot {
        canary: false,
        ..world.slot().await
    };
    world.outside.inventory.save_slot(&no_canary).await.unwrap();
    for dry_run in [false, true] {
        let mut asked = asked(&world);
        asked["dry_run"] = json!(dry_run);
        let (status, body) = post(&deps, "/drill", asked).await;
        assert_eq!(status, 409, "{body}");
        let what = body["what"].as_str().unwrap();
        assert!(what.contains("it is no canary"), "{what}");
        assert!(what.contains("fleet file"), "{what}");
        assert_eq!(body["safe"], "Nothing was changed.");
    }
    let unconfigured = Deps {
        drills: None,
        ..deps.clone()
    };
    for (deps, body, expected) in [
        (&deps, json!({"slot": world.slot}), 409),
        (&deps, json!({"slot": "nobody", "reason": "x"}), 404),
        (&deps, json!({"slot": "Nobody", "reason": "x"}), 400),
        (&unconfigured, asked(&world), 409),
        (&unconfigured, json!({"slot": "nobody", "reason": "x"}), 404),
    ] {
        let (status, answer) = post(deps, "/drill", body.clone()).await;
        let expected = match body.get("reason") {
            None => 400,
            Some(_) => expected,
        };
        assert_eq!(status, expected, "{body}: {answer}");
    }
    assert_eq!(acts(&world), []);
    assert!(metrics.scores(&"prod".parse().unwrap()).is_empty());
}

#[tokio::test]
async fn what_would_be_drilled_is_said_and_nothing_done() {
    let (world, deps, metrics) = range().await;
    let before = world.slot().await;
    let body = json!({"slot": world.slot, "dry_run": true});
    let (status, body) = post(&deps, "/drill", body).await;
    assert_eq!((status, &body["result"]), (200, &json!("would_drill")));
    assert_eq!(world.slot().await, before);
    assert_eq!(acts(&world), []);
    assert!(metrics.scores(&"prod".parse().unwrap()).is_empty());
}

#[tokio::test]
async fn a_drill_that_cannot_be_recorded_is_none() {
    let (world, deps, metrics) = range().await;
    let failing = Failing(world.outside.inventory.clone(), 0.into());
    let deps = Deps {
        acts: Arc::new(failing),
        ..deps
    };
    let (status, _) = post(&deps, "/drill", asked(&world)).await;
    assert_eq!(status, 503);
    assert_eq!(world.slot().await.drill, None);
    assert!(metrics.scores(&"prod".parse().unwrap()).is_empty());
}

/// The flag is changed by the fleet file, and on record as every change.
#[tokio::test]
async fn a_canary_is_one_by_the_fleet_file_alone() {
    let world = world();
    let mut fleet = fleet();
    apply(&world, &fleet).await;
    let name = "search-bot-openrouter".parse().unwrap();
    let stored = async || world.outside.inventory.slot(&name).await.unwrap().unwrap();
    assert!(!stored().await.canary);
    fleet["slots"]["search-bot-openrouter"]["canary"] = json!(true);
    let (_, body) = apply(&world, &fleet).await;
    assert!(results(&body).contains(&("search-bot-openrouter", "updated")));
    assert!(stored().await.canary);
    let acts = acts(&world);
    let last = acts.iter().rfind(|a| a.phase == Phase::Ended).unwrap();
    assert_eq!(last.subject, Subject::Slot(name.clone()));
    assert_eq!(last.state["canary"], true, "{last:?}");
}
