//! The control function on embedded parts: each operation, each refusal, and the record of acts.
#![allow(clippy::unwrap_used, reason = "test code")]

#[path = "control/accept.rs"]
mod accept;
#[path = "control/admin.rs"]
mod admin;
#[path = "control/doctor.rs"]
mod doctor;
#[path = "control/drill.rs"]
mod drill;
#[path = "control/expect.rs"]
mod expect;
#[path = "control/import.rs"]
mod import;
#[path = "control/kill.rs"]
mod kill;
#[path = "control/kinds.rs"]
mod kinds;
#[path = "control/leak.rs"]
mod leak;
#[path = "control/offboard.rs"]
mod offboard;
#[path = "control/plan.rs"]
mod plan;
#[path = "control/prices.rs"]
mod prices;
#[path = "control/refused.rs"]
mod refused;
#[path = "control/restore.rs"]
mod restore;
#[path = "control/unsure.rs"]
mod unsure;
#[path = "control/usage.rs"]
mod usage;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use base64::Engine as _;
use jiff::SignedDuration;
use keyward_control::{Deps, handle};
use keyward_core::model::act::{Act, Phase, Subject};
use keyward_core::model::act_kind::Served;
use keyward_core::model::audit::Period;
use keyward_core::model::slot::Mode;
use keyward_core::ports::{
    Acts, Deadline, Inventory, InventoryError, NoAlarmStates, SecretStore, TAG_SLOT,
};
use keyward_core::usecases::restore::Second;
use keyward_testkit::clock::ManualClock;
use keyward_testkit::drive::{Point, Scenario, crash_at_every_call};
use keyward_testkit::gate::Gate;
use keyward_testkit::memory::{MemoryAudits, MemoryProvider, MemoryUsage};
use keyward_tests::support::{Oddity, OrderedFunction, World, say, token};
use serde_json::{Value, json};

const CALLER: &str = "arn:aws:sts::111122223333:assumed-role/operators/ana";

/// A deployment where the first slot's secret holds a key that was made by hand, and no slot is registered.
fn world_with(gate: &Arc<Gate>) -> World {
    let clock = Arc::new(ManualClock::start());
    let provider = Arc::new(MemoryProvider::new(clock.clone()));
    let key = provider.seed("made by hand");
    let world = World::unregistered(gate, clock, Box::new(provider));
    let secrets = &world.outside.secrets;
    secrets.create(&world.secret, Some((&token(1), &key)));
    for slot in whole_fleet()["slots"].as_object().unwrap().values() {
        let arn = slot["secret"].as_str().unwrap().parse().unwrap();
        if arn != world.secret {
            secrets.create(&arn, None);
        }
    }
    world
}

fn world() -> World {
    world_with(&Arc::new(Gate::default()))
}

fn deps(world: &World) -> Deps {
    Deps {
        ports: world.open.clone(),
        orders: OrderedFunction::on(&world.open),
        acts: world.outside.inventory.clone(),
        risks: Arc::new(MemoryAudits::default()),
        items: world.outside.inventory.clone(),
        usage: Arc::new(MemoryUsage::default()),
        alarms: Arc::new(NoAlarmStates),
        drills: None,
        callers: keyward_core::usecases::report::Callers::People,
        cases: world.outside.inventory.clone(),
        offboard: Arc::new(keyward_core::ports::NoOffboardOrders),
        guards: None,
        restore_second: Second::NotNeeded,
        enforce_second: Second::NotNeeded,
    }
}

/// The sample fleet without its canary: three slots of agents.
fn fleet() -> Value {
    let mut fleet = whole_fleet();
    let canary = fleet["slots"].as_object_mut().unwrap();
    canary.remove("canary-openrouter").unwrap();
    fleet
}

fn whole_fleet() -> Value {
    serde_json::from_str(include_str!("../fixtures/fleet.json")).unwrap()
}

