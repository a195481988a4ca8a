//! `/import`: keys that belong to no slot are shown, and nothing is changed.

use super::*;

fn asked(world: &World) -> Value {
    json!({
        "account": "openrouter-main",
        "provider": "openrouter",
        "secrets": [world.secret],
    })
}

async fn import(world: &World) -> Value {
    let (status, body) = post(&deps(world), "/import", asked(world)).await;
    assert_eq!(status, 200, "{body}");
    body
}

#[tokio::test]
async fn keys_of_nobody_are_shown_with_the_secret_that_holds_them() {
    let world = world();
    let before = world.outside.inventory.dump();
    let found = import(&world).await;
    let keys = found["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1, "{found}");
    assert_eq!(keys[0]["label"], "made by hand");
    assert_eq!(keys[0]["secrets"], json!([world.secret]));
    assert_eq!(
        (&found["claimed"], &found["secrets"][0]["holds"]),
        (&json!(0), &json!("key"))
    );
    assert_eq!(world.outside.inventory.dump(), before);
    assert_eq!(acts(&world), [], "it is no act");
    assert!(!found.to_string().contains(&world.current_key()));
}

#[tokio::test]
async fn keys_of_slots_are_nobodys_at_no_time() {
    let world = world();
    apply(&world, &fleet()).await;
    let found = import(&world).await;
    assert_eq!((&found["keys"], &found["claimed"]), (&json!([]), &json!(1)));
    assert_eq!(found["secrets"][0]["holds"], "of_slot");
    world.rotate(&token(2)).await.unwrap();
    let found = import(&world).await;
    assert_eq!((&found["keys"], &found["claimed"]), (&json!([]), &json!(2)));
    world.outside.provider.seed("a stranger");
    let found = import(&world).await;
    assert_eq!(found["keys"][0]["label"], "a stranger");
    assert_eq!(found["claimed"], 2);
}

#[tokio::test]
async fn nothing_is_shown_while_it_is_not_known_whose_keys_are() {
    let world = world();
    for call in ["inventory.slot_names", "provider.list"] {
        let (status, answer) = unsure::post_without(&world, call, "/import", asked(&world)).await;
        assert_eq!(status, 503, "{call}: {answer}");
        assert_eq!(answer["keys"], Value::Null, "{call}");
    }
    let mut unknown = asked(&world);
    unknown["account"] = json!("nobody");
    assert_eq!(post(&deps(&world), "/import", unknown).await.0, 409);
}
