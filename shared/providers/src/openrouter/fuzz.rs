//! What of OpenRouter's reads bytes.

use super::reports::read_rows;
use super::wire::{self, Created, Deleted, KeyData};
use super::{ApiKey, DIALECT, KeyRecord, verdict};
use crate::fuzzing::{Input, Parsed, Parser, Provider, refused};

pub(crate) const PROVIDER: Provider = Provider {
    name: "openrouter",
    key: "sk-or-v1-EXAMPLE0123456789abcdef0123456789abcdef0123456789abcdef012",
    parsers: &[
        Parser {
            name: "list of keys",
            parse: keys,
        },
        Parser {
            name: "key",
            parse: |input| Parsed::data(&wire::data(input.body).map(KeyData::into_record)),
        },
        Parser {
            name: "new key",
            parse: created,
        },
        Parser {
            name: "delete",
            parse: deleted,
        },
        Parser {
            name: "activity",
            parse: |input| Parsed::data(&read_rows(input.body)),
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
        r#"{"data":[{"hash":"f0f0","name":"n","disabled":false,"label":"sk-or-v1-0e6...1c96","limit":5,"limit_reset":"daily","usage":1.5,"byok_usage":0,"created_at":"2026-11-24T00:00:00Z"}]}"#,
        r#"{"data":{"hash":"f0f0","name":"n","disabled":false,"expires_at":"2026-12-24T00:00:00Z"},"key":"sk-or-v1-EXAMPLE"}"#,
        r#"{"data":{"label":"l","usage":1,"limit":5,"limit_remaining":0,"is_management_key":false}}"#,
        r#"{"deleted":true}"#,
        r#"{"data":[{"date":"2026-11-24","model":"m","model_permaslug":"m-1","endpoint_id":"e","provider_name":"P","usage":0.015,"byok_usage_inference":0.012,"requests":5,"prompt_tokens":50,"completion_tokens":125,"reasoning_tokens":25}]}"#,
        r#"{"error":{"code":403,"message":"Key limit exceeded","metadata":{"limit_source":"openrouter_key_limit","error_type":"permission_denied"}}}"#,
    ],
};

fn keys(input: &Input<'_>) -> Parsed {
    let rows: Option<Vec<KeyData>> = wire::data(input.body);
    let keys = rows.map(|rows| rows.into_iter().map(KeyData::into_record));
    Parsed::data(&keys.map(Iterator::collect::<Vec<KeyRecord>>))
}

/// As in an `IssuedKey`.
fn created(input: &Input<'_>) -> Parsed {
    let created = Created::read(input.body);
    Parsed::printed(&created.map(|created| {
        let expires = created.data.into_record().expires;
        (ApiKey::new(&created.key), expires)
    }))
}

fn deleted(input: &Input<'_>) -> Parsed {
    let done: Option<Deleted> = serde_json::from_slice(input.body).ok();
    Parsed::data(&done.map(|done| done.deleted))
}
