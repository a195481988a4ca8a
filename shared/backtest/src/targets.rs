//! What the detector is held to.

use serde::Serialize;

use crate::Report;
use crate::figures::{Figures, TheftFigures};
use crate::scenarios::{HOURLY_200, HOURLY_400, X10, X50};

/// Behind the name of a theft: of those keys alone.
pub(crate) const OF_BIG_KEYS: &str = ", keys with a baseline and $10/day or more";

/// A figure, and what it is held to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Target {
    /// What is measured.
    pub name: String,
    /// The figure over all seeds together: this one is held to it.
    pub value: f64,
    /// The figure of the seed for which it is worst.
    pub worst: f64,
    /// What it must be.
    pub must: f64,
    /// What it should be.
    pub aim: f64,
    /// Whether more is better.
    pub more_is_better: bool,
}

impl Target {
    fn at_most(name: impl Into<String>, value: f64, must: f64, aim: f64) -> Self {
        Self {
            name: name.into(),
            value,
            worst: value,
            must,
            aim,
            more_is_better: false,
        }
    }

    /// Whether what must be is.
    pub fn must_reached(&self) -> bool {
        self.reaches(self.must)
    }

    /// Whether what should be is.
    pub fn aim_reached(&self) -> bool {
        self.reaches(self.aim)
    }

    fn reaches(&self, bound: f64) -> bool {
        match self.more_is_better {
            true => self.value >= bound,
            false => self.value <= bound,
        }
    }
}

/// The figures that are held to something, of all seeds together, with those of the worst seed beside them.
pub fn targets(report: &Report) -> Vec<Target> {
    let worst = of_figures(&report.worst);
    of_figures(&report.pooled)
        .into_iter()
        .zip(worst)
        .map(|(target, worst)| Target {
            worst: worst.value,
            ..target
        })
        .collect()
}

impl Figures {
    /// Thefts of $400 an hour, of all keys.
    pub fn hourly_400(&self) -> Option<&TheftFigures> {
        self.theft(HOURLY_400)
    }

    /// Thefts of nine times what a key uses beside its own use, of the keys whose use is to be told apart from it.
    pub fn tenfold(&self) -> Option<&TheftFigures> {
        self.theft(&format!("{X10}{OF_BIG_KEYS}"))
    }
}

fn of_figures(figures: &Figures) -> Vec<Target> {
    let at_most = Target::at_most;
    let mut targets = vec![
        at_most(
            "false kills per 100 key-months",
            figures.false_kills_per_100_key_months,
            60.0,
            30.0,
        ),
        at_most(
            "false kills per 100 key-months of regular keys",
            figures.regular_false_kills_per_100_key_months,
            30.0,
            10.0,
        ),
        at_most(
            "alerts per key-month",
            figures.alerts_per_key_month,
            1.5,
            1.0,
        ),
    ];
    if figures.thefts.is_empty() {
        return targets;
    }
    let second = figures.second_kills_percent;
    targets.push(at_most(
        "second kills within a day because of the theft, percent",
        second,
        2.0,
        2.0,
    ));
    for name in [HOURLY_200, HOURLY_400] {
        targets.extend(figures.theft(name).into_iter().flat_map(by_the_hour));
    }
    targets.extend(
        figures
            .tenfold()
            .into_iter()
            .flat_map(|theft| times(theft, (92.0, 98.0), (300.0, 120.0))),
    );
    targets.extend(
        figures
            .theft(&format!("{X50}{OF_BIG_KEYS}"))
            .into_iter()
            .flat_map(|theft| times(theft, (100.0, 100.0), (45.0, 20.0))),
    );
    targets
}

fn by_the_hour(theft: &TheftFigures) -> [Target; 2] {
    let name = |what: &str| format!("{}: {what}", theft.name);
    [
        Target::at_most(
            name("minutes until the kill, median"),
            theft.median_minutes,
            15.0,
            10.0,
        ),
        Target::at_most(
            name("dollars until the kill, 95 in 100"),
            theft.p95_dollars,
            1350.0,
            500.0,
        ),
    ]
}

fn times(theft: &TheftFigures, caught: (f64, f64), minutes: (f64, f64)) -> [Target; 2] {
    let name = |what: &str| format!("{}: {what}", theft.name);
    let stopped = Target {
        more_is_better: true,
        ..Target::at_most(
            name("stopped, percent"),
            theft.caught_percent,
            caught.0,
            caught.1,
        )
    };
    let median = name("minutes until the kill, median");
    [
        stopped,
        Target::at_most(median, theft.median_minutes, minutes.0, minutes.1),
    ]
}