/// A request as the function URL hands it on; each has an id of its own.
fn event(path: &str, body: &Value) -> Value {
    static SENT: AtomicUsize = AtomicUsize::new(0);
    let number = SENT.fetch_add(1, Ordering::SeqCst);
    json!({
        "version": "2.0",
        "rawPath": path,
        "headers": {"content-type": "application/json"},
        "requestContext": {
            "accountId": "111122223333",
            "authorizer": {"iam": {"userArn": CALLER, "callerId": "AROAEXAMPLE:ana"}},
            "http": {"method": "POST", "path": path, "sourceIp": "192.0.2.1"},
            "requestId": format!("e1506fd5-9e7b-434f-bd42-{number:012}"),
        },
        "body": body.to_string(),
        "isBase64Encoded": false,
    })
}

async fn send(deps: &Deps, event: Value) -> (u64, Value) {
    let deadline = Deadline(deps.ports.clock.now() + SignedDuration::from_mins(5));
    let answer = handle(deps, Served::All, event, deadline).await;
    let body = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    (answer["statusCode"].as_u64().unwrap(), body)
}

async fn post(deps: &Deps, path: &str, body: Value) -> (u64, Value) {
    send(deps, event(path, &body)).await
}

async fn apply(world: &World, fleet: &Value) -> (u64, Value) {
    let body = json!({"reason": "onboarding", "fleet": fleet});
    post(&deps(world), "/apply", body).await
}

fn acts(world: &World) -> Vec<Act> {
    world.outside.inventory.all_acts()
}

fn results(body: &Value) -> Vec<(&str, &str)> {
    let rows = body["slots"].as_array().unwrap();
    rows.iter()
        .map(|row| {
            (
                row["slot"].as_str().unwrap(),
                row["result"].as_str().unwrap(),
            )
        })
        .collect()
}

#[tokio::test]
async fn a_fleet_is_applied_and_each_act_recorded_before_and_after() {
    let world = world();
    let (status, body) = apply(&world, &fleet()).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(
        results(&body),
        [
            ("billing-bot-openrouter", "registered"),
            ("search-bot-openrouter", "registered"),
            ("support-bot-openrouter", "registered"),
        ]
    );
    assert_eq!(body["slots"][0]["key"], "none");
    assert_eq!(body["slots"][2]["key"], "known");
    let acts = acts(&world);
    assert_eq!(acts.len(), 6);
    let (begun, ended): (Vec<&Act>, Vec<&Act>) = acts.iter().partition(|a| a.phase == Phase::Begun);
    for (begun, ended) in begun.iter().zip(ended) {
        assert_eq!(begun.caller.as_str(), CALLER);
        assert_eq!(begun.operation.as_str(), "/apply");
        assert_eq!(begun.reason.as_str(), "onboarding");
        assert_eq!((begun.state.clone(), &begun.outcome), (Value::Null, &None));
        assert_eq!((&begun.id, &begun.subject), (&ended.id, &ended.subject));
        assert_eq!(ended.outcome.as_ref().unwrap().as_str(), "registered");
        let Subject::Slot(name) = &ended.subject else {
            panic!("{:?}", ended.subject)
        };
        assert_eq!(ended.state["name"], json!(name));
    }
}

/// Users with a long path have long ARNs, and their names stand at the end.
#[tokio::test]
async fn a_caller_is_recorded_whole_or_refused() {
    for (path, status) in [(500, 200), (2000, 403)] {
        let world = world();
        let caller = format!("arn:aws:iam::111122223333:user/{}/ana", "x".repeat(path));
        let mut event = event("/apply", &json!({"reason": "x", "fleet": fleet()}));
        event["requestContext"]["authorizer"]["iam"]["userArn"] = json!(caller);
        let (got, body) = send(&deps(&world), event).await;
        assert_eq!(got, status, "{body}");
        let acts = acts(&world);
        assert!(acts.iter().all(|act| act.caller.as_str() == caller));
        assert_eq!(acts.is_empty(), status == 403);
    }
}

