//! Rules on what ends a slot's spending.

use super::Fault;
use super::facts::{Listing, SlotFacts, Watcher};
use crate::model::slot::SlotState;
use crate::model::version::VersionState;
use crate::rules::caps;

pub(super) fn no_cap(facts: &SlotFacts<'_>) -> Vec<Fault> {
    let (Some(account), Some(watcher)) = (facts.account.seen(), facts.watcher.seen()) else {
        return Vec::new();
    };
    let has_key = facts.versions.iter().any(caps::is_kept);
    let since = match (account.day_limit, watcher) {
        (None, Watcher::Nobody(since)) if has_key => since,
        _ => return Vec::new(),
    };
    let evidence = "its provider limits no key, and nobody sees what its keys use".to_owned();
    vec![Fault::of("", evidence, since)]
}

pub(super) fn default_cap(facts: &SlotFacts<'_>) -> Vec<Fault> {
    let slot = facts.slot;
    let is_open = slot.state != SlotState::Decommissioned;
    Fault::when(slot.expected_assumed && is_open, || {
        let evidence = format!(
            "nobody said what it spends: {} a day are assumed",
            slot.expected.daily
        );
        (evidence, None)
    })
}

/// Where a limit is moved each day, what it is today may not be known: then any is taken.
pub(super) fn cap_missing(facts: &SlotFacts<'_>) -> Vec<Fault> {
    let account = facts.account.seen();
    let Some(limit) = account.and_then(|account| account.day_limit) else {
        return Vec::new();
    };
    if facts.slot.state == SlotState::Decommissioned {
        return Vec::new();
    }
    let kept = facts.keys().filter(|(version, _)| caps::is_kept(version));
    let faults = kept.filter_map(|(version, listing)| {
        let Listing::There(key) = listing else {
            return None;
        };
        let wanted = caps::of_key(facts.slot, version, limit, facts.now);
        let what = match (key.cap, wanted) {
            (None, _) => "has no limit at its provider".to_owned(),
            (Some(found), Some(wanted)) if found.amount > wanted.amount => {
                format!("may spend {found} at its provider; {wanted} is right")
            }
            (Some(_), _) => return None,
        };
        let is_current = version.state == VersionState::Current;
        let since = is_current.then_some(version.promoted).flatten();
        let evidence = format!("the key {} {what}", version.shown());
        Some(Fault::of(version.id.to_string(), evidence, since))
    });
    faults.collect()
}
