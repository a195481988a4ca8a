//! `/plan`, and `/apply` held to a plan: what is shown is what is done, or nothing is.

use std::collections::BTreeMap;

use keyward_core::ports::{KillAlarms, Stage, TAG_SLOT};
use keyward_core::rules::alarms::wanted;
use keyward_testkit::memory::MemoryAlarms;
use keyward_tests::support::deployment;

use super::*;

const SLOT: &str = "support-bot-openrouter";

/// A control function that is told which alarms guard its slots, and those alarms.
fn guarded(world: &World) -> (Deps, Arc<MemoryAlarms>) {
    let alarms = Arc::new(MemoryAlarms::default());
    let guards = Some((Arc::clone(&alarms) as Arc<dyn KillAlarms>, deployment()));
    let deps = Deps {
        guards,
        ..deps(world)
    };
    (deps, alarms)
}

async fn plan(deps: &Deps, fleet: &Value) -> Value {
    let (status, body) = post(deps, "/plan", json!({ "fleet": fleet })).await;
    assert_eq!(status, 200, "{body}");
    body
}

/// What each slot was planned on.
fn planned(plan: &Value) -> BTreeMap<String, Value> {
    let rows = plan["slots"].as_array().unwrap().iter();
    let rows = rows.map(|row| {
        (
            row["slot"].as_str().unwrap().to_owned(),
            row["basis"].clone(),
        )
    });
    rows.collect()
}

async fn apply_planned(deps: &Deps, fleet: &Value, plan: &Value) -> Value {
    let body = json!({"reason": "as planned", "fleet": fleet, "planned": planned(plan)});
    let (status, body) = post(deps, "/apply", body).await;
    assert_eq!(status, 200, "{body}");
    body
}

fn row<'a>(plan: &'a Value, slot: &str) -> &'a Value {
    let rows = plan["slots"].as_array().unwrap();
    rows.iter().find(|row| row["slot"] == slot).unwrap()
}

/// What is said of a slot, as (source, mender).
fn said(plan: &Value, slot: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let remarks = row(plan, slot)["remarks"].as_array().cloned();
    let remarks = remarks.unwrap_or_default();
    let pairs = remarks.iter();
    pairs
        .map(|r| (text(&r["source"]), text(&r["mender"])))
        .collect()
}

fn pair(source: &str, mender: &str) -> (String, String) {
    (source.to_owned(), mender.to_owned())
}

/// Every alarm there is to be, as the monitor makes them.
async fn make_alarms(world: &World, alarms: &MemoryAlarms) {
    for slot in world.outside.inventory.all_slots() {
        let alarm = wanted(&deployment(), &slot.name);
        KillAlarms::make(alarms, &alarm).await.unwrap();
    }
}

#[tokio::test]
async fn a_plan_after_apply_is_empty() {
    let world = world();
    let (deps, alarms) = guarded(&world);
    let before = plan(&deps, &fleet()).await;
    assert_eq!(before["counts"]["register"], 3);
    let applied = apply_planned(&deps, &fleet(), &before).await;
    assert!(
        results(&applied)
            .iter()
            .all(|(_, result)| *result == "registered")
    );
    make_alarms(&world, &alarms).await;
    let after = plan(&deps, &fleet()).await;
    let counts = json!({
        "register": 0, "change": 0, "unchanged": 3, "refused": 0, "not_read": 0,
        "by_keyward": 3, "by_a_person": 0, "not_seen": 0,
    });
    assert_eq!(after["counts"], counts, "{after}");
    assert_eq!(said(&after, SLOT), [pair("cap", "keyward")]);
    let again = apply_planned(&deps, &fleet(), &after).await;
    assert!(
        results(&again)
            .iter()
            .all(|(_, result)| *result == "unchanged")
    );
}

