//! `keyward apply` and `keyward register`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use keyward_core::model::act_kind::ActKind;
use keyward_core::model::names::SlotName;
use keyward_core::rules::change::Difference;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Format;
use crate::control::Control;
use crate::fleet_file;
use crate::print::{Outcome, clean, line};

/// The results of slots for which nothing is left to do.
const DONE: [&str; 3] = ["registered", "updated", "unchanged"];

/// What is to be applied.
pub(super) struct Wanted {
    /// The fleet file.
    pub(super) file: PathBuf,
    pub(super) reason: String,
    /// The plan that it must still be.
    pub(super) planned: Option<PathBuf>,
    pub(super) format: Format,
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
    changed: Vec<Difference>,
    #[serde(default)]
    kept: Vec<String>,
    #[serde(default)]
    why: Option<String>,
    #[serde(default)]
    unrecorded: bool,
}

pub(super) async fn apply(wanted: &Wanted) -> Result<Outcome> {
    let fleet = fleet_file::read(&wanted.file)?;
    let mut request = json!({ "reason": wanted.reason, "fleet": fleet });
    if let Some(planned) = &wanted.planned {
        request["planned"] = json!(super::plan::kept(planned)?);
    }
    post("/apply", &request, wanted.format).await
}

pub(super) async fn register(
    file: &Path,
    slot: &SlotName,
    reason: &str,
    format: Format,
) -> Result<Outcome> {
    let fleet = fleet_file::read(file)?;
    let request = json!({ "reason": reason, "fleet": fleet, "slot": slot });
    post("/register", &request, format).await
}

async fn post(operation: &str, request: &Value, format: Format) -> Result<Outcome> {
    let answer = Control::open(ActKind::Operate)
        .await?
        .post(operation, request)
        .await?;
    let report: Report =
        serde_json::from_value(answer.clone()).context("the answer cannot be read")?;
    match format {
        Format::Json => line(&answer.to_string()),
        Format::Table => print(&report),
    }
    let is_done = |row: &Row| DONE.contains(&row.result.as_str()) && !row.unrecorded;
    Ok(match report.slots.iter().all(is_done) {
        true => Outcome::Done,
        false => Outcome::NotAll,
    })
}

fn print(report: &Report) {
    for row in &report.slots {
        line(&describe(row));
    }
    if report.others_unknown {
        line("the slots that the file does not name could not be listed");
    }
    for name in &report.not_in_file {
        line(&format!("{}: not in the file; left as it is", clean(name)));
    }
}

fn describe(row: &Row) -> String {
    let what = match (row.result.as_str(), row.key.as_deref()) {
        ("registered", Some("known")) => "registered with the key in its secret".to_owned(),
        ("registered", Some("unknown")) => "registered, but its key was not singled out at the provider: it cannot be revoked by Keyward. Rotate the slot, then delete the old key there by hand".to_owned(),
        ("registered", _) => format!("registered; its secret has no key yet. Next: keyward rotate {} --wait", clean(&row.slot)),
        ("updated", _) => {
            let fields = row.changed.iter().map(|changed| clean(&changed.field));
            format!("changed: {}", fields.collect::<Vec<_>>().join(", "))
        }
        ("unchanged", _) => "is as the file says".to_owned(),
        ("left", _) => "not reached in time; nothing was done. Send the file again".to_owned(),
        ("not_begun", _) => "not begun, and as it was: first see to what is said of other slots, then send the file again".to_owned(),
        ("surprise", _) => "NOT AS PLANNED, and left as it is. Look with keyward plan, then send the file again".to_owned(),
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
