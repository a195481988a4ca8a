//! Outcomes summed up.

use serde::Serialize;

use crate::replay::Outcome;

/// What a replay over many keys came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// How many keys.
    pub keys: usize,
    /// How long they were watched, all together.
    pub key_months: f64,
    /// Kills without a theft.
    pub false_kills_per_100_key_months: f64,
    /// Of those, of keys with regular use.
    pub regular_false_kills_per_100_key_months: f64,
    /// Alerts without a theft.
    pub alerts_per_key_month: f64,
    /// Kills in traffic with a harmless change.
    pub harmless: Vec<HarmlessFigures>,
    /// For each kind of theft.
    pub thefts: Vec<TheftFigures>,
    /// Slots that were killed again within a day of a kill and would not have been without the theft, of those where a
    /// theft was caught.
    pub second_kills_percent: f64,
    /// Slots that were killed again, and are on that day without the theft as well.
    pub own_second_kills_percent: f64,
}

/// Kills in traffic with one harmless change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HarmlessFigures {
    /// Which.
    pub name: &'static str,
    /// Kills.
    pub kills_per_100_key_months: f64,
}

/// What one kind of theft came to. What was never caught counts with its whole length.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TheftFigures {
    /// Which.
    pub name: String,
    /// How many.
    pub thefts: usize,
    /// How many of them were stopped.
    pub caught_percent: f64,
    /// Until the kill, in the middle case.
    pub median_minutes: f64,
    /// Until the kill, but for the slowest 5 %.
    pub p95_minutes: f64,
    /// Stolen until the kill, in the middle case.
    pub median_dollars: f64,
    /// Stolen until the kill, but for the dearest 5 %.
    pub p95_dollars: f64,
}

impl TheftFigures {
    pub(crate) fn of(name: String, outcomes: &[Outcome]) -> Self {
        let caught = outcomes.iter().filter(|outcome| outcome.caught).count();
        let minutes = sorted(outcomes.iter().map(|outcome| outcome.minutes));
        let dollars = sorted(outcomes.iter().map(|outcome| outcome.dollars));
        Self {
            name,
            thefts: outcomes.len(),
            caught_percent: 100.0 * caught as f64 / outcomes.len().max(1) as f64,
            median_minutes: quantile(&minutes, 0.5),
            p95_minutes: quantile(&minutes, 0.95),
            median_dollars: quantile(&dollars, 0.5),
            p95_dollars: quantile(&dollars, 0.95),
        }
    }

    fn worse(self, other: &Self) -> Self {
        Self {
            caught_percent: self.caught_percent.min(other.caught_percent),
            median_minutes: self.median_minutes.max(other.median_minutes),
            p95_minutes: self.p95_minutes.max(other.p95_minutes),
            median_dollars: self.median_dollars.max(other.median_dollars),
            p95_dollars: self.p95_dollars.max(other.p95_dollars),
            ..self
        }
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// Between two values in proportion.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * sorted.len().saturating_sub(1) as f64;
    let value = |at: f64| sorted.get(at as usize).copied().unwrap_or(0.0);
    let (low, high) = (value(at.floor()), value(at.ceil()));
    low + (high - low) * at.fract()
}

impl Figures {
    /// Each figure as the worse of the two runs has it.
    pub(crate) fn worse(self, other: &Self) -> Self {
        let harmless = self.harmless.into_iter().zip(&other.harmless);
        let harmless = harmless.map(|(one, other)| HarmlessFigures {
            kills_per_100_key_months: one
                .kills_per_100_key_months
                .max(other.kills_per_100_key_months),
            ..one
        });
        let thefts = self.thefts.into_iter().zip(&other.thefts);
        let most = f64::max;
        Self {
            false_kills_per_100_key_months: most(
                self.false_kills_per_100_key_months,
                other.false_kills_per_100_key_months,
            ),
            regular_false_kills_per_100_key_months: most(
                self.regular_false_kills_per_100_key_months,
                other.regular_false_kills_per_100_key_months,
            ),
            alerts_per_key_month: most(self.alerts_per_key_month, other.alerts_per_key_month),
            harmless: harmless.collect(),
            thefts: thefts.map(|(one, other)| one.worse(other)).collect(),
            second_kills_percent: most(self.second_kills_percent, other.second_kills_percent),
            own_second_kills_percent: most(
                self.own_second_kills_percent,
                other.own_second_kills_percent,
            ),
            ..self
        }
    }

    /// The figures of one kind of theft.
    pub fn theft(&self, name: &str) -> Option<&TheftFigures> {
        self.thefts.iter().find(|theft| theft.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_values_in_proportion() {
        let values = [10.0, 20.0, 30.0, 50.0];
        for (share, expected) in [(0.0, 10.0), (0.5, 25.0), (0.95, 47.0), (1.0, 50.0)] {
            assert!(
                (quantile(&values, share) - expected).abs() < 1e-9,
                "{share}"
            );
        }
        assert_eq!(quantile(&[], 0.5), 0.0);
    }
}
