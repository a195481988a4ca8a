//! What an answer to `GET /models` says about the key that asked. By body, never by status alone.
//!
//! | answer | verdict | source |
//! | --- | --- | --- |
//! | 200 with a list | live | <https://developers.openai.com/api/reference/resources/models> |
//! | 401 `invalid_api_key` | dead: unknown, deleted or expired | <https://github.com/continuedev/continue/issues/11409> (a recorded body) |
//! | 401 or 403 that speaks of missing scopes, code null | blocked for scope: the key is known | <https://community.openai.com/t/1374480> (a recorded body) |
//! | 429 with a code of money | blocked for money | <https://developers.openai.com/api/docs/guides/error-codes> |
//!
//! A refusal because of where the call comes from (401 for an address that is not allowed, 403 for an unsupported
//! country), or because the organization lacks the caller, says nothing about the key: unknown, like everything else.

use http::StatusCode;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::Verdict;
use serde::de::IgnoredAny;

use super::wire::{ErrorData, List};
use crate::http::Answer;

/// Codes of a 429 that mean money, beside the spend limits of organization and project.
/// <https://developers.openai.com/api/docs/guides/error-codes>
const MONEY: [&str; 3] = [
    "credit_balance_exhausted",
    "organization_usage_limit_exceeded",
    INSUFFICIENT_QUOTA,
];

/// A code, and the type of errors about money from before they had codes of their own.
const INSUFFICIENT_QUOTA: &str = "insufficient_quota";

pub(super) fn of(answer: &Answer) -> Verdict {
    let detail = answer.detail.clone();
    if answer.status == StatusCode::OK {
        return match List::<IgnoredAny>::read(&answer.body) {
            Some(_) => Verdict::Live,
            None => Verdict::Unknown(OutsideText::new(
                "HTTP 200 with a body that is no list of models",
            )),
        };
    }
    let Some(error) = ErrorData::read(&answer.body) else {
        return Verdict::Unknown(detail);
    };
    let code = error.code.as_deref();
    match answer.status {
        StatusCode::UNAUTHORIZED if code == Some("invalid_api_key") => Verdict::Dead(detail),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if is_about_scope(&error) => {
            Verdict::BlockedForScope(detail)
        }
        StatusCode::TOO_MANY_REQUESTS if is_about_money(&error) => Verdict::BlockedForMoney(detail),
        _ => Verdict::Unknown(detail),
    }
}

/// The code first: the type may say `insufficient_quota` beside any.
fn is_about_money(error: &ErrorData) -> bool {
    match error.code.as_deref() {
        Some(code) => MONEY.contains(&code) || code.ends_with("_spend_limit_exceeded"),
        None => error.kind == INSUFFICIENT_QUOTA,
    }
}

/// Such errors have no code of their own, or `missing_scope`.
fn is_about_scope(error: &ErrorData) -> bool {
    let missing = || error.message.contains("Missing scopes:");
    match error.code.as_deref() {
        Some(code) => code == "missing_scope",
        None => missing(),
    }
}