#[tokio::test]
async fn the_sample_fleet_has_a_canary_that_can_be_drilled_from_its_registration_on() {
    let world = world();
    let (status, body) = apply(&world, &whole_fleet()).await;
    assert_eq!(status, 200, "{body}");
    let name = "canary-openrouter".parse().unwrap();
    let canary = world.outside.inventory.slot(&name).await.unwrap().unwrap();
    assert!(canary.canary);
    assert_eq!(canary.mode, Mode::Enforce);
}

#[tokio::test]
async fn the_same_fleet_again_changes_and_records_nothing() {
    let world = world();
    apply(&world, &fleet()).await;
    let recorded = acts(&world).len();
    let (_, body) = apply(&world, &fleet()).await;
    let rows = body["slots"].as_array().unwrap();
    assert!(rows.iter().all(|r| r["result"] == "unchanged"), "{body}");
    assert_eq!(acts(&world).len(), recorded);
}

#[tokio::test]
async fn what_may_change_is_changed_and_recorded() {
    let world = world();
    apply(&world, &fleet()).await;
    let mut changed = fleet();
    changed["agents"]["support-bot"]["owner"] = json!("cleo@example.com");
    changed["slots"]["support-bot-openrouter"]["policy"] = json!({"max_age_days": 30});
    changed["slots"]["billing-bot-openrouter"]["mode"] = json!("enforce");
    let (status, body) = apply(&world, &changed).await;
    assert_eq!(status, 200);
    assert_eq!(
        results(&body),
        [
            ("billing-bot-openrouter", "unchanged"),
            ("search-bot-openrouter", "unchanged"),
            ("support-bot-openrouter", "updated"),
        ]
    );
    assert_eq!(body["slots"][0]["kept"], json!(["mode"]));
    let fields = body["slots"][2]["changed"].as_array().unwrap().iter();
    let fields: Vec<&Value> = fields.map(|changed| &changed["field"]).collect();
    assert_eq!(fields, ["owner", "policy.max_age_days"]);
    let slot = world.slot().await;
    assert_eq!(slot.owner.as_str(), "cleo@example.com");
    assert_eq!(slot.mode, Mode::Observe);
    let last: Vec<Act> = acts(&world).split_off(6);
    assert_eq!(last.len(), 2, "only what was changed is an act");
    assert_eq!(last[0].state["owner"], "ana@example.com");
    assert_eq!(last[1].state["owner"], "cleo@example.com");
}

#[tokio::test]
async fn a_slot_that_the_file_does_not_name_stays_and_is_told() {
    let world = world();
    apply(&world, &fleet()).await;
    let mut shorter = fleet();
    let slots = shorter["slots"].as_object_mut().unwrap();
    slots.shift_remove("search-bot-openrouter");
    let (_, body) = apply(&world, &shorter).await;
    assert_eq!(body["not_in_file"], json!(["search-bot-openrouter"]));
    let name = "search-bot-openrouter".parse().unwrap();
    let kept = world.outside.inventory.slot(&name).await.unwrap();
    assert!(kept.is_some());
}

#[tokio::test]
async fn a_plan_says_what_apply_does_and_touches_nothing() {
    let world = world();
    let (status, body) = post(&deps(&world), "/plan", json!({"fleet": fleet()})).await;
    assert_eq!(status, 200);
    assert!(
        results(&body)
            .iter()
            .all(|(_, result)| *result == "would_register")
    );
    assert_eq!(world.outside.inventory.all_slots(), []);
    assert_eq!(acts(&world), []);
    let secret = world.outside.secrets.describe(world.secret.as_str()).await;
    assert!(secret.unwrap().tags.is_empty());
}

