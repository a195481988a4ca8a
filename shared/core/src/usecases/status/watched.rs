//! What a slot spends, whether that is seen, and what ends it if it is too much.

use jiff::Timestamp;
use serde::Serialize;

use crate::model::kill_order::Basis;
use crate::model::money::MicroDollars;
use crate::model::slot::{Mode, Slot};
use crate::model::usage::Bucket;
use crate::model::usage_items::{AccountUsage, Seen, Spent, spent};
use crate::model::version::{Version, VersionState};
use crate::ports::{InventoryError, UsageStore};
use crate::rules::anomaly::BLIND;
use crate::rules::caps;
use crate::rules::told::is_silent;
use crate::usecases::monitor::{Watched, load};

/// Usage of so many buckets may still be on its way.
const ON_ITS_WAY: u32 = 3;

/// What a slot spends, and who watches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// Spent today, UTC.
    pub today: Spent,
    /// What may be spent in a day.
    pub daily_cap: MicroDollars,
    /// Spent this month, UTC.
    pub month: Spent,
    /// What may be spent in a month.
    pub monthly_cap: MicroDollars,
    /// The KillScore in thousandths; `None` where usage is not seen.
    pub score: Option<u32>,
    /// Whether its usage is seen.
    pub sight: Sight,
    /// What ends its spending if it is too much; empty if nothing does.
    pub protected_by: Vec<Protection>,
}

/// Whether a slot's usage is seen, and by whose word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// Its provider tells it.
    Seen,
    /// Its provider tells nothing, and its agents tell what they use: a thief's use is not seen.
    Told,
    /// Its agents alone told it, and do not any more since then.
    Silent(Timestamp),
    /// Not since then.
    Blind(Timestamp),
    /// It never was: neither provider nor agents tell, or no monitor runs.
    Never,
}

impl Sight {
    fn of(account: &AccountUsage, now: Timestamp) -> Self {
        if let Some(read) = account.told_at {
            return match account.seen_until() {
                None => Self::Never,
                Some(_) if now.duration_since(read) >= BLIND => Self::Blind(read),
                Some(until) if is_silent(until.minus(1), now) => Self::Silent(until.begins()),
                Some(_) => Self::Told,
            };
        }
        match (account.blind_since, account.read_at) {
            (Some(since), _) => Self::Blind(since),
            (None, Some(at)) if now.duration_since(at) >= BLIND => Self::Blind(at),
            (None, Some(_)) => Self::Seen,
            (None, None) => Self::Never,
        }
    }
}

/// What ends a slot's spending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Protection {
    /// The provider's own hard limit, which was set and read back.
    Provider,
    /// The kill switch: its usage is seen, and the slot is cut off for what it shows.
    Keyward,
    /// The same for what its agents tell of their own use. A thief's use ends nothing.
    Told,
}

/// Reads what is known of a slot's usage, and how far its account was read.
pub(super) async fn read(
    usage: &dyn UsageStore,
    watched: &Watched,
    now: Timestamp,
) -> Result<(Use, AccountUsage), InventoryError> {
    let slot = &watched.slot;
    let mut account = usage.account_or_empty(&slot.account).await?;
    let mut held = load(usage, watched, &account, now).await?;
    let assessed = held.assess(slot, now);
    let here = Bucket::of(now);
    let (month, today) = caps::month_before(now);
    let first = match account.told_at {
        Some(_) => month.min(today),
        None => today,
    };
    let hours = usage
        .hours(&slot.name, first.hour(), here.hour() + 1)
        .await?;
    if account.told_at.is_some() {
        account = account.as_told(&hours);
    }
    let sight = Sight::of(&account, now);
    let arrived = here.minus(ON_ITS_WAY);
    let seen = |from: Bucket| match sight {
        // Just after midnight there is nothing to have seen.
        Sight::Never => Seen::Partly,
        Sight::Seen | Sight::Told | Sight::Silent(_) | Sight::Blind(_) => {
            spent(Some(&account), &[], (from, arrived), |_| true).seen
        }
    };
    let known = spent(Some(&account), &hours, (today, here), |_| true).known;
    let found = Use {
        today: Spent {
            known,
            seen: seen(today),
        },
        daily_cap: caps::daily(slot, now),
        month: Spent {
            known: held.month_spent(here).max(known),
            seen: seen(month),
        },
        monthly_cap: caps::monthly(slot, now),
        score: matches!(sight, Sight::Seen | Sight::Told).then_some(assessed.score.0),
        sight,
        protected_by: protection(watched, sight, assessed.basis),
    };
    Ok((found, account))
}

