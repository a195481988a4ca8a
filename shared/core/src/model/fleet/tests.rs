use jiff::SignedDuration;

use super::*;
use crate::model::money::MicroDollars;
use crate::model::slot::AcceptedLoss;
use crate::model::text::OutsideText;

fn fleet(change: impl FnOnce(&mut serde_json::Value)) -> Result<Vec<PlannedSlot>, FleetError> {
    let mut value = serde_json::json!({
        "version": 1,
        "accounts": {"openrouter-main": {"provider": "openrouter"}},
        "agents": {"support-bot": {"owner": "ana@example.com", "environment": "prod"}},
        "slots": {"support-bot-openrouter": {
            "agent": "support-bot", "account": "openrouter-main",
            "secret": "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/support-a1B2c3",
            "expected_spend": {"daily_cents": 1000, "monthly_cents": 30000},
        }},
    });
    change(&mut value);
    Fleet::from_json(&value.to_string()).and_then(|fleet| fleet.check())
}

#[test]
fn a_good_fleet_is_planned_with_the_default_policy() {
    let planned = fleet(|_| {}).unwrap();
    assert_eq!(planned[0].policy.overlap, SignedDuration::from_hours(2));
    assert_eq!(planned[0].expected.daily, MicroDollars::from_dollars(10));
    assert_eq!(planned[0].entry.mode, None);
    let loss = AcceptedLoss::from(planned[0].entry.accepted_loss);
    assert_eq!(loss, AcceptedLoss::default());
}

#[test]
fn spend_that_is_not_declared_is_assumed_by_environment() {
    for (environment, dollars) in [("dev", 2), ("staging", 5), ("prod", 10)] {
        let planned = fleet(|v| {
            v["agents"]["support-bot"]["environment"] = environment.into();
            let slot = v["slots"]["support-bot-openrouter"].as_object_mut();
            slot.unwrap().remove("expected_spend");
        });
        let planned = planned.unwrap();
        let expected = MicroDollars::from_dollars(dollars);
        assert_eq!(planned[0].expected.daily, expected, "{environment}");
        assert_eq!(planned[0].entry.expected_spend, None);
    }
}

