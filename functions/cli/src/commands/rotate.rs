//! `keyward rotate`.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use keyward_core::model::names::{SecretVersionId, SlotName};
use keyward_core::model::slot::{CredentialKind, Slot};
use keyward_core::model::version::VersionState;
use keyward_core::ports::{SecretError, Stage, TAG_SLOT};
use keyward_core::rules::policy::interval_days;
use keyward_core::rules::pool::usable;
use keyward_core::rules::rotation::refused_now;
use keyward_core::usecases::Ports;
use keyward_core::usecases::pool::read;
use keyward_providers::config::ProviderAccounts;
use serde_json::json;

use super::Format;
use crate::aws::Aws;
use crate::print::{Outcome, clean, line};
use crate::settings::{TABLE, required};

/// How often the secret is looked at while waiting.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How the rotation that was asked for stands.
enum Standing {
    UnderWay,
    Promoted,
    Over,
}

/// Says whether a rotation could begin now. Nothing is changed.
pub(super) async fn foresee(name: &SlotName, format: Format) -> Result<Outcome> {
    look_at(name).await?;
    match format {
        Format::Table => line(&format!(
            "{name}: nothing was changed; a rotation could begin"
        )),
        Format::Json => line(&json!({ "slot": name, "result": "would_rotate" }).to_string()),
    }
    Ok(Outcome::Done)
}

/// The slot, if a rotation of it could begin now.
async fn look_at(name: &SlotName) -> Result<(Ports, Slot)> {
    let [table] = required([TABLE])?;
    let ports = Aws::load()
        .await?
        .ports(&table, ProviderAccounts::default())
        .await?;
    let slot = ports.inventory.slot(name).await?;
    let slot = slot.with_context(|| format!("there is no slot `{name}` in the inventory; nothing was changed. Look at the names: keyward status"))?;
    look_before(&ports, &slot).await?;
    Ok((ports, slot))
}

