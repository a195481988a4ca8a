//! What people are told of a kill.

use jiff::SignedDuration;

use super::blind::{Blind, NoPlace};
use super::contain::{Contained, NotCut};
use super::replace::NoReplacement;
use super::save::update;
use super::{KillOrder, LATE};
use crate::model::alert::{Alert, AlertKind, Severity};
use crate::model::incident::{Containment, HowCut, Incident, KillStep, StepResult, Suspends, Undo};
use crate::model::slot::Slot;
use crate::model::version::{Confirmation, Version};
use crate::ports::{Ability, Suspension};
use crate::rules::kill::{KEPT_FOR_RESTORE, LOOP_WINDOW, is_to_be_cut};
use crate::usecases::Ports;

/// So many versions are named in one alert.
const NAMED: usize = 6;

/// Tells people that the slot is contained, once; or that it is not yet, the first time and when it has taken too long.
pub(super) async fn how_it_went(
    ports: &Ports,
    slot: &Slot,
    incident: Incident,
    contained: &Contained,
    first: bool,
) -> Incident {
    let now = ports.clock.now();
    let is_late = now.duration_since(incident.opened) >= LATE;
    let (step, alert) = if contained.is_whole() {
        let alert = is_contained(slot, &incident, contained);
        (KillStep::TellContained, alert)
    } else if is_late {
        let alert = not_contained(slot, &incident, contained, Severity::Page);
        (KillStep::TellLate, alert)
    } else if first {
        let alert = not_contained(slot, &incident, contained, Severity::Warning);
        ports.tell(alert).await;
        return incident;
    } else {
        return incident;
    };
    if incident.done(step).is_some() || !ports.tell(alert).await {
        return incident;
    }
    update(ports, incident, |incident| {
        if incident.done(step).is_none() {
            incident.take(step, now, StepResult::Done);
        }
    })
    .await
}

fn is_contained(slot: &Slot, incident: &Incident, contained: &Contained) -> Alert {
    let name = &slot.name;
    let by_hand = contained
        .versions
        .values()
        .filter(|fared| matches!(fared.result, Err(NotCut::Unnamed)))
        .map(|fared| fared.shown.to_string())
        .collect::<Vec<_>>();
    let (severity, left) = if let Some(why) = incident.suspends {
        let why = match why {
            Suspends::Loop => format!(
                "since its last replacement was abused within {} hours too: find out who takes its keys",
                LOOP_WINDOW.as_hours()
            ),
            Suspends::NoReplacement => "since none can be made now".to_owned(),
            Suspends::Before => "since it was suspended or decommissioned before".to_owned(),
        };
        let left = format!("No new key is made for it, {why}. {}", lift(slot));
        (Severity::Page, left)
    } else if by_hand.is_empty() {
        let left = format!(
            "Find out what used the key, and who took it. If it was all right: keyward restore {name} --key newest --reason \"...\""
        );
        (Severity::Warning, left)
    } else {
        let left = format!(
            "Delete at {} by hand, since Keyward does not know what it is called there: {}.",
            slot.provider,
            listed(by_hand)
        );
        (Severity::Page, left)
    };
    let what = format!("Slot {name} is cut off: {}.", incident.trigger);
    let done = what_was_done(slot, incident, contained);
    Alert::about(name, severity, AlertKind::Contained, [&what, &done, &left])
}

fn not_contained(
    slot: &Slot,
    incident: &Incident,
    contained: &Contained,
    severity: Severity,
) -> Alert {
    let (name, provider) = (&slot.name, slot.provider);
    let why = contained.first_failure().unwrap_or_default();
    let what = format!(
        "Slot {name} is NOT cut off yet, since {}: {}. {why}.",
        incident.opened, incident.trigger
    );
    let done = what_was_done(slot, incident, contained);
    let left = format!(
        "It is tried again every 5 minutes. Look at {provider}, and delete the slot's keys there by hand if it goes on. Its keys: keyward status {name}"
    );
    let kind = AlertKind::NotContained;
    Alert::about(name, severity, kind, [&what, &done, &left])
}

