//! What came of an order to cut off a slot.

use serde::{Deserialize, Serialize};

use super::incident::HowCut;
use super::version::VersionId;

/// What came of an order, or of going on with an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KillOutcome {
    /// Every live version is cut off, and that is recorded.
    Contained(Vec<CutVersion>),
    /// A version is not cut off, or not known to be. The incident is due again at once.
    Unfinished(Vec<CutVersion>),
    /// The inventory is down. What could be found without it is cut off, as many keys as this; nothing is recorded, and
    /// there may be more; or it is not known whether a key that is recorded as in use still works, and no incident is due
    /// that would have it looked at. Give the order again.
    Unrecorded(usize),
    /// Somebody else is at work on the slot's incident, and knows of the order.
    Attached,
    /// What set the order off was dealt with before.
    Over,
    /// What speaks for the order is the use of keys that are dead already. People were told.
    OfDeadKeys,
    /// The slot only observes: people were told what would have been done.
    Observed,
    /// There is no such slot. People were told, but for an order of a person, whom the caller tells.
    NoSuchSlot,
    /// Nobody is cut off, and people could not be told so. Give the order again.
    Untold,
}

/// What was done to one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutVersion {
    /// Which.
    pub id: VersionId,
    /// What; `None` if nothing could be done.
    pub how: Option<HowCut>,
}
