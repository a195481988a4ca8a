//! What a slot is expected to spend for a while.

use keyward_core::model::money::MicroDollars;
use keyward_core::model::slot::{Epoch, Killed, Slot};
use keyward_core::model::version::VersionState;
use keyward_core::ports::Clock;
use keyward_testkit::gate::{Cut, Gate, gated};

use super::*;

const SLOT: &str = "support-bot-openrouter";

/// Two and a half of its normal days.
const CAP: MicroDollars = MicroDollars::from_dollars(50);

async fn caps(world: &World) -> Vec<Option<MicroDollars>> {
    let versions = world.versions().await;
    let current = versions.iter().filter(|v| v.state == VersionState::Current);
    current.map(|v| v.cap.map(|cap| cap.amount)).collect()
}

#[tokio::test]
async fn the_limit_follows_what_is_expected_and_goes_back_with_it() {
    let world = world();
    apply(&world, &fleet()).await;
    world.rotate_as_asked().await;
    let until = world.outside.clock.now() + SignedDuration::from_hours(48);
    let body = json!({"reason": "launch", "slot": SLOT, "percent": 200, "until": until});
    for _ in 0..2 {
        let (status, answer) = post(&deps(&world), "/expect", body.clone()).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["expectation"]["percent"], 200);
        assert_eq!(answer["cap_failed"], Value::Null);
    }
    assert_eq!(caps(&world).await, [Some(CAP.percent(200))]);
    let slot = world.slot().await;
    assert_eq!(
        slot.expected_percent(until - SignedDuration::from_secs(1)),
        200
    );
    assert_eq!(slot.expected_percent(until), 100);
    let body = json!({"reason": "it is over", "slot": SLOT});
    let (status, answer) = post(&deps(&world), "/expect", body).await;
    assert_eq!(
        (status, &answer["expectation"]),
        (200, &Value::Null),
        "{answer}"
    );
    assert_eq!(caps(&world).await, [Some(CAP)]);
    let act = acts(&world).pop().unwrap();
    assert_eq!(act.state, json!({ "expectation": null, "rightful": null }));
}

/// An incident that is none of the slot's, or not its last, is named with the one that is.
#[tokio::test]
async fn the_incident_of_the_last_kill_can_be_called_rightful_use() {
    let world = world();
    apply(&world, &fleet()).await;
    let say = async |incident: &str| {
        let body = json!({"reason": "a launch", "slot": SLOT, "incident": incident});
        post(&deps(&world), "/expect", body).await
    };
    let (status, answer) = say(&format!("{SLOT}-0")).await;
    assert_eq!(status, 400, "{answer}");
    assert!(answer.to_string().contains("never cut off"), "{answer}");
    let killed = Killed {
        at: world.outside.clock.now(),
        epoch: Epoch(7),
        drill: None,
    };
    let slot = Slot {
        killed: Some(killed),
        ..world.slot().await
    };
    world.open.inventory.save_slot(&slot).await.unwrap();
    let (status, answer) = say(&format!("{SLOT}-6")).await;
    assert_eq!(status, 400, "{answer}");
    assert!(
        answer.to_string().contains(&format!("{SLOT}-7")),
        "{answer}"
    );
    for _ in 0..2 {
        let (status, answer) = say(&format!("{SLOT}-7")).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(world.slot().await.rightful, Some(Epoch(7)));
        let act = acts(&world).pop().unwrap();
        assert_eq!(act.state, json!({ "expectation": null, "rightful": 7 }));
    }
}

#[tokio::test]
async fn what_cannot_be_expected_changes_nothing_and_is_no_act() {
    let world = world();
    apply(&world, &fleet()).await;
    let before = (world.slot().await, acts(&world).len());
    let until = world.outside.clock.now() + SignedDuration::from_hours(48);
    let late = until + SignedDuration::from_hours(24 * 40);
    for (body, expected) in [
        (
            json!({"reason": "x", "slot": SLOT, "percent": 100, "until": until}),
            400,
        ),
        (
            json!({"reason": "x", "slot": SLOT, "percent": 5000, "until": until}),
            400,
        ),
        (
            json!({"reason": "x", "slot": SLOT, "percent": 200, "until": late}),
            400,
        ),
        (json!({"reason": "x", "slot": SLOT, "percent": 200}), 400),
        (json!({"reason": "x", "slot": SLOT, "until": until}), 400),
        (
            json!({"reason": "x", "slot": SLOT, "percent": 200, "until": until, "incident": "x"}),
            400,
        ),
        (
            json!({"reason": "", "slot": SLOT, "percent": 200, "until": until}),
            400,
        ),
        (
            json!({"reason": "x", "slot": "nobody", "percent": 200, "until": until}),
            404,
        ),
    ] {
        let (status, answer) = post(&deps(&world), "/expect", body.clone()).await;
        assert_eq!(status, expected, "{body}: {answer}");
    }
    assert_eq!((world.slot().await, acts(&world).len()), before);
}

/// Whatever answer is lost: what is called unchanged is, and the same words said again make it so.
#[tokio::test]
async fn what_is_expected_is_called_unchanged_only_where_it_is() {
    for at in 0.. {
        let world = world();
        apply(&world, &fleet()).await;
        world.rotate_as_asked().await;
        let until = world.outside.clock.now() + SignedDuration::from_hours(48);
        let gate = Arc::new(Gate::default());
        let deps = Deps {
            ports: gated(&world.open, &gate),
            orders: OrderedFunction::on(&gated(&world.open, &gate)),
            ..deps(&world)
        };
        gate.arm(at, Cut::AnswerLost);
        let body = json!({"reason": "x", "slot": SLOT, "percent": 200, "until": until});
        let (status, answer) = post(&deps, "/expect", body.clone()).await;
        let Some(call) = gate.disarm().1 else {
            assert!(at > 3);
            assert_eq!(status, 200);
            break;
        };
        let is_set = world.slot().await.expectation.is_some();
        let is_done = status == 200 && answer["cap_failed"] == Value::Null;
        assert!(!is_done || is_set, "{call}: {answer}");
        if answer["safe"] == "Nothing was changed." {
            assert!(!is_set, "{call}: {answer}");
        }
        let (status, answer) = post(&deps, "/expect", body).await;
        assert_eq!(
            (status, &answer["cap_failed"]),
            (200, &Value::Null),
            "{call}: {answer}"
        );
        let caps = caps(&world).await;
        assert_eq!(caps, [Some(CAP.percent(200))], "{call}");
    }
}
