//! What keys used and cost, by day: `GET /user/daily/activity`, the only report of the proxy that names keys and models
//! and is never reset. It is marked as beta. Days are UTC as long as no time zone is asked for.
//!
//! `get_daily_activity` in `litellm/proxy/management_endpoints/common_daily_activity.py`,
//! <https://github.com/BerriAI/litellm>, release 1.108.7.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use keyward_core::model::slot::Scope;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{
    ByKey, Cost, CostPage, PageToken, ProviderError, Reporting, Tokens, Usage, UsagePage,
    UsageReports, Width, Window,
};
use serde::Deserialize;
use serde_json::Value;

use super::{LiteLlm, MAX_PAGES, not_about_a_key, page_number, wire};
use crate::api::unreadable;
use crate::http::Repeat;
use crate::money::micro_dollars;

/// Rows of the proxy's table that one page is made of; 1000 at most. Each comes back in half a dozen places.
const PAGE: &str = "200";

/// Rows of one key and day that stand on several pages add up.
#[async_trait]
impl UsageReports for LiteLlm {
    fn reporting(&self) -> Reporting {
        Reporting {
            usage: Some(Width::Day),
            costs: Some(Width::Day),
        }
    }

    async fn usage(
        &self,
        scope: &Scope,
        window: &Window,
        page: Option<&PageToken>,
    ) -> Result<UsagePage, ProviderError> {
        let (days, next) = self.activity(window, page).await?;
        let rows: Option<Vec<_>> = days.iter().map(|day| day.usage(scope)).collect();
        let rows = rows.ok_or_else(unread)?.concat();
        Ok(UsagePage { rows, next })
    }

    async fn costs(
        &self,
        scope: &Scope,
        window: &Window,
        page: Option<&PageToken>,
    ) -> Result<CostPage, ProviderError> {
        let (days, next) = self.activity(window, page).await?;
        let rows: Option<Vec<_>> = days.iter().map(|day| day.costs(scope)).collect();
        let rows = rows.ok_or_else(unread)?.concat();
        Ok(CostPage { rows, next })
    }
}

fn unread() -> ProviderError {
    unreadable(Repeat::Safe, "a page of the report is unreadable")
}

impl LiteLlm {
    /// One page of the days of a window that have begun.
    async fn activity(
        &self,
        window: &Window,
        page: Option<&PageToken>,
    ) -> Result<(Vec<Day>, Option<PageToken>), ProviderError> {
        if window.width != Width::Day {
            return Err(ProviderError::Unsupported("tell usage by less than a day"));
        }
        let number = page.map_or(Ok(1), page_number)?;
        let Some((first, last)) = days_of(window.from, window.until.min(self.0.now())) else {
            return Ok((Vec::new(), None));
        };
        let mut url = self.0.url(&["user", "daily", "activity"])?;
        url.query_pairs_mut()
            .append_pair("start_date", &first.to_string())
            .append_pair("end_date", &last.to_string())
            .append_pair("page", &number.to_string())
            .append_pair("page_size", PAGE);
        let answer = self.read(url).await.map_err(not_about_a_key)?;
        let report = Report::read(&answer.body).ok_or_else(unread)?;
        if report.more && number >= MAX_PAGES {
            return Err(unread());
        }
        let mut days = report.days;
        days.retain(|day| (first..=last).contains(&day.date));
        let next = report.more.then(|| PageToken((number + 1).to_string()));
        Ok((days, next))
    }
}

/// A page, read.
pub(super) struct Report {
    pub(super) days: Vec<Day>,
    more: bool,
}

impl Report {
    /// `None` if it is not what the API describes.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let activity: Activity = wire::read(body)?;
        let days: Option<Vec<Day>> = activity.results.into_iter().map(Day::of).collect();
        Some(Self {
            days: days?,
            more: activity.metadata.has_more,
        })
    }
}

/// The first and the last day that begin from `from` on and before `until`; `None` if none does.
fn days_of(from: Timestamp, until: Timestamp) -> Option<(Date, Date)> {
    let day = |at: Timestamp| Offset::UTC.to_datetime(at).date();
    let of_from = day(from);
    let first = if midnight(of_from)? == from {
        of_from
    } else {
        of_from.tomorrow().ok()?
    };
    let last = day(until.checked_sub(SignedDuration::from_nanos(1)).ok()?);
    (first <= last).then_some((first, last))
}

fn midnight(day: Date) -> Option<Timestamp> {
    Offset::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok()
}

#[derive(Deserialize)]
struct Activity {
    results: Vec<Results>,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    has_more: bool,
}

#[derive(Deserialize)]
struct Results {
    date: Date,
    breakdown: Breakdown,
}

#[derive(Deserialize)]
struct Breakdown {
    models: Entries,
    api_keys: Entries,
}

#[derive(Deserialize)]
struct ByModel {
    api_key_breakdown: Entries,
}

/// Fields that are names. An entry has `metrics`; what has none is something that is not known here.
type Entries = BTreeMap<String, Value>;

