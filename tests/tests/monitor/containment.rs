//! What a slot that was cut off spends.

use jiff::SignedDuration;
use keyward_core::model::alert::AlertKind;
use keyward_core::model::metric::KillScore;
use keyward_core::model::slot::Slot;
use keyward_core::model::version::{Confirmation, Confirmed, VersionState};
use keyward_core::ports::{Deadline, Fence, Inventory, KeyProvider};
use keyward_core::rules::revoke::ConfirmPolicy;
use keyward_core::usecases::retire::carry_on;

use super::THEFT;
use super::scene::{CHEAP, DOLLAR, Scene};

/// A learned slot that was stolen from and cut off a moment ago, with the key that was cut off.
async fn cut_off() -> (Scene, String) {
    let scene = Scene::learned(15, 10).await;
    for _ in 0..12 {
        scene.spend("chat", THEFT).await;
        scene.run().await.unwrap();
        scene.pass(1);
    }
    let is_over = |s: &KillScore| s.thousandths >= KillScore::LINE;
    assert!(scene.scores().iter().any(is_over));
    let cut = scene.contain("chat").await;
    (scene, cut.handle.unwrap().as_str().to_owned())
}

fn over(scene: &Scene, since: jiff::Timestamp) -> usize {
    let scores = scene.scores().into_iter();
    let late = scores.filter(|s| s.at > since && s.thousandths >= KillScore::LINE);
    late.count()
}

#[tokio::test]
async fn nothing_fires_again_on_what_is_contained() {
    let (scene, stolen) = cut_off().await;
    let cut_at = scene.now();
    scene.pass(1);
    for minute in 0..180 {
        // Its bills still come in.
        if minute < 30 {
            let tokens = THEFT * 4 / 5;
            scene.use_key("chat", &stolen, (CHEAP, 1, tokens)).await;
        }
        scene.spend("chat", 10 * DOLLAR / 1440).await;
        if minute % 50 == 0 {
            scene.restart().await;
        }
        scene.run().await.unwrap();
        scene.pass(1);
    }
    assert_eq!(over(&scene, cut_at), 0);
    assert!(scene.orders().iter().all(|order| order.judged <= cut_at));
}

#[tokio::test]
async fn a_theft_of_the_replacement_is_seen() {
    let (scene, _) = cut_off().await;
    let cut_at = scene.now();
    for _ in 0..15 {
        scene.pass(1);
        scene.spend("chat", THEFT).await;
        scene.run().await.unwrap();
    }
    assert!(over(&scene, cut_at) > 0);
}

/// Two days after a kill the slot spends half as much once more. Whether a person called it rightful use meanwhile decides, also
/// where that was said long after and the process is another one.
#[tokio::test]
async fn what_a_person_calls_rightful_use_is_normal_from_then_on() {
    for said_after in [None, Some(1), Some(1500)] {
        let (scene, _) = cut_off().await;
        let killed = scene.slot("chat").await.killed.unwrap();
        let mut again_at = None;
        for minute in 0..2 * 1440 + 12 {
            scene.pass(1);
            if said_after == Some(minute) {
                let say = |slot: &mut Slot| slot.rightful = Some(killed.epoch);
                scene.set("chat", say).await;
            }
            let is_again = minute >= 2 * 1440;
            if is_again {
                again_at.get_or_insert(scene.now());
            }
            let spent = match is_again {
                true => THEFT / 2,
                false => 10 * DOLLAR / 1440,
            };
            scene.spend("chat", spent).await;
            if minute % 1000 == 999 {
                scene.restart().await;
            }
            if is_again || minute % 10 == 0 {
                scene.run().await.unwrap();
            }
        }
        let fires = over(&scene, again_at.unwrap()) > 0;
        assert_eq!(fires, said_after.is_none(), "{said_after:?}");
    }
}

