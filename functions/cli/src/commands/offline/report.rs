//! What an offline kill says.

use std::collections::BTreeMap;

use keyward_core::model::incident::HowCut;
use keyward_core::model::names::KeyHandle;
use keyward_core::model::slot::{CredentialKind, ProviderName};
use keyward_core::ports::{KeyRecord, ProviderError};
use keyward_core::usecases::kill::{FoundKeys, Looked, Whereabouts};
use serde_json::{Value, json};

use super::{CutResult, comes_back};
use crate::commands::import::label_of;
use crate::commands::kill::{Order, keys};
use crate::print::{clean, line, table};

/// What came of an offline kill.
pub(super) struct Ending {
    pub(super) result: CutResult,
    pub(super) found: FoundKeys,
    pub(super) looked: Result<Looked, ProviderError>,
    pub(super) seconds: f64,
}

const fn said(how: HowCut) -> &'static str {
    match how {
        HowCut::Suspended => "suspended",
        HowCut::Narrowed => "may do nothing",
        HowCut::Deleted => "deleted",
        HowCut::NothingFound => "not there",
    }
}

impl Ending {
    pub(super) fn print(&self, order: &Order, provider: ProviderName) {
        let slot = &order.slot;
        self.print_keys();
        let (cut, all) = (self.found.cut_off(), self.found.keys.len());
        line(&format!(
            "{slot}: {cut} of {} found at {provider} {} cut off, in {:.1} s",
            keys(all),
            if all == 1 { "is" } else { "are" },
            self.seconds
        ));
        let not_for_good = order.leak && comes_back(&self.found);
        if not_for_good {
            line(&format!("{slot}: not every key could be deleted for good"));
        }
        if cut < all || not_for_good {
            line(&format!(
                "{slot}: what is cut off stays so. Run the same command again, or delete the rest at {provider} by hand"
            ));
        }
        match &self.found.unlisted {
            Some(error) => line(&format!(
                "{slot}: there may be more: {}. Look at {provider}, or say where its keys live (--help)",
                clean(&error.to_string())
            )),
            None if all == 0 => line(&format!("{slot}: {}", none_found(provider))),
            None => {}
        }
        match &self.looked {
            Ok(looked) => unnamed(order, provider, looked),
            // It was said above that they could not be listed.
            Err(_) if self.found.unlisted.is_some() => {}
            Err(error) => line(&format!(
                "{slot}: keys that people made could not be looked for: {}. Look at {provider}, and name what is the slot's: --handle ID",
                clean(&error.to_string())
            )),
        }
        let leak = if order.leak { " --leak" } else { "" };
        line(&format!(
            "{slot}: nothing is recorded yet, and a schedule may still make it a key. When AWS is back: keyward kill {slot}{leak} --reason TEXT"
        ));
    }

    fn print_keys(&self) {
        let own = self.looked.iter().flat_map(|looked| &looked.own);
        let listed: BTreeMap<&KeyHandle, &KeyRecord> = own.map(|key| (&key.handle, key)).collect();
        let row = |(handle, cut): &(KeyHandle, Result<HowCut, ProviderError>)| {
            let now = match cut {
                Ok(how) => said(*how).to_owned(),
                Err(error) => format!("NOT CUT OFF: {}", clean(&error.to_string())),
            };
            let ends = listed.get(handle).map_or("?".to_owned(), |key| ends(key));
            [clean(handle.as_str()), ends, now]
        };
        let rows: Vec<[String; 3]> = self.found.keys.iter().map(row).collect();
        if !rows.is_empty() {
            table(["KEY", "ENDS", "NOW"], &rows);
        }
    }

    pub(super) fn print_json(&self, order: &Order) {
        let shown = |error: &ProviderError| clean(&error.to_string());
        let rows = self.found.keys.iter().map(|(handle, cut)| {
            let error = cut.as_ref().err().map(shown);
            json!({ "handle": handle, "done": cut.as_ref().ok(), "error": error })
        });
        let result = match self.result {
            CutResult::Contained => "contained",
            CutResult::MaybeMore => "maybe_more",
            CutResult::Unfinished => "unfinished",
        };
        let answer = json!({
            "slot": order.slot,
            "result": result,
            "keys": rows.collect::<Vec<_>>(),
            "unlisted": self.found.unlisted.as_ref().map(shown),
            "unnamed": self.looked.as_ref().ok().map(|looked| rows_of(&looked.unnamed, given)),
            "seconds": (self.seconds * 1000.0).round() / 1000.0,
        });
        line(&answer.to_string());
    }
}

