//! The field cases of judging usage, by id.

use std::path::Path;

use jiff::SignedDuration;
use keyward_core::model::alert::AlertKind;
use keyward_core::model::kill_order::Basis;
use keyward_core::model::metric::KillScore;
use keyward_core::model::money::MicroDollars;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{ByKey, Cost};
use serde_json::Value;

use super::scene::{CHEAP, DOLLAR, Scene};

/// Minutes between two runs.
const EVERY: i64 = 15;

fn file(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cases/usage");
    serde_json::from_str(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap()
}

fn micros(dollars: &Value) -> u64 {
    (dollars.as_f64().unwrap() * DOLLAR as f64).round() as u64
}

/// A day on which a slot spends so much, evenly.
async fn day(scene: &Scene, dollars: &Value) {
    let runs = 24 * 60 / EVERY;
    for _ in 0..runs {
        let amount = micros(dollars) / runs as u64;
        if amount > 0 {
            scene.spend("chat", amount).await;
        }
        scene.pass(1);
        scene.run().await.unwrap();
        scene.pass(EVERY - 1);
    }
}

fn is_over(scene: &Scene) -> bool {
    let mut scores = scene.scores().into_iter();
    scores.any(|score| score.thousandths >= KillScore::LINE)
}

#[tokio::test]
async fn u_09_a_new_slot_is_held_to_what_its_owner_declared_from_the_first_minute() {
    let case = file("U-09-cold-start.json");
    let scene = Scene::new().await;
    let daily = MicroDollars(micros(&case["cap_usd_per_day"]) * 100 / 250);
    scene.set("chat", |slot| slot.expected.daily = daily).await;
    day(&scene, &case["daily_usd"][0]).await;
    assert!(!is_over(&scene) && scene.alerts().is_empty());
    day(&scene, &case["daily_usd"][1]).await;
    let order = &scene.orders()[0];
    assert_eq!(order.basis, Basis::Declared);
    let told = scene.alert(AlertKind::SpendUnusual);
    assert!(
        told.what.as_str().contains("no other measure yet"),
        "{told:?}"
    );
    // What was spent when it was sent: the declared limit and what a run or two more make of it.
    let second_day = micros(&case["daily_usd"][1]) as f64 / DOLLAR as f64;
    let since = order
        .judged
        .duration_since("2026-12-21T00:00:00Z".parse().unwrap());
    let spent = second_day * since.as_secs_f64() / 86_400.0;
    assert!((20.0..45.0).contains(&spent), "${spent:.2}");
}

#[tokio::test]
async fn u_10_a_baseline_of_zero_or_of_one_value_is_quiet_until_much_is_spent() {
    for series in file("U-10-zero-baseline.json").as_array().unwrap() {
        let history = series["history"].as_array().unwrap();
        let dollars = history[0].as_f64().unwrap() as u64;
        assert!(
            history
                .iter()
                .all(|day| day.as_f64() == history[0].as_f64())
        );
        let scene = Scene::learned(history.len() as u32, dollars).await;
        scene
            .set("chat", |slot| {
                slot.expected.daily = MicroDollars(10 * DOLLAR)
            })
            .await;
        day(&scene, &series["now"]).await;
        let told = scene.count(AlertKind::SpendUnusual) > 0;
        assert_eq!(told, series["want"] == "alert", "{series}");
    }
}

#[tokio::test]
async fn u_16_a_stolen_key_is_heard_by_its_requests_and_late_bills_are_no_failed_kill() {
    let case = file("U-16-stolen-key.json");
    let daily = case["history_daily_requests"][0].as_u64().unwrap();
    let days = case["history_daily_requests"].as_array().unwrap().len();
    let scene = Scene::with_history(days as u32, 1, 24_000, daily / 24 / 12 * 12 + 12).await;
    let began = scene.now();
    let mut heard = None;
    for hour in case["hours"].as_array().unwrap() {
        let (model, requests) = (&hour["model"], hour["requests"].as_u64().unwrap());
        let is_usual = *model == case["history_models"][0];
        let model = match is_usual {
            true => CHEAP,
            false => model.as_str().unwrap(),
        };
        for _ in 0..12 {
            scene
                .use_model("chat", model, requests.div_ceil(12), 0)
                .await;
            scene.run().await.unwrap();
            let told = scene.alerts();
            let by_requests = |what: &str| what.contains("requests in 1 hour");
            if told.iter().any(|alert| by_requests(alert.what.as_str())) {
                heard.get_or_insert(scene.now());
            }
            scene.pass(5);
        }
    }
    let heard = heard.expect("by its requests");
    let stolen_from = began + SignedDuration::from_hours(1);
    assert!(heard.duration_since(stolen_from) <= SignedDuration::from_mins(15));
    let new_model = |alert: &keyward_core::model::alert::Alert| {
        alert.what.as_str().contains("gemini-pro-image") && alert.kind == AlertKind::UsageUnusual
    };
    assert!(scene.alerts().iter().any(new_model));
    assert!(scene.orders().is_empty(), "no money was told of yet");
    let stolen = scene.contain("chat").await;
    let (bill, killed) = (&case["billing_rows_after_kill"][0], scene.now());
    let key = stolen.handle.unwrap();
    scene.main.bill(Cost {
        key: ByKey::Id(OutsideText::new(key.as_str().rsplit('/').next().unwrap())),
        from: began,
        amount: MicroDollars(micros(&bill["usd"])),
    });
    for _ in 0..(3 * 24 * 60 / EVERY) {
        scene.pass(EVERY);
        scene.run().await.unwrap();
    }
    let told = scene.alert(AlertKind::BillDiffers);
    assert!(told.what.as_str().contains("bills $8200.00"), "{told:?}");
    let late = scene.scores().into_iter().filter(|score| score.at > killed);
    assert_eq!(
        late.count(),
        0,
        "a bill for before the kill is no new theft"
    );
    assert_eq!(scene.count(AlertKind::DeadKeyUsed), 0);
}
