//! `keyward restore`.

use anyhow::{Context, Result};
use jiff::Timestamp;
use keyward_core::model::act_kind::ActKind;
use keyward_core::model::money::SpendCap;
use keyward_core::model::names::SlotName;
use serde::Deserialize;
use serde_json::Value;

use super::Format;
use crate::control::Control;
use crate::print::{Outcome, clean, complain, line};

/// A slot on which nothing lies that could be lifted.
const ACTIVE: &str = "active";

#[derive(Deserialize)]
struct Answer {
    result: String,
    #[serde(default)]
    was: Option<String>,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    key: Option<Key>,
    #[serde(default)]
    becomes: Option<String>,
    #[serde(default)]
    by: Option<String>,
    #[serde(default)]
    until: Option<Timestamp>,
    #[serde(default)]
    caveat: Option<String>,
    #[serde(default)]
    cap: Option<SpendCap>,
    #[serde(default)]
    cap_failed: Option<String>,
    #[serde(default)]
    new_key: Option<String>,
    #[serde(default)]
    why: Option<String>,
    #[serde(default)]
    unrecorded: bool,
}

#[derive(Deserialize)]
struct Key {
    key: String,
    state: String,
    #[serde(default)]
    until: Option<Timestamp>,
}

pub(super) async fn restore(slot: &SlotName, request: &Value, format: Format) -> Result<Outcome> {
    let answer = Control::open(ActKind::Restore)
        .await?
        .post("/restore", request)
        .await?;
    let read: Answer =
        serde_json::from_value(answer.clone()).context("the answer cannot be read")?;
    if format == Format::Json {
        line(&answer.to_string());
    } else {
        for text in words(slot, &read) {
            line(&format!("{slot}: {text}"));
        }
    }
    if read.unrecorded {
        complain(&format!("{slot}: done, but its end could not be recorded"));
    }
    let is_done = match read.result.as_str() {
        "would_restore" => true,
        "restored" => read.cap_failed.is_none() && read.new_key.as_deref() != Some("refused"),
        _ => false,
    };
    Ok(match is_done && !read.unrecorded {
        true => Outcome::Done,
        false => Outcome::NotAll,
    })
}

fn words(slot: &SlotName, answer: &Answer) -> Vec<String> {
    match answer.result.as_str() {
        "would_restore" => vec![would(slot, answer)],
        "restored" => restored(slot, answer),
        "asked" => vec![format!(
            "NOT restored yet: {} asked for it, and a second person must run the same command until {}",
            answer.by.as_deref().map_or("you".to_owned(), clean),
            answer.until.map_or("?".to_owned(), short)
        )],
        other => vec![clean(other)],
    }
}

fn would(slot: &SlotName, answer: &Answer) -> String {
    let was = answer.was.as_deref().map_or("?".to_owned(), clean);
    match (&answer.key, answer.becomes.as_deref()) {
        (Some(key), Some(becomes)) => format!(
            "nothing was changed; key {} would be brought back as the {} one, and the slot, which is {was}, made active",
            clean(&key.key),
            clean(becomes)
        ),
        (Some(key), None) => format!(
            "nothing was changed; key {} is back already",
            clean(&key.key)
        ),
        (None, _) if was == ACTIVE => format!(
            "nothing was changed, and nothing would be: it is active already. Keys that were cut off lately, and the command that brings each back: keyward status {slot}"
        ),
        (None, _) => format!("nothing was changed; the slot, which is {was}, would be made active"),
    }
}

fn restored(slot: &SlotName, answer: &Answer) -> Vec<String> {
    let mut words = Vec::new();
    if let Some(key) = &answer.key {
        let shown = clean(&key.key);
        words.push(match key.until {
            Some(until) => format!(
                "key {shown} works again beside its replacement, until {} at least",
                short(until)
            ),
            None if key.state == "current" => format!("key {shown} works again; agents fetch it"),
            None => format!("key {shown} is {}", clean(&key.state)),
        });
    }
    if let Some(caveat) = &answer.caveat {
        words.push(clean(caveat));
    }
    let state = answer.state.as_deref().map_or("?".to_owned(), clean);
    match answer.was.as_deref() {
        Some(was) if *was != state => words.push(format!("{state}, it was {}", clean(was))),
        Some(_) => words.push(format!("{state} already")),
        None => words.push(state),
    }
    if let Some(cap) = answer.cap {
        let dollars = cap.amount.0 as f64 / 1_000_000.0;
        words.push(format!("its key may spend ${dollars:.2} a day"));
    }
    if let Some(why) = &answer.cap_failed {
        words.push(format!(
            "the limit of its key could NOT be raised and is what it was: {}. Send it again: keyward restore {slot} --reason TEXT",
            clean(why)
        ));
    }
    let why = answer.why.as_deref().map(clean).unwrap_or_default();
    match answer.new_key.as_deref() {
        Some("asked_for") => words.push("a new key is on its way".to_owned()),
        Some("later") => words.push(format!(
            "retire asks for a new key within 5 minutes ({why})"
        )),
        Some("refused") => words.push(format!("it has NO key, and none is made now: {why}")),
        _ => {}
    }
    words
}

fn short(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(answer: Value) -> String {
        let answer: Answer = serde_json::from_value(answer).expect("an answer");
        let slot: SlotName = "chat".parse().expect("a name");
        words(&slot, &answer).join("\n")
    }

    #[test]
    fn a_dry_run_says_plainly_where_there_is_nothing_to_restore() {
        let would = |was: &str| said(json!({"result": "would_restore", "was": was}));
        let active = would(ACTIVE);
        assert!(active.contains("nothing would be"), "{active}");
        assert!(active.ends_with("keyward status chat"), "{active}");
        for was in ["restricted", "suspended"] {
            let other = would(was);
            let expected = format!("which is {was}, would be made active");
            assert!(other.ends_with(&expected), "{other}");
        }
        let key = json!({"key": "sk-…", "state": "contained"});
        let back =
            json!({"result": "would_restore", "was": ACTIVE, "key": key, "becomes": "current"});
        assert!(said(back).contains("would be brought back as the current one"));
    }

    #[test]
    fn a_slot_that_was_active_is_not_said_to_be_made_so() {
        let restored = |was| said(json!({"result": "restored", "was": was, "state": ACTIVE}));
        assert_eq!(restored(ACTIVE), "active already");
        assert_eq!(restored("restricted"), "active, it was restricted");
    }
}
