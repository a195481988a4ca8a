//! `/kill`: a named person cuts a slot off.

use keyward_core::model::act_order::ActOrder;
use keyward_core::model::incident::Evidence;
use keyward_core::model::version::VersionState;
use keyward_core::ports::{ActOrderError, ActOrders, ActOutcome};
use keyward_testkit::gate::gated;

use super::*;

async fn registered() -> World {
    World::in_memory(&Arc::default()).await
}

fn order(world: &World) -> Value {
    json!({"reason": "calls at night", "slot": world.slot})
}

#[tokio::test]
async fn a_person_cuts_a_slot_off_and_is_on_record() {
    let world = registered().await;
    let (status, body) = post(&deps(&world), "/kill", order(&world)).await;
    assert_eq!((status, &body["result"]), (200, &json!("contained")));
    let [row] = &body["versions"].as_array().unwrap()[..] else {
        panic!("{body}");
    };
    assert_eq!(
        (&row["was"], &row["done"]),
        (&json!("current"), &json!("suspended"))
    );
    assert!(row["key"].as_str().unwrap().starts_with("sk-or-v1"));
    assert_eq!(body["replacement"], "asked_for");
    assert_eq!(body["unrecorded"], false);
    assert!(!world.outside.provider.accepts(&world.current_key()));

    let [incident] = &world.outside.inventory.all_incidents()[..] else {
        panic!("one incident");
    };
    assert_eq!(incident.triggers[0].evidence, Evidence::Person);
    assert_eq!(incident.trigger.as_str(), "ana (person): calls at night");
    let acts = acts(&world);
    let [begun, ended] = &acts[..] else {
        panic!("{acts:?}");
    };
    assert_eq!((begun.phase, ended.phase), (Phase::Begun, Phase::Ended));
    assert_eq!(begun.caller.as_str(), CALLER);
    assert_eq!(begun.reason.as_str(), "calls at night");
    assert_eq!(begun.state["versions"][0]["state"], "current");
    assert_eq!(ended.state["slot"]["state"], "restricted");
    assert_eq!(ended.state["incident"]["id"], json!(incident.id));
    assert_eq!(ended.outcome.as_ref().unwrap().as_str(), "contained");
}

#[tokio::test]
async fn proof_of_a_leak_ends_the_key_for_good() {
    let world = registered().await;
    let mut leak = order(&world);
    leak["leak"] = json!(true);
    let (_, body) = post(&deps(&world), "/kill", leak).await;
    assert_eq!(
        (&body["result"], &body["final"]),
        (&json!("contained"), &json!(true))
    );
    assert_eq!(world.versions().await[0].state, VersionState::Revoking);
}

#[tokio::test]
async fn a_request_that_arrives_twice_is_one_kill() {
    let world = registered().await;
    let event = event("/kill", &order(&world));
    let (_, first) = send(&deps(&world), event.clone()).await;
    let (_, again) = send(&deps(&world), event).await;
    assert_eq!(first["incident"], again["incident"]);
    assert_eq!(world.outside.inventory.all_incidents().len(), 1);
    let triggers = &world.outside.inventory.all_incidents()[0].triggers;
    assert_eq!(triggers.len(), 1);
}

#[tokio::test]
async fn a_second_kill_says_that_the_first_did_it() {
    let world = registered().await;
    let (_, first) = post(&deps(&world), "/kill", order(&world)).await;
    assert_eq!(first["already"], Value::Null);
    world.pass(SignedDuration::from_secs(30));
    let (_, again) = post(&deps(&world), "/kill", order(&world)).await;
    assert_eq!(again["result"], "contained", "{again}");
    assert_eq!(again["already"]["by"], "ana (person): calls at night");
    world.pass(SignedDuration::from_secs(30));
    let mut leak = order(&world);
    leak["leak"] = json!(true);
    let (_, harder) = post(&deps(&world), "/kill", leak).await;
    assert_eq!(harder["already"], Value::Null, "that makes it final");
    assert_eq!(harder["replacement_of"], Value::Null, "the first keys");
    world.rotate_as_asked().await;
    world.live_through(SignedDuration::from_mins(30)).await;
    let killed = world.outside.inventory.all_incidents()[0].opened;
    let (_, next) = post(&deps(&world), "/kill", order(&world)).await;
    assert_eq!(next["replacement_of"]["at"], json!(killed), "{next}");
}

