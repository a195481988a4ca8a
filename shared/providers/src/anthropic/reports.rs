//! Usage and cost by key.
//!
//! Usage: <https://platform.claude.com/docs/en/api/admin/usage_report/retrieve_messages>, which does not count requests.
//! Cost by key is told by the analytics beta alone:
//! <https://platform.claude.com/docs/en/manage-claude/usage-cost-analytics-api>, its answers as in the Python SDK 2.14.0,
//! `types/beta/organization/analytics`. Amounts are cents with fractions, as strings.

use async_trait::async_trait;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use keyward_core::model::names::ScopeId;
use keyward_core::model::slot::Scope;
use keyward_core::ports::{
    Cost, CostPage, PageToken, ProviderError, Reporting, Tokens, Usage, UsagePage, UsageReports,
    Width, Window,
};
use serde::Deserialize;
use serde_json::Value;

use super::{Anthropic, NOTHING, wire};
use crate::http::Repeat;
use crate::money::micro_dollars_of_cents;
use crate::reports::{Query, buckets, by_key, model, unread, word};

/// The headers of the analytics beta.
const ANALYTICS: &[(&str, &str)] = &[
    ("anthropic-version", "2023-06-01"),
    ("anthropic-beta", "analytics-usage-cost-2026-08-24"),
];

/// Rows on a page of costs: as many as there can be.
const ROWS: &str = "1000";

/// How long a range of costs may be: a day by the minute, 31 days otherwise.
const fn longest(width: Width) -> SignedDuration {
    match width {
        Width::Minute => SignedDuration::from_hours(24),
        Width::Hour | Width::Day => SignedDuration::from_hours(24 * 31),
    }
}

#[async_trait]
impl UsageReports for Anthropic {
    fn reporting(&self) -> Reporting {
        Reporting {
            usage: Some(Width::Minute),
            costs: Some(Width::Minute),
        }
    }

    /// All workspaces are asked for, and those rows left out that name another one than the scope's: the report names
    /// no workspace for the default one, which has an id elsewhere.
    async fn usage(
        &self,
        scope: &Scope,
        window: &Window,
        page: Option<&PageToken>,
    ) -> Result<UsagePage, ProviderError> {
        let Some(query) = Query::read(window, self.0.now(), page)? else {
            return Ok(UsagePage::default());
        };
        let mut url = self
            .0
            .url(&["v1", "organizations", "usage_report", "messages"])?;
        {
            let mut pairs = url.query_pairs_mut();
            pairs
                .append_pair("starting_at", &query.from.to_string())
                .append_pair("ending_at", &query.until.to_string())
                .append_pair("bucket_width", word(window.width))
                .append_pair("limit", buckets(window.width));
            for by in ["api_key_id", "model", "workspace_id"] {
                pairs.append_pair("group_by[]", by);
            }
            if let Some(page) = &query.cursor {
                pairs.append_pair("page", page);
            }
        }
        let answer = self.0.call(Method::GET, url, NOTHING, Repeat::Safe).await;
        let answer = answer.map_err(wire::not_about_a_key)?;
        read_usage(&answer.body, &query, scope)
            .ok_or_else(|| unread("a page of usage is unreadable"))?
    }

    /// An organization that has no such report has no cost by key at all.
    async fn costs(
        &self,
        scope: &Scope,
        window: &Window,
        page: Option<&PageToken>,
    ) -> Result<CostPage, ProviderError> {
        let Some(query) = Query::read(window, self.0.now(), page)? else {
            return Ok(CostPage::default());
        };
        let range = Range::of(&query, window.width);
        let mut url = self.0.url(&["v1", "organizations", "analytics", "cost"])?;
        {
            let mut pairs = url.query_pairs_mut();
            pairs
                .append_pair("starting_at", &range.from.to_string())
                .append_pair("ending_at", &range.until.to_string())
                .append_pair("time_bucket_width", word(window.width))
                .append_pair("group_by[]", "api_key_id")
                .append_pair("order_by", "time")
                .append_pair("order", "asc")
                .append_pair("limit", ROWS);
            if let Some(workspace) = scope.workspace.as_ref().map(ScopeId::as_str) {
                pairs.append_pair("workspace_ids[]", workspace);
            }
            if let Some(page) = &query.cursor {
                pairs.append_pair("page", page);
            }
        }
        let answer = match self.0.read_with(url, ANALYTICS).await {
            Err(ProviderError::NotFound) => {
                return Err(ProviderError::Unsupported(
                    "tell this organization's costs by key",
                ));
            }
            answer => answer?,
        };
        read_costs(&answer.body, &query, range.parts)
            .ok_or_else(|| unread("a page of costs is unreadable"))?
    }
}

