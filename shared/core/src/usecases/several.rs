//! One message about several slots.

use crate::model::alert::{Alert, AlertKind, Command, Severity};
use crate::model::names::SlotName;

/// So many slots are named in one message.
const NAMED: usize = 5;

/// A message about these slots, each with what is to be said of it; about the slot itself where it is one.
pub(super) fn alert(
    about: &[(SlotName, String)],
    severity: Severity,
    kind: AlertKind,
    text: [&str; 3],
) -> Alert {
    let alert = match about {
        [(slot, _)] => Alert::about(slot, severity, kind, text),
        _ => Alert::general(severity, kind, text),
    };
    alert.with_command(Command::general("status"))
}

/// The slots and what is said of them, in a sentence.
pub(super) fn listed(about: &[(SlotName, String)]) -> String {
    first_of(about.iter().map(|(slot, what)| format!("{slot} ({what})")))
}

/// The first few of a list, and how many more there are.
pub(super) fn first_of(all: impl ExactSizeIterator<Item = String>) -> String {
    let more = all.len().saturating_sub(NAMED);
    let named: Vec<String> = all.take(NAMED).collect();
    match more {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}
