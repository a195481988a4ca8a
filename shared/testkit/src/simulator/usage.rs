//! What agents used, as the provider counts it: by key, model and minute.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use keyward_core::model::money::MicroDollars;
use keyward_core::model::names::KeyHandle;

use super::account::Account;

/// The model of every call that the simulator answers.
pub(super) const MODEL: &str = "example-model";

/// What was used of one model at one time, by one call or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    /// When. It may be long before the provider books it.
    pub at: Timestamp,
    /// Of which model.
    pub model: String,
    /// How much.
    pub used: Used,
}

/// Requests, tokens of the four kinds, and money.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Calls.
    pub requests: u64,
    /// Tokens read by the model, cached ones left out.
    pub input: u64,
    /// Tokens written by the model.
    pub output: u64,
    /// Tokens read from a cache.
    pub cache_read: u64,
    /// Tokens written to a cache.
    pub cache_write: u64,
    /// What it cost.
    pub cost: MicroDollars,
}

impl Used {
    /// What one call of an agent uses.
    pub(super) fn call(cost: MicroDollars) -> Self {
        Self {
            requests: 1,
            input: 10,
            output: 1,
            cost,
            ..Self::default()
        }
    }

    fn add(&mut self, more: &Self) {
        self.requests += more.requests;
        self.input += more.input;
        self.output += more.output;
        self.cache_read += more.cache_read;
        self.cache_write += more.cache_write;
        self.cost.0 += more.cost.0;
    }
}

/// What one key, or nobody in particular, used.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger(BTreeMap<(Timestamp, String), Used>);

impl Ledger {
    pub(super) fn book(&mut self, at: Timestamp, model: &str, used: &Used) {
        let minute = start_of(at, SignedDuration::from_mins(1));
        let entry = self.0.entry((minute, model.to_owned()));
        entry.or_default().add(used);
    }
}

/// What one key used of one model in one bucket; no key is named for what belongs to none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) key: Option<KeyHandle>,
    pub(super) workspace: Option<String>,
    pub(super) model: String,
    pub(super) from: Timestamp,
    pub(super) used: Used,
}

impl Account {
    /// What all keys used, deleted ones too, in the buckets that begin from `from` on and before `until`: by time.
    pub(super) fn report(
        &self,
        from: Timestamp,
        until: Timestamp,
        width: SignedDuration,
    ) -> Vec<Row> {
        let mut rows: BTreeMap<(Timestamp, usize, &str), Row> = BTreeMap::new();
        let keys = self.keys.iter().map(|key| (Some(key), &key.ledger));
        for (n, (key, ledger)) in keys.chain([(None, &self.unnamed)]).enumerate() {
            for ((minute, model), used) in &ledger.0 {
                let start = start_of(*minute, width);
                if !(from..until).contains(&start) {
                    continue;
                }
                let row = rows.entry((start, n, model)).or_insert_with(|| Row {
                    key: key.map(|key| key.handle.clone()),
                    workspace: key.map(|key| key.workspace.clone()),
                    model: model.clone(),
                    from: start,
                    used: Used::default(),
                });
                row.used.add(used);
            }
        }
        rows.into_values().collect()
    }
}

/// Where the bucket of that width begins that a time is in.
pub(super) fn start_of(at: Timestamp, width: SignedDuration) -> Timestamp {
    let into = at.as_second().rem_euclid(width.as_secs());
    Timestamp::from_second(at.as_second() - into).expect("a time near now")
}

/// A page of buckets: where each begins, and where the next page does.
pub(super) struct Buckets {
    pub(super) starts: Vec<Timestamp>,
    pub(super) next: Option<Timestamp>,
}

impl Buckets {
    /// At most `limit` of those from the one that `first` is in.
    pub(super) fn page(
        first: Timestamp,
        until: Timestamp,
        width: SignedDuration,
        limit: usize,
    ) -> Self {
        let mut at = start_of(first, width);
        let mut starts = Vec::new();
        while at < until && starts.len() < limit {
            starts.push(at);
            at += width;
        }
        Self {
            starts,
            next: (at < until).then_some(at),
        }
    }
}

