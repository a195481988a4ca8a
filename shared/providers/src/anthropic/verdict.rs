//! What an answer to `GET /v1/models` says about the key that asked. By body, never by status alone.
//!
//! `Dead` comes from Anthropic's own 401 `authentication_error` (malformed, revoked, expired or inactive:
//! <https://platform.claude.com/docs/en/api/errors>), and from its own 404 `not_found_error`, which it may give for a
//! disabled key in place of that: the list of models exists for every key that works, so "not found" can only be about
//! the key.

use http::StatusCode;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::Verdict;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::wire::ErrorData;
use crate::http::Answer;

/// Values of `error.details.error_code` that mean money:
/// <https://platform.claude.com/docs/en/api/rate-limits>.
const MONEY_CODES: [&str; 2] = [
    "enforced_spend_limit_reached",
    "contract_spend_limit_reached",
];

/// How the message of a spending limit that a customer set begins; its type is that of any bad request.
const OWN_LIMIT: &str = "You have reached your specified";

/// How a 401 begins that says nothing of the key.
const CORS: &str = "CORS requests are not allowed";

pub(super) fn of(answer: &Answer) -> Verdict {
    let detail = answer.detail.clone();
    if answer.status == StatusCode::OK {
        return accepted(answer);
    }
    let Some(error) = ErrorData::read(&answer.body) else {
        return Verdict::Unknown(detail);
    };
    match (answer.status.as_u16(), error.kind.as_str()) {
        (401, "authentication_error") if error.message.starts_with(CORS) => {
            Verdict::Unknown(detail)
        }
        (401, "authentication_error") | (404, "not_found_error") => Verdict::Dead(detail),
        (400 | 402, "billing_error") => Verdict::BlockedForMoney(detail),
        (400, "invalid_request_error") if error.message.starts_with(OWN_LIMIT) => {
            Verdict::BlockedForMoney(detail)
        }
        (429, _) if error.code().is_some_and(|code| MONEY_CODES.contains(&code)) => {
            Verdict::BlockedForMoney(detail)
        }
        (403, "permission_error") => Verdict::BlockedForScope(detail),
        _ => Verdict::Unknown(detail),
    }
}

fn accepted(answer: &Answer) -> Verdict {
    #[derive(Deserialize)]
    struct Models {
        #[serde(rename = "data")]
        _data: Vec<IgnoredAny>,
        #[serde(default)]
        error: Option<IgnoredAny>,
    }
    match serde_json::from_slice::<Models>(&answer.body) {
        Ok(Models { error: None, .. }) => Verdict::Live,
        _ => Verdict::Unknown(OutsideText::new(
            "HTTP 200 with a body that is no list of models",
        )),
    }
}
