//! What a fleet file may change of a slot that is registered, and whether a slot is still what a plan was made on.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::model::fleet::PlannedSlot;
use crate::model::money::MicroDollars;
use crate::model::slot::{Slot, SlotState};

/// One setting of a slot that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Which, as the fleet file names it.
    pub field: String,
    /// As it is, in the file's units; null is nothing.
    pub before: Value,
    /// As it is to be.
    pub after: Value,
}

/// What applying a planned slot to the registered one comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The slot as it is to be.
    pub slot: Slot,
    /// What differs from before.
    pub changed: Vec<Difference>,
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
    let mut next = slot.clone();
    next.owner = planned.people.owner.clone();
    next.owner_left = slot.owner_left.filter(|_| next.owner == slot.owner);
    next.backup_owner = planned.people.backup_owner.clone();
    next.readers = planned.entry.readers.clone();
    next.policy = planned.policy;
    next.expected = planned.expected;
    next.loss = planned.entry.accepted_loss.into();
    next.expected_assumed = planned.expected_assumed;
    next.canary = planned.entry.canary;
    let kept = match planned.entry.mode {
        Some(mode) if mode != slot.mode => vec!["mode"],
        _ => Vec::new(),
    };
    Change {
        changed: differences(slot, &next),
        slot: next,
        kept,
    }
}

fn differences(slot: &Slot, next: &Slot) -> Vec<Difference> {
    let pairs = settings(slot).into_iter().zip(settings(next));
    let differing = pairs.filter(|((_, before), (_, after))| before != after);
    differing
        .map(|((field, before), (_, after))| Difference {
            field: field.to_owned(),
            before,
            after,
        })
        .collect()
}

