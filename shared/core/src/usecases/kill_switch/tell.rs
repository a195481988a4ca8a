//! What people are told of a message that kills nobody.

use crate::model::alert::{Alert, AlertKind, Command};
use crate::model::kill_order::KillMessage;
use crate::model::text::OutsideText;
use crate::rules::kill::{AlertOnly, NotKilled};

/// What came, why it kills nobody, and what a person does.
pub(super) fn refused(message: &KillMessage, refused: &AlertOnly) -> Alert {
    let kind = refused.kind;
    let what = format!("No slot was cut off: {}.", refused.why);
    let done = "Nothing was done, and nothing that was done before is undone.";
    let text = [&what, done, left(kind)];
    let mut alert = Alert::general(kind.severity(), AlertKind::KillRefused, text);
    if let Some(id) = &message.id {
        alert = alert.with_cause(&OutsideText::new(&format!("SNS message {id}")));
    }
    match command(kind) {
        Some(command) => alert.with_command(command),
        None => alert,
    }
}

/// The command to run where something may be running on.
fn command(kind: NotKilled) -> Option<Command> {
    match kind {
        NotKilled::NoData
        | NotKilled::UnknownState
        | NotKilled::Notice
        | NotKilled::TooOld
        | NotKilled::Unmapped
        | NotKilled::Ambiguous
        | NotKilled::NotOurs
        | NotKilled::NotConfirmed => Some(Command::general("status")),
        NotKilled::Recovered
        | NotKilled::OrderNotTaken
        | NotKilled::Unreadable
        | NotKilled::WrongWay
        | NotKilled::WrongAccount
        | NotKilled::FromTheFuture => None,
    }
}

const fn left(kind: NotKilled) -> &'static str {
    match kind {
        NotKilled::Recovered => "Nothing has to be done.",
        NotKilled::NoData | NotKilled::UnknownState => {
            "Find out why the alarm cannot say: a slot that it guards may be spending unseen."
        }
        NotKilled::Notice => {
            "Look which slot spends. If one must be cut off: keyward kill, with its name."
        }
        NotKilled::OrderNotTaken => {
            "Find out who sent it. People's orders are given with keyward kill and keyward restore."
        }
        NotKilled::Unreadable => {
            "Find out who sent it, and whether an alarm is behind it that was to be acted on."
        }
        NotKilled::WrongWay | NotKilled::WrongAccount | NotKilled::FromTheFuture => {
            "Find out who sent it: somebody may be trying to fire the kill switch."
        }
        NotKilled::TooOld => {
            "Look whether it goes on. If the slot must be cut off: keyward kill, with its name."
        }
        NotKilled::Unmapped | NotKilled::Ambiguous | NotKilled::NotOurs => {
            "If the alarm guards a slot, name both in KEYWARD_ALARM_MAP. If the slot must be cut off now: keyward kill, with its name."
        }
        NotKilled::NotConfirmed => {
            "Look at the alarm in CloudWatch. If it is in ALARM, cut its slot off: keyward kill, with its name. If not, find out who sent the message."
        }
    }
}
