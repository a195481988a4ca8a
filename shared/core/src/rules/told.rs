//! What agents tell of their own use: who may, what is taken of it, and what it is worth beside a provider's figures.
//!
//! It is the word of whoever has the key rightfully. What somebody else uses the key for is not in it, and nobody checks it
//! where the provider tells nothing: it can show that an agent runs wild, and never that a key is in nobody else's hands.

mod compare;
mod fold;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::model::act::CallerArn;
use crate::model::key_like::{may_be_a_key, words};
use crate::model::names::{ModelName, Reader, ReporterId, SecretVersionId, SlotName};
use crate::model::told::{ToldCell, ToldHour};
use crate::model::usage::{Bucket, Counts, TokenCounts};
use crate::model::version::{Version, VersionId};
use crate::rules::anomaly::BLIND;

pub use compare::{Apart, Day, apart, seen_beside};
pub use fold::{Fold, Told, is_known, not_in_inventory};

/// What is older is refused.
pub const OLDEST: SignedDuration = SignedDuration::from_hours(24);
/// Clocks may be so far apart.
pub const SKEW: SignedDuration = SignedDuration::from_mins(5);
/// Buckets in a report: a day, and those that the ends of it lie in.
pub const MOST_BUCKETS: usize = Bucket::PER_DAY as usize + 2;
/// Models in a bucket.
pub const MOST_MODELS: usize = 16;
/// Versions of which one process tells in an hour.
pub const MOST_VERSIONS: usize = 4;
/// Models that one process names in an hour,
const MOST_NAMES: usize = 2 * MOST_MODELS;
/// and rows of it, each of a version, a bucket and a model: two versions of all buckets with all their models.
const MOST_ROWS: usize = 2 * MOST_MODELS * Bucket::PER_HOUR as usize;
/// Processes that tell of one slot in an hour.
pub const MOST_REPORTERS: usize = 100;
/// A process that told nothing of an hour yet tells of it no more so long after its end: else whoever may tell could use
/// up what processes may tell of a whole day, before those tell that were only late.
pub const NEW_FOR: SignedDuration = SignedDuration::from_hours(2);
/// No process makes so many requests in five minutes,
const MOST_REQUESTS: u64 = 1_000_000_000;
/// uses so many tokens,
const MOST_TOKENS: u64 = 1_000_000_000_000;
/// or spends so much: a million dollars.
const MOST_COST: u64 = 1_000_000_000_000;

/// What a process tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Whose key it uses.
    pub slot: SlotName,
    /// Which process it is.
    pub reporter: ReporterId,
    /// The secret version that it has its key from.
    pub version: SecretVersionId,
    /// It ends: that it tells no more is no silence.
    pub ends: bool,
    /// What it used, bucket by bucket. A bucket without models is one in which it used nothing.
    pub buckets: Vec<ReportedBucket>,
}

/// What a process used in one bucket of five minutes, so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedBucket {
    /// When it begins.
    pub from: Timestamp,
    /// How much of each model.
    pub models: BTreeMap<ModelName, Counts>,
}

/// Why a report is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is nothing in it.
    #[error("the report has no bucket")]
    Empty,
    /// There is too much in it.
    #[error("the report has more than {MOST_BUCKETS} buckets")]
    TooManyBuckets,
    /// There is too much in one bucket.
    #[error("the bucket of {0} has more than {MOST_MODELS} models")]
    TooManyModels(Timestamp),
    /// The same bucket twice.
    #[error("the bucket of {0} stands there twice")]
    Twice(Timestamp),
    /// Buckets begin on whole five minutes, UTC.
    #[error("{0} is not the beginning of five minutes, UTC")]
    NotABucket(Timestamp),
    /// It is too old.
    #[error("the bucket of {0} ended more than 24 hours ago")]
    TooOld(Timestamp),
    /// It has not begun.
    #[error("the bucket of {0} begins more than 5 minutes from now: look at the clock")]
    InFuture(Timestamp),
    /// A count that cannot be.
    #[error("the bucket of {0} has a count that no process reaches in five minutes")]
    TooMuch(Timestamp),
    /// It told of too much.
    #[error(
        "the process told of more than {MOST_NAMES} models, or too much of them, in the hour of {0}"
    )]
    TooMuchInAnHour(Timestamp),
    /// The version is none that the slot has, and may be a key.
    #[error(
        "`version` is no secret version that the slot has, and looks like a key: it is the VersionId that GetSecretValue answers with"
    )]
    KeyForVersion,
    /// The process is new, and the hour long over.
    #[error(
        "the hour of {0} ended more than 2 hours ago, and this process has told nothing of it: leave it out of the report"
    )]
    TooLateForNew(Timestamp),
    /// It told of too many versions.
    #[error("the process told of more than {MOST_VERSIONS} secret versions in an hour")]
    TooManyVersions,
    /// Too many processes tell.
    #[error(
        "{MOST_REPORTERS} processes told of this slot in the hour of {0} already: not all of its use is seen"
    )]
    TooManyReporters(Timestamp),
}

