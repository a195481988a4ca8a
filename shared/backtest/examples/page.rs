//! Writes a page for `tests/browser`, of made-up hours: `cargo run -p keyward-backtest --example page -- FOLDER`.

use std::path::PathBuf;

use keyward_backtest::{Chart, Event, Mark, Page, Target, page};
use keyward_core::model::money::MicroDollars;
use keyward_core::model::usage::Bucket;
use keyward_core::rules::anomaly::Hour;

/// Five weeks of a key that works by day, in micro-dollars.
fn chart(name: &str, last_day: u64) -> Chart {
    let hour = |n: u32| {
        let (of_day, day) = (n % 24, n / 24);
        let working = (8..20).contains(&of_day);
        let spent = match (working, day == 34) {
            (true, true) => last_day,
            (true, false) => 400_000 + u64::from(n * 7919 % 600_000),
            (false, _) => u64::from(n * 104_729 % 30_000),
        };
        let known = day >= 14;
        (
            Bucket(12 * (490_000 + n) + 11),
            Hour {
                spent: MicroDollars(spent),
                normal: known.then_some(MicroDollars(350_000)),
                limit: known.then_some(MicroDollars(2_500_000)),
            },
        )
    };
    let hours: Vec<(Bucket, Hour)> = (0..35 * 24).map(hour).collect();
    let event = |hour: usize, mark, text: &str| Event {
        at: hours[hour].0,
        mark,
        text: text.to_owned(),
    };
    let events = vec![
        event(20 * 24 + 9, Mark::Alert, "half again as much as is normal"),
        event(34 * 24 + 8, Mark::Theft, "<script>alert(1)</script> put in"),
        event(34 * 24 + 9, Mark::Kill, "twice of what is normal"),
    ];
    Chart {
        name: name.to_owned(),
        about: "35 days of it".to_owned(),
        events,
        hours,
    }
}

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| ".".to_owned()));
    std::fs::create_dir_all(&folder)?;
    let target = |name: &str, value, must, aim| Target {
        name: name.to_owned(),
        value,
        worst: value,
        must,
        aim,
        more_is_better: false,
    };
    let (long, hostile) = ("x".repeat(500), "<img src=x onerror=alert(1)>");
    let written = page(&Page {
        title: "Backtest",
        about: "made-up traffic",
        targets: &[
            target("false kills in 100 key months", 0.4, 2.0, 1.0),
            target("minutes to a kill at $400 an hour", 12.0, 15.0, 10.0),
            target("minutes to an alert", 31.0, 30.0, 10.0),
        ],
        charts: &[
            chart("support-bot", 9_000_000),
            chart(hostile, 700_000),
            chart(&long, 0),
        ],
    });
    std::fs::write(folder.join("backtest.html"), written)
}
