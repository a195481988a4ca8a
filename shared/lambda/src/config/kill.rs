//! What the kill switch is configured by, beside what every function is.

use std::collections::BTreeMap;
use std::fmt;

use keyward_core::model::alarm::AlarmArn;
use keyward_core::model::kill_order::TopicArn;
use keyward_core::model::names::{SlotName, StackName};
use keyward_core::rules::kill::{AlarmMap, Deployment};
use keyward_providers::config::Credential;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::{Config, ConfigError, Reader, TOPIC_RULE, is_topic_arn};

pub(super) const STACK: &str = "KEYWARD_STACK";
pub(super) const TOPIC: &str = "KEYWARD_ALARM_TOPIC_ARN";
const MAP: &str = "KEYWARD_ALARM_MAP";

const STACK_RULE: &str = "the deployment's name, as its alarms carry it";
const MAP_RULE: &str = "a JSON object: an alarm's ARN or whole name, and the slot that it cuts off";
const ENTRY_RULE: &str = "an alarm's ARN or name of 255 characters at most";

/// Everything that a deployment sets for the kill switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KillConfig {
    /// What every function has.
    pub common: Config,
    /// `KEYWARD_STACK`: the deployment. `KEYWARD_ALARM_TOPIC_ARN`: the only topic that messages are taken from; its
    /// account and region are the deployment's. `KEYWARD_ALARM_MAP`: the alarms of others; none if not set.
    pub deployment: Deployment,
}

impl KillConfig {
    /// Reads the configuration through `lookup`, which finds a variable by its name.
    ///
    /// # Errors
    /// [`ConfigError`] with all problems together.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut reader = Reader {
            lookup,
            problems: Vec::new(),
        };
        let common = reader.common(Credential::Admin);
        match reader.deployment() {
            Some(deployment) if reader.problems.is_empty() => Ok(Self { common, deployment }),
            _ => Err(ConfigError(reader.problems)),
        }
    }
}

/// Who a deployment is, for what runs outside its functions: `KEYWARD_STACK`, `KEYWARD_ALARM_TOPIC_ARN` and
/// `KEYWARD_ALARM_MAP` through `lookup`, which finds a variable by its name.
///
/// # Errors
/// [`ConfigError`] with all problems together.
pub fn deployment_from(lookup: impl Fn(&str) -> Option<String>) -> Result<Deployment, ConfigError> {
    let mut reader = Reader {
        lookup,
        problems: Vec::new(),
    };
    match reader.deployment() {
        Some(deployment) if reader.problems.is_empty() => Ok(deployment),
        _ => Err(ConfigError(reader.problems)),
    }
}

/// Region and account of a topic.
fn place(topic: &str) -> (String, String) {
    let mut parts = topic.split(':').skip(3).map(str::to_owned);
    let region = parts.next().unwrap_or_default();
    (region, parts.next().unwrap_or_default())
}

impl<L: Fn(&str) -> Option<String>> Reader<L> {
    /// Who we are, and which alarms of others kill whom.
    pub(super) fn deployment(&mut self) -> Option<Deployment> {
        let stack = self.stack();
        let topic = self.required(TOPIC, TOPIC_RULE, is_topic_arn);
        let (region, account) = place(&topic);
        let map = self.map(&region, &account);
        Some(Deployment {
            account,
            region,
            stack: stack?,
            topic: TopicArn::new(&topic),
            map,
        })
    }

    pub(super) fn stack(&mut self) -> Option<StackName> {
        let text = self.required(STACK, STACK_RULE, |text| text.parse::<StackName>().is_ok());
        text.parse().ok()
    }

    /// The alarms of others. One that can never kill, since it is elsewhere, is refused rather than waited for in vain.
    fn map(&mut self, region: &str, account: &str) -> AlarmMap {
        let Some(text) = self.text(MAP) else {
            return AlarmMap::default();
        };
        let Ok(Entries(entries)) = serde_json::from_str(&text) else {
            self.problem(MAP, format!("must be {MAP_RULE}"));
            return AlarmMap::default();
        };
        let mut by_name = BTreeMap::<String, SlotName>::new();
        let mut map = Vec::new();
        for (number, (alarm, slot)) in (1..).zip(entries) {
            match entry(&alarm, &slot, region, account) {
                Ok((name, slot)) => {
                    let known = by_name.entry(name).or_insert_with(|| slot.clone());
                    if *known != slot {
                        let problem = format!(
                            "contradicts itself: entry {number} names another slot for an alarm"
                        );
                        self.problem(MAP, problem);
                    }
                    map.push((alarm, slot));
                }
                Err(what) => self.problem(MAP, format!("is refused: entry {number} must {what}")),
            }
        }
        map.into_iter().collect()
    }
}

/// The name of the alarm that an entry is about, and its slot.
fn entry(
    alarm: &str,
    slot: &Value,
    region: &str,
    account: &str,
) -> Result<(String, SlotName), String> {
    let slot = slot.as_str().and_then(|slot| slot.parse().ok());
    let slot: SlotName = slot.ok_or("name a slot")?;
    // A name may be anything that an ARN may end with.
    let as_arn = match alarm.starts_with("arn:") {
        true => alarm.to_owned(),
        false => format!("arn:aws:cloudwatch:{region}:{account}:alarm:{alarm}"),
    };
    let arn: AlarmArn = as_arn
        .parse()
        .map_err(|_| format!("begin with {ENTRY_RULE}"))?;
    if arn.region() != region || arn.account() != account {
        return Err("name an alarm of the topic's account and region".to_owned());
    }
    Ok((arn.name().to_owned(), slot))
}