#[tokio::test]
async fn one_slot_is_registered_alone() {
    let world = world();
    let slot = "support-bot-openrouter";
    let body = json!({"reason": "first", "fleet": fleet(), "slot": slot});
    let (status, answer) = post(&deps(&world), "/register", body).await;
    assert_eq!(
        (status, results(&answer)),
        (200, vec![(slot, "registered")])
    );
    assert_eq!(world.outside.inventory.all_slots().len(), 1);
    let body = json!({"reason": "first", "fleet": fleet(), "slot": "nobody"});
    assert_eq!(post(&deps(&world), "/register", body).await.0, 422);
}

#[tokio::test]
async fn the_mode_is_set_by_enforce_alone() {
    let world = world();
    apply(&world, &fleet()).await;
    let body =
        |mode: &str| json!({"reason": "14 days", "slot": "support-bot-openrouter", "mode": mode});
    for (mode, before) in [
        ("enforce", "observe"),
        ("enforce", "enforce"),
        ("observe", "enforce"),
    ] {
        let (status, answer) = post(&deps(&world), "/enforce", body(mode)).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(
            (&answer["before"], &answer["mode"]),
            (&json!(before), &json!(mode))
        );
        assert_eq!(json!(world.slot().await.mode), json!(mode));
    }
    assert_eq!(acts(&world).len(), 6 + 4, "what changes nothing is no act");
    let unknown = json!({"reason": "x", "slot": "nobody", "mode": "enforce"});
    assert_eq!(post(&deps(&world), "/enforce", unknown).await.0, 404);
}

#[tokio::test]
async fn a_body_in_base64_is_read() {
    let world = world();
    let mut event = event("/plan", &json!({"fleet": fleet()}));
    let body = event["body"].as_str().unwrap().to_owned();
    event["body"] = base64::engine::general_purpose::STANDARD
        .encode(body)
        .into();
    event["isBase64Encoded"] = json!(true);
    assert_eq!(send(&deps(&world), event).await.0, 200);
}

/// A record of acts that fails from the nth entry on.
struct Failing(Arc<dyn Acts>, AtomicUsize);

#[async_trait]
impl Acts for Failing {
    async fn append(&self, act: &Act) -> Result<(), InventoryError> {
        let left = self.1.load(Ordering::SeqCst);
        if left == 0 {
            return Err(InventoryError::Unavailable("no table".into()));
        }
        self.1.store(left - 1, Ordering::SeqCst);
        self.0.append(act).await
    }

    async fn of_month(&self, month: Period) -> Result<Vec<Act>, InventoryError> {
        self.0.of_month(month).await
    }
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_done_and_what_was_done_says_so() {
    for (entries, result, unrecorded) in [(0, "failed", false), (1, "registered", true)] {
        let world = world();
        let failing = Failing(world.outside.inventory.clone(), entries.into());
        let deps = Deps {
            acts: Arc::new(failing),
            usage: Arc::new(MemoryUsage::default()),
            ..deps(&world)
        };
        let slot = "support-bot-openrouter";
        let body = json!({"reason": "x", "fleet": fleet(), "slot": slot});
        let (_, answer) = post(&deps, "/register", body).await;
        let row = &answer["slots"][0];
        assert_eq!(row["result"], result, "{answer}");
        assert_eq!(row["unrecorded"].as_bool().unwrap_or(false), unrecorded);
        let slots = world.outside.inventory.all_slots().len();
        assert_eq!(slots, usize::from(unrecorded));
    }
}

#[tokio::test]
async fn one_slot_that_fails_holds_up_no_other() {
    let world = world();
    world.outside.secrets.remove(&world.secret);
    let weak = "sk-or-v1-0123456789abcdef0123456789abcde";
    let secrets = &world.outside.secrets;
    secrets.create(&world.secret, Some((&token(1), weak)));
    let (_, body) = apply(&world, &fleet()).await;
    assert_eq!(
        results(&body),
        [
            ("billing-bot-openrouter", "registered"),
            ("search-bot-openrouter", "registered"),
            ("support-bot-openrouter", "refused"),
        ]
    );
    assert!(
        body["slots"][2]["why"]
            .as_str()
            .unwrap()
            .contains("bits of entropy")
    );
}

#[tokio::test]
async fn an_invocation_without_time_leaves_the_rest_to_the_next() {
    let world = world();
    let deps = deps(&world);
    let deadline = Deadline(deps.ports.clock.now() + SignedDuration::from_secs(10));
    let body = json!({"reason": "x", "fleet": fleet()});
    let answer = handle(&deps, Served::All, event("/apply", &body), deadline).await;
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert!(results(&body).iter().all(|(_, result)| *result == "left"));
    assert_eq!(world.outside.inventory.all_slots(), []);
}

#[tokio::test]
async fn an_account_without_a_pool_takes_no_keys_and_repeats_none() {
    let world = world();
    let key = "sk-or-v1-EXAMPLE0123456789abcdef0123456789abcdef0123456789abcdef";
    let body = json!({"reason": "x", "account": "openrouter-main", "keys": [key]});
    let (status, answer) = post(&deps(&world), "/pool/add", body).await;
    assert_eq!(status, 404);
    assert!(!answer.to_string().contains("EXAMPLE"), "{answer}");
    let many = json!({"reason": "x", "account": "openrouter-main", "keys": vec![key; 101]});
    assert_eq!(post(&deps(&world), "/pool/add", many).await.0, 400);
}

/// Applying a fleet whose first slot has a key.
struct Apply;

impl Scenario for Apply {
    type World = World;

