//! The deployment's functions as such, and what they were seen to do.

use async_trait::async_trait;
use jiff::Timestamp;

use super::lists::ListError;
use crate::model::text::OutsideText;

/// How many invocations of a function may run at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concurrency {
    /// As many as the account has left.
    Shared,
    /// So many, kept for it; at zero it does not run at all.
    Reserved(u32),
}

/// One function as it is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionState {
    /// What it may run at a time now.
    pub concurrency: Concurrency,
    /// What it could before a lockdown; `None` where none is on.
    pub before_lockdown: Option<Concurrency>,
}

/// Stops functions, and lets them run again. Every call may be repeated.
#[async_trait]
pub trait FunctionSwitch: Send + Sync {
    /// How the function is set; `None` if there is none of that name.
    ///
    /// # Errors
    /// [`ListError`].
    async fn state(&self, function: &str) -> Result<Option<FunctionState>, ListError>;

    /// Writes down, beside the function, what it may run at a time before a lockdown.
    ///
    /// # Errors
    /// [`ListError`].
    async fn remember(&self, function: &str, before: Concurrency) -> Result<(), ListError>;

    /// Removes what was written down.
    ///
    /// # Errors
    /// [`ListError`].
    async fn forget(&self, function: &str) -> Result<(), ListError>;

    /// Sets what it may run at a time.
    ///
    /// # Errors
    /// [`ListError`].
    async fn allow(&self, function: &str, concurrency: Concurrency) -> Result<(), ListError>;
}

/// One call that was made under somebody's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenCall {
    /// When.
    pub at: Timestamp,
    /// The service and the call.
    pub call: OutsideText,
    /// What it was about, as far as it is told.
    pub about: OutsideText,
    /// Where it came from.
    pub from: OutsideText,
    /// The code of its refusal, if it was refused.
    pub refused: Option<OutsideText>,
}

/// Tells what was done under a name.
#[async_trait]
pub trait Trail: Send + Sync {
    /// The calls under `name` since then, latest first, at most `limit`; and whether there were more.
    ///
    /// # Errors
    /// [`ListError`].
    async fn calls(
        &self,
        name: &str,
        since: Timestamp,
        limit: usize,
    ) -> Result<(Vec<SeenCall>, bool), ListError>;
}