/// The entries of a JSON object as they stand, an alarm that stands there twice among them.
struct Entries(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Entries, M::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(All)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMON: [(&str, &str); 5] = [
        ("KEYWARD_TABLE", "keyward"),
        (
            "KEYWARD_ALERT_TOPIC_ARN",
            "arn:aws:sns:eu-central-1:111122223333:keyward-alerts",
        ),
        ("KEYWARD_ACCOUNTS", "{}"),
        (STACK, "prod"),
        (
            TOPIC,
            "arn:aws:sns:eu-central-1:111122223333:keyward-alarms",
        ),
    ];

    fn with(set: &[(&str, &str)]) -> Result<KillConfig, ConfigError> {
        KillConfig::from_lookup(|name| {
            let all = set.iter().chain(&COMMON);
            let mut found = all.filter(|(variable, _)| *variable == name);
            found.next().map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_topic_says_where_the_deployment_is() {
        let config = with(&[]).unwrap();
        let deployment = config.deployment;
        assert_eq!(deployment.account, "111122223333");
        assert_eq!(deployment.region, "eu-central-1");
        assert_eq!(deployment.stack.as_str(), "prod");
        assert_eq!(deployment.topic.as_str(), COMMON[4].1);
        assert_eq!(deployment.map, AlarmMap::default());
        assert_eq!(config.common.table, "keyward");
        // Nobody can configure it into a kill switch that may only look.
        let read = with(&[("KEYWARD_CREDENTIAL", "read")]).unwrap();
        assert_eq!(read.common.credential, Credential::Admin);
    }

    #[test]
    fn alarms_are_mapped_by_arn_and_by_name() {
        let arn: AlarmArn = "arn:aws:cloudwatch:eu-central-1:111122223333:alarm:chat: spend"
            .parse()
            .unwrap();
        let other = format!("{arn}-2").parse().unwrap();
        for map in [
            format!(r#"{{"{arn}": "chat-eu"}}"#),
            r#"{"chat: spend": "chat-eu", "another": "search"}"#.to_owned(),
            format!(r#"{{"chat: spend": "chat-eu", "{arn}": "chat-eu"}}"#),
        ] {
            let map = with(&[(MAP, &map)]).unwrap().deployment.map;
            let slots: Vec<String> = map.slots_of(&arn).iter().map(ToString::to_string).collect();
            assert_eq!(slots, ["chat-eu"]);
            assert!(map.slots_of(&other).is_empty());
        }
    }

    #[test]
    fn each_bad_value_is_refused_and_not_quoted() {
        let long = format!(r#"{{"{}": "chat-eu"}}"#, "a".repeat(256));
        for (variable, value, number) in [
            (STACK, "", 1),
            (STACK, "Prod EXAMPLE", 1),
            (TOPIC, "", 1),
            (TOPIC, "arn:aws:sqs:eu-central-1:111122223333:EXAMPLE", 1),
            (MAP, "EXAMPLE", 1),
            (MAP, r#"["EXAMPLE"]"#, 1),
            (MAP, r#"{"EXAMPLE": 1, "a": "Chat EXAMPLE"}"#, 2),
            (MAP, r#"{"": "chat-eu"}"#, 1),
            (MAP, &long, 1),
            (
                MAP,
                r#"{"arn:aws:sns:eu-central-1:111122223333:EXAMPLE": "chat-eu"}"#,
                1,
            ),
            (
                MAP,
                r#"{"arn:aws:cloudwatch:us-east-1:111122223333:alarm:EXAMPLE": "chat-eu"}"#,
                1,
            ),
            (
                MAP,
                r#"{"arn:aws:cloudwatch:eu-central-1:444455556666:alarm:EXAMPLE": "chat-eu"}"#,
                1,
            ),
            (MAP, r#"{"EXAMPLE": "chat-eu", "EXAMPLE": "search"}"#, 1),
            (
                MAP,
                r#"{"a": "chat-eu", "arn:aws:cloudwatch:eu-central-1:111122223333:alarm:a": "search"}"#,
                1,
            ),
        ] {
            let refused = with(&[(variable, value)]).unwrap_err();
            let variables: Vec<&str> = refused.0.iter().map(|p| p.variable).collect();
            let expected = match variable {
                // Without a topic no alarm is of its account; none is mapped here.
                TOPIC => vec![TOPIC],
                _ => vec![variable; number],
            };
            assert_eq!(variables, expected, "{variable}={value}: {refused}");
            assert!(!refused.to_string().contains("EXAMPLE"), "{refused}");
        }
    }

    #[test]
    fn all_problems_come_together() {
        let refused = KillConfig::from_lookup(|_| None).unwrap_err();
        let variables: Vec<&str> = refused.0.iter().map(|p| p.variable).collect();
        let expected = [
            "KEYWARD_TABLE",
            "KEYWARD_ALERT_TOPIC_ARN",
            "KEYWARD_ACCOUNTS",
            STACK,
            TOPIC,
        ];
        assert_eq!(variables, expected);
    }
}
