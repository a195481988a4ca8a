//! What of Gemini's reads bytes.

use super::wire::{self, KeyString, Listed, Operation, Row, State};
use super::{ApiKey, DIALECT, verdict};
use crate::fuzzing::{Input, Parsed, Parser, Provider, answer, now, refused};
use crate::oauth;

pub(crate) const PROVIDER: Provider = Provider {
    name: "gemini",
    key: "AIzaSyEXAMPLE0123456789abcdef0123456789",
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
            name: "text of a key",
            parse: text,
        },
        Parser {
            name: "operation",
            parse: operation,
        },
        Parser {
            name: "access token",
            parse: token,
        },
        Parser {
            name: "refusal",
            parse: |input| refused(&DIALECT, input),
        },
        Parser {
            name: "verdict",
            parse: |input| crate::fuzzing::verdict(&DIALECT, verdict::of, input),
        },
        Parser {
            name: "count of tokens",
            parse: |input| crate::fuzzing::verdict(&DIALECT, verdict::of_a_count, input),
        },
        Parser {
            name: "model to count with",
            parse: |input| {
                let model = answer(DIALECT.scheme, input).map(|a| verdict::counting_model(&a));
                Parsed::data(&model)
            },
        },
    ],
    samples: &[
        r#"{"models":[{"name":"models/gemini-1","supportedGenerationMethods":["generateContent","countTokens"]}]}"#,
        r#"{"totalTokens":1}"#,
        r#"{"keyString":"AIzaSyEXAMPLE0123456789abcdef0123456789"}"#,
        r#"{"access_token":"ya29.EXAMPLE0123456789","expires_in":3599,"token_type":"Bearer"}"#,
        r#"{"error":"invalid_grant","error_description":"Invalid JWT Signature."}"#,
        r#"{"name":"operations/akmf.EXAMPLE"}"#,
        r#"{"name":"operations/akmf.EXAMPLE","done":true,"error":{"code":8,"message":"Quota exceeded","details":[]}}"#,
        r#"{"name":"operations/akmf.EXAMPLE","done":true,"response":{"name":"projects/1/locations/global/keys/a","restrictions":{"apiTargets":[{"service":"generativelanguage.googleapis.com","methods":["List*"]}],"serverKeyRestrictions":{"allowedIps":["192.0.2.1"]}}}}"#,
        r#"{"keys":[{"name":"projects/1/locations/global/keys/a","displayName":"n","createTime":"2026-11-25T15:00:00Z","deleteTime":"2026-11-26T15:00:00Z","annotations":{"keyward-label":"l"}}],"nextPageToken":"t"}"#,
        r#"{"error":{"code":400,"message":"no","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com"}]}}"#,
    ],
};

fn keys(input: &Input<'_>) -> Parsed {
    let listed = wire::read::<Listed>(input.body);
    let listed = listed.map(|listed| {
        let next = listed.next().map(str::to_owned);
        let deleted: Vec<_> = listed.keys.iter().map(Row::deleted).collect();
        let keys: Vec<_> = listed
            .keys
            .into_iter()
            .map(|row| row.into_record("example-1"))
            .collect();
        (next, deleted, keys)
    });
    Parsed::data(&listed)
}

fn key(input: &Input<'_>) -> Parsed {
    let row = wire::read::<Row>(input.body);
    Parsed::data(&row.map(|row| (row.is_deleted(), row.into_record("example-1"))))
}

fn text(input: &Input<'_>) -> Parsed {
    let read = wire::read::<KeyString>(input.body);
    Parsed::printed(&read.map(|read| ApiKey::new(&read.key_string)))
}

fn operation(input: &Input<'_>) -> Parsed {
    let Some(operation) = Operation::read(input.body) else {
        return Parsed::default();
    };
    match operation.state {
        State::GoesOn => Parsed::data(&operation.id),
        State::Done(key) => {
            let row = serde_json::from_value::<Row>(key).ok();
            Parsed::data(&row.map(|row| row.into_record("example-1")))
        }
        State::Failed(status) => Parsed::error(&status.of_a_create()),
    }
}

fn token(input: &Input<'_>) -> Parsed {
    let read = answer(DIALECT.scheme, input).map(|answer| oauth::token(&answer, now(), &[]));
    match read {
        Some(Ok(token)) => Parsed::printed(&token),
        Some(Err(error)) => Parsed::error(&error),
        None => Parsed::default(),
    }
}