/// Whether a process that told nothing of an hour yet may begin to.
///
/// # Errors
/// [`Refused::TooLateForNew`].
pub fn may_begin(hour: u32, now: Timestamp) -> Result<(), Refused> {
    let begins = Bucket(hour.saturating_mul(Bucket::PER_HOUR)).begins();
    let ends = begins.checked_add(SignedDuration::from_hours(1));
    match ends.is_ok_and(|ends| now.duration_since(ends) > NEW_FOR) {
        true => Err(Refused::TooLateForNew(begins)),
        false => Ok(()),
    }
}

/// Whether one more process may tell of an hour, where `others` do.
///
/// # Errors
/// [`Refused::TooManyReporters`].
pub fn has_room(hour: u32, others: usize) -> Result<(), Refused> {
    let begins = Bucket(hour.saturating_mul(Bucket::PER_HOUR)).begins();
    match others < MOST_REPORTERS {
        true => Ok(()),
        false => Err(Refused::TooManyReporters(begins)),
    }
}

/// Whether a caller may tell what a slot uses: it is one of its readers, or a session of a role that is. A role's session
/// names no path, and no two roles of an account differ by their paths alone:
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>.
pub fn may_tell(readers: &[Reader], caller: &CallerArn) -> bool {
    readers.iter().any(|reader| {
        let reader = reader.as_str();
        reader.starts_with("arn:") && (reader == caller.as_str() || is_session(reader, caller))
    })
}

fn is_session(role: &str, caller: &CallerArn) -> bool {
    let role: Vec<&str> = role.splitn(6, ':').collect();
    let caller: Vec<&str> = caller.as_str().splitn(6, ':').collect();
    let ([_, partition, _, _, account, role], [_, its_partition, sts, _, its_account, session]) =
        (&role[..], &caller[..])
    else {
        return false;
    };
    let role = role
        .strip_prefix("role/")
        .and_then(|role| role.rsplit('/').next());
    let session = session
        .strip_prefix("assumed-role/")
        .and_then(|rest| rest.split_once('/'));
    let (Some(role), Some((its_role, name))) = (role, session) else {
        return false;
    };
    *sts == "sts"
        && partition == its_partition
        && account == its_account
        && role == its_role
        && !name.is_empty()
}

/// The version that a secret version stands for: the last key that was made under it. One that the inventory does not have
/// is named as a key that was found there would be, and counts for its slot: somebody put it into the secret by hand.
pub fn version_of(versions: &[Version], secret: &SecretVersionId) -> VersionId {
    let ids = versions.iter().map(|version| &version.id);
    let made = ids.filter(|id| id.secret_version == *secret);
    let last = made.max_by_key(|id| id.attempt).cloned();
    last.unwrap_or_else(|| VersionId {
        secret_version: secret.clone(),
        attempt: 0,
    })
}

/// Whether a secret version that the slot has not may stand in a table: what looks like a key may not. Ids that Secrets
/// Manager makes itself are UUIDs, which do not.
///
/// # Errors
/// [`Refused::KeyForVersion`].
pub fn is_no_key(secret: &SecretVersionId) -> Result<(), Refused> {
    match words(secret.as_str()).any(may_be_a_key) {
        true => Err(Refused::KeyForVersion),
        false => Ok(()),
    }
}

