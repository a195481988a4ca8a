//! `keyward status`.

use anyhow::{Result, bail};
use jiff::{SignedDuration, Timestamp};
use keyward_core::model::names::SlotName;
use keyward_core::model::slot::{CredentialKind, Mode, SlotState};
use keyward_core::model::version::Version;
use keyward_core::usecases::status::{Row, SlotStatus, slots};
use keyward_providers::config::ProviderAccounts;
use serde_json::{Value, json};

use super::Format;
use crate::aws::Aws;
use crate::print::{Outcome, clean, line, table};
use crate::settings::{TABLE, required};

pub(super) async fn status(only: Option<&SlotName>, format: Format) -> Result<Outcome> {
    let [name] = required([TABLE])?;
    let ports = Aws::load()
        .await?
        .ports(&name, ProviderAccounts::default())
        .await?;
    let rows = slots(&ports, only).await?;
    if let (Some(name), true) = (only, rows.is_empty()) {
        bail!("there is no slot `{name}` in the inventory");
    }
    match format {
        Format::Json => {
            let rows: Vec<Value> = rows.iter().map(json_row).collect();
            line(&json!({ "slots": rows }).to_string());
        }
        Format::Table => print(&rows),
    }
    let all_read = rows.iter().all(|(_, status)| status.is_ok());
    Ok(if all_read {
        Outcome::Done
    } else {
        Outcome::NotAll
    })
}

fn print(rows: &[Row]) {
    if rows.is_empty() {
        line("no slot is registered; begin with: keyward apply FLEET.json --reason TEXT");
        return;
    }
    let cells: Vec<[String; 7]> = rows.iter().map(cells).collect();
    table(
        ["SLOT", "OWNER", "ENV", "STATE", "KEY", "AGE", "NOTES"],
        &cells,
    );
}

fn cells((name, status): &Row) -> [String; 7] {
    let status = match status {
        Ok(status) => status,
        Err(error) => {
            let unknown = || "?".to_owned();
            let why = format!("CANNOT BE READ: {}", clean(&error.to_string()));
            return [
                name.to_string(),
                unknown(),
                unknown(),
                unknown(),
                unknown(),
                unknown(),
                why,
            ];
        }
    };
    let slot = &status.slot;
    let environment = json!(slot.environment);
    [
        name.to_string(),
        slot.owner.to_string(),
        environment.as_str().unwrap_or("?").to_owned(),
        format!("{}, {}", state(slot.state), mode(slot.mode)),
        key(status),
        age(status),
        notes(status).join("; "),
    ]
}

fn state(state: SlotState) -> &'static str {
    match state {
        SlotState::Active => "active",
        SlotState::Restricted => "RESTRICTED",
        SlotState::Suspended => "SUSPENDED",
        SlotState::Decommissioned => "decommissioned",
    }
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
    match &status.current {
        None if status.arriving.is_empty() => {
            note(format!(
                "NO KEY: keyward rotate {} --wait",
                status.slot.name
            ));
        }
        Some(current) => {
            if current.version.handle.is_none() {
                note("its id is unknown: it cannot be revoked by Keyward".to_owned());
            }
            note(match &current.version.cap {
                Some(cap) => format!("capped at ${} {}", dollars(cap.amount.0), period(cap)),
                None => "no cap on the key".to_owned(),
            });
        }
        None => {}
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

fn dollars(micro: u64) -> String {
    format!("{}.{:02}", micro / 1_000_000, micro % 1_000_000 / 10_000)
}

fn period(cap: &keyward_core::model::money::SpendCap) -> &'static str {
    use keyward_core::model::money::CapPeriod;
    match cap.period {
        CapPeriod::Daily => "a day",
        CapPeriod::Monthly => "a month",
        CapPeriod::Lifetime => "in all",
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
                "handle_known": current.version.handle.is_some(),
                "created": current.version.created,
                "replace_by": current.due,
                "ends": current.end,
                "cap": current.version.cap,
            })),
            "retiring": status.retiring.iter().map(|old| json!({
                "key": old.shown(), "retire_after": old.retire_after, "deadline": old.deadline,
            })).collect::<Vec<_>>(),
            "rotation_under_way": !status.arriving.is_empty(),
            "being_revoked": status.ending.len(),
        }),
    }
}