#[tokio::test]
async fn each_difference_is_shown_where_it_is() {
    let world = world();
    let (deps, alarms) = guarded(&world);
    apply(&world, &fleet()).await;
    make_alarms(&world, &alarms).await;
    world.outside.secrets.forget_tag(&world.secret, TAG_SLOT);
    world.outside.secrets.cancel_rotation(&world.secret);
    let name = deployment().alarm_name(&world.slot);
    let arn = alarms.named(&name).unwrap();
    alarms.change_setup(&arn, |setup| setup.is_enabled = false);
    let mut changed = fleet();
    changed["agents"]["support-bot"]["owner"] = json!("cleo@example.com");
    changed["slots"][SLOT]["mode"] = json!("enforce");
    let seen = plan(&deps, &changed).await;
    assert_eq!(
        said(&seen, SLOT),
        [
            pair("file", "person"),
            pair("secret", "apply"),
            pair("secret", "person"),
            pair("cap", "keyward"),
            pair("alarm", "keyward"),
        ]
    );
    let changes = json!([
        {"field": "owner", "before": "ana@example.com", "after": "cleo@example.com"},
    ]);
    assert_eq!(row(&seen, SLOT)["changed"], changes);
    assert_eq!(row(&seen, SLOT)["result"], "would_update");
    assert_eq!(acts(&world).len(), 6, "a plan is no act");
}

#[tokio::test]
async fn what_is_not_seen_is_never_taken_as_equal() {
    let world = world();
    apply(&world, &fleet()).await;
    let without_alarms = plan(&deps(&world), &fleet()).await;
    assert_eq!(without_alarms["counts"]["not_seen"], 3);
    assert!(said(&without_alarms, SLOT).contains(&pair("alarm", "not_seen")));
    let (deps, alarms) = guarded(&world);
    make_alarms(&world, &alarms).await;
    let blind = Deps {
        ports: world.odd(Oddity::ListsInCircles),
        ..deps
    };
    let seen = plan(&blind, &fleet()).await;
    assert!(
        said(&seen, SLOT).contains(&pair("provider", "not_seen")),
        "{seen}"
    );
}

/// Time runs out before each call in turn: what was not looked at then is not taken for equal.
#[tokio::test]
async fn what_there_was_no_time_for_is_not_seen() {
    let world = world();
    apply(&world, &fleet()).await;
    let (deps, alarms) = guarded(&world);
    make_alarms(&world, &alarms).await;
    let gate = Arc::new(Gate::default());
    let deps = Deps {
        ports: keyward_testkit::gate::gated(&world.open, &gate),
        ..deps
    };
    gate.record();
    let whole = plan(&deps, &fleet()).await;
    let (calls, _) = gate.disarm();
    assert_eq!(whole["counts"]["not_seen"], 0, "{whole}");
    let mut cut_short = 0;
    for at in 0..calls.len() {
        let clock = world.outside.clock.clone();
        gate.before(at, async move {
            clock.advance(SignedDuration::from_mins(10));
        });
        let plan = plan(&deps, &fleet()).await;
        let (made, _) = gate.disarm();
        if made.len() < calls.len() {
            let count = |name: &str| plan["counts"][name].as_u64().unwrap();
            assert!(count("not_seen") + count("not_read") > 0, "{at}: {plan}");
            cut_short += 1;
        }
    }
    assert!(cut_short > 3, "{cut_short}");
}

#[tokio::test]
async fn what_moved_since_the_plan_stops_apply_before_anything_is_changed() {
    let world = world();
    let deps = deps(&world);
    apply(&world, &fleet()).await;
    let mut mine = fleet();
    mine["agents"]["billing-bot"]["owner"] = json!("mine");
    mine["agents"]["support-bot"]["owner"] = json!("mine");
    let my_plan = plan(&deps, &mine).await;
    let mut theirs = fleet();
    theirs["agents"]["support-bot"]["owner"] = json!("theirs");
    let their_plan = plan(&deps, &theirs).await;
    let applied = apply_planned(&deps, &theirs, &their_plan).await;
    assert_eq!(row(&applied, SLOT)["result"], "updated");
    let refused = apply_planned(&deps, &mine, &my_plan).await;
    assert_eq!(
        results(&refused),
        [
            ("billing-bot-openrouter", "not_begun"),
            ("search-bot-openrouter", "not_begun"),
            (SLOT, "surprise"),
        ]
    );
    assert_eq!(world.slot().await.owner.as_str(), "theirs");
    let anew = plan(&deps, &mine).await;
    apply_planned(&deps, &mine, &anew).await;
    assert_eq!(world.slot().await.owner.as_str(), "mine");
    let other_file = apply_planned(&deps, &fleet(), &anew).await;
    assert_eq!(
        row(&other_file, SLOT)["result"],
        "surprise",
        "the file moved"
    );
}

