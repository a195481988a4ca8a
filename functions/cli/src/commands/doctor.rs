//! `keyward doctor`.

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use keyward_core::model::act_kind::ActKind;
use keyward_core::ports::{Clock, Inventory};
use keyward_core::rules::doctor::{Check, Health};
use keyward_lambda::clock::SystemClock;
use serde::Deserialize;
use serde_json::json;

use super::Format;
use crate::aws::Aws;
use crate::control::Control;
use crate::print::{Cell, Outcome, Tint, chain, clean, line, tinted_table};
use crate::settings::{TABLE, required};

/// AWS takes requests that are signed up to five minutes off; a clock that is a minute off is about to be refused.
const MAX_SKEW: SignedDuration = SignedDuration::from_mins(1);

#[derive(Deserialize)]
struct Answer {
    now: Timestamp,
    checks: Vec<Check>,
}

pub(super) async fn doctor(format: Format) -> Result<Outcome> {
    let mut checks = vec![table().await];
    checks.extend(control().await);
    let worst = checks.iter().map(|check| check.health).max();
    match format {
        Format::Json => line(&json!({ "worst": worst, "checks": checks }).to_string()),
        Format::Table => print(&checks),
    }
    Ok(match worst {
        Some(Health::Ok) => Outcome::Done,
        Some(Health::NotSeen) => Outcome::Differs,
        Some(Health::Wrong) | None => Outcome::NotAll,
    })
}

/// Whether the operator can read the table, as `status` and `rotate` do.
async fn table() -> Check {
    const ABOUT: &str = "your own access";
    const NEXT: &str =
        "set KEYWARD_TABLE, AWS_REGION and AWS_PROFILE; permissions: functions/cli/README.md";
    let read = async {
        let [table] = required([TABLE])?;
        let aws = Aws::load().await?;
        let names = aws.inventory(&table).await?.slot_names().await;
        names.map_err(|error| aws.explain(&table, error))
    };
    match read.await {
        Ok(names) => Check::ok(ABOUT, format!("the table shows {} slots", names.len())),
        Err(error) => Check::wrong(ABOUT, chain(&error), NEXT),
    }
}

/// What the control function sees, and whether it can be asked.
async fn control() -> Vec<Check> {
    const ABOUT: &str = "control";
    let before = SystemClock.now();
    let asked = async {
        let answer = Control::open(ActKind::See)
            .await?
            .post("/doctor", &json!({}))
            .await?;
        serde_json::from_value::<Answer>(answer).context("the answer cannot be read")
    };
    match asked.await {
        Ok(answer) => {
            let clock = clock(before, answer.now, SystemClock.now());
            let reached = Check::ok(ABOUT, "it answers, and you may ask it");
            [reached, clock].into_iter().chain(answer.checks).collect()
        }
        Err(error) => vec![
            Check::wrong(
                ABOUT,
                chain(&error),
                "mend what is said; functions/cli/README.md has the permissions",
            ),
            Check::not_seen(
                "the installation",
                "only the control function may look at it",
                "keyward doctor, once control answers",
            ),
        ],
    }
}

/// Whether this machine's clock is AWS's: the function's time lies between those of the request and the answer.
fn clock(before: Timestamp, there: Timestamp, after: Timestamp) -> Check {
    let early = before.duration_since(there);
    let late = there.duration_since(after);
    let skew = early.max(late).max(SignedDuration::ZERO);
    let what = format!(
        "this machine and AWS are {} s apart at least",
        skew.as_secs()
    );
    match skew < MAX_SKEW {
        true => Check::ok("clock", "this machine and AWS agree"),
        false => Check::wrong(
            "clock",
            what,
            "set this machine's clock: AWS refuses requests signed more than 5 minutes off",
        ),
    }
}

fn print(checks: &[Check]) {
    let rows: Vec<[Cell; 4]> = checks.iter().map(row).collect();
    tinted_table(["CHECK", "IS", "SEEN", "NEXT"], &rows);
}

fn row(check: &Check) -> [Cell; 4] {
    let (is, tint) = match check.health {
        Health::Ok => ("ok", Tint::Plain),
        Health::NotSeen => ("not seen", Tint::Yellow),
        Health::Wrong => ("WRONG", Tint::Red),
    };
    let text = |text: &str| Cell::from(clean(text));
    [
        text(&check.about),
        Cell {
            text: is.to_owned(),
            tint,
        },
        text(&check.what),
        text(&check.next),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_off_is_told_before_aws_refuses_it() {
        let at = |seconds: i64| Timestamp::from_second(1_700_000_000 + seconds).expect("a time");
        for (there, health) in [
            (0, Health::Ok),
            (1, Health::Ok),
            (-59, Health::Ok),
            (-61, Health::Wrong),
            (62, Health::Ok),
            (63, Health::Wrong),
        ] {
            let found = clock(at(0), at(there), at(3));
            assert_eq!(found.health, health, "{there}");
        }
    }
}
