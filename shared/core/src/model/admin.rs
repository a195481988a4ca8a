//! The admin credentials of one provider account, as the inventory knows them. Never a text.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::key::{Fingerprint, Hint};
use super::names::{AccountName, KeyHandle, SecretVersionId};
use super::slot::Revision;
use super::version::{Refusals, VersionId};

/// The record of one provider account's admin credentials: what was to be made, what was made, and what is to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminRecord {
    /// The item layout.
    pub schema: u32,
    /// Counts the writes of this item; zero before the first.
    pub revision: Revision,
    /// The provider account.
    pub account: AccountName,
    /// The credentials, oldest first.
    #[serde(default)]
    pub credentials: Vec<AdminVersion>,
    /// When the account's break-glass credential was tried last, and how that went.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub break_glass: Option<BreakGlassTest>,
    /// When people were told last of what is amiss.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub told: Option<Timestamp>,
}

/// One admin credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminVersion {
    /// The secret version that its text is, or was to be, stored under, and the attempt; 0 for one that was found there.
    pub id: VersionId,
    /// Where it stands.
    pub state: AdminState,
    /// What must be named to end it; absent while nobody knows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub handle: Option<KeyHandle>,
    /// SHA-256 of its text.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fingerprint: Option<Fingerprint>,
    /// Its last characters.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hint: Option<Hint>,
    /// When its record was made, before the provider was asked for it.
    pub created: Timestamp,
    /// When the provider accepted it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tested: Option<Timestamp>,
    /// When AWSCURRENT moved to it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub promoted: Option<Timestamp>,
    /// When it ends by itself, as the provider says.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires: Option<Timestamp>,
    /// When the provider took its revoke on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revoke_accepted: Option<Timestamp>,
    /// Refusals of its text since.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub refusals: Option<Refusals>,
    /// When its end was certain.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ended: Option<Timestamp>,
}

/// Where an admin credential stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdminState {
    /// It is to be made: the provider may have done so.
    Intended,
    /// It was made, and its text is to be stored, tested and promoted.
    Pending,
    /// It is under AWSCURRENT.
    Current,
    /// It is to end.
    Revoking,
    /// It has ended: it was refused often enough, or where its text is gone, the provider's list has it no more.
    Revoked,
}

impl AdminState {
    /// Whether the provider may take it for an administrator's.
    pub const fn may_be_alive(self) -> bool {
        match self {
            Self::Intended | Self::Pending | Self::Current | Self::Revoking => true,
            Self::Revoked => false,
        }
    }
}

/// One attempt to use a break-glass credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakGlassTest {
    /// When.
    pub at: Timestamp,
    /// How it went.
    pub result: BreakGlassResult,
    /// SHA-256 of its text.
    pub fingerprint: Fingerprint,
}

/// What a provider said to a break-glass credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakGlassResult {
    /// It was accepted.
    Works,
    /// It was refused.
    Refused,
}

/// How many credentials that have ended are remembered.
const REMEMBERED: usize = 20;

impl AdminRecord {
    /// A record of nothing, that was never written.
    pub fn empty(account: &AccountName) -> Self {
        Self {
            schema: super::SCHEMA,
            revision: Revision::default(),
            account: account.clone(),
            credentials: Vec::new(),
            break_glass: None,
            told: None,
        }
    }

    /// The credential with this id.
    pub fn get(&self, id: &VersionId) -> Option<&AdminVersion> {
        self.credentials.iter().find(|known| known.id == *id)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, id: &VersionId) -> Option<&mut AdminVersion> {
        self.credentials.iter_mut().find(|known| known.id == *id)
    }

    /// The credential with this text.
    pub fn by_text(&self, fingerprint: &Fingerprint) -> Option<&AdminVersion> {
        let mut known = self.credentials.iter();
        known.find(|known| known.fingerprint.as_ref() == Some(fingerprint))
    }

