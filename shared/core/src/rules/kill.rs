//! Whether a message cuts off a slot, and which one. Nobody can fire it by forging a message, and none vanishes: what
//! kills nobody alerts.

mod checking;
mod claim;
mod containing;
mod decision;
mod deployment;
mod naming;

use jiff::{SignedDuration, Timestamp};

pub use checking::{AROUND, holds, slot_in_tags};
pub use claim::{Claim, ClaimFacts, LATE_BILLS, LOOP_WINDOW, claim};
pub use containing::{CutMade, KEPT_FOR_RESTORE, contained_as, containment_of, is_to_be_cut};
pub use decision::{AlertOnly, Decision, Kill, KillOrder, NotKilled, Trigger};
pub use deployment::{AlarmMap, Deployment};
use naming::slot_of;

use crate::model::act_order::ActOrder;
use crate::model::alarm::{AlarmMessage, AlarmState, Transition};
pub use crate::model::incident::{Containment, Evidence, Figures};
use crate::model::kill_order::{
    Basis, BudgetBasis, Content, GoOnOrder, KillMessage, MonitorOrder, Notice, Order, Source,
    TopicArn,
};
use crate::model::metric::KillScore;
use crate::model::names::{SlotName, StackName};
use crate::model::text::{OutsideText, without_keys};

/// A change as old as this, or older, kills nobody: a person must look at what happened since.
pub const FRESH: SignedDuration = SignedDuration::from_mins(60);

/// How far a message's clock may be ahead of ours.
pub const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Everything that a message is judged by.
#[derive(Debug, Clone)]
pub struct KillFacts<'a> {
    /// Who we are, and which alarms of others kill whom.
    pub deployment: &'a Deployment,
    /// What CloudWatch says of the alarm. Only [`Sifted::Ask`] needs it.
    pub check: &'a AlarmCheck,
    /// The time.
    pub now: Timestamp,
}

/// What CloudWatch says of an alarm and one of its changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlarmCheck {
    /// The alarm carries Keyward's tag.
    Ours {
        /// The slot that the tag names.
        slot: SlotName,
        /// What its history says.
        history: History,
    },
    /// The alarm is there, but is not one that Keyward made.
    NotOurs {
        /// What its history says.
        history: History,
    },
    /// There is no such alarm.
    NotThere,
    /// There was no answer in time, or one that says nothing, about the alarm or about its history.
    CouldNotAsk,
}

impl AlarmCheck {
    /// Whether the alarm is there, and its history was read and lacks the change.
    pub const fn lacks_the_change(&self) -> bool {
        match self {
            Self::Ours { history, .. } | Self::NotOurs { history } => {
                matches!(history, History::LacksTransition)
            }
            Self::NotThere | Self::CouldNotAsk => false,
        }
    }
}

/// Whether an alarm's history holds a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// It does.
    HoldsTransition,
    /// It was read and does not. Whoever reads it allows for one that is a moment behind its message.
    LacksTransition,
}

/// What is known of a message before CloudWatch is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sifted {
    /// It is decided already.
    Decided(Decision),
    /// It kills a slot if CloudWatch confirms it.
    Ask(Suspicion),
}

/// An alarm that kills a slot if CloudWatch confirms it. What is needed to contain the slot can be read meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspicion {
    /// The change that is to be looked for.
    pub transition: Transition,
    /// The slot.
    pub slot: SlotName,
    /// What names it.
    pub named_by: NamedBy,
    /// CloudWatch's reason.
    pub reason: OutsideText,
}

/// What names an alarm's slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedBy {
    /// A dimension of a metric of this stack.
    Dimension,
    /// The map in the configuration, with or without a dimension that agrees.
    Map,
}

/// Decides about a message.
pub fn judge(message: &KillMessage, facts: &KillFacts<'_>) -> Decision {
    match sift(message, facts.deployment, facts.now) {
        Sifted::Decided(decision) => decision,
        Sifted::Ask(suspicion) => confirm(suspicion, facts),
    }
}

/// Decides what can be decided without CloudWatch.
pub fn sift(message: &KillMessage, deployment: &Deployment, now: Timestamp) -> Sifted {
    let sifted = match &message.content {
        _ if !came_right(&message.source, &deployment.topic) => Err(AlertOnly::new(
            NotKilled::WrongWay,
            &wrong_way(&message.source, &deployment.topic),
        )),
        Content::Alarm(alarm) => sift_alarm(alarm, deployment, now),
        Content::Order(Order::Monitor(order)) => sift_order(order, message, deployment, now),
        Content::Order(Order::GoOn(order)) => sift_go_on(order, message, deployment),
        Content::Order(Order::Control(stack, order)) => sift_act(stack, order, message, deployment),
        Content::Order(Order::Act(act)) => Err(AlertOnly::new(
            NotKilled::OrderNotTaken,
            &format!("an order `{act}` came; people's orders are taken by `control` only"),
        )),
        Content::Notice(notice) => Err(AlertOnly::new(NotKilled::Notice, &notice_text(notice))),
        Content::Unreadable(why) => Err(AlertOnly::new(
            NotKilled::Unreadable,
            &format!("a message could not be understood: {why}"),
        )),
    };
    sifted.unwrap_or_else(|alert| Sifted::Decided(Decision::AlertOnly(alert)))
}

