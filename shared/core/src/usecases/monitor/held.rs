//! One slot as the monitor holds it: the detector, and what is remembered of it between runs.

mod replay;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{AccountPull, Sight, Watched};
use crate::model::SCHEMA;
use crate::model::baseline::Baseline;
use crate::model::money::MicroDollars;
use crate::model::names::SlotName;
use crate::model::slot::{Epoch, Revision, Slot};
use crate::model::usage::{Bucket, Counts, Reading};
use crate::model::usage_items::{AccountUsage, Cell, StoredWatch, UsageHour, by_bucket};
use crate::ports::{InventoryError, UsageStore};
use crate::rules::alarms::part_of;
use crate::rules::anomaly::{Assessment, Limits, Memory, Settled, Watch};
use crate::rules::told::{is_silent, known_until};
use crate::rules::watching::{Cut, Standing, counted, is_counted, reading};

pub use replay::load;
pub(crate) use replay::normal_day;

/// How long what is remembered may be older in the store than here: so much is read again after a cold start.
const SAVED_EVERY: SignedDuration = SignedDuration::from_hours(6);

/// A bucket is told of late so long after its end.
const LATE: SignedDuration = SignedDuration::from_mins(15);

/// What is remembered beside what the detector remembers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Notes {
    /// The last containment that is taken into account.
    pub(super) cut: Option<Cut>,
    /// The last containment whose incident is a measure for later, since a person called it rightful use.
    pub(super) rightful: Option<Epoch>,
    /// Since when the score is over its line without a break.
    pub(super) over_since: Option<Timestamp>,
    /// When people were last told that the monitor sent the slot to the kill switch.
    pub(super) told_sent: Option<Timestamp>,
    /// The first day of the last month whose cap was spent, counted from 1970.
    pub(super) restricted: Option<u32>,
    /// Since when nobody tells of it, where people were told so.
    pub(super) silent: Option<Timestamp>,
    /// The last bucket that was told of, where all who told of it have said that they end.
    pub(super) ended: Option<Bucket>,
    /// The last day for which what agents told was compared with what the provider did, counted from 1970,
    pub(super) compared: Option<u32>,
    /// and the last of those on which they told anything.
    pub(super) last_told: Option<u32>,
    /// The last use of dead keys that was dealt with, and when, by version.
    pub(super) proved: BTreeMap<String, (Bucket, Timestamp)>,
}

/// The JSON of [`StoredWatch::memory`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Remembered {
    baseline: Baseline,
    memory: Memory,
    notes: Notes,
    /// When it was written.
    saved: Option<Timestamp>,
}

/// What the store has of it.
#[derive(Debug, Clone)]
struct Stored {
    revision: Revision,
    memory: Memory,
    notes: Notes,
    /// When it was written.
    at: Option<Timestamp>,
}

/// Whether a baseline has to be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stale {
    /// It is as the store has it.
    No,
    /// Days-old figures changed, as bills do to every slot once a day: when there is time.
    Later,
    /// Before it is judged by.
    Now,
}

/// One slot under watch.
#[derive(Debug)]
pub struct Held {
    pub(super) watch: Watch,
    pub(super) notes: Notes,
    /// The last bucket that was taken in after it was over.
    taken_in: Option<Bucket>,
    /// The last bucket that its agents told of, where they alone do.
    pub(super) told: Option<Bucket>,
    /// How it was last judged.
    pub(super) standing: Option<Standing>,
    /// What spoke for a kill when it was last judged, for people.
    pub(super) reason: String,
    /// Whether something that the baseline has taken in already is different now.
    stale: Stale,
    stored: Stored,
}

/// Whether a bucket was told of late, and so lately that perhaps nobody has judged it yet. What fires for it twice is told
/// once.
fn is_news(cells: &[Cell], now: Timestamp) -> bool {
    cells.iter().any(|cell| {
        let late = cell.read_at.duration_since(cell.bucket.ends());
        late >= LATE && now.duration_since(cell.read_at) < LATE
    })
}

impl Held {
    fn play(
        &mut self,
        watched: &Watched,
        account: &AccountUsage,
        hours: &[UsageHour],
        (from, until): (Bucket, Bucket),
        now: Timestamp,
    ) {
        let cells = by_bucket(hours);
        for bucket in (from.0..until.0).map(Bucket) {
            let of_bucket = cells.get(&bucket).map_or(&[][..], Vec::as_slice);
            let kept = (bucket, of_bucket);
            let reading = reading(account, &watched.versions, self.notes.cut, kept);
            self.see_models(of_bucket);
            match is_news(of_bucket, now) {
                true => self.watch.catch_up(bucket, reading),
                false => self.watch.advance(bucket, reading),
            }
        }
    }