const fn said(how: HowCut) -> &'static str {
    match how {
        HowCut::Suspended => "suspended",
        HowCut::Narrowed => "narrowed only",
        HowCut::Deleted => "deleted",
        HowCut::NothingFound => "not made yet, to be revoked when it turns up",
    }
}

/// What was done to each version, in this run and before, and what could not be done because the provider lacks it.
fn what_was_done(slot: &Slot, incident: &Incident, contained: &Contained) -> String {
    let cuts = incident
        .undo
        .iter()
        .filter_map(|undo| Some((undo, undo.cut?.0)));
    let mut done: Vec<String> = cuts
        .map(|(undo, how)| format!("{}: {}", undo.shown, said(how)))
        .collect();
    let failed = contained.versions.values();
    done.extend(failed.filter_map(|fared| {
        let error = fared.result.as_ref().err()?;
        Some(format!("{}: NOT cut off ({error})", fared.shown))
    }));
    if done.is_empty() {
        return "No key of it was alive.".to_owned();
    }
    let mut text = format!("{}.", listed(done));
    if let Some(missing) = missing(slot, incident, contained) {
        text.push_str(&missing);
    }
    text
}

/// What the provider's API lacks of what was to be done.
fn missing(slot: &Slot, incident: &Incident, contained: &Contained) -> Option<String> {
    let lacks = |ability: Ability| {
        format!(
            " {} cannot {ability}: {}.",
            slot.provider,
            ability.without()
        )
    };
    if incident.containment == Containment::Final {
        return Some(" What was suspended is revoked now.".to_owned());
    }
    match contained.suspension? {
        Suspension::Refuses => Some(format!(
            " What was suspended can be restored for {} hours.",
            KEPT_FOR_RESTORE.as_hours()
        )),
        Suspension::Narrows => Some(lacks(Ability::Refuse)),
        Suspension::None => Some(lacks(Ability::Suspend)),
    }
}

fn listed(mut items: Vec<String>) -> String {
    let more = items.len().saturating_sub(NAMED);
    items.truncate(NAMED);
    let named = items.join("; ");
    match more {
        0 => named,
        more => format!("{named}; and {more} more"),
    }
}

/// A key that was cut off and is not seen refused after this time pages.
const UNCONFIRMED_AFTER: SignedDuration = SignedDuration::from_mins(15);

/// Tells people what comes after containment: that no replacement came, that a key is not seen refused, and at last that
/// everything is done. Each once.
pub(super) async fn what_became_of_it(ports: &Ports, slot: &Slot, incident: Incident) -> Incident {
    let now = ports.clock.now();
    let since_claim = now.duration_since(incident.opened);
    let is_over = incident.done(KillStep::Replace).is_some() || incident.suspends.is_some();
    let is_contained = incident.done(KillStep::Contain).is_some();
    let is_confirmed = incident.done(KillStep::Confirm).is_some();
    let mut incident = incident;
    if is_contained && !is_over && since_claim >= LATE {
        let alert = not_replaced(slot, &incident);
        incident = once(ports, incident, KillStep::TellNoReplacement, alert).await;
    }
    if is_contained && !is_confirmed && since_claim >= UNCONFIRMED_AFTER {
        let alert = unconfirmed(slot, &incident);
        incident = once(ports, incident, KillStep::TellUnconfirmed, alert).await;
    }
    if is_over && is_confirmed && incident.done(KillStep::TellContained).is_some() {
        let alert = done(slot, &incident, now);
        incident = once(ports, incident, KillStep::TellDone, alert).await;
    }
    incident
}

/// Sends an alert unless it was sent, and records that it was.
async fn once(ports: &Ports, incident: Incident, step: KillStep, alert: Alert) -> Incident {
    if incident.done(step).is_some() || !ports.tell(alert).await {
        return incident;
    }
    let now = ports.clock.now();
    update(ports, incident, |incident| {
        if incident.done(step).is_none() {
            incident.take(step, now, StepResult::Done);
        }
    })
    .await
}

/// The command that lets a slot make keys again, or lifts the limit on its replacement.
fn lift(slot: &Slot) -> String {
    let name = &slot.name;
    format!("When that is settled: keyward restore {name} --reason \"...\"")
}

