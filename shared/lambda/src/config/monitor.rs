//! What the monitor is configured by, beside what every function is.

use jiff::SignedDuration;
use keyward_core::rules::kill::Deployment;
use keyward_core::usecases::monitor::{MonitorSettings, PullSettings};

use super::{Config, ConfigError, Reader};

pub(super) const KILL_SWITCH: &str = "KEYWARD_KILL_SWITCH_ARN";
const POLL: &str = "KEYWARD_POLL_SECONDS";

pub(super) const KILL_SWITCH_RULE: &str =
    "the ARN of the kill switch, arn:aws:lambda:<region>:<account of 12 digits>:function:<name>";

/// Everything that a deployment sets for the monitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitorConfig {
    /// What every function has.
    pub common: Config,
    /// `KEYWARD_STACK` and `KEYWARD_ALARM_TOPIC_ARN`, as the kill switch has them.
    pub deployment: Deployment,
    /// `KEYWARD_KILL_SWITCH_ARN`: the function that slots are sent to.
    pub kill_switch: String,
    /// `KEYWARD_POLL_SECONDS`: the least time between two pulls of one account, 10 to 3600 s; 50 s if not set.
    pub settings: MonitorSettings,
}

impl MonitorConfig {
    /// Reads the configuration through `lookup`, which finds a variable by its name.
    ///
    /// # Errors
    /// [`ConfigError`] with all problems together.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut reader = Reader {
            lookup,
            problems: Vec::new(),
        };
        let credential = reader.credential();
        let common = reader.common(credential);
        let deployment = reader.deployment();
        let kill_switch = reader.required(KILL_SWITCH, KILL_SWITCH_RULE, is_function_arn);
        let poll = reader.number(POLL, 10..=3600, 50);
        let settings = MonitorSettings {
            pull: PullSettings {
                poll_every: SignedDuration::from_secs(poll.into()),
                ..PullSettings::default()
            },
            ..MonitorSettings::default()
        };
        match deployment {
            Some(deployment) if reader.problems.is_empty() => Ok(Self {
                common,
                deployment,
                kill_switch,
                settings,
            }),
            _ => Err(ConfigError(reader.problems)),
        }
    }
}

/// <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>
pub(super) fn is_function_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    let (
        [
            "arn",
            partition,
            "lambda",
            region,
            account,
            "function",
            name,
        ],
        more,
    ) = parts.split_at(parts.len().min(7))
    else {
        return false;
    };
    let is_word = |text: &str| {
        let of_words = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        (1..=64).contains(&text.len()) && text.bytes().all(of_words)
    };
    let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    // An alias or a version may follow.
    is_account
        && [*partition, *region, *name].into_iter().all(is_word)
        && more.len() <= 1
        && more.iter().all(|qualifier| is_word(qualifier))
}

#[cfg(test)]
mod tests {
    use keyward_providers::config::Credential;

    use super::super::testing::lookup;
    use super::*;

    const ARN: &str = "arn:aws:lambda:eu-central-1:111122223333:function:keyward-kill-switch";

    fn with(set: &[(&str, &str)]) -> Result<MonitorConfig, ConfigError> {
        MonitorConfig::from_lookup(lookup(set, &[(KILL_SWITCH, ARN)]))
    }

    #[test]
    fn it_is_told_whom_to_send_slots_to_and_how_often_to_ask() {
        let config = with(&[]).unwrap();
        assert_eq!(config.kill_switch, ARN);
        assert_eq!(config.deployment.stack.as_str(), "prod");
        assert_eq!(config.settings, MonitorSettings::default());
        let slower = with(&[(POLL, "300")]).unwrap();
        assert_eq!(
            slower.settings.pull.poll_every,
            SignedDuration::from_mins(5)
        );
        let alias = format!("{ARN}:live");
        assert!(with(&[(KILL_SWITCH, alias.as_str())]).is_ok());
    }

    #[test]
    fn accounts_are_opened_to_read_unless_it_is_said_otherwise() {
        for (value, credential) in [
            ("", Credential::Read),
            ("read", Credential::Read),
            ("admin", Credential::Admin),
        ] {
            let config = with(&[("KEYWARD_CREDENTIAL", value)]).unwrap();
            assert_eq!(config.common.credential, credential, "{value:?}");
        }
        assert_eq!(with(&[]).unwrap().common.credential, Credential::Read);
        let refused = with(&[("KEYWARD_CREDENTIAL", "Admin EXAMPLE")]).unwrap_err();
        assert_eq!(refused.0[0].variable, "KEYWARD_CREDENTIAL");
        assert!(!refused.to_string().contains("EXAMPLE"), "{refused}");
    }

    #[test]
    fn what_is_no_function_or_no_time_is_refused() {
        for (variable, value) in [
            (KILL_SWITCH, ""),
            (KILL_SWITCH, "kill-switch"),
            (
                KILL_SWITCH,
                "arn:aws:sns:eu-central-1:111122223333:kill-switch",
            ),
            (KILL_SWITCH, "arn:aws:lambda:eu-central-1:1:function:x"),
            (
                KILL_SWITCH,
                "arn:aws:lambda:eu-central-1:111122223333:function:x:1:2",
            ),
            (POLL, "9"),
            (POLL, "3601"),
            (POLL, "a minute"),
        ] {
            let refused = with(&[(variable, value)]).unwrap_err();
            let variables: Vec<&str> = refused.0.iter().map(|p| p.variable).collect();
            assert_eq!(variables, [variable], "{value}");
        }
    }
}
