//! An agent is given up.

use std::sync::Arc;

use jiff::SignedDuration;
use keyward_core::model::alert::{AlertKind, Severity};
use keyward_core::model::slot::{Epoch, SlotState};
use keyward_core::ports::SecretStore;
use keyward_core::usecases::offboard::{Opened, foresee};
use keyward_testkit::gate::Gate;
use keyward_tests::support::token;

use super::scene::{DAYS, Scene, agent, change_slot, tag_of};

async fn scene() -> Scene {
    Scene::new(&Arc::new(Gate::default())).await
}

#[tokio::test]
async fn every_key_of_an_agent_that_is_given_up_dies_for_good_and_its_secret_after_that() {
    let scene = scene().await;
    let key = scene.world.current_key();
    scene.open_case(agent(), "event-1").await;
    scene.run().await;
    let slot = scene.slot().await;
    assert_eq!(slot.state, SlotState::Decommissioned);
    assert!(slot.epoch > Epoch(0));
    assert!(
        !scene.outside().provider.accepts(&key),
        "cut off in the first run"
    );
    let secrets = &scene.outside().secrets;
    assert_eq!(
        secrets.recovery_days(&scene.world.secret),
        None,
        "its key is not seen dead yet"
    );
    let told = scene.outside().alerts.take();
    let contained: Vec<_> = told
        .iter()
        .filter(|a| a.kind == AlertKind::Contained)
        .collect();
    assert_eq!(contained.len(), 1);
    assert_eq!(
        contained[0].severity,
        Severity::Notice,
        "it was planned: nobody is paged"
    );

    scene.live_through(SignedDuration::from_mins(20)).await;
    scene.check_ended(&agent(), "in the end").await;
    assert_eq!(scene.outside().alerts.count(AlertKind::OffboardDone), 1);
    let pages = scene.outside().alerts.take();
    assert!(
        pages.iter().all(|a| a.severity < Severity::Page),
        "{pages:?}"
    );
    let record = scene.record(&scene.case(&agent()).await);
    let keys = &record.slots[0].keys;
    assert_eq!(
        keys.len(),
        1,
        "what was dead before is none of it: {keys:#?}"
    );
    assert!(keys[0].revoke_accepted <= keys[0].revoke_confirmed);
    assert_eq!(keys[0].fingerprint.as_ref().unwrap().len(), 12);
    assert_eq!(
        record.slots[0].secret_deleted.unwrap().at,
        record.slots[0].done.unwrap()
    );

    scene.live_through(SignedDuration::from_hours(49)).await;
    assert_eq!(
        scene.outside().alerts.take(),
        [],
        "nothing is left to do or to say"
    );
}

#[tokio::test]
async fn nothing_brings_a_key_of_it_back() {
    let scene = scene().await;
    // A rotation has come as far as testSecret.
    let secrets = &scene.outside().secrets;
    secrets.begin_rotation(&scene.world.secret, &token(3));
    for step in ["createSecret", "setSecret", "testSecret"] {
        scene
            .world
            .step_on(&scene.world.open, step, &token(3))
            .await
            .unwrap();
    }
    scene.open_case(agent(), "event-1").await;
    scene.run().await;
    let finish = scene
        .world
        .step_on(&scene.world.open, "finishSecret", &token(3))
        .await;
    assert!(finish.is_err(), "{finish:?}");
    assert_eq!(scene.live(), 0);
    secrets.begin_rotation(&scene.world.secret, &token(4));
    let create = scene
        .world
        .step_on(&scene.world.open, "createSecret", &token(4))
        .await;
    assert!(create.is_err(), "{create:?}");
    scene.live_through(SignedDuration::from_hours(2)).await;
    scene.check_ended(&agent(), "after all steps").await;
}

#[tokio::test]
async fn what_a_kill_left_to_be_restored_dies_too() {
    let scene = scene().await;
    scene.world.kill().await;
    scene.outside().inventory.close_incident(&scene.world.slot);
    scene.open_case(agent(), "event-1").await;
    scene.live_through(SignedDuration::from_mins(30)).await;
    scene.check_ended(&agent(), "a contained key").await;
}