fn not_replaced(slot: &Slot, incident: &Incident) -> Alert {
    let name = &slot.name;
    let rotate = incident.steps.iter().find(|s| s.step == KillStep::Rotate);
    let why = match rotate.map(|taken| &taken.result) {
        Some(StepResult::Failed(why)) => format!("it could not be asked for: {why}"),
        Some(StepResult::Done) => "it was asked for, and is not in use yet".to_owned(),
        None => "it was not asked for yet".to_owned(),
    };
    let what = format!(
        "Slot {name} was cut off at {}, and its agent has no key since: {why}.",
        incident.opened
    );
    let left = format!(
        "Look at the secret's rotation and at the log of the rotate function, then: keyward rotate {name}"
    );
    let done = "The old keys stay dead. A replacement is asked for again every 30 minutes.";
    let kind = AlertKind::NotReplaced;
    Alert::about(name, Severity::Page, kind, [&what, done, &left])
}

/// No replacement can be made: the slot is suspended.
pub(super) fn suspended(slot: &Slot, incident: &Incident, why: &NoReplacement) -> Alert {
    let name = &slot.name;
    let what = format!(
        "Slot {name} was cut off at {}, and no replacement can be made: {why}.",
        incident.opened
    );
    let settle = match why {
        NoReplacement::PoolEmpty(account) => format!(
            "Make keys at {} and put them in: keyward pool add {account}. Then: keyward restore {name} --reason \"...\"",
            slot.provider
        ),
        NoReplacement::Budget(_) => {
            format!("Find out what cuts it off so often. {}", lift(slot))
        }
    };
    let done = "The slot is suspended: its agent has no key until a person restores it.";
    let kind = AlertKind::Suspended;
    Alert::about(name, Severity::Page, kind, [&what, done, &settle])
}

fn unconfirmed(slot: &Slot, incident: &Incident) -> Alert {
    let (name, provider) = (&slot.name, slot.provider);
    let open = incident.undo.iter().filter(|undo| undo.is_unconfirmed());
    let open: Vec<String> = open.map(|undo| undo.shown.to_string()).collect();
    let what = format!(
        "Keys of slot {name} were cut off at {provider}, but are not seen refused: {}.",
        listed(open)
    );
    let left = format!(
        "Look at these keys at {provider}, and delete them there by hand if they work. Its keys: keyward status {name}"
    );
    let done = "They are asked for, and cut off again if they work, every few minutes.";
    let kind = AlertKind::RevokeUnconfirmed;
    Alert::about(name, Severity::Page, kind, [&what, done, &left])
}

/// The end of a kill, with the seconds of each stage.
fn done(slot: &Slot, incident: &Incident, now: jiff::Timestamp) -> Alert {
    let name = &slot.name;
    let seen = incident.seen();
    let stages = incident.timeline().into_iter().skip(1);
    let mut stages: Vec<String> = stages
        .map(|(stage, at)| format!("{stage} after {} s", tenths(at.duration_since(seen))))
        .collect();
    stages.push(format!("done after {} s", tenths(now.duration_since(seen))));
    let what = format!("The kill of slot {name} is complete: {}.", incident.trigger);
    let ways = incident.undo.iter().map(how_known);
    let ways: Vec<String> = ways.collect();
    let keys = match ways.is_empty() {
        true => String::new(),
        false => format!(" {}.", listed(ways)),
    };
    let times = format!("Seen at {seen}: {}.{keys}", stages.join(", "));
    let left = match incident.suspends {
        Some(_) => format!("It has no key. {}", lift(slot)),
        None => format!(
            "Its new key may spend one normal day's amount a day until a person lifts that: keyward restore {name} --reason \"...\""
        ),
    };
    let kind = AlertKind::KillDone;
    Alert::about(name, Severity::Notice, kind, [&what, &times, &left])
}

