//! `keyward kill`.

mod around;

use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use keyward_core::model::act_kind::ActKind;
use keyward_core::model::names::SlotName;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Format;
use super::confirm::{Confirm, confirmed, reasoned};
use crate::control::Control;
use crate::print::{Outcome, clean, complain, line, table};
use crate::waiting::{Words, attended};
pub(super) use around::offline_command;
use around::{look, look_before, or_offline, question, words_while};

/// The function answers a kill in seconds, and what is left then goes on by itself.
const TIME_LIMIT: Duration = Duration::from_secs(120);

/// Whom to cut off, and why.
pub(super) struct Order {
    pub(super) slot: SlotName,
    pub(super) reason: String,
    pub(super) leak: bool,
}

#[derive(Deserialize)]
struct Answer {
    result: String,
    #[serde(default)]
    owner: Option<String>,
    #[serde(default)]
    environment: Option<String>,
    #[serde(default, rename = "final")]
    for_good: bool,
    #[serde(default)]
    versions: Vec<Row>,
    #[serde(default)]
    incident: Option<String>,
    #[serde(default)]
    why: Option<String>,
    #[serde(default)]
    replacement: Option<String>,
    #[serde(default)]
    suspended_because: Option<String>,
    #[serde(default)]
    already: Option<Already>,
    #[serde(default)]
    replacement_of: Option<ReplacementOf>,
    #[serde(default)]
    cut_without_record: Option<u64>,
    #[serde(default)]
    unrecorded: bool,
}

/// The kill that had cut everything off before.
#[derive(Deserialize)]
struct Already {
    at: Timestamp,
    by: String,
}

/// What is cut off is what replaced the keys that were cut off then.
#[derive(Deserialize)]
struct ReplacementOf {
    at: Timestamp,
    made: Timestamp,
}

#[derive(Deserialize)]
struct Row {
    version: String,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    was: Option<String>,
    #[serde(default)]
    done: Option<String>,
}

/// Says what a kill would do.
pub(super) async fn foresee(order: &Order, format: Format) -> Result<Outcome> {
    let foreseen = async { look(&Control::open(ActKind::Kill).await?, order, TIME_LIMIT).await };
    let words = Words {
        left: format!("{}: nothing was changed", order.slot),
        ..words_while(order)
    };
    let answer = attended(foreseen, &words).await;
    let answer = answer.map_err(|error| or_offline(order, error))?;
    show(order, answer, format)
}

/// Cuts the slot off.
pub(super) async fn kill(order: &Order, confirm: Confirm, format: Format) -> Result<Outcome> {
    reasoned(&order.reason)?;
    let control = Control::open(ActKind::Kill).await;
    let control = control.map_err(|error| or_offline(order, error))?;
    if confirm == Confirm::Typed {
        let foreseen = look_before(&control, order).await?;
        confirmed(&order.slot, &question(order, foreseen.as_ref()), confirm)?;
    }
    let request = json!({ "reason": order.reason, "slot": order.slot, "leak": order.leak });
    let answer = control.post_within(TIME_LIMIT, "/kill", &request);
    let answer = attended(answer, &words_while(order)).await;
    let answer = answer.map_err(|error| or_offline(order, error))?;
    show(order, answer, format)
}

fn show(order: &Order, answer: Value, format: Format) -> Result<Outcome> {
    let read: Answer =
        serde_json::from_value(answer.clone()).context("the answer cannot be read")?;
    if format == Format::Json {
        line(&answer.to_string());
    } else {
        print(&order.slot, &read);
    }
    if read.unrecorded {
        complain(&format!(
            "{}: it is done as said, but the record of acts does not have it whole",
            order.slot
        ));
    }
    let all_cut = read.versions.iter().all(|row| row.done.is_some());
    let is_done = matches!(
        read.result.as_str(),
        "contained" | "would_contain" | "nothing_alive" | "over"
    );
    Ok(match is_done && all_cut && !read.unrecorded {
        true => Outcome::Done,
        false => Outcome::NotAll,
    })
}

fn print(slot: &SlotName, answer: &Answer) {
    if !answer.versions.is_empty() {
        let heading = match answer.result.as_str() {
            "would_contain" => ["KEY", "IS", "WOULD BE", "VERSION"],
            _ => ["KEY", "WAS", "NOW", "VERSION"],
        };
        let rows = answer
            .versions
            .iter()
            .map(|row| cells(row, answer.for_good));
        let rows: Vec<[String; 4]> = rows.collect();
        table(heading, &rows);
    }
    for text in words(slot, answer) {
        line(&text);
    }
}

fn cells(row: &Row, for_good: bool) -> [String; 4] {
    let or_unknown = |text: &Option<String>| text.as_deref().map_or("?".to_owned(), clean);
    let done = match row.done.as_deref() {
        Some("suspended") if for_good => "suspended, then deleted",
        Some("suspended") => "suspended",
        Some("narrowed") => "may do nothing",
        Some("deleted") => "deleted",
        Some("nothing_found") => "not made yet, revoked when it turns up",
        Some(_) => "?",
        None => "NOT CUT OFF",
    };
    [
        or_unknown(&row.key),
        or_unknown(&row.was),
        done.to_owned(),
        clean(&row.version),
    ]
}

