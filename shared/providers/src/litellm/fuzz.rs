//! What of LiteLLM's reads bytes.

use keyward_core::model::slot::Scope;
use serde_json::{Map, Value};

use super::reports::Report;
use super::wire::{self, Created, Deleted, KeyInfo, Listed, Row};
use super::{ApiKey, DIALECT, KeyHandle, verdict};
use crate::fuzzing::{Input, Parsed, Parser, Provider, refused};

/// The handle that the samples speak of: the SHA-256 of nothing.
const HANDLE: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

pub(crate) const PROVIDER: Provider = Provider {
    name: "litellm",
    key: "sk-EXAMPLE0123456789abcdef0123456789abcdef0123456789abcdef",
    parsers: &[
        Parser {
            name: "list of keys",
            parse: keys,
        },
        Parser {
            name: "key",
            parse: key,
        },
        Parser {
            name: "key after a change",
            parse: row,
        },
        Parser {
            name: "new key",
            parse: new_key,
        },
        Parser {
            name: "delete",
            parse: deleted,
        },
        Parser {
            name: "change of a limit",
            parse: limit,
        },
        Parser {
            name: "usage and costs",
            parse: report,
        },
        Parser {
            name: "refusal",
            parse: |input| refused(&DIALECT, input),
        },
        Parser {
            name: "verdict",
            parse: |input| crate::fuzzing::verdict(&DIALECT, verdict::of, input),
        },
    ],
    samples: &[
        r#"{"data":[{"id":"m","object":"model"}],"object":"list"}"#,
        r#"{"keys":[{"token":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","key_alias":"n","key_name":"sk-...a1b2","blocked":null,"team_id":"team-EXAMPLE","user_id":"default_user_id","spend":0.25,"max_budget":5.0,"budget_duration":"1d","created_at":"2026-11-24T00:00:00Z","expires":"2027-01-24T00:00:00","last_active":null,"models":["m"],"allowed_routes":[]}],"total_count":1,"current_page":1,"total_pages":1}"#,
        r#"{"key":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","info":{"key_alias":"n","blocked":true,"status":"active","deleted_at":null}}"#,
        r#"{"key":"sk-EXAMPLE","token_id":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","expires":"2027-01-24T00:00:00Z"}"#,
        r#"{"deleted_keys":["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]}"#,
        r#"{"results":[{"date":"2026-11-24","metrics":{"spend":1.5},"breakdown":{"models":{"m":{"metrics":{"spend":1.5},"api_key_breakdown":{"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855":{"metrics":{"spend":1.5,"api_requests":3,"prompt_tokens":10,"completion_tokens":5,"cache_read_input_tokens":1,"cache_creation_input_tokens":2},"metadata":{"team_id":"team-EXAMPLE"}}}}},"api_keys":{"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855":{"metrics":{"spend":1.5},"metadata":{}}}}}],"metadata":{"has_more":true}}"#,
        r#"{"error":{"message":"Authentication Error, Key is blocked. Update via `/key/unblock` if you're an admin.","type":"auth_error","param":"None","code":"401"}}"#,
        r#"{"detail":{"error":"Key with alias 'n' already exists."}}"#,
    ],
};

fn keys(input: &Input<'_>) -> Parsed {
    let listed = wire::read::<Listed>(input.body).and_then(Listed::into_records);
    Parsed::data(&listed.map(|listed| (listed.keys, listed.page, listed.pages)))
}

fn key(input: &Input<'_>) -> Parsed {
    let Ok(handle) = HANDLE.parse::<KeyHandle>() else {
        return Parsed::default();
    };
    Parsed::data(&wire::read::<KeyInfo>(input.body).map(|info| info.about(&handle)))
}

fn row(input: &Input<'_>) -> Parsed {
    Parsed::data(&wire::read::<Row>(input.body).map(Row::into_record))
}

/// As in an `IssuedKey`.
fn new_key(input: &Input<'_>) -> Parsed {
    let created = wire::read::<Created>(input.body);
    Parsed::printed(&created.map(|made| (ApiKey::new(made.text()), made.expires())))
}

fn deleted(input: &Input<'_>) -> Parsed {
    Parsed::data(&wire::read::<Deleted>(input.body).map(|done| done.deleted_keys))
}

fn limit(input: &Input<'_>) -> Parsed {
    Parsed::data(&wire::read::<Map<String, Value>>(input.body).is_some())
}

fn report(input: &Input<'_>) -> Parsed {
    let Some(report) = Report::read(input.body) else {
        return Parsed::default();
    };
    let team = Scope {
        workspace: "team-EXAMPLE".parse().ok(),
        ..Scope::default()
    };
    let days = report.days.iter();
    let read: Vec<_> = days
        .map(|day| (day.usage(&team), day.costs(&Scope::default())))
        .collect();
    Parsed::data(&read)
}
