//! What is told of provider accounts.

use jiff::SignedDuration;
use keyward_core::model::alert::{AlertKind, Severity};
use keyward_core::model::metric::KillScore;
use keyward_core::model::money::MicroDollars;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{ByKey, Cost, ProviderError};

use super::THEFT;
use super::scene::{DOLLAR, Scene};

fn no_answer() -> ProviderError {
    ProviderError::RetryAfter {
        after: None,
        detail: OutsideText::new("status 503"),
    }
}

#[tokio::test]
async fn one_account_that_is_not_seen_hides_no_other() {
    let scene = Scene::learned(15, 10).await;
    scene.other.fail(Some((0, no_answer())));
    for _ in 0..15 {
        scene.spend("chat", THEFT).await;
        let report = scene.run().await.unwrap();
        assert_eq!(report.unseen.len(), 1, "{report:?}");
        scene.pass(1);
    }
    let is_over = |s: &KillScore| s.thousandths >= KillScore::LINE;
    assert!(scene.scores().iter().any(is_over));
    assert!(scene.scores().iter().all(|s| s.slot.as_str() == "chat"));
}

#[tokio::test]
async fn blindness_is_told_paged_and_over_and_kills_nobody() {
    let scene = Scene::learned(15, 10).await;
    scene.run().await.unwrap();
    scene.main.fail(Some((0, no_answer())));
    let began = scene.now();
    let mut told = Vec::new();
    for minute in 0..100 {
        scene.pass(1);
        if minute % 7 == 0 {
            scene.restart().await;
        }
        scene.run().await.unwrap();
        for alert in scene.alerts.take() {
            let after = scene.now().duration_since(began);
            told.push((alert.kind, alert.severity, after.as_mins()));
        }
    }
    let unseen = AlertKind::UsageUnseen;
    let expected = [
        (unseen, Severity::Warning, 15),
        (unseen, Severity::Page, 60),
    ];
    assert_eq!(told, expected);
    scene.main.fail(None);
    scene.pass(30);
    scene.run().await.unwrap();
    let again = scene.alerts.take();
    assert_eq!(again.len(), 1, "{again:?}");
    assert_eq!(again[0].severity, Severity::Notice);
    assert_eq!(scene.orders(), []);
    // The next time it is told anew.
    scene.main.fail(Some((0, no_answer())));
    for _ in 0..20 {
        scene.pass(1);
        scene.run().await.unwrap();
    }
    assert_eq!(scene.count(unseen), 1);
}

/// What was stolen while nobody saw is judged when it is told.
#[tokio::test]
async fn a_theft_in_blind_time_is_sent_when_it_is_told() {
    let scene = Scene::learned(15, 10).await;
    scene.stolen_unseen(40, no_answer()).await;
    for _ in 0..25 {
        scene.pass(1);
        scene.run().await.unwrap();
    }
    let order = scene.orders().into_iter().next().expect("an order");
    assert!(order.reason.as_str().contains("late"), "{order:?}");
}

#[tokio::test]
async fn a_refused_admin_credential_pages_at_once_and_once_a_day() {
    let scene = Scene::new().await;
    let refused = ProviderError::AdminCredential {
        detail: OutsideText::new("status 401"),
    };
    scene.main.fail(Some((0, refused)));
    for _ in 0..180 {
        scene.run().await.unwrap();
        scene.clock.advance(SignedDuration::from_mins(1));
    }
    assert_eq!(scene.count(AlertKind::AdminCredentialRefused), 1);
}

#[tokio::test]
async fn a_key_that_vanished_and_a_model_without_a_price_are_told_once() {
    let scene = Scene::learned(15, 100).await;
    scene.main.list_keys(Vec::new());
    for _ in 0..130 {
        scene.use_model("chat", "made-up-9", 1, 1000).await;
        scene.run().await.unwrap();
        scene.pass(1);
    }
    assert_eq!(scene.count(AlertKind::KeyVanished), 1);
    assert_eq!(scene.count(AlertKind::ModelUnpriced), 1);
    let told = scene.alert(AlertKind::ModelUnpriced);
    assert!(told.what.as_str().contains("made-up-9"), "{told:?}");
}

#[tokio::test]
async fn an_alert_that_is_not_sent_is_sent_by_the_next_run() {
    let scene = Scene::learned(15, 10).await;
    scene.silence(&["alerts.send"]);
    for _ in 0..7 {
        scene.use_model("chat", "gpt-5-mini", 1, 10).await;
        scene.run().await.unwrap();
        scene.pass(1);
    }
    assert_eq!(scene.alerts(), []);
    scene.gate.disarm();
    scene.pass(1);
    scene.run().await.unwrap();
    assert_eq!(scene.count(AlertKind::UsageUnusual), 1);
}

/// Bills come for every slot once a day, and change what the baseline has taken in: it is made again by and by.
#[tokio::test]
async fn a_bill_changes_what_is_normal() {
    let scene = Scene::learned(15, 10).await;
    scene.run().await.unwrap();
    let version = scene.version("chat").await;
    let key = version
        .handle
        .unwrap()
        .as_str()
        .rsplit('/')
        .next()
        .unwrap()
        .to_owned();
    // The two days before yesterday cost ten times what the table says.
    for day in 2..4 {
        scene.main.bill(Cost {
            key: ByKey::Id(OutsideText::new(&key)),
            from: scene.now() - SignedDuration::from_hours(24 * day),
            amount: MicroDollars(100 * DOLLAR),
        });
    }
    scene.pass(7 * 60);
    for _ in 0..3 {
        scene.run().await.unwrap();
        scene.pass(1);
    }
    let told = scene.count(AlertKind::BillDiffers);
    assert!((1..=2).contains(&told), "{told}");
    // A few hours of five times as much are no theft any more.
    for _ in 0..60 {
        scene.spend("chat", 60 * DOLLAR / 1440).await;
        scene.run().await.unwrap();
        scene.pass(1);
    }
    assert_eq!(scene.count(AlertKind::SpendUnusual), 0);
}

/// The list of slots is minutes old: a key that was cut off since then is not missed.
#[tokio::test]
async fn a_key_that_was_cut_off_is_not_told_to_have_vanished() {
    let scene = Scene::learned(15, 10).await;
    scene.pass(57);
    scene.run().await.unwrap();
    scene.contain("chat").await;
    scene.main.list_keys(Vec::new());
    for _ in 0..4 {
        scene.pass(1);
        scene.run().await.unwrap();
    }
    assert_eq!(scene.count(AlertKind::KeyVanished), 0);
}

/// Use of a key that is not known lets all slots be read anew: the key may be new.
#[tokio::test]
async fn a_key_that_is_minutes_old_is_known_when_it_is_used() {
    let scene = Scene::learned(15, 10).await;
    scene.run().await.unwrap();
    scene.contain("chat").await;
    // Of the bucket of the containment nothing counts.
    scene.pass(4);
    for _ in 0..2 {
        scene.pass(1);
        scene.spend("chat", THEFT).await;
        scene.run().await.unwrap();
    }
    scene.pass(1);
    scene.spend("chat", 5 * THEFT).await;
    scene.run().await.unwrap();
    assert!(!scene.scores().is_empty(), "within three minutes");
}