/// A slot failed, or there was no time for it: the rest is still what was planned on.
#[tokio::test]
async fn a_plan_of_which_a_part_was_done_is_gone_on_with() {
    let world = world();
    let deps = deps(&world);
    apply(&world, &fleet()).await;
    let mut half = fleet();
    half["agents"]["billing-bot"]["owner"] = json!("mine");
    let mut whole = half.clone();
    whole["agents"]["support-bot"]["owner"] = json!("mine");
    let planned = plan(&deps, &whole).await;
    apply(&world, &half).await;
    let rest = apply_planned(&deps, &whole, &planned).await;
    assert_eq!(
        results(&rest),
        [
            ("billing-bot-openrouter", "unchanged"),
            ("search-bot-openrouter", "unchanged"),
            (SLOT, "updated"),
        ]
    );
    assert_eq!(world.slot().await.owner.as_str(), "mine");
}

/// What Keyward itself keeps with a slot moves all the time.
#[tokio::test]
async fn keywards_own_writes_are_no_surprise() {
    let world = world();
    let deps = deps(&world);
    apply(&world, &fleet()).await;
    let mut changed = fleet();
    changed["agents"]["support-bot"]["owner"] = json!("cleo@example.com");
    let planned = plan(&deps, &changed).await;
    let mut slot = world.slot().await;
    slot.due_at += SignedDuration::from_hours(1);
    world.outside.inventory.save_slot(&slot).await.unwrap();
    let applied = apply_planned(&deps, &changed, &planned).await;
    assert_eq!(row(&applied, SLOT)["result"], "updated", "{applied}");
    assert_eq!(world.slot().await.due_at, slot.due_at);
}

#[tokio::test]
async fn a_kill_between_plan_and_apply_is_a_surprise() {
    let world = world();
    let deps = deps(&world);
    apply(&world, &fleet()).await;
    let mut changed = fleet();
    changed["slots"][SLOT]["expected_spend"] =
        json!({"daily_cents": 90000, "monthly_cents": 900000});
    let planned = plan(&deps, &changed).await;
    let body = json!({"reason": "stolen", "slot": SLOT});
    assert_eq!(post(&deps, "/kill", body).await.0, 200);
    let refused = apply_planned(&deps, &changed, &planned).await;
    assert_eq!(row(&refused, SLOT)["result"], "surprise", "{refused}");
}

#[tokio::test]
async fn what_is_refused_by_rule_is_refused_before_anything_is_changed() {
    type Edit = fn(&mut Value);
    let cases: [(&str, Edit, &str); 5] = [
        (
            "environment",
            |f| f["agents"]["support-bot"]["environment"] = json!("dev"),
            "its environment cannot be changed",
        ),
        (
            "secret",
            |f| {
                let other = "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/x-a1B2c3";
                f["slots"][SLOT]["secret"] = json!(other);
            },
            "its secret cannot be changed",
        ),
        (
            "scope",
            |f| f["slots"][SLOT]["scope"] = json!({"workspace": "wide"}),
            "its scope is set when it is registered",
        ),
        (
            "a secret that is not there",
            |f| {
                let arn = "arn:aws:secretsmanager:us-east-1:111122223333:secret:none-a1B2c3";
                f["agents"]["new"] = f["agents"]["support-bot"].clone();
                f["slots"]["new"] = f["slots"][SLOT].clone();
                f["slots"]["new"]["agent"] = json!("new");
                f["slots"]["new"]["secret"] = json!(arn);
            },
            "knows no secret",
        ),
        (
            "another slot's secret",
            |f| {
                f["agents"]["new"] = f["agents"]["support-bot"].clone();
                let mut slot = f["slots"][SLOT].clone();
                slot["agent"] = json!("new");
                f["slots"] = json!({ "new": slot });
            },
            "tagged for slot `support-bot-openrouter`",
        ),
    ];
    for (name, edit, expected) in cases {
        let world = world();
        apply(&world, &fleet()).await;
        let mut changed = fleet();
        changed["agents"]["billing-bot"]["owner"] = json!("somebody-else");
        edit(&mut changed);
        let before = world.outside.inventory.dump();
        let deps = deps(&world);
        let seen = plan(&deps, &changed).await;
        let (_, applied) = apply(&world, &changed).await;
        for answer in [&seen, &applied] {
            let rows = answer["slots"].as_array().unwrap();
            let refused = rows.iter().find(|row| row["result"] == "refused");
            let why = refused.unwrap_or_else(|| panic!("{name}: {answer}"))["why"].as_str();
            assert!(why.unwrap().contains(expected), "{name}: {why:?}");
        }
        assert_eq!(world.outside.inventory.dump(), before, "{name}");
    }
}

