//! What of a slot's recorded usage counts, which of it proves that a dead key is in use, and when the monitor itself sends
//! a slot to the kill switch.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::model::kill_order::Basis;
use crate::model::metric::KillScore;
use crate::model::slot::{Epoch, Mode, Slot};
use crate::model::usage::{Bucket, Counts, Reading};
use crate::model::usage_items::{AccountUsage, Cell};
use crate::model::version::{Version, VersionId, VersionState};

/// So long a score stands over its line before the monitor sends the slot itself: its alarm should have been quicker. Two
/// minutes, in runs a minute apart: the third that sees it sends, even if it comes some seconds early.
const ALARM_TAKES: SignedDuration = SignedDuration::from_secs(105);

/// A score so old sends nobody.
const SCORE_LASTS: SignedDuration = SignedDuration::from_mins(15);

/// Use that began so long after a key was confirmed dead proves that it is not.
const PROOF_AFTER: SignedDuration = SignedDuration::from_mins(15);

/// A containment: what versions of before it use later is no evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// The epoch that it began: versions of it and of later ones were made after it.
    pub epoch: Epoch,
    /// The bucket that it lies in.
    pub bucket: Bucket,
}

/// Whether what a version used in a bucket counts for its slot. What a key used after it was cut off or revoked is
/// judged by [`proofs`] alone.
fn counts(version: &Version, cut: Option<Cut>, bucket: Bucket) -> bool {
    use VersionState::{
        Abandoned, Contained, Current, Intended, Pending, Promoting, Restoring, Retiring, Revoked,
        Revoking,
    };
    match version.state {
        Intended | Pending | Promoting | Current | Retiring | Restoring => true,
        Contained | Revoking | Revoked | Abandoned => {
            let contained = cut.filter(|cut| version.epoch < cut.epoch);
            let before_cut = contained.is_none_or(|cut| bucket <= cut.bucket);
            let accepted = version.revoke_accepted;
            before_cut && accepted.is_none_or(|at| bucket.begins() < at)
        }
    }
}

/// What counts of a slot's cells of one bucket, all versions together. A version that the inventory does not have counts.
pub fn counted(versions: &[Version], cut: Option<Cut>, cells: &[Cell]) -> Counts {
    let mut sum = Counts::default();
    for cell in cells {
        if is_counted(versions, cut, &cell.version, cell.bucket) {
            sum += cell.counts();
        }
    }
    sum
}

/// What is known of a slot's use of a bucket, of which these cells are kept: what is not kept is zero where the account
/// was seen, and not known elsewhere.
pub fn reading(
    account: &AccountUsage,
    versions: &[Version],
    cut: Option<Cut>,
    (bucket, cells): (Bucket, &[Cell]),
) -> Reading {
    match !cells.is_empty() || account.saw(bucket) {
        true => Reading::Known(counted(versions, cut, cells)),
        false => Reading::Unknown,
    }
}

/// Whether what one version used in a bucket counts.
pub fn is_counted(
    versions: &[Version],
    cut: Option<Cut>,
    version: &VersionId,
    bucket: Bucket,
) -> bool {
    let known = versions.iter().find(|known| known.id == *version);
    known.is_none_or(|version| counts(version, cut, bucket))
}

/// The versions that were confirmed dead, and spent money in a bucket that began 15 minutes or more after that, each with
/// the last such bucket.
pub fn proofs<'v, 'c>(
    versions: &'v [Version],
    cells: impl IntoIterator<Item = &'c Cell>,
) -> Vec<(&'v Version, Bucket)> {
    let mut last: BTreeMap<&VersionId, Bucket> = BTreeMap::new();
    for cell in cells {
        let Some(version) = versions.iter().find(|version| version.id == cell.version) else {
            continue;
        };
        let dead_for = |at: Timestamp| cell.bucket.begins().duration_since(at);
        let confirmed = version.revoke_confirmed.map(|confirmed| confirmed.at);
        let is_proof = confirmed.is_some_and(|at| dead_for(at) >= PROOF_AFTER);
        if is_proof && cell.counts().cost.0 > 0 {
            let known = last.entry(&version.id).or_insert(cell.bucket);
            *known = cell.bucket.max(*known);
        }
    }
    let with = |version: &'v Version| Some((version, *last.get(&version.id)?));
    versions.iter().filter_map(with).collect()
}

/// A slot's last score, and since when it is over its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// In thousandths.
    pub score: u32,
    /// What its line is made of.
    pub basis: Basis,
    /// When it was judged.
    pub at: Timestamp,
    /// Since when it is over its line without a break.
    pub over_since: Option<Timestamp>,
}

/// Whether the monitor sends a slot to the kill switch. One that only observes has an alarm that says what would have been
/// done; for what its owner declared the monitor cuts it off all the same, and at once: no alarm does.
pub fn is_to_be_sent(slot: &Slot, standing: &Standing, now: Timestamp) -> bool {
    let Some(since) = standing.over_since else {
        return false;
    };
    if standing.score < KillScore::LINE || now.duration_since(standing.at) > SCORE_LASTS {
        return false;
    }
    let lasts = now.duration_since(since) >= ALARM_TAKES;
    match (slot.mode, standing.basis) {
        (Mode::Enforce, Basis::Usual | Basis::Declared) => lasts,
        (Mode::Observe, Basis::Declared) => true,
        (Mode::Observe, Basis::Usual) => false,
    }
}

#[cfg(test)]
mod tests;
