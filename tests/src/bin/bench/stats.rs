//! Medians and targets. Pure.

/// Measurements of one quantity.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Series {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Series {
    /// `None` without measurements.
    pub(crate) fn of(measured: &[f64]) -> Option<Self> {
        let mut sorted = measured.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let upper = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            f64::midpoint(sorted[upper - 1], sorted[upper])
        } else {
            sorted[upper]
        };
        Some(Self {
            median,
            least,
            most,
        })
    }
}

/// Which side of a target is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    AtLeast,
    AtMost,
}

/// A figure that must be reached.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Target {
    /// The key of the figure in the results.
    pub(crate) key: String,
    pub(crate) value: f64,
    pub(crate) bound: Bound,
    pub(crate) limit: f64,
}

impl Target {
    /// Whether it is reached; what is no number is not.
    pub(crate) fn is_met(&self) -> bool {
        match self.bound {
            Bound::AtLeast => self.value >= self.limit,
            Bound::AtMost => self.value <= self.limit,
        }
    }

    /// One line for people.
    pub(crate) fn line(&self) -> String {
        let sign = match self.bound {
            Bound::AtLeast => "at least",
            Bound::AtMost => "at most",
        };
        let verdict = if self.is_met() { "ok" } else { "MISSED" };
        let (key, value, limit) = (&self.key, round(self.value), self.limit);
        format!("  {verdict:<7}{key:<26}{value:>12}  {sign} {limit}")
    }
}

/// To three decimals, as in the results.
pub(crate) fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two_in_the_middle() {
        for (name, measured, median) in [
            ("one", vec![4.0], 4.0),
            ("odd", vec![9.0, 1.0, 2.0], 2.0),
            ("even", vec![9.0, 1.0, 3.0, 2.0], 2.5),
            ("an outlier moves nothing", vec![1.0, 1.0, 1000.0], 1.0),
        ] {
            assert_eq!(Series::of(&measured).unwrap().median, median, "{name}");
        }
        let series = Series::of(&[9.0, 1.0, 2.0]).unwrap();
        assert_eq!((series.least, series.most), (1.0, 9.0));
        assert_eq!(Series::of(&[]), None);
    }

    #[test]
    fn a_target_is_met_on_its_limit_and_never_by_no_number() {
        use Bound::{AtLeast, AtMost};
        for (bound, value, met) in [
            (AtLeast, 25.0, true),
            (AtLeast, 24.999, false),
            (AtLeast, f64::NAN, false),
            (AtMost, 25.0, true),
            (AtMost, 25.001, false),
            (AtMost, f64::NAN, false),
        ] {
            let target = Target {
                key: "start.ratio".to_owned(),
                value,
                bound,
                limit: 25.0,
            };
            assert_eq!(target.is_met(), met, "{bound:?} {value}");
            assert_eq!(target.line().contains("MISSED"), !met, "{bound:?} {value}");
        }
    }
}
