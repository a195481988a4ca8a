//! `keyward status`.

mod usage;

use anyhow::{Result, bail};
use jiff::{SignedDuration, Timestamp};
use keyward_core::model::incident::HowCut;
use keyward_core::model::names::SlotName;
use keyward_core::model::slot::{CredentialKind, Mode, Slot, SlotState};
use keyward_core::model::version::Version;
use keyward_core::ports::InventoryError;
use keyward_core::usecases::status::{Back, LacksKey, Proposal, Row, SlotStatus, slots};
use keyward_providers::config::ProviderAccounts;
use serde_json::{Value, json};

use super::Format;
use crate::aws::Aws;
use crate::print::{Cell, Outcome, Tint, clean, line, tinted_table};
use crate::settings::{TABLE, required};

pub(super) async fn status(only: Option<&SlotName>, format: Format) -> Result<Outcome> {
    let [name] = required([TABLE])?;
    let aws = Aws::load().await?;
    let ports = aws.ports(&name, ProviderAccounts::default()).await?;
    let usage = aws.inventory(&name).await?;
    let rows = slots(&ports, &usage, only).await;
    let rows = all_refused(rows).map_err(|error| aws.explain(&name, error))?;
    if let (Some(name), true) = (only, rows.is_empty()) {
        bail!("there is no slot `{name}` in the inventory");
    }
    match format {
        Format::Json => {
            let rows: Vec<Value> = rows.iter().map(json_row).collect();
            line(&json!({ "slots": rows }).to_string());
        }
        Format::Table => {
            print(&rows);
            if let (Some(_), [(_, Ok(status))]) = (only, &rows[..]) {
                print_cut_off(status);
            }
        }
    }
    let is_read = |(_, status): &Row| status.as_ref().is_ok_and(|status| status.usage.is_ok());
    let all_read = rows.iter().all(is_read);
    Ok(if all_read {
        Outcome::Done
    } else {
        Outcome::NotAll
    })
}

/// The rows; or why the table gives none of them.
fn all_refused(rows: Result<Vec<Row>, InventoryError>) -> Result<Vec<Row>, InventoryError> {
    let mut rows = rows?;
    let is_refused = |row: &Row| matches!(row.1, Err(InventoryError::Refused(_)));
    if rows.iter().all(is_refused)
        && let Some((_, Err(error))) = rows.pop()
    {
        return Err(error);
    }
    Ok(rows)
}

const HEADING: [&str; 12] = [
    "SLOT",
    "OWNER",
    "ENV",
    "STATE",
    "KEY",
    "AGE",
    "ROTATED",
    "TODAY",
    "MONTH",
    "SCORE",
    "PROTECTED",
    "NOTES",
];

fn print(rows: &[Row]) {
    if rows.is_empty() {
        line("no slot is registered; begin with: keyward apply FLEET.json --reason TEXT");
        return;
    }
    let cells: Vec<[Cell; 12]> = rows.iter().map(cells).collect();
    tinted_table(HEADING, &cells);
    for (name, status) in rows {
        if let Ok(Some(proposal)) = status.as_ref().map(|status| &status.proposal) {
            line(&proposed(name, proposal));
        }
    }
}

fn cells((name, status): &Row) -> [Cell; 12] {
    let status = match status {
        Ok(status) => status,
        Err(error) => {
            let mut cells = HEADING.map(|_| Cell::from("?".to_owned()));
            cells[0] = name.to_string().into();
            cells[11] = Cell {
                text: format!("CANNOT BE READ: {}", clean(&error.to_string())),
                tint: Tint::Red,
            };
            return cells;
        }
    };
    let slot = &status.slot;
    let environment = json!(slot.environment);
    let [today, month, score, protected] = usage::cells(status);
    [
        name.to_string().into(),
        slot.owner.to_string().into(),
        environment.as_str().unwrap_or("?").to_owned().into(),
        state(slot),
        key(status).into(),
        age(status).into(),
        rotated(status).into(),
        today,
        month,
        score,
        protected,
        notes(status).join("; ").into(),
    ]
}

fn state(slot: &Slot) -> Cell {
    let (state, tint) = match slot.state {
        SlotState::Active => ("active", Tint::Plain),
        SlotState::Restricted => ("RESTRICTED", Tint::Yellow),
        SlotState::Suspended => ("SUSPENDED", Tint::Red),
        SlotState::Decommissioned => ("decommissioned", Tint::Plain),
    };
    let text = format!("{state}, {}", mode(slot.mode));
    Cell { text, tint }
}

fn rotated(status: &SlotStatus) -> String {
    last_rotation(status).map_or_else(|| "never".to_owned(), short)
}

/// When the current key came by a rotation; one that a person put there did not.
fn last_rotation(status: &SlotStatus) -> Option<Timestamp> {
    let current = status.current.as_ref()?;
    current
        .version
        .promoted
        .filter(|_| current.version.id.attempt > 0)
}

/// That a slot that has observed for long be enforced, and what that would cost.
fn proposed(slot: &SlotName, proposal: &Proposal) -> String {
    let Proposal {
        days,
        kills,
        alerts,
        without_key,
    } = proposal;
    format!(
        "{slot} only observes: over the last {days} days its statistics would have cut it off {kills} times, and told people {alerts} times. A cut by mistake leaves an agent without a key for seconds if it fetches its key again when that is refused, else for up to {} s. To let them act: keyward enforce {slot} --reason TEXT",
        without_key.as_secs()
    )
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Observe => "observes",
        Mode::Enforce => "enforces",
    }
}

fn key(status: &SlotStatus) -> String {
    match &status.current {
        Some(current) => clean(&current.version.shown()),
        None => "none".to_owned(),
    }
}

