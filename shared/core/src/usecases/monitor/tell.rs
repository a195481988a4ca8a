//! What people are told of usage.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::reconcile::Difference;
use super::{AccountPull, CostGap, NotSeen, Watched};
use crate::model::alert::{Alert, AlertKind, Command, Severity};
use crate::model::kill_order::MonitorOrder;
use crate::model::names::{AccountName, SecretVersionId, SlotName};
use crate::model::slot::{Mode, ProviderName, Slot};
use crate::model::text::{with_causes, without_keys};
use crate::model::usage_items::Source;
use crate::model::version::Version;
use crate::ports::{KillOrderError, MetricsError};
use crate::rules::anomaly::{Act, Finding, Rule};
use crate::rules::told::{Apart, MOST_REPORTERS};
use crate::rules::usage::Owner;
use crate::usecases::several::first_of;

/// What a finding about a slot means.
pub(super) fn found(slot: &Slot, finding: &Finding) -> Alert {
    let name = &slot.name;
    let what = format!("Slot {name}: {finding}.");
    let (severity, kind) = match (finding.act, finding.rule) {
        (Act::Kill | Act::Page, _) => (Severity::Page, AlertKind::SpendUnusual),
        (Act::Restrict, _) => (Severity::Warning, AlertKind::Restricted),
        (Act::Alert, rule) => (Severity::Warning, kind_of(rule)),
    };
    let (done, left) = match finding.act {
        Act::Kill => (kill_text(slot), KILL_LEFT),
        Act::Page | Act::Alert => (
            "Nothing was done: the slot is under the line from which it is cut off.",
            ALERT_LEFT,
        ),
        Act::Restrict => (
            "Until it is lifted its keys may spend one normal day a day, where the provider can limit them. Its agent goes on.",
            RESTRICT_LEFT,
        ),
    };
    let alert = Alert::about(name, severity, kind, [&what, done, left]);
    alert.with_command(match finding.act {
        Act::Kill => Command::about("kill", name).with("--reason \"...\""),
        Act::Page | Act::Alert => Command::about("status", name),
        Act::Restrict => Command::about("restore", name).with("--reason \"...\""),
    })
}

const KILL_LEFT: &str = "Find out what the agent does. If the use is rightful: keyward expect, with the slot and how much more until when. If it must be cut off at once, run the command.";
const ALERT_LEFT: &str =
    "Look whether the agent's owner knows of it. If it was announced: keyward expect.";
const RESTRICT_LEFT: &str = "If so much is right from now on, raise expected_spend in the fleet file, run keyward apply, and lift it with the command.";

fn kill_text(slot: &Slot) -> &'static str {
    match slot.mode {
        Mode::Enforce => {
            "Its alarm cuts it off. If that does not come through, the monitor sends it to the kill switch after two minutes."
        }
        Mode::Observe => "The slot only observes: it is not cut off for what is merely unusual.",
    }
}

const fn kind_of(rule: Rule) -> AlertKind {
    match rule {
        Rule::AboveBaseline | Rule::NoBaseline | Rule::LateSpend => AlertKind::SpendUnusual,
        Rule::MonthSpent => AlertKind::Restricted,
        Rule::MonthProjected => AlertKind::MonthProjected,
        Rule::FirstUse
        | Rule::NewModel
        | Rule::LargeRequests
        | Rule::RequestRate
        | Rule::RequestSize => AlertKind::UsageUnusual,
        Rule::Blind => AlertKind::UsageUnseen,
    }
}

