//! What the rules on usage do with recorded traffic, and how long finding out takes. The traces are no part of the
//! project: they are where an argument says.

use std::path::Path;

use keyward_backtest::{Inject, Report as Backtest, backtest as replay, targets};

use crate::monitor::clock;
use crate::stats::round;
use crate::{Bound, Report, Result};

/// Runs with thefts at different times.
const SEEDS: u64 = 5;

/// How long all of them may take, on two processors.
const SECONDS: f64 = 60.0;

/// Measures the backtest of the traces in a folder, as `keyward backtest` does it.
pub(crate) fn backtest(folder: &Path, report: &mut Report) -> Result<()> {
    println!("\nrecorded traffic of {}", folder.display());
    let begun = clock();
    let replayed = replay(folder, Inject::All, SEEDS, &|_, _| {})?;
    let seconds = begun.elapsed().as_secs_f64();
    report.figure("backtest.seconds", round(seconds));
    report.target("backtest.seconds", seconds, Bound::AtMost, SECONDS);
    for (key, value) in figures(&replayed)? {
        println!("  {key:<52}{value:>9.1}");
        report.figure(key, round(value));
    }
    for target in targets(&replayed) {
        let bound = match target.more_is_better {
            true => Bound::AtLeast,
            false => Bound::AtMost,
        };
        report.target(
            &format!("backtest: {}", target.name),
            target.value,
            bound,
            target.must,
        );
    }
    Ok(())
}

/// The figures that are kept, of all seeds together.
fn figures(replayed: &Backtest) -> Result<[(&'static str, f64); 4]> {
    let figures = &replayed.pooled;
    let by_the_hour = figures.hourly_400().ok_or("no theft of $400 an hour")?;
    let tenfold = figures.tenfold().ok_or("no theft of ten times the use")?;
    Ok([
        (
            "backtest.false_kills_per_100_key_months",
            figures.false_kills_per_100_key_months,
        ),
        (
            "backtest.regular_false_kills_per_100_key_months",
            figures.regular_false_kills_per_100_key_months,
        ),
        ("backtest.theft_400_median_min", by_the_hour.median_minutes),
        ("backtest.x10_caught_percent", tenfold.caught_percent),
    ])
}
