//! Usage and cost by key.
//!
//! <https://developers.openai.com/api/reference/resources/admin/subresources/organization/subresources/usage> and the
//! schemas `UsageResponse` and `CostsResult` of <https://github.com/openai/openai-openapi>. Live answers give the amount
//! of a cost as a number or as a string of one.

use async_trait::async_trait;
use http::Method;
use jiff::Timestamp;
use keyward_core::model::names::ScopeId;
use keyward_core::model::slot::Scope;
use keyward_core::ports::{
    Cost, CostPage, PageToken, ProviderError, Reporting, Tokens, Usage, UsagePage, UsageReports,
    Width, Window,
};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::{NOTHING, OpenAi, not_about_a_key};
use crate::http::Repeat;
use crate::money::micro_dollars;
use crate::reports::{Query, buckets, by_key, model, unread, word};

/// The calls that make up a report of usage, each of them of another part of the API. What is counted in other units
/// than tokens and requests has a cost, and no usage here.
const PARTS: [&str; 3] = ["completions", "embeddings", "images"];

/// Days on a page of costs; 180 at most.
const DAYS: &str = "7";

impl OpenAi {
    /// One page of a report, as it came.
    async fn report(
        &self,
        path: &[&str],
        scope: &Scope,
        query: &Query,
        more: &[(&str, &str)],
    ) -> Result<Vec<u8>, ProviderError> {
        let mut url = self.api.url(path)?;
        {
            let mut pairs = url.query_pairs_mut();
            pairs
                .append_pair("start_time", &query.from.as_second().to_string())
                .append_pair("end_time", &query.until.as_second().to_string())
                .append_pair("group_by", "api_key_id")
                .extend_pairs(more);
            if let Some(project) = scope.project.as_ref().map(ScopeId::as_str) {
                pairs.append_pair("project_ids", project);
            }
            if let Some(page) = &query.cursor {
                pairs.append_pair("page", page);
            }
        }
        let call = self.api.call(Method::GET, url, NOTHING, Repeat::Safe);
        Ok(call.await.map_err(not_about_a_key)?.body)
    }
}

#[async_trait]
impl UsageReports for OpenAi {
    fn reporting(&self) -> Reporting {
        Reporting {
            usage: Some(Width::Minute),
            costs: Some(Width::Day),
        }
    }

    /// Completions, embeddings and images one after the other: of embeddings no written tokens are told, of images none.
    async fn usage(
        &self,
        scope: &Scope,
        window: &Window,
        page: Option<&PageToken>,
    ) -> Result<UsagePage, ProviderError> {
        let Some(query) = Query::read(window, self.api.now(), page)? else {
            return Ok(UsagePage::default());
        };
        let part = PARTS.get(query.part).copied().unwrap_or(PARTS[0]);
        let more = [
            ("bucket_width", word(window.width)),
            ("limit", buckets(window.width)),
            ("group_by", "model"),
        ];
        let path = ["organization", "usage", part];
        let body = self.report(&path, scope, &query, &more).await?;
        read_usage(&body, &query).ok_or_else(|| unread("a page of usage is unreadable"))?
    }

    /// By the day; the figures of a day grow until hours after its end.
    async fn costs(
        &self,
        scope: &Scope,
        window: &Window,
        page: Option<&PageToken>,
    ) -> Result<CostPage, ProviderError> {
        if window.width < Width::Day {
            return Err(ProviderError::Unsupported(
                "tell costs by the minute or the hour",
            ));
        }
        let Some(query) = Query::read(window, self.api.now(), page)? else {
            return Ok(CostPage::default());
        };
        let more = [("bucket_width", word(Width::Day)), ("limit", DAYS)];
        let path = ["organization", "costs"];
        let body = self.report(&path, scope, &query, &more).await?;
        read_costs(&body, &query).ok_or_else(|| unread("a page of costs is unreadable"))?
    }
}

