//! What the control function is configured by, beside what every function is.

use keyward_core::model::act_kind::Urls;
use keyward_core::model::names::StackName;
use keyward_core::rules::kill::Deployment;
use keyward_core::usecases::report::Callers;
use keyward_providers::config::Credential;

use super::kill::TOPIC;
use super::monitor::{KILL_SWITCH, KILL_SWITCH_RULE, is_function_arn};
use super::{Config, ConfigError, Reader};

/// Everything that a deployment sets for the control function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlConfig {
    /// What every function has.
    pub common: Config,
    /// `KEYWARD_STACK` and `KEYWARD_ALARM_TOPIC_ARN`, as the kill switch has them, for drills; `None` if the topic is not
    /// set.
    pub deployment: Option<Deployment>,
    /// `KEYWARD_STACK` and `KEYWARD_KILL_SWITCH_ARN`: whose orders these are, and the function that carries out what writes
    /// at a provider. Both must be set where people are the callers; `None` where agents are.
    pub kill_switch: Option<KillSwitchOf>,
    /// `KEYWARD_URLS`: `apart` or `together`; `apart` if not set. Whether each kind of acts has a URL of its own.
    pub urls: Urls,
    /// `KEYWARD_CALLERS`: `people` or `agents`; `people` if not set. Whose calls this function takes.
    pub callers: Callers,
}

/// The kill switch of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KillSwitchOf {
    /// The deployment.
    pub stack: StackName,
    /// The function's ARN.
    pub function: String,
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
        // What writes at a provider, the kill switch does.
        let common = reader.common(Credential::Read);
        let callers = reader.callers("KEYWARD_CALLERS");
        let urls = match callers {
            Callers::People => reader.urls("KEYWARD_URLS"),
            Callers::Agents => Urls::Apart,
        };
        let deployment = match reader.text(TOPIC) {
            Some(_) => reader.deployment(),
            None => None,
        };
        let kill_switch = match callers {
            Callers::People => reader.kill_switch(deployment.as_ref()),
            Callers::Agents => None,
        };
        match reader.problems.is_empty() {
            true => Ok(Self {
                common,
                deployment,
                kill_switch,
                urls,
                callers,
            }),
            false => Err(ConfigError(reader.problems)),
        }
    }
}

impl<L: Fn(&str) -> Option<String>> Reader<L> {
    /// The stack is read once: what is wrong with it is said once.
    fn kill_switch(&mut self, deployment: Option<&Deployment>) -> Option<KillSwitchOf> {
        let function = self.required(KILL_SWITCH, KILL_SWITCH_RULE, is_function_arn);
        let stack = match (deployment, self.text(TOPIC)) {
            (Some(deployment), _) => Some(deployment.stack.clone()),
            (None, Some(_)) => None,
            (None, None) => self.stack(),
        };
        stack.map(|stack| KillSwitchOf { stack, function })
    }

    fn urls(&mut self, variable: &'static str) -> Urls {
        match self.text(variable).as_deref() {
            None | Some("apart") => Urls::Apart,
            Some("together") => Urls::Together,
            Some(_) => {
                self.problem(variable, "must be apart or together".to_owned());
                Urls::Apart
            }
        }
    }

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
    use crate::config::kill::STACK;

    const TOPIC_ARN: &str = "arn:aws:sns:eu-central-1:111122223333:keyward-alarms";

    const FUNCTION: &str = "arn:aws:lambda:eu-central-1:111122223333:function:prod-kill-switch";

    /// A variable that is set to nothing counts as one that is not set.
    fn with(set: &[(&str, &str)]) -> Result<ControlConfig, ConfigError> {
        let common = [
            ("KEYWARD_TABLE", "keyward"),
            (
                "KEYWARD_ALERT_TOPIC_ARN",
                "arn:aws:sns:eu-central-1:111122223333:keyward-alerts",
            ),
            ("KEYWARD_ACCOUNTS", "{}"),
            (STACK, "prod"),
            (KILL_SWITCH, FUNCTION),
        ];
        ControlConfig::from_lookup(|name| {
            let mut found = set.iter().chain(&common).filter(|(n, _)| *n == name);
            found.next().map(|(_, value)| (*value).to_owned())
        })
    }

    fn refused(set: &[(&str, &str)]) -> Vec<&'static str> {
        let refused = with(set).unwrap_err();
        refused.0.iter().map(|p| p.variable).collect()
    }

    #[test]
    fn drills_are_for_deployments_that_know_their_topic() {
        assert_eq!(with(&[]).unwrap().deployment, None);
        let both = with(&[(TOPIC, TOPIC_ARN)]).unwrap();
        let deployment = both.deployment.unwrap();
        assert_eq!(deployment.stack.as_str(), "prod");
        assert_eq!(deployment.account, "111122223333");
        assert_eq!(refused(&[(STACK, ""), (TOPIC, TOPIC_ARN)]), [STACK]);
    }

    #[test]
    fn kinds_of_acts_have_urls_apart_unless_it_is_said_otherwise() {
        for (set, urls) in [
            ("", Urls::Apart),
            ("apart", Urls::Apart),
            ("together", Urls::Together),
        ] {
            assert_eq!(with(&[("KEYWARD_URLS", set)]).unwrap().urls, urls, "{set}");
        }
        assert_eq!(refused(&[("KEYWARD_URLS", "one")]), ["KEYWARD_URLS"]);
    }

    #[test]
    fn people_have_a_kill_switch_and_agents_none() {
        let switch = with(&[]).unwrap().kill_switch.unwrap();
        assert_eq!(switch.stack.as_str(), "prod");
        assert_eq!(switch.function, FUNCTION);
        assert_eq!(refused(&[(STACK, "")]), [STACK]);
        assert_eq!(refused(&[(KILL_SWITCH, "")]), [KILL_SWITCH]);
        assert_eq!(refused(&[(KILL_SWITCH, "kill-switch")]), [KILL_SWITCH]);
        let agents = [
            ("KEYWARD_CALLERS", "agents"),
            (STACK, ""),
            (KILL_SWITCH, ""),
        ];
        assert_eq!(with(&agents).unwrap().kill_switch, None);
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
        assert_eq!(
            refused(&[("KEYWARD_CALLERS", "everybody")]),
            ["KEYWARD_CALLERS"]
        );
    }
}
