//! What an answer to `GET /key` says about the key that asked. By body, never by status alone.
//!
//! `Dead` comes only from OpenRouter's own 401: a disabled, deleted, expired or unknown key.
//! <https://openrouter.ai/docs/api-reference/errors>

use http::StatusCode;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::Verdict;

use super::wire::{self, CurrentKey, ErrorData};
use crate::http::Answer;

/// Values of `error.metadata.limit_source` that mean money.
/// <https://openrouter.ai/docs/api-reference/limits>
const MONEY_SOURCES: [&str; 5] = [
    "openrouter_key_limit",
    "openrouter_workspace_budget",
    "openrouter_guardrail_budget",
    "openrouter_credits",
    "openrouter_in_flight_budget",
];

pub(super) fn of(answer: &Answer) -> Verdict {
    let detail = answer.detail.clone();
    if answer.status == StatusCode::OK {
        return accepted(answer);
    }
    let Some(error) = ErrorData::read(answer.status.as_u16(), &answer.body) else {
        return Verdict::Unknown(detail);
    };
    match answer.status {
        StatusCode::UNAUTHORIZED => Verdict::Dead(detail),
        StatusCode::PAYMENT_REQUIRED => Verdict::BlockedForMoney(detail),
        StatusCode::FORBIDDEN if is_about_money(&error) => Verdict::BlockedForMoney(detail),
        StatusCode::FORBIDDEN if is_about_scope(&error) => Verdict::BlockedForScope(detail),
        _ => Verdict::Unknown(detail),
    }
}

fn accepted(answer: &Answer) -> Verdict {
    let Some(key) = wire::data::<CurrentKey>(&answer.body) else {
        return Verdict::Unknown(OutsideText::new(
            "HTTP 200 with a body that does not describe a key",
        ));
    };
    if key.is_management_key || key.is_provisioning_key {
        // It is alive, but can do no inference: an agent must never get it.
        return Verdict::BlockedForScope(OutsideText::new("a management key, not an agent's key"));
    }
    let used_up = |left: serde_json::Number| left.as_f64().is_some_and(|left| left <= 0.0);
    if key.limit.is_some() && key.limit_remaining.is_some_and(used_up) {
        return Verdict::BlockedForMoney(OutsideText::new("the key's own limit is used up"));
    }
    Verdict::Live
}

/// By the structured source; older answers have only the message ("Key limit exceeded (total limit).",
/// "Workspace monthly budget of $… exceeded").
fn is_about_money(error: &ErrorData) -> bool {
    if let Some(source) = error.metadata("limit_source") {
        return MONEY_SOURCES.contains(&source);
    }
    let message = error.message.to_ascii_lowercase();
    message.starts_with("key limit exceeded")
        || (message.contains("budget") && message.contains("exceeded"))
}

fn is_about_scope(error: &ErrorData) -> bool {
    let message = error.message.to_ascii_lowercase();
    error.metadata("error_type") == Some("permission_denied")
        || message.starts_with("only management keys")
        || message.contains("insufficient permission")
}