#[tokio::test]
async fn a_kill_does_not_wait_for_its_record() {
    for entries in [0, 1] {
        let world = registered().await;
        let failing = Failing(world.outside.inventory.clone(), entries.into());
        let deps = Deps {
            acts: Arc::new(failing),
            usage: Arc::new(MemoryUsage::default()),
            ..deps(&world)
        };
        let (status, body) = post(&deps, "/kill", order(&world)).await;
        assert_eq!((status, &body["result"]), (200, &json!("contained")));
        assert_eq!(body["unrecorded"], true);
        assert!(!world.outside.provider.accepts(&world.current_key()));
    }
}

/// A kill switch whose answer is lost, or that is not given the order at all.
struct Lost {
    switch: Option<Arc<dyn ActOrders>>,
}

#[async_trait]
impl ActOrders for Lost {
    async fn carry_out(&self, order: &ActOrder) -> Result<ActOutcome, ActOrderError> {
        match &self.switch {
            Some(switch) => {
                switch.carry_out(order).await?;
                Err(ActOrderError::Unknown("the answer was lost".into()))
            }
            None => Err(ActOrderError::Refused("no such function".into())),
        }
    }
}

#[tokio::test]
async fn a_kill_that_was_not_answered_is_not_called_one_that_did_nothing() {
    for (is_done, safe) in [(true, "Keys may be cut off"), (false, "No key was cut off")] {
        let world = registered().await;
        let lost = Deps {
            orders: Arc::new(Lost {
                switch: is_done.then(|| OrderedFunction::on(&world.open)),
            }),
            ..deps(&world)
        };
        let (status, body) = post(&lost, "/kill", order(&world)).await;
        assert_eq!(status, 503, "{body}");
        assert!(body["safe"].as_str().unwrap().starts_with(safe), "{body}");
        assert!(
            body["next"].as_str().unwrap().contains("--offline"),
            "{body}"
        );
        assert_eq!(
            world.outside.provider.accepts(&world.current_key()),
            !is_done
        );
        let recorded = acts(&world);
        let [_, ended] = &recorded[recorded.len() - 2..] else {
            panic!("{recorded:?}");
        };
        assert_eq!(ended.phase, Phase::Ended);

        world.pass(SignedDuration::from_secs(5));
        let (status, again) = post(&deps(&world), "/kill", order(&world)).await;
        assert_eq!(
            (status, &again["result"]),
            (200, &json!("contained")),
            "{again}"
        );
        assert_eq!(again["already"].is_null(), !is_done, "{again}");
        assert_eq!(world.outside.inventory.all_incidents().len(), 1);
    }
}

/// Without the inventory it is not known whether these are all keys.
#[tokio::test]
async fn a_kill_without_the_inventory_cuts_off_what_it_finds_and_does_not_call_that_done() {
    let world = registered().await;
    world.rotate(&token(2)).await.unwrap();
    let gate = Arc::new(Gate::default());
    gate.silence(&[
        "inventory.slot",
        "inventory.versions",
        "inventory.incident_of_slot",
        "inventory.incident_of_trigger",
    ]);
    let deps = Deps {
        ports: gated(&world.open, &gate),
        orders: OrderedFunction::on(&gated(&world.open, &gate)),
        ..deps(&world)
    };
    let (status, body) = post(&deps, "/kill", order(&world)).await;
    assert_eq!(
        (status, &body["result"]),
        (200, &json!("unrecorded")),
        "{body}"
    );
    assert!(body["cut_without_record"].as_u64().unwrap() >= 1);
    assert!(!world.outside.provider.accepts(&world.current_key()));
}

