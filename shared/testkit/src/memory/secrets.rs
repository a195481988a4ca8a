use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use jiff::Timestamp;
use keyward_core::model::names::{SecretArn, SecretVersionId, SlotName};
use keyward_core::model::secret_document::SecretText;
use keyward_core::ports::{
    RotationToken, SecretDescription, SecretError, SecretStore, Stage, TAG_SLOT, VersionSelector,
};
use secrecy::ExposeSecret;

/// A rotation that was asked for and is waiting to be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedRotation {
    /// The secret.
    pub arn: SecretArn,
    /// The ClientRequestToken of the rotation.
    pub token: SecretVersionId,
}

/// Secrets Manager in memory, by AWS's documentation. It keeps rules that emulators do not: a version's value never
/// changes, the first value of a secret becomes current by itself, and no rotation starts while AWSPENDING stands on a
/// version other than AWSCURRENT.
#[derive(Debug, Default)]
pub struct MemorySecrets(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    secrets: BTreeMap<SecretArn, Secret>,
    started: Vec<StartedRotation>,
}

#[derive(Debug, Default)]
struct Secret {
    name: String,
    rotation_enabled: bool,
    deleted: Option<u16>,
    binary: bool,
    full: bool,
    values: BTreeMap<SecretVersionId, SecretText>,
    stages: BTreeMap<Stage, SecretVersionId>,
    tags: BTreeMap<String, String>,
}

impl MemorySecrets {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("not poisoned")
    }

    fn with<T>(
        &self,
        id: &str,
        read: impl FnOnce(&mut Secret) -> Result<T, SecretError>,
    ) -> Result<T, SecretError> {
        let mut state = self.state();
        let found = state
            .secrets
            .iter_mut()
            .find(|(arn, s)| s.answers_to(arn, id));
        match found {
            Some((_, secret)) => read(secret),
            None => Err(SecretError::NotFound(id.to_owned())),
        }
    }

    /// Creates a secret with rotation on, and a value under AWSCURRENT if one is given.
    pub fn create(&self, arn: &SecretArn, value: Option<(&SecretVersionId, &str)>) {
        let name = arn.as_str().rsplit(':').next().unwrap_or_default();
        let name = name
            .rsplit_once('-')
            .map_or(name, |(name, _)| name)
            .to_owned();
        let mut secret = Secret {
            name,
            rotation_enabled: true,
            ..Secret::default()
        };
        if let Some((id, text)) = value {
            secret
                .values
                .insert(id.clone(), SecretText::new(text.to_owned()));
            secret.stages.insert(Stage::Current, id.clone());
        }
        self.state().secrets.insert(arn.clone(), secret);
    }

    /// Makes the secret hold bytes instead of text.
    pub fn make_binary(&self, arn: &SecretArn) {
        self.change(arn, |secret| secret.binary = true);
    }

    /// Uses the secret's version quota up.
    pub fn fill(&self, arn: &SecretArn) {
        self.change(arn, |secret| secret.full = true);
    }

    /// Deletes the secret.
    pub fn remove(&self, arn: &SecretArn) {
        self.state().secrets.remove(arn);
    }

    /// For how many days a secret that is scheduled for deletion can be brought back; `None` if it is not scheduled.
    pub fn recovery_days(&self, arn: &SecretArn) -> Option<u16> {
        self.state().secrets.get(arn)?.deleted
    }

    /// Removes a tag, as a person can.
    pub fn forget_tag(&self, arn: &SecretArn, key: &str) {
        self.change(arn, |secret| drop(secret.tags.remove(key)));
    }

    /// Turns rotation off.
    pub fn cancel_rotation(&self, arn: &SecretArn) {
        self.change(arn, |secret| secret.rotation_enabled = false);
    }

    /// Turns rotation on again.
    pub fn allow_rotation(&self, arn: &SecretArn) {
        self.change(arn, |secret| secret.rotation_enabled = true);
    }

    /// Puts a label on a version, as a person can.
    pub fn stage(&self, arn: &SecretArn, stage: Stage, version: &SecretVersionId) {
        self.change(arn, |secret| {
            drop(secret.stages.insert(stage, version.clone()))
        });
    }

    /// Stores a value under AWSCURRENT, as a person can with PutSecretValue.
    pub fn put_current(&self, arn: &SecretArn, version: &SecretVersionId, text: &str) {
        self.change(arn, |secret| {
            secret
                .values
                .insert(version.clone(), SecretText::new(text.to_owned()));
            secret.move_current(version);
        });
    }

    /// Moves AWSCURRENT to a version that has a value, as a person can.
    pub fn move_current(&self, arn: &SecretArn, to: &SecretVersionId) {
        self.change(arn, |secret| secret.move_current(to));
    }

    /// Begins a rotation as Secrets Manager does before it calls the function: AWSPENDING stands on a version that has
    /// no value.
    pub fn begin_rotation(&self, arn: &SecretArn, token: &SecretVersionId) {
        self.stage(arn, Stage::Pending, token);
    }

    /// Whether a rotation was asked for that [`take_started`](Self::take_started) has not returned yet.
    pub fn has_started(&self) -> bool {
        !self.state().started.is_empty()
    }

    /// The rotations that were asked for since the last call.
    pub fn take_started(&self) -> Vec<StartedRotation> {
        std::mem::take(&mut self.state().started)
    }

    /// The text under AWSCURRENT, as an agent fetches it.
    pub fn current_text(&self, arn: &SecretArn) -> Option<String> {
        let state = self.state();
        let secret = state.secrets.get(arn)?;
        let text = secret.values.get(secret.stages.get(&Stage::Current)?)?;
        Some(text.expose_secret().to_owned())
    }

    /// The version that carries a label.
    pub fn holder(&self, arn: &SecretArn, stage: &Stage) -> Option<SecretVersionId> {
        self.state().secrets.get(arn)?.stages.get(stage).cloned()
    }

    /// Every value of every secret: what must be found nowhere else.
    pub fn all_texts(&self) -> Vec<String> {
        let state = self.state();
        let values = state
            .secrets
            .values()
            .flat_map(|secret| secret.values.values());
        values.map(|text| text.expose_secret().to_owned()).collect()
    }

    fn change(&self, arn: &SecretArn, change: impl FnOnce(&mut Secret)) {
        change(
            self.state()
                .secrets
                .get_mut(arn)
                .expect("the secret was created"),
        );
    }
}