fn came_right(source: &Source, ours: &TopicArn) -> bool {
    match source {
        Source::Topic(topic) => topic == ours,
        Source::Direct => true,
        Source::Elsewhere(_) => false,
    }
}

fn wrong_way(source: &Source, ours: &TopicArn) -> String {
    let from = match source {
        Source::Topic(topic) => format!("the topic `{}`", without_keys(topic.as_str())),
        Source::Direct => "a direct invocation".to_owned(),
        Source::Elsewhere(place) => format!("`{place}`"),
    };
    format!("a message came by {from}; messages are taken from `{ours}` only")
}

fn notice_text(notice: &Notice) -> String {
    match notice {
        Notice::Budget { name, basis } => {
            let basis = match basis {
                BudgetBasis::Actual => "was billed more than its threshold",
                BudgetBasis::Forecasted => "is forecast to be billed more than its threshold",
                BudgetBasis::Unknown => "has a notice",
            };
            format!("the AWS budget `{name}` {basis}; its figures are hours old")
        }
        Notice::CostAnomaly(id) => {
            format!("AWS Cost Anomaly Detection found `{id}`; its figures are up to a day old")
        }
    }
}

fn sift_alarm(
    alarm: &AlarmMessage,
    deployment: &Deployment,
    now: Timestamp,
) -> Result<Sifted, AlertOnly> {
    let arn = alarm.transition.alarm();
    let says_otherwise = |account: &OutsideText| account.as_str() != deployment.account;
    if arn.account() != deployment.account
        || arn.region() != deployment.region
        || alarm.account.as_ref().is_some_and(says_otherwise)
    {
        let (account, region) = (&deployment.account, &deployment.region);
        let why = format!("the alarm `{arn}` is not of account {account} in {region}");
        return Err(AlertOnly::new(NotKilled::WrongAccount, &why));
    }
    let (kind, why) = match &alarm.new_state {
        AlarmState::Alarm => {
            is_fresh(
                &format!("the alarm `{arn}`"),
                alarm.transition.changed(),
                now,
            )?;
            let (slot, named_by) = slot_of(alarm, deployment)?;
            return Ok(Sifted::Ask(Suspicion {
                transition: alarm.transition.clone(),
                slot,
                named_by,
                reason: alarm.reason.clone(),
            }));
        }
        AlarmState::Ok => (NotKilled::Recovered, "is OK; no kill is undone".to_owned()),
        AlarmState::InsufficientData => (NotKilled::NoData, "has no data".to_owned()),
        AlarmState::Other(state) => (
            NotKilled::UnknownState,
            format!("went to `{state}`, which is not known"),
        ),
    };
    let why = format!("the alarm `{arn}` {why}: {}", alarm.reason);
    Err(AlertOnly::new(kind, &why))
}

fn is_fresh(what: &str, changed: Timestamp, now: Timestamp) -> Result<(), AlertOnly> {
    let age = now.duration_since(changed);
    let minutes = age.as_secs() / 60;
    if age >= FRESH {
        let why =
            format!("{what} is from {changed}, {minutes} minutes ago: look whether it goes on");
        return Err(AlertOnly::new(NotKilled::TooOld, &why));
    }
    if age < -CLOCK_SKEW {
        let why = format!("{what} is from {changed}, {} minutes from now", -minutes);
        return Err(AlertOnly::new(NotKilled::FromTheFuture, &why));
    }
    Ok(())
}

/// The monitor invokes the function itself, and no alarm need stand behind its order.
fn sift_order(
    order: &MonitorOrder,
    message: &KillMessage,
    deployment: &Deployment,
    now: Timestamp,
) -> Result<Sifted, AlertOnly> {
    let MonitorOrder {
        stack,
        slot,
        score_thousandths: score,
        judged,
        basis,
        reason,
    } = order;
    let what = format!("an order to cut off `{slot}`");
    is_of_this_stack(&what, stack, message, deployment)?;
    if *score < KillScore::LINE {
        return Err(not_taken(&what, "with a score under 1"));
    }
    is_fresh(&format!("the order to cut off `{slot}`"), *judged, now)?;
    Ok(Sifted::Decided(Decision::Kill(Kill {
        slot: slot.clone(),
        trigger: Trigger::Monitor(slot.clone(), *judged),
        evidence: match basis {
            Basis::Usual => Evidence::Monitor,
            Basis::Declared => Evidence::Cap,
        },
        cause: OutsideText::new(&format!("the monitor, at {judged}: {reason}")),
        figures: Figures::OfLiveKeys,
    })))
}

