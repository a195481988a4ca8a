//! Kinds of acts: what came by the URL of one is of no other, and a mode may need a second person.

use keyward_core::model::act_kind::ActKind;

use super::*;

/// The smallest body that each operation takes as JSON; none is one that it carries out.
fn body(path: &str) -> Value {
    match path {
        "/doctor" => json!({}),
        _ => json!({"nothing": "of it"}),
    }
}

async fn send_by(deps: &Deps, served: Served, path: &str) -> (u64, Value) {
    let deadline = Deadline(deps.ports.clock.now() + SignedDuration::from_mins(5));
    let answer = handle(deps, served, event(path, &body(path)), deadline).await;
    let body = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    (answer["statusCode"].as_u64().unwrap(), body)
}

#[tokio::test]
async fn an_act_through_the_url_of_another_kind_is_forbidden() {
    let world = world();
    let deps = deps(&world);
    for (path, kind) in ActKind::operations() {
        for other in ActKind::ALL {
            let (status, body) = send_by(&deps, Served::Only(other), path).await;
            assert_eq!(status == 403, other != kind, "{path} by {other:?}: {body}");
            if other != kind {
                let next = body["next"].as_str().unwrap();
                assert!(next.contains(kind.setting()), "{path}: {body}");
            }
        }
        let (status, _) = send_by(&deps, Served::Nothing, path).await;
        assert_eq!(status, 403, "{path}");
        let (status, _) = send_by(&deps, Served::All, path).await;
        assert_ne!(status, 403, "{path}");
    }
    assert_eq!(acts(&world).len(), 0);
}

/// Whoever adds an operation says of which kind it is.
#[tokio::test]
async fn every_operation_that_is_taken_is_of_a_kind() {
    let world = world();
    let (status, body) = send_by(&deps(&world), Served::All, "/nothing").await;
    assert_eq!(status, 404);
    let known = body["what"].as_str().unwrap();
    let known = known.split("known are ").nth(1).unwrap();
    let mut paths: Vec<&str> = known
        .split([',', ' '])
        .filter(|w| w.starts_with('/'))
        .collect();
    paths.sort_unstable();
    let mut kinds: Vec<&str> = ActKind::operations().map(|(path, _)| path).collect();
    kinds.sort_unstable();
    assert_eq!(paths, kinds);
}

fn by(person: &str, mode: &str, slot: &str) -> Value {
    let body = json!({"reason": "two quiet weeks", "slot": slot, "mode": mode});
    let mut event = event("/enforce", &body);
    let arn = format!("arn:aws:sts::111122223333:assumed-role/operators/{person}");
    event["requestContext"]["authorizer"]["iam"]["userArn"] = json!(arn);
    event
}

#[tokio::test]
async fn another_mode_waits_for_a_second_person_where_it_must() {
    let world = World::in_memory(&Arc::default()).await;
    let deps = Deps {
        enforce_second: Second::Needed,
        ..deps(&world)
    };
    let slot = world.slot.as_str();
    let (status, first) = send(&deps, by("ana", "enforce", slot)).await;
    assert_eq!(
        (status, &first["mode"]),
        (200, &json!("observe")),
        "{first}"
    );
    assert_eq!(first["asked"]["mode"], "enforce");
    assert!(first["asked"]["by"].as_str().unwrap().ends_with("/ana"));
    assert_eq!(world.slot().await.mode, Mode::Observe);

    // Not the same person, nor about something else.
    let (status, alone) = send(&deps, by("ana", "enforce", slot)).await;
    assert_eq!(status, 409, "{alone}");
    let (_, same) = send(&deps, by("ben", "observe", slot)).await;
    assert_eq!(same["mode"], "observe", "it is so already: {same}");

    let (status, second) = send(&deps, by("ben", "enforce", slot)).await;
    assert_eq!(
        (status, &second["mode"]),
        (200, &json!("enforce")),
        "{second}"
    );
    let stored = world.slot().await;
    assert_eq!((stored.mode, stored.mode_asked), (Mode::Enforce, None));

    // Back again takes two as well, and an hour makes the first word void.
    let (_, asked) = send(&deps, by("ben", "observe", slot)).await;
    assert_eq!(asked["asked"]["mode"], "observe");
    world.pass(SignedDuration::from_hours(1));
    let (_, anew) = send(&deps, by("ana", "observe", slot)).await;
    assert_eq!(anew["mode"], "enforce", "{anew}");
    let outcomes: Vec<String> = acts(&world)
        .iter()
        .filter_map(|act| act.outcome.as_ref().map(ToString::to_string))
        .collect();
    assert_eq!(outcomes[0], "asked");
    assert!(outcomes.contains(&"set".to_owned()), "{outcomes:?}");
}

/// Before and after are shown; nothing is changed, and nothing recorded. No reason is needed.
#[tokio::test]
async fn what_an_act_would_do_is_said_and_nothing_done() {
    let world = World::in_memory(&Arc::default()).await;
    let deps = deps(&world);
    let slot = &world.slot;
    let until = world.outside.clock.now() + SignedDuration::from_hours(48);
    let table: Value =
        serde_json::from_str(include_str!("../../../shared/core/prices/prices.json")).unwrap();
    let before = world.outside.inventory.dump();
    for (path, body, field, expected) in [
        (
            "/enforce",
            json!({"slot": slot, "mode": "enforce", "dry_run": true}),
            "would_be",
            json!("enforce"),
        ),
        (
            "/expect",
            json!({"slot": slot, "percent": 200, "until": until, "dry_run": true}),
            "expectation",
            json!({"percent": 200, "until": until}),
        ),
        (
            "/prices",
            json!({"table": table, "dry_run": true}),
            "dry_run",
            json!(true),
        ),
    ] {
        let (status, answer) = post(&deps, path, body).await;
        assert_eq!(
            (status, &answer[field]),
            (200, &expected),
            "{path}: {answer}"
        );
        assert!(answer.get("before").is_some(), "{path}: {answer}");
    }
    assert_eq!(world.outside.inventory.dump(), before);
    assert_eq!(acts(&world).len(), 0);
    let (status, _) = post(&deps, "/enforce", json!({"slot": slot, "mode": "enforce"})).await;
    assert_eq!(status, 400, "an act in earnest has a reason");
}
