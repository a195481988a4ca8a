//! Registering: a slot of the fleet file, and the key that its secret already holds, come into the inventory.

use crate::model::SCHEMA;
use crate::model::alert::{Alert, AlertKind, Command, Severity};
use crate::model::fleet::PlannedSlot;
use crate::model::names::{SecretArn, SlotName};
use crate::model::secret_document::{DocumentError, SecretDocument};
use crate::model::slot::{Epoch, Mode, ProviderName, Revision, Slot, SlotState};
use crate::model::text::OutsideText;
use crate::model::version::Version;
use crate::ports::{
    Advice, InventoryError, KeyProvider, ProviderError, SecretDescription, SecretError, TAG_SLOT,
    VersionSelector, handle_tag, missing,
};

use super::Ports;
use super::adopt::{FoundAt, describe_found_key, due_for_age_check};
use super::{find, kill};

/// A key with less entropy could be guessed from its fingerprint.
pub(crate) const MIN_ENTROPY_BITS: f64 = 128.0;

/// How a slot was registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// Its secret has no value: the first rotation makes its first key.
    WithoutKey,
    /// With the key that its secret holds.
    WithKey {
        /// Whether the key can be named at the provider. What cannot be named cannot be revoked.
        handle_known: bool,
    },
    /// It was registered before, as it is in the fleet.
    Already,
}

/// Why a slot was not registered, or not to its end: it may be in the inventory while tags of its secret are missing.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// It is registered with another agent, account, environment or secret.
    #[error("slot `{0}` is registered already, with another agent, environment, account or secret")]
    Exists(SlotName),
    /// The ARN is short of its last characters: requests take it all the same, but it names no secret for sure.
    #[error("the secret's full ARN is `{0}`; write it so")]
    PartialArn(SecretArn),
    /// The secret's tag names another slot.
    #[error("the secret is tagged for slot `{0}`; a secret belongs to one slot")]
    TaggedForAnother(OutsideText),
    /// The secret's value cannot be used.
    #[error("the secret's value cannot be used")]
    Document(#[from] DocumentError),
    /// The key does not look like the provider's.
    #[error("the secret's value does not begin as keys of {0} do")]
    WrongProvider(ProviderName),
    /// The key could be guessed.
    #[error(
        "the key has {0} bits of entropy; {MIN_ENTROPY_BITS} are needed, so that its fingerprint gives nothing away"
    )]
    LowEntropy(u32),
    /// Secrets Manager.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The inventory; `Taken` names the slot that has the same key, secret or place.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// The provider: whether it knows the key could not be seen.
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

impl RegisterError {
    /// Whether the same slot can be registered later without a person. Exhaustive on purpose.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Secret(error) => error.is_retryable(),
            Self::Inventory(error) => error.is_retryable(),
            Self::Provider(error) => !matches!(error.advice(), Advice::StopAndAlert),
            Self::Exists(_)
            | Self::PartialArn(_)
            | Self::TaggedForAnother(_)
            | Self::Document(_)
            | Self::WrongProvider(_)
            | Self::LowEntropy(_) => false,
        }
    }
}

/// Registers one slot. May be repeated.
///
/// # Errors
/// [`RegisterError`]; what was begun is finished by the next call.
pub async fn register(ports: &Ports, planned: &PlannedSlot) -> Result<Registered, RegisterError> {
    let secret = secret_of(ports, planned).await?;
    if let Some(existing) = ports.inventory.slot(&planned.name).await? {
        if !is_same(&existing, planned) {
            return Err(RegisterError::Exists(planned.name.clone()));
        }
        let versions = ports.inventory.versions(&planned.name).await?;
        tag(ports, &existing, &secret, &versions).await?;
        return Ok(Registered::Already);
    }
    let slot = new_slot(planned, ports.clock.now());
    let provider = ports.providers.open(&slot.account, slot.provider).await;
    let provider = match provider {
        Ok(provider) => provider,
        Err(error) => {
            find::page_if_admin(ports, &slot, &error).await;
            return Err(error.into());
        }
    };
    let current = current_key(ports, &slot, provider.as_ref()).await?;
    ports.inventory.create_slot(&slot, current.as_ref()).await?;
    tag(ports, &slot, &secret, current.as_slice()).await?;
    if let Some(alert) = protection_missing(&slot, provider.as_ref()) {
        ports.tell(alert).await;
    }
    let Some(version) = current else {
        return Ok(Registered::WithoutKey);
    };
    if version.handle.is_none() {
        ports.tell(handle_unknown(&slot, &version)).await;
    }
    Ok(Registered::WithKey {
        handle_known: version.handle.is_some(),
    })
}