impl Secret {
    /// Whether requests for `id` are for this secret: by ARN, by ARN without its last seven characters, or by name.
    /// <https://docs.aws.amazon.com/secretsmanager/latest/userguide/troubleshoot.html>
    fn answers_to(&self, arn: &SecretArn, id: &str) -> bool {
        let partial = arn.as_str().rsplit_once('-').map(|(arn, _)| arn);
        arn.as_str() == id || partial == Some(id) || self.name == id
    }

    fn move_current(&mut self, to: &SecretVersionId) {
        if let Some(previous) = self.stages.insert(Stage::Current, to.clone())
            && previous != *to
        {
            self.stages.insert(Stage::Previous, previous);
        }
    }

    /// What is scheduled for deletion refuses to be read, written and rotated.
    fn is_there(&self) -> Result<(), SecretError> {
        match self.deleted {
            None => Ok(()),
            Some(_) => Err(SecretError::Refused(
                "InvalidRequestException: the secret is scheduled for deletion".to_owned(),
            )),
        }
    }

    fn describe(&self, arn: &SecretArn) -> SecretDescription {
        let mut stages: BTreeMap<SecretVersionId, BTreeSet<Stage>> = BTreeMap::new();
        for (stage, version) in &self.stages {
            stages
                .entry(version.clone())
                .or_default()
                .insert(stage.clone());
        }
        SecretDescription {
            arn: arn.clone(),
            rotation_enabled: self.rotation_enabled,
            is_deleted: self.deleted.is_some(),
            stages,
            tags: self.tags.clone(),
        }
    }
}

#[async_trait]
impl SecretStore for MemorySecrets {
    async fn describe(&self, id: &str) -> Result<SecretDescription, SecretError> {
        let state = self.state();
        let found = state.secrets.iter().find(|(arn, s)| s.answers_to(arn, id));
        let (arn, secret) = found.ok_or_else(|| SecretError::NotFound(id.to_owned()))?;
        Ok(secret.describe(arn))
    }

    async fn tagged(&self, slot: &SlotName) -> Result<Vec<SecretArn>, SecretError> {
        let state = self.state();
        let names_it = |secret: &Secret, arn: &SecretArn| {
            let tags = secret.describe(arn).tags;
            tags.get(TAG_SLOT).map(String::as_str) == Some(slot.as_str())
        };
        let tagged = state.secrets.iter();
        Ok(tagged
            .filter(|(arn, secret)| names_it(secret, arn))
            .map(|(arn, _)| arn.clone())
            .collect())
    }

