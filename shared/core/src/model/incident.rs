//! An incident: one decision to cut off one slot, and how far it has come.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::act::ActId;
use super::money::SpendCap;
use super::names::SlotName;
use super::slot::{Epoch, Revision, Scope};
use super::text::{CleanText, OutsideText};
use super::version::{Confirmed, Refusals, Version, VersionId, VersionState};

/// What a kill was set off by: the same for every message about the same change, judgement or order.
pub type TriggerId = CleanText<512>;

/// Who is at work on an incident: one invocation of one function.
pub type OwnerId = CleanText<128>;

/// What speaks for a kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// An alarm, and CloudWatch confirmed it.
    Alarm,
    /// An alarm that CloudWatch could not be asked about.
    UncheckedAlarm,
    /// The monitor's own judgement.
    Monitor,
    /// The slot's own cap is reached.
    Cap,
    /// The key was found where it must not be.
    Leak,
    /// A named person wants it.
    Person,
    /// The slot is given up.
    Offboarding,
    /// The key in use is cut off already, by a kill while the inventory was down, and that was recorded nowhere.
    CutUnrecorded,
}

/// How a slot's versions are contained.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Containment {
    /// So that it can be undone, wherever the provider can.
    #[default]
    Reversible,
    /// For good.
    Final,
}

impl Evidence {
    /// Proof of a leak, and that the slot is given up, are final from the start.
    pub const fn containment(self) -> Containment {
        match self {
            Self::Leak | Self::Offboarding => Containment::Final,
            Self::Alarm
            | Self::UncheckedAlarm
            | Self::Monitor
            | Self::Cap
            | Self::Person
            | Self::CutUnrecorded => Containment::Reversible,
        }
    }

    /// Whether it is a judgement about what is usual: a slot that only observes is not cut off for it.
    pub const fn is_statistical(self) -> bool {
        match self {
            Self::Alarm | Self::UncheckedAlarm | Self::Monitor => true,
            Self::Cap | Self::Leak | Self::Person | Self::Offboarding | Self::CutUnrecorded => {
                false
            }
        }
    }
}

/// Whose spend the figures behind an order count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figures {
    /// Only that of keys which are not cut off, as Keyward's own score does.
    OfLiveKeys,
    /// That of every key of the slot: bills of keys that are dead by now may still come in.
    OfAllKeys,
}

/// One of the things that set an incident off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Triggered {
    /// Its id.
    pub id: TriggerId,
    /// What speaks for the kill.
    pub evidence: Evidence,
    /// The same for people.
    pub cause: OutsideText,
    /// When it came.
    pub at: Timestamp,
    /// When what speaks for it was seen: the change of an alarm, the monitor's judgement, a person's word. Absent in what
    /// an earlier release wrote.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub seen: Option<Timestamp>,
}

/// What was done to a key to cut it off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HowCut {
    /// It is refused as a key, and can be resumed.
    Suspended,
    /// It may do nothing any more, and can be resumed; it is still known as a key.
    Narrowed,
    /// It was deleted, or was gone already.
    Deleted,
    /// Nothing: the provider lists no key for it, so far.
    NothingFound,
}

/// One version as it was before it was cut off, and what was done to it: what an undoing needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// The version.
    pub version: VersionId,
    /// How people know its key.
    pub shown: OutsideText,
    /// Where it stood.
    pub was: VersionState,
    /// What it could reach.
    pub scope: Scope,
    /// Its limit.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cap: Option<SpendCap>,
    /// What was done to it, and when; absent until something was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cut: Option<(HowCut, Timestamp)>,
    /// Refusals of its key that were seen since, in a row.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub refusals: Option<Refusals>,
    /// When, and by what, it was known that the key is refused.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub confirmed: Option<Confirmed>,
}

impl Undo {
    /// The version as it is.
    pub fn of(version: &Version) -> Self {
        Self {
            version: version.id.clone(),
            shown: OutsideText::new(&version.shown()),
            was: version.state,
            scope: version.scope.clone(),
            cap: version.cap,
            cut: None,
            refusals: None,
            confirmed: None,
        }
    }

