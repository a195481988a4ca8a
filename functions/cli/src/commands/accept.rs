//! `keyward accept`.

use anyhow::{Context, Result};
use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use keyward_core::model::act_kind::ActKind;
use keyward_core::model::finding::FindingId;
use serde::Deserialize;
use serde_json::json;

use super::Format;
use crate::control::Control;
use crate::print::{Outcome, clean, line};

/// What is answered for.
#[derive(Args)]
pub(crate) struct Accept {
    /// The finding, by the id that `keyward audit` shows.
    finding: FindingId,
    /// Until when (a day, UTC, as 2027-03-01, or a time, as 2027-03-01T12:00:00Z), within a year.
    #[arg(long, required_unless_present = "withdraw", value_parser = day)]
    until: Option<Timestamp>,
    /// Nobody answers for it any more: it is open again.
    #[arg(long, conflicts_with = "until")]
    withdraw: bool,
    /// Why; goes into the record, and with the finding into every report.
    #[arg(long, required_unless_present = "dry_run")]
    reason: Option<String>,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// The beginning of a day, or a time.
fn day(text: &str) -> Result<Timestamp, &'static str> {
    let begins = |day: Date| Offset::UTC.to_timestamp(day.at(0, 0, 0, 0));
    let day: Result<Date, _> = match text.contains('T') {
        true => return text.parse().map_err(|_| WRITE_A_DAY),
        false => text.parse(),
    };
    day.and_then(begins).map_err(|_| WRITE_A_DAY)
}

const WRITE_A_DAY: &str =
    "write a day, as 2027-03-01, or a time with its zone, as 2027-03-01T00:00:00Z";

#[derive(Deserialize)]
struct Answer {
    before: Option<Answers>,
    after: Option<Answers>,
    #[serde(default)]
    unrecorded: bool,
}

/// Who answers.
#[derive(Deserialize)]
struct Answers {
    owner: String,
    reason: String,
    until: Timestamp,
}

pub(super) async fn accept(wanted: Accept) -> Result<Outcome> {
    let mut request = json!({
        "reason": wanted.reason.unwrap_or_default(), "finding": wanted.finding,
        "withdraw": wanted.withdraw, "dry_run": wanted.dry_run,
    });
    if let Some(until) = wanted.until {
        request["until"] = json!(until);
    }
    let answer = Control::open(ActKind::Enforce)
        .await?
        .post("/accept", &request)
        .await?;
    let said: Answer =
        serde_json::from_value(answer.clone()).context("the answer cannot be read")?;
    match Format::from(wanted.json) {
        Format::Json => line(&answer.to_string()),
        Format::Table => {
            if wanted.dry_run {
                line("nothing was changed; it would be as follows");
            }
            for text in told(wanted.finding, &said) {
                line(&text);
            }
        }
    }
    Ok(match said.unrecorded {
        true => Outcome::NotAll,
        false => Outcome::Done,
    })
}

fn told(finding: FindingId, said: &Answer) -> Vec<String> {
    let who = |who: &Answers| {
        let (owner, reason) = (clean(&who.owner), clean(&who.reason));
        format!("{owner} answers for it until {}: {reason}", who.until)
    };
    let mut lines = vec![match &said.after {
        Some(after) => format!("{finding}: {}", who(after)),
        None => format!("{finding}: nobody answers for it; it is open"),
    }];
    if let Some(before) = &said.before {
        lines.push(format!("{finding}: before: {}", who(before)));
    }
    if said.unrecorded {
        lines.push(format!(
            "{finding}: done, but its end could not be recorded"
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_utc() {
        for (text, at) in [
            ("2027-03-01", Some("2027-03-01T00:00:00Z")),
            ("2027-03-01T12:00:00+02:00", Some("2027-03-01T10:00:00Z")),
            ("tomorrow", None),
            ("2027-02-30", None),
            ("2027-03-01T12:00:00", None),
        ] {
            let read = day(text).ok().map(|at| at.to_string());
            assert_eq!(read.as_deref(), at, "{text}");
        }
    }

    #[test]
    fn what_comes_back_steers_no_terminal() {
        let answer = json!({"before": null, "after": {
            "owner": "ana", "reason": "a\u{1b}[2Jb", "until": "2027-03-01T00:00:00Z",
        }});
        let said = serde_json::from_value(answer).expect("an answer");
        let id = "0f".repeat(16).parse().expect("an id");
        let lines = told(id, &said);
        assert!(lines[0].contains("a [2Jb"), "{lines:?}");
    }
}
