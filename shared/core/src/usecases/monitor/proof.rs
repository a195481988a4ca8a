//! Spend by a key that was confirmed dead: `retire` is to revoke it again, and its slot is cut off if the key is seen alive.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::held::Held;
use super::order::Ordered;
use super::run::Run;
use super::tell::{self, Proof};
use super::{AccountPull, Sight, Watched};
use crate::model::kill_order::{Basis, MonitorOrder};
use crate::model::metric::KillScore;
use crate::model::text::OutsideText;
use crate::model::usage::Bucket;
use crate::model::usage_items::Source;
use crate::model::version::{Version, VersionState};
use crate::ports::{Fence, InventoryError};
use crate::rules::anomaly::Score;
use crate::rules::watching::proofs;

/// A key that goes on being used is dealt with again after so long.
const AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// Looks for proofs in what a pull brought, and deals with them.
pub(super) async fn see_to(run: &mut Run<'_>, pulled: &AccountPull, at: usize, held: &mut Held) {
    let watched = &run.state.fleet[at];
    let Some(read) = pulled.read.get(&watched.slot.name) else {
        return;
    };
    let found = proofs(&watched.versions, read.values().flatten());
    if found.is_empty() && held.notes.proved.is_empty() {
        return;
    }
    let found: Vec<(Version, Bucket)> = found.into_iter().map(|(v, at)| (v.clone(), at)).collect();
    let watched = watched.clone();
    let now = run.now();
    let source = match matches!(pulled.sight, Sight::Told) {
        true => Source::Agents,
        false => Source::Provider,
    };
    for (version, last) in &found {
        let id = version.id.to_string();
        let is_known = |(bucket, at): &(Bucket, Timestamp)| {
            *bucket >= *last || now.duration_since(*at) < AGAIN
        };
        if held.notes.proved.get(&id).is_some_and(is_known) {
            continue;
        }
        let found = look(run, &watched, version).await;
        let found = match found {
            Proof::Gone => found,
            _ => asked_for(run, version, found).await,
        };
        match found {
            Proof::NotSeen if !run.state.is_news(&format!("proof {id}"), now) => continue,
            Proof::NotSeen => {}
            Proof::Alive => order(run, &watched, version),
            Proof::Gone | Proof::Listed => {}
        }
        let slot = &watched.slot.name;
        run.tell(tell::dead_key_used(slot, version, source, found))
            .await;
        if found != Proof::NotSeen {
            held.notes.proved.insert(id, (*last, now));
        }
    }
    let known: BTreeSet<String> = watched.versions.iter().map(|v| v.id.to_string()).collect();
    held.notes.proved.retain(|id, _| known.contains(id));
}

/// What the provider says of the key.
async fn look(run: &Run<'_>, watched: &Watched, version: &Version) -> Proof {
    let Some(handle) = &version.handle else {
        return Proof::NotSeen;
    };
    let slot = &watched.slot;
    let providers = &run.monitor.ports.providers;
    let seen = async {
        let provider = providers.open(&slot.account, slot.provider).await?;
        provider.get(handle).await
    };
    match seen.await {
        Ok(None) => Proof::Gone,
        Ok(Some(record)) if record.suspended == Some(false) => Proof::Alive,
        Ok(Some(_)) => Proof::Listed,
        Err(error) => {
            tracing::error!(slot = %slot.name, version = %version.id, %error, "a dead key that is in use could not be looked at");
            Proof::NotSeen
        }
    }
}

/// Has `retire` revoke the key again: the monitor may only read at providers. One that could not be asked for is looked at
/// again, unless it is seen alive: then the kill does not wait for it.
async fn asked_for(run: &Run<'_>, version: &Version, found: Proof) -> Proof {
    match ask_to_revoke(run, version).await {
        Ok(()) => found,
        Err(error) => {
            tracing::error!(slot = %version.slot, version = %version.id, %error, "that a dead key is to be revoked again could not be recorded");
            match found {
                Proof::Alive => Proof::Alive,
                Proof::Listed | Proof::Gone | Proof::NotSeen => Proof::NotSeen,
            }
        }
    }
}

/// The list of slots lags, so the version is read anew. Asking twice is asking once.
async fn ask_to_revoke(run: &Run<'_>, version: &Version) -> Result<(), InventoryError> {
    let inventory = &run.monitor.ports.inventory;
    let stored = inventory.versions(&version.slot).await?.into_iter();
    let is_asked_for = |v: &Version| v.state != VersionState::Revoked || v.used_when_dead.is_some();
    let mut due = stored.filter(|v| v.id == version.id && !is_asked_for(v));
    let Some(mut dead) = due.next() else {
        return Ok(());
    };
    dead.used_when_dead = Some(run.now());
    dead.due_at = Some(run.now());
    inventory.save_versions(&[dead], Fence::None).await
}

/// The key lives: the slot is over its line, whatever it spends.
fn order(run: &mut Run<'_>, watched: &Watched, version: &Version) {
    let (slot, now) = (&watched.slot.name, run.now());
    let reason = format!(
        "key {} was confirmed dead, is alive and in use",
        version.shown()
    );
    run.scores.push(KillScore {
        slot: slot.clone(),
        thousandths: Score::PROOF.0,
        at: now,
    });
    let order = MonitorOrder {
        stack: run.monitor.deployment.stack.clone(),
        slot: slot.clone(),
        score_thousandths: Score::PROOF.0,
        judged: now,
        basis: Basis::Declared,
        reason: OutsideText::new(&reason),
    };
    run.orders.push(Ordered {
        order,
        mode: watched.slot.mode,
        is_told: true,
    });
}