/// What is taken of a report, by hour.
///
/// # Errors
/// [`Refused`]: all of it.
pub fn taken(
    report: &Report,
    version: &VersionId,
    now: Timestamp,
) -> Result<BTreeMap<u32, Vec<ToldCell>>, Refused> {
    if report.buckets.is_empty() {
        return Err(Refused::Empty);
    }
    if report.buckets.len() > MOST_BUCKETS {
        return Err(Refused::TooManyBuckets);
    }
    let mut seen = BTreeSet::new();
    let mut hours: BTreeMap<u32, Vec<ToldCell>> = BTreeMap::new();
    for told in &report.buckets {
        let bucket = bucket(told, now)?;
        if !seen.insert(bucket) {
            return Err(Refused::Twice(told.from));
        }
        let used = told.models.iter().filter(|(_, counts)| counts.used());
        hours.entry(bucket.hour()).or_default().push(ToldCell {
            version: version.clone(),
            bucket,
            models: used
                .map(|(model, counts)| (model.to_string(), *counts))
                .collect(),
        });
    }
    Ok(hours)
}

fn bucket(told: &ReportedBucket, now: Timestamp) -> Result<Bucket, Refused> {
    let from = told.from;
    let bucket = Bucket::of(from);
    if bucket.begins() != from {
        return Err(Refused::NotABucket(from));
    }
    if now.duration_since(bucket.ends()) > OLDEST {
        return Err(Refused::TooOld(from));
    }
    if bucket.begins().duration_since(now) > SKEW {
        return Err(Refused::InFuture(from));
    }
    if told.models.len() > MOST_MODELS {
        return Err(Refused::TooManyModels(from));
    }
    let can_be = |counts: &Counts| {
        let TokenCounts {
            input,
            output,
            cache_read,
            cache_write,
        } = counts.tokens;
        let tokens = [input, output, cache_read, cache_write];
        counts.requests <= MOST_REQUESTS
            && counts.cost.0 <= MOST_COST
            && tokens.into_iter().all(|tokens| tokens <= MOST_TOKENS)
    };
    match told.models.values().all(can_be) {
        true => Ok(bucket),
        false => Err(Refused::TooMuch(from)),
    }
}

/// Whether an hour of one process holds no more than it may, with what was just put.
///
/// # Errors
/// [`Refused`].
pub fn fits(hour: &ToldHour) -> Result<(), Refused> {
    let versions: BTreeSet<&VersionId> = hour.cells.iter().map(|cell| &cell.version).collect();
    if versions.len() > MOST_VERSIONS {
        return Err(Refused::TooManyVersions);
    }
    let mut cells = hour.cells.iter();
    if let Some(cell) = cells.find(|cell| cell.models.len() > MOST_MODELS) {
        return Err(Refused::TooManyModels(cell.bucket.begins()));
    }
    let rows = hour.cells.iter().flat_map(|cell| cell.models.keys());
    let names: BTreeSet<&String> = rows.clone().collect();
    if names.len() > MOST_NAMES || rows.count() > MOST_ROWS {
        let begins = Bucket(hour.hour.saturating_mul(Bucket::PER_HOUR)).begins();
        return Err(Refused::TooMuchInAnHour(begins));
    }
    Ok(())
}

/// The bucket after the last of which it is settled what is known: after the last that is over and was told of, as long as
/// somebody may still tell of the next; later, and where all have ended, after the last that is over: nobody told of it.
pub fn known_until(last: Option<Bucket>, now: Timestamp) -> Bucket {
    let open = Bucket::of(now);
    match last {
        Some(last) if !is_silent(last, now) => last.plus(1).min(open),
        _ => open,
    }
}

/// Whether nobody has told for 15 minutes, where `last` is the last bucket that was told of.
pub fn is_silent(last: Bucket, now: Timestamp) -> bool {
    now.duration_since(last.ends()) >= BLIND
}

#[cfg(test)]
mod tests;
