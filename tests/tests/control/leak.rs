//! `/leak`: keys that were found where they must not be.

use keyward_core::model::alert::{Alert, AlertKind};
use keyward_core::model::key::ApiKey;
use keyward_core::model::version::VersionState;

use super::*;

const STRANGERS: &str = "sk-or-v1-EXAMPLEffff0000ffff0000ffff0000ffff0000";

async fn registered() -> World {
    World::in_memory(&Arc::default()).await
}

fn find(text: &str) -> Value {
    let candidates = ApiKey::new(text).candidates();
    let prints: Vec<_> = candidates.iter().map(ApiKey::fingerprint).collect();
    json!({"place": "src/app.py:12 (gitleaks: openrouter)", "prints": prints, "key_like": true})
}

fn leak(finds: &[Value]) -> Value {
    json!({"reason": "found in CI", "finds": finds})
}

fn told(world: &World) -> Vec<Alert> {
    let mut sent = world.outside.alerts.sent();
    sent.retain(|alert| alert.kind == AlertKind::LeakedKey);
    sent
}

#[tokio::test]
async fn a_key_in_use_that_leaked_is_ended_with_its_slots_others_and_told_once() {
    let world = registered().await;
    let leaked = world.current_key();
    let report = leak(&[find(&format!("KEY={leaked}")), find(&leaked)]);
    let (status, body) = post(&deps(&world), "/leak", report.clone()).await;
    assert_eq!(status, 200, "{body}");
    for found in body["finds"].as_array().unwrap() {
        assert_eq!(
            (&found["is"], &found["slot"]),
            (&json!("alive"), &json!(world.slot))
        );
    }
    let [kill] = &body["kills"].as_array().unwrap()[..] else {
        panic!("one kill: {body}");
    };
    assert_eq!(
        (&kill["result"], &kill["final"]),
        (&json!("contained"), &json!(true))
    );
    assert!(!world.outside.provider.accepts(&leaked));
    assert_eq!(world.versions().await[0].state, VersionState::Revoking);
    let [incident] = &world.outside.inventory.all_incidents()[..] else {
        panic!("one incident");
    };
    let cause = incident.trigger.as_str();
    assert!(
        cause.starts_with("ana (leak): src/app.py:12 (gitleaks: openrouter); found in CI"),
        "{cause}"
    );
    assert_eq!(acts(&world).len(), 2, "begun and ended");
    assert!(!body.to_string().contains(&leaked));

    let (_, again) = post(&deps(&world), "/leak", report).await;
    assert_eq!(again["finds"][0]["is"], "ending");
    assert_eq!(
        again["kills"],
        json!([]),
        "its replacement is not cut off for it"
    );
}

/// The old key of a slot that has long been given another: nothing that agents use is touched.
#[tokio::test]
async fn a_key_that_is_dead_ends_nothing() {
    let world = registered().await;
    let old = world.current_key();
    let (_, _) = post(&deps(&world), "/leak", leak(&[find(&old)])).await;
    world.rotate(&token(2)).await.unwrap();
    let replacement = world.current_key();
    assert_ne!(old, replacement);
    let (_, body) = post(&deps(&world), "/leak", leak(&[find(&old)])).await;
    assert_eq!(
        (&body["finds"][0]["is"], &body["kills"]),
        (&json!("ending"), &json!([]))
    );
    assert!(world.outside.provider.accepts(&replacement));
}

#[tokio::test]
async fn keys_of_nobody_are_told_to_people_and_other_texts_are_not() {
    let world = registered().await;
    let word =
        json!({"place": "a", "prints": [ApiKey::new("EXAMPLE-no-key-at-all-0123").fingerprint()]});
    let (_, body) = post(&deps(&world), "/leak", leak(std::slice::from_ref(&word))).await;
    assert_eq!(body["finds"][0]["is"], "no_key_that_is_known");
    assert_eq!(told(&world).len(), 0);
    let (_, body) = post(&deps(&world), "/leak", leak(&[word, find(STRANGERS)])).await;
    assert_eq!(
        (&body["finds"][1]["is"], &body["untold"]),
        (&json!("nobodys"), &json!(false))
    );
    let told = told(&world);
    assert_eq!(told.len(), 1);
    assert!(
        told[0].what.as_str().contains("src/app.py:12"),
        "{:?}",
        told[0]
    );
}

