//! What agents told of their own use, of slots whose provider tells nothing.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use super::held::Held;
use super::keep::{self, Noted};
use super::run::{Run, of_account};
use super::{AccountPull, NotSeen, Sight, ToldOf, Watched, tell};
use crate::model::metric::KillScore;
use crate::model::names::SlotName;
use crate::model::price::PriceTable;
use crate::model::usage::Bucket;
use crate::model::usage_items::{AccountUsage, Cell};
use crate::model::version::{Version, VersionId, VersionState};
use crate::ports::{Deadline, Fence, InventoryError};
use crate::rules::alarms::part_of;
use crate::rules::told::{MOST_REPORTERS, Told, fold, is_silent};

/// Minutes after which each slot is read again, each in its own: a report comes every five.
const EVERY: u32 = 5;

/// What came late is looked for so often, in the last day.
const REREAD_EVERY: SignedDuration = SignedDuration::from_hours(1);
const REREAD: SignedDuration = SignedDuration::from_hours(24);

/// So much of what was read before is read again: reports of it may have been on their way.
const TRAIL: SignedDuration = SignedDuration::from_mins(30);

/// What is older was dropped by the store, or told of too late to be taken.
const OLDEST: SignedDuration = SignedDuration::from_hours(4 * 24);

/// So much time is kept back for what comes after.
const MARGIN: SignedDuration = SignedDuration::from_secs(15);

/// Reads and keeps what agents told of an account's slots since it was last read.
pub(super) async fn read(run: &mut Run<'_>, pulled: &mut AccountPull, prices: &PriceTable) {
    let usage = run.monitor.usage.clone();
    let state = match usage.account_or_empty(&pulled.account).await {
        Ok(state) => state,
        Err(error) => {
            pulled.sight = Sight::NotSeen(pulled.at, error.into());
            return;
        }
    };
    pulled.before = state.told_at;
    let due = due(run, pulled, state.told_at);
    let deadline = Deadline(run.deadline.0.checked_sub(MARGIN).unwrap_or(run.deadline.0));
    let read = read_due(run, &due, prices, (pulled.at, deadline)).await;
    pulled.sight = match keep_read(run, pulled, read, state.clone()).await {
        Ok(()) => Sight::Told,
        Err(why) => Sight::NotSeen(state.told_at.unwrap_or(pulled.at), why),
    };
}

/// A slot that is to be read, and the first hour.
struct Due {
    watched: Watched,
    from: Bucket,
    is_reread: bool,
}

/// The slots whose turn it is: each every five minutes, one near its line every time; all of them where this process has
/// not read them, then from where the last process left off.
fn due(run: &Run<'_>, pulled: &AccountPull, told_at: Option<Timestamp>) -> Vec<Due> {
    let now = pulled.at;
    let minute = now.as_second().max(0).unsigned_abs() / 60;
    let slots = of_account(&run.state.fleet, pulled);
    let due = slots.into_iter().filter_map(|(name, at)| {
        let ago = |ago: SignedDuration| now.checked_sub(ago).unwrap_or(now);
        let (last, is_reread) = match run.state.told_read.get(&name) {
            None => (told_at.unwrap_or(now), true),
            Some((read, reread)) => {
                let every = SignedDuration::from_mins(EVERY.into());
                let waits = now.duration_since(*read) < every;
                let is_turn = part_of(&name, EVERY.into()) == minute % u64::from(EVERY);
                if waits && !is_turn && !is_near(run.state.held.get(&name).map(|held| &**held)) {
                    return None;
                }
                (*read, now.duration_since(*reread) >= REREAD_EVERY)
            }
        };
        let day = ago(if is_reread { REREAD } else { TRAIL });
        let since = (last - TRAIL).min(day).max(ago(OLDEST));
        Some(Due {
            watched: run.state.fleet[at].clone(),
            from: Bucket::of(since),
            is_reread,
        })
    });
    due.collect()
}

fn is_near(held: Option<&Held>) -> bool {
    let standing = held.and_then(|held| held.standing);
    standing.is_some_and(|standing| standing.score >= KillScore::LINE / 2)
}

/// What was read of a slot.
struct ReadOf<'a> {
    due: &'a Due,
    told: Told,
    /// Versions that it has and the inventory does not.
    strange: Vec<VersionId>,
    /// The key that is being replaced, and until when it was used.
    retiring: Option<(Version, Timestamp)>,
}