    /// Takes in what a pull brought, and the bucket that is not over. It may be given again.
    pub(super) fn take_in(&mut self, watched: &Watched, pulled: &AccountPull) {
        let slot = &watched.slot.name;
        let empty = BTreeMap::new();
        let read = pulled.read.get(slot).unwrap_or(&empty);
        match pulled.sight {
            Sight::Seen(from, until) => {
                let is_untold = pulled.untold.iter().any(|(untold, _)| untold == slot);
                // Of earlier ones those that were read anew.
                let is_read = |bucket| bucket >= from || read.contains_key(&bucket);
                let is_known = |bucket| !is_untold && is_read(bucket);
                self.take_in_buckets(watched, pulled, (from, until), is_known);
                if !is_untold {
                    self.see_open(watched, pulled, until);
                }
            }
            Sight::Told => {
                let now = pulled.at;
                match pulled.told.slots.get(slot) {
                    Some(told) => {
                        self.notes.ended = told.last.filter(|_| told.ended);
                        self.told = self.told.max(told.last);
                    }
                    // It was not its turn: what was told since is not known yet.
                    None if self.told.is_some_and(|last| !is_silent(last, now)) => return,
                    None => {}
                }
                let until = known_until(self.told, now);
                let first = read.keys().next().copied().unwrap_or(until);
                let is_known = |bucket| read.contains_key(&bucket);
                self.take_in_buckets(watched, pulled, (first, until), is_known);
                if pulled.open.keys().any(|(of, _)| of == slot) {
                    self.see_open(watched, pulled, Bucket::of(now));
                }
            }
            Sight::Waiting(_) | Sight::NotSeen(..) | Sight::Untold => {}
        }
    }

    /// Takes in the buckets that are over, up to `until`; from `from` on where none was taken in before. What is not read
    /// of one that is known is zero.
    fn take_in_buckets(
        &mut self,
        watched: &Watched,
        pulled: &AccountPull,
        (from, until): (Bucket, Bucket),
        is_known: impl Fn(Bucket) -> bool,
    ) {
        let slot = &watched.slot.name;
        let empty = BTreeMap::new();
        let read = pulled.read.get(slot).unwrap_or(&empty);
        let reading = |cut, bucket: Bucket| match is_known(bucket) {
            false => Reading::Unknown,
            true => {
                let cells = read.get(&bucket).map_or(&[][..], Vec::as_slice);
                Reading::Known(counted(&watched.versions, cut, cells))
            }
        };
        let taken_in = self.taken_in;
        for (bucket, cells) in read {
            self.see_models(cells);
            if taken_in.is_some_and(|last| *bucket <= last) && is_known(*bucket) {
                self.watch
                    .overwrite(*bucket, reading(self.notes.cut, *bucket));
            }
        }
        let settled = self.watch.baseline().last();
        let mut changed = pulled.changed.get(slot).into_iter().flatten();
        if changed.any(|bucket| settled.is_some_and(|last| *bucket <= last)) {
            self.stale = self.stale.max(Stale::Later);
        }
        let news = taken_in.map_or(from, |last| last.plus(1));
        for bucket in (news.0..until.0).map(Bucket) {
            self.watch.catch_up(bucket, reading(self.notes.cut, bucket));
        }
        self.taken_in = self.taken_in.max(until.0.checked_sub(1).map(Bucket));
    }

    /// The bucket that is not over counts with what it has so far: what fires now fires when it is over.
    fn see_open(&mut self, watched: &Watched, pulled: &AccountPull, open: Bucket) {
        let mut counts = Counts::default();
        for ((slot, version), more) in &pulled.open {
            let is_ours = *slot == watched.slot.name;
            if is_ours && is_counted(&watched.versions, self.notes.cut, version, open) {
                counts += *more;
            }
        }
        self.watch.advance(open, Reading::Known(counts));
    }

    fn see_models(&mut self, cells: &[Cell]) {
        for cell in cells {
            for model in cell.named_models() {
                self.watch.model_seen(cell.bucket, &model);
            }
        }
    }

