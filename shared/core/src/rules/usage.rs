//! What a provider's reports mean for slots: whose a row is, what it costs, and how totals become buckets.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::SignedDuration;

use crate::model::money::MicroDollars;
use crate::model::names::{AccountName, SlotName};
use crate::model::price::{Known, PriceTable};
use crate::model::slot::ProviderName;
use crate::model::text::OutsideText;
use crate::model::usage::{Bucket, Counts, TokenCounts};
use crate::model::usage_items::{Figure, UNTOLD_MODEL};
use crate::model::version::{Version, VersionId, VersionState};
use crate::ports::{ByKey, ProviderError, Usage};

/// Names of unknown models that are told at a time.
const MOST_NAMES: usize = 20;

/// A version, and the slot it belongs to.
pub type Owner = (SlotName, VersionId);

/// Whose each key of an account is: by every version that ever had a handle, so that late usage of old keys is theirs.
#[derive(Debug, Default)]
pub struct Owners(HashMap<String, Option<Owner>>);

impl Owners {
    /// Of these versions.
    pub fn of<'a>(versions: impl IntoIterator<Item = &'a Version>) -> Self {
        let mut owners: HashMap<String, Option<Owner>> = HashMap::new();
        for version in versions {
            let Some(handle) = &version.handle else {
                continue;
            };
            let id = handle.as_str().rsplit('/').next().unwrap_or_default();
            let owner = (version.slot.clone(), version.id.clone());
            // An id that two versions have names neither.
            owners
                .entry(id.to_owned())
                .and_modify(|known| *known = known.take().filter(|known| *known == owner))
                .or_insert(Some(owner));
        }
        Self(owners)
    }

    /// Whose the key is; `None` where nobody's is known, or where it could be several.
    pub fn owner(&self, key: &ByKey) -> Option<&Owner> {
        match key {
            ByKey::Id(id) => self.0.get(id.as_str())?.as_ref(),
            ByKey::Unnamed => None,
        }
    }
}

/// Models of one version in one bucket.
pub type Models = BTreeMap<String, Counts>;

/// Rows of a report, put together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folded {
    /// By slot, version and bucket.
    pub cells: BTreeMap<(SlotName, VersionId, Bucket), Models>,
    /// What no version can be named for. It is nobody's: it is told, and never spread over slots.
    pub unattributed: BTreeMap<Bucket, Counts>,
    /// Models that were priced at the dearest, at most 20 of them.
    pub unknown_models: BTreeSet<String>,
}

impl Folded {
    /// Adds a row. A count that is not told adds nothing; a row of usage is worth what the table says, rounded once.
    pub fn add(
        &mut self,
        owners: &Owners,
        prices: &PriceTable,
        provider: ProviderName,
        row: &Usage,
    ) {
        let (cost, known) = prices.cost(provider, row);
        let tokens = TokenCounts {
            input: row.tokens.input.unwrap_or(0),
            output: row.tokens.output.unwrap_or(0),
            cache_read: row.tokens.cache_read.unwrap_or(0),
            cache_write: row.tokens.cache_write.unwrap_or(0),
        };
        let requests = row.requests.unwrap_or(0);
        let counts = Counts {
            cost,
            requests,
            tokens,
        };
        if !counts.used() {
            return;
        }
        let model = row.model.as_ref().map_or(UNTOLD_MODEL, OutsideText::as_str);
        if known == Known::AtDearest && self.unknown_models.len() < MOST_NAMES {
            self.unknown_models.insert(model.to_owned());
        }
        let bucket = Bucket::of(row.from);
        match owners.owner(&row.key) {
            Some((slot, version)) => {
                let cell = (slot.clone(), version.clone(), bucket);
                let models = self.cells.entry(cell).or_default();
                *models.entry(model.to_owned()).or_default() += counts;
            }
            None => *self.unattributed.entry(bucket).or_default() += counts,
        }
    }
}

/// What the growth of a running total means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Growth {
    /// What was spent in each bucket that is over, also where it is nothing.
    pub closed: Vec<(Bucket, MicroDollars)>,
    /// What was spent so far in the bucket that is not.
    pub open: MicroDollars,
    /// What is to be kept, once the closed buckets are.
    pub figure: Figure,
    /// The total fell: what was spent meanwhile is not known.
    pub fell: bool,
}

