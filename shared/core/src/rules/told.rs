//! What agents tell of their own use: who may, what is taken of it, and what it is worth beside a provider's figures.
//!
//! It is the word of whoever has the key rightfully. What somebody else uses the key for is not in it, and nobody checks it
//! where the provider tells nothing: it can show that an agent runs wild, and never that a key is in nobody else's hands.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::model::act::CallerArn;
use crate::model::money::MicroDollars;
use crate::model::names::{ModelName, Reader, ReporterId, SecretVersionId, SlotName};
use crate::model::price::{Known, PriceTable};
use crate::model::slot::ProviderName;
use crate::model::text::OutsideText;
use crate::model::told::{ToldCell, ToldHour};
use crate::model::usage::{Bucket, Counts, TokenCounts};
use crate::model::usage_items::Cell;
use crate::model::version::{Version, VersionId};
use crate::ports::{ByKey, Tokens, Usage};
use crate::rules::anomaly::BLIND;

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
/// Processes that tell of one slot in an hour.
pub const MOST_REPORTERS: usize = 100;
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
    /// It told of too many versions.
    #[error("the process told of more than {MOST_VERSIONS} secret versions in an hour")]
    TooManyVersions,
    /// Too many processes tell.
    #[error(
        "{MOST_REPORTERS} processes told of this slot in the hour of {0} already: not all of its use is seen"
    )]
    TooManyReporters(Timestamp),
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
    match hour
        .cells
        .iter()
        .find(|cell| cell.models.len() > MOST_MODELS)
    {
        Some(cell) => Err(Refused::TooManyModels(cell.bucket.begins())),
        None => Ok(()),
    }
}

/// What all processes together told of a slot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// By version and bucket, priced.
    pub cells: Vec<Cell>,
    /// Models that were priced at the dearest.
    pub unknown_models: BTreeSet<String>,
    /// The last bucket that somebody told of.
    pub last: Option<Bucket>,
    /// Every process that told of it, or of the two buckets before, has said that it ends.
    pub ended: bool,
    /// Processes that told of the fullest hour.
    pub reporters: usize,
}

/// Puts together what processes told: absolute values, so that it may be done again. A use is worth what the table says,
/// or what the process says if that is more: a discount that it has is not known for sure. Buckets of the future are left
/// to their time.
pub fn fold(
    told: &[ToldHour],
    prices: &PriceTable,
    provider: ProviderName,
    now: Timestamp,
) -> Told {
    let mut out = Told::default();
    let open = Bucket::of(now);
    let mut cells: BTreeMap<(Bucket, VersionId), BTreeMap<String, Counts>> = BTreeMap::new();
    let mut by_hour: BTreeMap<u32, usize> = BTreeMap::new();
    for hour in told {
        *by_hour.entry(hour.hour).or_default() += 1;
        for cell in hour.cells.iter().filter(|cell| cell.bucket <= open) {
            out.last = out.last.max(Some(cell.bucket));
            let sum = cells
                .entry((cell.bucket, cell.version.clone()))
                .or_default();
            for (model, counts) in &cell.models {
                let (cost, known) = price(prices, provider, model, cell.bucket, counts);
                if known == Known::AtDearest {
                    out.unknown_models.insert(model.clone());
                }
                let priced = Counts {
                    cost: cost.max(counts.cost),
                    ..*counts
                };
                *sum.entry(model.clone()).or_default() += priced;
            }
        }
    }
    let cells = cells.into_iter();
    out.cells = cells
        .map(|((bucket, version), models)| Cell::new(version, bucket, now, models).told())
        .collect();
    out.reporters = by_hour.into_values().max().unwrap_or(0);
    out.ended = out.last.is_some_and(|last| {
        let lately = |cell: &ToldCell| (last.minus(2)..=last).contains(&cell.bucket);
        let ended: BTreeSet<&ReporterId> = told
            .iter()
            .filter(|hour| hour.ended)
            .map(|hour| &hour.reporter)
            .collect();
        let mut running = told.iter().filter(|hour| hour.cells.iter().any(lately));
        running.all(|hour| ended.contains(&hour.reporter))
    });
    out
}

fn price(
    prices: &PriceTable,
    provider: ProviderName,
    model: &str,
    bucket: Bucket,
    counts: &Counts,
) -> (MicroDollars, Known) {
    let tokens = counts.tokens;
    let row = Usage {
        key: ByKey::Unnamed,
        model: Some(OutsideText::new(model)),
        from: bucket.begins(),
        requests: Some(counts.requests),
        tokens: Tokens {
            input: Some(tokens.input),
            output: Some(tokens.output),
            cache_read: Some(tokens.cache_read),
            cache_write: Some(tokens.cache_write),
        },
    };
    prices.cost(provider, &row)
}

/// How far from one another what agents tell and what the provider tells may be: a dollar,
const NEGLIGIBLE: u64 = 1_000_000;
/// and of the larger of both, in percent.
const APART_PERCENT: u128 = 10;

/// Which side says more than the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Apart {
    /// The provider: perhaps somebody else uses the key.
    ProviderSaysMore,
    /// The agents: perhaps they use another key too.
    AgentsSayMore,
}

/// Whether what agents told and what the provider told of the same buckets are more than 10 % of the larger apart.
pub fn apart(told: MicroDollars, seen: MicroDollars) -> Option<Apart> {
    let gap = told.0.abs_diff(seen.0);
    let larger = told.0.max(seen.0);
    if gap <= NEGLIGIBLE || u128::from(gap) * 100 <= u128::from(larger) * APART_PERCENT {
        return None;
    }
    Some(match seen > told {
        true => Apart::ProviderSaysMore,
        false => Apart::AgentsSayMore,
    })
}

/// What the provider told of the buckets that agents told of too, by the table's price, as theirs is.
pub fn seen_beside(told: &Told, cells: &[Cell]) -> MicroDollars {
    let buckets: BTreeSet<Bucket> = told.cells.iter().map(|cell| cell.bucket).collect();
    let beside = cells.iter().filter(|cell| buckets.contains(&cell.bucket));
    beside.fold(MicroDollars(0), |sum, cell| sum.plus(cell.priced()))
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