fn protection(watched: &Watched, sight: Sight, basis: Basis) -> Vec<Protection> {
    let mut used = watched.versions.iter().filter(|v| caps::is_kept(v));
    let current = watched
        .versions
        .iter()
        .find(|version| version.state == VersionState::Current);
    let limited = |version: &Version| version.cap.is_some() && version.told.uncapped.is_none();
    let at_provider = current.is_some_and(limited).then_some(Protection::Provider);
    let can_be_cut_off = current.is_some() && used.all(|version| version.handle.is_some());
    let by = match sight {
        Sight::Seen => Some(Protection::Keyward),
        Sight::Told => Some(Protection::Told),
        Sight::Silent(_) | Sight::Blind(_) | Sight::Never => None,
    };
    let by_kill = by.filter(|_| can_be_cut_off && acts(&watched.slot, basis));
    at_provider.into_iter().chain(by_kill).collect()
}

/// Whether the slot is cut off for what it uses. One that only observes is for what its owner declared, until it has a
/// measure of its own.
const fn acts(slot: &Slot, basis: Basis) -> bool {
    match (slot.mode, basis) {
        (Mode::Enforce, _) | (Mode::Observe, Basis::Declared) => true,
        (Mode::Observe, Basis::Usual) => false,
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn an_account_is_seen_only_while_it_is_read() {
        let now: Timestamp = "2026-11-25T12:00:00Z".parse().unwrap();
        let ago = |minutes| now - SignedDuration::from_mins(minutes);
        for (name, read_at, blind_since, expected) in [
            ("read now", Some(1), None, Sight::Seen),
            ("fails", Some(5), Some(4), Sight::Blind(ago(4))),
            ("no monitor any more", Some(15), None, Sight::Blind(ago(15))),
            ("never read", None, None, Sight::Never),
            ("never read, and fails", None, Some(4), Sight::Blind(ago(4))),
        ] {
            let mut account = AccountUsage::empty("main".parse().unwrap());
            account.read_at = read_at.map(ago);
            account.blind_since = blind_since.map(ago);
            assert_eq!(Sight::of(&account, now), expected, "{name}");
        }
    }

    #[test]
    fn what_agents_tell_is_seen_only_while_they_do() {
        let now: Timestamp = "2026-11-25T12:02:00Z".parse().unwrap();
        let open = Bucket::of(now);
        let ago = |minutes| now - SignedDuration::from_mins(minutes);
        let ends = |bucket: Bucket| bucket.ends();
        for (name, read, last, expected) in [
            ("now", 1, Some(open), Sight::Told),
            ("lately", 1, Some(open.minus(3)), Sight::Told),
            (
                "not any more",
                1,
                Some(open.minus(4)),
                Sight::Silent(ends(open.minus(4))),
            ),
            ("never", 1, None, Sight::Never),
            ("no monitor any more", 15, Some(open), Sight::Blind(ago(15))),
        ] {
            let mut account = AccountUsage::empty("main".parse().unwrap());
            account.told_at = Some(ago(read));
            let span = |last: Bucket| crate::model::usage_items::Span {
                from: last.minus(9),
                until: last.plus(1),
            };
            account.seen.extend(last.map(span));
            assert_eq!(Sight::of(&account, now), expected, "{name}");
        }
    }
}