/// `1m`, `1h` and `1d`, with the most buckets that a page has.
pub(super) fn read_width(word: &str) -> Option<(SignedDuration, usize)> {
    match word {
        "1m" => Some((SignedDuration::from_mins(1), 1440)),
        "1h" => Some((SignedDuration::from_hours(1), 168)),
        "1d" => Some((SignedDuration::from_hours(24), 31)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use keyward_core::model::key::ApiKey;
    use keyward_core::model::slot::ProviderName;
    use secrecy::ExposeSecret;
    use serde_json::{Value, json};

    use super::super::Settings;
    use super::super::testing::World;
    use super::*;

    async fn world(provider: ProviderName) -> (World, ApiKey) {
        let world = World::with(Settings {
            provider,
            ..Settings::default()
        })
        .await;
        let key = world.simulator.seed("agent");
        (world, key)
    }

    /// 90 s, an hour and two days ago, two calls each, and another model's.
    fn book(world: &World, key: &ApiKey) {
        let used = Used {
            cache_read: 3,
            ..Used::call(MicroDollars(50))
        };
        for (ago, model) in [(90, "a"), (3_600, "a"), (172_800, "a"), (172_800, "b")] {
            let booking = Booking {
                at: world.simulator.time() - SignedDuration::from_secs(ago),
                model: model.to_owned(),
                used,
            };
            world.simulator.book(Some(key), &booking);
            world.simulator.book(Some(key), &booking);
        }
    }

    fn ask(world: &World, headers: &str, path: &str) -> (u16, Value) {
        let key = world.simulator.management_key();
        let key = key.expose_secret();
        let headers = format!(
            "{headers}authorization: Bearer {key}\r\nx-api-key: {key}\r\nanthropic-version: 2023-06-01\r\n"
        );
        let answer = world.send_with("GET", path, &headers, "").unwrap();
        (answer.status, answer.json())
    }

    #[tokio::test]
    async fn openai_counts_by_bucket_and_refuses_what_it_does_not_know() {
        let (world, key) = world(ProviderName::OpenAi).await;
        book(&world, &key);
        let (from, until) = (1_796_115_600, world.simulator.time().as_second());
        let at = format!(
            "/v1/organization/usage/completions?start_time={}&end_time={until}",
            until - 7_200
        );
        let (status, body) = ask(
            &world,
            "",
            &format!("{at}&bucket_width=1h&limit=1&group_by=api_key_id"),
        );
        assert_eq!((status, &body["has_more"]), (200, &json!(true)), "{body}");
        let next = body["next_page"].as_str().unwrap();
        let (_, body) = ask(
            &world,
            "",
            &format!("{at}&bucket_width=1h&limit=1&group_by=api_key_id&page={next}"),
        );
        let row = &body["data"][0]["results"][0];
        assert_eq!(row["num_model_requests"], 4, "{body}");
        assert_eq!(
            (&row["input_tokens"], &row["model"]),
            (&json!(52), &json!(null))
        );
        assert_eq!(row["api_key_id"], json!(world.simulator.keys()[0].handle));
        for wrong in [
            "",
            "?start_time=x",
            "?start_time=1&bucket_width=2h",
            "?start_time=1&limit=32",
            "?start_time=1&group_by[]=model",
            &format!("?start_time={until}&end_time={from}"),
        ] {
            let (status, body) = ask(
                &world,
                "",
                &format!("/v1/organization/usage/completions{wrong}"),
            );
            assert_eq!(status, 400, "{wrong}: {body}");
        }
        let (status, body) = ask(
            &world,
            "",
            &format!("/v1/organization/costs?start_time={from}&bucket_width=1h"),
        );
        assert_eq!(status, 400, "{body}");
        let path = "/v1/organization/costs?start_time=0";
        assert_eq!(
            world
                .send("GET", path, Some(key.expose_secret()), "")
                .unwrap()
                .status,
            401
        );
    }

    #[tokio::test]
    async fn anthropic_tells_costs_to_the_beta_alone() {
        let (world, key) = world(ProviderName::Anthropic).await;
        book(&world, &key);
        let range = "starting_at=2026-11-29T00:00:00Z&ending_at=2026-12-02T00:00:00Z";
        let cost = format!(
            "/v1/organizations/analytics/cost?{range}&time_bucket_width=1d&group_by[]=api_key_id"
        );
        assert_eq!(ask(&world, "", &cost).0, 404);
        let (status, body) = ask(
            &world,
            "anthropic-beta: analytics-usage-cost-2026-08-24\r\n",
            &cost,
        );
        assert_eq!(status, 200, "{body}");
        let amounts: Vec<&Value> = body["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| &r["cost"]["amount"])
            .collect();
        assert_eq!(amounts, ["0.0200", "0.0200"], "cents");
        let report = "/v1/organizations/usage_report/messages";
        let (_, body) = ask(&world, "", &format!("{report}?{range}&group_by[]=model"));
        assert_eq!(body["data"].as_array().unwrap().len(), 3, "empty days too");
        let (status, body) = ask(
            &world,
            "",
            &format!("{report}?starting_at=2026-12-01T05:00:00Z&ending_at=2026-12-01T08:00:00Z"),
        );
        assert_eq!(status, 400, "no whole day: {body}");
    }

    #[tokio::test]
    async fn openrouter_tells_completed_days() {
        let (world, key) = world(ProviderName::OpenRouter).await;
        book(&world, &key);
        let hash = &world.simulator.keys()[0].handle;
        let (status, body) = ask(&world, "", &format!("/api/v1/activity?api_key_hash={hash}"));
        let days: Vec<&Value> = body["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| &r["date"])
            .collect();
        assert_eq!(
            (status, days),
            (200, vec![&json!("2026-11-29"), &json!("2026-11-29")])
        );
        assert_eq!(ask(&world, "", "/api/v1/activity?group_by=api_key").0, 400);
    }
}