    async fn world(&self, gate: &Arc<Gate>) -> World {
        world_with(gate)
    }

    async fn operation(&self, world: &World) {
        let deps = Deps {
            ports: world.ports.clone(),
            orders: OrderedFunction::on(&world.ports),
            ..deps(world)
        };
        post(&deps, "/apply", json!({"reason": "x", "fleet": fleet()})).await;
    }

    async fn recover_and_check(&self, world: &World, point: Option<Point>) {
        let (_, body) = apply(world, &fleet()).await;
        let rows = body["slots"].as_array().unwrap();
        let done = |row: &Value| row["result"] == "registered" || row["result"] == "unchanged";
        assert!(rows.iter().all(done), "{point:?}: {body}");
        assert_eq!(world.outside.inventory.all_slots().len(), 3, "{point:?}");
        world
            .rotate(&token(2))
            .await
            .unwrap_or_else(|e| panic!("{point:?}: {e:?}"));
    }
}

#[tokio::test]
async fn crash_at_every_call_of_apply() {
    let ran = crash_at_every_call(&Apply).await;
    say(format_args!("apply: {ran} points"));
    assert!(ran >= 3 * 20);
}

/// A tag that somebody took off is written again, and who had it written stands in the record; where nothing is lacking, nothing
/// does.
#[tokio::test]
async fn tags_that_are_written_again_are_an_act() {
    let world = world();
    apply(&world, &fleet()).await;
    let before = acts(&world).len();
    let (_, answer) = apply(&world, &fleet()).await;
    assert_eq!(acts(&world).len(), before, "{answer}");
    world.outside.secrets.forget_tag(&world.secret, TAG_SLOT);
    let (status, answer) = apply(&world, &fleet()).await;
    assert_eq!(status, 200, "{answer}");
    let acts = acts(&world);
    let [begun, ended] = &acts[before..] else {
        panic!("one act more: {acts:?}");
    };
    assert_eq!((begun.phase, ended.phase), (Phase::Begun, Phase::Ended));
    assert_eq!(
        (&begun.state, begun.caller.as_str()),
        (&ended.state, CALLER)
    );
    let outcome = ended.outcome.as_ref().unwrap().as_str();
    assert_eq!(
        outcome,
        format!("unchanged; tags of its secret were written: {TAG_SLOT}")
    );
    let described = world.open.secrets.describe(world.secret.as_str()).await;
    assert!(described.unwrap().tags.contains_key(TAG_SLOT));
}
