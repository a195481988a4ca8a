//! What agents fetch: the key under AWSCURRENT, which people can change at any time behind Keyward's back.

use super::{ItemError, TELL_AGAIN};
use crate::model::alert::{Alert, AlertKind, Command, Severity};
use crate::model::names::SecretVersionId;
use crate::model::secret_document::SecretDocument;
use crate::model::slot::{Slot, SlotState};
use crate::model::version::{Version, VersionState};
use crate::ports::{Fence, KeyProvider, ProviderError, SecretDescription, Stage, VersionSelector};
use crate::usecases::Ports;
use crate::usecases::adopt::{Adopted, adopt_current};

/// What stands under AWSCURRENT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Serving {
    /// Nothing, or a key that somebody else here looks after.
    Known,
    /// A key that the inventory did not know, and knows now.
    TakenIn { told: bool },
    /// A key that is dead or cut off, while the slot has another in use: somebody moved the label.
    Dead { told: bool },
}

/// Looks at the key under AWSCURRENT. One that a person put there is taken into the inventory, in a suspended slot too;
/// people are told of it, and of a label that stands on a dead key.
pub(super) async fn look(
    ports: &Ports,
    slot: &Slot,
    secret: &SecretDescription,
    versions: &[Version],
) -> Result<Serving, ItemError> {
    let Some(holder) = secret.holder(&Stage::Current) else {
        return Ok(Serving::Known);
    };
    let is_current = |v: &Version| v.state == VersionState::Current;
    let of_holder = |v: &Version| v.id.secret_version == *holder;
    if slot.state == SlotState::Decommissioned
        || versions.iter().any(|v| is_current(v) && of_holder(v))
    {
        return Ok(Serving::Known);
    }
    let provider = ports.providers.open(&slot.account, slot.provider).await?;
    let value = ports.secrets.value(&slot.secret, VersionSelector::Current);
    let Some((id, text)) = value.await? else {
        return Ok(Serving::Known);
    };
    // What cannot be read is told by the rotation that would replace it.
    let format = &provider.abilities().format;
    let Ok(document) = SecretDocument::parse(&text, format) else {
        return Ok(Serving::Known);
    };
    let print = Some(document.key().fingerprint());
    let Some(version) = holds(versions, &id, print) else {
        if !document.key().looks_like(format) {
            return Ok(Serving::Known);
        }
        let adopted = adopt_current(ports, slot, provider.as_ref(), &id, &document, versions);
        return Ok(match adopted.await? {
            Adopted {
                told: Some(told), ..
            } => Serving::TakenIn { told },
            Adopted { told: None, .. } => Serving::Known,
        });
    };
    let is_dead = match version.state {
        VersionState::Contained
        | VersionState::Abandoned
        | VersionState::Revoking
        | VersionState::Revoked => true,
        VersionState::Retiring => is_cut_off(provider.as_ref(), version).await?,
        VersionState::Intended
        | VersionState::Pending
        | VersionState::Promoting
        | VersionState::Current
        | VersionState::Restoring => false,
    };
    match is_dead && versions.iter().any(is_current) {
        true => Ok(Serving::Dead {
            told: tell_dead(ports, slot, version).await?,
        }),
        false => Ok(Serving::Known),
    }
}

/// Whether an old key that the label is back on is dead at its provider, which a record may not say: a kill without the
/// inventory leaves none.
async fn is_cut_off(provider: &dyn KeyProvider, version: &Version) -> Result<bool, ProviderError> {
    let Some(handle) = &version.handle else {
        return Ok(false);
    };
    let record = provider.get(handle).await?;
    Ok(record.is_none_or(|record| record.suspended == Some(true)))
}

/// The version whose key this is, or whose key was never read but was stored there.
fn holds<'a>(
    versions: &'a [Version],
    id: &SecretVersionId,
    print: Option<crate::model::key::Fingerprint>,
) -> Option<&'a Version> {
    let by_key = versions.iter().find(|v| v.fingerprint == print);
    let unread = |v: &&Version| v.id.secret_version == *id && v.fingerprint.is_none();
    by_key.or_else(|| versions.iter().rfind(unread))
}

/// Tells people, a few times a day, that agents fetch a dead key.
async fn tell_dead(ports: &Ports, slot: &Slot, version: &Version) -> Result<bool, ItemError> {
    let now = ports.clock.now();
    let told = version.told.moved_back;
    if told.is_some_and(|at| now.duration_since(at) < TELL_AGAIN) {
        return Ok(true);
    }
    if !ports.tell(serves_dead(slot, version)).await {
        return Ok(false);
    }
    let mut told = version.clone();
    told.told.moved_back = Some(now);
    ports.inventory.save_versions(&[told], Fence::None).await?;
    Ok(true)
}

fn serves_dead(slot: &Slot, version: &Version) -> Alert {
    let (done, left, command) = match slot.state {
        SlotState::Suspended => (
            "Nothing was changed: the slot is suspended, so no key is made for it.",
            "Find out who moved the label; CloudTrail names the caller of UpdateSecretVersionStage. Then move it to the key that works, or restore the slot.",
            Command::about("restore", &slot.name).with("--reason \"...\""),
        ),
        _ => (
            "A rotation is started, which puts a new key there; other keys of the slot are untouched.",
            "Find out who moved the label; CloudTrail names the caller of UpdateSecretVersionStage. Rotate the secret if agents still fail in ten minutes.",
            Command::about("rotate", &slot.name),
        ),
    };
    let what = format!(
        "AWSCURRENT of slot {} is on the key {}, which is dead: agents that fetch it fail.",
        slot.name,
        version.shown()
    );
    let kind = AlertKind::ForeignSecretChange;
    Alert::about(&slot.name, Severity::Page, kind, [&what, done, left]).with_command(command)
}
