//! What slots spend, against what they may, and what ends it if it is too much.

use keyward_core::model::metric::KillScore;
use keyward_core::model::money::MicroDollars;
use keyward_core::model::slot::AcceptedLoss;
use keyward_core::model::usage_items::{Seen, Spent};
use keyward_core::usecases::status::{Protection, Sight, SlotStatus, Use};
use serde_json::{Value, json};

use super::short;
use crate::print::{Cell, Tint, clean};

/// Spent today and this month, the score, and what protects the slot.
pub(super) fn cells(status: &SlotStatus) -> [Cell; 4] {
    let Ok(usage) = &status.usage else {
        return std::array::from_fn(|_| Cell::from("?".to_owned()));
    };
    [
        money(usage.today, usage.daily_cap),
        money(usage.month, usage.monthly_cap),
        score(usage.score),
        protected(&usage.protected_by),
    ]
}

/// `$3.20 of $25.00`; `$3.20+` where not all of it is seen, `?` where nothing is.
fn money(spent: Spent, cap: MicroDollars) -> Cell {
    let shown = match (spent.seen, spent.known) {
        (Seen::Whole, known) => known.to_string(),
        (Seen::Partly, MicroDollars(0)) => "?".to_owned(),
        (Seen::Partly, known) => format!("{known}+"),
    };
    let tint = match spent.known {
        known if known >= cap => Tint::Red,
        known if known >= cap.percent(80) => Tint::Yellow,
        _ => Tint::Plain,
    };
    let text = format!("{shown} of {cap}");
    Cell { text, tint }
}

fn score(score: Option<u32>) -> Cell {
    let Some(score) = score else {
        return "?".to_owned().into();
    };
    let tint = match score {
        KillScore::LINE.. => Tint::Red,
        score if score >= KillScore::LINE / 2 => Tint::Yellow,
        _ => Tint::Plain,
    };
    let text = format!("{}.{:02}", score / 1000, score % 1000 / 10);
    Cell { text, tint }
}

fn protected(by: &[Protection]) -> Cell {
    let name = |by: &Protection| match by {
        Protection::Provider => "provider",
        Protection::Keyward => "Keyward",
        Protection::Told => "Keyward, by its agents' word",
    };
    match by {
        [] => Cell {
            text: "nothing".to_owned(),
            tint: Tint::Red,
        },
        by => {
            let names: Vec<&str> = by.iter().map(name).collect();
            names.join(", ").into()
        }
    }
}

/// What a person should know of a slot's usage.
pub(super) fn notes(status: &SlotStatus) -> Vec<String> {
    let mut notes = Vec::new();
    match &status.usage {
        Err(error) => notes.push(format!("its usage CANNOT BE READ: {}", clean(error))),
        Ok(usage) => match usage.sight {
            Sight::Seen => {}
            Sight::Told => {
                notes.push("told by its agents alone: a thief's use is NOT SEEN".to_owned());
            }
            Sight::Silent(since) => notes.push(format!(
                "its agents alone tell its usage, and do not since {}",
                short(since)
            )),
            Sight::Blind(since) => {
                notes.push(format!("its usage is NOT SEEN since {}", short(since)))
            }
            Sight::Never => notes.push("its usage was never seen".to_owned()),
        },
    }
    let loss = status.slot.loss;
    if loss != AcceptedLoss::default() {
        notes.push(format!("may lose {} to {}", loss.floor, loss.ceiling));
    }
    if status.slot.expected_assumed {
        notes.push("nobody declared what it is expected to spend".to_owned());
    }
    notes
}

/// Money in micro-dollars, the score in thousandths.
pub(super) fn json(usage: &Result<Use, String>) -> Value {
    let usage = match usage {
        Ok(usage) => usage,
        Err(error) => return json!({ "error": clean(error) }),
    };
    let blind_since = match usage.sight {
        Sight::Blind(since) | Sight::Silent(since) => Some(since),
        Sight::Seen | Sight::Told | Sight::Never => None,
    };
    let seen_by = match usage.sight {
        Sight::Seen => Some("provider"),
        Sight::Told => Some("agents"),
        Sight::Silent(_) | Sight::Blind(_) | Sight::Never => None,
    };
    json!({
        "today": { "spent": usage.today.known, "seen": usage.today.seen, "cap": usage.daily_cap },
        "month": { "spent": usage.month.known, "seen": usage.month.seen, "cap": usage.monthly_cap },
        "score": usage.score,
        "seen": usage.sight == Sight::Seen,
        "seen_by": seen_by,
        "blind_since": blind_since,
        "protected_by": usage.protected_by,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(cell: &Cell) -> (&str, Tint) {
        (&cell.text, cell.tint)
    }

    #[test]
    fn money_that_is_not_all_seen_is_marked() {
        let cap = MicroDollars::from_dollars(25);
        for (dollars, seen, expected) in [
            (0, Seen::Whole, ("$0.00 of $25.00", Tint::Plain)),
            (20, Seen::Whole, ("$20.00 of $25.00", Tint::Yellow)),
            (3, Seen::Partly, ("$3.00+ of $25.00", Tint::Plain)),
            (0, Seen::Partly, ("? of $25.00", Tint::Plain)),
            (25, Seen::Partly, ("$25.00+ of $25.00", Tint::Red)),
        ] {
            let known = MicroDollars::from_dollars(dollars);
            let cell = money(Spent { known, seen }, cap);
            assert_eq!(text_of(&cell), expected);
        }
    }

    #[test]
    fn a_score_that_nobody_saw_is_no_zero() {
        for (thousandths, expected) in [
            (None, ("?", Tint::Plain)),
            (Some(0), ("0.00", Tint::Plain)),
            (Some(560), ("0.56", Tint::Yellow)),
            (Some(10_000), ("10.00", Tint::Red)),
        ] {
            assert_eq!(text_of(&score(thousandths)), expected);
        }
    }

    #[test]
    fn what_protects_is_named_and_nothing_stands_out() {
        let both = [Protection::Provider, Protection::Keyward];
        let both = protected(&both);
        assert_eq!(text_of(&both), ("provider, Keyward", Tint::Plain));
        assert_eq!(text_of(&protected(&[])), ("nothing", Tint::Red));
    }
}
