//! What all processes of a slot told, put together: absolute values, so that it may be done again.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::OLDEST;
use crate::model::names::{ReporterId, SecretVersionId};
use crate::model::price::{Known, PriceTable};
use crate::model::slot::ProviderName;
use crate::model::text::OutsideText;
use crate::model::told::{ToldHour, larger};
use crate::model::usage::{Bucket, Counts};
use crate::model::usage_items::Cell;
use crate::model::version::{Version, VersionId};
use crate::ports::{ByKey, Tokens, Usage};

/// Versions of a slot that are kept apart in an hour; what more there are stands with those that nobody knows. A rotation has
/// two, and a kill in it leaves three.
const MOST_KNOWN: usize = 4;

/// Characters of a model's name that are kept.
const NAME: usize = 64;

/// What is kept for people to look at: secret versions that nobody knows, and models without a price.
const SHOWN: usize = 16;

/// The one version that stands for all of a slot that the inventory does not have: whoever may tell may name as many as
/// they like.
pub fn not_in_inventory() -> VersionId {
    VersionId {
        secret_version: SecretVersionId::from_seed("not in the inventory"),
        attempt: 0,
    }
}

/// What all processes together told of a slot, beside how much.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// Models that were priced at the dearest: some of them.
    pub unknown_models: BTreeSet<String>,
    /// Secret versions that the inventory does not have: some of them.
    pub strange: BTreeSet<SecretVersionId>,
    /// The first bucket that somebody told of,
    pub first: Option<Bucket>,
    /// and the last.
    pub last: Option<Bucket>,
    /// Every process that told of the last bucket, or of the two before, has said that it ends, and has told of none since.
    pub ended: bool,
    /// Processes that told of the fullest hour.
    pub reporters: usize,
}

/// Puts together what processes told, hour by hour.
#[derive(Debug)]
pub struct Fold<'a> {
    prices: &'a PriceTable,
    provider: ProviderName,
    now: Timestamp,
    told: Told,
    processes: BTreeMap<ReporterId, Process>,
}

/// The last bucket that a process told of, and the one that it said to end with.
#[derive(Debug, Clone, Copy, Default)]
struct Process {
    last: Option<Bucket>,
    ends_with: Option<Bucket>,
}

type Models = BTreeMap<String, Counts>;
type Sums = BTreeMap<(Bucket, SecretVersionId), Models>;

fn add(sum: &mut Models, models: impl IntoIterator<Item = (String, Counts)>) {
    for (model, counts) in models {
        *sum.entry(model).or_default() += counts;
    }
}

impl<'a> Fold<'a> {
    /// Of a slot at this provider.
    pub fn new(prices: &'a PriceTable, provider: ProviderName, now: Timestamp) -> Self {
        Self {
            prices,
            provider,
            now,
            told: Told::default(),
            processes: BTreeMap::new(),
        }
    }

    /// All that was told of one hour, priced: the cells of each bucket, in order of version. `versions` are those of the slot. A use is worth what the table
    /// says, or what the process says if that is more: a discount that it has is not known for sure. Buckets of the future
    /// are left to their time.
    pub fn hour(&mut self, told: &[ToldHour], versions: &[Version]) -> BTreeMap<Bucket, Vec<Cell>> {
        let mut sums = Sums::new();
        self.told.reporters = self.told.reporters.max(told.len());
        for process in told {
            for (of, models) in self.process(process) {
                add(sums.entry(of).or_default(), models);
            }
        }
        let apart = kept_apart(versions, sums.keys());
        let mut cells: BTreeMap<Bucket, BTreeMap<VersionId, Models>> = BTreeMap::new();
        for ((bucket, secret), models) in sums {
            let known = known(versions, &secret, bucket);
            if known.is_none() {
                note(&mut self.told.strange, secret);
            }
            let version = known.filter(|id| apart.contains(id));
            let of_bucket = cells.entry(bucket).or_default();
            let of = of_bucket.entry(version.unwrap_or_else(not_in_inventory));
            add(of.or_default(), models);
        }
        let cells = cells.into_iter().map(|(bucket, of_bucket)| {
            let count = of_bucket.len();
            let told = |(version, models)| Cell::told(version, bucket, self.now, models, count);
            (bucket, of_bucket.into_iter().map(told).collect())
        });
        cells.collect()
    }

