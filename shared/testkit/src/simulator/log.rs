//! What the provider was asked, and what it answered.

use jiff::Timestamp;
use keyward_core::model::names::KeyHandle;
use serde::{Deserialize, Serialize};

use super::faults::Fault;

/// One request as the provider saw it. Carries no key text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedRequest {
    /// When it came.
    pub at: Timestamp,
    /// HTTP method.
    pub method: String,
    /// Path and query below the API's base.
    pub path: String,
    /// Who asked.
    pub caller: Caller,
    /// What for.
    pub kind: RequestKind,
    /// The name that a create asked for.
    pub label: Option<String>,
    /// The status that was sent; absent if none was.
    pub status: Option<u16>,
    /// What was made to go wrong.
    pub fault: Option<Fault>,
}

impl LoggedRequest {
    /// Whether it carried the key with this handle.
    pub fn is_by(&self, handle: &KeyHandle) -> bool {
        matches!(&self.caller, Caller::Key(by) if by == handle)
    }

    /// Whether it was an agent's call that was not answered with success.
    pub fn is_failed_agent_call(&self) -> bool {
        self.kind == RequestKind::Agent && !self.status.is_some_and(|s| (200..300).contains(&s))
    }
}

/// Whose credential a request carried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Caller {
    /// The management key.
    Management,
    /// A key of the account, deleted ones included.
    Key(KeyHandle),
    /// A credential that the account never had.
    Unknown,
    /// No credential.
    Nobody,
}

/// What a request was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// An agent's call to a model.
    Agent,
    /// A key asking about itself, free of cost.
    Verify,
    /// Administration of keys.
    Admin,
}
