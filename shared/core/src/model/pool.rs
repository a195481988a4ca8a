//! The standby pool of a provider account: keys that people made ahead, for slots to draw from.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::key::{Fingerprint, Hint};
use super::names::{AccountName, KeyHandle, ScopeId, SecretVersionId, SlotName};
use super::slot::Revision;
use super::version::VersionId;

/// The standby keys of one provider account. Carries no key text: that is in the pool secret, in the one version that
/// is named here. The record decides; what else the secret holds counts for nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// The item layout.
    pub schema: u32,
    /// Counts the writes of this item; zero before the first.
    pub revision: Revision,
    /// The provider account.
    pub account: AccountName,
    /// The version of the pool secret that holds the texts of all keys below; absent before the first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub secret_version: Option<SecretVersionId>,
    /// Until when an invocation that puts keys in may be at work; absent while none is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub adding_until: Option<Timestamp>,
    /// Keys that stand by.
    #[serde(default)]
    pub standby: Vec<StandbyKey>,
    /// Keys that were drawn, until their text is stored in their slot's secret and gone from the pool's.
    #[serde(default)]
    pub drawn: Vec<DrawnKey>,
    /// Keys that stood by until somebody found them where they must not be: no slot draws one.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub leaked: Vec<LeakedKey>,
}

/// A standby key that strangers may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeakedKey {
    /// The key.
    #[serde(flatten)]
    pub key: StandbyKey,
    /// When its provider was seen to have it no more; absent while it may be alive.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ended: Option<Timestamp>,
}

/// One key that stands by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandbyKey {
    /// SHA-256 of the text.
    pub fingerprint: Fingerprint,
    /// Prefix and last four characters.
    pub hint: Hint,
    /// What must be named to suspend or end it.
    pub handle: KeyHandle,
    /// The workspace that it lives in: only slots of that one can draw it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub workspace: Option<ScopeId>,
    /// When it was made: its age counts from here, standby included.
    pub created: Timestamp,
    /// When the provider ends it by itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires: Option<Timestamp>,
    /// When it was put into the pool.
    pub added: Timestamp,
    /// Since when it can be drawn: it was suspended, where the provider can, and nobody will do so again.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ready: Option<Timestamp>,
}

/// One key that was drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrawnKey {
    /// SHA-256 of the text.
    pub fingerprint: Fingerprint,
    /// The slot that drew it.
    pub slot: SlotName,
    /// The version that it became.
    pub version: VersionId,
}

impl Pool {
    /// A pool without keys that was never written.
    pub fn empty(account: &AccountName) -> Self {
        Self {
            schema: super::SCHEMA,
            revision: Revision::default(),
            account: account.clone(),
            secret_version: None,
            adding_until: None,
            standby: Vec::new(),
            drawn: Vec::new(),
            leaked: Vec::new(),
        }
    }

    /// Takes the standby keys with these fingerprints out, so that none is drawn. Whether it had any.
    pub fn take_out(&mut self, leaked: &[Fingerprint]) -> bool {
        let (out, standby) = std::mem::take(&mut self.standby)
            .into_iter()
            .partition(|key: &StandbyKey| leaked.contains(&key.fingerprint));
        self.standby = standby;
        let before = self.leaked.len();
        let out: Vec<StandbyKey> = out;
        self.leaked
            .extend(out.into_iter().map(|key| LeakedKey { key, ended: None }));
        self.leaked.len() > before
    }

    /// The pool after `version` of `slot` drew the key with this fingerprint.
    pub fn without(
        mut self,
        fingerprint: Fingerprint,
        slot: &SlotName,
        version: &VersionId,
    ) -> Self {
        self.standby.retain(|key| key.fingerprint != fingerprint);
        self.drawn.push(DrawnKey {
            fingerprint,
            slot: slot.clone(),
            version: version.clone(),
        });
        self
    }
}