pub(super) async fn rotate(name: &SlotName, wait: Option<u32>, format: Format) -> Result<Outcome> {
    let (ports, slot) = look_at(name).await?;
    let token = start(&ports, &slot).await?;
    let say = |text: String| match format {
        Format::Table => line(&format!("{name}: {text}")),
        Format::Json => {}
    };
    say(format!("rotation {token} has begun; agents keep working"));
    let Some(seconds) = wait else {
        say(format!("look at it with keyward status {name}"));
        if format == Format::Json {
            let begun = json!({ "slot": name, "rotation": token, "result": "begun" });
            line(&begun.to_string());
        }
        return Ok(Outcome::Done);
    };
    let looks = u64::from(seconds) / LOOK_EVERY.as_secs() + 1;
    for _ in 0..looks {
        match look(&ports, &slot, &token).await? {
            Standing::Promoted => return promoted(&ports, &slot, &token, format).await,
            Standing::Over => bail!(
                "{name}: rotation {token} ended without a new key; agents keep working with the key under AWSCURRENT. The alert and the rotate function's log say why"
            ),
            Standing::UnderWay => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
    bail!(
        "{name}: rotation {token} is not finished after {seconds} s; agents keep working with the key under AWSCURRENT, whichever it is by now. Secrets Manager tries again by itself. The alert and the rotate function's log say what it waits for; keyward status {name} shows how it stands"
    )
}

/// Refuses a rotation that could not succeed now, before Secrets Manager is asked for it: it would only stand in the
/// way of the next.
async fn look_before(ports: &Ports, slot: &Slot) -> Result<()> {
    let name = &slot.name;
    let now = ports.clock.now();
    let versions = ports.inventory.versions(name).await?;
    if let Some(refusal) = refused_now(slot, &versions, now) {
        bail!("{name} cannot be rotated now: {refusal}; nothing was changed");
    }
    if slot.kind == CredentialKind::Pool {
        let pool = read(ports, &slot.account).await?;
        if usable(&pool.standby, slot, now).is_empty() {
            let account = &slot.account;
            bail!(
                "{name} cannot be rotated now: no key of the standby pool of {account} is of the slot's workspace and fresh enough; nothing was changed. Make keys at {} and put them in: keyward pool add {account} --reason TEXT < keys.txt",
                slot.provider
            );
        }
    }
    leads_here(ports, slot).await
}

/// Whether a rotation of the slot's secret would be made, and be this slot's: it is that of the slot which the tag names.
async fn leads_here(ports: &Ports, slot: &Slot) -> Result<()> {
    let name = &slot.name;
    let secret = ports.secrets.describe(slot.secret.as_str()).await?;
    match secret.tags.get(TAG_SLOT) {
        Some(tagged) if tagged == name.as_str() => {}
        Some(other) => bail!(
            "the secret of {name} is tagged for the slot `{}`, whose key a rotation of it would replace; nothing was changed. Where both slots have it, see `secret-shared` in shared/core/AUDIT.md; else take the tag {TAG_SLOT} off the secret, and write it: keyward apply",
            clean(other)
        ),
        None => bail!(
            "the secret of {name} has no tag {TAG_SLOT}, by which a rotation finds its slot; nothing was changed. Write it: keyward apply"
        ),
    }
    if !secret.rotation_enabled {
        bail!(
            "rotation is not turned on for the secret of {name}; nothing was changed. Turn it on, which rotates at once: aws secretsmanager rotate-secret --secret-id {} --rotation-lambda-arn ARN_OF_ROTATE --rotation-rules AutomaticallyAfterDays={}",
            slot.secret,
            interval_days(&slot.policy)
        );
    }
    Ok(())
}

async fn start(ports: &Ports, slot: &Slot) -> Result<SecretVersionId> {
    let name = &slot.name;
    let token: String = (0..32).map(|_| fastrand::digit(16)).collect();
    let token: SecretVersionId = token.parse()?;
    match ports.secrets.rotate_now(&slot.secret, &token).await {
        Ok(()) => Ok(token),
        Err(SecretError::RotationUnfinished) => bail!(
            "another rotation of {name} is under way or has not finished; nothing was changed. If keyward status {name} shows none under way, it is stuck: retire clears it away within an hour"
        ),
        Err(error) => Err(error).with_context(|| format!("the rotation of {name} did not begin")),
    }
}

async fn look(ports: &Ports, slot: &Slot, token: &SecretVersionId) -> Result<Standing> {
    let secret = ports.secrets.describe(slot.secret.as_str()).await?;
    if secret.has(token, &Stage::Current) {
        let versions = ports.inventory.versions(&slot.name).await?;
        let settled = versions
            .iter()
            .any(|v| v.id.secret_version == *token && v.state == VersionState::Current);
        return Ok(if settled {
            Standing::Promoted
        } else {
            Standing::UnderWay
        });
    }
    Ok(match secret.has(token, &Stage::Pending) {
        true => Standing::UnderWay,
        false => Standing::Over,
    })
}

async fn promoted(
    ports: &Ports,
    slot: &Slot,
    token: &SecretVersionId,
    format: Format,
) -> Result<Outcome> {
    let versions = ports.inventory.versions(&slot.name).await?;
    let new = versions.iter().find(|v| v.state == VersionState::Current);
    let old = versions.iter().rfind(|v| v.state == VersionState::Retiring);
    let name = &slot.name;
    if format == Format::Json {
        let done = json!({
            "slot": name, "rotation": token, "result": "promoted",
            "key": new.map(|new| new.shown().to_string()),
            "old": old.map(|old| old.shown().to_string()),
            "old_until": old.and_then(|old| old.retire_after),
        });
        line(&done.to_string());
        return Ok(Outcome::Done);
    }
    if let Some(new) = new {
        line(&format!(
            "{name}: done, agents fetch {} from now on",
            new.shown()
        ));
    }
    if let Some((old, until)) = old.and_then(|old| Some((old, old.retire_after?))) {
        line(&format!(
            "{name}: the old key {} stays valid until {} at least",
            old.shown(),
            until.strftime("%Y-%m-%d %H:%M UTC")
        ));
    }
    Ok(Outcome::Done)
}