    async fn value(
        &self,
        arn: &SecretArn,
        version: VersionSelector<'_>,
    ) -> Result<Option<(SecretVersionId, SecretText)>, SecretError> {
        self.with(arn.as_str(), |secret| {
            secret.is_there()?;
            if secret.binary {
                return Err(SecretError::Binary);
            }
            let id = match version {
                VersionSelector::Current => secret.stages.get(&Stage::Current),
                VersionSelector::Id(id) => Some(id),
            };
            Ok(id.and_then(|id| Some((id.clone(), secret.values.get(id)?.clone()))))
        })
    }

    async fn put_pending(
        &self,
        arn: &SecretArn,
        token: &SecretVersionId,
        _rotation_token: Option<&RotationToken>,
        text: &SecretText,
    ) -> Result<(), SecretError> {
        self.with(arn.as_str(), |secret| {
            secret.is_there()?;
            match secret.values.get(token) {
                Some(stored) if stored.expose_secret() != text.expose_secret() => {
                    return Err(SecretError::TokenTaken(token.clone()));
                }
                // Nothing is done, labels included.
                Some(_) => return Ok(()),
                None if secret.full => return Err(SecretError::VersionQuota),
                None => drop(secret.values.insert(token.clone(), text.clone())),
            }
            secret.stages.insert(Stage::Pending, token.clone());
            // The first value that a secret gets becomes current by itself.
            secret
                .stages
                .entry(Stage::Current)
                .or_insert_with(|| token.clone());
            Ok(())
        })
    }

    async fn store(
        &self,
        arn: &SecretArn,
        version: &SecretVersionId,
        text: &SecretText,
    ) -> Result<(), SecretError> {
        self.with(arn.as_str(), |secret| {
            match secret.values.get(version) {
                Some(stored) if stored.expose_secret() != text.expose_secret() => {
                    return Err(SecretError::TokenTaken(version.clone()));
                }
                // The same again changes nothing, its labels neither.
                Some(_) => return Ok(()),
                None => drop(secret.values.insert(version.clone(), text.clone())),
            }
            secret.move_current(version);
            Ok(())
        })
    }

    async fn promote(
        &self,
        arn: &SecretArn,
        to: &SecretVersionId,
        from: Option<&SecretVersionId>,
    ) -> Result<(), SecretError> {
        self.with(arn.as_str(), |secret| {
            let holder = secret.stages.get(&Stage::Current);
            if holder == Some(to) {
                return Ok(());
            }
            if holder != from {
                return Err(SecretError::Moved);
            }
            secret.move_current(to);
            Ok(())
        })
    }

    async fn unstage_pending(
        &self,
        arn: &SecretArn,
        from: &SecretVersionId,
    ) -> Result<(), SecretError> {
        self.with(arn.as_str(), |secret| {
            if secret.stages.get(&Stage::Pending) == Some(from) {
                secret.stages.remove(&Stage::Pending);
            }
            Ok(())
        })
    }

    async fn tag(&self, arn: &SecretArn, key: &str, value: &str) -> Result<(), SecretError> {
        self.with(arn.as_str(), |secret| {
            secret.tags.insert(key.to_owned(), value.to_owned());
            Ok(())
        })
    }

    async fn untag(&self, arn: &SecretArn, key: &str) -> Result<(), SecretError> {
        self.with(arn.as_str(), |secret| {
            secret.tags.remove(key);
            Ok(())
        })
    }

    async fn rotate_now(
        &self,
        arn: &SecretArn,
        token: &SecretVersionId,
    ) -> Result<(), SecretError> {
        let mut state = self.state();
        let secret = state.secrets.get_mut(arn);
        let secret = secret.ok_or_else(|| SecretError::NotFound(arn.to_string()))?;
        secret.is_there()?;
        let pending = secret.stages.get(&Stage::Pending);
        if pending.is_some() && pending == Some(token) {
            return Ok(());
        }
        if pending.is_some() && pending != secret.stages.get(&Stage::Current) {
            return Err(SecretError::RotationUnfinished);
        }
        secret.rotation_enabled = true;
        secret.stages.insert(Stage::Pending, token.clone());
        state.started.push(StartedRotation {
            arn: arn.clone(),
            token: token.clone(),
        });
        Ok(())
    }

    async fn schedule_deletion(
        &self,
        arn: &SecretArn,
        days: u16,
    ) -> Result<Option<Timestamp>, SecretError> {
        self.with(arn.as_str(), |secret| {
            secret.deleted.get_or_insert(days);
            Ok(None)
        })
    }
}
