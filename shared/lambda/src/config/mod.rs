//! The deployment's configuration.
//!
//! Messages about it name the variable and what it may be, never what it is: a key can be pasted into any of them.

mod audit;
mod control;
mod kill;
mod monitor;
mod offboard;

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use keyward_aws::{Release, SecretRoles, SecretRolesError};
use keyward_core::rules::consent::Second;
use keyward_core::rules::revoke::ConfirmPolicy;
use keyward_providers::config::{Credential, ProviderAccounts};
use tracing::Level;

use crate::http::HttpSettings;

pub use audit::{AuditConfig, SendTo};
pub use control::{ControlConfig, KillSwitchOf, OffboardOf};
pub use kill::{KillConfig, deployment_from};
pub use monitor::MonitorConfig;
pub use offboard::{OffboardConfig, Senders};

/// A variable of this process's environment. Text that is not Unicode comes with replacement characters, which no
/// variable of Keyward's accepts.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the environment is read; only a main hands it on"
)]
pub fn environment(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// Everything that a deployment sets. An empty variable counts as one that is not set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `KEYWARD_TABLE`: the inventory's table.
    pub table: String,
    /// `KEYWARD_ALERT_TOPIC_ARN`: where alerts go.
    pub alert_topic_arn: String,
    /// `KEYWARD_RUNBOOK_URL`: the https address of the page that alerts refer to; the runbook of the release if not set.
    pub runbook: String,
    /// `KEYWARD_ACCOUNTS`: the provider accounts.
    pub accounts: ProviderAccounts,
    /// `KEYWARD_SECRET_ROLES`: as JSON from an account's id to a role in it, by which its secrets are read and written; none
    /// if not set.
    pub secret_roles: SecretRoles,
    /// What they are opened by. `rotate`, `retire` and the kill switch write at providers, so always by the admin
    /// credential; the others by what `KEYWARD_CREDENTIAL` says, `read` or `admin`: `read` if not set.
    pub credential: Credential,
    /// `KEYWARD_LOG`: `error`, `warn`, `info`, `debug` or `trace`; `info` if not set.
    pub log: Level,
    /// What confirms a revocation: `KEYWARD_CONFIRM_REFUSALS` (in a row, 3 to 20; 3 if not set) and
    /// `KEYWARD_CONFIRM_OVER_SECONDS` (from the first to the last of them, 0 to 3600 s; 120 s if not set).
    pub confirm: ConfirmPolicy,
    /// What HTTP clients are built from.
    pub http: HttpSettings,
    /// `KEYWARD_SCHEMA`: the schema that items of the inventory are written in, this release's or the one before; this
    /// release's if not set. As long as it is the one before, the release before can take over again.
    pub release: Release,
    /// `KEYWARD_RESTORE_NEEDS_SECOND`: `true` or `false`; `false` if not set. Whether a restore waits for a second person.
    pub restore_second: Second,
    /// `KEYWARD_ENFORCE_NEEDS_SECOND`: `true` or `false`; `false` if not set. Whether another mode of a slot waits for a second
    /// person.
    pub enforce_second: Second,
}

/// One thing that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} {problem}")]
pub struct Problem {
    /// The variable.
    pub variable: &'static str,
    /// What is wrong with it, and what it may be.
    pub problem: String,
}

/// Everything that is wrong with the configuration, in one go. A person must mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the configuration is refused: {}", list(.0))]
pub struct ConfigError(pub Vec<Problem>);

fn list(problems: &[Problem]) -> String {
    let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
    all.join("; ")
}

impl Config {
    /// Reads the configuration through `lookup`, which finds a variable by its name.
    ///
    /// # Errors
    /// [`ConfigError`] with all problems together.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut reader = Reader {
            lookup,
            problems: Vec::new(),
        };
        let config = reader.common(Credential::Admin);
        if reader.problems.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError(reader.problems))
        }
    }
}

/// Reads variables and collects what is wrong with them. What a variable with a problem stands for is never used.
struct Reader<L> {
    lookup: L,
    problems: Vec<Problem>,
}

