//! What people are told of an order that opened no incident.

use super::super::KillOrder;
use super::super::blind::{Blind, NoPlace};
use super::{listed, said};
use crate::model::alert::{Alert, AlertKind, Command, Severity};
use crate::model::incident::Containment;
use crate::model::slot::{Slot, SlotState};
use crate::model::version::Version;
use crate::rules::kill::is_to_be_cut;

/// An order that speaks of what was spent before the slot's key of now came into use.
pub(in crate::usecases::kill) fn of_dead_keys(slot: &Slot, order: &KillOrder) -> Alert {
    let name = &slot.name;
    if matches!(slot.state, SlotState::Suspended | SlotState::Decommissioned) {
        return of_no_key(slot, order);
    }
    let what = format!(
        "A further order came to cut off slot {name}, for what was spent before its key of now came into use: {}.",
        order.cause.clause()
    );
    let done = "Nothing: what spent that is cut off already, or was brought back by a person since, and its bills may still come in. The key that is in use or being made was not touched.";
    let kill = Command::about("kill", name).with("--reason \"...\"");
    let left = format!("If the key is abused now: {}", kill.as_str());
    let kind = AlertKind::OfDeadKeys;
    Alert::about(name, Severity::Warning, kind, [&what, done, &left])
        .with_cause(&order.cause)
        .with_command(kill)
}

/// An order for a slot that is suspended or decommissioned, and whose keys are all cut off.
fn of_no_key(slot: &Slot, order: &KillOrder) -> Alert {
    let name = &slot.name;
    let what = format!(
        "A further order came to cut off slot {name}, which has no key that is alive, and gets none: {}.",
        order.cause.clause()
    );
    let done =
        "Nothing: there was nothing to cut off. Bills for keys that are dead may still come in.";
    let status = Command::about("status", name);
    let left = format!(
        "If something spends all the same, look for a key at {} that Keyward does not know. The slot's keys: {}",
        slot.provider,
        status.as_str()
    );
    let kind = AlertKind::OfDeadKeys;
    Alert::about(name, Severity::Warning, kind, [&what, done, &left])
        .with_cause(&order.cause)
        .with_command(status)
}

/// What a kill would have done to a slot that only observes.
pub(in crate::usecases::kill) fn would_contain(
    slot: &Slot,
    order: &KillOrder,
    versions: &[Version],
) -> Alert {
    let containment = order.evidence.containment();
    let live = versions.iter().filter(|v| is_to_be_cut(v, containment));
    let live: Vec<String> = live.map(Version::shown).collect();
    let name = &slot.name;
    let what = format!(
        "Slot {name} would have been cut off: {}.",
        order.cause.clause()
    );
    let done = format!(
        "Nothing: it only observes. These keys would have been cut off: {}.",
        listed(live)
    );
    let enforce = Command::about("enforce", name).with("--reason \"...\"");
    let left = format!(
        "If it was right, let it act: {}. If it goes on, look at the agent now.",
        enforce.as_str()
    );
    let kind = AlertKind::WouldContain;
    Alert::about(name, Severity::Warning, kind, [&what, &done, &left])
        .with_cause(&order.cause)
        .with_command(enforce)
}

/// What was done without the inventory.
pub(in crate::usecases::kill) fn unrecorded(order: &KillOrder, blind: &Blind) -> Alert {
    let name = &order.slot;
    let keys = blind.found.keys.iter().map(|(handle, cut)| match cut {
        Ok(how) => format!("{handle}: {}", said(*how)),
        Err(error) => format!("{handle}: NOT cut off ({error})"),
    });
    let keys: Vec<String> = keys.collect();
    let more = match &blind.found.unlisted {
        Some(error) => format!(" There may be more: {error}."),
        None if blind.unplaced => {
            " There may be more: no tag of its secret says where in the account its keys live."
                .to_owned()
        }
        None => String::new(),
    };
    let is_whole = blind.found.is_whole() && !blind.unplaced && !keys.is_empty();
    let kind = match is_whole {
        true => AlertKind::Contained,
        false => AlertKind::NotContained,
    };
    let what = format!(
        "Slot {name} was cut off without the inventory, which does not answer: {}.",
        order.cause.clause()
    );
    let keys = match keys.is_empty() {
        true => "no key of it was found".to_owned(),
        false => listed(keys),
    };
    let done = format!("At {}: {keys}.{more}", blind.provider);
    let kill = kill_again(order);
    let left = format!(
        "Look at DynamoDB. Until the kill is recorded, each attempt at it tells this anew. Once DynamoDB answers, order it again: {}",
        kill.as_str()
    );
    Alert::about(name, Severity::Page, kind, [&what, &done, &left])
        .with_cause(&order.cause)
        .with_command(kill)
}

/// The command that gives an order again.
fn kill_again(order: &KillOrder) -> Command {
    let options = match order.evidence.containment() {
        Containment::Reversible => "--reason \"...\"",
        Containment::Final => "--leak --reason \"...\"",
    };
    Command::about("kill", &order.slot).with(options)
}

/// Nothing was done: neither the inventory nor the slot's secret says where its keys are.
pub(in crate::usecases::kill) fn nothing_found(order: &KillOrder, why: &NoPlace) -> Alert {
    let name = &order.slot;
    let what = format!(
        "Slot {name} is NOT cut off: the inventory does not answer, and {why}. {}.",
        order.cause.clause()
    );
    let kind = AlertKind::NotContained;
    Alert::about(
        name,
        Severity::Page,
        kind,
        [
            &what,
            "Nothing was done. The order is tried again.",
            "Look at DynamoDB. Without AWS: keyward kill, with the slot's name and --offline; or delete its keys at their provider by hand.",
        ],
    )
    .with_command(kill_again(order))
}

/// An order for a slot that there is not.
pub(in crate::usecases::kill) fn no_such_slot(order: &KillOrder) -> Alert {
    let name = &order.slot;
    let what = format!(
        "An order came to cut off {name}, which is no slot: {}.",
        order.cause.clause()
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
