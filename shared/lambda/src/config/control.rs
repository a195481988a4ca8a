//! What the control function is configured by, beside what every function is.

use keyward_core::rules::kill::Deployment;
use keyward_core::usecases::report::Callers;

use super::kill::{STACK, TOPIC};
use super::{Config, ConfigError, Reader};

/// Everything that a deployment sets for the control function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlConfig {
    /// What every function has.
    pub common: Config,
    /// `KEYWARD_STACK` and `KEYWARD_ALARM_TOPIC_ARN`, as the kill switch has them, for drills; `None` if neither is set.
    pub deployment: Option<Deployment>,
    /// `KEYWARD_CALLERS`: `people` or `agents`. Whose calls this function takes. It must be set: for agents, a function
    /// that takes every act because nobody said so would be a way to lift their own limits.
    pub callers: Callers,
}

impl ControlConfig {
    /// Reads the configuration through `lookup`, which finds a variable by its name.
    ///
    /// # Errors
    /// [`ConfigError`] with all problems together.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut reader = Reader {
            lookup,
            problems: Vec::new(),
        };
        let common = reader.common();
        let drills = [STACK, TOPIC]
            .iter()
            .any(|name| reader.text(name).is_some());
        let deployment = match drills {
            true => reader.deployment(),
            false => None,
        };
        let callers = reader.callers("KEYWARD_CALLERS");
        match reader.problems.is_empty() {
            true => Ok(Self {
                common,
                deployment,
                callers,
            }),
            false => Err(ConfigError(reader.problems)),
        }
    }
}

impl<L: Fn(&str) -> Option<String>> Reader<L> {
    fn callers(&mut self, variable: &'static str) -> Callers {
        const RULE: &str = "people, for every act, or agents, for what they tell of their use";
        let known = |value: &str| matches!(value, "people" | "agents");
        match self.required(variable, RULE, known).as_str() {
            "people" => Callers::People,
            // Of a value that is refused nothing comes: the function does not start.
            _ => Callers::Agents,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC_ARN: &str = "arn:aws:sns:eu-central-1:111122223333:keyward-alarms";

    fn with(set: &[(&str, &str)]) -> Result<ControlConfig, ConfigError> {
        let common = [
            ("KEYWARD_TABLE", "keyward"),
            (
                "KEYWARD_ALERT_TOPIC_ARN",
                "arn:aws:sns:eu-central-1:111122223333:keyward-alerts",
            ),
            ("KEYWARD_ACCOUNTS", "{}"),
            ("KEYWARD_CALLERS", "people"),
        ];
        ControlConfig::from_lookup(|name| {
            let mut found = set.iter().chain(&common).filter(|(n, _)| *n == name);
            found.next().map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn drills_are_for_deployments_that_say_who_they_are() {
        assert_eq!(with(&[]).unwrap().deployment, None);
        let both = with(&[(STACK, "prod"), (TOPIC, TOPIC_ARN)]).unwrap();
        let deployment = both.deployment.unwrap();
        assert_eq!(deployment.stack.as_str(), "prod");
        assert_eq!(deployment.account, "111122223333");
        for (only, missing) in [((STACK, "prod"), TOPIC), ((TOPIC, TOPIC_ARN), STACK)] {
            let refused = with(&[only]).unwrap_err();
            let variables: Vec<&str> = refused.0.iter().map(|p| p.variable).collect();
            assert_eq!(variables, [missing]);
        }
    }

    #[test]
    fn a_function_that_is_not_said_to_be_for_anybody_does_not_start() {
        let said = |callers: &str| with(&[("KEYWARD_CALLERS", callers)]);
        for (set, callers) in [("people", Callers::People), ("agents", Callers::Agents)] {
            assert_eq!(said(set).unwrap().callers, callers, "{set}");
        }
        for set in ["", "everybody", "Agents"] {
            let refused = said(set).unwrap_err();
            assert_eq!(refused.0[0].variable, "KEYWARD_CALLERS", "{set}");
        }
    }
}
