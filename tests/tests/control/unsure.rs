//! "Nothing was changed" is said only where it is so.

use keyward_core::usecases::pool::read;
use keyward_testkit::gate::{Cut, gated};

use super::*;

const SLOT: &str = "support-bot-openrouter";

/// Posts with the named call dead.
pub(super) async fn post_without(
    world: &World,
    call: &'static str,
    path: &str,
    body: Value,
) -> (u64, Value) {
    let gate = Arc::new(Gate::default());
    gate.silence(&[call]);
    let deps = Deps {
        ports: gated(&world.open, &gate),
        orders: OrderedFunction::on(&gated(&world.open, &gate)),
        ..deps(world)
    };
    post(&deps, path, body).await
}

/// A deployment with a slot that draws from a standby pool of six keys.
async fn pool_world() -> (World, Arc<MemoryProvider>) {
    let clock = Arc::new(ManualClock::start());
    let provider = Arc::new(MemoryProvider::with_pool(clock.clone()));
    let world = World::with(&Arc::default(), clock, Box::new(provider.clone())).await;
    (world, provider)
}

#[tokio::test]
async fn a_fleet_that_was_applied_is_told_so_though_the_other_slots_cannot_be_listed() {
    let world = world();
    let body = json!({"reason": "x", "fleet": fleet()});
    let (status, body) = post_without(&world, "inventory.slot_names", "/apply", body).await;
    assert_eq!(status, 200, "{body}");
    assert!(
        results(&body)
            .iter()
            .all(|(_, result)| *result == "registered")
    );
    assert_eq!(body["others_unknown"], true, "not none: unknown");
    assert_eq!(world.outside.inventory.all_slots().len(), 3);
}

#[tokio::test]
async fn a_slot_that_was_written_before_it_went_wrong_is_not_called_unchanged() {
    let world = world();
    let body = json!({"reason": "x", "fleet": fleet(), "slot": SLOT});
    let (_, answer) = post_without(&world, "secrets.tag", "/register", body.clone()).await;
    assert_eq!(results(&answer), [(SLOT, "unsure")], "{answer}");
    assert_eq!(world.outside.inventory.all_slots().len(), 1);
    let (_, answer) = post(&deps(&world), "/register", body).await;
    assert_eq!(results(&answer), [(SLOT, "unchanged")], "{answer}");

    let mut changed = fleet();
    changed["agents"]["support-bot"]["owner"] = json!("cleo@example.com");
    let body = json!({"reason": "x", "fleet": changed, "slot": SLOT});
    world
        .outside
        .secrets
        .tag(&world.secret, "keyward:slot", "another")
        .await
        .unwrap();
    let (_, answer) = post(&deps(&world), "/register", body).await;
    assert_eq!(results(&answer), [(SLOT, "refused")], "{answer}");
    assert_eq!(world.slot().await.owner.as_str(), "ana@example.com");
}

#[tokio::test]
async fn a_slot_that_somebody_else_wrote_first_was_not_changed_by_this_call() {
    let world = world();
    apply(&world, &fleet()).await;
    let mut changed = fleet();
    changed["agents"]["support-bot"]["owner"] = json!("cleo@example.com");
    let gate = Arc::new(Gate::default());
    let deps = Deps {
        ports: gated(&world.open, &gate),
        orders: OrderedFunction::on(&gated(&world.open, &gate)),
        ..deps(&world)
    };
    let inventory = world.outside.inventory.clone();
    gate.before(1, async move {
        let slot = inventory.slot(&SLOT.parse().unwrap()).await.unwrap();
        let mut slot = slot.unwrap();
        slot.owner = "ben@example.com".parse().unwrap();
        inventory.save_slot(&slot).await.unwrap();
    });
    let body = json!({"reason": "x", "fleet": changed, "slot": SLOT});
    let (_, answer) = post(&deps, "/register", body).await;
    assert_eq!(results(&answer), [(SLOT, "surprise")], "{answer}");
    assert_eq!(world.slot().await.owner.as_str(), "ben@example.com");
}

/// Whatever answer is lost: where "nothing was changed" is said of a mode, the mode is as it was, and the record says
/// how it is.
#[tokio::test]
async fn a_mode_is_called_unchanged_only_where_it_is() {
    for at in 0.. {
        let world = world();
        apply(&world, &fleet()).await;
        let gate = Arc::new(Gate::default());
        let deps = Deps {
            ports: gated(&world.open, &gate),
            orders: OrderedFunction::on(&gated(&world.open, &gate)),
            ..deps(&world)
        };
        gate.arm(at, Cut::AnswerLost);
        let body = json!({"reason": "x", "slot": SLOT, "mode": "enforce"});
        let (status, answer) = post(&deps, "/enforce", body).await;
        let Some(call) = gate.disarm().1 else {
            assert!(at > 1);
            break;
        };
        let mode = world.slot().await.mode;
        let unchanged = answer["safe"] == "Nothing was changed.";
        assert_eq!((status, unchanged), (503, mode == Mode::Observe), "{call}");
        if call == "inventory.save_slot" {
            let ended = acts(&world).pop().unwrap();
            assert_eq!(ended.state, json!({"mode": mode}), "{call}");
        }
    }
}

/// The same for keys that are put into a pool.
#[tokio::test]
async fn a_pool_is_called_unchanged_only_where_it_is() {
    let mut changed = 0;
    for at in 0.. {
        let (world, provider) = pool_world().await;
        let account = "anthropic-main".parse().unwrap();
        let before = read(&world.open, &account).await.unwrap();
        let gate = Arc::new(Gate::default());
        let deps = Deps {
            ports: gated(&world.open, &gate),
            orders: OrderedFunction::on(&gated(&world.open, &gate)),
            ..deps(&world)
        };
        gate.arm(at, Cut::AnswerLost);
        let keys = [provider.seed("new")];
        let body = json!({"reason": "x", "account": account, "keys": keys});
        let (_, answer) = post(&deps, "/pool/add", body).await;
        let Some(call) = gate.disarm().1 else {
            break;
        };
        let after = read(&world.open, &account).await.unwrap();
        if after.standby != before.standby {
            changed += 1;
            assert_ne!(answer["safe"], "Nothing was changed.", "{at}: {call}");
        }
    }
    assert!(changed > 2);
}