#[tokio::test]
async fn githubs_notice_is_taken_as_it_comes() {
    let world = registered().await;
    let token = world.current_key();
    let url = "https://github.com/octocat/Hello-World/blob/main/a.env";
    let notice =
        json!([{"token": token, "type": "openrouter_key", "url": url, "source": "content"}]);
    let request = json!({"reason": "GitHub's notice", "notice": notice});
    let (status, body) = post(&deps(&world), "/leak", request).await;
    assert_eq!(
        (status, &body["kills"][0]["result"]),
        (200, &json!("contained")),
        "{body}"
    );
    assert!(!body.to_string().contains(&token));
    assert!(!world.outside.inventory.dump().contains(&token));
}

#[tokio::test]
async fn nothing_is_done_while_it_is_not_known_whose_a_key_is() {
    for call in ["inventory.holder", "inventory.versions"] {
        let world = registered().await;
        let report = leak(&[find(&world.current_key())]);
        let (status, answer) = unsure::post_without(&world, call, "/leak", report).await;
        assert_eq!(status, 503, "{call}: {answer}");
        assert!(world.outside.provider.accepts(&world.current_key()));
    }
}

#[tokio::test]
async fn a_dry_run_says_what_it_would_do_and_a_wrong_request_what_is_wrong() {
    let world = registered().await;
    let mut report = leak(&[find(&world.current_key()), find(STRANGERS)]);
    report["dry_run"] = json!(true);
    let (_, body) = post(&deps(&world), "/leak", report).await;
    assert_eq!(body["would_cut_off"], json!([world.slot]));
    assert_eq!(acts(&world), []);
    assert!(world.outside.provider.accepts(&world.current_key()));
    assert_eq!(told(&world).len(), 0);
    for wrong in [
        json!({"reason": "x", "finds": []}),
        json!({"reason": "x", "notice": [{"nothing": 1}]}),
        json!({"reason": "", "finds": [find(STRANGERS)]}),
        json!({"reason": "x", "finds": [{"place": "a", "prints": ["abc"]}]}),
        leak(&vec![find(STRANGERS); 501]),
    ] {
        assert_eq!(
            post(&deps(&world), "/leak", wrong.clone()).await.0,
            400,
            "{wrong}"
        );
    }
}

/// A kill suspended the key; somebody finds it elsewhere: it can come back no more, and the replacement is left alone.
#[tokio::test]
async fn a_key_that_is_cut_off_cannot_be_brought_back_once_it_leaked() {
    let world = registered().await;
    let old = world.current_key();
    let kill = json!({"reason": "calls at night", "slot": world.slot});
    post(&deps(&world), "/kill", kill).await;
    assert_eq!(world.versions().await[0].state, VersionState::Contained);
    world.rotate(&token(2)).await.unwrap();
    let replacement = world.current_key();
    let mut would = leak(&[find(&old)]);
    would["dry_run"] = json!(true);
    let (_, would) = post(&deps(&world), "/leak", would).await;
    assert_eq!(
        (&would["would_cut_off"], &would["would_end"]),
        (&json!([]), &json!(1))
    );
    assert_eq!(world.versions().await[0].state, VersionState::Contained);

    let (status, body) = post(&deps(&world), "/leak", leak(&[find(&old), find(&old)])).await;
    assert_eq!((status, &body["kills"]), (200, &json!([])), "{body}");
    let [ended] = &body["ended"].as_array().unwrap()[..] else {
        panic!("one end: {body}");
    };
    assert_eq!(
        (&ended["slot"], &ended["error"]),
        (&json!(world.slot), &Value::Null)
    );
    let first = world.versions().await.remove(0);
    assert_eq!(first.state, VersionState::Revoking);
    let restore = json!({"reason": "x", "slot": world.slot, "key": "newest"});
    let (status, refused) = post(&deps(&world), "/restore", restore).await;
    assert_eq!(status, 409, "{refused}");
    let last = acts(&world).pop().unwrap();
    assert_eq!(
        (last.operation.as_str(), last.outcome.unwrap().as_str()),
        ("/leak", "ended")
    );
    world.live_through(SignedDuration::from_mins(30)).await;
    assert_eq!(world.versions().await[0].state, VersionState::Revoked);
    assert!(world.outside.provider.accepts(&replacement));
}

