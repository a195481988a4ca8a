//! `GET /user/daily/activity`: by day, key and model, a page of rows at a time.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use keyward_core::model::money::MicroDollars;
use serde_json::{Map, Value, json};

use super::super::account::Account;
use super::super::api::{Api, Call, Reply};
use super::LiteLlm;

/// Tokens of one call.
pub(super) const PROMPT: u64 = 10;
pub(super) const COMPLETION: u64 = 1;

/// The model of what was spent otherwise than by a call.
const ELSEWHERE: &str = "";

/// Calls by UTC day and model.
#[derive(Debug, Clone, Default)]
pub(super) struct Calls(BTreeMap<(Date, String), u64>);

impl Calls {
    pub(super) fn count(&mut self, at: Timestamp, model: &str) {
        let day = Offset::UTC.to_datetime(at).date();
        *self.0.entry((day, model.to_owned())).or_default() += 1;
    }

    fn on(&self, day: Date) -> impl Iterator<Item = (&str, u64)> {
        let on = self.0.iter().filter(move |((of, _), _)| *of == day);
        on.map(|((_, model), calls)| (model.as_str(), *calls))
    }
}

/// A row of the proxy's table.
struct Record {
    day: Date,
    key: String,
    team: Option<String>,
    model: String,
    spend: u64,
    calls: u64,
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

    /// The latest day first. What a key spent on a day is shared out evenly over its calls.
    fn records(&self, account: &Account, first: Date, last: Date) -> Vec<Record> {
        let mut records = Vec::new();
        for key in &account.keys {
            let calls = self.facts_of(&key.handle).calls;
            for (day, spent) in key
                .spent_by_day()
                .filter(|(day, _)| (first..=last).contains(day))
            {
                let record = |model: &str, spend: u64, calls: u64| Record {
                    day,
                    key: key.handle.to_string(),
                    team: (!key.workspace.is_empty()).then(|| key.workspace.clone()),
                    model: model.to_owned(),
                    spend,
                    calls,
                };
                let cost = account.settings.call_cost.0;
                let mut left = spent;
                for (model, calls) in calls.on(day) {
                    let spend = left.min(cost * calls);
                    left -= spend;
                    records.push(record(model, spend, calls));
                }
                if left > 0 {
                    records.push(record(ELSEWHERE, left, 0));
                }
            }
        }
        records.sort_by_key(|record| std::cmp::Reverse(record.day));
        records
    }
}

fn results<'a>(records: impl Iterator<Item = &'a Record>) -> Vec<Value> {
    let mut days: BTreeMap<Date, Vec<&Record>> = BTreeMap::new();
    for record in records {
        days.entry(record.day).or_default().push(record);
    }
    let day = |(day, records): (Date, Vec<&Record>)| {
        let mut models = Map::new();
        for record in records.iter().filter(|record| record.model != ELSEWHERE) {
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

fn metrics(records: &[&Record]) -> Value {
    let spend: u64 = records.iter().map(|record| record.spend).sum();
    let calls: u64 = records.iter().map(|record| record.calls).sum();
    json!({
        "spend": dollars(MicroDollars(spend)),
        "prompt_tokens": calls * PROMPT,
        "completion_tokens": calls * COMPLETION,
        "cache_read_input_tokens": 0,
        "cache_creation_input_tokens": 0,
        "total_tokens": calls * (PROMPT + COMPLETION),
        "api_requests": calls,
        "successful_requests": calls,
        "failed_requests": 0,
    })
}

pub(super) fn dollars(amount: MicroDollars) -> f64 {
    amount.0 as f64 / 1e6
}
