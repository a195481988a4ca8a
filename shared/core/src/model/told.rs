//! What processes of agents tell of their own use.

mod packed;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::SCHEMA;
use super::money::MicroDollars;
use super::names::{ReporterId, SlotName};
use super::slot::Revision;
use super::usage::{Bucket, Counts, TokenCounts};
use super::version::VersionId;

/// How long what was told is kept after its hour: until the day's figures of the provider are settled and were compared.
pub const KEPT: SignedDuration = SignedDuration::from_hours(5 * 24);

/// What a process used of one version in one bucket, by model. A model's cost is what the process says; zero if it does
/// not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldCell {
    /// Of which version.
    pub version: VersionId,
    /// When.
    pub bucket: Bucket,
    /// How much. Empty: nothing was used.
    pub models: BTreeMap<String, Counts>,
}

/// What one process told of one hour of its slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldHour {
    /// The item layout.
    pub schema: u32,
    /// Counts the writes of this item; zero for one that is not written yet.
    pub revision: Revision,
    /// Whose it is.
    pub slot: SlotName,
    /// Which hour, UTC, counted from 1970.
    pub hour: u32,
    /// Who told it.
    pub reporter: ReporterId,
    /// The last bucket of the report in which the process said that it ends: if it tells of a later one, it goes on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ends_with: Option<Bucket>,
    /// In order of bucket and version.
    #[serde(with = "packed")]
    pub cells: Vec<ToldCell>,
}

impl ToldHour {
    /// An hour of which a process told nothing.
    pub const fn empty(slot: SlotName, hour: u32, reporter: ReporterId) -> Self {
        Self {
            schema: SCHEMA,
            revision: Revision(0),
            slot,
            hour,
            reporter,
            ends_with: None,
            cells: Vec::new(),
        }
    }

    /// From when on the store may drop it.
    pub fn expires(&self) -> Timestamp {
        let next = Bucket(self.hour.saturating_add(1).saturating_mul(Bucket::PER_HOUR));
        next.begins().checked_add(KEPT).unwrap_or(Timestamp::MAX)
    }

    /// Takes what the process tells of a bucket of this hour, and says whether that changes anything. A process's counts
    /// of a bucket only grow, so of two that it told the larger stands: in whatever order they come, and how often, they
    /// end in the same.
    pub fn put(&mut self, cell: ToldCell) -> bool {
        if cell.bucket.hour() != self.hour {
            return false;
        }
        let place = (cell.bucket, &cell.version);
        let found = self
            .cells
            .binary_search_by(|known| (known.bucket, &known.version).cmp(&place));
        let known = match found {
            Ok(at) => &mut self.cells[at],
            Err(at) => {
                self.cells.insert(at, cell);
                return true;
            }
        };
        let mut changes = false;
        for (model, counts) in cell.models {
            let stands = known.models.entry(model).or_default();
            let larger = larger(*stands, counts);
            changes |= larger != *stands;
            *stands = larger;
        }
        changes
    }

    /// Takes that the process ends with a bucket, and says whether that changes anything.
    pub fn end_with(&mut self, last: Bucket) -> bool {
        let later = self.ends_with.max(Some(last));
        let changes = self.ends_with != later;
        self.ends_with = later;
        changes
    }
}