/// The entries; `None` if one of them cannot be read.
fn entries<'a, T: Deserialize<'a>>(all: &'a Entries) -> Option<Vec<(&'a str, T)>> {
    let entries = all.iter().filter(|(_, e)| e.get("metrics").is_some());
    entries
        .map(|(name, entry)| Some((name.as_str(), T::deserialize(entry).ok()?)))
        .collect()
}

/// What one key did; the name beside it is the SHA-256 of its text.
#[derive(Deserialize)]
struct OfKey {
    metrics: Metrics,
    #[serde(default)]
    metadata: Value,
}

impl OfKey {
    /// Whether it may be of a key in the scope: the report does not tell every key's team.
    fn is_in(&self, scope: &Scope) -> bool {
        match (&scope.workspace, self.metadata["team_id"].as_str()) {
            (Some(wanted), Some(team)) => wanted.as_str() == team,
            _ => true,
        }
    }
}

#[derive(Deserialize)]
struct Metrics {
    #[serde(default)]
    spend: Value,
    #[serde(default)]
    api_requests: Value,
    #[serde(default)]
    prompt_tokens: Value,
    #[serde(default)]
    completion_tokens: Value,
    #[serde(default)]
    cache_read_input_tokens: Value,
    #[serde(default)]
    cache_creation_input_tokens: Value,
}

/// Counts of one key: requests, tokens read, written, from a cache, to a cache.
#[derive(Clone, Copy)]
struct Counts([Option<u64>; 5]);

impl Counts {
    fn of(metrics: &Metrics) -> Self {
        Self([
            metrics.api_requests.as_u64(),
            metrics.prompt_tokens.as_u64(),
            metrics.completion_tokens.as_u64(),
            metrics.cache_read_input_tokens.as_u64(),
            metrics.cache_creation_input_tokens.as_u64(),
        ])
    }

    /// What is left of these without `part`; what is not told on either side stays so.
    fn without(self, part: Self) -> Self {
        let mut left = self;
        for (left, part) in left.0.iter_mut().zip(part.0) {
            *left = left.zip(part).map(|(all, part)| all.saturating_sub(part));
        }
        left
    }

    fn is_nothing(&self) -> bool {
        self.0.iter().all(|count| count.unwrap_or_default() == 0)
    }

    /// The proxy counts cached tokens among those of the prompt, whoever's model it is.
    fn tokens(self) -> Tokens {
        let [_, prompt, output, cache_read, cache_write] = self.0;
        let cached = cache_read
            .unwrap_or_default()
            .saturating_add(cache_write.unwrap_or_default());
        Tokens {
            input: prompt.and_then(|all| all.checked_sub(cached)),
            output,
            cache_read,
            cache_write,
        }
    }
}

/// What all keys did on one day.
pub(super) struct Day {
    date: Date,
    from: Timestamp,
    breakdown: Breakdown,
}

impl Day {
    fn of(results: Results) -> Option<Self> {
        Some(Self {
            date: results.date,
            from: midnight(results.date)?,
            breakdown: results.breakdown,
        })
    }

    /// A row for each key and model, and one without a model for what a key did beside them. `None` if one cannot be
    /// read.
    pub(super) fn usage(&self, scope: &Scope) -> Option<Vec<Usage>> {
        let mut rows = Vec::new();
        let mut beside: BTreeMap<&str, Counts> = BTreeMap::new();
        for (key, all) in entries::<OfKey>(&self.breakdown.api_keys)? {
            if all.is_in(scope) {
                beside.insert(key, Counts::of(&all.metrics));
            }
        }
        for (model, by_key) in entries::<ByModel>(&self.breakdown.models)? {
            for (key, part) in entries::<OfKey>(&by_key.api_key_breakdown)? {
                if !part.is_in(scope) {
                    continue;
                }
                let counts = Counts::of(&part.metrics);
                if let Some(rest) = beside.get_mut(key) {
                    *rest = rest.without(counts);
                }
                let model = (!model.is_empty()).then(|| OutsideText::new(model));
                rows.push(self.row(key, model, counts));
            }
        }
        let beside = beside.into_iter().filter(|(_, rest)| !rest.is_nothing());
        rows.extend(beside.map(|(key, rest)| self.row(key, None, rest)));
        Some(rows)
    }

    fn row(&self, key: &str, model: Option<OutsideText>, counts: Counts) -> Usage {
        Usage {
            key: by_key(key),
            model,
            from: self.from,
            requests: counts.0[0],
            tokens: counts.tokens(),
        }
    }

    /// `None` if an amount cannot be read: what was not seen is not zero.
    pub(super) fn costs(&self, scope: &Scope) -> Option<Vec<Cost>> {
        let keys = entries::<OfKey>(&self.breakdown.api_keys)?;
        keys.into_iter()
            .filter(|(_, all)| all.is_in(scope))
            .map(|(key, all)| {
                Some(Cost {
                    key: by_key(key),
                    from: self.from,
                    amount: micro_dollars(&all.metrics.spend)?,
                })
            })
            .collect()
    }
}

fn by_key(name: &str) -> ByKey {
    if name.is_empty() {
        ByKey::Unnamed
    } else {
        ByKey::Id(OutsideText::new(name))
    }
}
