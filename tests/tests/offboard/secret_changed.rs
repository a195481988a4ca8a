//! Somebody changes a secret behind Keyward's back.

use std::sync::Arc;

use keyward_core::model::act::CallerArn;
use keyward_core::model::alert::{Alert, AlertKind, Severity};
use keyward_core::model::incident::TriggerId;
use keyward_core::model::offboarding::Leaver;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{SecretStore, TAG_SLOT};
use keyward_core::rules::secret_change::{Change, SecretChange};
use keyward_core::usecases::offboard::Offboarder;
use keyward_core::usecases::secret_changed::{NotNoticed, Noticed, Own, secret_changed};
use keyward_testkit::drive::{Point, Scenario, crash_at_every_call};
use keyward_testkit::gate::Gate;
use keyward_tests::support::{say, token};

use super::scene::{DAYS, Scene};

const RETIRE: &str = "arn:aws:iam::111122223333:role/keyward-retire";
const ADMIN: &str = "arn:aws:secretsmanager:us-east-1:111122223333:secret:keyward/admin-a1B2c3";
const EVENT: &str = "e1506fd5-9e7b-434f-bd42-4f8fa224b599";

fn own() -> Own {
    Own {
        roles: vec![RETIRE.to_owned()],
        secrets: vec![ADMIN.parse().unwrap()],
    }
}

fn change(scene: &Scene, change: Change, secret: &str) -> SecretChange {
    SecretChange {
        change,
        secret: secret.to_owned(),
        by: CallerArn::new("arn:aws:sts::111122223333:assumed-role/admins/eve"),
        role: Some("arn:aws:iam::111122223333:role/admins".to_owned()),
        from: OutsideText::new("198.51.100.7"),
        at: scene.now(),
    }
}

async fn notice_on(offboarder: &Offboarder, change: &SecretChange) -> Result<Noticed, NotNoticed> {
    let request = TriggerId::new(EVENT);
    let cases = offboarder.cases.as_ref();
    secret_changed(&offboarder.ports, cases, &own(), change, &request).await
}

async fn notice(scene: &Scene, change: &SecretChange) -> Noticed {
    notice_on(&scene.open, change).await.unwrap()
}

fn told(scene: &Scene) -> Vec<Alert> {
    let mut sent = scene.outside().alerts.take();
    sent.retain(|alert| alert.kind == AlertKind::ForeignSecretChange);
    sent
}

fn of_slot(scene: &Scene) -> Leaver {
    Leaver::Slot(scene.world.slot.clone())
}

#[tokio::test]
async fn who_changed_what_is_told_and_nothing_is_undone() {
    let scene = Scene::new(&Arc::default()).await;
    let secret = scene.world.secret.to_string();
    let key = scene.world.current_key();
    for (made, severity, command) in [
        (Change::Value, Severity::Page, "keyward kill"),
        (Change::Policy, Severity::Page, "keyward rotate"),
        (Change::CancelRotation, Severity::Warning, "keyward plan"),
        (Change::Restore, Severity::Warning, "keyward status"),
    ] {
        assert_eq!(
            notice(&scene, &change(&scene, made, &secret)).await,
            Noticed::Told
        );
        let [alert] = &told(&scene)[..] else {
            panic!("one alert of {made:?}");
        };
        assert_eq!(alert.severity, severity, "{made:?}");
        assert_eq!(alert.slot.as_ref(), Some(&scene.world.slot));
        for part in ["role/admins/eve", "198.51.100.7", made.words()] {
            assert!(alert.what.as_str().contains(part), "{part}: {alert:?}");
        }
        let shown = alert.command.as_ref().unwrap().as_str();
        assert!(shown.starts_with(command), "{shown}");
    }
    assert!(scene.outside().provider.accepts(&key));
}

#[tokio::test]
async fn what_keyward_does_itself_and_what_is_not_its_own_is_silent() {
    let scene = Scene::new(&Arc::default()).await;
    let mut own = change(&scene, Change::Value, scene.world.secret.as_str());
    own.role = Some(RETIRE.to_owned());
    assert_eq!(notice(&scene, &own).await, Noticed::Own);
    let arn = "arn:aws:secretsmanager:us-east-1:111122223333:secret:db/main-a1B2c3";
    let strange = change(&scene, Change::Delete, arn);
    assert_eq!(notice(&scene, &strange).await, Noticed::NotOurs);
    assert!(told(&scene).is_empty());

    for said in [ADMIN, "keyward/admin", &ADMIN[..ADMIN.len() - 7]] {
        let credential = change(&scene, Change::Value, said);
        assert_eq!(notice(&scene, &credential).await, Noticed::Told, "{said}");
        let [alert] = &told(&scene)[..] else {
            panic!("one alert of {said}");
        };
        assert_eq!((alert.severity, &alert.slot), (Severity::Page, &None));
    }
}

