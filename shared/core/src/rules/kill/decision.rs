//! What can come of a message to the kill switch.

use jiff::Timestamp;

use crate::model::act_order::{ActOrder, CutOff};
use crate::model::alarm::Transition;
use crate::model::alert::Severity;
use crate::model::incident::{Evidence, Figures, TriggerId, Triggered};
use crate::model::names::SlotName;
use crate::model::text::{AlertText, OutsideText};

/// What comes of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// A slot is cut off.
    Kill(Kill),
    /// The incident of this id is gone on with.
    GoOn(OutsideText),
    /// What a person asked `control` for is carried out.
    CarryOut(Box<ActOrder>),
    /// Nobody is killed; people are told.
    AlertOnly(AlertOnly),
}

/// A slot is cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kill {
    /// The slot.
    pub slot: SlotName,
    /// What set it off: messages with the same trigger are one kill.
    pub trigger: Trigger,
    /// How good the evidence is.
    pub evidence: Evidence,
    /// What set it off, for people.
    pub cause: OutsideText,
    /// Whose spend speaks for it.
    pub figures: Figures,
}

/// What set off a kill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// An alarm went to ALARM.
    Alarm(Transition),
    /// The monitor found this slot over its line at this time. It judges all slots at once.
    Monitor(SlotName, Timestamp),
}

impl Trigger {
    /// The same for every message about the same change or judgement.
    pub fn id(&self) -> String {
        match self {
            Self::Alarm(transition) => transition.id(),
            Self::Monitor(slot, judged) => format!("monitor {slot}@{judged:.3}"),
        }
    }

    /// When what speaks for the kill was seen.
    pub fn seen(&self) -> Timestamp {
        match self {
            Self::Alarm(transition) => transition.changed(),
            Self::Monitor(_, judged) => *judged,
        }
    }
}

/// An order to cut off a slot, whatever it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KillOrder {
    /// The slot.
    pub slot: SlotName,
    /// What set it off: orders with the same trigger are one kill.
    pub trigger: TriggerId,
    /// What speaks for it.
    pub evidence: Evidence,
    /// What set it off, for people.
    pub cause: OutsideText,
    /// When what speaks for it was seen: the change of an alarm, the monitor's judgement, now for people and leaks.
    pub seen: Timestamp,
    /// Whose spend speaks for it.
    pub figures: Figures,
}

impl KillOrder {
    /// What an incident keeps of it.
    pub fn triggered(&self, at: Timestamp) -> Triggered {
        Triggered {
            id: self.trigger.clone(),
            evidence: self.evidence,
            cause: self.cause.clone(),
            at,
            seen: Some(self.seen),
        }
    }
}

impl From<Kill> for KillOrder {
    fn from(kill: Kill) -> Self {
        Self {
            slot: kill.slot,
            trigger: TriggerId::new(&kill.trigger.id()),
            evidence: kill.evidence,
            cause: kill.cause,
            seen: kill.trigger.seen(),
            figures: kill.figures,
        }
    }
}

impl From<&CutOff> for KillOrder {
    fn from(order: &CutOff) -> Self {
        Self {
            slot: order.slot.clone(),
            trigger: order.trigger.clone(),
            evidence: order.evidence(),
            cause: order.cause.clone(),
            seen: order.seen,
            figures: Figures::OfLiveKeys,
        }
    }
}

/// Nobody is killed; people are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertOnly {
    /// Why nobody is.
    pub kind: NotKilled,
    /// What came, and why it kills nobody.
    pub why: AlertText,
}

impl AlertOnly {
    pub(super) fn new(kind: NotKilled, why: &str) -> Self {
        let why = AlertText::new(why);
        Self { kind, why }
    }
}

/// Why a message kills nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NotKilled {
    /// The alarm is OK again. That undoes no kill either.
    Recovered,
    /// The alarm has no data: its metric may be blind.
    NoData,
    /// The alarm is in a state that is not known here.
    UnknownState,
    /// A budget's or a cost anomaly's notice: its figures are hours old.
    Notice,
    /// An order that is not taken on this way.
    OrderNotTaken,
    /// The message could not be understood.
    Unreadable,
    /// It did not come through our topic.
    WrongWay,
    /// The alarm is in another account or region, or contradicts itself about it.
    WrongAccount,
    /// The change is an hour old or older.
    TooOld,
    /// The change lies in the future.
    FromTheFuture,
    /// Nothing says which slot is meant.
    Unmapped,
    /// More than one slot may be meant, or none that can exist.
    Ambiguous,
    /// The alarm is not one of Keyward's, and the map does not name it.
    NotOurs,
    /// CloudWatch knows no such alarm, or not this change of it.
    NotConfirmed,
}

impl NotKilled {
    /// How soon a person must look: at once where something may be running on that was to be stopped, or where somebody
    /// tries to fire the kill switch.
    pub const fn severity(self) -> Severity {
        match self {
            Self::Recovered => Severity::Notice,
            Self::NoData | Self::UnknownState | Self::Notice | Self::Unreadable => {
                Severity::Warning
            }
            Self::OrderNotTaken
            | Self::WrongWay
            | Self::WrongAccount
            | Self::TooOld
            | Self::FromTheFuture
            | Self::Unmapped
            | Self::Ambiguous
            | Self::NotOurs
            | Self::NotConfirmed => Severity::Page,
        }
    }
}