/// What a fleet file may change of a slot, as the file writes it.
fn settings(slot: &Slot) -> [(&'static str, Value); 13] {
    const MINUTE: i64 = 60;
    let policy = slot.policy;
    let declared = match slot.expected_assumed {
        true => "assumed",
        false => "declared",
    };
    [
        ("owner", json!(slot.owner)),
        ("backup_owner", json!(slot.backup_owner)),
        ("readers", json!(slot.readers)),
        (
            "policy.max_age_days",
            counted(policy.max_age, 24 * 60 * MINUTE),
        ),
        ("policy.overlap_minutes", counted(policy.overlap, MINUTE)),
        (
            "policy.deadline_hours",
            counted(policy.deadline, 60 * MINUTE),
        ),
        ("policy.refresh_minutes", counted(policy.refresh, MINUTE)),
        ("expected_spend", json!(declared)),
        ("expected_spend.daily_cents", cents(slot.expected.daily)),
        ("expected_spend.monthly_cents", cents(slot.expected.monthly)),
        ("accepted_loss.floor_cents", cents(slot.loss.floor)),
        ("accepted_loss.ceiling_cents", cents(slot.loss.ceiling)),
        ("canary", json!(slot.canary)),
    ]
}

/// A time in whole units of so many seconds; with a fraction, it is told in seconds.
fn counted(time: SignedDuration, unit: i64) -> Value {
    match (time.as_secs() / unit, time.as_secs() % unit) {
        (whole, 0) => json!(whole),
        _ => json!(format!("{} seconds", time.as_secs())),
    }
}

fn cents(amount: MicroDollars) -> Value {
    const CENT: u64 = 10_000;
    match (amount.0 / CENT, amount.0 % CENT) {
        (whole, 0) => json!(whole),
        _ => json!(format!("{} micro-dollars", amount.0)),
    }
}

/// What a plan for a slot was made on: the slot's settings and the file's entry, as a digest. What Keyward itself keeps
/// with a slot, such as when it is due, is no part of it; a kill is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Basis(String);

impl Basis {
    /// Bytes of the digest that are kept.
    const KEPT: usize = 12;

    /// Of a slot as the inventory has it, or has it not, and of what the file says of it.
    pub fn of(slot: Option<&Slot>, planned: &PlannedSlot) -> Self {
        let found = slot.map(|slot| {
            json!([
                [
                    slot.agent.as_str(),
                    slot.account.as_str(),
                    slot.secret.as_str()
                ],
                [
                    json!(slot.environment),
                    json!(slot.provider),
                    json!(slot.scope)
                ],
                [json!(slot.mode), json!(slot.state), json!(slot.epoch)],
                settings(slot).map(|(_, value)| value),
            ])
        });
        let wanted = json!([
            [
                json!(planned.name),
                json!(planned.agent),
                json!(planned.people)
            ],
            [
                json!(planned.provider),
                json!(planned.entry),
                json!(planned.policy)
            ],
            [json!(planned.expected), json!(planned.expected_assumed)],
        ]);
        let digest = Sha256::digest(json!([found, wanted]).to_string().as_bytes());
        let kept = digest.iter().take(Self::KEPT);
        Self(kept.map(|byte| format!("{byte:02x}")).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fleet::{Fleet, PolicyEntry};
    use crate::model::money::MicroDollars;
    use crate::model::slot::{AcceptedLoss, Environment, Mode};
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
        type Expected = Result<(Vec<String>, Vec<&'static str>), NotApplied>;
        let changed = |fields: &[&str]| {
            let fields = fields.iter().map(|field| (*field).to_owned());
            Ok((fields.collect(), vec![]))
        };
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
                changed(&["policy.max_age_days"]),
            ),
            (
                "spend",
                |p| p.expected.daily = MicroDollars(1),
                changed(&["expected_spend.daily_cents"]),
            ),
            (
                "loss",
                |p| p.entry.accepted_loss.floor_cents = 100,
                changed(&["accepted_loss.floor_cents"]),
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
            let got = got.map(|c| {
                let fields = c.changed.into_iter().map(|change| change.field);
                (fields.collect(), c.kept)
            });
            assert_eq!(got, expected, "{name}");
        }
        let gone = Slot {
            state: SlotState::Decommissioned,
            ..slot
        };
        assert_eq!(change(&gone, &planned()), Err(NotApplied::Decommissioned));
    }

    #[test]
    fn what_may_be_lost_is_judged_by_and_an_older_item_has_the_default() {
        let mut planned = planned();
        planned.entry.accepted_loss.floor_cents = 500;
        let slot = new_slot(&planned, jiff::Timestamp::UNIX_EPOCH);
        let limits = crate::rules::anomaly::Limits::of_slot(&slot);
        assert_eq!(limits.loss.floor, MicroDollars::from_dollars(5));
        let mut older = serde_json::to_value(&slot).unwrap();
        older.as_object_mut().unwrap().remove("loss").unwrap();
        let older: Slot = serde_json::from_value(older).unwrap();
        assert_eq!(older.loss, AcceptedLoss::default());
    }

    #[test]
    fn a_difference_is_told_in_the_units_of_the_file() {
        let slot = new_slot(&planned(), jiff::Timestamp::UNIX_EPOCH);
        let mut planned = planned();
        planned.people.backup_owner = "ben".parse().ok();
        planned.policy.overlap = SignedDuration::from_mins(150);
        planned.expected.daily = MicroDollars::from_dollars(20);
        let change = change(&slot, &planned).unwrap();
        let told = change.changed.iter();
        let told: Vec<_> = told
            .map(|d| (d.field.as_str(), &d.before, &d.after))
            .collect();
        let (null, hundred, thousand) = (json!(null), json!(120), json!(1000));
        assert_eq!(
            told,
            [
                ("backup_owner", &null, &json!("ben")),
                ("policy.overlap_minutes", &hundred, &json!(150)),
                ("expected_spend.daily_cents", &thousand, &json!(2000)),
            ]
        );
    }

    #[test]
    fn a_plan_stands_until_settings_or_the_file_change() {
        type Edit = fn(&mut Slot, &mut PlannedSlot);
        let slot = new_slot(&planned(), jiff::Timestamp::UNIX_EPOCH);
        let basis = Basis::of(Some(&slot), &planned());
        let edits: [(&str, bool, Edit); 7] = [
            ("nothing", true, |_, _| {}),
            ("when it is due", true, |slot, _| {
                slot.due_at += SignedDuration::from_hours(1);
                slot.revision = slot.revision.next();
            }),
            ("its owner", false, |slot, _| {
                slot.owner = "ben".parse().unwrap()
            }),
            ("its mode", false, |slot, _| slot.mode = Mode::Enforce),
            ("a kill", false, |slot, _| slot.epoch = slot.epoch.next()),
            ("its state", false, |slot, _| {
                slot.state = SlotState::Restricted
            }),
            ("the file", false, |_, planned| planned.entry.canary = true),
        ];
        for (name, stands, edit) in edits {
            let (mut slot, mut planned) = (slot.clone(), planned());
            edit(&mut slot, &mut planned);
            assert_eq!(Basis::of(Some(&slot), &planned) == basis, stands, "{name}");
        }
        assert_ne!(Basis::of(None, &planned()), basis);
    }
}
