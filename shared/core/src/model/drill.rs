//! A drill: a canary is cut off by the kill switch's real path, and the time of each stage is kept.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::SCHEMA;
use super::act::{ActId, CallerArn};
use super::incident::{Incident, Stage};
use super::names::SlotName;
use super::text::OutsideText;

/// A drill whose alarm has not changed within this time has failed.
pub const SETS_OFF_WITHIN: SignedDuration = SignedDuration::from_mins(10);

/// So long after its alarm's change the kill switch may take it on: Lambda tries an event that failed a minute later, and
/// two minutes after that, <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>. Before
/// that, nobody can say that a drill has set nothing off.
pub const TAKEN_ON_WITHIN: SignedDuration = SignedDuration::from_mins(4);

/// A drill whose incident is not done after this time has failed.
pub const DONE_WITHIN: SignedDuration = SignedDuration::from_hours(24);

/// A drill that is under way, as its slot carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillUnderWay {
    /// The act that began it.
    pub id: ActId,
    /// Who asked.
    pub by: CallerArn,
    /// Why.
    pub reason: OutsideText,
    /// When: the time of the score that was put.
    pub started: Timestamp,
    /// The incident that it set off; absent until it has.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub incident: Option<String>,
}

impl DrillUnderWay {
    /// Whether a change of its alarm at `seen` is what it waits for: it has set nothing off so far.
    pub fn waits(&self, seen: Timestamp) -> bool {
        self.incident.is_none() && seen.duration_since(self.started) < SETS_OFF_WITHIN
    }

    /// From when on it is known to have set nothing off, if it has set off nothing by then.
    pub fn decided_at(&self) -> Timestamp {
        self.started + SETS_OFF_WITHIN + TAKEN_ON_WITHIN
    }
}

/// How a drill ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DrillOutcome {
    /// The key was cut off and seen refused, and a replacement is in use.
    Passed,
    /// It was cut off, but not all of the rest came about.
    Incomplete,
    /// Nothing was set off.
    SetNothingOff,
    /// The slot was cut off in earnest meanwhile, or its alarm changed too late to be told apart from that.
    Overtaken,
}

/// When one stage was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillStage {
    /// The stage; [`Stage::Seen`] is the alarm's change.
    pub stage: Stage,
    /// Milliseconds after the score was put.
    pub millis: i64,
}

impl DrillStage {
    /// The stage, for people.
    pub fn words(&self) -> String {
        match self.stage {
            Stage::Seen => "alarm changed".to_owned(),
            other => other.to_string(),
        }
    }
}

/// A drill that is over. Nothing of it is ever changed or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drill {
    /// The item layout.
    pub schema: u32,
    /// The slot.
    pub slot: SlotName,
    /// The act that began it.
    pub id: ActId,
    /// Who asked.
    pub by: CallerArn,
    /// Why.
    pub reason: OutsideText,
    /// When the score was put.
    pub started: Timestamp,
    /// When it was over.
    pub ended: Timestamp,
    /// How.
    pub outcome: DrillOutcome,
    /// The incident that it set off.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub incident: Option<String>,
    /// What was reached, and when.
    #[serde(default)]
    pub stages: Vec<DrillStage>,
}

impl Drill {
    /// The record of a drill that ended so.
    pub fn over(
        slot: &SlotName,
        drill: &DrillUnderWay,
        outcome: DrillOutcome,
        incident: Option<&Incident>,
        now: Timestamp,
    ) -> Self {
        Self {
            schema: SCHEMA,
            slot: slot.clone(),
            id: drill.id.clone(),
            by: drill.by.clone(),
            reason: drill.reason.clone(),
            started: drill.started,
            ended: now,
            outcome,
            incident: incident.map(|incident| incident.id.clone()),
            stages: incident.map_or_else(Vec::new, |i| stages(drill.started, i)),
        }
    }
}

/// The stages that an incident has reached, by the time since `started`. An alarm's time may be cut to the second: what
/// would lie before it is at zero.
pub fn stages(started: Timestamp, incident: &Incident) -> Vec<DrillStage> {
    let timeline = incident.timeline().into_iter();
    let after = |at: Timestamp| (at.as_millisecond() - started.as_millisecond()).max(0);
    timeline
        .map(|(stage, at)| DrillStage {
            stage,
            millis: after(at),
        })
        .collect()
}