/// The secret that a planned slot names, if it can be that slot's. Its value is not read.
pub(crate) async fn secret_of(
    ports: &Ports,
    planned: &PlannedSlot,
) -> Result<SecretDescription, RegisterError> {
    let secret = ports
        .secrets
        .describe(planned.entry.secret.as_str())
        .await?;
    if secret.arn != planned.entry.secret {
        return Err(RegisterError::PartialArn(secret.arn));
    }
    refuse_other_tag(&secret, &planned.name)?;
    Ok(secret)
}

fn refuse_other_tag(secret: &SecretDescription, name: &SlotName) -> Result<(), RegisterError> {
    match secret.tags.get(TAG_SLOT) {
        Some(tagged) if tagged != name.as_str() => {
            Err(RegisterError::TaggedForAnother(OutsideText::new(tagged)))
        }
        _ => Ok(()),
    }
}

fn is_same(slot: &Slot, planned: &PlannedSlot) -> bool {
    slot.agent == planned.agent
        && slot.environment == planned.people.environment
        && slot.provider == planned.provider
        && slot.account == planned.entry.account
        && slot.secret == planned.entry.secret
}

/// The slot that a checked fleet plans, as it is before it has any key.
pub fn new_slot(planned: &PlannedSlot, now: jiff::Timestamp) -> Slot {
    Slot {
        schema: SCHEMA,
        revision: Revision::default(),
        name: planned.name.clone(),
        agent: planned.agent.clone(),
        owner: planned.people.owner.clone(),
        backup_owner: planned.people.backup_owner.clone(),
        environment: planned.people.environment,
        provider: planned.provider,
        account: planned.entry.account.clone(),
        scope: planned.entry.scope.clone(),
        readers: planned.entry.readers.clone(),
        secret: planned.entry.secret.clone(),
        kind: planned.kind,
        policy: planned.policy,
        expected: planned.expected,
        expected_assumed: planned.expected_assumed,
        loss: planned.entry.accepted_loss.into(),
        mode: planned.entry.mode.unwrap_or(Mode::Observe),
        mode_since: Some(now),
        canary: planned.entry.canary,
        drill: None,
        state: SlotState::Active,
        epoch: Epoch::default(),
        pending_seen: None,
        killed: None,
        restore_asked: None,
        mode_asked: None,
        expectation: None,
        rightful: None,
        owner_left: None,
        told_failed: None,
        due_at: now,
    }
}

/// The record of the key that the secret holds already, if it holds one.
async fn current_key(
    ports: &Ports,
    slot: &Slot,
    provider: &dyn KeyProvider,
) -> Result<Option<Version>, RegisterError> {
    let current = ports
        .secrets
        .value(&slot.secret, VersionSelector::Current)
        .await?;
    let Some((id, text)) = current else {
        return Ok(None);
    };
    let format = provider.abilities().format;
    let document = SecretDocument::parse(&text, &format)?;
    let bits = document.key().entropy_bits(&format);
    let bits = bits.ok_or(RegisterError::WrongProvider(slot.provider))?;
    if bits < MIN_ENTROPY_BITS {
        return Err(RegisterError::LowEntropy(bits as u32));
    }
    let place = FoundAt {
        slot: &slot.name,
        epoch: slot.epoch,
        scope: &slot.scope,
        secret_version: &id,
    };
    let now = ports.clock.now();
    let mut version = describe_found_key(provider, &place, &document, now).await?;
    due_for_age_check(&mut version, slot, now);
    Ok(Some(version))
}

