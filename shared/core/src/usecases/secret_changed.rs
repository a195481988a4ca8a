//! Behind Keyward's back: somebody changed a secret of a slot, of a pool or of a provider's credential. People are told; a
//! slot whose secret was deleted is offboarded.

use serde::Serialize;

use super::Ports;
use super::offboard::{open, slots_where};
use crate::model::alert::{Alert, AlertKind, Command, Severity};
use crate::model::incident::TriggerId;
use crate::model::names::{SecretArn, SlotName};
use crate::model::offboarding::{AskedFor, OffboardingId};
use crate::model::slot::{Slot, SlotState};
use crate::model::text::OutsideText;
use crate::ports::{InventoryError, Offboardings, SecretDescription, SecretError, TAG_SLOT};
use crate::rules::offboard::case_for_agent_slot;
use crate::rules::secret_change::{Change, SecretChange, is_own};

/// What belongs to the deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Own {
    /// The roles of its functions, as ARNs.
    pub roles: Vec<String>,
    /// The secrets that hold providers' credentials and pools.
    pub secrets: Vec<SecretArn>,
}

/// What came of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Noticed {
    /// A function of the deployment made it.
    Own,
    /// The secret is nothing of Keyward's.
    NotOurs,
    /// People were told.
    Told,
    /// People were told, and the slot is offboarded as this case.
    Offboarding(OffboardingId),
}

