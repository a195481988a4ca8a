//! What is wrong with keys, slots, and what guards them: one table of rules, from facts to findings.
//!
//! A rule judges what was read. What was not read gives no finding and counts as well nowhere: [`Coverage`] says what that
//! was, and a finding of before whose sources were not read is neither open nor fixed.
//!
//! [`Coverage`]: crate::model::audit::Coverage

pub mod catalogue;
mod exposure;
pub mod facts;
mod guards;
mod keys;
pub mod life;
mod owners;
mod secret_policy;
mod spend;
mod table;

#[cfg(test)]
mod tests;

use jiff::Timestamp;

use crate::model::alert::Command;
use crate::model::audit::Source;
use crate::model::finding::{About, Finding, FindingId, Gravity, Owasp, RuleId, ShownHandle};
use crate::model::names::{AccountName, Principal, SecretArn, SlotName};
use crate::model::slot::CredentialKind;
use crate::model::text::{AlertText, OutsideText};
use facts::{
    BreakGlassFacts, CredentialFacts, FleetFacts, GuardFacts, KeyFacts, PoolFacts, ReaderFacts,
    RowFacts, SharedFacts, SlotFacts, UserFacts, VariableFacts,
};
pub(crate) use keys::{IDLE_AFTER, may_be_idle};
pub use table::RULES;

/// One rule.
pub struct Rule {
    /// Its stable name.
    pub id: RuleId,
    /// How bad it is.
    pub gravity: Gravity,
    /// What is wrong, in a few words.
    pub title: &'static str,
    /// Why that matters.
    pub why: &'static str,
    /// How it is mended.
    pub mend: &'static str,
    /// The command for that.
    pub command: Mend,
    /// The risks of others' lists that it is one of.
    pub owasp: &'static [Owasp],
    /// What has to be read to tell.
    needs: &'static [Need],
    check: Check,
}

/// The command that mends a finding, or that shows how far it is mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mend {
    /// `keyward <words> <slot> <options>`
    Slot(&'static str, &'static str),
    /// `keyward <words> <provider account> <options>`
    Account(&'static str, &'static str),
    /// `keyward <words>`
    General(&'static str),
    /// `keyward <words> <canary> <options>`; where no slot is one, `keyward <the last>`
    Canary(&'static str, &'static str, &'static str),
    /// A person mends it where it is.
    Person,
}

/// What a rule needs to be read. Of a slot or an account, what is its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Inventory,
    Secrets,
    Policies,
    Keys,
    Usage,
    Alarms,
    Pool,
    Credential,
    Iam,
    Functions,
    People,
}