impl<L: Fn(&str) -> Option<String>> Reader<L> {
    /// What every function has, of one that opens accounts by `credential`.
    fn common(&mut self, credential: Credential) -> Config {
        Config {
            credential,
            table: self.required("KEYWARD_TABLE", TABLE_RULE, is_table),
            alert_topic_arn: self.required("KEYWARD_ALERT_TOPIC_ARN", TOPIC_RULE, is_topic_arn),
            runbook: self.page("KEYWARD_RUNBOOK_URL", RUNBOOK),
            accounts: self.accounts("KEYWARD_ACCOUNTS"),
            secret_roles: self.secret_roles("KEYWARD_SECRET_ROLES"),
            log: self.level("KEYWARD_LOG", Level::INFO),
            confirm: ConfirmPolicy {
                refusals: self.number("KEYWARD_CONFIRM_REFUSALS", 3..=20, 3),
                over: SignedDuration::from_secs(
                    self.number("KEYWARD_CONFIRM_OVER_SECONDS", 0..=3600, 120)
                        .into(),
                ),
            },
            http: HttpSettings {
                extra_roots: self.path("KEYWARD_EXTRA_ROOTS"),
                timeout: Duration::from_secs(
                    self.number("KEYWARD_PROVIDER_TIMEOUT_SECONDS", 1..=60, 10)
                        .into(),
                ),
            },
            release: self.release("KEYWARD_SCHEMA"),
            restore_second: self.second("KEYWARD_RESTORE_NEEDS_SECOND"),
            enforce_second: self.second("KEYWARD_ENFORCE_NEEDS_SECOND"),
        }
    }

    fn text(&self, variable: &'static str) -> Option<String> {
        (self.lookup)(variable).filter(|value| !value.is_empty())
    }

    fn problem(&mut self, variable: &'static str, problem: String) {
        self.problems.push(Problem { variable, problem });
    }

    fn required(
        &mut self,
        variable: &'static str,
        rule: &str,
        is_valid: fn(&str) -> bool,
    ) -> String {
        let value = self.text(variable);
        match &value {
            None => self.problem(variable, format!("is not set: {rule}")),
            Some(text) if !is_valid(text) => self.problem(variable, format!("must be {rule}")),
            Some(_) => {}
        }
        value.unwrap_or_default()
    }

