//! What of Azure's reads bytes.

use super::handle::{self, Place};
use super::wire::{self, Pair};
use super::{DIALECT, token, verdict};
use crate::fuzzing::{Input, Parsed, Parser, Provider, answer, now, refused};
use crate::oauth;

pub(crate) const PROVIDER: Provider = Provider {
    name: "azure",
    key: "EXAMPLE0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdefJQQJ99BKACYAB",
    parsers: &[
        Parser {
            name: "keys",
            parse: keys,
        },
        Parser {
            name: "token",
            parse: new_token,
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
        r#"{"key1":"EXAMPLE0123456789abcdef01234567","key2":"EXAMPLE0123456789abcdef76543210"}"#,
        r#"{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"eyJEXAMPLE.0123"}"#,
        r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided.","error_codes":[7000215]}"#,
        r#"{"error":{"code":"AuthorizationFailed","message":"The client does not have authorization."}}"#,
        r#"{"error":{"code":"401","message":"Access denied due to invalid subscription key or wrong API endpoint."}}"#,
        r#"{"error":{"code":"AuthenticationTypeDisabled","message":"Key based authentication is disabled for this resource."}}"#,
        r#"{"data":[{"id":"example-model","object":"model"}],"object":"list"}"#,
    ],
};

/// As in a list, and as in an `IssuedKey`.
fn keys(input: &Input<'_>) -> Parsed {
    let pair = Pair::read(input.body);
    let records = pair.as_ref().map(|pair| {
        Place::ALL.map(|place| {
            let key = pair.text(place);
            let handle = handle::handle("keyward-example", place, &key.fingerprint());
            handle.map(|handle| wire::record(place, handle, key))
        })
    });
    Parsed {
        whole: format!("{records:?}"),
        printed: format!("{pair:?}"),
    }
}

fn new_token(input: &Input<'_>) -> Parsed {
    answer(DIALECT.scheme, input).map_or_else(Parsed::default, |answer| {
        Parsed::printed(&oauth::token(&answer, now(), token::PASSING))
    })
}
