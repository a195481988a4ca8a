//! What an answer to `GET /v1/models` says about the key that asked. By the type in the body, never by status alone.
//!
//! | answer | verdict |
//! | --- | --- |
//! | 200 with a list | live |
//! | 401 `token_not_found_in_db` | dead: unknown or deleted |
//! | 401 `expired_key`, 400 in older releases | dead |
//! | 401 `auth_error` that begins with "Authentication Error, Key is blocked." | dead: suspended |
//! | `budget_exceeded`, whatever the status | blocked for money: the status is a setting (`budget_exceeded_status_code`), 422 if it is not set |
//! | a type of a denied model | blocked for scope |
//! | 403 `auth_error` about a route that the key may not call; 401 about a blocked team | blocked for scope |
//!
//! Everything else is unknown: 401 `auth_error` says the same of a key, of a user and of a proxy in trouble.
//! `litellm/proxy/auth/user_api_key_auth.py`, `auth_exception_handler.py` and `route_checks.py`,
//! <https://github.com/BerriAI/litellm>, release 1.108.7; the 400 of older releases is not verified.

use http::StatusCode;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::Verdict;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::wire::{self, ErrorData};
use crate::http::Answer;

const BLOCKED: &str = "Authentication Error, Key is blocked.";
const NO_SUCH_ROUTE: &str = "Virtual key is not allowed to call this route.";
const TEAM: &str = "Authentication Error, Team=";

pub(super) fn of(answer: &Answer) -> Verdict {
    let detail = answer.detail.clone();
    if answer.status == StatusCode::OK {
        return accepted(answer);
    }
    let Some(error) = ErrorData::read(answer.status.as_u16(), &answer.body) else {
        return Verdict::Unknown(detail);
    };
    let says = |begin: &str| error.message.starts_with(begin);
    match (answer.status.as_u16(), error.kind()) {
        (401, "token_not_found_in_db") | (400 | 401, "expired_key") => Verdict::Dead(detail),
        (401, "auth_error") if says(BLOCKED) => Verdict::Dead(detail),
        (_, "budget_exceeded") => Verdict::BlockedForMoney(detail),
        (_, kind) if kind.ends_with("_model_access_denied") => Verdict::BlockedForScope(detail),
        (403, "auth_error") if says(NO_SUCH_ROUTE) => Verdict::BlockedForScope(detail),
        (401, "auth_error") if says(TEAM) && error.message.contains(" is blocked.") => {
            Verdict::BlockedForScope(detail)
        }
        _ => Verdict::Unknown(detail),
    }
}

fn accepted(answer: &Answer) -> Verdict {
    #[derive(Deserialize)]
    struct Models {
        #[serde(rename = "data")]
        _data: Vec<IgnoredAny>,
    }
    match wire::read::<Models>(&answer.body) {
        Some(_) => Verdict::Live,
        None => Verdict::Unknown(OutsideText::new(
            "HTTP 200 with a body that is no list of models",
        )),
    }
}
