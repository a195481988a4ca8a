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
    /// `KEYWARD_CALLERS`: `people` or `agents`; `people` if not set. Whose calls this function takes.
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
        let credential = reader.credential();
        let common = reader.common(credential);
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
        match self.text(variable).as_deref() {
            None | Some("people") => Callers::People,
            Some("agents") => Callers::Agents,
            Some(_) => {
                self.problem(variable, "must be people or agents".to_owned());
                Callers::People
            }
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
    fn a_function_is_for_people_unless_it_is_said_to_be_for_agents() {
        for (set, callers) in [
            (None, Callers::People),
            (Some(""), Callers::People),
            (Some("people"), Callers::People),
            (Some("agents"), Callers::Agents),
        ] {
            let set: Vec<(&str, &str)> = set
                .map(|value| ("KEYWARD_CALLERS", value))
                .into_iter()
                .collect();
            assert_eq!(with(&set).unwrap().callers, callers, "{set:?}");
        }
        let refused = with(&[("KEYWARD_CALLERS", "everybody")]).unwrap_err();
        assert_eq!(refused.0[0].variable, "KEYWARD_CALLERS");
    }
}