    fn number(
        &mut self,
        variable: &'static str,
        allowed: RangeInclusive<u32>,
        default: u32,
    ) -> u32 {
        let Some(text) = self.text(variable) else {
            return default;
        };
        let digits_only = text.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(number) if digits_only && allowed.contains(&number) => number,
            _ => {
                let (least, most) = allowed.into_inner();
                self.problem(variable, format!("must be a number from {least} to {most}"));
                default
            }
        }
    }

    fn accounts(&mut self, variable: &'static str) -> ProviderAccounts {
        let text = self.required(variable, ACCOUNTS_RULE, is_object);
        if self.problems.last().is_some_and(|p| p.variable == variable) {
            return ProviderAccounts::default();
        }
        match ProviderAccounts::from_json(&text) {
            Ok(accounts) => accounts,
            Err(refused) => {
                for problem in refused.0 {
                    self.problem(variable, format!("is refused: {problem}"));
                }
                ProviderAccounts::default()
            }
        }
    }

    /// Which credential a function opens accounts by that can do without the one that writes.
    fn credential(&mut self) -> Credential {
        match self.text(CREDENTIAL).as_deref() {
            None | Some("read") => Credential::Read,
            Some("admin") => Credential::Admin,
            Some(_) => {
                self.problem(CREDENTIAL, "must be read or admin".to_owned());
                Credential::Read
            }
        }
    }

    fn level(&mut self, variable: &'static str, default: Level) -> Level {
        match self.text(variable).as_deref() {
            None => default,
            Some("error") => Level::ERROR,
            Some("warn") => Level::WARN,
            Some("info") => Level::INFO,
            Some("debug") => Level::DEBUG,
            Some("trace") => Level::TRACE,
            Some(_) => {
                self.problem(
                    variable,
                    "must be error, warn, info, debug or trace".to_owned(),
                );
                default
            }
        }
    }

    fn release(&mut self, variable: &'static str) -> Release {
        let release = Release::THIS;
        let Some(text) = self.text(variable) else {
            return release;
        };
        let schema = text
            .bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| text.parse());
        let writing = schema
            .and_then(Result::ok)
            .and_then(|schema| release.writing(schema));
        writing.unwrap_or_else(|| {
            let rule = format!(
                "must be a schema that this release writes: {}",
                release.schemas()
            );
            self.problem(variable, rule);
            release
        })
    }

    fn second(&mut self, variable: &'static str) -> Second {
        match self.text(variable).as_deref() {
            None | Some("false") => Second::NotNeeded,
            Some("true") => Second::Needed,
            Some(_) => {
                self.problem(variable, "must be true or false".to_owned());
                Second::Needed
            }
        }
    }

    fn secret_roles(&mut self, variable: &'static str) -> SecretRoles {
        let Some(text) = self.text(variable) else {
            return SecretRoles::default();
        };
        text.parse().unwrap_or_else(|error: SecretRolesError| {
            self.problem(variable, error.to_string());
            SecretRoles::default()
        })
    }

    fn page(&mut self, variable: &'static str, default: &str) -> String {
        match self.text(variable) {
            None => default.to_owned(),
            Some(text) if is_page(&text) => text,
            Some(_) => {
                let rule =
                    "must be an https address of at most 200 characters, without # and spaces";
                self.problem(variable, rule.to_owned());
                default.to_owned()
            }
        }
    }

    fn path(&mut self, variable: &'static str) -> Option<PathBuf> {
        let path = PathBuf::from(self.text(variable)?);
        if !path.is_absolute() {
            self.problem(variable, "must be an absolute path".to_owned());
        }
        Some(path)
    }
}

/// Where the runbook stands in the release.
const RUNBOOK: &str = "infra/RUNBOOK.md";
const CREDENTIAL: &str = "KEYWARD_CREDENTIAL";

const TABLE_RULE: &str = "the inventory's table, 3 to 255 of A-Z a-z 0-9 _ - .";
const TOPIC_RULE: &str =
    "the ARN of an SNS topic, arn:aws:sns:<region>:<account of 12 digits>:<name>";
const ACCOUNTS_RULE: &str = "a JSON object of provider accounts";

/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html>
fn is_table(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    (3..=255).contains(&text.len()) && text.bytes().all(allowed)
}

/// Short enough for an alert to hold it with the name of a section.
fn is_page(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_graphic() && !matches!(b, b'#' | b'<' | b'>' | b'"');
    text.starts_with("https://") && text.len() <= 200 && text.bytes().all(allowed)
}

/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsns.html>
fn is_topic_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    let [arn, partition, service, region, account, name] = parts[..] else {
        return false;
    };
    let word = |text: &str| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        !text.is_empty() && text.len() <= 256 && text.bytes().all(allowed)
    };
    arn == "arn"
        && partition.starts_with("aws")
        && service == "sns"
        && account.len() == 12
        && account.bytes().all(|b| b.is_ascii_digit())
        && [partition, region, name].into_iter().all(word)
}

fn is_object(text: &str) -> bool {
    serde_json::from_str(text).is_ok_and(|value: serde_json::Value| value.is_object())
}

#[cfg(test)]
mod testing {
    /// What every function of a stack is told.
    const STACK: [(&str, &str); 5] = [
        ("KEYWARD_TABLE", "keyward"),
        (
            "KEYWARD_ALERT_TOPIC_ARN",
            "arn:aws:sns:eu-central-1:111122223333:keyward-alerts",
        ),
        ("KEYWARD_ACCOUNTS", "{}"),
        ("KEYWARD_STACK", "prod"),
        (
            "KEYWARD_ALARM_TOPIC_ARN",
            "arn:aws:sns:eu-central-1:111122223333:keyward-alarms",
        ),
    ];

