//! A version: one actual key at the provider, from the intent to create it to its confirmed end.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::key::{Fingerprint, Hint};
use super::money::{MicroDollars, SpendCap};
use super::names::{KeyHandle, NameError, OperationId, SecretVersionId, SlotName};
use super::slot::{Epoch, Revision, Scope};

/// Names one attempt to make a key. Each create call at a provider has a `VersionId` of its own, so that a key found
/// there under a [`KeyLabel`] belongs to exactly one record.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VersionId {
    /// The secret version that the key's text is, or was to be, stored under.
    pub secret_version: SecretVersionId,
    /// 1 for the first create call under that secret version; 0 for a key that was found, not made.
    pub attempt: u32,
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.secret_version, self.attempt)
    }
}

impl FromStr for VersionId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (secret_version, attempt) = text.rsplit_once('.').unwrap_or((text, ""));
        let rule = "a secret version id, a dot and a number";
        let refused = || NameError::new("version id", text, rule);
        Ok(Self {
            secret_version: secret_version.parse()?,
            attempt: attempt.parse().map_err(|_| refused())?,
        })
    }
}

impl TryFrom<String> for VersionId {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<VersionId> for String {
    fn from(id: VersionId) -> Self {
        id.to_string()
    }
}

/// The name that a key is created under at its provider: `keyward-<slot>--<ClientRequestToken>-<attempt>`. No slot's
/// name has two dashes in a row, so no token makes a label of another slot's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyLabel(String);

impl KeyLabel {
    /// What the labels of all keys that Keyward makes begin with.
    pub const PREFIX: &str = "keyward-";

    /// The label of one attempt.
    pub fn new(slot: &SlotName, id: &VersionId) -> Self {
        let prefix = Self::prefix_of(slot);
        Self(format!("{prefix}{}-{}", id.secret_version, id.attempt))
    }

    /// What the labels of one slot's keys begin with, and of no other's.
    pub fn prefix_of(slot: &SlotName) -> String {
        format!("{}{slot}--", Self::PREFIX)
    }

    /// Whether `text` is the label of a key that Keyward made. A name that only begins so is a person's.
    pub fn is_one(text: &str) -> bool {
        let rest = text.strip_prefix(Self::PREFIX);
        let parts = rest.and_then(|rest| rest.split_once("--"));
        let (slot, id) = match parts {
            Some((slot, id)) => (slot.parse::<SlotName>(), id.rsplit_once('-')),
            None => return false,
        };
        let is_id = |(version, attempt): (&str, &str)| {
            version.parse::<SecretVersionId>().is_ok() && attempt.parse::<u32>().is_ok()
        };
        slot.is_ok() && id.is_some_and(is_id)
    }

    /// The attempt that `text` names, if it is the label of a key that was made for this slot under this secret version.
    pub fn attempt_in(
        text: &str,
        slot: &SlotName,
        secret_version: &SecretVersionId,
    ) -> Option<u32> {
        let id = text.strip_prefix(&Self::prefix_of(slot))?;
        let attempt = id
            .strip_prefix(secret_version.as_str())?
            .strip_prefix('-')?;
        attempt.parse().ok()
    }

    /// The label as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a version stands between intent and confirmed end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VersionState {
    /// Recorded before the provider is asked: a key may or may not exist.
    Intended,
    /// The key exists and its text is stored under AWSPENDING.
    Pending,
    /// Accepted by the provider; AWSCURRENT is being moved to it.
    Promoting,
    /// What agents fetch.
    Current,
    /// Replaced, still valid until its overlap is over.
    Retiring,
    /// Being revoked: refused by confirmation only.
    Revoking,
    /// Revoked and confirmed.
    Revoked,
    /// Left behind by a rotation that did not finish.
    Abandoned,
    /// Cut off by a kill.
    Contained,
    /// A person is bringing it back: it may be alive already, and nobody has seen it accepted yet.
    Restoring,
}

impl VersionState {
    /// Every state, in the order of a key's life.
    pub const ALL: [Self; 10] = [
        Self::Intended,
        Self::Pending,
        Self::Promoting,
        Self::Current,
        Self::Retiring,
        Self::Revoking,
        Self::Revoked,
        Self::Abandoned,
        Self::Contained,
        Self::Restoring,
    ];

