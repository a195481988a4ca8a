//! Rules on who answers for a slot, and on what is left of one that nobody needs.

use jiff::SignedDuration;

use super::Fault;
use super::facts::{ReaderFacts, Shared, SharedFacts, SlotFacts};
use crate::model::slot::{Environment, Mode, SlotState};

/// What stands for nobody where an owner has to be named.
const NOBODY: [&str; 9] = [
    "nobody", "none", "unknown", "tbd", "todo", "na", "n.a.", "n-a", "-",
];

/// An agent's keys are gone so long after it.
const GONE_WITHIN: SignedDuration = SignedDuration::from_hours(24);

/// What is learned of a slot is learned after two weeks.
const LEARNED_AFTER: SignedDuration = SignedDuration::from_hours(14 * 24);

/// What a kill left is looked at by a person within so long.
const LOOKED_AT_WITHIN: SignedDuration = SignedDuration::from_hours(7 * 24);

pub(super) fn no_owner(facts: &SlotFacts<'_>) -> Vec<Fault> {
    let owner = facts.slot.owner.as_str();
    let is_nobody = NOBODY.iter().any(|name| owner.eq_ignore_ascii_case(name));
    Fault::when(is_nobody, || (format!("its owner is `{owner}`"), None))
}

pub(super) fn owner_gone(facts: &SlotFacts<'_>) -> Vec<Fault> {
    if facts.slot.state == SlotState::Decommissioned {
        return Vec::new();
    }
    if let Some(since) = facts.slot.owner_left {
        let evidence = format!("its owner {} was offboarded", facts.slot.owner);
        return vec![Fault::of("owner", evidence, Some(since))];
    }
    let Some(left) = facts.left.seen() else {
        return Vec::new();
    };
    let owner = ("owner", Some(&facts.slot.owner));
    let backup = ("backup owner", facts.slot.backup_owner.as_ref());
    let gone = [owner, backup].into_iter().filter_map(|(what, who)| {
        let who = who.filter(|who| left.contains(who))?;
        Some(Fault::of(what, format!("its {what} {who} has left"), None))
    });
    gone.collect()
}

pub(super) fn no_backup(facts: &SlotFacts<'_>) -> Vec<Fault> {
    let owner = &facts.slot.owner;
    let evidence = match &facts.slot.backup_owner {
        None => "it has no backup owner".to_owned(),
        Some(backup) if backup == owner => format!("its backup owner is its owner, {owner}"),
        Some(_) => return Vec::new(),
    };
    let is_gone = facts.slot.state == SlotState::Decommissioned;
    Fault::when(!is_gone, || (evidence, None))
}

/// A revocation that was begun less than a day ago is on its way. Since when the slot is closed is not recorded: a key of
/// which no revocation was begun counts at once.
pub(super) fn agent_gone(facts: &SlotFacts<'_>) -> Vec<Fault> {
    if facts.slot.state != SlotState::Decommissioned {
        return Vec::new();
    }
    let alive = facts.versions.iter().filter(|version| {
        let is_on_its_way = version
            .revoke_begun
            .is_some_and(|begun| facts.now < begun + GONE_WITHIN);
        version.state.may_be_alive() && !is_on_its_way
    });
    let faults = alive.map(|version| {
        let evidence = format!(
            "the slot is closed, and its key {} may be alive",
            version.shown()
        );
        Fault::of(version.id.to_string(), evidence, version.revoke_begun)
    });
    faults.collect()
}

pub(super) fn observes(facts: &SlotFacts<'_>) -> Vec<Fault> {
    let slot = facts.slot;
    let since = slot.mode_since;
    let is_long = since.is_none_or(|since| facts.now > since + LEARNED_AFTER);
    let is_served = matches!(slot.state, SlotState::Active | SlotState::Restricted);
    Fault::when(slot.mode == Mode::Observe && is_long && is_served, || {
        let evidence = "a theft would be told of, and not stopped by its statistics".to_owned();
        (evidence, since)
    })
}

pub(super) fn left_closed(facts: &SlotFacts<'_>) -> Vec<Fault> {
    let slot = facts.slot;
    let what = match slot.state {
        SlotState::Suspended => "it is suspended: no key is made for it",
        SlotState::Restricted => "it is restricted to one normal day's spend",
        SlotState::Active | SlotState::Decommissioned => return Vec::new(),
    };
    let since = slot.killed.map(|killed| killed.at);
    let is_long = since.is_none_or(|since| facts.now > since + LOOKED_AT_WITHIN);
    Fault::when(is_long, || (what.to_owned(), since))
}

pub(super) fn shared_key(facts: &SharedFacts<'_>) -> Vec<Fault> {
    match facts.what {
        Shared::Fingerprint => vec![shared(facts, "key")],
        Shared::Handle => vec![shared(facts, "key handle")],
        Shared::Secret => Vec::new(),
    }
}

pub(super) fn shared_secret(facts: &SharedFacts<'_>) -> Vec<Fault> {
    match facts.what {
        Shared::Secret => vec![shared(facts, "secret")],
        Shared::Fingerprint | Shared::Handle => Vec::new(),
    }
}

fn shared(facts: &SharedFacts<'_>, what: &str) -> Fault {
    let SharedFacts { first, second, .. } = facts;
    let evidence = format!("{second} has the same {what} as {first}");
    Fault::of(format!("{what} {first}"), evidence, None)
}

pub(super) fn crosses_environments(facts: &ReaderFacts<'_>) -> Vec<Fault> {
    let in_prod = |environment: &Environment| *environment == Environment::Prod;
    let some = |wanted: bool| {
        let mut slots = facts.slots.iter();
        let found = slots.find(|(_, environment)| in_prod(environment) == wanted);
        found.map(|(slot, _)| slot)
    };
    let (Some(prod), Some(other)) = (some(true), some(false)) else {
        return Vec::new();
    };
    let evidence =
        format!("it reads the keys of {prod} in production and of {other}, which is not");
    vec![Fault::of("", evidence, None)]
}
