//! Usage and cost by key, from the activity of completed days.
//!
//! <https://openrouter.ai/docs/api-reference/analytics/get-activity>: the last 30 completed UTC days, for one key or for
//! all together, but not grouped by key. So each key of the place is asked for by itself, one to a page.

use std::collections::VecDeque;

use async_trait::async_trait;
use http::Method;
use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use keyward_core::model::money::MicroDollars;
use keyward_core::model::slot::Scope;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{
    Cost, CostPage, KeyProvider, PageToken, ProviderError, Reporting, Tokens, Usage, UsagePage,
    UsageReports, Width, Window,
};
use serde::Deserialize;
use serde_json::Value;

use super::{NOTHING, OpenRouter, not_about_a_key, wire};
use crate::http::Repeat;
use crate::money::micro_dollars;
use crate::reports::{Query, by_key, model, unread};

/// Activity goes back so many days.
const DAYS: i64 = 30;

/// What is told of one key.
struct Activity {
    key: String,
    rows: Vec<Row>,
    next: Option<PageToken>,
}

impl OpenRouter {
    /// One page: the activity of the next key. `None` if there is none.
    async fn activity(
        &self,
        scope: &Scope,
        window: &Window,
        page: Option<&PageToken>,
    ) -> Result<Option<Activity>, ProviderError> {
        let now = self.0.now();
        if window.width < Width::Day {
            return Err(ProviderError::Unsupported(
                "tell usage or costs by the minute or the hour",
            ));
        }
        let Some(query) = Query::read(window, now, page)? else {
            return Ok(None);
        };
        if query.from < day_of(now) - SignedDuration::from_hours(24 * DAYS) {
            return Err(ProviderError::Refused {
                detail: OutsideText::new("activity goes back 30 days"),
            });
        }
        let mut turn = Turn::read(query.cursor.as_deref()).ok_or_else(|| unread("no such page"))?;
        if turn.keys.is_empty() {
            let at = turn.list.take().map(PageToken);
            let listed = self.list(scope, at.as_ref()).await?;
            turn.keys = listed
                .keys
                .iter()
                .map(|key| key.handle.to_string())
                .collect();
            turn.list = listed.next.map(|next| next.0);
        }
        let Some(key) = turn.keys.pop_front() else {
            return Ok(None);
        };
        let mut url = self.0.url(&["activity"])?;
        url.query_pairs_mut().append_pair("api_key_hash", &key);
        let answer = self.0.call(Method::GET, url, NOTHING, Repeat::Safe).await;
        let answer = answer.map_err(not_about_a_key)?;
        let rows =
            read_rows(&answer.body).ok_or_else(|| unread("a page of activity is unreadable"))?;
        let rows = rows.into_iter().filter(|row| query.has(row.from)).collect();
        let cursor = turn.write();
        let next = query.after(cursor.is_some(), cursor, 1)?;
        Ok(Some(Activity { key, rows, next }))
    }
}

#[async_trait]
impl UsageReports for OpenRouter {
    fn reporting(&self) -> Reporting {
        Reporting {
            usage: Some(Width::Day),
            costs: Some(Width::Day),
        }
    }

    /// Of the keys that are listed, in whatever workspace they worked: one that was deleted is not told any more.
    /// Cached tokens are not told apart.
    async fn usage(
        &self,
        scope: &Scope,
        window: &Window,
        page: Option<&PageToken>,
    ) -> Result<UsagePage, ProviderError> {
        let Some(activity) = self.activity(scope, window, page).await? else {
            return Ok(UsagePage::default());
        };
        let usage = |row: Row| Usage {
            key: by_key(Some(&activity.key)),
            model: model(row.model.as_deref()),
            from: row.from,
            requests: Some(row.requests),
            tokens: Tokens {
                input: Some(row.input),
                output: Some(row.output),
                ..Tokens::default()
            },
        };
        Ok(UsagePage {
            rows: activity.rows.into_iter().map(usage).collect(),
            next: activity.next,
        })
    }

    /// As for usage. Own credits and, on top, what upstream providers billed for the customer's own keys.
    async fn costs(
        &self,
        scope: &Scope,
        window: &Window,
        page: Option<&PageToken>,
    ) -> Result<CostPage, ProviderError> {
        let Some(activity) = self.activity(scope, window, page).await? else {
            return Ok(CostPage::default());
        };
        let cost = |row: Row| Cost {
            key: by_key(Some(&activity.key)),
            from: row.from,
            amount: row.cost,
        };
        Ok(CostPage {
            rows: activity.rows.into_iter().map(cost).collect(),
            next: activity.next,
        })
    }
}

/// The keys that are still to be asked for, and where the list of keys goes on after them.
#[derive(Default)]
struct Turn {
    keys: VecDeque<String>,
    list: Option<String>,
}

impl Turn {
    fn read(cursor: Option<&str>) -> Option<Self> {
        let Some(cursor) = cursor else {
            return Some(Self::default());
        };
        let (list, keys) = cursor.split_once(' ')?;
        Some(Self {
            keys: keys.split_whitespace().map(str::to_owned).collect(),
            list: (list != "-").then(|| list.to_owned()),
        })
    }

    /// `None` if nothing is left.
    fn write(&self) -> Option<String> {
        if self.keys.is_empty() && self.list.is_none() {
            return None;
        }
        let keys: Vec<&str> = self.keys.iter().map(String::as_str).collect();
        let list = self.list.as_deref().unwrap_or("-");
        Some(format!("{list} {}", keys.join(" ")))
    }
}

/// What a key did in one day, with one model at one endpoint.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    from: Timestamp,
    model: Option<String>,
    requests: u64,
    input: u64,
    output: u64,
    cost: MicroDollars,
}

#[derive(Deserialize)]
struct Item {
    date: String,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    model_permaslug: Option<String>,
    requests: u64,
    prompt_tokens: u64,
    completion_tokens: u64,
    usage: Value,
    byok_usage_inference: Value,
}

/// `None` if it is no page. An amount that cannot be read makes its page unreadable: it is not zero.
pub(super) fn read_rows(body: &[u8]) -> Option<Vec<Row>> {
    let items: Vec<Item> = wire::data(body)?;
    items.into_iter().map(read_row).collect()
}

/// The dated name of a model comes first: prices may differ.
fn read_row(item: Item) -> Option<Row> {
    let own = micro_dollars(&item.usage)?.0;
    let byok = micro_dollars(&item.byok_usage_inference)?.0;
    // `2026-11-24`, whether or not a time of day follows.
    let date: Date = item.date.get(..10)?.parse().ok()?;
    Some(Row {
        from: Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()?,
        model: item.model_permaslug.or(item.model),
        requests: item.requests,
        input: item.prompt_tokens,
        output: item.completion_tokens,
        cost: MicroDollars(own.checked_add(byok)?),
    })
}

/// When the day of `time` began, in UTC.
fn day_of(time: Timestamp) -> Timestamp {
    let day = Offset::UTC.to_datetime(time).date().at(0, 0, 0, 0);
    Offset::UTC.to_timestamp(day).unwrap_or(time)
}