/// The monitor sends a slot to the kill switch itself.
pub(super) fn ordered(
    order: &MonitorOrder,
    mode: Mode,
    sent: &Result<(), KillOrderError>,
) -> Alert {
    let slot = &order.slot;
    // For an alarm a slot that only observes is not cut off.
    let is_alarms = mode == Mode::Enforce;
    let what = match is_alarms {
        true => "is over its line, and no alarm had it cut off",
        false => "only observes, but is over what its owner declared",
    };
    let what = format!("Slot {slot} {what}: {}.", order.reason);
    let done = match sent {
        Ok(()) => "The monitor sent it to the kill switch itself.".to_owned(),
        Err(error) => {
            format!(
                "The monitor could not send it to the kill switch: {error}. It tries again every minute."
            )
        }
    };
    let left = match sent {
        Ok(()) if is_alarms => {
            "Find out why its alarm did not: look at the alarm, at the alarm topic and its subscription."
        }
        Ok(()) => {
            "If so much is right, raise expected_spend in the fleet file and run keyward apply."
        }
        Err(_) => "If it goes on, cut the slot off with the command.",
    };
    let alert = Alert::about(
        slot,
        Severity::Page,
        AlertKind::KillOrdered,
        [&what, &done, left],
    );
    match sent {
        Ok(()) => alert.with_command(Command::about("status", slot)),
        Err(_) => alert.with_command(Command::about("kill", slot).with("--reason \"...\"")),
    }
}

/// Scores could not be put: no alarm sees them.
pub(super) fn no_metrics(slots: usize, error: &MetricsError) -> Alert {
    let what =
        format!("The scores of {slots} slots near or over their line could not be put: {error}.");
    let text = [
        &what,
        "Slots over their line are sent to the kill switch by the monitor itself after two minutes.",
        "If it goes on, look at the monitor's permissions and at CloudWatch's status.",
    ];
    Alert::general(Severity::Page, AlertKind::MonitorFailed, text)
        .with_command(Command::general("status"))
}

/// Nobody tells what an account's slots use.
pub(super) fn blind(
    account: &AccountName,
    slots: usize,
    for_time: SignedDuration,
    act: Act,
    why: Option<&NotSeen>,
) -> Alert {
    let severity = match act {
        Act::Page | Act::Kill => Severity::Page,
        Act::Alert | Act::Restrict => Severity::Warning,
    };
    let what = format!(
        "What the {slots} slots of provider account {account} use is not known since {} minutes: {}.",
        for_time.as_mins(),
        why.map_or_else(
            || "the provider asked to wait".to_owned(),
            |why| with_sources(why)
        ),
    );
    let text = [
        &what,
        "Nothing was cut off, and nothing counts as zero: unknown time is left out of what is normal. Limits that the provider keeps itself still hold.",
        "Look at the provider's status and at the account's admin credential. A stolen key would run on unseen until it is mended.",
    ];
    Alert::general(severity, AlertKind::UsageUnseen, text).with_command(Command::general("status"))
}

/// It is told of again.
pub(super) fn sees_again(account: &AccountName) -> Alert {
    let what = format!("What the slots of provider account {account} use is known again.");
    let text = [
        &what,
        "What was used meanwhile was read as far as the provider tells it, and judged.",
        "Nothing has to be done.",
    ];
    Alert::general(Severity::Notice, AlertKind::UsageUnseen, text)
}

fn with_sources(error: &dyn std::error::Error) -> String {
    without_keys(&with_causes(error))
}

/// The bill and the price table are apart.
pub(super) fn bill_differs(gap: &CostGap) -> Alert {
    let CostGap {
        slot,
        day,
        priced,
        billed,
    } = gap;
    let day = jiff::tz::Offset::UTC.to_datetime(*day).date();
    let what = format!(
        "Slot {slot}, {day}: the provider bills {billed}, the price table makes {priced} of the same usage."
    );
    let text = [
        &what,
        "The bill stands in place of the price from now on, for that day.",
        "If the table is old, put a newer one in its place. If not, somebody may use the key in a way that the usage report leaves out.",
    ];
    Alert::about(slot, Severity::Warning, AlertKind::BillDiffers, text)
        .with_command(Command::about("status", slot))
}

/// Nobody tells any more what slots use whose provider tells nothing.
pub(super) fn silent(slots: &[(SlotName, Timestamp)]) -> Alert {
    let listed = first_of(
        slots
            .iter()
            .map(|(slot, since)| format!("{slot} since {since}")),
    );
    let what = format!("No process of the agent tells any more what these slots use: {listed}.");
    let text = [
        &what,
        "Nothing was cut off, and nothing counts as zero: unknown time is left out of what is normal.",
        "See whether the agent runs. If it does, look at what it logs about its reports; if it ended, let it say so (`ends`).",
    ];
    let slots = slots.iter().map(|(slot, _)| slot);
    about_all(slots, Severity::Warning, text)
}

