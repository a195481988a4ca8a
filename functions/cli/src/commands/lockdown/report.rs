//! What a lockdown says.

use jiff::Timestamp;
use keyward_core::model::names::StackName;
use keyward_core::ports::{Administered, FunctionState, ListError, SeenCall};
use keyward_core::rules::admin::by_hand;
use keyward_core::usecases::admin::Old;
use keyward_core::usecases::lockdown::{FunctionDone, SeenOf, Switched};
use serde_json::{Value, json};

use super::{Credential, Left};
use crate::print::{clean, line};

/// What no part of this can show.
pub(super) const NOT_SEEN: &str = "reads and writes of the table's items, calls in other regions (IAM's are in us-east-1), and what was done at providers with a stolen admin credential: look at each provider's own audit log";

/// What a lockdown would do.
pub(super) struct Foreseen<'a> {
    pub(super) stack: &'a StackName,
    pub(super) since: Timestamp,
    pub(super) functions: &'a [(String, Result<Option<FunctionState>, ListError>)],
    /// The accounts with a credential, and whether their providers' APIs make such.
    pub(super) credentials: &'a [(Administered, bool)],
    pub(super) seen: &'a [SeenOf],
}

impl Foreseen<'_> {
    pub(super) fn json(&self) {
        let functions: Vec<Value> = self
            .functions
            .iter()
            .map(|(function, found)| json!({ "function": function, "outcome": would(found) }))
            .collect();
        let credentials: Vec<Value> = self
            .credentials
            .iter()
            .map(|(of, mints)| json!({ "account": of.account, "provider": of.provider, "by_hand": !mints, "read_secret": of.read }))
            .collect();
        line(
            &json!({
                "stack": self.stack, "dry_run": true, "since": self.since, "functions": functions,
                "credentials": credentials, "seen": seen_json(self.seen), "not_seen": NOT_SEEN,
            })
            .to_string(),
        );
    }

    pub(super) fn show(&self) {
        line("Nothing was changed.");
        for (function, found) in self.functions {
            line(&format!("{function}: {}", clean(&would(found))));
        }
        for (of, mints) in self.credentials {
            let how = match mints {
                true => "its admin credential would be replaced",
                false => by_hand(of.provider),
            };
            line(&format!("{} ({}): {how}", of.account, of.provider));
            if of.read.is_some() {
                line(&read_by_hand(of));
            }
        }
        seen(self.seen, self.since);
    }
}

fn would(found: &Result<Option<FunctionState>, ListError>) -> String {
    match found {
        Ok(Some(_)) => "would be stopped".to_owned(),
        Ok(None) => "is not there".to_owned(),
        Err(error) => format!("cannot be looked at: {error}"),
    }
}

/// What nobody but a person replaces: Keyward does not know what it may do.
fn read_by_hand(of: &Administered) -> String {
    format!(
        "{}, the credential that only reads: BY HAND: make another at {}, store it in the secret that `read_secret` names, and delete the old one there.",
        of.account, of.provider
    )
}

pub(super) fn functions(done: &[FunctionDone], word: &str) {
    for FunctionDone { function, outcome } in done {
        let said = match outcome {
            Switched::Now => word.to_owned(),
            Switched::Already => format!("{word}, as before"),
            Switched::NotThere => "is not there".to_owned(),
            Switched::Failed(why) => format!("FAILED: {}", clean(why)),
        };
        line(&format!("{function}: {said}"));
    }
    if word == "stopped" {
        line("What was under way goes on to its end: 15 minutes at most.");
    }
}

