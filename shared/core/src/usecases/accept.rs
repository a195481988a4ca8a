//! A person answers for what an audit finds, until a day; or no longer does.

use crate::model::audit::AcceptedRisk;
use crate::ports::{InventoryError, KeptRisk, RiskRegister};

/// Whether anything was to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is so already.
    None,
    /// Something else stands there.
    Needed,
}

/// What it takes to come from what was read to what is wanted; `None` is that nobody answers for it.
pub fn change(kept: Option<&KeptRisk>, wanted: Option<&AcceptedRisk>) -> Change {
    match kept.map(|kept| &kept.risk) == wanted {
        true => Change::None,
        false => Change::Needed,
    }
}

/// Writes down what is wanted in the place of what was just read. May be repeated, from reading on.
///
/// # Errors
/// [`InventoryError::Conflict`] if somebody else wrote it meanwhile: read it again.
pub async fn accept(
    register: &dyn RiskRegister,
    kept: Option<&KeptRisk>,
    wanted: Option<&AcceptedRisk>,
) -> Result<(), InventoryError> {
    match (change(kept, wanted), kept, wanted) {
        (Change::None, _, _) | (_, None, None) => Ok(()),
        (Change::Needed, kept, Some(risk)) => register.keep_risk(risk, kept).await,
        (Change::Needed, Some(kept), None) => register.withdraw_risk(kept).await,
    }
}
