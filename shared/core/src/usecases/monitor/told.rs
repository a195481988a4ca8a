//! What agents told of their own use, of slots whose provider tells nothing. One slot's is read, kept and dropped before
//! much more is read, and what cannot be read of one is no other's trouble.

mod slot;

use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use super::held::Held;
use super::keep;
use super::run::{Run, of_account};
use super::{AccountPull, NotSeen, Sight, ToldOf, Watched, tell};
use crate::model::metric::KillScore;
use crate::model::price::PriceTable;
use crate::model::usage::Bucket;
use crate::model::usage_items::AccountUsage;
use crate::ports::Deadline;
use crate::rules::alarms::part_of;
use crate::rules::told::{MOST_REPORTERS, is_silent};
use slot::{Reading, Turn};

pub(super) use slot::page;

/// Minutes after which each slot is read again, each in its own: a report comes every five.
const EVERY: u32 = 5;

/// What came late is looked for so often, in the last day.
const REREAD_EVERY: SignedDuration = SignedDuration::from_hours(1);
const REREAD: SignedDuration = SignedDuration::from_hours(24);

/// So much of what was read before is read again: reports of it may have been on their way.
const TRAIL: SignedDuration = SignedDuration::from_mins(30);

/// What is older was dropped by the store, or told of too late to be taken.
const OLDEST: SignedDuration = SignedDuration::from_hours(4 * 24);

/// A slot that was not read for so long is made again from the store: what was told meanwhile is not held beside it.
const LONG: SignedDuration = SignedDuration::from_hours(1);

/// So much time is kept back for what comes after.
const MARGIN: SignedDuration = SignedDuration::from_secs(15);

/// So much time the reading of one slot may take.
const SLOT: SignedDuration = SignedDuration::from_secs(1);

/// When what agents told of a slot was last read by this process, and when the last day of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Read {
    at: Timestamp,
    day_at: Timestamp,
}

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
    let cold = read_until(&state, pulled.at);
    read_due(run, pulled, prices, cold).await;
    let since = unread_since(run, pulled, cold);
    let at = pulled.at;
    let kept = keep::account(&*usage, &pulled.account, state, |state| {
        // One that lies ahead was a clock's fault.
        state.told_at = Some(at);
        (state.blind_since, state.failures) = (since, 0);
    });
    pulled.sight = match kept.await {
        Ok(()) => Sight::Told,
        Err(error) => Sight::NotSeen(cold, error.into()),
    };
}

/// Up to when all of an account's slots are read, by whomever.
fn read_until(state: &AccountUsage, now: Timestamp) -> Timestamp {
    let until = state.blind_since.or(state.told_at).unwrap_or(now);
    until.min(now)
}

/// Since when some of an account's slots are not read.
fn unread_since(run: &Run<'_>, pulled: &AccountPull, cold: Timestamp) -> Option<Timestamp> {
    let slots = of_account(&run.state.fleet, pulled).into_keys();
    let since = slots.filter_map(|name| match pulled.told.unread.get(&name) {
        Some((since, _)) => Some(*since),
        None if run.state.told_read.contains_key(&name) => None,
        None => Some(cold),
    });
    since.min()
}

/// A slot that is to be read, and from when on.
struct Due {
    watched: Watched,
    /// When it was last read, by this process or another.
    last: Timestamp,
    from: Bucket,
    is_day: bool,
    is_near: bool,
}

/// The slots whose turn it is: each every five minutes, one near its line every time; all of them where this process has
/// not read them, then from where the last process left off. Those near their line come first, and then those that were
/// not read for longest.
fn due(run: &Run<'_>, pulled: &AccountPull, cold: Timestamp) -> Vec<Due> {
    let now = pulled.at;
    let minute = now.as_second().max(0).unsigned_abs() / 60;
    let slots = of_account(&run.state.fleet, pulled);
    let due = slots.into_iter().filter_map(|(name, at)| {
        let ago = |ago: SignedDuration| now.checked_sub(ago).unwrap_or(now);
        let lately = |at: Timestamp, every: SignedDuration| {
            let ago = now.duration_since(at);
            // A time that lies ahead is a clock's fault.
            !ago.is_negative() && ago < every
        };
        let is_near = is_near(run.state.held.get(&name).map(|held| &**held));
        let (last, is_day) = match run.state.told_read.get(&name) {
            None => (cold, true),
            Some(read) => {
                let waits = lately(read.at, SignedDuration::from_mins(EVERY.into()));
                let is_turn = part_of(&name, EVERY.into()) == minute % u64::from(EVERY);
                if waits && !is_turn && !is_near {
                    return None;
                }
                (read.at.min(now), !lately(read.day_at, REREAD_EVERY))
            }
        };
        let day = ago(if is_day { REREAD } else { TRAIL });
        let since = last.checked_sub(TRAIL).unwrap_or(last).min(day);
        Some(Due {
            watched: run.state.fleet[at].clone(),
            last,
            from: Bucket::of(since.max(ago(OLDEST))),
            is_day,
            is_near,
        })
    });
    let mut due: Vec<Due> = due.collect();
    due.sort_by_key(|due| (!due.is_near, due.last));
    due
}

