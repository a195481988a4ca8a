//! What this process used, by key version, by five minutes and by model: absolute counts, which only grow.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::used::Tokens;
use crate::source::VersionId;

/// How long a bucket is: five minutes of UTC, counted from 1970.
pub(super) const WIDTH: u64 = 300;

/// So many models are told of a bucket,
const MOST_MODELS: usize = 16;
/// and those beyond stand together, under a name that no price table has: they are priced at the provider's dearest.
const OTHERS: &str = "other-models";
/// What stands for a model that nobody named.
const UNKNOWN: &str = "unknown";

/// What is told no more.
const OLDEST: u64 = 24 * 3600 - WIDTH;

/// So many buckets in which nothing was used are made up for at once.
const MOST_EMPTY: u64 = 12;

/// What was used of one model in one bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) requests: u64,
    pub(super) tokens: Tokens,
}

#[derive(Debug, Clone, Default)]
struct Bucket {
    models: BTreeMap<String, Counts>,
    /// How often it changed, and what of that was told.
    changed: u64,
    told: Option<u64>,
}

#[derive(Debug, Default)]
struct Entries {
    buckets: BTreeMap<(VersionId, u64), Bucket>,
    /// The version that is in use, and the bucket up to which silence was written down.
    in_use: Option<VersionId>,
    silent: u64,
    told_of_unseen: bool,
}

/// What this process used and has not told yet.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Entries>);

/// What is to be told of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) version: VersionId,
    pub(super) buckets: Vec<Line>,
}

/// One bucket of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) bucket: u64,
    pub(super) models: BTreeMap<String, Counts>,
    changed: u64,
}

fn seconds(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or(Duration::ZERO).as_secs()
}

/// A model's name as it is taken: 1 to 200 of a-z A-Z 0-9 . _ : / @ * -.
fn tidy(model: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._:/@*-".contains(c);
    let letters = model.chars().take(200);
    let name: String = letters.map(|c| if allowed(c) { c } else { '-' }).collect();
    match name.is_empty() {
        true => UNKNOWN.to_owned(),
        false => name,
    }
}

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes one request down that was answered. Without `tokens`, the answer told of none: then people are told once.
    pub(super) fn add(
        &self,
        version: &VersionId,
        model: Option<&str>,
        tokens: Option<Tokens>,
        at: SystemTime,
    ) {
        let mut entries = self.lock();
        if tokens.is_none() && !entries.told_of_unseen {
            entries.told_of_unseen = true;
            tracing::warn!(
                model,
                "an answer tells of no usage, so its tokens are in no report; streamed chat completions tell them with stream_options.include_usage"
            );
        }
        let bucket = seconds(at) / WIDTH;
        entries.in_use = Some(version.clone());
        let bucket = entries
            .buckets
            .entry((version.clone(), bucket))
            .or_default();
        let mut model = tidy(model.unwrap_or(UNKNOWN));
        if !bucket.models.contains_key(&model) && bucket.models.len() >= MOST_MODELS - 1 {
            OTHERS.clone_into(&mut model);
        }
        let counts = bucket.models.entry(model).or_default();
        let used = tokens.unwrap_or_default();
        let sum = &mut counts.tokens;
        counts.requests = counts.requests.saturating_add(1);
        for (known, more) in [
            (&mut sum.input, used.input),
            (&mut sum.output, used.output),
            (&mut sum.cache_read, used.cache_read),
            (&mut sum.cache_write, used.cache_write),
            (&mut sum.cost, used.cost),
        ] {
            *known = known.saturating_add(more);
        }
        bucket.changed += 1;
    }

    /// What has not been told, by version. Buckets in which the version in use, or else `held`, was not used stand there too,
    /// with nothing in them: a bucket that nobody tells of is unknown, and not zero.
    pub(super) fn untold(&self, held: Option<VersionId>, now: SystemTime) -> Vec<Page> {
        let mut entries = self.lock();
        let now = seconds(now);
        let current = now / WIDTH;
        if let Some(version) = entries.in_use.clone().or(held) {
            let since = entries.silent.max(current.saturating_sub(MOST_EMPTY));
            let since = if entries.silent == 0 { current } else { since };
            for bucket in since..=current {
                let key = (version.clone(), bucket);
                if bucket == current || !entries.has(bucket) {
                    entries.buckets.entry(key).or_default();
                }
            }
            entries.silent = current;
        }
        let oldest = now.saturating_sub(OLDEST) / WIDTH;
        entries.buckets.retain(|(_, bucket), _| *bucket >= oldest);
        let versions: BTreeSet<VersionId> =
            entries.buckets.keys().map(|key| key.0.clone()).collect();
        let pages = versions.into_iter().map(|version| Page {
            buckets: entries.lines(&version, current),
            version,
        });
        pages.filter(|page| !page.buckets.is_empty()).collect()
    }

    /// Has the five minutes that are not over told again.
    pub(super) fn tell_again(&self, now: SystemTime) {
        let current = seconds(now) / WIDTH;
        let mut entries = self.lock();
        let of_now = entries.buckets.iter_mut();
        of_now
            .filter(|((_, bucket), _)| *bucket == current)
            .for_each(|(_, entry)| entry.told = None);
    }

    /// Takes down that a page was told.
    pub(super) fn told(&self, page: &Page, now: SystemTime) {
        let current = seconds(now) / WIDTH;
        let mut entries = self.lock();
        for line in &page.buckets {
            let key = (page.version.clone(), line.bucket);
            if let Some(bucket) = entries.buckets.get_mut(&key) {
                bucket.told = Some(line.changed);
                if bucket.changed == line.changed && line.bucket < current {
                    entries.buckets.remove(&key);
                }
            }
        }
    }

    /// Forgets a page that will never be taken.
    pub(super) fn forget(&self, page: &Page) {
        let mut entries = self.lock();
        for line in &page.buckets {
            entries.buckets.remove(&(page.version.clone(), line.bucket));
        }
    }
}

