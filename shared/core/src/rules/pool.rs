//! Which standby key a slot draws.

use jiff::{SignedDuration, Timestamp};

use super::policy::{interval_days, overdue_at};
use crate::model::pool::StandbyKey;
use crate::model::slot::{Policy, Slot};

/// Of the rotation interval, what a key must have before it at least to be worth drawing: one in so many parts.
const PARTS_OF_THE_INTERVAL: i32 = 4;

/// Whether a slot with this policy can draw the key: enough of its life is left.
pub fn is_fresh(key: &StandbyKey, policy: &Policy, now: Timestamp) -> bool {
    let least = SignedDuration::from_hours(24 * interval_days(policy)) / PARTS_OF_THE_INTERVAL;
    overdue_at(policy, key.created, key.expires) >= now + least
}

/// The keys that a slot can draw, oldest first: those of its workspace that are ready and fresh.
pub fn usable<'a>(standby: &'a [StandbyKey], slot: &Slot, now: Timestamp) -> Vec<&'a StandbyKey> {
    let fits = |key: &&StandbyKey| key.ready.is_some() && key.workspace == slot.scope.workspace;
    let mut usable: Vec<&StandbyKey> = standby
        .iter()
        .filter(fits)
        .filter(|key| is_fresh(key, &slot.policy, now))
        .collect();
    usable.sort_by_key(|key| (key.created, key.fingerprint));
    usable
}
