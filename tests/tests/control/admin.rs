//! What people did past this function: a break-glass credential that was tried, a lockdown that was lifted.

use keyward_core::model::admin::{AdminRecord, AdminVersion, BreakGlassResult, BreakGlassTest};
use keyward_core::model::key::AdminKey;
use keyward_core::ports::Clock;
use keyward_testkit::gate::{Cut, gated};

use super::*;

const ACCOUNT: &str = "openrouter-main";

fn sealed() -> AdminKey {
    AdminKey::new("sk-or-v1-EXAMPLEsealed")
}

fn tried(result: &str) -> Value {
    json!({
        "reason": "the quarter's drill", "account": ACCOUNT, "result": result,
        "fingerprint": sealed().fingerprint(),
    })
}

async fn known(world: &World) -> Option<BreakGlassTest> {
    let account = ACCOUNT.parse().unwrap();
    let record = world.outside.inventory.admin(&account).await.unwrap();
    record.and_then(|record| record.break_glass)
}

#[tokio::test]
async fn what_a_break_glass_credential_was_good_for_is_recorded_with_who_tried_it() {
    let world = world();
    for (said, result) in [
        ("works", BreakGlassResult::Works),
        ("refused", BreakGlassResult::Refused),
        ("works", BreakGlassResult::Works),
    ] {
        let before = known(&world).await;
        let (status, answer) = post(&deps(&world), "/break-glass", tried(said)).await;
        assert_eq!(status, 200, "{answer}");
        let expected = BreakGlassTest {
            at: world.outside.clock.now(),
            result,
            fingerprint: sealed().fingerprint(),
        };
        assert_eq!(known(&world).await, Some(expected.clone()));
        let acts = acts(&world);
        let [.., begun, ended] = &acts[..] else {
            panic!("{acts:?}")
        };
        assert_eq!((begun.phase, ended.phase), (Phase::Begun, Phase::Ended));
        assert_eq!(begun.state["break_glass"], json!(before));
        assert_eq!(ended.state["break_glass"], json!(expected));
        assert_eq!(ended.caller.as_str(), CALLER);
        assert_eq!(ended.reason.as_str(), "the quarter's drill");
        world.outside.clock.advance(SignedDuration::from_hours(1));
    }
}

#[tokio::test]
async fn what_is_no_trial_changes_nothing_and_is_no_act() {
    let world = world();
    let with = |field: &str, value: Value| {
        let mut body = tried("works");
        body[field] = value;
        body
    };
    for body in [
        with("reason", json!("")),
        with("result", json!("perhaps")),
        with("account", json!("Not An Account")),
        with("fingerprint", json!("sk-or-v1-EXAMPLEsealed")),
        // Nobody sends the credential itself, and if somebody does, it is not kept.
        with("credential", json!("sk-or-v1-EXAMPLEsealed")),
    ] {
        let (status, answer) = post(&deps(&world), "/break-glass", body.clone()).await;
        assert_eq!(status, 400, "{body}: {answer}");
        assert!(!answer.to_string().contains("EXAMPLEsealed"), "{answer}");
    }
    assert_eq!(known(&world).await, None);
    assert_eq!(acts(&world), []);
}

#[tokio::test]
async fn the_credential_that_keyward_uses_is_not_taken_for_a_sealed_one() {
    let world = world();
    let account = ACCOUNT.parse().unwrap();
    let mut record = AdminRecord::empty(&account);
    let now = world.outside.clock.now();
    let id = "e2e00000-0000-4000-8000-000000000001.0".parse().unwrap();
    let mut used = AdminVersion::intended(id, now);
    used.fingerprint = Some(sealed().fingerprint());
    record.credentials.push(used);
    world.outside.inventory.save_admin(&record).await.unwrap();
    let (status, answer) = post(&deps(&world), "/break-glass", tried("works")).await;
    assert_eq!(status, 409, "{answer}");
    assert!(answer.to_string().contains("not a sealed one"), "{answer}");
    assert_eq!(known(&world).await, None);
    assert_eq!(acts(&world), []);
}

/// Whatever answer is lost: what is answered as recorded is, and said again it is once more.
#[tokio::test]
async fn a_trial_is_called_recorded_only_where_it_is() {
    for at in 0.. {
        let world = world();
        let gate = Arc::new(Gate::default());
        let cut_off = Deps {
            ports: gated(&world.open, &gate),
            ..deps(&world)
        };
        gate.arm(at, Cut::AnswerLost);
        let (status, answer) = post(&cut_off, "/break-glass", tried("works")).await;
        let Some(call) = gate.disarm().1 else {
            assert!(at >= 2, "it is read and written");
            assert_eq!(status, 200);
            break;
        };
        assert!(
            status != 200 || known(&world).await.is_some(),
            "{call}: {answer}"
        );
        let (status, answer) = post(&deps(&world), "/break-glass", tried("works")).await;
        assert_eq!(status, 200, "{call}: {answer}");
        assert!(known(&world).await.is_some(), "{call}");
    }
}

#[tokio::test]
async fn a_lockdown_that_was_lifted_is_recorded_with_what_runs_again() {
    let world = world();
    let body = json!({"reason": "roles renewed", "functions": [
        {"function": "prod-rotate", "outcome": "now"},
        {"function": "prod-audit", "outcome": {"failed": "AccessDenied"}},
    ]});
    let (status, answer) = post(&deps(&world), "/lockdown", body.clone()).await;
    assert_eq!((status, &answer["unrecorded"]), (200, &json!(false)));
    let acts = acts(&world);
    let [begun, ended] = &acts[..] else {
        panic!("{acts:?}")
    };
    assert_eq!((begun.phase, ended.phase), (Phase::Begun, Phase::Ended));
    assert_eq!(ended.reason.as_str(), "roles renewed");
    assert_eq!(
        ended.state["functions"],
        json!([
            {"function": "prod-rotate", "again": true},
            {"function": "prod-audit", "again": false},
        ])
    );
    let mut unsaid = body;
    unsaid["reason"] = json!(" ");
    let (status, answer) = post(&deps(&world), "/lockdown", unsaid).await;
    assert_eq!(status, 400, "{answer}");
}
