//! What of Anthropic's reads bytes.

use super::reports::{read_costs, read_usage};
use super::wire::{KeyData, KeyPage};
use super::{DIALECT, KeyRecord, Scope, next_page, verdict};
use crate::api::unreadable;
use crate::fuzzing::{Input, Parsed, Parser, Provider, query, refused};
use crate::http::Repeat;

pub(crate) const PROVIDER: Provider = Provider {
    name: "anthropic",
    key: "sk-ant-api03-EXAMPLE0123456789abcdef0123456789abcdef0123456789abcdefAA",
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
            name: "usage",
            parse: usage,
        },
        Parser {
            name: "costs",
            parse: costs,
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
        r#"{"data":[{"type":"model","id":"m"}],"has_more":false}"#,
        r#"{"data":[{"starting_at":"2026-11-24T00:00:00Z","ending_at":"2026-11-25T00:00:00Z","results":[{"uncached_input_tokens":1500,"cache_creation":{"ephemeral_1h_input_tokens":1000,"ephemeral_5m_input_tokens":500},"cache_read_input_tokens":200,"output_tokens":500,"server_tool_use":{"web_search_requests":10},"api_key_id":"apikey_EXAMPLE","workspace_id":"wrkspc_EXAMPLE","model":"m"}]}],"has_more":true,"next_page":"page_EXAMPLE2"}"#,
        r#"{"data":[{"starting_at":"2026-11-24T00:00:00Z","ending_at":"2026-11-25T00:00:00Z","group":{"api_key_id":"apikey_EXAMPLE"},"cost":{"amount":"12345.678912","currency":"USD","list_amount":"1","requests":1}}],"has_more":true,"next_page":"page_EXAMPLE2"}"#,
        r#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"},"request_id":"req_EXAMPLE"}"#,
        r#"{"type":"error","error":{"type":"rate_limit_error","message":"m","details":{"error_code":"enforced_spend_limit_reached"}}}"#,
    ],
};

fn keys(input: &Input<'_>) -> Parsed {
    let Ok(page) = serde_json::from_slice::<KeyPage>(input.body) else {
        return Parsed::default();
    };
    let next = next_page(page.has_more, page.last_id, Some("apikey_EXAMPLE"));
    let keys = page.data.into_iter().filter(|key| !key.has_ended());
    let keys: Vec<KeyRecord> = keys.map(KeyData::into_record).collect();
    Parsed::outcome(&next.map(|next| (keys, next)))
}

fn key(input: &Input<'_>) -> Parsed {
    let key: Option<KeyData> = serde_json::from_slice(input.body).ok();
    Parsed::data(&key.map(|key| (key.has_ended(), key.status, key.into_record())))
}

fn usage(input: &Input<'_>) -> Parsed {
    let scope = Scope {
        workspace: "wrkspc_EXAMPLE".parse().ok(),
        ..Scope::default()
    };
    let page = query(0).and_then(|query| read_usage(input.body, &query, &scope));
    Parsed::outcome(&page.unwrap_or_else(|| Err(unreadable(Repeat::Safe, "unreadable"))))
}

fn costs(input: &Input<'_>) -> Parsed {
    let page = query(0).and_then(|query| read_costs(input.body, &query, 2));
    Parsed::outcome(&page.unwrap_or_else(|| Err(unreadable(Repeat::Safe, "unreadable"))))
}