    /// Whether the key is to be seen refused, and was not yet. One that is narrowed only is still known as a key, and
    /// where nothing was found there is none to ask with.
    pub fn is_unconfirmed(&self) -> bool {
        let refused = matches!(self.cut, Some((HowCut::Suspended | HowCut::Deleted, _)));
        refused && self.confirmed.is_none()
    }
}

/// The steps of a kill, in their order. Each is saved by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KillStep {
    /// Every live version is cut off.
    Contain,
    /// People were told so.
    TellContained,
    /// The replacement was asked for.
    Rotate,
    /// The replacement is what agents fetch; the time is that of its promotion.
    Replace,
    /// Every key that was cut off was seen refused, or as gone as that can be known.
    Confirm,
    /// People were told that everything is done.
    TellDone,
    /// People were paged because it took too long.
    TellLate,
    /// People were paged because no replacement came.
    TellNoReplacement,
    /// People were paged because a key that was cut off is not seen refused.
    TellUnconfirmed,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepResult {
    /// As it should.
    Done,
    /// It has to be tried again.
    Failed(OutsideText),
}

/// One step that was taken: its latest attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepTaken {
    /// Which.
    pub step: KillStep,
    /// When.
    pub at: Timestamp,
    /// With what result.
    pub result: StepResult,
}

/// Why a slot gets no replacement for the key that was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suspends {
    /// Its last replacement was abused too: whoever took that can take the next.
    Loop,
    /// None can be made until a person acts.
    NoReplacement,
    /// It was suspended or decommissioned before.
    Before,
}

/// One decision to cut off one slot. A slot has at most one that is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// The item layout.
    pub schema: u32,
    /// Counts the writes of this item.
    pub revision: Revision,
    /// Made from the slot and the epoch that this incident began: the same order gives the same id.
    pub id: String,
    /// The slot that is cut off.
    pub slot: SlotName,
    /// The epoch that opening the incident raised the slot to.
    pub epoch: Epoch,
    /// What set it off first, for people.
    pub trigger: OutsideText,
    /// When it was opened.
    pub opened: Timestamp,
    /// The drill that set it off; absent if it is in earnest, also where it began as a drill.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub drill: Option<ActId>,
    /// Everything that set it off, [`Incident::MAX_TRIGGERS`] at most, oldest first.
    #[serde(default)]
    pub triggers: Vec<Triggered>,
    /// How hard it is: the hardest that a trigger asked for.
    #[serde(default)]
    pub containment: Containment,
    /// Who is at work on it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner: Option<OwnerId>,
    /// Until when: after that anybody goes on with it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lease_until: Option<Timestamp>,
    /// What was done.
    #[serde(default)]
    pub steps: Vec<StepTaken>,
    /// What there is to undo.
    #[serde(default)]
    pub undo: Vec<Undo>,
    /// How often the replacement was asked for.
    #[serde(default)]
    pub asked: u32,
    /// Why no replacement is made; absent if one is. The slot is suspended until a person restores it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub suspends: Option<Suspends>,
    /// Since when it takes no further triggers: every live version is cut off, people know, and a replacement is in use
    /// or none will be. What sets the slot off after that is another incident.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub closed: Option<Timestamp>,
    /// When it is looked at next; absent when nothing is left to do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub due_at: Option<Timestamp>,
}

impl Incident {
    /// So many triggers are listed. Later ones are known to the inventory by their ids all the same.
    pub const MAX_TRIGGERS: usize = 50;

    /// The incident that raises `slot` from `epoch` to the next.
    pub fn open(slot: &SlotName, epoch: Epoch, trigger: OutsideText, now: Timestamp) -> Self {
        let epoch = epoch.next();
        Self {
            schema: super::SCHEMA,
            revision: Revision::default(),
            id: Self::id_of(slot, epoch),
            slot: slot.clone(),
            epoch,
            trigger,
            opened: now,
            drill: None,
            triggers: Vec::new(),
            containment: Containment::Reversible,
            owner: None,
            lease_until: None,
            steps: Vec::new(),
            undo: Vec::new(),
            asked: 0,
            suspends: None,
            closed: None,
            due_at: None,
        }
    }

    /// The id of the incident that began `epoch` of the slot.
    pub fn id_of(slot: &SlotName, epoch: Epoch) -> String {
        format!("{slot}-{}", epoch.0)
    }