/// What became of the slot, what goes on by itself, and what to do.
fn words(slot: &SlotName, answer: &Answer) -> Vec<String> {
    let because = match &answer.why {
        Some(why) => format!(": {}", clean(why)),
        None => String::new(),
    };
    match answer.result.as_str() {
        "would_contain" if answer.versions.is_empty() => {
            vec![format!("{slot}: no key of it is alive{because}")]
        }
        "would_contain" => vec![format!(
            "{slot}: nothing was changed; {} would be cut off{because}",
            keys(answer.versions.len())
        )],
        "contained" => contained(slot, answer),
        "unfinished" => vec![format!(
            "{slot}: NOT cut off whole{because}. What is cut off stays so; the rest is tried again every 5 minutes by itself. Send it again with the same command, look with keyward status {slot}, and delete its keys at the provider by hand if it goes on"
        )],
        "unrecorded" => vec![format!(
            "{slot}: the inventory is down. {} that could be found without it are cut off and stay so, nothing is recorded, and there may be more. Send it again with the same command until it says that the slot is cut off",
            keys(
                answer
                    .cut_without_record
                    .and_then(|n| n.try_into().ok())
                    .unwrap_or(0)
            )
        )],
        "attached" => vec![format!(
            "{slot}: somebody else is cutting it off just now, and knows of this order (incident {}). Look in a minute: keyward status {slot}",
            answer
                .incident
                .as_deref()
                .map_or("unknown".to_owned(), clean)
        )],
        "over" => vec![format!("{slot}: this order was carried out before")],
        "nothing_alive" => vec![format!("{slot}: no key of it is alive, and none is made")],
        "untold" => vec![format!(
            "{slot}: there was no key to cut off, and the alert about that could not be sent. Look at its keys: keyward status {slot}"
        )],
        other => vec![format!("{slot}: {}{because}", clean(other))],
    }
}

fn contained(slot: &SlotName, answer: &Answer) -> Vec<String> {
    let by_hand = answer.versions.iter().filter(|row| row.done.is_none());
    let by_hand: Vec<String> = by_hand
        .map(|row| cells(row, answer.for_good)[0].clone())
        .collect();
    let mut words = Vec::new();
    if let (Some(before), true) = (&answer.already, by_hand.is_empty()) {
        words.push(format!(
            "{slot}: already cut off at {} by {}; nothing new was done",
            short(before.at),
            clean(&before.by)
        ));
    } else if by_hand.is_empty() {
        words.push(format!("{slot}: cut off"));
    } else {
        words.push(format!(
            "{slot}: cut off but for {}: its id at the provider is unknown, delete it there by hand",
            by_hand.join(", ")
        ));
    }
    if let Some(before) = &answer.replacement_of {
        words.push(format!(
            "{slot}: this was its replacement, made at {}, after it was cut off at {}",
            short(before.made),
            short(before.at)
        ));
    }
    words.push(match answer.replacement.as_deref() {
        Some("suspended") => format!(
            "{slot}: it has no key, and no new one is made, {}. Then: keyward restore {slot} --reason TEXT",
            because(answer.suspended_because.as_deref())
        ),
        Some("in_use") => format!("{slot}: its replacement is in use"),
        Some("asked_for") => {
            format!("{slot}: a replacement is on its way, capped at one normal day's spend")
        }
        _ => format!("{slot}: retire asks for a replacement within 5 minutes"),
    });
    if !answer.for_good && answer.versions.iter().any(can_come_back) {
        words.push(format!(
            "{slot}: to bring the key back within 72 hours: keyward restore {slot} --key newest --reason TEXT"
        ));
    }
    words
}

/// Whether a key can be resumed by how it was cut off: what was deleted is gone.
fn can_come_back(row: &Row) -> bool {
    matches!(row.done.as_deref(), Some("suspended" | "narrowed"))
}

/// Why no new key is made, and what comes before a restore.
fn because(why: Option<&str>) -> &'static str {
    match why {
        Some("loop") => {
            "since its last replacement was abused within 24 hours too. Find out who takes its keys, and end that"
        }
        Some("no_replacement") => {
            "since none can be made now, as the alert says. Where its pool is empty: keyward pool add ACCOUNT --reason TEXT < keys.txt"
        }
        _ => {
            "since it was suspended before. Find out why, and what made the key that was cut off now"
        }
    }
}

fn short(at: Timestamp) -> impl std::fmt::Display {
    at.strftime("%Y-%m-%d %H:%M UTC")
}

/// So many keys.
pub(super) fn keys(count: usize) -> String {
    match count {
        1 => "1 key".to_owned(),
        count => format!("{count} keys"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restore_is_promised_only_where_a_key_can_be_resumed() {
        for (done, promised) in [
            ("suspended", true),
            ("narrowed", true),
            ("deleted", false),
            ("nothing_found", false),
        ] {
            let answer = json!({
                "result": "contained", "final": false, "replacement": "in_use",
                "versions": [{"version": "1", "key": "sk-…aaaa", "was": "current", "done": done}],
            });
            let answer: Answer = serde_json::from_value(answer).expect("an answer");
            let slot = "bot".parse().expect("a name");
            let said = contained(&slot, &answer).join("\n");
            assert_eq!(said.contains("keyward restore"), promised, "{done}: {said}");
        }
    }

    #[test]
    fn a_leaked_key_that_is_suspended_first_is_said_to_be_deleted_then() {
        let row = || Row {
            version: "1".to_owned(),
            key: None,
            was: None,
            done: Some("suspended".to_owned()),
        };
        assert_eq!(cells(&row(), true)[2], "suspended, then deleted");
        assert_eq!(cells(&row(), false)[2], "suspended");
    }
}
