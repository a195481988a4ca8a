//! `keyward enforce`.

use anyhow::{Context, Result};
use jiff::Timestamp;
use keyward_core::model::act_kind::ActKind;
use keyward_core::model::names::SlotName;
use keyward_core::model::slot::Mode;
use serde::Deserialize;
use serde_json::Value;

use super::Format;
use crate::control::Control;
use crate::print::{Outcome, clean, line};

/// What statistics may do, by the command's flag.
pub(super) const fn mode(observe: bool) -> Mode {
    if observe {
        Mode::Observe
    } else {
        Mode::Enforce
    }
}

#[derive(Deserialize)]
struct Answer {
    before: Mode,
    mode: Mode,
    /// Where it was only asked what would be done.
    #[serde(default)]
    would_be: Option<Mode>,
    /// Where a second person must agree.
    #[serde(default)]
    asked: Option<AskedFor>,
    #[serde(default)]
    unrecorded: bool,
}

#[derive(Deserialize)]
struct AskedFor {
    by: String,
    until: Timestamp,
}

pub(super) async fn enforce(slot: &SlotName, request: &Value, format: Format) -> Result<Outcome> {
    let answer = Control::open(ActKind::Enforce)
        .await?
        .post("/enforce", request)
        .await?;
    let said: Answer =
        serde_json::from_value(answer.clone()).context("the answer cannot be read")?;
    match format {
        Format::Json => line(&answer.to_string()),
        Format::Table => print(slot, &said),
    }
    Ok(match said.unrecorded || said.asked.is_some() {
        true => Outcome::NotAll,
        false => Outcome::Done,
    })
}

fn print(slot: &SlotName, answer: &Answer) {
    let what = match answer.would_be.unwrap_or(answer.mode) {
        Mode::Enforce => "use far above what is usual for it cuts it off",
        Mode::Observe => {
            "use far above what is usual for it is only told; far above what its owner declared still cuts it off"
        }
    };
    let was = if answer.before == answer.mode {
        ", as before"
    } else {
        " from now on"
    };
    if let Some(would_be) = answer.would_be {
        let same = match would_be == answer.before {
            true => "it is so already",
            false => "then",
        };
        line(&format!("{slot}: nothing was changed; {same}: {what}"));
        return;
    }
    match &answer.asked {
        Some(asked) => line(&format!(
            "{slot}: NOT changed yet: {} asked for it, and a second person must run the same command until {}",
            clean(&asked.by),
            asked.until.strftime("%Y-%m-%d %H:%M UTC")
        )),
        None => line(&format!("{slot}: {what}{was}")),
    }
    if answer.unrecorded {
        line(&format!("{slot}: done, but its end could not be recorded"));
    }
}