/// What was found, and sent by whoever found it: again, where no answer came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    /// The key that the agent uses, and one of nobody's.
    InUse,
    /// A key that a kill suspended, beside its replacement.
    CutOff,
}

impl Found {
    async fn begin(self, world: &World) -> Value {
        let key = world.current_key();
        if self == Self::CutOff {
            let kill = json!({"reason": "calls at night", "slot": world.slot});
            post(&deps(world), "/kill", kill).await;
            world.rotate(&token(2)).await.unwrap();
        }
        leak(&[find(&key), find(STRANGERS)])
    }
}

/// The act's world, with what is sent in it.
struct Sent(World, Value);

impl Scenario for Found {
    type World = Sent;

    async fn world(&self, gate: &Arc<Gate>) -> Sent {
        let world = World::in_memory(gate).await;
        let report = self.begin(&world).await;
        Sent(world, report)
    }

    async fn operation(&self, Sent(world, report): &Sent) {
        let cut_off = Deps {
            ports: world.ports.clone(),
            orders: OrderedFunction::on(&world.ports),
            ..deps(world)
        };
        post(&cut_off, "/leak", report.clone()).await;
    }

    /// Rules 1, 5, 9 and 10; and people hear of what no slot has.
    async fn recover_and_check(&self, Sent(world, report): &Sent, point: Option<Point>) {
        let incidents = || world.outside.inventory.all_incidents().len();
        let kills = 1;
        // Whoever was at work is not any more.
        world.pass(SignedDuration::from_mins(10));
        let (status, body) = post(&deps(world), "/leak", report.clone()).await;
        assert_eq!(
            (status, &body["untold"]),
            (200, &json!(false)),
            "{point:?}: {body}"
        );
        let first = &body["finds"][0];
        assert_eq!(first["slot"], json!(world.slot), "{point:?}: {body}");
        assert_eq!(incidents(), kills, "{point:?}: one kill, however often");
        let leaked = world.versions().await.remove(0);
        assert!(
            matches!(leaked.state, VersionState::Revoking | VersionState::Revoked),
            "{point:?}: {leaked:?}"
        );
        assert!(!told(world).is_empty(), "{point:?}");
        if *self == Self::InUse {
            world
                .rotate(&token(2))
                .await
                .unwrap_or_else(|e| panic!("{point:?}: {e:?}"));
        }
        let used = world.current_key();
        world.live_through(SignedDuration::from_mins(45)).await;
        let versions = world.versions().await;
        assert_eq!(
            versions[0].state,
            VersionState::Revoked,
            "{point:?}: {versions:?}"
        );
        assert!(
            world.outside.provider.accepts(&used),
            "{point:?}: AWSCURRENT works"
        );
        let alive = versions.iter().filter(|v| v.state.may_be_alive());
        let live = world.outside.provider.live();
        assert_eq!(live.len(), alive.count(), "{point:?}: {versions:?}");
        let (_, again) = post(&deps(world), "/leak", report.clone()).await;
        assert_eq!(again["kills"], json!([]), "{point:?}: {again}");
        assert!(world.outside.provider.accepts(&used), "{point:?}");
        let kept = world.outside.inventory.dump() + &format!("{:?}", world.outside.alerts.sent());
        for text in [used.as_str(), STRANGERS] {
            assert!(!kept.contains(text), "{point:?}");
        }
    }
}

#[tokio::test]
async fn crash_at_every_call_of_a_leak() {
    for (found, name, least) in [(Found::InUse, "in use", 15), (Found::CutOff, "cut off", 6)] {
        let ran = crash_at_every_call(&found).await;
        say(format_args!("leak of a key {name}: {ran} points"));
        assert!(ran >= 3 * least, "{name}: {ran}");
    }
}
