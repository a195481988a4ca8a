//! What an answer to `GET /models` says about the key that asked. By body, never by status alone.
//!
//! `Dead` comes only from OpenAI's own 401 with the code `invalid_api_key`: an incorrect, deleted, disabled or expired
//! key. <https://platform.openai.com/docs/guides/error-codes>

use http::StatusCode;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::Verdict;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::wire::ErrorData;
use crate::http::Answer;

/// Codes that mean money, whatever the type says:
/// <https://platform.openai.com/docs/guides/error-codes>.
const MONEY_CODES: [&str; 5] = [
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "insufficient_quota",
];

/// How a refusal reads for a key that lacks a permission. It is a 401 or 403 of type `invalid_request_error` with no
/// code, so only the words tell: <https://github.com/continuedev/continue/issues/10059>.
const MISSING: &str = "Missing scopes";

pub(super) fn of(answer: &Answer) -> Verdict {
    let detail = answer.detail.clone();
    if answer.status == StatusCode::OK {
        return accepted(answer);
    }
    let Some(error) = ErrorData::read(&answer.body) else {
        return Verdict::Unknown(detail);
    };
    let code = error.code();
    match answer.status.as_u16() {
        401 | 403 if error.message.contains(MISSING) => Verdict::BlockedForScope(detail),
        401 if code == Some("invalid_api_key") => Verdict::Dead(detail),
        429 if code.is_some_and(|code| MONEY_CODES.contains(&code)) => {
            Verdict::BlockedForMoney(detail)
        }
        429 if code.is_none() && error.kind.as_deref() == Some("insufficient_quota") => {
            Verdict::BlockedForMoney(detail)
        }
        _ => Verdict::Unknown(detail),
    }
}

fn accepted(answer: &Answer) -> Verdict {
    #[derive(Deserialize)]
    struct Models {
        object: String,
        #[serde(rename = "data")]
        _data: Vec<IgnoredAny>,
        #[serde(default)]
        error: Option<IgnoredAny>,
    }
    match serde_json::from_slice::<Models>(&answer.body) {
        Ok(models) if models.object == "list" && models.error.is_none() => Verdict::Live,
        _ => Verdict::Unknown(OutsideText::new(
            "HTTP 200 with a body that is no list of models",
        )),
    }
}