/// The part of a long window that one call may ask for.
struct Range {
    from: Timestamp,
    until: Timestamp,
    parts: usize,
}

impl Range {
    fn of(query: &Query, width: Width) -> Self {
        let longest = longest(width).as_secs();
        let all = query.until.duration_since(query.from).as_secs();
        let parts = (all + longest - 1).div_euclid(longest);
        let start = |part: i64| {
            let seconds = part.min(parts).saturating_mul(longest).min(all);
            query.from + SignedDuration::from_secs(seconds)
        };
        let part = i64::try_from(query.part).unwrap_or(i64::MAX - 1);
        Self {
            from: start(part),
            until: start(part + 1),
            parts: usize::try_from(parts).unwrap_or(1),
        }
    }
}

/// One page of usage: buckets of rows.
#[derive(Deserialize)]
struct UsageReport {
    data: Vec<Bucket>,
    has_more: bool,
    #[serde(default)]
    next_page: Option<String>,
}

#[derive(Deserialize)]
struct Bucket {
    starting_at: Timestamp,
    results: Vec<UsageRow>,
}

/// A count that is there and cannot be read makes its page unreadable.
#[derive(Deserialize)]
struct UsageRow {
    uncached_input_tokens: u64,
    output_tokens: u64,
    cache_read_input_tokens: u64,
    #[serde(default)]
    cache_creation: Option<CacheCreation>,
    #[serde(default)]
    api_key_id: Option<String>,
    #[serde(default)]
    workspace_id: Option<String>,
    #[serde(default)]
    model: Option<String>,
}

#[derive(Deserialize)]
struct CacheCreation {
    ephemeral_5m_input_tokens: u64,
    ephemeral_1h_input_tokens: u64,
}

impl UsageRow {
    fn is_elsewhere(&self, scope: &Scope) -> bool {
        let here = scope.workspace.as_ref().map(ScopeId::as_str);
        match (self.workspace_id.as_deref(), here) {
            (Some(there), Some(here)) => there != here,
            _ => false,
        }
    }

    /// `None` if a sum is no number.
    fn tokens(&self) -> Option<Tokens> {
        let written = match &self.cache_creation {
            None => None,
            Some(written) => Some(
                written
                    .ephemeral_5m_input_tokens
                    .checked_add(written.ephemeral_1h_input_tokens)?,
            ),
        };
        Some(Tokens {
            input: Some(self.uncached_input_tokens),
            output: Some(self.output_tokens),
            cache_read: Some(self.cache_read_input_tokens),
            cache_write: written,
        })
    }
}

/// `None` if it is no page; an error if it does not go on as it should.
pub(super) fn read_usage(
    body: &[u8],
    query: &Query,
    scope: &Scope,
) -> Option<Result<UsagePage, ProviderError>> {
    let report: UsageReport = serde_json::from_slice(body).ok()?;
    let mut rows = Vec::new();
    for bucket in report.data {
        for row in bucket.results {
            let tokens = row.tokens()?;
            if row.is_elsewhere(scope) {
                continue;
            }
            rows.push(Usage {
                key: by_key(row.api_key_id.as_deref()),
                model: model(row.model.as_deref()),
                from: bucket.starting_at,
                requests: None,
                tokens,
            });
        }
    }
    rows.retain(|row| query.has(row.from));
    let next = query.after(report.has_more, report.next_page, 1);
    Some(next.map(|next| UsagePage { rows, next }))
}

/// One page of costs: rows with their time.
#[derive(Deserialize)]
struct CostReport {
    data: Vec<CostRow>,
    has_more: bool,
    #[serde(default)]
    next_page: Option<String>,
}

#[derive(Deserialize)]
struct CostRow {
    starting_at: Timestamp,
    group: Group,
    cost: Amount,
}

#[derive(Deserialize)]
struct Group {
    #[serde(default)]
    api_key_id: Option<String>,
}

#[derive(Deserialize)]
struct Amount {
    amount: Value,
    currency: String,
}

/// As [`read_usage`]. An amount that cannot be read makes its page unreadable: it is not zero.
pub(super) fn read_costs(
    body: &[u8],
    query: &Query,
    parts: usize,
) -> Option<Result<CostPage, ProviderError>> {
    let report: CostReport = serde_json::from_slice(body).ok()?;
    let mut rows = Vec::new();
    for row in report.data {
        if !row.cost.currency.eq_ignore_ascii_case("usd") {
            return None;
        }
        rows.push(Cost {
            key: by_key(row.group.api_key_id.as_deref()),
            from: row.starting_at,
            amount: micro_dollars_of_cents(&row.cost.amount)?,
        });
    }
    rows.retain(|row| query.has(row.from));
    let next = query.after(report.has_more, report.next_page, parts);
    Some(next.map(|next| CostPage { rows, next }))
}
