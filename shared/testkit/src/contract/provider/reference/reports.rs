//! What keys used and cost, one key of the place after the other.

use async_trait::async_trait;
use jiff::Timestamp;
use keyward_core::model::money::MicroDollars;
use keyward_core::model::slot::Scope;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{
    ByKey, Cost, CostPage, KeyProvider, PageToken, ProviderError, Reporting, Tokens, Usage,
    UsagePage, UsageReports, Width, Window,
};
use serde_json::{Value, json};

use super::{Flaw, Reference};

impl Reference {
    /// The rows of the nth key, its name, and the next page.
    async fn activity(
        &self,
        scope: &Scope,
        window: &Window,
        page: Option<&PageToken>,
    ) -> Result<(ByKey, Vec<Value>, Option<PageToken>), ProviderError> {
        if window.width < Width::Day && !self.has(Flaw::AnyWidth) {
            return Err(ProviderError::Unsupported("be so fine"));
        }
        let n: usize = page.map_or(0, |page| page.0.parse().unwrap());
        let mut keys = Vec::new();
        let mut list = self.list(scope, None).await?;
        loop {
            keys.append(&mut list.keys);
            match list.next.take() {
                Some(next) => list = self.list(scope, Some(&next)).await?,
                None => break,
            }
        }
        let turn = if self.has(Flaw::ReadsPagesTwice) {
            n / 2
        } else {
            n
        };
        let Some(key) = keys.get(turn) else {
            return Ok((ByKey::Unnamed, Vec::new(), None));
        };
        let path = format!("/activity?api_key_hash={}", key.handle);
        let answer = match self.repeated("GET", &path, "") {
            Err(_) if self.has(Flaw::EmptyPageOnError) => json!({ "data": [] }),
            answer => answer?,
        };
        let mut rows = answer["data"].as_array().cloned().unwrap_or_default();
        rows.retain(|row| {
            self.has(Flaw::IgnoresWindow) || (window.from..window.until).contains(&from(row))
        });
        let name = if self.has(Flaw::NamesNobody) {
            ByKey::Unnamed
        } else {
            ByKey::Id(OutsideText::new(key.handle.as_str()))
        };
        let next = PageToken((n + 1).to_string());
        Ok((name, rows, (!self.has(Flaw::FirstPageOnly)).then_some(next)))
    }
}

fn from(row: &Value) -> Timestamp {
    let date = row["date"].as_str().unwrap();
    format!("{date}T00:00:00Z").parse().unwrap()
}

#[async_trait]
impl UsageReports for Reference {
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
        let (key, rows, next) = self.activity(scope, window, page).await?;
        let usage = |row: &Value| Usage {
            key: key.clone(),
            model: row["model_permaslug"].as_str().map(OutsideText::new),
            from: from(row),
            requests: row["requests"].as_u64(),
            tokens: Tokens {
                input: row["prompt_tokens"].as_u64(),
                output: row["completion_tokens"].as_u64(),
                ..Tokens::default()
            },
        };
        Ok(UsagePage {
            rows: rows.iter().map(usage).collect(),
            next,
        })
    }

    async fn costs(
        &self,
        scope: &Scope,
        window: &Window,
        page: Option<&PageToken>,
    ) -> Result<CostPage, ProviderError> {
        let (key, rows, next) = self.activity(scope, window, page).await?;
        let step = if self.has(Flaw::RoundsToCents) {
            1e4
        } else {
            1.0
        };
        let cost = |row: &Value| Cost {
            key: key.clone(),
            from: from(row),
            amount: MicroDollars(
                ((row["usage"].as_f64().unwrap() * 1e6 / step).round() * step) as u64,
            ),
        };
        Ok(CostPage {
            rows: rows.iter().map(cost).collect(),
            next,
        })
    }
}
