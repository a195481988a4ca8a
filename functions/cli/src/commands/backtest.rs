//! `keyward backtest`.

use std::path::Path;

use anyhow::{Context, Result};
use keyward_backtest::{
    Figures, Inject, Page, Report, Target, TheftFigures, backtest, charts, page, targets,
};

use super::Format;
use crate::print::{Outcome, line, table};
use crate::progress::bar;

/// Replays the traces of a folder and shows what it came to. Ends well only if everything that must be reached is.
pub(super) fn run(
    folder: &Path,
    inject: Inject,
    seeds: u64,
    html: Option<&Path>,
    format: Format,
) -> Result<Outcome> {
    let report = backtest(folder, inject, seeds, &progress)?;
    let held_to = targets(&report);
    if let Some(file) = html {
        let about = counted(&report);
        write_page(
            file,
            &Page {
                title: "Keyward: recorded traffic through the rules on usage",
                about: &about,
                targets: &held_to,
                charts: &charts(folder, inject, &progress)?,
            },
        )?;
    }
    match format {
        Format::Json => line(&serde_json::to_string_pretty(&json(&report, &held_to))?),
        Format::Table => show(&report, &held_to),
    }
    Ok(match held_to.iter().all(Target::must_reached) {
        true => Outcome::Done,
        false => Outcome::NotAll,
    })
}

/// Writes the page to a file, in place of what was there.
pub(super) fn write_page(file: &Path, content: &Page<'_>) -> Result<()> {
    std::fs::write(file, page(content))
        .with_context(|| format!("{} cannot be written", file.display()))
}

fn progress(done: usize, all: usize) {
    bar(done, all, "keys");
}

fn json(report: &Report, held_to: &[Target]) -> serde_json::Value {
    let target = |target: &Target| {
        serde_json::json!({
            "name": target.name,
            "value": target.value,
            "worst_seed": target.worst,
            "must": target.must,
            "aim": target.aim,
            "more_is_better": target.more_is_better,
            "must_reached": target.must_reached(),
            "aim_reached": target.aim_reached(),
        })
    };
    let targets: Vec<_> = held_to.iter().map(target).collect();
    serde_json::json!({"targets": targets, "pooled": report.pooled, "worst": report.worst, "seeds": report.seeds})
}

fn counted(report: &Report) -> String {
    let Figures {
        keys, key_months, ..
    } = report.worst;
    let seeds = report.seeds.len();
    format!(
        "{keys} keys, {key_months:.1} key-months, {seeds} seeds. Each figure is of all seeds together."
    )
}

fn show(report: &Report, held_to: &[Target]) {
    line(&format!("{}\n", counted(report)));
    let rows: Vec<_> = held_to.iter().map(target_row).collect();
    table(
        ["MEASURE", "VALUE", "WORST SEED", "MUST", "AIM", "REACHED"],
        &rows,
    );
    if report.pooled.thefts.is_empty() {
        return;
    }
    line("");
    let rows: Vec<_> = report.pooled.thefts.iter().map(theft_row).collect();
    table(
        [
            "THEFT", "COUNT", "STOPPED", "MINUTES", "95 %", "DOLLARS", "95 %",
        ],
        &rows,
    );
    line("");
    let row = |change: &keyward_backtest::HarmlessFigures| {
        let kills = format!("{:.0}", change.kills_per_100_key_months);
        [change.name.to_owned(), kills]
    };
    let rows: Vec<_> = report.pooled.harmless.iter().map(row).collect();
    table(["WITHOUT A THEFT", "KILLS PER 100 KEY-MONTHS"], &rows);
}

fn target_row(target: &Target) -> [String; 6] {
    let reached = match (target.must_reached(), target.aim_reached()) {
        (_, true) => "aim",
        (true, false) => "must",
        (false, false) => "no",
    };
    [
        target.name.clone(),
        format!("{:.1}", target.value),
        format!("{:.1}", target.worst),
        target.must.to_string(),
        target.aim.to_string(),
        reached.to_owned(),
    ]
}

fn theft_row(theft: &TheftFigures) -> [String; 7] {
    let whole = |value: f64| format!("{value:.0}");
    [
        theft.name.clone(),
        theft.thefts.to_string(),
        format!("{:.0} %", theft.caught_percent),
        whole(theft.median_minutes),
        whole(theft.p95_minutes),
        whole(theft.median_dollars),
        whole(theft.p95_dollars),
    ]
}
