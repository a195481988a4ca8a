//! `/restore`: who brought what back, and what stands in the way.

use keyward_core::usecases::restore::Second;

use super::*;

async fn killed() -> World {
    let world = World::in_memory(&Arc::default()).await;
    let kill = json!({"reason": "calls at night", "slot": world.slot});
    let (status, body) = post(&deps(&world), "/kill", kill).await;
    assert_eq!((status, &body["result"]), (200, &json!("contained")));
    world
}

#[tokio::test]
async fn a_key_is_brought_back_on_record() {
    let world = killed().await;
    let body = json!({"reason": "a test run", "slot": world.slot, "key": "newest"});
    let mut plan = body.clone();
    plan["dry_run"] = json!(true);
    let (status, would) = post(&deps(&world), "/restore", plan).await;
    assert_eq!(
        (status, &would["becomes"]),
        (200, &json!("current")),
        "{would}"
    );
    assert!(!world.outside.provider.accepts(&world.current_key()));
    assert_eq!(acts(&world).len(), 2, "a plan is no act");

    let (status, answer) = post(&deps(&world), "/restore", body).await;
    assert_eq!(
        (status, &answer["result"]),
        (200, &json!("restored")),
        "{answer}"
    );
    assert_eq!(
        (&answer["was"], &answer["state"]),
        (&json!("restricted"), &json!("active"))
    );
    assert_eq!(answer["key"]["state"], "current");
    assert_eq!(answer["unrecorded"], false);
    assert!(world.outside.provider.accepts(&world.current_key()));
    let acts = acts(&world);
    let [.., begun, ended] = &acts[..] else {
        panic!("{acts:?}");
    };
    assert_eq!((begun.phase, ended.phase), (Phase::Begun, Phase::Ended));
    assert_eq!(begun.caller.as_str(), CALLER);
    assert_eq!(begun.reason.as_str(), "a test run");
    assert_eq!(begun.state["key"]["state"], "contained");
    assert_eq!(begun.state["alarm"], "counts");
    assert_eq!(ended.state["key"]["state"], "current");
    assert_eq!(ended.outcome.as_ref().unwrap().as_str(), "restored");
}

#[tokio::test]
async fn what_stands_in_the_way_is_told_with_a_next_step_and_is_no_act() {
    let world = killed().await;
    let leak = json!({"reason": "found", "slot": world.slot, "leak": true});
    post(&deps(&world), "/kill", leak).await;
    let recorded = acts(&world).len();
    for (body, status, what) in [
        (json!({"slot": world.slot}), 400, "reason"),
        (
            json!({"reason": "x", "slot": "nobody"}),
            404,
            "no slot `nobody`",
        ),
        (
            json!({"reason": "x", "slot": world.slot, "key": "latest"}),
            400,
            "newest",
        ),
        (
            json!({"reason": "x", "slot": world.slot, "key": "newest"}),
            409,
            "deleted",
        ),
    ] {
        let (got, answer) = post(&deps(&world), "/restore", body.clone()).await;
        assert_eq!(got, status, "{body}: {answer}");
        assert!(answer["what"].as_str().unwrap().contains(what), "{answer}");
        assert!(!answer["next"].as_str().unwrap().is_empty());
        assert_eq!(answer["safe"], "Nothing was changed.");
    }
    assert_eq!(acts(&world).len(), recorded);
}

#[tokio::test]
async fn a_second_person_is_waited_for_where_the_deployment_says_so() {
    let world = killed().await;
    let deps = Deps {
        restore_second: Second::Needed,
        ..deps(&world)
    };
    let body = json!({"reason": "a test run", "slot": world.slot, "key": "newest"});
    let (status, asked) = post(&deps, "/restore", body.clone()).await;
    assert_eq!(
        (status, &asked["result"]),
        (200, &json!("asked")),
        "{asked}"
    );
    assert_eq!(asked["by"], CALLER);
    let (status, same) = post(&deps, "/restore", body.clone()).await;
    assert_eq!(status, 409, "{same}");
    assert!(!world.outside.provider.accepts(&world.current_key()));
    let mut other = event("/restore", &body);
    let ben = CALLER.replace("/ana", "/ben");
    other["requestContext"]["authorizer"]["iam"]["userArn"] = json!(ben);
    let (status, done) = send(&deps, other).await;
    assert_eq!(
        (status, &done["result"]),
        (200, &json!("restored")),
        "{done}"
    );
    assert!(world.outside.provider.accepts(&world.current_key()));
    let callers: Vec<_> = acts(&world).iter().map(|a| a.caller.to_string()).collect();
    assert_eq!(callers.iter().filter(|c| **c == ben).count(), 2);
}