async fn read_due<'a>(
    run: &Run<'_>,
    due: &'a [Due],
    prices: &PriceTable,
    (now, deadline): (Timestamp, Deadline),
) -> Vec<Result<ReadOf<'a>, NotSeen>> {
    let ports = &run.monitor.ports;
    let usage = &*run.monitor.usage;
    let reading = due.iter().map(|due| async move {
        let slot = &due.watched.slot;
        if !deadline.allows(ports.clock.as_ref(), SignedDuration::from_secs(1)) {
            return Err(NotSeen::OutOfTime);
        }
        let until = Bucket::of(now).hour().saturating_add(1);
        let told = usage.told(&slot.name, due.from.hour(), until).await;
        let told = match told {
            Err(InventoryError::Corrupt { key, why }) => {
                // One slot's item must not hide all others: its silence is told.
                tracing::error!(slot = %slot.name, key, why, "what agents told of a slot cannot be read");
                Vec::new()
            }
            told => told?,
        };
        let told = fold(&told, prices, slot.provider, now);
        let mut versions = &due.watched.versions;
        let asked;
        let is_unknown = |versions: &[Version], id: &VersionId| versions.iter().all(|v| v.id != *id);
        let of = |cell: &Cell| cell.version.clone();
        let ids: std::collections::BTreeSet<VersionId> = told.cells.iter().map(of).collect();
        let retires = |version: &Version| version.state == VersionState::Retiring;
        if ids.iter().any(|id| is_unknown(versions, id)) || versions.iter().any(retires) {
            // The slots are read now and then: it may be new.
            asked = ports.inventory.versions(&slot.name).await?;
            versions = &asked;
        }
        let strange = ids.iter().filter(|id| is_unknown(versions, id)).cloned().collect();
        let retiring = versions.iter().find(|version| retires(version));
        let retiring = retiring.and_then(|version| {
            let used = told.cells.iter().filter(|cell| cell.version == version.id && cell.counts().used());
            let last = used.map(|cell| cell.bucket.ends().min(now)).max()?;
            Some((version.clone(), last))
        });
        Ok(ReadOf {
            due,
            told,
            strange,
            retiring,
        })
    });
    let at_once = run.settings.pull.at_once.max(1);
    stream::iter(reading)
        .buffer_unordered(at_once)
        .collect()
        .await
}

/// Keeps what was read. Where some could not be, all that this process holds is made again from the store.
async fn keep_read(
    run: &mut Run<'_>,
    pulled: &mut AccountPull,
    read: Vec<Result<ReadOf<'_>, NotSeen>>,
    state: AccountUsage,
) -> Result<(), NotSeen> {
    let usage = run.monitor.usage.clone();
    let open = Bucket::of(pulled.at);
    let mut closed: BTreeMap<SlotName, Vec<Cell>> = BTreeMap::new();
    let mut failed = None;
    let mut done = Vec::new();
    for read in read {
        let ReadOf {
            due,
            told,
            strange,
            retiring,
        } = match read {
            Ok(read) => read,
            Err(why) => {
                failed = Some(why);
                continue;
            }
        };
        let name = &due.watched.slot.name;
        let of = ToldOf {
            last: told.last,
            ended: told.ended,
        };
        if told.last.is_some() {
            pulled.told.slots.insert(name.clone(), of);
        }
        if told.reporters >= MOST_REPORTERS {
            pulled.told.full.push(name.clone());
        }
        if !strange.is_empty() {
            pulled.told.strange.insert(name.clone(), strange);
        }
        pulled.unknown_models.extend(told.unknown_models);
        for cell in told.cells {
            match cell.bucket < open {
                true => closed.entry(name.clone()).or_default().push(cell),
                false => {
                    let owner = (name.clone(), cell.version.clone());
                    *pulled.open.entry(owner).or_default() += cell.counts();
                }
            }
        }
        if let Some((version, at)) = retiring {
            note_use(run, due, version, at).await;
        }
        done.push((name.clone(), due.is_reread));
    }
    let at_once = run.settings.pull.at_once;
    let (kept, unkept) = keep::cells(&*usage, closed, Noted::All, at_once).await;
    for (slot, kept) in kept {
        pulled.note(&slot, kept);
    }
    if let Some(error) = unkept {
        return Err(error.into());
    }
    if let Some(why) = failed {
        return Err(why);
    }
    let at = pulled.at;
    keep::account(&*usage, &pulled.account, state, |state| {
        state.told_at = state.told_at.max(Some(at));
        (state.blind_since, state.failures) = (None, 0);
    })
    .await?;
    for (name, is_reread) in done {
        let before = run.state.told_read.get(&name);
        let reread = match (is_reread, before) {
            (false, Some((_, reread))) => *reread,
            _ => at,
        };
        run.state.told_read.insert(name, (at, reread));
    }
    Ok(())
}

/// Notes when an old key was last used: it is held for that beyond its overlap, up to its deadline.
async fn note_use(run: &Run<'_>, due: &Due, mut version: Version, at: Timestamp) {
    if version.last_used.is_some_and(|known| known >= at) {
        return;
    }
    version.last_used = Some(at);
    let fence = Fence::Epoch(due.watched.slot.epoch);
    let inventory = &run.monitor.ports.inventory;
    if let Err(error) = inventory.save_versions(&[version], fence).await {
        // The next report says it again.
        tracing::warn!(slot = %due.watched.slot.name, %error, "that an old key is still used was not noted");
    }
}

/// Tells of slots that nobody tells of any more, and of those that are told of again.
pub(super) async fn listen(run: &mut Run<'_>, pulled: &AccountPull) {
    if !matches!(pulled.sight, Sight::Told) {
        return;
    }
    let now = run.now();
    let (mut silent, mut heard) = (Vec::new(), Vec::new());
    for name in of_account(&run.state.fleet, pulled).into_keys() {
        let Some(held) = run.state.held.get_mut(&name) else {
            continue;
        };
        let Some(last) = held.told.last else {
            continue;
        };
        match (is_silent(last, now), held.notes.silent) {
            (true, None) if !held.told.ended => {
                held.notes.silent = Some(last.ends());
                silent.push((name, last.ends()));
            }
            (false, Some(_)) => {
                held.notes.silent = None;
                heard.push(name);
            }
            (true, _) | (false, None) => {}
        }
    }
    if !silent.is_empty() {
        run.tell(tell::silent(&silent)).await;
    }
    if !heard.is_empty() {
        run.tell(tell::heard_again(&heard)).await;
    }
}