pub(super) fn credentials(all: &[Result<Credential, String>]) {
    for one in all {
        let Credential { of, outcome } = match one {
            Ok(one) => one,
            Err(why) => {
                line(why);
                continue;
            }
        };
        let account = &of.account;
        if of.read.is_some() {
            line(&read_by_hand(of));
        }
        match outcome {
            Err(Left::ByHand) => line(&format!("{account}: BY HAND: {}", by_hand(of.provider))),
            Err(Left::Failed(why)) => line(&format!("{account}: NOT REPLACED: {why}")),
            Ok(done) => {
                line(&format!(
                    "{account}: replaced; {} ended with the new one",
                    done.ended.len()
                ));
                for (handle, why) in &done.left {
                    line(&format!(
                        "{account}: {handle} was NOT ended: {}. Run this again, or end it in the console",
                        clean(why)
                    ));
                }
                if let Some((version, why)) = &done.pending {
                    line(&format!(
                        "{account}: no rotation begins while AWSPENDING stands where it does ({}): aws secretsmanager update-secret-version-stage --secret-id {} --version-stage AWSPENDING --remove-from-version-id {version}",
                        clean(why),
                        of.secret
                    ));
                }
                if done.old == Old::NotTold {
                    line(&format!(
                        "{account}: which one the old one is, {}'s list does not tell: end it in the console",
                        of.provider
                    ));
                }
                for other in &done.others {
                    line(&format!(
                        "{account}: somebody else's admin credential: {} ({}); see whose it is",
                        clean(other.name.as_str()),
                        other.handle
                    ));
                }
            }
        }
    }
}

pub(super) fn credentials_json(all: &[Result<Credential, String>]) -> Vec<Value> {
    let one = |one: &Result<Credential, String>| match one {
        Err(why) => json!({ "failed": why }),
        Ok(Credential { of, outcome }) => match outcome {
            Err(Left::ByHand) => {
                json!({ "account": of.account, "by_hand": by_hand(of.provider), "read_secret": of.read })
            }
            Err(Left::Failed(why)) => {
                json!({ "account": of.account, "failed": why, "read_secret": of.read })
            }
            Ok(done) => json!({
                "account": of.account, "replaced": true, "read_secret": of.read, "ended": done.ended,
                "not_ended": done.left.iter().map(|(handle, why)| json!({ "handle": handle, "why": why })).collect::<Vec<_>>(),
                "old_not_told": done.old == Old::NotTold, "pending_left": done.pending.as_ref().map(|(version, _)| version),
                "others": done.others.iter().map(|other| json!({ "handle": other.handle, "name": other.name })).collect::<Vec<_>>(),
            }),
        },
    };
    all.iter().map(one).collect()
}

pub(super) fn seen(all: &[SeenOf], since: Timestamp) {
    line(&format!(
        "Since {}, as CloudTrail tells it (minutes late):",
        since.strftime("%Y-%m-%d %H:%M UTC")
    ));
    for of in all {
        match &of.seen {
            Err(why) => line(&format!("{}: NOT SEEN: {}", of.name, clean(why))),
            Ok((calls, more)) => {
                let cut = if *more { ", and more before" } else { "" };
                line(&format!("{}: {} calls{cut}", of.name, calls.len()));
                calls
                    .iter()
                    .for_each(|call| line(&format!("  {}", shown(call))));
            }
        }
    }
    line(&format!("Not seen: {NOT_SEEN}."));
}

fn shown(call: &SeenCall) -> String {
    let refused = call.refused.as_ref().map(|code| format!(" REFUSED {code}"));
    clean(&format!(
        "{} {} {} from {}{}",
        call.at.strftime("%Y-%m-%d %H:%M:%S"),
        call.call,
        call.about,
        call.from,
        refused.unwrap_or_default()
    ))
}

pub(super) fn seen_json(all: &[SeenOf]) -> Vec<Value> {
    let call = |call: &SeenCall| json!({ "at": call.at, "call": call.call, "about": call.about, "from": call.from, "refused": call.refused });
    let one = |of: &SeenOf| match &of.seen {
        Err(why) => json!({ "name": of.name, "not_seen": why }),
        Ok((calls, more)) => {
            json!({ "name": of.name, "calls": calls.iter().map(call).collect::<Vec<_>>(), "more": more })
        }
    };
    all.iter().map(one).collect()
}
