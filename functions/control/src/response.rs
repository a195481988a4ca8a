//! Answers over HTTP.

use keyward_core::ports::InventoryError;
use keyward_core::usecases::known_slot::SlotError;
use keyward_lambda::diagnostic::chain;
use serde_json::{Value, json};

const NOTHING_CHANGED: &str = "Nothing was changed.";

const UNSURE: &str = "It may be done, all of it or a part.";

/// Why a request was not carried out, or not to its end, for the person who sent it.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    /// What happened.
    pub(crate) what: String,
    /// What is certain of its effect.
    safe: &'static str,
    /// What to do next.
    pub(crate) next: String,
}

impl Refusal {
    pub(crate) fn new(status: u16, what: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            status,
            what: what.into(),
            safe: NOTHING_CHANGED,
            next: next.into(),
        }
    }

    /// The same where something may have been done before it went wrong.
    pub(crate) fn unsure(self) -> Self {
        Self {
            safe: UNSURE,
            ..self
        }
    }

    /// The same with other words for what is certain.
    pub(crate) fn safe(self, safe: &'static str) -> Self {
        Self { safe, ..self }
    }

    /// The caller must change the request.
    pub(crate) fn bad(what: impl Into<String>) -> Self {
        Self::new(400, what, "Mend the request and send it again.")
    }

    /// Of an error and its causes; 503 where the same request may succeed later.
    pub(crate) fn of(error: &(dyn std::error::Error + 'static), retryable: bool) -> Self {
        if retryable {
            Self::new(503, chain(error), "Send it again in a moment.")
        } else {
            Self::new(409, chain(error), "Mend the cause, then send it again.")
        }
    }
}

impl From<InventoryError> for Refusal {
    fn from(error: InventoryError) -> Self {
        Self::of(&error, error.is_retryable())
    }
}

impl From<SlotError> for Refusal {
    fn from(error: SlotError) -> Self {
        match error {
            SlotError::Unknown(_) => {
                Self::new(404, error.to_string(), "Look at the names: keyward status")
            }
            SlotError::Decommissioned(_) => Self::of(&error, false),
            SlotError::Inventory(error) => error.into(),
        }
    }
}

/// The answer that a function URL expects:
/// <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-response-payload>.
pub(crate) fn answer(done: Result<Value, Refusal>) -> Value {
    let (status, body) = match done {
        Ok(body) => (200, body),
        Err(refusal) => (
            refusal.status,
            json!({
                "what": refusal.what,
                "safe": refusal.safe,
                "next": refusal.next,
            }),
        ),
    };
    json!({
        "statusCode": status,
        "headers": {"content-type": "application/json", "cache-control": "no-store"},
        "body": body.to_string(),
    })
}