#[tokio::test]
async fn a_key_that_cannot_be_cut_off_is_told_with_its_cause() {
    let world = registered().await;
    let gate = Arc::new(Gate::default());
    gate.silence(&["provider.disable"]);
    let deps = Deps {
        ports: gated(&world.open, &gate),
        orders: OrderedFunction::on(&gated(&world.open, &gate)),
        ..deps(&world)
    };
    let (status, body) = post(&deps, "/kill", order(&world)).await;
    assert_eq!(
        (status, &body["result"]),
        (200, &json!("unfinished")),
        "{body}"
    );
    assert_eq!(body["versions"][0]["done"], Value::Null);
    assert!(
        body["why"].as_str().unwrap().contains("did not answer"),
        "{body}"
    );
}

#[tokio::test]
async fn what_would_be_cut_off_is_said_and_nothing_done() {
    for (leak, done) in [(false, "suspended"), (true, "suspended")] {
        let world = registered().await;
        let (slot, versions) = (world.slot().await, world.versions().await);
        let body = json!({"slot": world.slot, "leak": leak, "dry_run": true});
        let (status, body) = post(&deps(&world), "/kill", body).await;
        assert_eq!((status, &body["result"]), (200, &json!("would_contain")));
        assert_eq!(body["versions"][0]["done"], done);
        assert_eq!(body["final"], leak);
        assert_eq!(
            (world.slot().await, world.versions().await),
            (slot, versions)
        );
        assert_eq!(
            (acts(&world), world.outside.inventory.all_incidents()),
            (vec![], vec![])
        );
    }
}

#[tokio::test]
async fn a_kill_wants_a_reason_and_a_slot_that_exists() {
    let world = registered().await;
    let slot = &world.slot;
    for (body, status) in [
        (json!({"slot": slot}), 400),
        (json!({"slot": world.slot, "reason": " "}), 400),
        (json!({"slot": "nobody", "reason": "x"}), 404),
        (json!({"slot": "nobody", "dry_run": true}), 404),
    ] {
        let (got, answer) = post(&deps(&world), "/kill", body.clone()).await;
        assert_eq!(got, status, "{body}: {answer}");
    }
    assert!(world.outside.provider.accepts(&world.current_key()));
}

/// Whoever pastes a leaked key into the reason would have it in the record for ever, and in an alert.
#[tokio::test]
async fn a_key_in_the_reason_of_an_act_is_refused_whatever_provider_it_is_of() {
    let world = registered().await;
    for key in [
        "sk-or-v1-EXAMPLE0123456789abcdef0123456789abcdef",
        "sk-ant-api03-EXAMPLE-0123456789_abcdef",
        "AIzaSyEXAMPLE-0123_456789abcdef01234567",
        "ABSKEXAMPLE0123456789abcdef0123456789==",
        "0123456789abcdef0123456789abcdef",
        "EXAMPLE0123456789abcdefGHIJKLMNOPQRSTUVWXYZ0123AAAAACOGEXAM",
    ] {
        let reason = format!("found on a forum: {key}, by ana");
        let body = json!({"slot": world.slot, "reason": reason, "leak": true});
        let (status, answer) = post(&deps(&world), "/kill", body).await;
        assert_eq!(status, 400, "{key}");
        assert!(!answer.to_string().contains(key), "{answer}");
    }
    assert_eq!(acts(&world), []);
    assert!(world.outside.provider.accepts(&world.current_key()));
    for reason in [
        "incident INC-2026-1127-Prod-OpenRouter-Leak-EU-West-1",
        "see https://wiki.example.com/Team_LLM/2026-11-27-Support-Bot#what_we_know",
        "alert 11111111-aaaa-4bbb-8ccc-000000000001 of arn:aws:sns:us-east-1:111122223333:pages",
    ] {
        let body = json!({"slot": "nobody", "reason": reason});
        let (status, answer) = post(&deps(&world), "/kill", body).await;
        assert_eq!(status, 404, "{reason}: {answer}");
    }
}
