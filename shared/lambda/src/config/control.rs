//! What the control function is configured by, beside what every function is.

use keyward_core::model::act_kind::Urls;
use keyward_core::model::names::StackName;
use keyward_core::rules::kill::Deployment;
use keyward_core::usecases::report::Callers;
use keyward_providers::config::Credential;

use super::kill::TOPIC;
use super::monitor::{KILL_SWITCH, KILL_SWITCH_RULE, is_function_arn};
use super::{Config, ConfigError, Reader};

const OFFBOARD: &str = "KEYWARD_OFFBOARD_ARN";
const OFFBOARD_RULE: &str = "the ARN of the offboarding function, arn:aws:lambda:<region>:<account of 12 digits>:function:<name>";

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
    /// `KEYWARD_OFFBOARD_ARN`: the function that carries cases of offboarding on at once; without it, its schedule does. `None`
    /// where agents are the callers.
    pub offboard: Option<OffboardOf>,
    /// `KEYWARD_URLS`: `apart` or `together`; `apart` if not set. Whether each kind of acts has a URL of its own.
    pub urls: Urls,
    /// `KEYWARD_CALLERS`: `people` or `agents`. Whose calls this function takes. It must be set: for agents, a function
    /// that takes every act because nobody said so would be a way to lift their own limits.
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

/// The offboarding of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffboardOf {
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
        let offboard = kill_switch
            .as_ref()
            .and_then(|of| reader.offboard(&of.stack));
        match reader.problems.is_empty() {
            true => Ok(Self {
                common,
                deployment,
                kill_switch,
                offboard,
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

    fn offboard(&mut self, stack: &StackName) -> Option<OffboardOf> {
        let function = self.text(OFFBOARD)?;
        if !is_function_arn(&function) {
            self.problem(OFFBOARD, format!("must be {OFFBOARD_RULE}"));
        }
        let stack = stack.clone();
        Some(OffboardOf { stack, function })
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
            ("KEYWARD_CALLERS", "people"),
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
        assert_eq!(with(&[]).unwrap().offboard, None);
        let offboard = with(&[(OFFBOARD, FUNCTION)]).unwrap().offboard.unwrap();
        assert_eq!(
            (offboard.stack.as_str(), &*offboard.function),
            ("prod", FUNCTION)
        );
        assert_eq!(refused(&[(OFFBOARD, "offboard")]), [OFFBOARD]);
        let agents = [
            ("KEYWARD_CALLERS", "agents"),
            (STACK, ""),
            (KILL_SWITCH, ""),
        ];
        assert_eq!(with(&agents).unwrap().kill_switch, None);
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