/// Somebody tells of them again.
pub(super) fn heard_again(slots: &[SlotName]) -> Alert {
    let listed = first_of(slots.iter().map(SlotName::to_string));
    let what = format!("The agents of these slots tell again what they use: {listed}.");
    let text = [
        &what,
        "What they told of the time between was read and judged; the rest of it stays unknown.",
        "Nothing has to be done.",
    ];
    about_all(slots.iter(), Severity::Notice, text)
}

fn about_all<'a>(
    slots: impl ExactSizeIterator<Item = &'a SlotName>,
    severity: Severity,
    text: [&str; 3],
) -> Alert {
    let mut slots = slots;
    let alert = match (slots.next(), slots.len()) {
        (Some(slot), 0) => Alert::about(slot, severity, AlertKind::UsageUnseen, text),
        _ => Alert::general(severity, AlertKind::UsageUnseen, text),
    };
    alert.with_command(Command::general("status"))
}

/// More processes tell of a slot than may.
pub(super) fn too_many_tell(slot: &SlotName) -> Alert {
    let what = format!(
        "{MOST_REPORTERS} processes told of slot {slot} in one hour, and of others nothing is taken."
    );
    let text = [
        &what,
        "Not all of its use is seen. What was taken is judged as ever.",
        "Let processes of one machine tell together, under one reporter; and see whether the agent is started again and again.",
    ];
    Alert::about(slot, Severity::Warning, AlertKind::UsageUnseen, text)
        .with_command(Command::about("status", slot))
}

/// What agents told of slots cannot be read, since then.
pub(super) fn unread(slots: &[(&SlotName, &(Timestamp, NotSeen))]) -> Alert {
    let listed = slots
        .iter()
        .map(|(slot, (since, why))| format!("{slot} since {since} ({})", with_sources(why)));
    let what = format!(
        "What agents told of their use of these slots cannot be read: {}.",
        first_of(listed)
    );
    let text = [
        &what,
        "Nothing was cut off, and nothing counts as zero. Other slots are judged as ever, and what was told is kept for days.",
        "Look at what the monitor logs of these slots. If the table answers, an item of theirs is broken.",
    ];
    let slots = slots.iter().map(|(slot, _)| *slot);
    about_all(slots, Severity::Warning, text)
}

/// Agents use secret versions that the inventory does not have.
pub(super) fn strange_versions(slot: &SlotName, versions: &BTreeSet<SecretVersionId>) -> Alert {
    let ids = versions.iter().map(SecretVersionId::as_str);
    let what = format!(
        "The agent of slot {slot} tells of use of what the inventory does not have, or has as long dead: secret version {}.",
        first_of(ids.map(without_keys))
    );
    let text = [
        &what,
        "What was used counts for the slot. A kill cuts off what it can find at the provider, and may miss this key.",
        "Find out who put a key into the secret by hand, and rotate the slot.",
    ];
    Alert::about(slot, Severity::Warning, AlertKind::UsageUnusual, text)
        .with_command(Command::about("rotate", slot))
}

/// What agents tell and what the provider tells of the same time are apart.
pub(super) fn usage_differs(found: &Difference) -> Alert {
    let Difference {
        slot,
        day,
        told,
        seen,
        apart,
    } = found;
    let day = jiff::tz::Offset::UTC.to_datetime(*day).date();
    let what = format!(
        "Slot {slot}, {day}: its provider tells of use worth {seen}, its agents of {told} in the same time."
    );
    let (done, left) = match apart {
        Apart::ProviderSaysMore => (
            "Nothing was done: the slot is judged by what the provider tells.",
            "See whether every process of the agent tells what it uses. If so, somebody else uses the key: rotate the slot, or cut it off with keyward kill.",
        ),
        Apart::AgentsSayMore => (
            "Nothing was done: the slot is judged by what the provider tells, and that is less.",
            "See whether the agent uses another key as well, or counts what was refused. If not, the provider's report leaves something out.",
        ),
    };
    Alert::about(
        slot,
        Severity::Warning,
        AlertKind::UsageDiffers,
        [&what, done, left],
    )
    .with_command(Command::about("status", slot))
}