/// Why it is not known whose secret was changed, or nobody was told. Hand the event on again.
#[derive(Debug, thiserror::Error)]
pub enum NotNoticed {
    /// Secrets Manager.
    #[error("the secret that was changed cannot be looked at")]
    Secret(#[from] SecretError),
    /// The inventory.
    #[error("whose secret was changed cannot be seen")]
    Inventory(#[from] InventoryError),
    /// The alert.
    #[error("people could not be told that a secret was changed")]
    Untold,
}

/// Looks whose the secret is, begins what follows, and tells people. The same event again does the same once more: people
/// hear it twice, and a case is one.
///
/// # Errors
/// [`NotNoticed`].
pub async fn secret_changed(
    ports: &Ports,
    cases: &dyn Offboardings,
    own: &Own,
    change: &SecretChange,
    request: &TriggerId,
) -> Result<Noticed, NotNoticed> {
    if is_own(change, &own.roles) {
        return Ok(Noticed::Own);
    }
    let described = match ports.secrets.describe(&change.secret).await {
        Ok(described) => Some(described),
        // What is not tagged as the deployment's may not be looked at; whose it is then, the inventory knows.
        Err(SecretError::NotFound(_) | SecretError::Denied { kms: false }) => None,
        Err(error) => return Err(error.into()),
    };
    let Some(slot) = slot_of(ports, change, described.as_ref()).await? else {
        let is_meant = |arn: &&SecretArn| names(&change.secret, arn);
        return match own.secrets.iter().find(is_meant) {
            Some(arn) => told(ports, of_credential(change, arn)).await,
            None => Ok(Noticed::NotOurs),
        };
    };
    if change.change != Change::Delete {
        return told(ports, of_slot(change, &slot)).await;
    }
    // It may have been brought back meanwhile: then its agent goes on, and a record of a deletion is no order.
    let is_there = described.as_ref().is_some_and(|secret| !secret.is_deleted);
    if is_there || slot.state == SlotState::Decommissioned {
        return told(ports, deleted_before(change, &slot, is_there)).await;
    }
    let order = case_for_agent_slot(
        &slot,
        AskedFor {
            request: request.clone(),
            by: change.by.clone(),
            reason: OutsideText::new("the slot's secret was deleted"),
            at: change.at,
        },
    );
    let opened = open(cases, ports.clock.as_ref(), &order).await?;
    let id = opened.case().id.clone();
    told(ports, deleted(change, &slot)).await?;
    Ok(Noticed::Offboarding(id))
}

async fn told(ports: &Ports, alert: Alert) -> Result<Noticed, NotNoticed> {
    match ports.tell(alert).await {
        true => Ok(Noticed::Told),
        false => Err(NotNoticed::Untold),
    }
}

/// The slot whose secret it is: by the secret's tag, or, where that was taken off or names another, by the inventory.
async fn slot_of(
    ports: &Ports,
    change: &SecretChange,
    described: Option<&SecretDescription>,
) -> Result<Option<Slot>, InventoryError> {
    let is_it = |slot: &Slot| match described {
        Some(secret) => slot.secret == secret.arn,
        None => names(&change.secret, &slot.secret),
    };
    let tag = described.and_then(|secret| secret.tags.get(TAG_SLOT));
    let tagged: Option<SlotName> = tag.and_then(|name| name.parse().ok());
    if let Some(name) = tagged {
        let slot = ports.inventory.slot(&name).await?;
        if let Some(slot) = slot.filter(is_it) {
            return Ok(Some(slot));
        }
    }
    Ok(slots_where(ports.inventory.as_ref(), is_it).await?.pop())
}

/// Whether a caller's name for a secret, which may be its ARN, its name or its ARN without the last seven characters, means
/// this one.
fn names(said: &str, arn: &SecretArn) -> bool {
    let arn = arn.as_str();
    let without_suffix = arn.rsplit_once('-').map_or(arn, |(before, _)| before);
    let name = without_suffix
        .split(':')
        .skip(6)
        .collect::<Vec<_>>()
        .join(":");
    said == arn || said == without_suffix || said == name
}

fn by_whom(change: &SecretChange) -> String {
    format!("by {} from {} at {}", change.by, change.from, change.at)
}

fn of_slot(change: &SecretChange, slot: &Slot) -> Alert {
    let what = format!(
        "The secret of slot {} {} {}.",
        slot.name,
        change.change.words(),
        by_whom(change)
    );
    let secret = &slot.secret;
    let (severity, done, left, command) = match change.change {
        Change::Value => (
            Severity::Page,
            "Nothing was undone. A key that is put under AWSCURRENT is what agents fetch; it is taken in within half an hour, and revoked with the slot.".to_owned(),
            "If nobody of yours did it, cut the slot off for good: that ends whatever key is there.".to_owned(),
            Command::about("kill", &slot.name).with("--leak --reason \"...\""),
        ),
        Change::Policy => (
            Severity::Page,
            "Nothing was undone: whoever may read the secret by now may have the key.".to_owned(),
            format!("Look at it: aws secretsmanager get-resource-policy --secret-id {secret}. If nobody of yours did it, take it off, and replace the key."),
            Command::about("rotate", &slot.name),
        ),
        Change::CancelRotation => (
            Severity::Warning,
            "Agents keep their key. It is not replaced any more, and ends by itself where it was made with an expiry.".to_owned(),
            format!("Turn it on again: aws secretsmanager rotate-secret --secret-id {secret} --rotation-lambda-arn <the rotate function>. plan says with which schedule."),
            Command::general("plan"),
        ),
        Change::Restore | Change::Delete => (
            Severity::Warning,
            "Keys that were revoked meanwhile stay so: nothing brings them back by itself.".to_owned(),
            "If its agent is to go on, see how the slot stands; a slot that was given up is registered under another name.".to_owned(),
            Command::about("status", &slot.name),
        ),
    };
    Alert::about(
        &slot.name,
        severity,
        AlertKind::ForeignSecretChange,
        [&what, &done, &left],
    )
    .with_command(command)
}

fn deleted(change: &SecretChange, slot: &Slot) -> Alert {
    let what = format!(
        "The secret of slot {} was deleted {}.",
        slot.name,
        by_whom(change)
    );
    Alert::about(
        &slot.name,
        Severity::Page,
        AlertKind::ForeignSecretChange,
        [
            &what,
            "Agents cannot fetch their key any more. The slot is given up: its keys are cut off and confirmed dead.",
            "If that was a mistake, make the agent a secret and a slot under another name. If nobody of yours did it, look for what else they did.",
        ],
    )
    .with_command(Command::about("status", &slot.name))
}

/// A deletion that begins nothing: it was taken back, or the slot was given up before.
fn deleted_before(change: &SecretChange, slot: &Slot, is_there: bool) -> Alert {
    let what = format!(
        "The secret of slot {} was deleted {}.",
        slot.name,
        by_whom(change)
    );
    let done = match is_there {
        true => "It is there again by now, so nothing was begun.",
        false => "The slot was given up before: its keys end, or have ended, with it.",
    };
    Alert::about(
        &slot.name,
        Severity::Warning,
        AlertKind::ForeignSecretChange,
        [
            &what,
            done,
            "If nobody of yours did it, look for what else they did.",
        ],
    )
    .with_command(Command::about("status", &slot.name))
}

fn of_credential(change: &SecretChange, secret: &SecretArn) -> Alert {
    let what = format!(
        "The secret {secret}, which holds a provider's credential or a standby pool, {} {}.",
        change.change.words(),
        by_whom(change)
    );
    Alert::general(
        Severity::Page,
        AlertKind::ForeignSecretChange,
        [
            &what,
            "Nothing was undone. Where it is gone, or holds another credential, keys can neither be made nor cut off at that provider.",
            "If nobody of yours did it, stop Keyward and replace every credential.",
        ],
    )
    .with_command(Command::general("lockdown --dry-run"))
}