    /// What was begun under this secret version, oldest first.
    pub fn under<'a>(
        &'a self,
        token: &'a SecretVersionId,
    ) -> impl Iterator<Item = &'a AdminVersion> {
        let own = move |known: &&AdminVersion| known.id.secret_version == *token;
        self.credentials.iter().filter(own)
    }

    /// The credential under AWSCURRENT.
    pub fn current(&self) -> Option<&AdminVersion> {
        let mut known = self.credentials.iter();
        known.find(|known| known.state == AdminState::Current)
    }

    /// Takes a new one in. Of those that have ended, the oldest are forgotten.
    pub fn add(&mut self, version: AdminVersion) {
        self.credentials.push(version);
        let ended = |known: &AdminVersion| known.state == AdminState::Revoked;
        let mut surplus = self.credentials.iter().filter(|v| ended(v)).count();
        surplus = surplus.saturating_sub(REMEMBERED);
        self.credentials.retain(|known| {
            let forgotten = surplus > 0 && ended(known);
            surplus -= usize::from(forgotten);
            !forgotten
        });
    }
}

impl AdminVersion {
    /// One that is to be made.
    pub const fn intended(id: VersionId, now: Timestamp) -> Self {
        Self {
            id,
            state: AdminState::Intended,
            handle: None,
            fingerprint: None,
            hint: None,
            created: now,
            tested: None,
            promoted: None,
            expires: None,
            revoke_accepted: None,
            refusals: None,
            ended: None,
        }
    }

    /// How people know it.
    pub fn shown(&self) -> String {
        match (&self.hint, &self.handle) {
            (Some(hint), _) => hint.to_string(),
            (None, Some(handle)) => handle.to_string(),
            (None, None) => format!("of {}", self.created.strftime("%Y-%m-%d %H:%M UTC")),
        }
    }
}

/// What an admin credential that Keyward makes is called at its provider: whose it is, and which attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminLabel(String);

impl AdminLabel {
    const PREFIX: &str = "keyward-admin-";

    /// The label of one attempt.
    pub fn new(account: &AccountName, id: &VersionId) -> Self {
        let prefix = Self::PREFIX;
        Self(format!(
            "{prefix}{account}--{}-{}",
            id.secret_version, id.attempt
        ))
    }

    /// The attempt that `name` is the label of, if it is one of this account's. A name that only begins so is a person's.
    pub fn read(name: &str, account: &AccountName) -> Option<VersionId> {
        let rest = name.strip_prefix(Self::PREFIX)?;
        let (secret_version, attempt) = rest
            .strip_prefix(account.as_str())?
            .strip_prefix("--")?
            .rsplit_once('-')?;
        Some(VersionId {
            secret_version: secret_version.parse().ok()?,
            attempt: attempt.parse().ok().filter(|attempt| *attempt > 0)?,
        })
    }

    /// The label as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AdminLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> AccountName {
        "openai-main".parse().unwrap()
    }

    fn id(n: u32) -> VersionId {
        let token = "11111111-aaaa-4bbb-8ccc-000000000002".parse().unwrap();
        VersionId {
            secret_version: token,
            attempt: n,
        }
    }

    #[test]
    fn a_label_names_its_account_and_attempt_and_nothing_else_does() {
        let label = AdminLabel::new(&account(), &id(3));
        assert_eq!(AdminLabel::read(label.as_str(), &account()), Some(id(3)));
        let other: AccountName = "openai".parse().unwrap();
        assert_eq!(AdminLabel::read(label.as_str(), &other), None);
        for name in [
            "keyward-admin-openai-main",
            "keyward-admin-openai-main--laptop",
            "keyward-admin-openai-main--11111111-aaaa-4bbb-8ccc-000000000002-0",
            "keyward-openai-main--11111111-aaaa-4bbb-8ccc-000000000002-1",
            &format!("{label} "),
        ] {
            assert_eq!(AdminLabel::read(name, &account()), None, "{name}");
        }
    }

    #[test]
    fn what_has_ended_is_forgotten_in_the_end_and_nothing_else() {
        let mut record = AdminRecord::empty(&account());
        let at = Timestamp::UNIX_EPOCH;
        for n in 1..=40 {
            let state = match n {
                1 => AdminState::Revoking,
                _ => AdminState::Revoked,
            };
            record.add(AdminVersion {
                state,
                ..AdminVersion::intended(id(n), at)
            });
        }
        assert_eq!(record.credentials.len(), REMEMBERED + 1);
        assert!(record.get(&id(1)).is_some(), "it may be alive");
        assert!(record.get(&id(2)).is_none());
        assert!(record.get(&id(40)).is_some());
    }

    #[test]
    fn a_record_reads_back() {
        let mut record = AdminRecord::empty(&account());
        record.add(AdminVersion::intended(id(1), Timestamp::UNIX_EPOCH));
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<AdminRecord>(&text).unwrap(), record);
    }
}