    /// Whether a version may go from this state to `next`. Nothing leaves `Revoked`, and nothing that was
    /// abandoned or being revoked becomes current again; what was contained does by way of `Restoring` alone.
    pub const fn may_become(self, next: Self) -> bool {
        use VersionState::{
            Abandoned, Contained, Current, Intended, Pending, Promoting, Restoring, Retiring,
            Revoked, Revoking,
        };
        matches!(
            (self, next),
            (Intended, Pending | Abandoned | Contained)
                | (Pending, Promoting | Abandoned | Contained)
                | (Promoting, Current | Abandoned | Contained)
                | (Current, Retiring | Contained)
                | (Retiring, Revoking | Contained)
                | (Abandoned | Contained, Revoking)
                | (Contained, Restoring)
                | (Restoring, Current | Retiring | Contained)
                | (Revoking, Revoked)
        )
    }

    /// Whether a key in this state can be alive at the provider.
    pub const fn may_be_alive(self) -> bool {
        !matches!(self, Self::Revoked)
    }

    /// Whether AWSCURRENT was moved to the version by its rotation, and nothing has cut it off since.
    pub const fn is_promoted(self) -> bool {
        matches!(self, Self::Current | Self::Retiring)
    }

    /// Whether a rotation is still at work on the version.
    pub const fn is_in_rotation(self) -> bool {
        matches!(self, Self::Intended | Self::Pending | Self::Promoting)
    }
}

/// A version was to change in a way that its state does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("version {id} of slot {slot} cannot go from {from:?} to {to:?}")]
pub struct IllegalTransition {
    /// The slot.
    pub slot: SlotName,
    /// The version.
    pub id: VersionId,
    /// Where it stands.
    pub from: VersionState,
    /// Where it was to go.
    pub to: VersionState,
}

/// The provider accepted the key in testSecret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tested {
    /// When.
    pub at: Timestamp,
    /// The slot's epoch at that time.
    pub epoch: Epoch,
}

/// A provider's running usage figure for a key, and since when it has stood still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageSeen {
    /// Spent over the key's whole life.
    pub total: MicroDollars,
    /// When this total was first seen.
    pub since: Timestamp,
    /// When any total was first seen: up to then nothing is known.
    #[serde(default)]
    pub watched_from: Timestamp,
}

/// What a key had spent in a month when a day of it began, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpentBefore {
    /// The day, counted from 1970.
    pub day: u32,
    /// The money.
    pub amount: MicroDollars,
}

/// Consecutive refusals of a key that was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusals {
    /// How many in a row.
    pub count: u32,
    /// The first of them.
    pub first: Timestamp,
    /// The latest.
    pub last: Timestamp,
}

/// How the end of a key is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confirmation {
    /// The provider refused the key's own text, several times over.
    Refused,
    /// The text could not be read any more; the key is absent from the provider's list.
    ListOnly,
    /// The provider was never seen to have made a key for this intent.
    NeverMade,
}

/// When and how the end of a key was established.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    /// When.
    pub at: Timestamp,
    /// By what.
    pub by: Confirmation,
}

/// What was last said to people about a version, so that it is not said again every five minutes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Told {
    /// That the key is still in use after its overlap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub still_used: Option<Timestamp>,
    /// That AWSCURRENT is back on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moved_back: Option<Timestamp>,
    /// That its revoke is not confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unconfirmed: Option<Timestamp>,
    /// That it comes near its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub near_end: Option<Timestamp>,
    /// That work on it fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<Timestamp>,
    /// Since when it is still to be said that somebody put it there by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken_in_untold: Option<Timestamp>,
    /// That its limit at the provider cannot be set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uncapped: Option<Timestamp>,
}