fn age(status: &SlotStatus) -> String {
    let Some(current) = &status.current else {
        return "-".to_owned();
    };
    let greatest = days(status.slot.policy.max_age);
    format!("{} of {greatest} days", days(current.age))
}

fn days(time: SignedDuration) -> i64 {
    time.as_hours() / 24
}

/// What a person should know of a slot beside its columns.
fn notes(status: &SlotStatus) -> Vec<String> {
    let mut notes = Vec::new();
    let mut note = |text: String| notes.push(text);
    if let Some(why) = status.lacks_key {
        note(no_key(&status.slot.name, why));
    }
    if let Some(current) = &status.current {
        if current.version.handle.is_none() {
            note("its id is unknown: it cannot be revoked by Keyward".to_owned());
        }
        if current.version.told.uncapped.is_some() {
            note("its provider refuses its limit".to_owned());
        }
    }
    if !status.arriving.is_empty() {
        note("a rotation is under way".to_owned());
    }
    if let (Some(seen), true) = (&status.slot.pending_seen, status.arriving.is_empty()) {
        note(format!(
            "a rotation is stuck, seen at {}; it is cleared away within an hour of that",
            short(seen.since)
        ));
    }
    notes.extend(usage::notes(status));
    let mut note = |text: String| notes.push(text);
    for old in &status.retiring {
        note(format!("old {} until {}", clean(&old.shown()), until(old)));
    }
    match status.ending.len() {
        0 => {}
        n => note(format!("{n} being revoked")),
    }
    match &status.slot.drill {
        Some(drill) => note(format!(
            "a drill is under way, since {}",
            short(drill.started)
        )),
        None if status.slot.canary => note("a canary: keyward drill may cut it off".to_owned()),
        None => {}
    }
    if status.slot.kind == CredentialKind::Pool {
        note(format!("keys from the pool of {}", status.slot.account));
    }
    notes
}

fn no_key(slot: &SlotName, why: LacksKey) -> String {
    match why {
        LacksKey::Suspended => {
            format!("NO KEY, and none is made: keyward restore {slot} --reason TEXT")
        }
        LacksKey::CutOff(at) => format!(
            "no key since it was cut off at {}: its replacement is on its way",
            short(at)
        ),
        LacksKey::Missing => format!("NO KEY: keyward rotate {slot} --wait"),
    }
}

/// The keys that were cut off, and how each is brought back.
fn print_cut_off(status: &SlotStatus) {
    let name = &status.slot.name;
    for key in &status.cut_off {
        let how = match key.how {
            HowCut::Suspended => "suspended",
            HowCut::Narrowed => "narrowed",
            HowCut::Deleted => "deleted",
            HowCut::NothingFound => "not made",
        };
        let back = match key.back {
            Back::Until(until) => format!(
                "until {}: keyward restore {name} --key {} --reason TEXT",
                short(until),
                key.version
            ),
            Back::UnderWay => "it is being brought back".to_owned(),
            Back::Already => "it is back, and works again".to_owned(),
            Back::No => "it cannot be brought back any more".to_owned(),
        };
        line(&format!(
            "{name}: {} was {how} at {} ({}); {back}",
            clean(key.shown.as_str()),
            short(key.at),
            clean(key.cause.clause())
        ));
    }
}

fn short(at: Timestamp) -> String {
    at.strftime("%m-%d %H:%M UTC").to_string()
}

fn until(old: &Version) -> String {
    old.retire_after.map_or_else(|| "?".to_owned(), short)
}

fn json_row((name, status): &Row) -> Value {
    match status {
        Err(error) => json!({ "slot": name, "error": clean(&error.to_string()) }),
        Ok(status) => json!({
            "slot": name,
            "agent": status.slot.agent,
            "owner": status.slot.owner,
            "backup_owner": status.slot.backup_owner,
            "environment": status.slot.environment,
            "provider": status.slot.provider,
            "account": status.slot.account,
            "secret": status.slot.secret,
            "state": status.slot.state,
            "mode": status.slot.mode,
            "canary": status.slot.canary,
            "drill_since": status.slot.drill.as_ref().map(|drill| drill.started),
            "current": status.current.as_ref().map(|current| json!({
                "key": current.version.shown(),
                "fingerprint": current.version.fingerprint.map(|f| f.to_string()),
                "version": current.version.id,
                "handle": current.version.handle,
                "handle_known": current.version.handle.is_some(),
                "created": current.version.created,
                "replace_by": current.due,
                "ends": current.end,
                "cap": current.version.cap,
            })),
            "retiring": status.retiring.iter().map(|old| json!({
                "key": old.shown(), "version": old.id, "handle": old.handle,
                "retire_after": old.retire_after, "deadline": old.deadline,
            })).collect::<Vec<_>>(),
            "rotation_under_way": !status.arriving.is_empty(),
            "arriving": status.arriving.iter().map(|new| json!({
                "key": new.shown(), "version": new.id, "handle": new.handle,
            })).collect::<Vec<_>>(),
            "being_revoked": status.ending.len(),
            "cut_off": status.cut_off.iter().map(|key| json!({
                "key": key.shown, "version": key.version, "how": key.how, "at": key.at,
                "cause": key.cause, "restorable_until": key.back.until(),
            })).collect::<Vec<_>>(),
            "mode_since": status.slot.mode_since,
            "last_rotation": last_rotation(status),
            "expected": status.slot.expected,
            "expected_assumed": status.slot.expected_assumed,
            "accepted_loss": status.slot.loss,
            "usage": usage::json(&status.usage),
            "proposal": status.proposal.map(|proposal| json!({
                "mode": Mode::Enforce,
                "days": proposal.days,
                "kills": proposal.kills,
                "alerts": proposal.alerts,
                "seconds_without_key": proposal.without_key.as_secs(),
            })),
        }),
    }
}