/// What would be cut off, and what would be left.
pub(super) fn foreseen(
    order: &Order,
    provider: ProviderName,
    whereabouts: &Whereabouts,
    looked: &Looked,
) {
    let slot = &order.slot;
    let mut rows: Vec<[String; 5]> = looked.own.iter().map(with_state).collect();
    for handle in unlisted(whereabouts, looked) {
        let [is, name, made] = ["?", "NOT LISTED, but tried", "?"].map(str::to_owned);
        rows.push([clean(handle.as_str()), "?".to_owned(), is, name, made]);
    }
    if !rows.is_empty() {
        table(["KEY", "ENDS", "IS", "NAME", "MADE"], &rows);
    }
    // After a leak, what is suspended is deleted.
    let left = match order.leak {
        true => 0,
        false => looked.own.iter().filter(|key| is_suspended(key)).count(),
    };
    let but = match left {
        0 => String::new(),
        1 => "; 1 more is suspended already".to_owned(),
        more => format!("; {more} more are suspended already"),
    };
    line(&format!(
        "{slot}: nothing was changed; {} at {provider} would be cut off{but}",
        keys(rows.len() - left)
    ));
    if rows.is_empty() {
        line(&format!("{slot}: {}", none_found(provider)));
    }
    unnamed(order, provider, looked);
}

/// The same for programs.
pub(super) fn foreseen_json(order: &Order, whereabouts: &Whereabouts, looked: &Looked) {
    let answer = json!({
        "slot": order.slot,
        "result": "would_contain",
        "keys": rows_of(&looked.own, |key| key.label.to_string()),
        "not_listed": unlisted(whereabouts, looked),
        "unnamed": rows_of(&looked.unnamed, given),
    });
    line(&answer.to_string());
}

fn given(key: &KeyRecord) -> String {
    label_of(key.label.as_str())
}

/// Handles that were named and that the list does not show.
fn unlisted<'a>(whereabouts: &'a Whereabouts, looked: &Looked) -> Vec<&'a KeyHandle> {
    let is_listed = |handle: &KeyHandle| looked.own.iter().any(|key| key.handle == *handle);
    let named = whereabouts.known.iter();
    named.filter(|handle| !is_listed(handle)).collect()
}

/// Keys that are left, of which nothing says whose they are.
fn unnamed(order: &Order, provider: ProviderName, looked: &Looked) {
    let slot = &order.slot;
    if looked.unnamed.is_empty() {
        return;
    }
    let count = looked.unnamed.len();
    let are = if count == 1 { "carries" } else { "carry" };
    line(&format!(
        "{slot}: NOT touched: {} there {are} no name of Keyward's, so nothing says whose. If one is this slot's, run the same command with --handle KEY. ENDS are the last characters of its text:",
        keys(count)
    ));
    let rows = looked.unnamed.iter().map(|key| {
        let [handle, ends, _, made] = cells(key);
        [handle, ends, clean(&label_of(key.label.as_str())), made]
    });
    let rows: Vec<[String; 4]> = rows.collect();
    table(["KEY", "ENDS", "NAME", "MADE"], &rows);
    if provider.kind() == CredentialKind::Pool {
        line(&format!(
            "{slot}: people make the keys of {provider}, so each of its keys is among these"
        ));
    }
}

fn none_found(provider: ProviderName) -> String {
    match provider.kind() {
        CredentialKind::Pool => format!(
            "0 keys were found because none was named: people make the keys of {provider}, and they carry no name of Keyward's. Name each of this slot's: --handle KEY. --dry-run lists them"
        ),
        CredentialKind::Minted | CredentialKind::Slots => {
            "no key that Keyward made for it is there. A key that people made is found by --handle only".to_owned()
        }
    }
}

fn cells(key: &KeyRecord) -> [String; 4] {
    [
        clean(key.handle.as_str()),
        ends(key),
        clean(key.label.as_str()),
        key.created.map_or("?".to_owned(), |at| {
            at.strftime("%Y-%m-%d %H:%M UTC").to_string()
        }),
    ]
}

/// The same with what it is now.
fn with_state(key: &KeyRecord) -> [String; 5] {
    let is = match key.suspended {
        Some(true) => "suspended",
        Some(false) => "live",
        None => "?",
    };
    let [handle, ends, name, made] = cells(key);
    [handle, ends, is.to_owned(), name, made]
}

fn is_suspended(key: &KeyRecord) -> bool {
    key.suspended == Some(true)
}

/// How many characters of a key's end are shown, as in hints.
const TAIL: usize = 4;

/// The end of a key's text, as far as the provider's list shows it.
fn ends(key: &KeyRecord) -> String {
    let text = clean(key.redacted.as_str());
    let before = text.chars().count().saturating_sub(TAIL);
    let tail: String = text.chars().skip(before).collect();
    match tail.is_empty() {
        true => "?".to_owned(),
        false => format!("…{tail}"),
    }
}

/// Keyward's own names are shown whole; of those that people gave, what is like a key is cut.
fn rows_of(keys: &[KeyRecord], name: fn(&KeyRecord) -> String) -> Vec<Value> {
    let row = |key: &KeyRecord| {
        json!({
            "handle": key.handle, "ends": ends(key), "name": clean(&name(key)),
            "made": key.created, "suspended": key.suspended,
        })
    };
    keys.iter().map(row).collect()
}