impl Entries {
    fn has(&self, bucket: u64) -> bool {
        self.buckets.keys().any(|key| key.1 == bucket)
    }

    fn lines(&self, version: &VersionId, current: u64) -> Vec<Line> {
        let own = self.buckets.iter().filter(|((of, bucket), entry)| {
            of == version && *bucket <= current && entry.told != Some(entry.changed)
        });
        own.map(|((_, bucket), entry)| Line {
            bucket: *bucket,
            models: entry.models.clone(),
            changed: entry.changed,
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_796_115_600 + seconds)
    }

    fn tokens(input: u64) -> Option<Tokens> {
        Some(Tokens {
            input,
            ..Tokens::default()
        })
    }

    fn v(name: &str) -> VersionId {
        VersionId::new(name)
    }

    #[test]
    fn counts_grow_and_are_told_until_they_were_taken() {
        let ledger = Ledger::default();
        ledger.add(&v("v1"), Some("gpt-5"), tokens(10), at(10));
        ledger.add(&v("v1"), Some("gpt-5"), tokens(5), at(20));
        let first = ledger.untold(None, at(30));
        assert_eq!(first.len(), 1);
        assert_eq!(first[0].buckets[0].models["gpt-5"].requests, 2);
        assert_eq!(ledger.untold(None, at(40)), first, "it was not taken");
        ledger.add(&v("v1"), Some("gpt-5"), tokens(1), at(50));
        ledger.told(&first[0], at(60));
        let second = ledger.untold(None, at(70));
        assert_eq!(
            second[0].buckets[0].models["gpt-5"].tokens.input, 16,
            "absolute"
        );
        ledger.told(&second[0], at(80));
        assert!(ledger.untold(None, at(90)).is_empty());
        ledger.add(&v("v1"), Some("gpt-5"), tokens(1), at(299));
        let third = ledger.untold(None, at(301));
        let models: Vec<_> = third[0]
            .buckets
            .iter()
            .map(|line| line.models.len())
            .collect();
        assert_eq!(
            models,
            [1, 0],
            "and the new five minutes with nothing in them"
        );
    }

    #[test]
    fn silence_is_told_as_nothing_used_and_of_the_version_in_use() {
        let ledger = Ledger::default();
        assert!(ledger.untold(None, at(0)).is_empty(), "no key, no word");
        let told = ledger.untold(Some(v("v1")), at(10));
        assert!(told[0].buckets[0].models.is_empty());
        ledger.told(&told[0], at(10));
        let told = ledger.untold(Some(v("v1")), at(950));
        assert_eq!(told[0].buckets.len(), 3, "none is left out: {told:?}");
        ledger.add(&v("v2"), Some("gpt-5"), tokens(1), at(960));
        let told = ledger.untold(Some(v("v1")), at(1300));
        let versions: Vec<_> = told.iter().map(|page| page.version.as_str()).collect();
        assert_eq!(versions, ["v1", "v2"]);
        assert_eq!(told[1].buckets.len(), 2);
    }

    #[test]
    fn what_is_too_much_or_too_old_is_put_together_or_left_out() {
        let ledger = Ledger::default();
        for n in 0..40 {
            ledger.add(&v("v1"), Some(&format!("model {n}")), tokens(1), at(0));
        }
        ledger.add(&v("v1"), None, None, at(0));
        let told = ledger.untold(None, at(0));
        let models = &told[0].buckets[0].models;
        assert_eq!(models.len(), 16);
        assert_eq!(models["other-models"].requests, 26);
        assert!(models.contains_key("model-3"));
        let later = ledger.untold(None, at(24 * 3600));
        assert_eq!(
            later[0]
                .buckets
                .iter()
                .map(|line| line.models.len())
                .sum::<usize>(),
            0
        );
    }

    #[test]
    fn a_clock_that_was_ahead_keeps_what_is_to_come_to_itself() {
        let ledger = Ledger::default();
        ledger.add(&v("v1"), Some("gpt-5"), tokens(1), at(7200));
        let told = ledger.untold(None, at(0));
        assert_eq!(told[0].buckets.len(), 1);
        assert!(told[0].buckets[0].models.is_empty());
        let later = ledger.untold(None, at(7200));
        assert!(
            later[0]
                .buckets
                .iter()
                .any(|line| line.models.contains_key("gpt-5"))
        );
    }
}
