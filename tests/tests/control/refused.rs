//! What is refused before anything is done.

use super::*;

#[tokio::test]
async fn what_is_not_a_signed_request_for_a_known_operation_is_refused() {
    let world = world();
    type Edit = fn(&mut Value);
    let cases: Vec<(&str, Edit, u64, &str)> = vec![
        (
            "no authorizer",
            |e| {
                drop(
                    e["requestContext"]
                        .as_object_mut()
                        .unwrap()
                        .shift_remove("authorizer"),
                )
            },
            403,
            "not authenticated",
        ),
        (
            "null authorizer",
            |e| e["requestContext"]["authorizer"] = Value::Null,
            403,
            "not authenticated",
        ),
        (
            "another authorizer",
            |e| e["requestContext"]["authorizer"] = json!({"jwt": {}}),
            403,
            "not authenticated",
        ),
        (
            "no ARN",
            |e| e["requestContext"]["authorizer"]["iam"]["userArn"] = json!("ana"),
            403,
            "not authenticated",
        ),
        (
            "a caller in the body",
            |e| {
                e["requestContext"]["authorizer"] = Value::Null;
                e["body"] = json!({"userArn": CALLER, "reason": "x"}).to_string().into();
            },
            403,
            "not authenticated",
        ),
        (
            "GET",
            |e| e["requestContext"]["http"]["method"] = json!("GET"),
            405,
            "only POST",
        ),
        (
            "unknown operation",
            |e| e["requestContext"]["http"]["path"] = json!("/nothing"),
            404,
            "/apply",
        ),
        (
            "no path",
            |e| e["requestContext"]["http"]["path"] = json!("/"),
            404,
            "/apply",
        ),
        (
            "not JSON",
            |e| e["body"] = json!("{\"reason\": sk-EXAMPLE"),
            400,
            "not JSON",
        ),
        ("no body", |e| e["body"] = Value::Null, 400, "not JSON"),
        (
            "a list",
            |e| e["body"] = json!("[]"),
            400,
            "{reason, fleet, planned?}",
        ),
        (
            "no reason",
            |e| e["body"] = json!({"fleet": fleet()}).to_string().into(),
            400,
            "{reason, fleet, planned?}",
        ),
        (
            "a blank reason",
            |e| {
                e["body"] = json!({"reason": " \n", "fleet": fleet()})
                    .to_string()
                    .into()
            },
            400,
            "1 to 256",
        ),
        (
            "a long reason",
            |e| {
                e["body"] = json!({"reason": "x".repeat(257), "fleet": fleet()})
                    .to_string()
                    .into()
            },
            400,
            "1 to 256",
        ),
        (
            "an unknown field",
            |e| {
                e["body"] = json!({"reason": "x", "fleet": fleet(), "sk-EXAMPLE": 1})
                    .to_string()
                    .into()
            },
            400,
            "{reason, fleet, planned?}",
        ),
        (
            "not base64",
            |e| e["isBase64Encoded"] = json!(true),
            400,
            "base64",
        ),
        (
            "too large",
            |e| e["body"] = "x".repeat(4 * 1024 * 1024 + 1).into(),
            413,
            "4 MB",
        ),
        (
            "no event of a URL",
            |e| *e = json!({"Records": []}),
            400,
            "function URL",
        ),
        ("nothing", |e| *e = Value::Null, 400, "function URL"),
        (
            "a fleet with faults",
            |e| {
                let mut fleet = fleet();
                fleet["version"] = json!(2);
                fleet["slots"]["support-bot-openrouter"]["agent"] = json!("nobody");
                e["body"] = json!({"reason": "x", "fleet": fleet}).to_string().into();
            },
            422,
            "nobody",
        ),
        (
            "a name twice in the fleet",
            |e| {
                e["body"] = json!(
                    r#"{"reason": "x", "fleet": {"version": 1, "slots": {}, "agents": {}, "accounts": {
                "a": {"provider": "openrouter"}, "a": {"provider": "openrouter"}}}}"#
                );
            },
            422,
            "stands here twice",
        ),
    ];
    for (name, edit, status, what) in cases {
        let mut event = event("/apply", &json!({"reason": "x", "fleet": fleet()}));
        edit(&mut event);
        let (got, body) = send(&deps(&world), event).await;
        assert_eq!(got, status, "{name}: {body}");
        assert!(
            body["what"].as_str().unwrap().contains(what),
            "{name}: {body}"
        );
        assert!(!body.to_string().contains("EXAMPLE"), "{name}: {body}");
    }
    assert_eq!(world.outside.inventory.all_slots(), []);
    assert_eq!(acts(&world), []);
}