    /// Judges what was taken in by all rules.
    pub fn assess(&mut self, slot: &Slot, now: Timestamp) -> Assessment {
        let assessment = self.watch.assess(&Limits::of_slot(slot));
        let score = assessment.score.0;
        let is_over = assessment.score >= crate::rules::anomaly::Score::FIRES;
        self.notes.over_since = match is_over {
            true => self.notes.over_since.or(Some(now)),
            false => None,
        };
        self.standing = Some(Standing {
            score,
            basis: assessment.basis,
            at: now,
            over_since: self.notes.over_since,
        });
        assessment
    }

    /// What was spent in the month of a bucket, as far as it was taken in.
    pub fn month_spent(&self, now: Bucket) -> MicroDollars {
        MicroDollars(self.watch.month_spent(now))
    }

    /// The epoch of the last containment that is taken into account.
    pub(super) fn cut_in(&self) -> Epoch {
        self.notes.cut.map_or(Epoch(0), |cut| cut.epoch)
    }

    /// The slot was contained: sums begin at zero after it, and what the incident spent is no measure for later.
    pub(super) fn contained(&mut self, cut: Cut) {
        self.watch.contained(cut.bucket);
        self.notes.cut = Some(cut);
        self.notes.over_since = None;
        self.stale = Stale::Now;
    }

    /// A person says that the incident of this kill was rightful use. Said of another than the last containment that is
    /// taken into account, it changes nothing yet.
    pub(super) fn rightful(&mut self, epoch: Epoch) {
        let said = self.notes.cut.filter(|cut| cut.epoch == epoch);
        let Some(cut) = said.filter(|_| self.notes.rightful != Some(epoch)) else {
            return;
        };
        self.notes.rightful = Some(epoch);
        if self.watch.rightful(cut.bucket) == Settled::Rebuild {
            self.stale = Stale::Now;
        }
    }

    /// Whether all who told of its last bucket have said that they end.
    pub(super) fn has_ended(&self) -> bool {
        self.notes.ended.is_some() && self.notes.ended >= self.told
    }

    /// Whether the baseline has to be made again from the usage that is kept.
    pub(super) const fn stale(&self) -> Stale {
        self.stale
    }

    /// Makes everything again from the usage that is kept.
    ///
    /// # Errors
    /// [`InventoryError`]; it is as it was.
    pub(super) async fn made_again(
        &self,
        usage: &dyn UsageStore,
        watched: &Watched,
        account: &AccountUsage,
        now: Timestamp,
    ) -> Result<Self, InventoryError> {
        let remembered = Remembered {
            baseline: Baseline::rebuilt(self.watch.baseline(), []),
            memory: self.watch.memory().clone(),
            notes: self.notes.clone(),
            saved: None,
        };
        let stored = (self.stored.revision, now);
        let made = replay::replay(usage, watched, account, remembered, stored).await?;
        let stored = self.stored.clone();
        Ok(Self { stored, ..made })
    }

    /// Whether it must be written: something that later runs decide by has changed, or it was long ago.
    pub(super) fn is_to_be_saved(&self, slot: &SlotName, now: Timestamp) -> bool {
        let Stored {
            memory, notes, at, ..
        } = &self.stored;
        *memory != *self.watch.memory()
            || *notes != self.notes
            || at.is_none_or(|at| now.duration_since(at) >= SAVED_EVERY + spread(slot))
    }

    /// Writes what is remembered.
    ///
    /// # Errors
    /// [`InventoryError`]; after a conflict what is held is not what the store has.
    pub(super) async fn save(
        &mut self,
        usage: &dyn UsageStore,
        slot: &SlotName,
        now: Timestamp,
    ) -> Result<(), InventoryError> {
        let remembered = Remembered {
            baseline: self.watch.baseline().clone(),
            memory: self.watch.memory().clone(),
            notes: self.notes.clone(),
            saved: Some(now),
        };
        let memory = serde_json::to_string(&remembered);
        let memory = memory.map_err(|error| InventoryError::Corrupt {
            key: format!("what is remembered of {slot}"),
            why: error.to_string(),
        })?;
        let item = StoredWatch {
            schema: SCHEMA,
            revision: self.stored.revision,
            slot: slot.clone(),
            memory,
        };
        usage.save_baseline(&item).await?;
        self.stored = Stored {
            revision: item.revision.next(),
            memory: remembered.memory,
            notes: remembered.notes,
            at: Some(now),
        };
        Ok(())
    }
}

/// Slots are not all written in the same minute.
fn spread(slot: &SlotName) -> SignedDuration {
    SignedDuration::from_mins(part_of(slot, 120) as i64)
}