    /// Finds a variable in `set`, else in what the function is told of its own, else in what all of a stack are.
    pub(super) fn lookup(
        set: &[(&str, &str)],
        own: &[(&str, &str)],
    ) -> impl Fn(&str) -> Option<String> {
        let all = [set, own, &STACK[..]].concat();
        let all = all.into_iter();
        let all: Vec<(String, String)> = all.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        move |name| {
            let mut found = all.iter().filter(|(variable, _)| variable == name);
            found.next().map(|(_, value)| value.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A lookup that finds what must be set and nothing else.
    fn complete(name: &str) -> Option<String> {
        let value = match name {
            "KEYWARD_TABLE" => "keyward",
            "KEYWARD_ALERT_TOPIC_ARN" => "arn:aws:sns:eu-central-1:111122223333:keyward-alerts",
            "KEYWARD_ACCOUNTS" => "{}",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn with(set: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from_lookup(|name| {
            set.iter()
                .find(|(variable, _)| *variable == name)
                .map_or_else(|| complete(name), |(_, value)| Some((*value).to_owned()))
        })
    }

    #[test]
    fn what_is_not_set_has_its_default() {
        let config = with(&[]).unwrap();
        assert_eq!(config.log, Level::INFO);
        assert_eq!(config.confirm.refusals, 3);
        assert_eq!(config.confirm.over, SignedDuration::from_secs(120));
        assert_eq!(config.http.timeout, Duration::from_secs(10));
        assert_eq!(config.http.extra_roots, None);
        assert_eq!(config.restore_second, Second::NotNeeded);
        assert_eq!(config.enforce_second, Second::NotNeeded);
        assert_eq!(with(&[("KEYWARD_EXTRA_ROOTS", "")]).unwrap(), config);
    }

    #[test]
    fn what_is_set_is_taken() {
        let config = with(&[
            ("KEYWARD_LOG", "debug"),
            ("KEYWARD_CONFIRM_REFUSALS", "5"),
            ("KEYWARD_CONFIRM_OVER_SECONDS", "0"),
            ("KEYWARD_PROVIDER_TIMEOUT_SECONDS", "30"),
            ("KEYWARD_EXTRA_ROOTS", "/opt/roots.pem"),
            ("KEYWARD_RESTORE_NEEDS_SECOND", "true"),
            ("KEYWARD_SCHEMA", "1"),
            ("KEYWARD_RUNBOOK_URL", "https://example.com/runbook"),
            ("KEYWARD_ENFORCE_NEEDS_SECOND", "true"),
        ])
        .unwrap();
        assert_eq!(config.table, "keyward");
        assert_eq!(
            config.alert_topic_arn,
            "arn:aws:sns:eu-central-1:111122223333:keyward-alerts"
        );
        assert_eq!(config.accounts, ProviderAccounts::default());
        assert_eq!(config.log, Level::DEBUG);
        assert_eq!(config.confirm.refusals, 5);
        assert_eq!(config.confirm.over, SignedDuration::ZERO);
        assert_eq!(config.http.timeout, Duration::from_secs(30));
        assert_eq!(config.http.extra_roots, Some("/opt/roots.pem".into()));
        assert_eq!(config.restore_second, Second::Needed);
        assert_eq!(config.runbook, "https://example.com/runbook");
        assert_eq!(config.enforce_second, Second::Needed);
    }

    #[test]
    fn each_bad_value_is_refused_by_the_name_of_its_variable() {
        let topic = "KEYWARD_ALERT_TOPIC_ARN";
        for (variable, value) in [
            ("KEYWARD_TABLE", ""),
            ("KEYWARD_TABLE", "ab"),
            ("KEYWARD_TABLE", "key ward"),
            (topic, "keyward-alerts"),
            (topic, "arn:aws:sqs:eu-central-1:111122223333:keyward"),
            (topic, "arn:aws:sns:eu-central-1:1111:keyward"),
            (topic, "arn:aws:sns:eu-central-1:111122223333:"),
            (topic, "arn:aws:sns:eu-central-1:111122223333:keyward:sub"),
            ("KEYWARD_ACCOUNTS", "openrouter"),
            ("KEYWARD_ACCOUNTS", "[]"),
            ("KEYWARD_ACCOUNTS", r#"{"Main": {}}"#),
            ("KEYWARD_LOG", "INFO"),
            ("KEYWARD_LOG", "hyper=trace"),
            ("KEYWARD_CONFIRM_REFUSALS", "2"),
            ("KEYWARD_CONFIRM_REFUSALS", "21"),
            ("KEYWARD_CONFIRM_REFUSALS", "+3"),
            ("KEYWARD_CONFIRM_REFUSALS", "three"),
            ("KEYWARD_CONFIRM_OVER_SECONDS", "-1"),
            ("KEYWARD_CONFIRM_OVER_SECONDS", "3601"),
            ("KEYWARD_PROVIDER_TIMEOUT_SECONDS", "0"),
            ("KEYWARD_PROVIDER_TIMEOUT_SECONDS", "4294967306"),
            ("KEYWARD_EXTRA_ROOTS", "roots.pem"),
            ("KEYWARD_RESTORE_NEEDS_SECOND", "yes"),
            (
                "KEYWARD_SECRET_ROLES",
                "arn:aws:iam::444455556666:role/secrets",
            ),
            ("KEYWARD_RUNBOOK_URL", "http://example.com/runbook"),
            ("KEYWARD_RUNBOOK_URL", "https://example.com/run book"),
            ("KEYWARD_RUNBOOK_URL", "https://example.com/#runbook"),
            ("KEYWARD_SCHEMA", "0"),
            ("KEYWARD_SCHEMA", "2"),
            ("KEYWARD_SCHEMA", "+1"),
            ("KEYWARD_ENFORCE_NEEDS_SECOND", "no"),
        ] {
            let refused = with(&[(variable, value)]).unwrap_err();
            assert_eq!(refused.0.len(), 1, "{variable}={value}: {refused}");
            assert_eq!(refused.0[0].variable, variable, "{value}");
        }
    }

    #[test]
    fn all_problems_come_together_and_quote_no_value() {
        let refused = Config::from_lookup(|name| match name {
            "KEYWARD_TABLE" => None,
            _ => Some("sk-EXAMPLE".to_owned()),
        })
        .unwrap_err();
        let variables: Vec<&str> = refused.0.iter().map(|p| p.variable).collect();
        assert_eq!(
            variables,
            [
                "KEYWARD_TABLE",
                "KEYWARD_ALERT_TOPIC_ARN",
                "KEYWARD_RUNBOOK_URL",
                "KEYWARD_ACCOUNTS",
                "KEYWARD_SECRET_ROLES",
                "KEYWARD_LOG",
                "KEYWARD_CONFIRM_REFUSALS",
                "KEYWARD_CONFIRM_OVER_SECONDS",
                "KEYWARD_EXTRA_ROOTS",
                "KEYWARD_PROVIDER_TIMEOUT_SECONDS",
                "KEYWARD_SCHEMA",
                "KEYWARD_RESTORE_NEEDS_SECOND",
                "KEYWARD_ENFORCE_NEEDS_SECOND",
            ]
        );
        let printed = format!("{refused} {refused:?}");
        assert!(!printed.contains("EXAMPLE"), "{printed}");
        assert!(printed.contains("KEYWARD_TABLE is not set"), "{printed}");
        assert!(!printed.contains('\n'), "{printed}");
    }

    #[test]
    fn every_problem_of_the_accounts_is_one_of_the_configuration() {
        let accounts =
            r#"{"a": "sk-EXAMPLE", "b": {"provider": "openrouter", "admin_secret": "sk-EXAMPLE"}}"#;
        let set = [("KEYWARD_ACCOUNTS", accounts), ("KEYWARD_LOG", "loud")];
        let refused = with(&set).unwrap_err();
        let variables: Vec<&str> = refused.0.iter().map(|p| p.variable).collect();
        assert_eq!(
            variables,
            ["KEYWARD_ACCOUNTS", "KEYWARD_ACCOUNTS", "KEYWARD_LOG"]
        );
        assert!(!refused.to_string().contains("EXAMPLE"), "{refused}");
    }
}
