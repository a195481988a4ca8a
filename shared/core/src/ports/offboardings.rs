//! Offboarding: its cases, who has read which secret, and where the evidence is kept.

use async_trait::async_trait;
use jiff::Timestamp;

use super::inventory::InventoryError;
use super::kill_orders::KillOrderError;
use super::lists::ListError;
use super::provider::PageToken;
use crate::model::offboarding::{Offboarding, OffboardingId};
use crate::model::text::OutsideText;

/// Keeps cases. Every write is conditional on the revision that was read and raises it by one. Reads by id are consistent.
#[async_trait]
pub trait Offboardings: Send + Sync {
    /// A case, or `None`.
    ///
    /// # Errors
    /// [`InventoryError`].
    async fn offboarding(&self, id: &OffboardingId) -> Result<Option<Offboarding>, InventoryError>;

    /// Writes a case as it was read and changed; one with revision 0 is new.
    ///
    /// # Errors
    /// [`InventoryError::Conflict`] if somebody else wrote it since, or it is there already.
    async fn save_offboarding(&self, case: &Offboarding) -> Result<(), InventoryError>;

    /// The cases that are due at `now`, most urgent first, at most `limit`. Found through an index that lags: read the case
    /// itself again before acting.
    ///
    /// # Errors
    /// [`InventoryError`].
    async fn due_offboardings(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<OffboardingId>, InventoryError>;
}

/// That a secret's value was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRead {
    /// What was asked for: the secret's ARN, a part of it, or its name.
    pub secret: OutsideText,
    /// When.
    pub at: Timestamp,
}

/// One page of what somebody read, the latest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadsPage {
    /// What was read.
    pub reads: Vec<SecretRead>,
    /// Everything later than this was seen; `None` if the page tells no time.
    pub back_to: Option<Timestamp>,
    /// The next page; `None` on the last.
    pub next: Option<PageToken>,
}

/// Who has read which secret, by a record that AWS keeps for 90 days.
#[async_trait]
pub trait SecretReads: Send + Sync {
    /// What `who`, a user's or a session's name, read from `from` to `to`.
    ///
    /// # Errors
    /// [`ListError`]: it is not known what they read, which is not that they read nothing.
    async fn reads(
        &self,
        who: &OutsideText,
        from: Timestamp,
        to: Timestamp,
        page: Option<&PageToken>,
    ) -> Result<ReadsPage, ListError>;
}

/// Keeps the evidence of cases for auditors.
#[async_trait]
pub trait EvidenceSink: Send + Sync {
    /// Puts a case's evidence in the place of what was put for it before. Returns where it is.
    ///
    /// # Errors
    /// [`ListError`]; it may have been put.
    async fn put_evidence(
        &self,
        case: &OffboardingId,
        json: &str,
    ) -> Result<OutsideText, ListError>;
}

/// The way to the function that carries cases on.
#[async_trait]
pub trait OffboardOrders: Send + Sync {
    /// Has a case gone on with at once, without waiting for what comes of it. It may be asked for again; and what is
    /// not taken is gone on with by the function's schedule.
    ///
    /// # Errors
    /// [`KillOrderError`]: it may have been taken.
    async fn go_on(&self, case: &OffboardingId) -> Result<(), KillOrderError>;
}

/// Cases of a function that is told of no other to carry them on: its schedule does.
#[derive(Debug, Clone, Copy)]
pub struct NoOffboardOrders;

#[async_trait]
impl OffboardOrders for NoOffboardOrders {
    async fn go_on(&self, _: &OffboardingId) -> Result<(), KillOrderError> {
        Err(KillOrderError::Refused(
            "this function is told of no function for offboarding".into(),
        ))
    }
}