/// What it means that a key's total is `spent` in the bucket `now`, where it was `known`; or, where nothing was known,
/// that its key was made in the bucket `born`.
///
/// A total says when it was looked at and not when it grew. Growth between two looks is spread evenly over the buckets
/// that the first look lies in or that are over by the second: windows at least as long as the gap have their exact sum,
/// shorter ones an estimate. The figure is moved only with the closed buckets, so that what is done twice gives the same.
pub fn growth(
    known: Option<Figure>,
    spent: MicroDollars,
    now: Bucket,
    born: Option<Bucket>,
) -> Growth {
    let since = known.or(born.map(|bucket| Figure {
        spent: MicroDollars(0),
        bucket,
    }));
    let here = Figure { spent, bucket: now };
    let none = |figure, fell| Growth {
        closed: Vec::new(),
        open: MicroDollars(0),
        figure,
        fell,
    };
    let Some(since) = since else {
        return none(here, false);
    };
    if spent < since.spent {
        return none(here, true);
    }
    let grown = spent.0 - since.spent.0;
    if now <= since.bucket {
        return Growth {
            open: MicroDollars(grown),
            ..none(since, false)
        };
    }
    let buckets: Vec<Bucket> = (since.bucket.0..now.0).map(Bucket).collect();
    let parts = share(MicroDollars(grown), &vec![1; buckets.len()]);
    Growth {
        closed: buckets.into_iter().zip(parts).collect(),
        ..none(here, false)
    }
}

/// `whole` in parts as `weights` have it; evenly where all of them are zero. The parts add up to the whole: each part
/// ends where the running sum of weights does, rounded down.
pub fn share(whole: MicroDollars, weights: &[u64]) -> Vec<MicroDollars> {
    let sum: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    let even = sum == 0;
    let all = if even { weights.len() as u128 } else { sum };
    let mut before = 0_u128;
    let mut given = 0_u128;
    let part = |weight: &u64| {
        before += if even { 1 } else { u128::from(*weight) };
        // A weight is under 2^64 and so is the whole: only sums of many could be too large.
        let end = u128::from(whole.0).saturating_mul(before) / all;
        let part = end.saturating_sub(given);
        given = end;
        MicroDollars(u64::try_from(part).unwrap_or(u64::MAX))
    };
    weights.iter().map(part).collect()
}

/// Below this, table and bill agree: a cent is not worth a finding.
const NEGLIGIBLE: u64 = 100_000;

/// Whether the table's price and the provider's bill of the same usage are more than 10 % of the bill apart.
pub const fn disagrees(priced: MicroDollars, billed: MicroDollars) -> bool {
    let apart = priced.0.abs_diff(billed.0);
    apart > NEGLIGIBLE && apart as u128 * 10 > billed.0 as u128
}

/// The waits after readings that failed, where the provider asks for none; and the longest that is kept to.
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(30);
const LAST_WAIT: SignedDuration = SignedDuration::from_mins(10);
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(1);

/// How long an account is left alone after `failures` readings in a row that failed, the last one so: as long as the
/// provider asks, an hour at most; else twice as long each time, with up to a quarter more that depends on the account,
/// so that accounts of one provider do not come back together.
pub fn wait(account: &AccountName, error: &ProviderError, failures: u32) -> SignedDuration {
    if let ProviderError::RetryAfter {
        after: Some(after), ..
    } = error
    {
        return (*after).clamp(SignedDuration::ZERO, LONGEST_WAIT);
    }
    let doubled = FIRST_WAIT * 2_i32.pow(failures.saturating_sub(1).min(10));
    let wait = doubled.min(LAST_WAIT);
    let letters = account.as_str().bytes().map(i32::from);
    let spread = letters.sum::<i32>() % 25;
    wait + wait * spread / 100
}

/// The versions that agents fetch, of those in `versions`, that the provider does not list: gone without a rotation.
/// `listed` is the whole list, by handle.
pub fn vanished<'a>(
    versions: impl IntoIterator<Item = &'a Version>,
    listed: &BTreeSet<String>,
) -> Vec<Owner> {
    let gone = versions.into_iter().filter(|version| {
        let handle = version.handle.as_ref();
        version.state == VersionState::Current
            && handle.is_some_and(|handle| !listed.contains(handle.as_str()))
    });
    gone.map(|version| (version.slot.clone(), version.id.clone()))
        .collect()
}

#[cfg(test)]
mod tests;