/// Going on with an incident brings nobody nearer to a kill than the incident is.
fn sift_go_on(
    order: &GoOnOrder,
    message: &KillMessage,
    deployment: &Deployment,
) -> Result<Sifted, AlertOnly> {
    let what = format!("an order to go on with incident `{}`", order.incident);
    is_of_this_stack(&what, &order.stack, message, deployment)?;
    Ok(Sifted::Decided(Decision::GoOn(order.incident.clone())))
}

/// What a person asked for was looked at by `control`, which alone may invoke the function for it.
fn sift_act(
    stack: &StackName,
    order: &ActOrder,
    message: &KillMessage,
    deployment: &Deployment,
) -> Result<Sifted, AlertOnly> {
    let what = format!("an order `{}` of a person's", order.act());
    is_of_this_stack(&what, stack, message, deployment)?;
    Ok(Sifted::Decided(Decision::CarryOut(Box::new(order.clone()))))
}

fn not_taken(what: &str, why: &str) -> AlertOnly {
    AlertOnly::new(NotKilled::OrderNotTaken, &format!("{what} came {why}"))
}

/// Who may invoke the function is up to IAM; the topic is for alarms.
fn is_of_this_stack(
    what: &str,
    stack: &StackName,
    message: &KillMessage,
    deployment: &Deployment,
) -> Result<(), AlertOnly> {
    if message.source != Source::Direct {
        let why = "through the topic; orders are not taken there";
        return Err(not_taken(what, why));
    }
    match *stack == deployment.stack {
        true => Ok(()),
        false => Err(not_taken(what, &format!("from the stack `{stack}`"))),
    }
}

/// What CloudWatch's answer makes of a suspicion.
pub fn confirm(suspicion: Suspicion, facts: &KillFacts<'_>) -> Decision {
    let arn = suspicion.transition.alarm().clone();
    let is_mapped = suspicion.named_by == NamedBy::Map;
    let ours_by_name = facts.deployment.alarm_name(&suspicion.slot) == arn.name();
    let alert = |kind, why: &str| {
        let why = format!("the alarm `{arn}` {why}");
        Decision::AlertOnly(AlertOnly::new(kind, &why))
    };
    match facts.check {
        AlarmCheck::NotThere => alert(NotKilled::NotConfirmed, "is not known to CloudWatch"),
        AlarmCheck::Ours { slot, .. } if *slot != suspicion.slot => {
            let why = format!("names `{}`, but its tag names `{slot}`", suspicion.slot);
            alert(NotKilled::Ambiguous, &why)
        }
        AlarmCheck::NotOurs { .. } if !is_mapped => alert(
            NotKilled::NotOurs,
            "is not Keyward's, and the map does not name it",
        ),
        AlarmCheck::CouldNotAsk if !is_mapped && !ours_by_name => alert(
            NotKilled::NotOurs,
            "has not the name of one of Keyward's, and CloudWatch could not be asked",
        ),
        AlarmCheck::Ours { history, .. } | AlarmCheck::NotOurs { history } => match history {
            History::HoldsTransition => kill(suspicion, Evidence::Alarm),
            History::LacksTransition => {
                let changed = suspicion.transition.changed();
                let why = format!("has no change at {changed} in its history");
                alert(NotKilled::NotConfirmed, &why)
            }
        },
        AlarmCheck::CouldNotAsk => kill(suspicion, Evidence::UncheckedAlarm),
    }
}

fn kill(suspicion: Suspicion, evidence: Evidence) -> Decision {
    let Suspicion {
        transition,
        slot,
        reason,
        named_by,
    } = suspicion;
    let figures = match named_by {
        NamedBy::Dimension => Figures::OfLiveKeys,
        NamedBy::Map => Figures::OfAllKeys,
    };
    let (name, changed) = (transition.alarm().name(), transition.changed());
    let cause = OutsideText::new(&format!("alarm {name} at {changed}: {reason}"));
    Decision::Kill(Kill {
        slot,
        trigger: Trigger::Alarm(transition),
        evidence,
        cause,
        figures,
    })
}

#[cfg(test)]
mod tests;