fn is_near(held: Option<&Held>) -> bool {
    let standing = held.and_then(|held| held.standing);
    standing.is_some_and(|standing| standing.score >= KillScore::LINE / 2)
}

/// Reads the slots whose turn it is, a few at once, and takes each up as it comes.
async fn read_due(
    run: &mut Run<'_>,
    pulled: &mut AccountPull,
    prices: &PriceTable,
    cold: Timestamp,
) {
    let due = due(run, pulled, cold);
    let monitor = run.monitor;
    let clock = &*monitor.ports.clock;
    let deadline = Deadline(run.deadline.0.checked_sub(MARGIN).unwrap_or(run.deadline.0));
    let now = pulled.at;
    let turn = Turn {
        monitor,
        prices,
        now,
        recent: Bucket::of(now.checked_sub(TRAIL).unwrap_or(now)),
    };
    let reading = due.iter().map(|due| async move {
        let read = match deadline.allows(clock, SLOT) {
            true => turn.read(&due.watched, due.from.hour()).await,
            false => Reading::not_begun(NotSeen::OutOfTime),
        };
        (due, read)
    });
    let mut reading = stream::iter(reading).buffer_unordered(run.settings.pull.at_once.max(1));
    while let Some((due, read)) = reading.next().await {
        take_up(run, pulled, due, read);
    }
}

/// Notes what was read of a slot: it counts as read only if all of it was kept.
fn take_up(run: &mut Run<'_>, pulled: &mut AccountPull, due: &Due, read: Reading) {
    let name = &due.watched.slot.name;
    let Reading {
        told,
        open,
        kept,
        failed,
    } = read;
    let was_kept = !kept.changed.is_empty();
    if let Some(why) = failed {
        if !matches!(why, NotSeen::OutOfTime) {
            tracing::warn!(slot = %name, error = %why, "what agents told of a slot could not be read or kept");
        }
        if was_kept {
            // Not all that was kept is known here: the store knows.
            run.state.held.remove(name);
            run.state.told_read.remove(name);
        }
        pulled.told.unread.insert(name.clone(), (due.last, why));
        return;
    }
    if pulled.at.duration_since(due.last) > LONG {
        run.state.held.remove(name);
    }
    // Whoever is not held is made from the store.
    if run.state.held.contains_key(name) {
        pulled.note(name, kept);
    }
    pulled.open.extend(open);
    let Some(told) = told else { return };
    if told.last.is_some() {
        let of = ToldOf {
            last: told.last,
            ended: told.ended,
        };
        pulled.told.slots.insert(name.clone(), of);
    }
    if told.reporters >= MOST_REPORTERS {
        pulled.told.full.push(name.clone());
    }
    if !told.strange.is_empty() {
        pulled.told.strange.insert(name.clone(), told.strange);
    }
    if pulled.unknown_models.len() < MODELS {
        pulled.unknown_models.extend(told.unknown_models);
    }
    let before = run.state.told_read.get(name);
    let day_at = match (due.is_day, before) {
        (false, Some(read)) => read.day_at,
        _ => pulled.at,
    };
    let at = pulled.at;
    let read = Read { at, day_at };
    run.state.told_read.insert(name.clone(), read);
}

/// Models without a price that an account's agents name, and people are told of.
const MODELS: usize = 50;

/// Tells of slots that nobody tells of any more, and of those that are told of again.
pub(super) async fn listen(run: &mut Run<'_>, pulled: &AccountPull) {
    if !matches!(pulled.sight, Sight::Told) {
        return;
    }
    let now = run.now();
    let (mut silent, mut heard) = (Vec::new(), Vec::new());
    for name in of_account(&run.state.fleet, pulled).into_keys() {
        // Of one that could not be read nobody knows whether it is silent.
        let is_read = !pulled.told.unread.contains_key(&name);
        let Some(held) = run.state.held.get_mut(&name).filter(|_| is_read) else {
            continue;
        };
        let Some(last) = held.told else {
            continue;
        };
        match (is_silent(last, now), held.notes.silent) {
            (true, None) if !held.has_ended() => {
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
