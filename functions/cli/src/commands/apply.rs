//! `keyward apply` and `keyward register`.

use std::path::Path;

use anyhow::{Context, Result};
use keyward_core::model::fleet::Fleet;
use keyward_core::model::names::SlotName;
use serde::{Deserialize, Serialize};

use crate::control::Control;
use crate::fleet_file;
use crate::print::{Outcome, clean, line};

/// The results of slots for which nothing is left to do.
const DONE: [&str; 5] = [
    "registered",
    "updated",
    "unchanged",
    "would_register",
    "would_update",
];

#[derive(Serialize)]
struct Request<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    fleet: &'a Fleet,
    #[serde(skip_serializing_if = "Option::is_none")]
    slot: Option<&'a SlotName>,
}

#[derive(Deserialize)]
struct Report {
    slots: Vec<Row>,
    #[serde(default)]
    not_in_file: Vec<String>,
    #[serde(default)]
    others_unknown: bool,
}

#[derive(Deserialize)]
struct Row {
    slot: String,
    result: String,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    changed: Vec<String>,
    #[serde(default)]
    kept: Vec<String>,
    #[serde(default)]
    why: Option<String>,
    #[serde(default)]
    unrecorded: bool,
}

pub(super) async fn plan(file: &Path) -> Result<Outcome> {
    post(file, "/plan", None, None).await
}

pub(super) async fn apply(file: &Path, reason: &str) -> Result<Outcome> {
    post(file, "/apply", Some(reason), None).await
}

pub(super) async fn register(file: &Path, slot: &SlotName, reason: &str) -> Result<Outcome> {
    post(file, "/register", Some(reason), Some(slot)).await
}

/// Checks the file here first: its faults are told without a call.
async fn post(
    file: &Path,
    operation: &str,
    reason: Option<&str>,
    slot: Option<&SlotName>,
) -> Result<Outcome> {
    let fleet = fleet_file::read(file)?;
    let request = Request {
        reason,
        fleet: &fleet,
        slot,
    };
    let answer = Control::open().await?.post(operation, &request).await?;
    let report: Report = serde_json::from_value(answer).context("the answer cannot be read")?;
    Ok(print(&report))
}

fn print(report: &Report) -> Outcome {
    let mut outcome = Outcome::Done;
    for row in &report.slots {
        line(&describe(row));
        if !DONE.contains(&row.result.as_str()) || row.unrecorded {
            outcome = Outcome::NotAll;
        }
    }
    if report.others_unknown {
        line("the slots that the file does not name could not be listed");
    }
    for name in &report.not_in_file {
        line(&format!("{}: not in the file; left as it is", clean(name)));
    }
    outcome
}

fn describe(row: &Row) -> String {
    let what = match (row.result.as_str(), row.key.as_deref()) {
        ("registered", Some("known")) => "registered with the key in its secret".to_owned(),
        ("registered", Some("unknown")) => "registered, but its key was not singled out at the provider: it cannot be revoked by Keyward. Rotate the slot, then delete the old key there by hand".to_owned(),
        ("registered", _) => format!("registered; its secret has no key yet. Next: keyward rotate {} --wait", clean(&row.slot)),
        ("would_register", _) => "would be registered".to_owned(),
        ("updated", _) => format!("changed: {}", clean(&row.changed.join(", "))),
        ("would_update", _) => format!("would be changed: {}", clean(&row.changed.join(", "))),
        ("unchanged", _) => "is as the file says".to_owned(),
        ("left", _) => "not reached in time; nothing was done. Send the file again".to_owned(),
        ("refused", _) => "REFUSED, nothing was changed".to_owned(),
        ("failed", _) => "FAILED, nothing was changed; send the file again".to_owned(),
        _ => "NOT FINISHED, and a part of it may be done; send the file again".to_owned(),
    };
    let why = row.why.as_deref().map(|why| format!(": {}", clean(why)));
    let kept = if row.kept.iter().any(|field| field == "mode") {
        " (its mode is not the file's: that is set with keyward enforce)"
    } else {
        ""
    };
    let unrecorded = if row.unrecorded {
        " (done, but its end could not be recorded)"
    } else {
        ""
    };
    format!(
        "{}: {what}{}{kept}{unrecorded}",
        clean(&row.slot),
        why.unwrap_or_default()
    )
}