/// Of two that a process told of the same the larger, count by count.
pub(crate) fn larger(one: Counts, other: Counts) -> Counts {
    let (a, b) = (one.tokens, other.tokens);
    Counts {
        cost: MicroDollars(one.cost.0.max(other.cost.0)),
        requests: one.requests.max(other.requests),
        tokens: TokenCounts {
            input: a.input.max(b.input),
            output: a.output.max(b.output),
            cache_read: a.cache_read.max(b.cache_read),
            cache_write: a.cache_write.max(b.cache_write),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(bucket: u32, version: u32, requests: u64, cost: u64) -> ToldCell {
        let version = format!("11111111-aaaa-4bbb-8ccc-{version:012}.1");
        let counts = Counts {
            cost: MicroDollars(cost),
            requests,
            ..Counts::default()
        };
        ToldCell {
            version: version.parse().unwrap(),
            bucket: Bucket(bucket),
            models: [("m".to_owned(), counts)].into(),
        }
    }

    #[test]
    fn what_is_told_twice_late_or_in_another_order_ends_in_the_same() {
        let all = [
            cell(12, 1, 1, 5),
            cell(12, 1, 7, 9),
            cell(12, 2, 2, 0),
            cell(13, 1, 0, 0),
            cell(23, 1, 4, 4),
        ];
        let told = |order: &[usize]| {
            let reporter: ReporterId = "EXAMPLE-process-1".parse().unwrap();
            let mut hour = ToldHour::empty("chat".parse().unwrap(), 1, reporter);
            for at in order {
                hour.put(all[*at].clone());
            }
            hour
        };
        let one = told(&[0, 1, 2, 3, 4]);
        assert_eq!(one.cells.len(), 4);
        assert_eq!(one.cells[0].models["m"].requests, 7);
        for order in [[4, 3, 2, 1, 0], [1, 0, 4, 2, 3]] {
            assert_eq!(told(&order), one, "{order:?}");
        }
        assert_eq!(told(&[0, 1, 0, 2, 3, 3, 4, 1, 0]), one);
    }

    #[test]
    fn an_hour_reads_back_whole_and_is_small() {
        let reporter = "3f2b8c1e-5a0d-4c1e-9b7a-0d2f6e8a9c31".parse().unwrap();
        let mut hour = ToldHour::empty("chat".parse().unwrap(), 1, reporter);
        for bucket in 12..24 {
            hour.put(cell(bucket, 1, 150, 250_000));
        }
        let size = serde_json::to_string(&hour).unwrap().len();
        assert!(size < 900, "{size}: a table's write is paid by the KB");
        hour.put(cell(13, 2, u64::MAX, 0));
        hour.put(ToldCell {
            models: BTreeMap::new(),
            ..cell(13, 3, 0, 0)
        });
        let mut two = cell(14, 2, 0, u64::MAX);
        two.models.insert("a/b:c".to_owned(), Counts::default());
        hour.put(two);
        let text = serde_json::to_string(&hour).unwrap();
        assert_eq!(serde_json::from_str::<ToldHour>(&text).unwrap(), hour);
        for (good, bad) in [
            ("[12,0,0,150", "[12,0,9,150"),
            ("[12,0,0,150", "[12,9,0,150"),
            ("[12,0,0,150", "[4294967296,0,0,150"),
            ("[13,2]", "[13]"),
            ("[13,2]", "[13,2,0,1,1,1,1,1,1,1]"),
        ] {
            let broken = text.replace(good, bad);
            assert_ne!(broken, text, "{good}");
            assert!(serde_json::from_str::<ToldHour>(&broken).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_last_end_that_was_told_of_stands() {
        let reporter: ReporterId = "EXAMPLE-process-1".parse().unwrap();
        let mut hour = ToldHour::empty("chat".parse().unwrap(), 1, reporter);
        for (last, changes, stands) in [(13, true, 13), (12, false, 13), (14, true, 14)] {
            assert_eq!(hour.end_with(Bucket(last)), changes, "{last}");
            assert_eq!(hour.ends_with, Some(Bucket(stands)), "{last}");
        }
    }

    #[test]
    fn nothing_changes_by_what_is_known_smaller_or_of_another_hour() {
        let reporter: ReporterId = "EXAMPLE-process-1".parse().unwrap();
        let mut hour = ToldHour::empty("chat".parse().unwrap(), 1, reporter);
        assert!(hour.put(cell(12, 1, 7, 9)));
        for (name, told) in [
            ("the same", cell(12, 1, 7, 9)),
            ("smaller", cell(12, 1, 6, 0)),
            ("the next hour", cell(24, 1, 1, 1)),
            ("the hour before", cell(11, 1, 1, 1)),
        ] {
            assert!(!hour.put(told), "{name}");
        }
        assert!(hour.put(cell(12, 1, 8, 0)));
        assert_eq!(hour.cells[0].models["m"].cost.0, 9);
    }
}