/// Two people, two files, one moment: each slot is what one of them said, whole.
#[tokio::test]
async fn two_people_at_once_do_no_harm() {
    let world = world();
    apply(&world, &fleet()).await;
    let file = |owner: &str, days: u32| {
        let mut file = fleet();
        file["agents"]["support-bot"]["owner"] = json!(owner);
        file["slots"][SLOT]["policy"] = json!({ "max_age_days": days });
        file
    };
    let (one, other) = (file("one", 30), file("other", 45));
    let (first, second) = futures::join!(apply(&world, &one), apply(&world, &other));
    let slot = world.slot().await;
    let days = slot.policy.max_age.as_hours() / 24;
    assert!(
        [("one", 30), ("other", 45)].contains(&(slot.owner.as_str(), days)),
        "{first:?} {second:?}"
    );
    let (_, again) = apply(&world, &one).await;
    assert!(
        results(&again)
            .iter()
            .all(|(_, r)| ["updated", "unchanged"].contains(r))
    );
    assert_eq!(world.slot().await.owner.as_str(), "one");
    let current = world
        .outside
        .secrets
        .describe(world.secret.as_str())
        .await
        .unwrap();
    assert!(current.holder(&Stage::Current).is_some());
}

/// Changing what a fleet says of slots that are registered.
struct Change;

fn changed_fleet() -> Value {
    let mut changed = fleet();
    changed["agents"]["support-bot"]["owner"] = json!("cleo@example.com");
    changed["slots"][SLOT]["policy"] = json!({ "max_age_days": 30 });
    changed["agents"]["billing-bot"]["backup_owner"] = json!("cleo@example.com");
    changed
}

impl Scenario for Change {
    type World = World;

    async fn world(&self, gate: &Arc<Gate>) -> World {
        let world = world_with(gate);
        apply(&world, &fleet()).await;
        world
    }

    async fn operation(&self, world: &World) {
        let deps = Deps {
            ports: world.ports.clone(),
            ..deps(world)
        };
        let planned = plan(
            &Deps {
                ports: world.open.clone(),
                ..deps.clone()
            },
            &changed_fleet(),
        )
        .await;
        let body =
            json!({"reason": "x", "fleet": changed_fleet(), "planned": self::planned(&planned)});
        post(&deps, "/apply", body).await;
    }

    async fn recover_and_check(&self, world: &World, point: Option<Point>) {
        let deps = deps(world);
        let found = plan(&deps, &changed_fleet()).await;
        let body = apply_planned(&deps, &changed_fleet(), &found).await;
        let done = |row: &Value| row["result"] == "updated" || row["result"] == "unchanged";
        assert!(
            body["slots"].as_array().unwrap().iter().all(done),
            "{point:?}: {body}"
        );
        let slot = world.slot().await;
        let days = slot.policy.max_age.as_hours() / 24;
        assert_eq!(
            (slot.owner.as_str(), days),
            ("cleo@example.com", 30),
            "{point:?}"
        );
        let after = plan(&deps, &changed_fleet()).await;
        assert_eq!(
            (&after["counts"]["change"], &after["counts"]["unchanged"]),
            (&json!(0), &json!(3)),
            "{point:?}"
        );
    }
}

#[tokio::test]
async fn crash_at_every_call_of_a_change() {
    let ran = crash_at_every_call(&Change).await;
    say(format_args!("apply, changes: {ran} points"));
    assert!(ran >= 3 * 10);
}
