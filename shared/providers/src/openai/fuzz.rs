//! What of OpenAI's reads bytes.

use serde::Deserialize;

use super::reports::{read_costs, read_usage};
use super::wire::{self, Deleted, List, Named, NewAccount, NewKey, Row};
use super::{ApiKey, Cursor, DIALECT, KeyRecord, verdict};
use crate::api::unreadable;
use crate::fuzzing::{Input, Parsed, Parser, Provider, now, query, refused};
use crate::http::Repeat;

pub(crate) const PROVIDER: Provider = Provider {
    name: "openai",
    key: "sk-svcacct-EXAMPLE0123456789T3BlbkFJ0123456789abcdef0123456789abcdef",
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
            name: "new key",
            parse: new_key,
        },
        Parser {
            name: "new service account",
            parse: new_account,
        },
        Parser {
            name: "delete",
            parse: other,
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
        r#"{"object":"list","data":[{"object":"model","id":"m"}]}"#,
        r#"{"object":"organization.project.api_key.deleted","id":"key_EXAMPLE","deleted":true}"#,
        r#"{"object":"organization.project.service_account","id":"svc_acct_EXAMPLE","name":"n","role":"member","created_at":1}"#,
        r#"{"id":"key_EXAMPLE","value":"sk-svcacct-EXAMPLE","name":"n","created_at":1790000000,"expires_at":1799999999}"#,
        r#"{"error":{"message":"Incorrect API key provided: k.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#,
        r#"{"error":{"message":"Missing scopes: model.request","type":"invalid_request_error","param":null,"code":null}}"#,
    ],
};

fn keys(input: &Input<'_>) -> Parsed {
    let Some(list) = List::<Row>::read(input.body) else {
        return Parsed::default();
    };
    let next = Cursor {
        seen: 100,
        after: "key_EXAMPLEold",
    }
    .next(&list);
    let listed = list.data.into_iter().filter(|row| !row.has_ended(now()));
    let keys: Option<Vec<KeyRecord>> = listed.map(|row| row.into_record("proj_EXAMPLE")).collect();
    Parsed::outcome(&next.map(|next| (keys, next)))
}

fn key(input: &Input<'_>) -> Parsed {
    let row = wire::read::<Row>(input.body);
    let record = row.and_then(|row| {
        let _ = row.account();
        row.into_record("proj_EXAMPLE")
    });
    Parsed::data(&record)
}

fn new_key(input: &Input<'_>) -> Parsed {
    Parsed::printed(&wire::read::<NewKey>(input.body).map(|key| shown(&key)))
}

fn new_account(input: &Input<'_>) -> Parsed {
    let account = wire::read::<NewAccount>(input.body);
    Parsed::printed(&account.map(|account| account.api_key.map(|key| shown(&key))))
}

/// As in an `IssuedKey`.
fn shown(key: &NewKey) -> impl std::fmt::Debug + use<> {
    (ApiKey::new(&key.value), key.expires())
}

fn other(input: &Input<'_>) -> Parsed {
    fn is<T: for<'de> Deserialize<'de>>(body: &[u8]) -> bool {
        wire::read::<T>(body).is_some()
    }
    let done = wire::read::<Deleted>(input.body).map(|done| done.deleted);
    Parsed::data(&(done, is::<Named>(input.body)))
}

fn usage(input: &Input<'_>) -> Parsed {
    let mut parsed = Parsed::default();
    for part in 0..3 {
        let page = query(part).and_then(|query| read_usage(input.body, &query));
        let page = page.unwrap_or_else(|| Err(unreadable(Repeat::Safe, "unreadable")));
        parsed.add(&Parsed::outcome(&page));
    }
    parsed
}

fn costs(input: &Input<'_>) -> Parsed {
    let page = query(0).and_then(|query| read_costs(input.body, &query));
    Parsed::outcome(&page.unwrap_or_else(|| Err(unreadable(Repeat::Safe, "unreadable"))))
}
