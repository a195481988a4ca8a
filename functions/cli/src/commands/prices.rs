//! `keyward prices`.

use std::path::Path;

use anyhow::{Context, Result};
use keyward_core::model::act_kind::ActKind;
use keyward_core::model::price::PriceTable;
use keyward_core::usecases::prices::in_use;
use keyward_lambda::clock::SystemClock;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::Format;
use crate::args::Prices;
use crate::aws::Aws;
use crate::control::Control;
use crate::print::{Outcome, clean, complain, line};
use crate::settings::{TABLE, required};

#[derive(Deserialize)]
struct Answer {
    before: String,
    as_of: String,
    #[serde(default)]
    unrecorded: bool,
}

pub(super) async fn run(prices: Prices) -> Result<Outcome> {
    match prices {
        Prices::Show { json } => show(json.into()).await,
        Prices::Put {
            file,
            reason,
            dry_run,
            json,
        } => {
            let reason = (!dry_run).then(|| reason.unwrap_or_default());
            put(&file, reason.as_deref(), json.into()).await
        }
    }
}

async fn show(format: Format) -> Result<Outcome> {
    let [name] = required([TABLE])?;
    let usage = Aws::load().await?.inventory(&name).await?;
    let (table, refused) = in_use(&usage, &SystemClock).await;
    let refused = refused.map(|why| why.to_string());
    match format {
        Format::Json => line(&as_json(&table, refused.as_deref()).to_string()),
        Format::Table => print(&table, refused.as_deref()),
    }
    Ok(match refused {
        None => Outcome::Done,
        Some(_) => Outcome::NotAll,
    })
}

fn as_json(table: &PriceTable, refused: Option<&str>) -> Value {
    let sources = table.sources().iter();
    let sources: Vec<Value> = sources
        .map(|from| json!({ "name": from.name, "url": from.url, "licence": from.licence }))
        .collect();
    json!({
        "as_of": table.as_of(), "models": table.models(), "sources": sources,
        "put_in_place_but_refused": refused,
    })
}

fn print(table: &PriceTable, refused: Option<&str>) {
    line(&format!(
        "prices of {}, of {} models",
        table.as_of(),
        table.models()
    ));
    for from in table.sources() {
        let words = [&from.name, &from.url, &from.licence].map(|word| clean(word));
        let [name, url, licence] = words;
        line(&format!("  {name} ({licence}), {url}"));
    }
    if let Some(why) = refused {
        line(&format!(
            "the table that was put in place is NOT used: {}",
            clean(why)
        ));
    }
}

/// Puts a table of prices in place; without a reason, only says what that would do.
async fn put(file: &Path, reason: Option<&str>, format: Format) -> Result<Outcome> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    let table: &RawValue =
        serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))?;
    let request = json!({
        "reason": reason.unwrap_or_default(), "table": table, "dry_run": reason.is_none(),
    });
    let answer = Control::open(ActKind::Operate)
        .await?
        .post("/prices", &request)
        .await?;
    let said: Answer =
        serde_json::from_value(answer.clone()).context("the answer cannot be read")?;
    let [before, as_of] = [&said.before, &said.as_of].map(|word| clean(word));
    match format {
        Format::Json => line(&answer.to_string()),
        Format::Table if reason.is_none() => line(&format!(
            "nothing was changed; prices of {as_of} would be in place of those of {before}"
        )),
        Format::Table => line(&format!(
            "prices of {as_of} are in place of those of {before}; the monitor uses them from its next run on"
        )),
    }
    Ok(match said.unrecorded {
        true => {
            complain("done, but its end could not be recorded");
            Outcome::NotAll
        }
        false => Outcome::Done,
    })
}