/// Makes up for tags that a registration which was cut off did not set.
pub(crate) async fn complete(ports: &Ports, slot: &Slot) -> Result<(), RegisterError> {
    for (key, value) in lacking_tags(ports, slot).await? {
        ports.secrets.tag(&slot.secret, &key, &value).await?;
    }
    Ok(())
}

/// The tags that a slot's secret is to have and has not, looked for there.
///
/// # Errors
/// [`RegisterError`].
pub async fn lacking_tags(
    ports: &Ports,
    slot: &Slot,
) -> Result<Vec<(String, String)>, RegisterError> {
    let secret = ports.secrets.describe(slot.secret.as_str()).await?;
    refuse_other_tag(&secret, &slot.name)?;
    let versions = ports.inventory.versions(&slot.name).await?;
    Ok(missing_tags(slot, &secret, &versions))
}

/// Names the slot in the secret's tags, and mirrors the handles of its live keys there. What is there already is not
/// written again.
async fn tag(
    ports: &Ports,
    slot: &Slot,
    secret: &SecretDescription,
    versions: &[Version],
) -> Result<(), SecretError> {
    for (key, value) in missing_tags(slot, secret, versions) {
        ports.secrets.tag(&slot.secret, &key, &value).await?;
    }
    Ok(())
}

/// The tags that a slot's secret is to have and has not.
pub(crate) fn missing_tags(
    slot: &Slot,
    secret: &SecretDescription,
    versions: &[Version],
) -> Vec<(String, String)> {
    let mut wanted = vec![(TAG_SLOT.to_owned(), slot.name.to_string())];
    let places = kill::place_tags(slot).into_iter();
    wanted.extend(places.map(|(key, value)| (key.to_owned(), value)));
    for version in versions.iter().filter(|v| v.state.may_be_alive()) {
        if let Some(handle) = &version.handle {
            let key = handle_tag(&version.id);
            wanted.push((key, handle.to_string()));
        }
    }
    wanted.retain(|(key, value)| secret.tags.get(key) != Some(value));
    wanted
}

/// What people are told where the provider lacks what would protect the slot's keys; `None` where it has all of it.
fn protection_missing(slot: &Slot, provider: &dyn KeyProvider) -> Option<Alert> {
    let mut missing = missing(provider);
    missing.retain(|ability| ability.protects());
    if missing.is_empty() {
        return None;
    }
    let cannot: Vec<String> = missing.iter().map(ToString::to_string).collect();
    let without: Vec<&str> = missing.iter().map(|ability| ability.without()).collect();
    let alert = Alert::about(
        &slot.name,
        Severity::Notice,
        AlertKind::ProtectionMissing,
        [
            &format!(
                "Slot {} was registered at {}, whose API cannot {}.",
                slot.name,
                slot.provider,
                cannot.join(" or ")
            ),
            &format!("What that means: {}.", without.join("; ")),
            "Nothing has to be done. See: keyward providers",
        ],
    );
    Some(alert.with_command(Command::general("providers")))
}

fn handle_unknown(slot: &Slot, version: &Version) -> Alert {
    let hint = version
        .hint
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    Alert::about(
        &slot.name,
        Severity::Warning,
        AlertKind::HandleUnknown,
        [
            &format!(
                "The key {hint} of slot {} was not singled out in the list of {}: its id is unknown.",
                slot.name, slot.provider
            ),
            "The slot is registered and will be rotated; this first key cannot be revoked by Keyward.",
            &format!(
                "After the first rotation, delete the key that ends so at {} by hand.",
                slot.provider
            ),
        ],
    )
}
