//! `/v1/organizations/usage_report/messages` and `/v1/organizations/analytics/cost`, the latter for whoever sends the
//! beta's header.

use jiff::{SignedDuration, Timestamp};
use keyward_core::model::money::MicroDollars;
use serde_json::{Value, json};

use super::super::account::Account;
use super::super::api::{Api, Call, Reply};
use super::super::usage::{Buckets, Row, read_width, start_of};
use super::Anthropic;

/// What a request is refused for.
type Refusal = String;

/// What opens the analytics.
pub(super) const BETA: &str = "analytics-usage-cost-2026-08-24";

/// What a report asks for.
struct Asked {
    from: Timestamp,
    until: Timestamp,
    width: SignedDuration,
    limit: usize,
    workspaces: Vec<String>,
    by: Vec<String>,
    page: Option<String>,
}

impl Anthropic {
    /// `GET …/usage_report/messages`: every bucket of the range, empty ones too. The default workspace has no name.
    pub(super) fn usage(&self, account: &Account, call: &Call) -> Reply {
        let asked = match Asked::read(call, "bucket_width") {
            Ok(asked) => asked,
            Err(refusal) => return self.error(400, &refusal),
        };
        let first = match asked.page.as_deref().map(|page| page.parse()) {
            None => asked.from,
            Some(Ok(first)) => first,
            Some(Err(_)) => return self.error(400, "page: no such page"),
        };
        let limit = asked.limit.min(account.settings.page_size);
        let buckets = Buckets::page(first, asked.until, asked.width, limit);
        let rows = account.report(first, buckets.next.unwrap_or(asked.until), asked.width);
        let result = |row: &&Row| {
            let used = &row.used;
            let is_default = row.workspace.as_deref() == Some(account.default_workspace());
            json!({
                "uncached_input_tokens": used.input,
                "cache_creation": {
                    "ephemeral_1h_input_tokens": 0,
                    "ephemeral_5m_input_tokens": used.cache_write,
                },
                "cache_read_input_tokens": used.cache_read,
                "output_tokens": used.output,
                "server_tool_use": { "web_search_requests": 0 },
                "api_key_id": asked.by("api_key_id").then(|| row.key.clone()).flatten(),
                "workspace_id": row.workspace.clone().filter(|_| !is_default && asked.by("workspace_id")),
                "model": asked.by("model").then(|| row.model.clone()),
                "service_tier": null,
                "context_window": null,
            })
        };
        let bucket = |start: &Timestamp| {
            let rows = rows.iter().filter(|row| row.from == *start);
            json!({
                "starting_at": start,
                "ending_at": *start + asked.width,
                "results": rows.map(|row| result(&row)).collect::<Vec<_>>(),
            })
        };
        let data: Vec<Value> = buckets.starts.iter().map(bucket).collect();
        page(&data, buckets.next.map(|next| next.to_string()))
    }

    /// `GET …/analytics/cost`: a row for each key and bucket with cost, oldest first. The default workspace has its id.
    pub(super) fn cost(&self, account: &Account, call: &Call) -> Reply {
        let asked = match Asked::read(call, "time_bucket_width") {
            Ok(asked) => asked,
            Err(refusal) => return self.error(400, &refusal),
        };
        let most = if asked.width == SignedDuration::from_mins(1) {
            SignedDuration::from_hours(24)
        } else {
            SignedDuration::from_hours(24 * 31)
        };
        if asked.until.duration_since(asked.from) > most {
            return self.error(400, "the range is too long");
        }
        let mut rows: Vec<Row> = Vec::new();
        for row in account.report(asked.from, asked.until, asked.width) {
            let is_here = |place: &String| asked.workspaces.contains(place);
            if !asked.workspaces.is_empty() && !row.workspace.as_ref().is_some_and(is_here) {
                continue;
            }
            match rows.last_mut() {
                Some(last) if last.from == row.from && last.key == row.key => {
                    last.used.cost.0 += row.used.cost.0;
                }
                _ => rows.push(row),
            }
        }
        let start: usize = match asked.page.as_deref().map(str::parse) {
            None => 0,
            Some(Ok(start)) => start,
            Some(Err(_)) => return self.error(400, "page: no such page"),
        };
        let limit = asked.limit.min(account.settings.page_size);
        let item = |row: &Row| {
            let amount = cents(row.used.cost);
            json!({
                "starting_at": row.from,
                "ending_at": row.from + asked.width,
                "group": { "api_key_id": row.key, "workspace_id": null, "model": null },
                "cost": {
                    "amount": amount, "list_amount": amount, "currency": "USD",
                    "requests": row.used.requests,
                },
            })
        };
        let data: Vec<Value> = rows.iter().skip(start).take(limit).map(item).collect();
        let end = start + data.len();
        page(&data, (end < rows.len()).then(|| end.to_string()))
    }
}

fn page(data: &[Value], next: Option<String>) -> Reply {
    let body = json!({ "data": data, "has_more": next.is_some(), "next_page": next });
    Reply::json(200, &body)
}

/// Cents with their fractions, exactly.
fn cents(amount: MicroDollars) -> String {
    format!("{}.{:04}", amount.0 / 10_000, amount.0 % 10_000)
}

impl Asked {
    fn read(call: &Call, width_name: &str) -> Result<Self, Refusal> {
        let time = |value: &str| {
            let time: Timestamp = value.parse().map_err(|_| "times are RFC 3339")?;
            Ok::<_, Refusal>(time)
        };
        let is_cost = width_name == "time_bucket_width";
        let (mut from, mut until, mut most) = (None, None, 31);
        let mut asked = Self {
            from: Timestamp::UNIX_EPOCH,
            until: Timestamp::UNIX_EPOCH,
            width: SignedDuration::from_hours(24),
            limit: if is_cost { 20 } else { 7 },
            workspaces: Vec::new(),
            by: Vec::new(),
            page: None,
        };
        for (name, value) in &call.query {
            match (name.as_str(), value.as_str()) {
                ("starting_at", value) => from = Some(time(value)?),
                ("ending_at", value) => until = Some(time(value)?),
                (name, value) if name == width_name => {
                    (asked.width, most) = read_width(value).ok_or("no such width")?;
                }
                ("limit", value) => asked.limit = value.parse().map_err(|_| "limit: no number")?,
                ("group_by[]", "api_key_id" | "model" | "workspace_id") => {
                    asked.by.push(value.clone());
                }
                ("workspace_ids[]", id) if is_cost => asked.workspaces.push(id.to_owned()),
                ("order_by", "time") | ("order", "asc") if is_cost => {}
                ("page", page) => asked.page = Some(page.to_owned()),
                _ => return Err(format!("unknown or malformed parameter {name}")),
            }
        }
        asked.from = start_of(from.ok_or("starting_at is missing")?, asked.width);
        asked.until = start_of(until.ok_or("ending_at is missing")?, asked.width);
        if asked.from >= asked.until {
            let refusal = "Invalid date range: ending date must be after starting date";
            return Err(refusal.to_owned());
        }
        if !(1..=if is_cost { 1000 } else { most }).contains(&asked.limit) {
            return Err("limit is out of range".to_owned());
        }
        Ok(asked)
    }

    fn by(&self, field: &str) -> bool {
        self.by.iter().any(|by| by == field)
    }
}