/// Models that the table lacks.
pub(super) fn unpriced(pulled: &AccountPull) -> Alert {
    let provider: ProviderName = pulled.provider;
    let what = format!(
        "Provider account {}: the price table of {provider} lacks models that are in use: {}.",
        pulled.account,
        first_of(pulled.unknown_models.iter().map(|name| without_keys(name))),
    );
    let text = [
        &what,
        "They are priced at the provider's dearest, so that nothing is missed: a slot may be cut off for spend that it did not have.",
        "Put a table of prices in place that has them.",
    ];
    Alert::general(Severity::Warning, AlertKind::ModelUnpriced, text)
}

/// The table that was put in place of the shipped one is not used.
pub(super) fn prices_refused(error: &dyn std::error::Error) -> Alert {
    let what = format!(
        "The table of prices that was put in place cannot be used: {}.",
        with_sources(error)
    );
    let text = [
        &what,
        "The one that was shipped with this release is used.",
        "Put a table in place that is in order.",
    ];
    Alert::general(Severity::Warning, AlertKind::PricesRefused, text)
}

/// Keys that agents fetch and the provider does not list.
pub(super) fn vanished(account: &AccountName, owners: &[Owner]) -> Alert {
    let slots = first_of(owners.iter().map(|(slot, _)| slot.to_string()));
    let what = format!(
        "Provider account {account} does not list keys that agents fetch, of slots: {slots}."
    );
    let text = [
        &what,
        "Nothing was changed. If the keys are gone, their agents have none that works.",
        "If somebody deleted them, rotate the slots: keyward rotate, with each name.",
    ];
    let alert = match owners {
        [(slot, _)] => Alert::about(slot, Severity::Page, AlertKind::KeyVanished, text),
        _ => Alert::general(Severity::Page, AlertKind::KeyVanished, text),
    };
    alert.with_command(Command::general("status"))
}

/// A key that was confirmed dead is in use.
pub(super) fn dead_key_used(
    slot: &SlotName,
    version: &Version,
    source: Source,
    found: Proof,
) -> Alert {
    let key = version.shown();
    let says = match source {
        Source::Provider => "its provider tells",
        Source::Agents => "its agent tells",
    };
    let what = format!("Slot {slot}: {says} of spend by key {key} after it was confirmed dead.");
    let done = match found {
        Proof::Alive => {
            "The provider lists it as alive. The slot is cut off, and the key is revoked again within minutes."
        }
        Proof::Gone => "The provider does not have it any more. Nothing was cut off.",
        Proof::Listed => {
            "It is revoked again within minutes, to be sure. It was not seen alive, so the slot was not cut off."
        }
        Proof::NotSeen => {
            "Whether it is alive could not be seen. It is looked at again in an hour, and retire is to revoke it again."
        }
    };
    let left = "Ask the provider whether the spend is a late bill. If it goes on, the provider lets a revoked key be used.";
    Alert::about(
        slot,
        Severity::Page,
        AlertKind::DeadKeyUsed,
        [&what, done, left],
    )
    .with_command(Command::about("status", slot))
}

/// What was found of a dead key that is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// The provider has it as a key that works.
    Alive,
    /// The provider does not have it.
    Gone,
    /// It has it, and says nothing of whether it works, or that it does not.
    Listed,
    /// The provider could not be asked.
    NotSeen,
}

/// What speaks for a kill, for people.
pub(super) fn reason(watched: &Watched, findings: &[Finding]) -> String {
    let kill = findings.iter().find(|finding| finding.act == Act::Kill);
    match kill {
        Some(finding) => finding.to_string(),
        None => format!("slot {} is over its line", watched.slot.name),
    }
}