fn how_known(undo: &Undo) -> String {
    let how = match (undo.confirmed.map(|c| c.by), undo.cut) {
        (Some(Confirmation::Refused), _) => "refused",
        (Some(Confirmation::ListOnly), _) => "gone by the provider's list only",
        (Some(Confirmation::NeverMade), _) => "never made",
        (None, Some((HowCut::Narrowed, _))) => "narrowed only, not refused",
        (None, Some((HowCut::NothingFound, _))) => "not made",
        (None, _) => "not seen refused",
    };
    format!("{}: {how}", undo.shown)
}

/// Seconds, with one decimal.
fn tenths(time: SignedDuration) -> String {
    let tenths = (time.as_millis() + 50) / 100;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// An order that speaks of keys which are dead already.
pub(super) fn of_dead_keys(slot: &Slot, order: &KillOrder) -> Alert {
    let name = &slot.name;
    let what = format!(
        "A further order came to cut off slot {name}, for what its dead keys spent: {}.",
        order.cause
    );
    let done = "Nothing: they are cut off already, and their bills may still come in. Its new key was not touched.";
    let left = format!("If its new key is abused too: keyward kill {name} --reason \"...\"");
    let kind = AlertKind::OfDeadKeys;
    Alert::about(name, Severity::Warning, kind, [&what, done, &left])
}

/// What a kill would have done to a slot that only observes.
pub(super) fn would_contain(slot: &Slot, order: &KillOrder, versions: &[Version]) -> Alert {
    let containment = order.evidence.containment();
    let live = versions.iter().filter(|v| is_to_be_cut(v, containment));
    let live: Vec<String> = live.map(Version::shown).collect();
    let name = &slot.name;
    let what = format!("Slot {name} would have been cut off: {}.", order.cause);
    let done = format!(
        "Nothing: it only observes. These keys would have been cut off: {}.",
        listed(live)
    );
    let left = format!(
        "If it was right, let it act: keyward enforce {name} --reason \"...\". If it goes on, look at the agent now."
    );
    let kind = AlertKind::WouldContain;
    Alert::about(name, Severity::Warning, kind, [&what, &done, &left])
}

/// What was done without the inventory.
pub(super) fn unrecorded(order: &KillOrder, blind: &Blind) -> Alert {
    let name = &order.slot;
    let keys = blind.keys.iter().map(|(handle, cut)| match cut {
        Ok(how) => format!("{handle}: {}", said(*how)),
        Err(error) => format!("{handle}: NOT cut off ({error})"),
    });
    let keys: Vec<String> = keys.collect();
    let more = match &blind.unlisted {
        None => String::new(),
        Some(error) => format!(" There may be more: {error}."),
    };
    let whole = blind.unlisted.is_none() && blind.cut_off() == keys.len();
    let kind = match whole {
        true => AlertKind::Contained,
        false => AlertKind::NotContained,
    };
    let what = format!(
        "Slot {name} was cut off without the inventory, which does not answer: {}.",
        order.cause
    );
    let done = format!("At {}: {}.{more}", blind.provider, listed(keys));
    let left = format!(
        "Look at DynamoDB. The kill is recorded and gone on with when it is ordered again. Its keys, then: keyward status {name}"
    );
    Alert::about(name, Severity::Page, kind, [&what, &done, &left])
}

/// Nothing was done: neither the inventory nor the slot's secret says where its keys are.
pub(super) fn nothing_found(order: &KillOrder, why: &NoPlace) -> Alert {
    let name = &order.slot;
    let what = format!(
        "Slot {name} is NOT cut off: the inventory does not answer, and {why}. {}.",
        order.cause
    );
    let kind = AlertKind::NotContained;
    Alert::about(
        name,
        Severity::Page,
        kind,
        [
            &what,
            "Nothing was done. The order is tried again.",
            "Look at DynamoDB, and delete the slot's keys at their provider by hand if it goes on.",
        ],
    )
}

/// An order for a slot that there is not.
pub(super) fn no_such_slot(order: &KillOrder) -> Alert {
    let name = &order.slot;
    let what = format!(
        "An order came to cut off {name}, which is no slot: {}.",
        order.cause
    );
    Alert::about(
        name,
        Severity::Page,
        AlertKind::NotContained,
        [
            &what,
            "Nothing was done, and no other slot was touched.",
            "Find out what the order was about, and correct what names the slot.",
        ],
    )
}
