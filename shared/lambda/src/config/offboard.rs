//! What offboarding is configured by, beside what every function is.

use std::collections::BTreeSet;

use keyward_core::model::names::StackName;
use keyward_core::rules::kill::Deployment;
use keyward_core::usecases::secret_changed::Own;
use keyward_providers::config::Credential;

use super::audit::{REPORTS, REPORTS_RULE, is_bucket};
use super::control::KillSwitchOf;
use super::monitor::{KILL_SWITCH, KILL_SWITCH_RULE, is_function_arn};
use super::{Config, ConfigError, Reader};

const SOURCES: &str = "KEYWARD_OFFBOARD_SOURCES";
const ACCOUNTS: &str = "KEYWARD_OFFBOARD_ACCOUNTS";
const OWN_ROLES: &str = "KEYWARD_OWN_ROLES";
const DAYS: &str = "KEYWARD_SECRET_RECOVERY_DAYS";

/// The source of events that is taken if none is set.
const SOURCE: &str = "keyward.offboard";

/// Everything that a deployment sets for offboarding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffboardConfig {
    /// What every function has.
    pub common: Config,
    /// `KEYWARD_STACK`, `KEYWARD_ALARM_TOPIC_ARN` and `KEYWARD_ALARM_MAP`, as the kill switch has them.
    pub deployment: Deployment,
    /// `KEYWARD_KILL_SWITCH_ARN`: the function that cuts slots off.
    pub kill_switch: KillSwitchOf,
    /// `KEYWARD_REPORTS`: the bucket that evidence is kept in.
    pub reports: String,
    /// `KEYWARD_OFFBOARD_SOURCES` and `KEYWARD_OFFBOARD_ACCOUNTS`: whose events are taken.
    pub senders: Senders,
    /// `KEYWARD_OWN_ROLES`: the roles of the deployment's functions, as ARNs with commas between; none if not set, and then
    /// what they change is taken for somebody else's. With the secrets of the provider accounts.
    pub own: Own,
    /// `KEYWARD_SECRET_RECOVERY_DAYS`: for how many days a deleted secret can be brought back, 7 to 30; 30 if not set.
    pub recovery_days: u16,
}

/// Whose events are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Senders {
    /// The deployment whose orders are taken.
    pub stack: StackName,
    /// The deployment's own account.
    pub account: String,
    /// Sources of events; `keyward.offboard` if none is set.
    pub sources: BTreeSet<String>,
    /// Accounts that events may come from: the deployment's own, and those that are set.
    pub accounts: BTreeSet<String>,
}

impl OffboardConfig {
    /// Reads the configuration through `lookup`, which finds a variable by its name.
    ///
    /// # Errors
    /// [`ConfigError`] with all problems together.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut reader = Reader {
            lookup,
            problems: Vec::new(),
        };
        // What writes at a provider, the kill switch does; nothing is read there.
        let common = reader.common(Credential::Read);
        let deployment = reader.deployment();
        let function = reader.required(KILL_SWITCH, KILL_SWITCH_RULE, is_function_arn);
        let reports = reader.required(REPORTS, REPORTS_RULE, is_bucket);
        let mut sources = reader.words(SOURCES, "sources of events", is_source);
        if sources.is_empty() {
            sources.insert(SOURCE.to_owned());
        }
        let mut accounts = reader.words(ACCOUNTS, "ids of accounts, 12 digits each", is_account);
        let roles = reader.words(OWN_ROLES, "ARNs of roles", is_role);
        let recovery_days = reader.number(DAYS, 7..=30, 30);
        match deployment {
            Some(deployment) if reader.problems.is_empty() => {
                let account = deployment.account.clone();
                accounts.insert(account.clone());
                let own = Own {
                    roles: roles.into_iter().collect(),
                    secrets: common.accounts.own_secrets(),
                };
                let stack = deployment.stack.clone();
                Ok(Self {
                    common,
                    deployment,
                    kill_switch: KillSwitchOf {
                        stack: stack.clone(),
                        function,
                    },
                    reports,
                    senders: Senders {
                        stack,
                        account,
                        sources,
                        accounts,
                    },
                    own,
                    recovery_days: u16::try_from(recovery_days).unwrap_or(30),
                })
            }
            _ => Err(ConfigError(reader.problems)),
        }
    }
}

impl<L: Fn(&str) -> Option<String>> Reader<L> {
    /// Words with commas between; none if it is not set.
    fn words(
        &mut self,
        variable: &'static str,
        what: &str,
        is_valid: fn(&str) -> bool,
    ) -> BTreeSet<String> {
        let text = self.text(variable).unwrap_or_default();
        let words = text
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty());
        let words: BTreeSet<String> = words.map(str::to_owned).collect();
        if !words.iter().all(|word| is_valid(word)) {
            self.problem(variable, format!("must be {what}, with commas between"));
        }
        words
    }
}

/// What AWS's own services send begins with `aws.`, and is nobody's word that somebody has left:
/// <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsRequestEntry.html>.
fn is_source(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/');
    (1..=256).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with("aws.")
}

fn is_role(text: &str) -> bool {
    let mut parts = text.split(':');
    parts.next() == Some("arn") && parts.nth(1) == Some("iam") && parts.count() >= 3
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::super::testing::lookup;
    use super::*;

    const KILL_SWITCH_ARN: &str =
        "arn:aws:lambda:eu-central-1:111122223333:function:prod-kill-switch";

    fn with(set: &[(&str, &str)]) -> Result<OffboardConfig, ConfigError> {
        OffboardConfig::from_lookup(lookup(
            set,
            &[
                (KILL_SWITCH, KILL_SWITCH_ARN),
                (REPORTS, "prod-reports-1a2b"),
            ],
        ))
    }

    #[test]
    fn it_takes_its_own_accounts_events_and_reads_no_credential_that_writes() {
        let config = with(&[]).unwrap();
        assert_eq!(config.common.credential, Credential::Read);
        assert_eq!(config.recovery_days, 30);
        let only = |text: &str| BTreeSet::from([text.to_owned()]);
        assert_eq!(config.senders.sources, only(SOURCE));
        assert_eq!(config.senders.accounts, only("111122223333"));
        let more = [
            (ACCOUNTS, "444455556666, 777788889999"),
            (SOURCES, "corp.hr,corp.it"),
            (DAYS, "7"),
            (
                OWN_ROLES,
                "arn:aws:iam::111122223333:role/prod-retire, arn:aws:iam::111122223333:role/prod-rotate",
            ),
        ];
        let config = with(&more).unwrap();
        assert_eq!(config.senders.accounts.len(), 3);
        assert_eq!(config.senders.sources.len(), 2);
        assert_eq!(config.recovery_days, 7);
        assert_eq!(config.own.roles.len(), 2);
    }

    #[test]
    fn what_cannot_be_one_is_refused() {
        for (variable, value) in [
            (ACCOUNTS, "*"),
            (ACCOUNTS, "444455556666,1"),
            (SOURCES, "aws.signin"),
            (SOURCES, "corp hr"),
            (OWN_ROLES, "prod-retire"),
            (DAYS, "0"),
            (DAYS, "31"),
            (REPORTS, ""),
            (KILL_SWITCH, "kill-switch"),
        ] {
            let refused = with(&[(variable, value)]).unwrap_err();
            let variables: Vec<&str> = refused.0.iter().map(|p| p.variable).collect();
            assert_eq!(variables, [variable], "{value}");
        }
    }
}
