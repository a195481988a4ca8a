//! A monitor that is cut off at any call still ends in the same orders.

use jiff::SignedDuration;
use keyward_core::model::alert::AlertKind;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::ProviderError;
use keyward_testkit::gate::Cut;

use super::THEFT;
use super::scene::Scene;

/// The first minute of a theft, and the one in which it is sent to the kill switch.
const MINUTES: [i64; 2] = [0, 6];

/// Cuts the run of one minute off, goes on, and returns the calls that it made.
async fn cut(at_minute: i64, at: Option<(usize, Cut)>) -> Vec<&'static str> {
    let scene = Scene::learned(15, 10).await;
    let mut calls = Vec::new();
    for minute in 0..12 {
        scene.spend("chat", THEFT).await;
        if minute == at_minute {
            match at {
                Some((number, way)) => scene.gate.arm(number, way),
                None => scene.gate.record(),
            }
            let is_done = scene.gate.until_stopped(scene.run()).await.is_some();
            let (made, fired) = scene.gate.disarm();
            assert_eq!(fired.is_some(), at.is_some(), "{at:?} of {made:?}");
            calls = made;
            if !is_done {
                // Lambda begins another process after one that ended so.
                scene.restart().await;
                scene.pass(1);
            }
        } else {
            let _ = scene.run_as("after it").await.unwrap();
        }
        scene.pass(1);
    }
    let what = format!("minute {at_minute}, {at:?}");
    let orders = scene.orders();
    assert!(!orders.is_empty(), "{what}: no order");
    assert!(
        scene.count(AlertKind::SpendUnusual) >= 1,
        "{what}: not told"
    );
    assert!(!scene.scores().is_empty(), "{what}: no score");
    calls
}

/// Cuts the run off in which a theft is told that is over by then, goes on, and returns the calls that it made.
async fn cut_when_told(at: Option<(usize, Cut)>) -> Vec<&'static str> {
    let scene = Scene::learned(15, 10).await;
    let no_answer = ProviderError::RetryAfter {
        after: Some(SignedDuration::from_mins(1)),
        detail: OutsideText::new("status 503"),
    };
    scene.stolen_unseen(50, no_answer).await;
    scene.pass(1);
    match at {
        Some((number, way)) => scene.gate.arm(number, way),
        None => scene.gate.record(),
    }
    let is_done = scene.gate.until_stopped(scene.run()).await.is_some();
    let (calls, fired) = scene.gate.disarm();
    assert_eq!(fired.is_some(), at.is_some(), "{at:?} of {calls:?}");
    if !is_done {
        scene.restart().await;
        scene.pass(1);
    }
    for _ in 0..30 {
        scene.pass(1);
        scene.run_as("after it").await.unwrap();
    }
    let order = scene.orders().into_iter().next();
    let order = order.unwrap_or_else(|| panic!("no order, {at:?} of {calls:?}"));
    assert!(order.reason.as_str().contains("late"), "{order:?}");
    calls
}

#[tokio::test]
async fn late_spend_is_acted_on_though_the_run_that_is_told_of_it_is_cut_off() {
    let calls = cut_when_told(None).await;
    for number in 0..calls.len() {
        for way in Cut::ALL {
            cut_when_told(Some((number, way))).await;
        }
    }
}

#[tokio::test]
async fn a_run_that_is_cut_off_at_any_call_is_made_up_for() {
    for minute in MINUTES {
        let calls = cut(minute, None).await;
        assert!(calls.contains(&"leases.take") && calls.contains(&"metrics.beat"));
        for number in 0..calls.len() {
            for way in Cut::ALL {
                cut(minute, Some((number, way))).await;
            }
        }
    }
}