/// The tag is anybody's word; the inventory knows whose secret it is.
#[tokio::test]
async fn a_secret_without_its_tag_is_known_all_the_same() {
    let scene = Scene::new(&Arc::default()).await;
    let (secrets, secret) = (&scene.outside().secrets, &scene.world.secret);
    secrets.forget_tag(secret, TAG_SLOT);
    let policy = change(&scene, Change::Policy, secret.as_str());
    assert_eq!(notice(&scene, &policy).await, Noticed::Told);
    secrets.tag(secret, TAG_SLOT, "another").await.unwrap();
    assert_eq!(notice(&scene, &policy).await, Noticed::Told);
    let told = told(&scene);
    assert!(
        told.iter()
            .all(|a| a.slot.as_ref() == Some(&scene.world.slot))
    );
    assert_eq!(told.len(), 2);
}

#[tokio::test]
async fn a_deleted_secret_ends_its_slot() {
    for gone in [false, true] {
        let scene = Scene::new(&Arc::default()).await;
        let (secrets, secret) = (&scene.outside().secrets, &scene.world.secret);
        let key = scene.world.current_key();
        match gone {
            true => secrets.remove(secret),
            false => drop(secrets.schedule_deletion(secret, DAYS).await.unwrap()),
        }
        let deleted = change(&scene, Change::Delete, secret.as_str());
        let noticed = notice(&scene, &deleted).await;
        assert!(matches!(noticed, Noticed::Offboarding(_)), "{noticed:?}");
        assert_eq!(notice(&scene, &deleted).await, noticed, "the same case");
        assert_eq!(told(&scene).len(), 2);
        scene.run().await;
        assert!(!scene.outside().provider.accepts(&key));
        for _ in 0..40 {
            scene.world.pass(jiff::SignedDuration::from_mins(5));
            scene.run().await;
            let _ = scene.world.retire().await;
        }
        let case = scene.case(&of_slot(&scene)).await;
        assert!(case.closed.is_some(), "gone: {gone}, {case:#?}");
        assert_eq!(scene.live(), 0);
        assert_eq!(
            notice(&scene, &deleted).await,
            Noticed::Told,
            "it was given up before"
        );
    }
}

/// The record comes minutes after the call.
#[tokio::test]
async fn a_deletion_that_was_taken_back_ends_nothing() {
    let scene = Scene::new(&Arc::default()).await;
    let deleted = change(&scene, Change::Delete, scene.world.secret.as_str());
    assert_eq!(notice(&scene, &deleted).await, Noticed::Told);
    assert_eq!(told(&scene).len(), 1);
    scene.run().await;
    assert!(scene.outside().provider.accepts(&scene.world.current_key()));
    scene.world.rotate(&token(9)).await.unwrap();
}

/// Noticing that the secret was deleted.
struct Deleted;

impl Scenario for Deleted {
    type World = Scene;

    async fn world(&self, gate: &Arc<Gate>) -> Scene {
        let scene = Scene::new(gate).await;
        let secrets = &scene.outside().secrets;
        let deleted = secrets.schedule_deletion(&scene.world.secret, DAYS).await;
        deleted.unwrap();
        scene
    }

    async fn operation(&self, scene: &Scene) {
        let deleted = change(scene, Change::Delete, scene.world.secret.as_str());
        let _ = notice_on(&scene.gated, &deleted).await;
    }

    /// EventBridge hands the event on again.
    async fn recover_and_check(&self, scene: &Scene, point: Option<Point>) {
        let deleted = change(scene, Change::Delete, scene.world.secret.as_str());
        let again = notice(scene, &deleted).await;
        assert!(matches!(again, Noticed::Offboarding(_)), "{point:?}");
        assert!(!told(scene).is_empty(), "{point:?}");
        scene.run().await;
        assert_eq!(scene.live(), 0, "{point:?}");
    }
}

#[tokio::test]
async fn crash_at_every_call_of_noticing_a_deletion() {
    let ran = crash_at_every_call(&Deleted).await;
    say(format_args!("a deleted secret: {ran} points"));
    assert!(ran >= 3 * 4);
}