/// What a rule looks at.
enum Check {
    Slot(fn(&SlotFacts<'_>) -> Vec<Fault>),
    Key(fn(&KeyFacts<'_>) -> Vec<Fault>),
    Row(fn(&RowFacts<'_>) -> Vec<Fault>),
    Shared(fn(&SharedFacts<'_>) -> Vec<Fault>),
    Reader(fn(&ReaderFacts<'_>) -> Vec<Fault>),
    Variable(fn(&VariableFacts<'_>) -> Vec<Fault>),
    User(fn(&UserFacts<'_>) -> Vec<Fault>),
    Guard(fn(&GuardFacts<'_>) -> Vec<Fault>),
    Pool(fn(&PoolFacts<'_>) -> Vec<Fault>),
    Credential(fn(&CredentialFacts<'_>) -> Vec<Fault>),
    BreakGlass(fn(&BreakGlassFacts<'_>) -> Vec<Fault>),
    Fleet(fn(&FleetFacts<'_>) -> Vec<Fault>),
}

/// What a rule says of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    /// Which part of it: the same from audit to audit.
    part: String,
    evidence: String,
    since: Option<Timestamp>,
}

impl Fault {
    fn of(part: impl Into<String>, evidence: String, since: Option<Timestamp>) -> Self {
        let part = part.into();
        Self {
            part,
            evidence,
            since,
        }
    }

    /// One about the whole, or none.
    fn when(is_so: bool, fault: impl FnOnce() -> (String, Option<Timestamp>)) -> Vec<Self> {
        if !is_so {
            return Vec::new();
        }
        let (evidence, since) = fault();
        vec![Self::of("", evidence, since)]
    }
}

/// Whom a finding concerns.
struct Concerns<'a> {
    about: About,
    slot: Option<&'a SlotName>,
    owner: Option<&'a Principal>,
    account: Option<&'a AccountName>,
    /// Another slot whose items have to be read to tell.
    beside: Option<&'a SlotName>,
    /// The slot that a drill cuts off.
    canary: Option<&'a SlotName>,
}

/// The rule of this name; `None` if this release has none.
pub fn rule(id: &RuleId) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id == *id)
}

/// All that is wrong with a slot.
pub fn of_slot(facts: &SlotFacts<'_>) -> Vec<Finding> {
    let concerns = Concerns {
        slot: Some(&facts.slot.name),
        owner: Some(&facts.slot.owner),
        account: Some(&facts.slot.account),
        ..Concerns::of(About::Slot(facts.slot.name.clone()))
    };
    judge(&concerns, |check| match check {
        Check::Slot(check) => Some(check(facts)),
        _ => None,
    })
}

/// What is wrong with a key of a provider's list that no slot and no pool has.
pub fn of_key(facts: &KeyFacts<'_>) -> Vec<Finding> {
    let about = About::Key(facts.account.clone(), ShownHandle::new(facts.handle));
    let concerns = Concerns {
        account: Some(facts.account),
        ..Concerns::of(about)
    };
    judge(&concerns, |check| match check {
        Check::Key(check) => Some(check(facts)),
        _ => None,
    })
}

/// What is wrong with an item of the inventory that cannot be read.
pub fn of_row(facts: &RowFacts<'_>) -> Vec<Finding> {
    let concerns = Concerns {
        slot: facts.slot,
        ..Concerns::of(About::Row(facts.key.clone()))
    };
    judge(&concerns, |check| match check {
        Check::Row(check) => Some(check(facts)),
        _ => None,
    })
}

/// What is wrong with two slots that have the same thing.
pub fn of_shared(facts: &SharedFacts<'_>) -> Vec<Finding> {
    let concerns = Concerns {
        slot: Some(facts.second),
        beside: Some(facts.first),
        ..Concerns::of(About::Slot(facts.second.clone()))
    };
    judge(&concerns, |check| match check {
        Check::Shared(check) => Some(check(facts)),
        _ => None,
    })
}

/// What is wrong with somebody who may read secrets.
pub fn of_reader(facts: &ReaderFacts<'_>) -> Vec<Finding> {
    let about = About::Reader(OutsideText::new(facts.reader.as_str()));
    judge(&Concerns::of(about), |check| match check {
        Check::Reader(check) => Some(check(facts)),
        _ => None,
    })
}

/// What is wrong with a variable of a function.
pub fn of_variable(facts: &VariableFacts<'_>) -> Vec<Finding> {
    let concerns = Concerns {
        slot: facts.slot,
        ..Concerns::of(About::Function(facts.function.clone()))
    };
    judge(&concerns, |check| match check {
        Check::Variable(check) => Some(check(facts)),
        _ => None,
    })
}

/// What is wrong with a user of IAM.
pub fn of_user(facts: &UserFacts<'_>) -> Vec<Finding> {
    let concerns = Concerns::of(About::User(facts.user.clone()));
    judge(&concerns, |check| match check {
        Check::User(check) => Some(check(facts)),
        _ => None,
    })
}

/// What is wrong with an alarm that guards slots, beside those that Keyward makes.
pub fn of_guard(facts: &GuardFacts<'_>) -> Vec<Finding> {
    let about = About::Alarm(OutsideText::new(&facts.alarm.arn.to_string()));
    judge(&Concerns::of(about), |check| match check {
        Check::Guard(check) => Some(check(facts)),
        _ => None,
    })
}

/// What is wrong with a standby pool.
pub fn of_pool(facts: &PoolFacts<'_>) -> Vec<Finding> {
    let concerns = Concerns {
        account: Some(facts.account),
        ..Concerns::of(About::Account(facts.account.clone()))
    };
    judge(&concerns, |check| match check {
        Check::Pool(check) => Some(check(facts)),
        _ => None,
    })
}

/// What is wrong with a provider account's admin credential.
pub fn of_credential(facts: &CredentialFacts<'_>) -> Vec<Finding> {
    let concerns = Concerns {
        account: Some(facts.account),
        ..Concerns::of(About::Account(facts.account.clone()))
    };
    judge(&concerns, |check| match check {
        Check::Credential(check) => Some(check(facts)),
        _ => None,
    })
}

/// What is wrong with a provider account's break-glass credential.
pub fn of_break_glass(facts: &BreakGlassFacts<'_>) -> Vec<Finding> {
    let concerns = Concerns {
        account: Some(facts.account),
        ..Concerns::of(About::Account(facts.account.clone()))
    };
    judge(&concerns, |check| match check {
        Check::BreakGlass(check) => Some(check(facts)),
        _ => None,
    })
}

/// Whom a secret's resource policy lets read it, in words; empty without one, or where it lets nobody beside IAM.
pub fn who_else_reads(policy: Option<&str>, secret: &SecretArn) -> Vec<String> {
    exposure::who_else_reads(policy, secret)
}

/// What is wrong with the deployment as a whole.
pub fn of_fleet(facts: &FleetFacts<'_>) -> Vec<Finding> {
    let concerns = Concerns {
        canary: guards::canary(facts),
        ..Concerns::of(About::Deployment)
    };
    judge(&concerns, |check| match check {
        Check::Fleet(check) => Some(check(facts)),
        _ => None,
    })
}

fn judge(
    concerns: &Concerns<'_>,
    mut check: impl FnMut(&Check) -> Option<Vec<Fault>>,
) -> Vec<Finding> {
    let mut found = Vec::new();
    for rule in &RULES {
        let faults = check(&rule.check).unwrap_or_default().into_iter();
        found.extend(faults.map(|fault| rule.finding(concerns, &fault)));
    }
    found
}

impl Concerns<'_> {
    const fn of(about: About) -> Self {
        Self {
            about,
            slot: None,
            owner: None,
            account: None,
            beside: None,
            canary: None,
        }
    }
}

impl Rule {
    fn finding(&self, concerns: &Concerns<'_>, fault: &Fault) -> Finding {
        Finding {
            id: FindingId::new(&self.id, &concerns.about, &fault.part),
            rule: self.id.clone(),
            gravity: self.gravity,
            about: concerns.about.clone(),
            slot: concerns.slot.cloned(),
            owner: concerns.owner.cloned(),
            evidence: AlertText::new(&fault.evidence),
            since: fault.since,
            command: self.command.of(concerns),
            sources: self.sources(concerns),
        }
    }

    fn sources(&self, concerns: &Concerns<'_>) -> Vec<Source> {
        let own = |source: fn(AccountName) -> Source| concerns.account.cloned().map(source);
        let sources = self.needs.iter().filter_map(|need| match need {
            Need::Inventory => Some(Source::Inventory),
            Need::Secrets => Some(Source::Secrets),
            Need::Policies => Some(Source::Policies),
            Need::Keys => own(Source::Keys),
            Need::Usage => own(Source::Usage),
            Need::Alarms => Some(Source::Alarms),
            Need::Pool => own(Source::Pool),
            Need::Credential => own(Source::Credential),
            Need::Iam => Some(Source::Iam),
            Need::Functions => Some(Source::Functions),
            Need::People => Some(Source::People),
        });
        let beside = concerns.beside.cloned().map(Source::Slot);
        sources.chain(beside).collect()
    }
}

impl Mend {
    fn of(self, concerns: &Concerns<'_>) -> Option<Command> {
        let Concerns { slot, account, .. } = *concerns;
        match self {
            Self::Slot(words, "") => Some(Command::about(words, slot?)),
            Self::Slot(words, options) => Some(Command::about(words, slot?).with(options)),
            Self::Account(words, "") => Some(Command::of_account(words, account?)),
            Self::Account(words, options) => {
                Some(Command::of_account(words, account?).with(options))
            }
            Self::General(words) => Some(Command::general(words)),
            Self::Canary(words, options, without) => Some(match concerns.canary {
                Some(canary) => Command::about(words, canary).with(options),
                None => Command::general(without),
            }),
            Self::Person => None,
        }
    }
}

/// Whether an account's slots draw from a standby pool, so that the pool's keys are no strangers.
pub const fn draws(kind: CredentialKind) -> bool {
    matches!(kind, CredentialKind::Pool)
}
