//! Saving a case while others may write to it: a further order attaches to it at any time.

use crate::model::offboarding::Offboarding;
use crate::ports::{InventoryError, Offboardings};

/// How often a write is tried again on what somebody else has written.
const TRIES: usize = 5;

/// Makes a change to a case and saves it, on top of what others wrote to it meanwhile.
pub(super) async fn update(
    cases: &dyn Offboardings,
    mut known: Offboarding,
    change: impl Fn(&mut Offboarding) + Send,
) -> Result<Offboarding, InventoryError> {
    let mut last = InventoryError::Conflict;
    for _ in 0..TRIES {
        let mut changed = known.clone();
        change(&mut changed);
        if changed == known {
            return Ok(known);
        }
        match cases.save_offboarding(&changed).await {
            Ok(()) => return Ok(written(changed)),
            Err(error) if error.is_retryable() => last = error,
            Err(error) => return Err(error),
        }
        match cases.offboarding(&known.id).await {
            Ok(Some(stored)) => known = stored,
            Ok(None) => return Err(last),
            Err(error) if error.is_retryable() => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

/// Raises the revision of a case that was just written, as the store did.
pub(super) fn written(mut case: Offboarding) -> Offboarding {
    case.revision = case.revision.next();
    case
}