/// Whoever kills has not cut everything off yet: it still counts, and is not ordered twice.
#[tokio::test]
async fn an_open_incident_is_not_ordered_again() {
    let scene = Scene::learned(15, 10).await;
    scene.spend("chat", THEFT).await;
    scene.run().await.unwrap();
    scene.open_incident("chat").await;
    for _ in 0..20 {
        scene.pass(1);
        scene.spend("chat", THEFT).await;
        scene.run().await.unwrap();
    }
    assert!(over(&scene, jiff::Timestamp::MIN) > 3);
    assert_eq!(scene.orders(), []);
}

/// A version that was confirmed dead spends.
async fn dead_key_used(suspended: Option<bool>) -> Scene {
    let (scene, dead) = cut_off().await;
    let name = "chat".parse().unwrap();
    let versions = scene.inventory.versions(&name).await.unwrap();
    let mut version = versions
        .into_iter()
        .find(|v| v.state == VersionState::Contained)
        .unwrap();
    version.state = VersionState::Revoked;
    version.revoke_accepted = Some(scene.now());
    version.revoke_confirmed = Some(Confirmed {
        at: scene.now(),
        by: Confirmation::Refused,
    });
    version.due_at = None;
    scene
        .inventory
        .save_versions(&[version], Fence::None)
        .await
        .unwrap();
    let mut key = keyward_testkit::memory::listed_key(&dead, None);
    key.suspended = suspended;
    scene.main.list_keys(vec![key]);
    let ordered = scene.orders().len();
    for minute in 0..40 {
        scene.pass(1);
        // A late bill for the minutes up to its end proves nothing.
        if !(1..16).contains(&minute) {
            scene.use_key("chat", &dead, (CHEAP, 1, 80_000)).await;
        }
        scene.run().await.unwrap();
        if minute < 10 {
            assert_eq!(scene.count(AlertKind::DeadKeyUsed), 0, "minute {minute}");
            assert_eq!(scene.orders().len(), ordered);
        }
    }
    scene
}

/// The key is still there: the monitor only reads. `retire` ends it, and asks no more.
async fn is_revoked_again(scene: &Scene) {
    let name = "chat".parse().unwrap();
    let asked = async || {
        let versions = scene.inventory.versions(&name).await.unwrap();
        let dead = versions.into_iter();
        let mut dead = dead.filter(|v| v.state == VersionState::Revoked);
        dead.next().unwrap()
    };
    let dead = asked().await;
    let handle = dead.handle.clone().unwrap();
    assert!(dead.used_when_dead.is_some());
    assert!(scene.main.get(&handle).await.unwrap().is_some());
    let deadline = Deadline(scene.now() + SignedDuration::from_mins(5));
    for revoked in [true, false] {
        let is_due = asked().await.due_at.is_some();
        assert_eq!(is_due, revoked);
        let run = carry_on(&scene.ports.ports, &ConfirmPolicy::default(), deadline).await;
        assert_eq!(run.unwrap().failed, 0);
        assert!(scene.main.get(&handle).await.unwrap().is_none());
        assert_eq!(asked().await.used_when_dead, None);
    }
}

#[tokio::test]
async fn a_dead_key_in_use_is_revoked_again_and_its_slot_cut_off_if_it_lives() {
    let scene = dead_key_used(Some(false)).await;
    is_revoked_again(&scene).await;
    let told = scene.alert(AlertKind::DeadKeyUsed);
    assert!(told.done.as_str().contains("cut off"), "{told:?}");
    let order = scene
        .orders()
        .into_iter()
        .find(|o| o.score_thousandths == 10_000);
    assert!(order.is_some());
    assert_eq!(scene.count(AlertKind::DeadKeyUsed), 1);
}

#[tokio::test]
async fn a_dead_key_that_is_not_seen_alive_cuts_nobody_off() {
    let scene = dead_key_used(None).await;
    is_revoked_again(&scene).await;
    let told = scene.alert(AlertKind::DeadKeyUsed);
    assert!(told.done.as_str().contains("not cut off"), "{told:?}");
    assert!(scene.orders().iter().all(|o| o.score_thousandths != 10_000));
}