    /// All hours are in.
    pub fn done(self) -> Told {
        let Self {
            mut told,
            processes,
            ..
        } = self;
        told.ended = told.last.is_some_and(|last| {
            let mut lately = processes
                .values()
                .filter(|process| process.last >= Some(last.minus(2)));
            lately.all(|process| process.ends_with >= process.last)
        });
        told
    }

    /// What one process told of an hour, priced. Of what it told under one secret version, before and after the inventory
    /// knew that, the larger counts.
    fn process(&mut self, told: &ToldHour) -> Sums {
        let open = Bucket::of(self.now);
        let mut sums = Sums::new();
        let process = self.processes.entry(told.reporter.clone()).or_default();
        process.ends_with = process.ends_with.max(told.ends_with);
        for cell in told.cells.iter().filter(|cell| cell.bucket <= open) {
            process.last = process.last.max(Some(cell.bucket));
            self.told.last = self.told.last.max(Some(cell.bucket));
            let first = self.told.first.unwrap_or(cell.bucket);
            self.told.first = Some(first.min(cell.bucket));
            let of = (cell.bucket, cell.version.secret_version.clone());
            let sum = sums.entry(of).or_default();
            for (model, counts) in &cell.models {
                let stands = sum.entry(model.clone()).or_default();
                *stands = larger(*stands, *counts);
            }
        }
        let priced = sums.into_iter().map(|(of, models)| {
            let mut all = Models::new();
            for (model, counts) in models {
                let counts = self.priced(&model, of.0, counts);
                add(&mut all, [(short(&model), counts)]);
            }
            (of, all)
        });
        priced.collect()
    }

    fn priced(&mut self, model: &str, bucket: Bucket, counts: Counts) -> Counts {
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
        let (cost, known) = self.prices.cost(self.provider, &row);
        if known == Known::AtDearest {
            note(&mut self.told.unknown_models, short(model));
        }
        Counts {
            cost: cost.max(counts.cost),
            ..counts
        }
    }
}

/// Whether a slot has a key that was made under a secret version, or had.
pub fn is_known(versions: &[Version], secret: &SecretVersionId) -> bool {
    let mut ids = versions.iter().map(|version| &version.id);
    ids.any(|id| id.secret_version == *secret)
}

/// The key that a secret version stands for, if the slot had it in a bucket: the last that was made under it, unless it was
/// dead for a day.
fn known(versions: &[Version], secret: &SecretVersionId, bucket: Bucket) -> Option<VersionId> {
    let made = versions.iter();
    let made = made.filter(|version| version.id.secret_version == *secret);
    let last = made.max_by_key(|version| version.id.attempt)?;
    let dead = last.revoke_confirmed.map(|confirmed| confirmed.at);
    let is_long_dead = dead.is_some_and(|at| bucket.begins().duration_since(at) > OLDEST);
    (!is_long_dead).then(|| last.id.clone())
}

/// Of the versions that an hour is told of, those that are kept apart: first those that may be alive, and the latest.
fn kept_apart<'a>(
    versions: &[Version],
    told: impl Iterator<Item = &'a (Bucket, SecretVersionId)>,
) -> BTreeSet<VersionId> {
    let known = told.filter_map(|(bucket, secret)| known(versions, secret, *bucket));
    let known: BTreeSet<VersionId> = known.collect();
    let mut found: Vec<&Version> = versions.iter().filter(|v| known.contains(&v.id)).collect();
    found.sort_by_key(|v| (!v.state.may_be_alive(), Reverse((v.created, &v.id))));
    let first = found.into_iter().take(MOST_KNOWN);
    first.map(|version| version.id.clone()).collect()
}

fn short(model: &str) -> String {
    model.chars().take(NAME).collect()
}

fn note<T: Ord>(all: &mut BTreeSet<T>, one: T) {
    if all.len() < SHOWN {
        all.insert(one);
    }
}

#[cfg(test)]
mod tests;