/// One page: buckets of rows. A page of many keys is megabytes long, so nothing of it is kept beside its rows while it is
/// read.
#[derive(Deserialize)]
struct Report<T> {
    object: String,
    data: Vec<Bucket<T>>,
    has_more: bool,
    #[serde(default)]
    next_page: Option<String>,
    #[serde(default)]
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Bucket<T> {
    start_time: i64,
    results: Vec<T>,
}

impl<T: for<'de> Deserialize<'de>> Report<T> {
    fn read(body: &[u8]) -> Option<Self> {
        let report: Self = serde_json::from_slice(body).ok()?;
        (report.error.is_none() && report.object == "page").then_some(report)
    }
}

/// A count that is there and cannot be read makes its page unreadable.
#[derive(Deserialize)]
struct UsageRow {
    num_model_requests: u64,
    #[serde(default)]
    api_key_id: Option<String>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    input_uncached_tokens: Option<u64>,
    #[serde(default)]
    input_cached_tokens: Option<u64>,
    #[serde(default)]
    input_cache_write_tokens: Option<u64>,
    #[serde(default)]
    output_tokens: Option<u64>,
}

impl UsageRow {
    /// `input_tokens` includes those read from the cache and written to it. `None` if they are more than all.
    fn tokens(&self) -> Option<Tokens> {
        let (read, written) = (self.input_cached_tokens, self.input_cache_write_tokens);
        let input = match (self.input_uncached_tokens, self.input_tokens) {
            (Some(uncached), _) => Some(uncached),
            (None, Some(all)) => {
                let all = all.checked_sub(read.unwrap_or(0))?;
                Some(all.checked_sub(written.unwrap_or(0))?)
            }
            (None, None) => None,
        };
        Some(Tokens {
            input,
            output: self.output_tokens,
            cache_read: read,
            cache_write: written,
        })
    }
}

/// `None` if it is no page; an error if it does not go on as it should.
pub(super) fn read_usage(body: &[u8], query: &Query) -> Option<Result<UsagePage, ProviderError>> {
    let report = Report::<UsageRow>::read(body)?;
    let mut rows = Vec::new();
    for bucket in report.data {
        let from = Timestamp::from_second(bucket.start_time).ok()?;
        for row in bucket.results {
            let tokens = row.tokens()?;
            if PARTS.get(query.part) == Some(&"completions")
                && (tokens.input.is_none() || tokens.output.is_none())
            {
                return None;
            }
            rows.push(Usage {
                key: by_key(row.api_key_id.as_deref()),
                model: model(row.model.as_deref()),
                from,
                requests: Some(row.num_model_requests),
                tokens,
            });
        }
    }
    rows.retain(|row| query.has(row.from));
    let next = query.after(report.has_more, report.next_page, PARTS.len());
    Some(next.map(|next| UsagePage { rows, next }))
}

#[derive(Deserialize)]
struct CostRow {
    amount: Amount,
    #[serde(default)]
    api_key_id: Option<String>,
}

#[derive(Deserialize)]
struct Amount {
    value: Value,
    currency: String,
}

/// As [`read_usage`]. An amount that cannot be read makes its page unreadable: it is not zero.
pub(super) fn read_costs(body: &[u8], query: &Query) -> Option<Result<CostPage, ProviderError>> {
    let report = Report::<CostRow>::read(body)?;
    let mut rows = Vec::new();
    for bucket in report.data {
        let from = Timestamp::from_second(bucket.start_time).ok()?;
        for row in bucket.results {
            if !row.amount.currency.eq_ignore_ascii_case("usd") {
                return None;
            }
            rows.push(Cost {
                key: by_key(row.api_key_id.as_deref()),
                from,
                amount: micro_dollars(&row.amount.value)?,
            });
        }
    }
    rows.retain(|row| query.has(row.from));
    let next = query.after(report.has_more, report.next_page, 1);
    Some(next.map(|next| CostPage { rows, next }))
}