    /// Adds what set it off, too. It may make it harder, never softer.
    pub fn attach(&mut self, trigger: Triggered) {
        self.containment = self.containment.max(trigger.evidence.containment());
        let listed = self.triggers.iter().any(|t| t.id == trigger.id);
        if !listed && self.triggers.len() < Self::MAX_TRIGGERS {
            self.triggers.push(trigger);
        }
    }

    /// A drill's incident is in earnest from now on, for this cause: whatever people were told as of a drill is told anew.
    pub fn turn_earnest(&mut self, cause: OutsideText) {
        self.drill = None;
        self.trigger = cause;
        let told = |step| matches!(step, KillStep::TellContained | KillStep::TellDone);
        self.steps.retain(|taken| !told(taken.step));
    }

    /// Gives the work on it to `owner`, until `until`: then it is due again.
    pub fn lease(&mut self, owner: &OwnerId, until: Timestamp) {
        self.owner = Some(owner.clone());
        self.lease_until = Some(until);
        self.due_at = Some(until);
    }

    /// Whether somebody other than `owner` is at work on it.
    pub fn is_leased_by_another(&self, owner: &OwnerId, now: Timestamp) -> bool {
        self.owner.as_ref().is_some_and(|by| by != owner)
            && self.lease_until.is_some_and(|until| until > now)
    }

    /// Records a step; an earlier attempt of the same gives way to it.
    pub fn take(&mut self, step: KillStep, at: Timestamp, result: StepResult) {
        self.steps.retain(|taken| taken.step != step);
        self.steps.push(StepTaken { step, at, result });
    }

    /// When a step was done; `None` if it was not, or has to be tried again.
    pub fn done(&self, step: KillStep) -> Option<Timestamp> {
        let done = |taken: &&StepTaken| taken.step == step && taken.result == StepResult::Done;
        self.steps.iter().find(done).map(|taken| taken.at)
    }

    /// Records a version as it is, unless it is recorded as it was before.
    pub fn note(&mut self, version: &Version) {
        if self.undo.iter().all(|undo| undo.version != version.id) {
            self.undo.push(Undo::of(version));
        }
    }

    /// Whether it is no more than the end of a slot that is given up: nothing is amiss.
    pub fn is_planned(&self) -> bool {
        let planned = |t: &Triggered| t.evidence == Evidence::Offboarding;
        !self.triggers.is_empty() && self.triggers.iter().all(planned)
    }

    /// When what set it off was first seen.
    pub fn seen(&self) -> Timestamp {
        let seen = self.triggers.iter().filter_map(|t| t.seen).min();
        seen.map_or(self.opened, |seen| seen.min(self.opened))
    }

    /// What happened when, from what set it off to the last word about it, in that order.
    pub fn timeline(&self) -> Vec<(Stage, Timestamp)> {
        let step = |stage, step| self.done(step).map(|at| (stage, at));
        let mut all = vec![(Stage::Seen, self.seen()), (Stage::Claimed, self.opened)];
        all.extend(
            [
                step(Stage::Contained, KillStep::Contain),
                step(Stage::Told, KillStep::TellContained),
                step(Stage::ReplacementAsked, KillStep::Rotate),
                step(Stage::Replaced, KillStep::Replace),
                step(Stage::Confirmed, KillStep::Confirm),
                step(Stage::Done, KillStep::TellDone),
            ]
            .into_iter()
            .flatten(),
        );
        all
    }
}

/// The stages of a kill whose times are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// What set it off was seen: an alarm changed, the monitor judged, a person asked.
    Seen,
    /// The kill switch took it on.
    Claimed,
    /// Every live version is cut off.
    Contained,
    /// People know.
    Told,
    /// The replacement was asked for.
    ReplacementAsked,
    /// Agents fetch the replacement.
    Replaced,
    /// The keys that were cut off are seen refused.
    Confirmed,
    /// Everything is done.
    Done,
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Seen => "seen",
            Self::Claimed => "claimed",
            Self::Contained => "cut off",
            Self::Told => "people told",
            Self::ReplacementAsked => "replacement asked for",
            Self::Replaced => "replacement in use",
            Self::Confirmed => "confirmed dead",
            Self::Done => "done",
        })
    }
}
