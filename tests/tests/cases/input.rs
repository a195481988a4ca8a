//! What `replay` takes, and what it says.

use keyward_testkit::canary::Canary;
use keyward_tests::replay::Options;
use keyward_tests::replay::Unsupported;
use keyward_tests::replay::replay;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::{Seen, TOKEN, files, fixture, play_with};

#[tokio::test]
async fn no_key_text_is_in_the_output_of_any_file() {
    for name in files() {
        let text = fixture(&name);
        let played = replay(
            &name,
            &text,
            &Options {
                fleet: None,
                hours: 3,
            },
        );
        let Ok(stage) = played.await else { continue };
        let output = serde_json::to_string_pretty(&stage.report).unwrap();
        let keys = stage.simulator().secrets();
        assert!(!keys.is_empty());
        Canary::new(keys.iter().map(|key| key.expose_secret())).assert_absent(&name, &output);
        for text in ["EXAMPLE-not-a-real-key", "EXAMPLE-rotation-token"] {
            assert!(!output.contains(text), "{name}: {text}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_replayed_is_refused_with_a_reason() {
    let deep = "[".repeat(100_000);
    let large = " ".repeat(keyward_tests::replay::MAX_BYTES + 1);
    let event = r#"{"Step":"createSecret","SecretId":"x","ClientRequestToken":"y"}"#;
    for (text, reason) in [
        ("", "not JSON"),
        ("{", "not JSON"),
        (&deep, "not JSON"),
        (&large, "are read at most"),
        ("[]", "an empty list"),
        ("[1]", "a list of neither"),
        ("7", "a number"),
        ("null", "null"),
        ("\"x\"", "a string"),
        ("{}", "without a field"),
        (r#"{"event":7}"#, "field `event`"),
        (r#"{"sequence":7}"#, "field `sequence`"),
        (r#"{"sequence":[]}"#, "field `sequence`"),
        (
            r#"{"sequence":[{"outside":"x","new_current":"sk-EXAMPLE"}]}"#,
            "another type",
        ),
        (
            &format!(r#"{{"event":{event},"describe_secret":[]}}"#),
            "another type",
        ),
        (
            &format!(r#"{{"event":{event},"get_secret_value":"x"}}"#),
            "another type",
        ),
        (
            r#"{"describe_secret":{"ARN":"sk-EXAMPLE"}}"#,
            "another type",
        ),
        (r#"[{"status":7,"call":"chat"}]"#, "another type"),
        (
            r#"[{"status":429,"headers":{"retry-after":"1\n2"}}]"#,
            "another type",
        ),
        (
            r#"{"scheduled":[{"t":9000000000000000000}]}"#,
            "another type",
        ),
        (r#"{"scheduled":[{"t":-1}]}"#, "another type"),
        (
            r#"{"scheduled":[{"t":0,"do":"finishSecret"},{"t":3,"do":"grace elapsed"}]}"#,
            "the fleet cannot be used",
        ),
        (r#"{"delete":{},"probe_status":[99999]}"#, "another type"),
        (r#"{"event":{"Records":[]},"alarms":7}"#, "another type"),
        (
            r#"{"event":{"Records":[]},"alarms":{"x":{}}}"#,
            "field `alarms`",
        ),
        (
            r#"{"event":{"Records":[]},"alarm_map":{"x":"sk-EXAMPLE key"}}"#,
            "field `alarm_map`",
        ),
        (
            r#"{"detail-type":"Scheduled Event"}"#,
            "joins with the audit",
        ),
        (
            r#"{"data":[],"has_more":false}"#,
            "joins with the usage monitor or the audit",
        ),
    ] {
        let refused = replay("x.json", text, &Options::default()).await;
        let refused = refused.err().map(|e| e.to_string()).unwrap_or_default();
        let shown = text.get(..60).unwrap_or(text);
        assert!(refused.contains(reason), "{shown}: {refused}");
        assert!(!refused.contains("sk-EXAMPLE"), "{refused}");
        assert_eq!(refused.lines().count(), 1, "{refused}");
    }
}

#[tokio::test]
async fn a_file_of_no_known_form_waits_for_the_part_of_the_case_that_it_is_named_by() {
    for (name, part) in [
        ("U-09-cold-start.json", "the usage monitor"),
        ("A-12-one-provider-unreadable.json", "the audit"),
        ("P-16-litellm-key-info.json", "the driver of its provider"),
    ] {
        let refused = replay(name, "{}", &Options::default()).await;
        let refused = refused.err().unwrap().to_string();
        assert!(refused.ends_with(part), "{name}: {refused}");
    }
}

#[tokio::test]
async fn times_beyond_reason_are_played_at_a_time_of_its_own() {
    for at in [json!(1e300), json!(-1e300), json!(253402300799_i64)] {
        let stage = play_with("R-01-token-not-staged.json", |file| {
            file["describe_secret"]["LastChangedDate"] = at.clone();
            file["describe_secret"]["LastRotatedDate"] = at.clone();
        });
        assert!(!stage.await.error(0).retryable, "{at}");
    }
}

#[tokio::test]
async fn steps_out_of_order_are_played_as_they_stand() {
    let event = |step: &str| json!({"event": {"Step": step, "SecretId": "llm/openai/x", "ClientRequestToken": TOKEN}});
    let file =
        json!({"sequence": [event("finishSecret"), event("createSecret"), event("finishSecret")]});
    let stage = replay("x.json", &file.to_string(), &Options::default()).await;
    let stage = stage.unwrap();
    assert!(stage.current_is(TOKEN));
    assert_eq!(stage.creates(), 0);
}

#[tokio::test]
async fn an_event_that_the_function_refuses_is_played_all_the_same() {
    for event in [
        json!({"Step": "rotateSecret", "SecretId": "x", "ClientRequestToken": "y"}),
        json!({"Step": 7, "SecretId": [], "ClientRequestToken": null}),
        json!({"Step": "createSecret", "SecretId": "a\nb", "ClientRequestToken": TOKEN}),
        json!({"Step": "createSecret", "SecretId": "llm/openai/x", "ClientRequestToken": TOKEN, "New": [1]}),
    ] {
        let stage = replay("x.json", &event.to_string(), &Options::default()).await;
        let stage = stage.unwrap();
        let entry = &stage.report.invocations[0];
        assert_eq!(
            entry.error.is_none(),
            event.get("New").is_some(),
            "{entry:?}"
        );
    }
}

#[tokio::test]
async fn a_fleet_names_the_slot_of_the_files_secret() {
    let name = "R-02-pending-without-value.json";
    let fleet = |secret: &str| {
        json!({
            "version": 1,
            "accounts": {"main": {"provider": "openai"}},
            "agents": {"billing": {"owner": "ana@example.com", "environment": "dev"}},
            "slots": {"billing-dev": {
                "agent": "billing", "account": "main", "secret": secret, "scope": {"project": "proj_EXAMPLE"},
                "expected_spend": {"daily_cents": 100, "monthly_cents": 3000},
            }},
        })
        .to_string()
    };
    let own =
        "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/openai/agent-billing-a1B2c3";
    let options = |fleet| Options {
        fleet: Some(fleet),
        hours: 0,
    };
    let stage = replay(name, &fixture(name), &options(fleet(own)))
        .await
        .unwrap();
    assert_eq!(stage.slot.as_str(), "billing-dev");
    assert_eq!(stage.outcome(0), "done");

    for bad in [
        fleet("arn:aws:secretsmanager:us-east-1:111122223333:secret:x-a1B2c3"),
        "{".to_owned(),
    ] {
        let refused = replay(name, &fixture(name), &options(bad)).await;
        assert!(matches!(refused, Err(Unsupported::Fleet(_))));
    }
}
