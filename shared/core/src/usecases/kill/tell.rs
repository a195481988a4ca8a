//! What people are told of a kill.

use super::blind::{Blind, NoPlace};
use super::contain::{Contained, NotCut};
use super::save::update;
use super::{KillOrder, LATE};
use crate::model::alert::{Alert, AlertKind, Severity};
use crate::model::incident::{Containment, HowCut, Incident, KillStep, StepResult};
use crate::model::slot::Slot;
use crate::model::version::Version;
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
    let (severity, left) = if incident.suspends {
        let left = format!(
            "No new key is made for it, since its last replacement was abused within {} hours too: find out who takes its keys. Its keys: keyward status {name}",
            LOOP_WINDOW.as_hours()
        );
        (Severity::Page, left)
    } else if by_hand.is_empty() {
        let left =
            format!("Find out what used the key, and who took it. Its keys: keyward status {name}");
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