/// One actual key at the provider. Carries no key text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The item layout.
    pub schema: u32,
    /// Counts the writes of this item.
    pub revision: Revision,
    /// The slot it belongs to.
    pub slot: SlotName,
    /// Which attempt this is.
    pub id: VersionId,
    /// Where it stands.
    pub state: VersionState,
    /// The slot's epoch when it was begun.
    pub epoch: Epoch,
    /// The name at the provider; absent for a key that Keyward did not make.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub label: Option<KeyLabel>,
    /// What must be named to kill it; absent while unknown.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub handle: Option<KeyHandle>,
    /// SHA-256 of the text; absent until there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fingerprint: Option<Fingerprint>,
    /// Prefix and last four characters.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hint: Option<Hint>,
    /// Its limit at the provider, as it was last set and read back.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cap: Option<SpendCap>,
    /// Where that limit is moved each day: what it was last moved by.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub spent_before: Option<SpentBefore>,
    /// What it was limited to at birth.
    #[serde(default)]
    pub scope: Scope,
    /// When the provider ends it by itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires: Option<Timestamp>,
    /// When the key was made, as far as that is known: its age counts from here.
    pub created: Timestamp,
    /// When the rotation that it belongs to began with it; absent for a key that was found.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub begun: Option<Timestamp>,
    /// Until when the invocation that began this attempt may still be at work on it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lease_until: Option<Timestamp>,
    /// The provider's own work on making it, while that goes on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub operation: Option<OperationId>,
    /// Where keys have no names: what was in the slot's place before this one was asked for, so is not it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub beside: Vec<KeyHandle>,
    /// The provider said that it made no key for it.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub not_made: bool,
    /// When the provider accepted it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tested: Option<Tested>,
    /// When AWSCURRENT was moved to it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub promoted: Option<Timestamp>,
    /// When a person last began to bring it back after a kill.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub restored: Option<Timestamp>,
    /// When the provider last saw it in use; `None` is unknown, not never.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_used: Option<Timestamp>,
    /// Its usage figure, for providers without a time of last use.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub usage_seen: Option<UsageSeen>,
    /// When its overlap ends.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub retire_after: Option<Timestamp>,
    /// When it is revoked whatever happens.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub deadline: Option<Timestamp>,
    /// When its revocation began.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revoke_begun: Option<Timestamp>,
    /// When the provider accepted the revoke.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revoke_accepted: Option<Timestamp>,
    /// Refusals seen since.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub refusals: Option<Refusals>,
    /// When the end was established.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revoke_confirmed: Option<Confirmed>,
    /// When it was last told of as used although its end was established: it is to be revoked again.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub used_when_dead: Option<Timestamp>,
    /// What people were told.
    #[serde(default)]
    pub told: Told,
    /// When `retire` looks at it next; absent when nothing is left to do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub due_at: Option<Timestamp>,
}

impl Version {
    /// Whether it is being restored under the lease that ends at `until`.
    pub fn is_being_restored(&self, until: Timestamp) -> bool {
        self.state == VersionState::Restoring && self.lease_until == Some(until)
    }

    /// How people know the key: by its hint, else by its name at the provider.
    pub fn shown(&self) -> String {
        match (&self.hint, &self.label) {
            (Some(hint), _) => hint.to_string(),
            (None, Some(label)) => label.to_string(),
            (None, None) => self.id.to_string(),
        }
    }

    /// When its rotation began with it, or it was found.
    pub fn begun_at(&self) -> Timestamp {
        self.begun.unwrap_or(self.created)
    }

    /// A version that is only intended so far.
    pub fn intended(slot: &SlotName, id: VersionId, epoch: Epoch, now: Timestamp) -> Self {
        Self {
            schema: super::SCHEMA,
            revision: Revision::default(),
            slot: slot.clone(),
            label: Some(KeyLabel::new(slot, &id)),
            id,
            state: VersionState::Intended,
            epoch,
            handle: None,
            fingerprint: None,
            hint: None,
            cap: None,
            spent_before: None,
            scope: Scope::default(),
            expires: None,
            created: now,
            begun: Some(now),
            lease_until: None,
            operation: None,
            beside: Vec::new(),
            not_made: false,
            tested: None,
            promoted: None,
            restored: None,
            last_used: None,
            usage_seen: None,
            retire_after: None,
            deadline: None,
            revoke_begun: None,
            revoke_accepted: None,
            refusals: None,
            revoke_confirmed: None,
            used_when_dead: None,
            told: Told::default(),
            due_at: Some(now),
        }
    }

    /// Whether the version has left its rotation, but its key may still be alive because whoever took it out has not
    /// asked the provider yet.
    pub const fn may_await_its_cut(&self) -> bool {
        matches!(
            self.state,
            VersionState::Abandoned | VersionState::Contained | VersionState::Revoking
        ) && self.revoke_accepted.is_none()
    }

    /// The same version in another state.
    ///
    /// # Errors
    /// [`IllegalTransition`] where the state machine does not lead there.
    pub fn become_state(mut self, to: VersionState) -> Result<Self, IllegalTransition> {
        if !self.state.may_become(to) {
            return Err(IllegalTransition {
                slot: self.slot,
                id: self.id,
                from: self.state,
                to,
            });
        }
        self.state = to;
        Ok(self)
    }
}

#[cfg(test)]
mod tests;
