//! What people are told.

use serde::{Deserialize, Serialize};

use super::names::SlotName;
use super::text::AlertText;

/// How soon a person must look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Notice,
    /// Needs a person during working hours.
    Warning,
    /// Needs a person now.
    Page,
}

/// What an alert is about; the stable name that receivers route by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// The provider refuses Keyward's own credential.
    AdminCredentialRefused,
    /// A rotation step ended without effect and will not mend by itself.
    RotationFailed,
    /// A new key has no money to spend but is otherwise accepted.
    NewKeyWithoutMoney,
    /// A key that is alive could not be revoked when it had to be.
    Orphan,
    /// An old key is still in use and was not revoked yet.
    OldKeyStillUsed,
    /// An old key was in use up to its hard deadline and was revoked.
    DeadlineRevocation,
    /// A revoke was accepted, but the key is still not refused.
    RevokeUnconfirmed,
    /// A key that cannot be named at the provider cannot be revoked by Keyward.
    HandleUnknown,
    /// The secret was changed by somebody else.
    ForeignSecretChange,
    /// A slot was registered at a provider that lacks what would protect its keys.
    ProtectionMissing,
    /// An unfinished rotation was cleared away.
    StuckPendingCleared,
    /// A current key comes close to the age or the expiry at which it stops.
    KeyNearEnd,
    /// A standby pool has no key for a slot that needs one.
    PoolEmpty,
    /// A standby pool is running out of keys.
    PoolLow,
    /// What `retire` had to do could not be done and is tried again.
    WorkFailed,
    /// A slot was cut off: its keys are dead.
    Contained,
    /// A slot is being cut off, and not all of its keys are dead.
    NotContained,
    /// A slot that only observes would have been cut off.
    WouldContain,
    /// A slot that was cut off has no replacement yet: its agent has no key.
    NotReplaced,
    /// A slot is suspended: no key is made for it until a person restores it.
    Suspended,
    /// What set a kill off speaks of keys that are dead already, so nothing was done.
    OfDeadKeys,
    /// A kill is complete, from what set it off to the refusal of the dead key.
    KillDone,
}

impl AlertKind {
    /// Every kind.
    pub const ALL: [Self; 22] = [
        Self::AdminCredentialRefused,
        Self::RotationFailed,
        Self::NewKeyWithoutMoney,
        Self::Orphan,
        Self::OldKeyStillUsed,
        Self::DeadlineRevocation,
        Self::RevokeUnconfirmed,
        Self::HandleUnknown,
        Self::ForeignSecretChange,
        Self::ProtectionMissing,
        Self::StuckPendingCleared,
        Self::KeyNearEnd,
        Self::PoolEmpty,
        Self::PoolLow,
        Self::WorkFailed,
        Self::Contained,
        Self::NotContained,
        Self::WouldContain,
        Self::NotReplaced,
        Self::Suspended,
        Self::OfDeadKeys,
        Self::KillDone,
    ];
}

/// One message to people: what happened, to which slot, what was done, what is left, the command to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// How soon a person must look.
    pub severity: Severity,
    /// The stable name of what happened.
    pub kind: AlertKind,
    /// The slot that it happened to.
    pub slot: SlotName,
    /// What happened.
    pub what: AlertText,
    /// What Keyward did about it, and what is safe.
    pub done: AlertText,
    /// What is left for a person, with the command where there is one.
    pub left: AlertText,
}

impl Alert {
    /// An alert about a slot: what happened, what was done, what is left. The texts are cleaned and cut.
    pub fn about(slot: &SlotName, severity: Severity, kind: AlertKind, text: [&str; 3]) -> Self {
        let [what, done, left] = text.map(AlertText::new);
        Self {
            severity,
            kind,
            slot: slot.clone(),
            what,
            done,
            left,
        }
    }
}
