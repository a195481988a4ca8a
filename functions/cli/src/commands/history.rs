//! `keyward backtest --slot`: what the rules would have done with a slot's own usage.

use std::path::Path;

use anyhow::{Result, bail};
use jiff::Timestamp;
use keyward_backtest::{Chart, Page};
use keyward_core::model::money::MicroDollars;
use keyward_core::model::names::SlotName;
use keyward_core::ports::Clock;
use keyward_core::rules::anomaly::{Finding, Foreseen, Limits, foresee};
use keyward_core::usecases::history::{History, Row, Stopped, histories};
use keyward_lambda::clock::SystemClock;
use serde_json::{Value, json};

use super::Format;
use super::backtest::write_page;
use crate::aws::Aws;
use crate::print::{Outcome, clean, line, table};
use crate::settings::{TABLE, required};

/// A slot's past, and what the rules make of it.
struct Judged {
    history: History,
    foreseen: Foreseen,
}

pub(super) async fn run(
    only: Option<&SlotName>,
    html: Option<&Path>,
    format: Format,
) -> Result<Outcome> {
    let [name] = required([TABLE])?;
    let aws = Aws::load().await?;
    let inventory = aws.inventory(&name).await?;
    let now = SystemClock.now();
    let rows = histories(&inventory, &inventory, only, now).await?;
    if let (Some(name), true) = (only, rows.is_empty()) {
        bail!("there is no slot `{name}` in the inventory");
    }
    let (judged, unread) = judge(rows);
    if let Some(file) = html {
        let charts: Vec<Chart> = judged.iter().map(chart).collect();
        write_page(
            file,
            &Page {
                title: "Keyward: recorded usage through the rules",
                about: &format!("{} slots, as of {}", charts.len(), short(now)),
                targets: &[],
                charts: &charts,
            },
        )?;
    }
    match format {
        Format::Json => line(&as_json(&judged, &unread).to_string()),
        Format::Table => show(&judged, &unread),
    }
    Ok(match unread.is_empty() {
        true => Outcome::Done,
        false => Outcome::NotAll,
    })
}

/// Those that could be read, and of the others why not.
fn judge(rows: Vec<Row>) -> (Vec<Judged>, Vec<(SlotName, String)>) {
    let (mut judged, mut unread) = (Vec::new(), Vec::new());
    for (name, history) in rows {
        match history {
            Ok(history) => {
                // What is announced now says nothing about the past.
                let limits = Limits {
                    announced: None,
                    ..Limits::of_slot(&history.slot)
                };
                let foreseen = foresee(&limits, history.past.iter().cloned());
                judged.push(Judged { history, foreseen });
            }
            Err(error) => unread.push((name, clean(&error.to_string()))),
        }
    }
    (judged, unread)
}

impl Judged {
    fn name(&self) -> &SlotName {
        &self.history.slot.name
    }

    fn since(&self) -> Option<Timestamp> {
        Some(self.history.past.first()?.bucket.begins())
    }

    fn spent(&self) -> MicroDollars {
        let counts = self
            .history
            .past
            .iter()
            .filter_map(|past| past.reading.known());
        MicroDollars(counts.fold(0, |sum, counts| counts.cost.0.saturating_add(sum)))
    }

    /// In percent.
    fn known(&self) -> usize {
        100 * self.history.known() / self.history.past.len().max(1)
    }

    /// Of its agent by all the kills, in seconds at most: one that fetches its key again when refused, and one that waits.
    fn stopped_seconds(&self) -> [i64; 2] {
        let kills = self.foreseen.kills.len() as i64;
        let stopped = Stopped::by_a_kill(&self.history.slot);
        [stopped.refetching, stopped.waiting].map(|each| each.as_secs() * kills)
    }
}

fn chart(judged: &Judged) -> Chart {
    let slot = &judged.history.slot;
    let about = format!(
        "{} in {} days, {} % of the time known; declared {} a day",
        judged.spent(),
        judged.history.length().as_hours() / 24,
        judged.known(),
        slot.expected.daily,
    );
    Chart::new(slot.name.to_string(), about, judged.foreseen.clone())
}

fn short(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn show(judged: &[Judged], unread: &[(SlotName, String)]) {
    let row = |judged: &Judged| {
        let [refetching, waiting] = judged.stopped_seconds();
        [
            judged.name().to_string(),
            judged.since().map_or_else(|| "never".to_owned(), short),
            format!("{} %", judged.known()),
            judged.spent().to_string(),
            judged.foreseen.kills.len().to_string(),
            judged.foreseen.told.len().to_string(),
            format!("{refetching} s to {waiting} s"),
        ]
    };
    let rows: Vec<_> = judged.iter().map(row).collect();
    table(
        [
            "SLOT",
            "KNOWN SINCE",
            "KNOWN",
            "SPENT",
            "KILLS",
            "ALERTS",
            "AGENT STOPPED, AT MOST",
        ],
        &rows,
    );
    for judged in judged {
        let kills = judged.foreseen.kills.iter().map(|kill| ("KILL", kill));
        let told = judged.foreseen.told.iter().map(|told| ("alert", told));
        let mut all: Vec<(&str, &Finding)> = kills.chain(told).collect();
        all.sort_by_key(|(_, finding)| finding.at);
        if !all.is_empty() {
            line(&format!("\n{}", judged.name()));
        }
        for (act, finding) in all {
            let at = short(finding.at.ends());
            line(&format!("  {at}  {act:5}  {}", clean(&finding.to_string())));
        }
    }
    for (name, why) in unread {
        line(&format!("{name}: CANNOT BE READ: {why}"));
    }
}

fn as_json(judged: &[Judged], unread: &[(SlotName, String)]) -> Value {
    let finding = |finding: &Finding| {
        json!({
            "at": finding.at.ends(),
            "act": finding.act,
            "rule": finding.rule,
            "what": clean(&finding.to_string()),
        })
    };
    let slot = |judged: &Judged| {
        let [refetching, waiting] = judged.stopped_seconds();
        json!({
            "slot": judged.name(),
            "known_since": judged.since(),
            "known_percent": judged.known(),
            "spent_micro_dollars": judged.spent(),
            "kills": judged.foreseen.kills.iter().map(finding).collect::<Vec<_>>(),
            "told": judged.foreseen.told.iter().map(finding).collect::<Vec<_>>(),
            "agent_stopped_seconds": {
                "fetches_when_refused": refetching,
                "waits_for_its_refresh": waiting,
            },
        })
    };
    let unread = unread.iter();
    let unread = unread.map(|(name, why)| json!({ "slot": name, "error": why }));
    let slots: Vec<Value> = judged.iter().map(slot).chain(unread).collect();
    json!({ "slots": slots })
}
