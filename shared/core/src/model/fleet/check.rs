//! What must be true of a fleet whatever is outside it.

use super::{FLEET_VERSION, Fleet, FleetError, PlannedSlot, Problem, SlotEntry, SpendEntry};
use crate::model::names::SlotName;
use crate::model::slot::{CredentialKind, ExpectedSpend, Policy};

impl Fleet {
    /// Checks every slot against every rule that needs no look outside, and returns them ready to be registered.
    ///
    /// # Errors
    /// [`FleetError`] with all problems together.
    pub fn check(&self) -> Result<Vec<PlannedSlot>, FleetError> {
        let mut problems = Vec::new();
        if self.version != FLEET_VERSION {
            let problem = format!(
                "version {} is not known here; this release reads {FLEET_VERSION}",
                self.version
            );
            problems.push(Problem {
                line: None,
                place: "version".to_owned(),
                problem,
            });
        }
        for (environment, entry) in self.environments.entries() {
            for problem in entry.expected_spend.iter().flat_map(SpendEntry::problems) {
                problems.push(Problem {
                    line: None,
                    place: format!("environments.{environment}.expected_spend"),
                    problem: problem.to_owned(),
                });
            }
        }
        let mut planned = Vec::new();
        for (name, entry) in &self.slots {
            match self.plan(name, entry) {
                Ok(slot) => planned.push(slot),
                Err(found) => problems.extend(found),
            }
        }
        problems.extend(twice(&planned));
        if problems.is_empty() {
            Ok(planned)
        } else {
            Err(FleetError(problems))
        }
    }

    fn plan(&self, name: &SlotName, entry: &SlotEntry) -> Result<PlannedSlot, Vec<Problem>> {
        let place = |field: &str| format!("slots.{name}.{field}");
        let mut problems = Vec::new();
        let mut problem = |field: &str, problem: String| {
            problems.push(Problem {
                line: None,
                place: place(field),
                problem,
            })
        };
        let people = self.agents.get(&entry.agent);
        if people.is_none() {
            problem(
                "agent",
                format!("there is no agent `{}` in this fleet", entry.agent),
            );
        }
        let account = self.accounts.get(&entry.account);
        if account.is_none() {
            problem(
                "account",
                format!(
                    "there is no provider account `{}` in this fleet",
                    entry.account
                ),
            );
        }
        let defaults = people.map(|people| self.environments.of(people.environment));
        for text in entry.expected_spend.iter().flat_map(SpendEntry::problems) {
            problem("expected_spend", text.to_owned());
        }
        for text in entry.accepted_loss.problems() {
            problem("accepted_loss", text.to_owned());
        }
        if let Some(account) = account {
            for (field, text) in crate::rules::scope::problems(account.provider, &entry.scope) {
                problem(field, text);
            }
        }
        let general = defaults.map(|defaults| defaults.policy).unwrap_or_default();
        let policy = Policy::from(entry.policy.or(general));
        for (field, text) in crate::rules::policy::problems(&policy) {
            problem(field, text);
        }
        let declared = entry.expected_spend.or_else(|| defaults?.expected_spend);
        match (people, account) {
            (Some(people), Some(account)) if problems.is_empty() => Ok(PlannedSlot {
                name: name.clone(),
                agent: entry.agent.clone(),
                people: people.clone(),
                provider: account.provider,
                kind: account.provider.kind(),
                entry: entry.clone(),
                policy,
                expected: declared.map_or_else(
                    || ExpectedSpend::assumed(people.environment),
                    ExpectedSpend::from,
                ),
                expected_assumed: declared.is_none(),
            }),
            _ => Err(problems),
        }
    }
}

/// Slots that share an agent, provider and environment, a secret, or the place that their keys live in.
fn twice(planned: &[PlannedSlot]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (i, slot) in planned.iter().enumerate() {
        for earlier in &planned[..i] {
            let place = format!("slots.{}", slot.name);
            if slot.entry.secret == earlier.entry.secret {
                let problem = format!(
                    "has the same secret as slot `{}`; keys are never shared",
                    earlier.name
                );
                problems.push(Problem {
                    line: None,
                    place: place.clone(),
                    problem,
                });
            }
            if share_a_home(slot, earlier) {
                let problem = format!(
                    "has the same place for its keys at {} as slot `{}`; each slot needs {} of its own",
                    slot.provider,
                    earlier.name,
                    match slot.kind {
                        CredentialKind::Slots => "an account",
                        CredentialKind::Minted | CredentialKind::Pool => "a place",
                    }
                );
                problems.push(Problem {
                    line: None,
                    place: place.clone(),
                    problem,
                });
            }
            if slot.agent == earlier.agent && slot.provider == earlier.provider {
                let problem = format!(
                    "agent `{}` already has slot `{}` at {}",
                    slot.agent, earlier.name, slot.provider
                );
                problems.push(Problem {
                    line: None,
                    place,
                    problem,
                });
            }
        }
    }
    problems
}

fn share_a_home(one: &PlannedSlot, other: &PlannedSlot) -> bool {
    let home = |slot: &PlannedSlot| slot.provider.home(&slot.entry.account, &slot.entry.scope);
    one.provider == other.provider && home(one).is_some_and(|place| home(other) == Some(place))
}
