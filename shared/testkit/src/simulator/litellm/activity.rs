//! `GET /user/daily/activity`: by day, key and model, a page of rows at a time.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use jiff::civil::Date;
use jiff::tz::Offset;
use keyward_core::model::money::MicroDollars;
use serde_json::{Map, Value, json};

use super::super::account::Account;
use super::super::api::{Api, Call, Reply};
use super::super::usage::{Row, Used};
use super::LiteLlm;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A row of the proxy's table.
struct Record {
    day: Date,
    key: String,
    team: Option<String>,
    model: String,
    used: Used,
}

impl LiteLlm {
    pub(super) fn activity(&self, account: &mut Account, call: &Call) -> Reply {
        let asked = |wanted: &str| {
            let found = call.query.iter().find(|(name, _)| name == wanted);
            found.map(|(_, value)| value.as_str())
        };
        let known = ["start_date", "end_date", "page", "page_size"];
        let day = |name: &str| asked(name).and_then(|text| text.parse::<Date>().ok());
        let number = |name: &str, usual: usize| asked(name).map_or(Some(usual), |n| n.parse().ok());
        let (Some(first), Some(last), Some(page @ 1..), Some(size @ 1..=1000)) = (
            day("start_date"),
            day("end_date"),
            number("page", 1),
            number("page_size", 50),
        ) else {
            return Reply::json(
                400,
                &json!({ "detail": { "error": "Please provide start_date and end_date" } }),
            );
        };
        if call
            .query
            .iter()
            .any(|(name, _)| !known.contains(&name.as_str()))
        {
            return self.error(400, "unknown parameter");
        }
        let records = self.records(account, first, last);
        let size = size.min(account.settings.page_size);
        let shown = records.iter().skip((page - 1) * size).take(size);
        Reply::json(
            200,
            &json!({
                "results": results(shown),
                "metadata": {
                    "page": page, "total_pages": records.len().div_ceil(size),
                    "has_more": page * size < records.len(),
                },
            }),
        )
    }

    /// The latest day first.
    fn records(&self, account: &Account, first: Date, last: Date) -> Vec<Record> {
        let midnight = |day: Date| Offset::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok();
        let end = last.tomorrow().ok().and_then(midnight);
        let (Some(from), Some(until)) = (midnight(first), end) else {
            return Vec::new();
        };
        let rows = account.report(from, until, DAY).into_iter();
        let mut records: Vec<Record> = rows.filter_map(record).collect();
        records.sort_by_key(|record| std::cmp::Reverse(record.day));
        records
    }
}

/// `None` for what belongs to no key: the proxy has no such row.
fn record(row: Row) -> Option<Record> {
    Some(Record {
        day: Offset::UTC.to_datetime(row.from).date(),
        key: row.key?.to_string(),
        team: row.workspace.filter(|team| !team.is_empty()),
        model: row.model,
        used: row.used,
    })
}

fn results<'a>(records: impl Iterator<Item = &'a Record>) -> Vec<Value> {
    let mut days: BTreeMap<Date, Vec<&Record>> = BTreeMap::new();
    for record in records {
        days.entry(record.day).or_default().push(record);
    }
    let day = |(day, records): (Date, Vec<&Record>)| {
        let mut models = Map::new();
        for record in &records {
            let of_model: Vec<&Record> = records
                .iter()
                .copied()
                .filter(|other| other.model == record.model)
                .collect();
            let entry = json!({ "metrics": metrics(&of_model), "metadata": {}, "api_key_breakdown": by_key(&of_model) });
            models.insert(record.model.clone(), entry);
        }
        json!({
            "date": day,
            "metrics": metrics(&records),
            "breakdown": {
                "models": models, "api_keys": by_key(&records), "model_groups": {}, "providers": {},
                "mcp_servers": {}, "endpoints": {}, "entities": {},
            },
        })
    };
    days.into_iter().rev().map(day).collect()
}

fn by_key(records: &[&Record]) -> Value {
    let mut keys = Map::new();
    for record in records {
        let of_key: Vec<&Record> = records
            .iter()
            .copied()
            .filter(|other| other.key == record.key)
            .collect();
        let entry = json!({ "metrics": metrics(&of_key), "metadata": { "team_id": record.team } });
        keys.insert(record.key.clone(), entry);
    }
    Value::Object(keys)
}

/// The proxy counts cached tokens among those of the prompt.
fn metrics(records: &[&Record]) -> Value {
    let sum = |of: fn(&Used) -> u64| records.iter().map(|record| of(&record.used)).sum::<u64>();
    let prompt = sum(|used| used.input + used.cache_read + used.cache_write);
    let (completion, requests) = (sum(|used| used.output), sum(|used| used.requests));
    json!({
        "spend": dollars(MicroDollars(sum(|used| used.cost.0))),
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "cache_read_input_tokens": sum(|used| used.cache_read),
        "cache_creation_input_tokens": sum(|used| used.cache_write),
        "total_tokens": prompt + completion,
        "api_requests": requests,
        "successful_requests": requests,
        "failed_requests": 0,
    })
}

pub(super) fn dollars(amount: MicroDollars) -> f64 {
    amount.0 as f64 / 1e6
}
