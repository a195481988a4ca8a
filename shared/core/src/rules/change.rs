//! What a fleet file may change of a slot that is registered.

use crate::model::fleet::PlannedSlot;
use crate::model::slot::{Slot, SlotState};

/// What applying a planned slot to the registered one comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The slot as it is to be.
    pub slot: Slot,
    /// The fields that differ from before.
    pub changed: Vec<&'static str>,
    /// Fields in which the file differs, and that it does not change: they have commands of their own.
    pub kept: Vec<&'static str>,
}

/// Why a planned slot is not applied. Nothing is changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotApplied {
    /// What makes the slot that slot is different.
    #[error(
        "its {} cannot be changed: history, budgets and keys belong to it. Register another slot, and take this one out of service",
        .0.join(", ")
    )]
    Identity(Vec<&'static str>),
    /// What its keys may reach is different.
    #[error("its scope is set when it is registered and never widened. Register another slot")]
    Scope,
    /// Its agent is gone.
    #[error("it is decommissioned")]
    Decommissioned,
}

/// Compares a registered slot with the file's.
///
/// # Errors
/// [`NotApplied`].
pub fn change(slot: &Slot, planned: &PlannedSlot) -> Result<Change, NotApplied> {
    if slot.state == SlotState::Decommissioned {
        return Err(NotApplied::Decommissioned);
    }
    let identity: Vec<&'static str> = [
        ("agent", slot.agent != planned.agent),
        (
            "environment",
            slot.environment != planned.people.environment,
        ),
        ("provider", slot.provider != planned.provider),
        ("account", slot.account != planned.entry.account),
        ("secret", slot.secret != planned.entry.secret),
    ]
    .into_iter()
    .filter_map(|(field, differs)| differs.then_some(field))
    .collect();
    if !identity.is_empty() {
        return Err(NotApplied::Identity(identity));
    }
    if slot.scope != planned.entry.scope {
        return Err(NotApplied::Scope);
    }
    Ok(mutable(slot, planned))
}

fn mutable(slot: &Slot, planned: &PlannedSlot) -> Change {
    let mut changed = Vec::new();
    let mut next = slot.clone();
    let mut set = |field, differs: bool| {
        if differs {
            changed.push(field);
        }
    };
    set("owner", slot.owner != planned.people.owner);
    set(
        "backup_owner",
        slot.backup_owner != planned.people.backup_owner,
    );
    set("readers", slot.readers != planned.entry.readers);
    set("policy", slot.policy != planned.policy);
    let assumed = planned.expected_assumed;
    let is_expected = (slot.expected, slot.expected_assumed) == (planned.expected, assumed);
    set("expected_spend", !is_expected);
    set("canary", slot.canary != planned.entry.canary);
    next.canary = planned.entry.canary;
    next.owner = planned.people.owner.clone();
    next.backup_owner = planned.people.backup_owner.clone();
    next.readers = planned.entry.readers.clone();
    next.policy = planned.policy;
    next.expected = planned.expected;
    next.expected_assumed = assumed;
    let kept = match planned.entry.mode {
        Some(mode) if mode != slot.mode => vec!["mode"],
        _ => Vec::new(),
    };
    Change {
        slot: next,
        changed,
        kept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fleet::{Fleet, PolicyEntry};
    use crate::model::money::MicroDollars;
    use crate::model::slot::{Environment, Mode};
    use crate::usecases::register::new_slot;

    fn planned() -> PlannedSlot {
        let fleet = serde_json::json!({
            "version": 1,
            "accounts": {"openrouter-main": {"provider": "openrouter"}},
            "agents": {"support-bot": {"owner": "ana@example.com", "environment": "prod"}},
            "slots": {"support-bot-openrouter": {
                "agent": "support-bot", "account": "openrouter-main",
                "secret": "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/support-a1B2c3",
                "expected_spend": {"daily_cents": 1000, "monthly_cents": 30000},
            }},
        });
        let fleet = Fleet::from_json(&fleet.to_string()).unwrap();
        fleet.check().unwrap().remove(0)
    }

    #[test]
    fn each_field_is_changed_kept_or_refused() {
        type Edit = fn(&mut PlannedSlot);
        type Expected = Result<(Vec<&'static str>, Vec<&'static str>), NotApplied>;
        let changed = |fields: &[&'static str]| Ok((fields.to_vec(), vec![]));
        let identity = |field| Err(NotApplied::Identity(vec![field]));
        let cases: Vec<(&str, Edit, Expected)> = vec![
            ("nothing", |_| {}, changed(&[])),
            (
                "owner",
                |p| p.people.owner = "ben".parse().unwrap(),
                changed(&["owner"]),
            ),
            (
                "backup",
                |p| p.people.backup_owner = "ben".parse().ok(),
                changed(&["backup_owner"]),
            ),
            (
                "readers",
                |p| p.entry.readers = vec!["ops".parse().unwrap()],
                changed(&["readers"]),
            ),
            (
                "policy",
                |p| {
                    p.policy = PolicyEntry {
                        max_age_days: Some(30),
                        ..PolicyEntry::default()
                    }
                    .into();
                },
                changed(&["policy"]),
            ),
            (
                "spend",
                |p| p.expected.daily = MicroDollars(1),
                changed(&["expected_spend"]),
            ),
            ("canary", |p| p.entry.canary = true, changed(&["canary"])),
            (
                "mode",
                |p| p.entry.mode = Some(Mode::Enforce),
                Ok((vec![], vec!["mode"])),
            ),
            (
                "agent",
                |p| p.agent = "other".parse().unwrap(),
                identity("agent"),
            ),
            (
                "environment",
                |p| p.people.environment = Environment::Dev,
                identity("environment"),
            ),
            (
                "account",
                |p| p.entry.account = "other".parse().unwrap(),
                identity("account"),
            ),
            (
                "secret",
                |p| {
                    p.entry.secret =
                        "arn:aws:secretsmanager:us-east-1:111122223333:secret:x-a1B2c3"
                            .parse()
                            .unwrap();
                },
                identity("secret"),
            ),
            (
                "scope",
                |p| p.entry.scope.workspace = "w".parse().ok(),
                Err(NotApplied::Scope),
            ),
        ];
        let slot = new_slot(&planned(), jiff::Timestamp::UNIX_EPOCH);
        for (name, edit, expected) in cases {
            let mut planned = planned();
            edit(&mut planned);
            let got = change(&slot, &planned);
            if let Ok(change) = &got {
                let again = super::change(&change.slot, &planned).unwrap();
                assert!(again.changed.is_empty(), "{name}: applied twice");
            }
            assert_eq!(got.map(|c| (c.changed, c.kept)), expected, "{name}");
        }
        let gone = Slot {
            state: SlotState::Decommissioned,
            ..slot
        };
        assert_eq!(change(&gone, &planned()), Err(NotApplied::Decommissioned));
    }
}
