//! `keyward expect`.

use std::str::FromStr;

use anyhow::{Context, Result};
use jiff::Timestamp;
use keyward_core::model::act_kind::ActKind;
use keyward_core::model::money::SpendCap;
use keyward_core::model::names::SlotName;
use keyward_core::model::slot::Expectation;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Format;
use crate::control::Control;
use crate::print::{Outcome, clean, line};

/// How many times what is normal, in percent: `x2`, `x1.5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Factor(u32);

/// What is no factor.
#[derive(Debug, thiserror::Error)]
#[error("write how many times what is normal, as x2 or x1.5, up to x20")]
pub(crate) struct NoFactor;

impl FromStr for Factor {
    type Err = NoFactor;

    fn from_str(text: &str) -> Result<Self, NoFactor> {
        let number = text.strip_prefix(['x', 'X']).ok_or(NoFactor)?;
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let is_number = |digits: &str, most: usize| {
            (1..=most).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
        };
        if !is_number(whole, 3) || !is_number(part, 2) {
            return Err(NoFactor);
        }
        let percent: u32 = format!("{whole}{part:0<2}").parse().map_err(|_| NoFactor)?;
        Ok(Self(percent))
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    before: Option<Expectation>,
    expectation: Option<Expectation>,
    #[serde(default)]
    cap: Option<SpendCap>,
    #[serde(default)]
    cap_failed: Option<String>,
    #[serde(default)]
    unrecorded: bool,
}

/// What is said of a slot.
pub(super) struct Words {
    pub(super) slot: SlotName,
    /// How many times what is normal, and until when; `None` is what is normal.
    pub(super) more: Option<(Factor, Timestamp)>,
    /// The incident that was rightful use.
    pub(super) incident: Option<String>,
    /// Why; `None` if it is only asked what would be done.
    pub(super) reason: Option<String>,
}

pub(super) async fn expect(words: &Words, format: Format) -> Result<Outcome> {
    let reason = words.reason.as_deref();
    let mut request = json!({
        "reason": reason.unwrap_or_default(), "slot": words.slot, "dry_run": reason.is_none(),
    });
    if let Some((factor, until)) = words.more {
        request["percent"] = factor.0.into();
        request["until"] = until.to_string().into();
    }
    if let Some(incident) = &words.incident {
        request["incident"] = incident.as_str().into();
    }
    let answer = Control::open(ActKind::Operate)
        .await?
        .post("/expect", &request)
        .await?;
    let said: Answer =
        serde_json::from_value(answer.clone()).context("the answer cannot be read")?;
    match format {
        Format::Json => line(&answer.to_string()),
        Format::Table => print(words, &said),
    }
    Ok(match said.cap_failed.is_some() || said.unrecorded {
        true => Outcome::NotAll,
        false => Outcome::Done,
    })
}

fn print(words: &Words, said: &Answer) {
    let Words { slot, incident, .. } = words;
    if words.reason.is_none() {
        let was = said
            .before
            .map_or("what is normal was expected".to_owned(), |before| {
                format!(
                    "x{}.{:02} of what is normal was expected until {}",
                    before.percent / 100,
                    before.percent % 100,
                    before.until
                )
            });
        line(&format!(
            "{slot}: nothing was changed; {was}, and would be as follows"
        ));
    }
    if let Some(incident) = incident {
        let incident = clean(incident);
        line(&format!(
            "{slot}: what incident {incident} spent was rightful use; it counts as normal within five minutes"
        ));
    }
    match said.expectation {
        None if incident.is_some() => {}
        None => line(&format!("{slot}: what is normal is expected")),
        Some(Expectation { percent, until }) => line(&format!(
            "{slot}: x{}.{:02} of what is normal is expected until {until}",
            percent / 100,
            percent % 100
        )),
    }
    if let Some(cap) = said.cap {
        let period: Value = json!(cap.period);
        let period = period.as_str().unwrap_or("?");
        line(&format!(
            "{slot}: limit at the provider: {} {period}",
            cap.amount
        ));
    }
    if let Some(why) = &said.cap_failed {
        let why = clean(why);
        line(&format!(
            "{slot}: the limit at the provider was NOT changed on every key ({why}); say it again"
        ));
    }
    if said.unrecorded {
        line(&format!("{slot}: done, but its end could not be recorded"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_are_read_as_percent() {
        for (text, percent) in [
            ("x2", Some(200)),
            ("X1.5", Some(150)),
            ("x1.25", Some(125)),
            ("x20", Some(2000)),
            ("x0.5", Some(50)),
            ("2", None),
            ("x", None),
            ("x1.", None),
            ("x.5", None),
            ("x1.255", None),
            ("x-2", None),
            ("x9999", None),
            ("x1e3", None),
        ] {
            assert_eq!(text.parse::<Factor>().ok(), percent.map(Factor), "{text}");
        }
    }
}