#[test]
fn a_name_that_stands_twice_is_refused() {
    for (kind, entry) in [
        ("accounts", r#"{"provider": "openrouter"}"#),
        (
            "agents",
            r#"{"owner": "ana@example.com", "environment": "dev"}"#,
        ),
        (
            "slots",
            r#"{"agent": "a", "account": "a", "expected_spend": {"daily_cents": 1, "monthly_cents": 1},
                "secret": "arn:aws:secretsmanager:us-east-1:111122223333:secret:a-a1B2c3"}"#,
        ),
    ] {
        let once = format!(r#"{{"version": 1, "{kind}": {{"a": {entry}}}}}"#);
        assert!(Fleet::from_json(&once).is_ok(), "{kind}");
        let twice = format!(r#"{{"version": 1, "{kind}": {{"a": {entry}, "a": {entry}}}}}"#);
        let error = Fleet::from_json(&twice).unwrap_err().to_string();
        assert!(error.contains("`a` stands here twice"), "{kind}: {error}");
    }
}

#[test]
fn what_is_quoted_from_a_fleet_stays_on_one_line() {
    let hostile = format!(
        r#"{{"version": 1, "a\nINFO forged{}": 1}}"#,
        "x".repeat(9999)
    );
    let error = Fleet::from_json(&hostile).unwrap_err();
    assert!(
        error.0[0]
            .problem
            .starts_with("unknown field `a INFO forged")
    );
    assert!(error.0[0].problem.chars().count() <= OutsideText::MAX_CHARS);
}

#[test]
fn a_key_that_stands_in_a_fleet_is_not_repeated() {
    let key = "sk-ant-api03-EXAMPLE0123456789abcdefghijklmnop-AA";
    let slot = "/slots/support-bot-openrouter";
    for place in [
        "/version",
        "/slots",
        slot,
        &format!("{slot}/scope"),
        &format!("{slot}/mode"),
        &format!("{slot}/agent"),
        &format!("{slot}/secret"),
        &format!("{slot}/expected_spend/daily_cents"),
        "/accounts/openrouter-main/provider",
        "/agents/support-bot/environment",
        "/agents/support-bot/owner",
    ] {
        let by_value = fleet(|v| {
            if let Some((above, field)) = place.rsplit_once('/') {
                v.pointer_mut(above).unwrap()[field] = key.into();
            }
        });
        let by_name = fleet(|v| {
            if let Some(object) = v.pointer_mut(place).and_then(|v| v.as_object_mut()) {
                object.insert(key.to_owned(), 1.into());
            }
        });
        for error in [by_value.err(), by_name.err()].into_iter().flatten() {
            assert!(!error.to_string().contains(&key[..12]), "{place}: {error}");
        }
    }
}

#[test]
fn each_fault_is_named_with_its_place() {
    type Change = fn(&mut serde_json::Value);
    let slot = "/slots/support-bot-openrouter";
    assert_eq!(slot.len(), 29);
    let cases: [(&str, Change, &str); 10] = [
        (
            "version",
            |v| v["version"] = 2.into(),
            "version 2 is not known",
        ),
        (
            "zero spend",
            |v| v["slots"]["support-bot-openrouter"]["expected_spend"]["daily_cents"] = 0.into(),
            "above zero",
        ),
        (
            "nothing may be lost",
            |v| {
                v["slots"]["support-bot-openrouter"]["accepted_loss"] =
                    serde_json::json!({"floor_cents": 0})
            },
            "slots.support-bot-openrouter.accepted_loss: must be above zero",
        ),
        (
            "a ceiling below the floor",
            |v| {
                v["slots"]["support-bot-openrouter"]["accepted_loss"] =
                    serde_json::json!({"floor_cents": 30_000})
            },
            "the ceiling is below the floor",
        ),
        (
            "a host in a slot",
            |v| v["slots"]["support-bot-openrouter"]["base_url"] = "https://evil.example".into(),
            "unknown field `base_url`",
        ),
        (
            "unknown provider",
            |v| v["accounts"]["openrouter-main"]["provider"] = "nope".into(),
            "unknown variant `nope`",
        ),
        (
            "unknown agent",
            |v| v["slots"]["support-bot-openrouter"]["agent"] = "other".into(),
            "no agent `other`",
        ),
        (
            "interval under a day",
            |v| {
                v["slots"]["support-bot-openrouter"]["policy"] =
                    serde_json::json!({"max_age_days": 5})
            },
            "rotation interval",
        ),
        (
            "short overlap",
            |v| {
                v["slots"]["support-bot-openrouter"]["policy"] =
                    serde_json::json!({"overlap_minutes": 90})
            },
            "twice the refresh interval",
        ),
        (
            "duplicate",
            |v| {
                let s = v["slots"]["support-bot-openrouter"].clone();
                v["slots"]["other"] = s;
            },
            "keys are never shared",
        ),
    ];
    for (name, change, expected) in cases {
        let error = fleet(change).unwrap_err().to_string();
        assert!(error.contains(expected), "{name}: {error}");
    }
}

#[test]
fn an_iam_user_belongs_to_one_slot() {
    let planned = |account: &str, user: &str| {
        let slot = |agent: &str, account: &str, user: &str| {
            serde_json::json!({
                "agent": agent, "account": account, "scope": {"user": user},
                "secret": format!("arn:aws:secretsmanager:us-east-1:111122223333:secret:{agent}-a1B2c3"),
                "expected_spend": {"daily_cents": 1, "monthly_cents": 1},
            })
        };
        fleet(|v| {
            for name in ["bedrock-main", "bedrock-other"] {
                v["accounts"][name] = serde_json::json!({"provider": "bedrock"});
            }
            for agent in ["one", "two"] {
                v["agents"][agent] = v["agents"]["support-bot"].clone();
            }
            v["slots"]["one"] = slot("one", "bedrock-main", "agent-one");
            v["slots"]["two"] = slot("two", account, user);
        })
    };
    assert!(planned("bedrock-main", "agent-two").is_ok());
    assert!(planned("bedrock-other", "agent-one").is_ok());
    for user in ["agent-one", "Agent-One"] {
        let error = planned("bedrock-main", user).unwrap_err().to_string();
        let expected = "slots.two: has the same place for its keys at bedrock as slot `one`";
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_pair_of_keys_belongs_to_one_slot() {
    let planned = |account: &str| {
        let slot = |agent: &str, account: &str| {
            serde_json::json!({
                "agent": agent, "account": account,
                "secret": format!("arn:aws:secretsmanager:us-east-1:111122223333:secret:{agent}-a1B2c3"),
                "expected_spend": {"daily_cents": 1, "monthly_cents": 1},
            })
        };
        fleet(|v| {
            for name in ["azure-one", "azure-two"] {
                v["accounts"][name] = serde_json::json!({"provider": "azure"});
            }
            for agent in ["one", "two"] {
                v["agents"][agent] = v["agents"]["support-bot"].clone();
            }
            v["slots"]["one"] = slot("one", "azure-one");
            v["slots"]["two"] = slot("two", account);
        })
    };
    assert!(planned("azure-two").is_ok());
    let error = planned("azure-one").unwrap_err().to_string();
    let expected = "slots.two: has the same place for its keys at azure as slot `one`";
    assert!(error.contains(expected), "{error}");
}

const TOML: &str = r#"
#:schema ../shared/core/fleet.schema.json
version = 1

[environments.prod]
expected_spend = { daily_cents = 1500, monthly_cents = 40000 }
policy = { max_age_days = 30, refresh_minutes = 30 }

[accounts.openrouter-main]
provider = "openrouter"

[agents.support-bot]
owner = "ana@example.com"
environment = "prod"

[slots.support-bot-openrouter]
agent = "support-bot"
account = "openrouter-main"
secret = "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/support-a1B2c3"

[slots.support-bot-openrouter.policy]
max_age_days = 45
"#;

#[test]
fn what_an_environment_says_holds_where_a_slot_says_nothing() {
    let fleet = Fleet::read_toml(TOML).unwrap();
    let planned = fleet.check().unwrap().remove(0);
    assert_eq!(planned.expected.daily, MicroDollars::from_dollars(15));
    assert!(!planned.expected_assumed);
    assert_eq!(planned.policy.max_age, SignedDuration::from_hours(45 * 24));
    assert_eq!(planned.policy.refresh, SignedDuration::from_mins(30));
    assert_eq!(planned.policy.overlap, SignedDuration::from_hours(2));
    let json = serde_json::to_string(&fleet).unwrap();
    assert_eq!(Fleet::from_json(&json).unwrap(), fleet);
    let dev = Fleet::read_toml(&TOML.replace("environment = \"prod\"", "environment = \"dev\""));
    let planned = dev.unwrap().check().unwrap().remove(0);
    assert!(planned.expected_assumed);
    assert_eq!(planned.policy.refresh, SignedDuration::from_mins(60));
}

#[test]
fn each_fault_of_a_toml_file_is_told_with_its_line() {
    let hex = "0123456789abcdef".repeat(4);
    for (name, from, to, expected) in [
        (
            "an unknown agent",
            "agent = \"support-bot\"",
            "agent = \"other\"",
            "line 17, slots.support-bot-openrouter.agent: there is no agent `other`",
        ),
        (
            "a policy that cannot be",
            "max_age_days = 45",
            "max_age_days = 5",
            "line 22, slots.support-bot-openrouter.policy.max_age_days",
        ),
        (
            "spend",
            "daily_cents = 1500",
            "daily_cents = 0",
            "line 6, environments.prod.expected_spend: must be above zero",
        ),
        (
            "an unknown field",
            "owner = ",
            "boss = ",
            "line 13, column 1: unknown field `boss`, expected one of `owner`",
        ),
        (
            "an unknown provider",
            "\"openrouter\"",
            "\"nope\"",
            "line 10, column 12: unknown variant `nope`, expected one of `openrouter`",
        ),
        ("no TOML", "version = 1", "version: 1", "line 3, column"),
        (
            "a name twice",
            "[slots.support-bot-openrouter]",
            "[agents.support-bot]",
            "line 16, column",
        ),
        (
            "a key",
            "provider = \"openrouter\"",
            "provider = \"openrouter\" # sk-or-v1-EXAMPLE0123456789abcdef",
            "line 10, this line: holds what looks like a key",
        ),
        (
            "a key without a beginning",
            "secret = ",
            &format!("key = \"{hex}\"\nsecret = "),
            "line 19, this line: holds what looks like a key",
        ),
    ] {
        assert!(TOML.contains(from), "{name}");
        let error = Fleet::read_toml(&TOML.replacen(from, to, 1)).unwrap_err();
        let said = error.0[0].to_string();
        assert!(said.starts_with(expected), "{name}: {said}");
        assert!(!error.to_string().contains("EXAMPLE"), "{name}: {error}");
    }
}

proptest::proptest! {
    /// Whatever somebody types into the file: it is read, or refused with a line that it has.
    #[test]
    fn no_slip_of_the_hand_breaks_the_reader(
        at in 0..TOML.len(),
        gone in 0..20_usize,
        typed in r#"([\[\]{}"'=.,#\n 0-9a-zé]|sk-){0,8}"#,
    ) {
        let rest = TOML.get((at + gone).min(TOML.len())..).unwrap_or_default();
        let text = format!("{}{typed}{rest}", TOML.get(..at).unwrap_or_default());
        if let Err(FleetError(problems)) = Fleet::read_toml(&text) {
            let lines = text.lines().count() + 1;
            for problem in problems {
                proptest::prop_assert!(problem.line.is_some_and(|line| 1 <= line && line <= lines));
            }
        }
    }
}
