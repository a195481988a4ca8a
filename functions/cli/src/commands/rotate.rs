//! `keyward rotate`.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use keyward_core::model::names::{SecretVersionId, SlotName};
use keyward_core::model::slot::Slot;
use keyward_core::model::version::VersionState;
use keyward_core::ports::{SecretError, Stage};
use keyward_core::rules::policy::interval_days;
use keyward_core::usecases::Ports;
use keyward_providers::config::ProviderAccounts;

use crate::aws::Aws;
use crate::print::{Outcome, line};
use crate::settings::{TABLE, required};

/// How often the secret is looked at while waiting.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How the rotation that was asked for stands.
enum Standing {
    UnderWay,
    Promoted,
    Over,
}

pub(super) async fn rotate(name: &SlotName, wait: Option<u32>) -> Result<Outcome> {
    let [table] = required([TABLE])?;
    let ports = Aws::load()
        .await?
        .ports(&table, ProviderAccounts::default())?;
    let slot = ports.inventory.slot(name).await?;
    let slot = slot.with_context(|| format!("there is no slot `{name}` in the inventory; nothing was changed. Look at the names: keyward status"))?;
    let token = start(&ports, &slot).await?;
    line(&format!(
        "{name}: rotation {token} has begun; agents keep working"
    ));
    let Some(seconds) = wait else {
        line(&format!("{name}: look at it with keyward status {name}"));
        return Ok(Outcome::Done);
    };
    let looks = u64::from(seconds) / LOOK_EVERY.as_secs() + 1;
    for _ in 0..looks {
        match look(&ports, &slot, &token).await? {
            Standing::Promoted => return promoted(&ports, &slot).await,
            Standing::Over => bail!(
                "{name}: rotation {token} ended without a new key; agents keep working with the key under AWSCURRENT. The alert and the rotate function's log say why"
            ),
            Standing::UnderWay => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
    bail!(
        "{name}: rotation {token} is not finished after {seconds} s; agents keep working with the key under AWSCURRENT, whichever it is by now. Secrets Manager goes on trying: look with keyward status {name}"
    )
}

async fn start(ports: &Ports, slot: &Slot) -> Result<SecretVersionId> {
    let name = &slot.name;
    let secret = ports.secrets.describe(slot.secret.as_str()).await?;
    if !secret.rotation_enabled {
        bail!(
            "rotation is not turned on for the secret of {name}; nothing was changed. Turn it on, which rotates at once: aws secretsmanager rotate-secret --secret-id {} --rotation-lambda-arn ARN_OF_ROTATE --rotation-rules AutomaticallyAfterDays={}",
            slot.secret,
            interval_days(&slot.policy)
        );
    }
    let token: String = (0..32).map(|_| fastrand::digit(16)).collect();
    let token: SecretVersionId = token.parse()?;
    match ports.secrets.rotate_now(&slot.secret, &token).await {
        Ok(()) => Ok(token),
        Err(SecretError::RotationUnfinished) => bail!(
            "an earlier rotation of {name} has not finished; nothing was changed. Look with keyward status {name}: retire clears a stuck one away within an hour"
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

async fn promoted(ports: &Ports, slot: &Slot) -> Result<Outcome> {
    let versions = ports.inventory.versions(&slot.name).await?;
    let new = versions.iter().find(|v| v.state == VersionState::Current);
    let old = versions.iter().rfind(|v| v.state == VersionState::Retiring);
    let name = &slot.name;
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
