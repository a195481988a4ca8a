//! `/organization/usage/*` and `/organization/costs`: every bucket of the range, empty ones too, and rows in them. What
//! no key is named for belongs to all projects: `project_ids` leaves it in.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::account::Account;
use super::super::api::{Api, Call, Reply};
use super::super::usage::{Buckets, Row, read_width};
use super::{OpenAi, Refusal};

/// Buckets of costs that a page has at most.
const DAYS: usize = 180;

/// What a report asks for.
struct Asked {
    from: Timestamp,
    until: Timestamp,
    width: SignedDuration,
    limit: usize,
    projects: Vec<String>,
    by: Vec<String>,
    page: Option<Timestamp>,
}

impl OpenAi {
    /// `GET /organization/usage/{kind}`: agents of the simulator only complete.
    pub(super) fn usage(&self, account: &Account, kind: &str, call: &Call) -> Reply {
        let asked = match Asked::read(call, account.now(), read_width) {
            Ok(asked) => asked,
            Err(refusal) => return self.error(400, &refusal),
        };
        let row = |row: &Row| {
            let used = &row.used;
            json!({
                "object": "organization.usage.completions.result",
                "input_tokens": used.input + used.cache_read + used.cache_write,
                "input_cached_tokens": used.cache_read,
                "input_cache_write_tokens": used.cache_write,
                "output_tokens": used.output,
                "num_model_requests": used.requests,
                "project_id": null,
                "user_id": null,
                "api_key_id": asked.by("api_key_id").then(|| row.key.clone()).flatten(),
                "model": asked.by("model").then(|| row.model.clone()),
                "batch": null,
                "service_tier": null,
            })
        };
        asked.answer(account, kind == "completions", row)
    }

    /// `GET /organization/costs`, by the day alone.
    pub(super) fn costs(&self, account: &Account, call: &Call) -> Reply {
        let days = |word: &str| (word == "1d").then(|| (SignedDuration::from_hours(24), DAYS));
        let asked = match Asked::read(call, account.now(), days) {
            Ok(asked) => asked,
            Err(refusal) => return self.error(400, &refusal),
        };
        let row = |row: &Row| {
            json!({
                "object": "organization.costs.result",
                "amount": { "value": row.used.cost.0 as f64 / 1e6, "currency": "usd" },
                "line_item": null,
                "project_id": null,
                "api_key_id": asked.by("api_key_id").then(|| row.key.clone()).flatten(),
            })
        };
        asked.answer(account, true, row)
    }
}

impl Asked {
    fn read(
        call: &Call,
        now: Timestamp,
        width: impl Fn(&str) -> Option<(SignedDuration, usize)>,
    ) -> Result<Self, Refusal> {
        let time = |value: &str| {
            let seconds = value.parse().map_err(|_| "times are Unix seconds")?;
            Timestamp::from_second(seconds).map_err(|_| "no such time")
        };
        let (mut from, mut until, mut most, mut limit) = (None, now, 31, 7);
        let mut asked = Self {
            from: now,
            until: now,
            width: SignedDuration::from_hours(24),
            limit: 7,
            projects: Vec::new(),
            by: Vec::new(),
            page: None,
        };
        for (name, value) in &call.query {
            match name.as_str() {
                "start_time" => from = Some(time(value)?),
                "end_time" => until = time(value)?,
                "bucket_width" => {
                    (asked.width, most) = width(value).ok_or("bucket_width has no such value")?;
                }
                "limit" => limit = value.parse().map_err(|_| "limit must be a number")?,
                "project_ids" => asked.projects.push(value.clone()),
                "group_by" if ["api_key_id", "model"].contains(&value.as_str()) => {
                    asked.by.push(value.clone());
                }
                "page" => {
                    let start = value.strip_prefix("page_EXAMPLE").ok_or("no such page")?;
                    asked.page = Some(time(start)?);
                }
                _ => return Err(format!("Unknown or malformed parameter: '{name}'.")),
            }
        }
        asked.from = from.ok_or("start_time is missing")?;
        asked.until = until;
        asked.limit = limit;
        if !(1..=most).contains(&limit) {
            return Err(format!("limit must be from 1 to {most}"));
        }
        if asked.from >= asked.until {
            return Err("end_time must be after start_time".to_owned());
        }
        Ok(asked)
    }

    fn by(&self, field: &str) -> bool {
        self.by.iter().any(|by| by == field)
    }

    fn answer(&self, account: &Account, counts: bool, result: impl Fn(&Row) -> Value) -> Reply {
        let first = self.page.unwrap_or(self.from);
        let limit = self.limit.min(account.settings.page_size);
        let buckets = Buckets::page(first, self.until, self.width, limit);
        let end = buckets.next.unwrap_or(self.until);
        let mut rows = account.report(first, end, self.width);
        rows.retain(|row| {
            let is_here = |place: &String| self.projects.contains(place);
            counts && (self.projects.is_empty() || row.workspace.as_ref().is_none_or(is_here))
        });
        let bucket = |start: &Timestamp| {
            let rows = rows.iter().filter(|row| row.from == *start);
            json!({
                "object": "bucket",
                "start_time": start.as_second(),
                "end_time": (*start + self.width).as_second(),
                "results": rows.map(&result).collect::<Vec<_>>(),
            })
        };
        let next = buckets.next.map(Timestamp::as_second);
        Reply::json(
            200,
            &json!({
                "object": "page",
                "data": buckets.starts.iter().map(bucket).collect::<Vec<_>>(),
                "has_more": next.is_some(),
                "next_page": next.map(|next| format!("page_EXAMPLE{next}")),
            }),
        )
    }
}