#[tokio::test]
async fn a_doubled_event_is_the_same_case() {
    let scene = scene().await;
    let first = scene.open_case(agent(), "event-1").await;
    assert!(matches!(first, Opened::New(_)));
    assert!(matches!(
        scene.open_case(agent(), "event-1").await,
        Opened::Known(_)
    ));
    let other = scene.open_case(agent(), "event-2").await;
    assert!(matches!(other, Opened::Attached(_)));
    scene.live_through(SignedDuration::from_mins(30)).await;
    scene.check_ended(&agent(), "in the end").await;
    for request in ["event-1", "event-2"] {
        let late = scene.open_case(agent(), request).await;
        assert!(matches!(late, Opened::Known(_)), "{request}");
        assert_eq!(late.case().id, first.case().id);
    }
    assert_eq!(scene.outside().inventory.all_offboardings().len(), 1);
}

#[tokio::test]
async fn a_secret_that_carries_another_name_is_left_alone_and_told() {
    let scene = scene().await;
    assert!(tag_of(&scene).await.is_some());
    scene
        .outside()
        .secrets
        .forget_tag(&scene.world.secret, "keyward:slot");
    scene.open_case(agent(), "event-1").await;
    scene.live_through(SignedDuration::from_hours(13)).await;
    assert_eq!(scene.live(), 0);
    assert_eq!(
        scene.outside().secrets.recovery_days(&scene.world.secret),
        None
    );
    assert!(scene.case(&agent()).await.closed.is_none());
    let told = scene.outside().alerts.take();
    let behind = told
        .iter()
        .find(|a| a.kind == AlertKind::OffboardBehind)
        .unwrap();
    assert!(
        behind.what.as_str().contains("tag keyward:slot"),
        "{behind:?}"
    );
    let (secrets, slot) = (&scene.outside().secrets, scene.world.slot.as_str());
    secrets
        .tag(&scene.world.secret, "keyward:slot", slot)
        .await
        .unwrap();
    scene.live_through(SignedDuration::from_mins(10)).await;
    scene.check_ended(&agent(), "with its tag").await;
}

#[tokio::test]
async fn a_secret_that_somebody_else_deletes_holds_nothing_up() {
    for is_gone in [true, false] {
        let scene = scene().await;
        let secrets = &scene.outside().secrets;
        match is_gone {
            true => secrets.remove(&scene.world.secret),
            false => drop(
                secrets
                    .schedule_deletion(&scene.world.secret, DAYS)
                    .await
                    .unwrap(),
            ),
        }
        scene.open_case(agent(), "event-1").await;
        scene.live_through(SignedDuration::from_mins(30)).await;
        let case = scene.case(&agent()).await;
        assert!(case.closed.is_some(), "{is_gone}: {case:#?}");
        assert_eq!(scene.live(), 0);
        scene.outside().alerts.take();
        scene.live_through(SignedDuration::from_hours(49)).await;
        assert_eq!(scene.outside().alerts.take(), [], "{is_gone}");
    }
}

#[tokio::test]
async fn a_slot_that_is_registered_meanwhile_belongs_to_the_case() {
    let scene = scene().await;
    change_slot(&scene, |slot| slot.agent = "another".parse().unwrap()).await;
    scene.open_case(agent(), "event-1").await;
    // Listed without it.
    let cases = scene.open.cases.clone();
    let mut case = scene.case(&agent()).await;
    case.listed = Some(scene.now());
    cases.save_offboarding(&case).await.unwrap();
    change_slot(&scene, |slot| slot.agent = "support-bot".parse().unwrap()).await;
    scene.live_through(SignedDuration::from_mins(30)).await;
    scene
        .check_ended(&agent(), "found when the case was to be closed")
        .await;
}

#[tokio::test]
async fn an_agent_without_a_slot_is_told_and_closed() {
    let scene = scene().await;
    let nobody = keyward_core::model::offboarding::Leaver::Agent("suport-bot".parse().unwrap());
    scene.open_case(nobody.clone(), "event-1").await;
    scene.run().await;
    assert!(scene.case(&nobody).await.closed.is_some());
    let told = scene.outside().alerts.take();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].severity, Severity::Warning);
    assert!(
        told[0].what.as_str().contains("No slot was found"),
        "{told:?}"
    );
    assert_eq!(scene.live(), 1);
}

#[tokio::test]
async fn what_would_be_done_is_told_without_doing_it() {
    let scene = scene().await;
    let clock = scene.outside().clock.clone();
    let order = scene.order(agent(), "dry");
    let foreseen = foresee(scene.open.ports.inventory.as_ref(), clock.as_ref(), &order)
        .await
        .unwrap();
    assert_eq!(foreseen.len(), 1);
    assert_eq!(foreseen[0].keys.len(), 1);
    assert_eq!(scene.outside().inventory.all_offboardings(), []);
}
