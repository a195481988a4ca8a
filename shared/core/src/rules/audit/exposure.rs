//! Rules on who can take a key: policies of secrets, variables of functions, keys that no slot has.

use super::Fault;
use super::facts::{KeyFacts, RowFacts, SlotFacts, UserFacts, VariableFacts};
use super::secret_policy::{self, Wide};
use crate::model::names::SecretArn;
use crate::model::version::KeyLabel;

pub(super) fn readable_widely(facts: &SlotFacts<'_>) -> Vec<Fault> {
    let Some(policy) = facts.policy.seen().flatten() else {
        return Vec::new();
    };
    let wide = secret_policy::wide(policy, &facts.slot.secret, &facts.slot.readers);
    let faults = wide
        .into_iter()
        .map(|wide| Fault::of(wide.part(), said(&wide), None));
    faults.collect()
}

fn said(wide: &Wide) -> String {
    match wide {
        Wide::Everybody => "its secret's policy lets everybody read it".to_owned(),
        Wide::EverybodyBut(named) => {
            format!("its secret's policy lets everybody read it but {named}")
        }
        Wide::Unless(condition) => {
            format!("its secret's policy lets everybody read it for whom {condition} holds")
        }
        Wide::Other(principal) => {
            format!("its secret's policy lets {principal} read it, who is none of its readers")
        }
        Wide::Unreadable => "its secret's policy cannot be understood".to_owned(),
    }
}

/// Whom a secret's resource policy lets read it, where nobody has said who may.
pub(super) fn who_else_reads(policy: Option<&str>, secret: &SecretArn) -> Vec<String> {
    let wide = policy.map(|policy| secret_policy::wide(policy, secret, &[]));
    let wide = wide.into_iter().flatten().map(|wide| match wide {
        Wide::Other(principal) => format!("its policy lets {principal} read it"),
        wide => said(&wide).replace("its secret's policy", "its policy"),
    });
    wide.collect()
}

pub(super) fn in_variables(facts: &VariableFacts<'_>) -> Vec<Fault> {
    let VariableFacts {
        variable,
        version,
        slot,
        ..
    } = facts;
    let whose = match slot {
        Some(slot) => format!("a key of {slot}"),
        None => "what looks like a key of a provider".to_owned(),
    };
    let of = version.map_or_else(String::new, |version| format!(" of version {version}"));
    let evidence = format!("its variable {variable}{of} holds {whose}");
    vec![Fault::of(variable.as_str(), evidence, None)]
}

pub(super) fn not_in_inventory(facts: &KeyFacts<'_>) -> Vec<Fault> {
    let key = facts.key;
    if key.expires.is_some_and(|at| at <= facts.now) {
        return Vec::new();
    }
    let mut evidence = match KeyLabel::is_one(&key.label) {
        true => format!(
            "a key that Keyward made as `{}` is there, and no record of it",
            key.label
        ),
        false => format!(
            "the key `{}` ({}) belongs to no slot",
            key.label, key.redacted
        ),
    };
    if key.suspended == Some(true) {
        evidence.push_str("; it is suspended");
    }
    if let Some(used) = key.last_used {
        evidence.push_str(&format!("; it was last used at {used}"));
    }
    if facts.damaged > 0 {
        let damaged = facts.damaged;
        evidence.push_str(&format!(
            "; it may be of one of {damaged} damaged items of the inventory"
        ));
    }
    vec![Fault::of("", evidence, key.created)]
}

/// The console names users so that it makes for long-term keys:
/// <https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html>.
const CONSOLE_USER: &str = "BedrockAPIKey-";

pub(super) fn behind_your_back(facts: &UserFacts<'_>) -> Vec<Fault> {
    let is_its_own = facts.slot.is_some() || facts.credentials.is_empty();
    Fault::when(!is_its_own, || {
        let by = match facts.user.as_str().starts_with(CONSOLE_USER) {
            true => "which the console made",
            false => "who is no slot's",
        };
        let immortal = facts.credentials.iter().filter(|c| c.expires.is_none());
        let evidence = format!(
            "the user {}, {by}, has {} keys for Bedrock, {} of them without an end",
            facts.user,
            facts.credentials.len(),
            immortal.count()
        );
        let first = facts.credentials.iter().filter_map(|c| c.created).min();
        (evidence, first)
    })
}

pub(super) fn damaged(facts: &RowFacts<'_>) -> Vec<Fault> {
    let evidence = format!("the item {} cannot be read: {}", facts.key, facts.why);
    vec![Fault::of("", evidence, None)]
}
