//! What the rules would have found in a slot's recorded usage.

use super::finding::{Act, Finding};
use super::settings::Limits;
use super::watch::{Hour, Watch};
use crate::model::text::OutsideText;
use crate::model::usage::{Bucket, Reading};

/// One bucket of the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// Which.
    pub bucket: Bucket,
    /// What was used.
    pub reading: Reading,
    /// The models that were called.
    pub models: Vec<OutsideText>,
}

/// What the rules would have done. Nothing is fed back: usage goes on as it was recorded, also after a kill.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Foreseen {
    /// The first finding of each kill. Those less than a day after one that fired before are the same kill.
    pub kills: Vec<Finding>,
    /// Everything else that people would have been told: each rule and act once in 24 hours.
    pub told: Vec<Finding>,
    /// How each clock hour ended, with its last bucket.
    pub hours: Vec<(Bucket, Hour)>,
}

/// Plays the past of a slot, oldest bucket first, through the rules.
pub fn foresee(limits: &Limits, past: impl IntoIterator<Item = Past>) -> Foreseen {
    let mut watch = Watch::default();
    let mut foreseen = Foreseen::default();
    let mut last_kill: Option<Bucket> = None;
    for Past {
        bucket,
        reading,
        models,
    } in past
    {
        watch.advance(bucket, reading);
        for model in &models {
            watch.model_seen(bucket, model);
        }
        let findings = watch.assess(limits).findings;
        if let Some(kill) = findings.iter().find(|finding| finding.act == Act::Kill) {
            let before = last_kill.replace(bucket);
            if before.is_none_or(|before| before.plus(Bucket::PER_DAY) < bucket) {
                foreseen.kills.push(kill.clone());
            }
        }
        let untold = watch.memory_mut().untold(findings);
        let told = untold.into_iter().filter(|told| told.act != Act::Kill);
        foreseen.told.extend(told);
        if bucket.plus(1).hour() != bucket.hour() {
            foreseen.hours.push((bucket, watch.hour(limits)));
        }
    }
    foreseen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::money::MicroDollars;
    use crate::model::slot::ExpectedSpend;
    use crate::model::usage::Counts;
    use crate::rules::anomaly::Rule;

    const START: u32 = 20_513 * Bucket::PER_DAY;

    fn past(costs: impl IntoIterator<Item = Option<u64>>) -> Vec<Past> {
        let reading = |cost: Option<u64>| match cost {
            None => Reading::Unknown,
            Some(cost) => Reading::Known(Counts {
                cost: MicroDollars(cost),
                ..Counts::default()
            }),
        };
        let costs = costs.into_iter().zip(START..);
        costs
            .map(|(cost, at)| Past {
                bucket: Bucket(at),
                reading: reading(cost),
                models: Vec::new(),
            })
            .collect()
    }

    fn limits() -> Limits {
        Limits::of(ExpectedSpend {
            daily: MicroDollars::from_dollars(288),
            monthly: MicroDollars::from_dollars(90_000),
        })
    }

    #[test]
    fn a_burst_is_one_kill_and_another_two_days_later_is_a_second() {
        let days = Bucket::PER_DAY as usize;
        let mut costs = vec![Some(1_000_000); 20 * days];
        // The last is larger: what was recorded stays on record.
        for (hour, cost) in [(15 * 24, 40), (15 * 24 + 8, 40), (18 * 24, 100)] {
            costs[hour * 12..hour * 12 + 12].fill(Some(cost * 1_000_000));
        }
        let foreseen = foresee(&limits(), past(costs));
        let kills: Vec<u32> = foreseen
            .kills
            .iter()
            .map(|kill| kill.at.0 - START)
            .collect();
        assert_eq!(kills.len(), 2, "{:?}", foreseen.kills);
        assert_eq!(kills[0] / Bucket::PER_DAY, 15);
        assert_eq!(kills[1] / Bucket::PER_DAY, 18);
        assert!(foreseen.told.iter().all(|finding| finding.act != Act::Kill));
        assert!(foreseen.told.iter().any(|f| f.rule == Rule::AboveBaseline));
        let (_, last) = foreseen.hours.last().unwrap();
        assert_eq!(foreseen.hours.len(), 20 * 24);
        assert_eq!(last.spent, MicroDollars::from_dollars(12));
        assert!(last.limit > last.normal, "{last:?}");
    }

    #[test]
    fn what_is_not_known_is_no_use() {
        let unknown = vec![None; 3 * Bucket::PER_DAY as usize];
        let foreseen = foresee(&limits(), past(unknown));
        assert_eq!((foreseen.kills, foreseen.told), (vec![], vec![]));
        assert!(foreseen.hours.iter().all(|(_, hour)| hour.spent.0 == 0));
        assert_eq!(foresee(&limits(), []), Foreseen::default());
    }

    #[test]
    fn an_hour_fires_exactly_above_its_limit() {
        let days = Bucket::PER_DAY as usize;
        let steady = vec![Some(1_000_000); 15 * days];
        let limit = foresee(&limits(), past(steady.clone()))
            .hours
            .last()
            .unwrap()
            .1
            .limit;
        let limit = limit.unwrap().0;
        for (more, kills) in [(0, 0), (12, 1)] {
            let mut costs = steady.clone();
            // The whole excess in the last bucket of the next hour.
            costs.extend(vec![Some(1_000_000); 11]);
            costs.push(Some(limit - 11_000_000 + more));
            let foreseen = foresee(&limits(), past(costs));
            assert_eq!(foreseen.kills.len(), kills, "{more} above {limit}");
        }
    }
}
