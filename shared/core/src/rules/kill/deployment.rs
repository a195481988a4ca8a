//! Who we are, and which alarms of others kill whom.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::alarm::AlarmArn;
use crate::model::kill_order::TopicArn;
use crate::model::names::{SlotName, StackName};

/// What the deployment's configuration says to the kill switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// The AWS account that the function runs in.
    pub account: String,
    /// The region that the function runs in.
    pub region: String,
    /// The name of the deployment.
    pub stack: StackName,
    /// The alarm topic, the only one that messages are taken from.
    pub topic: TopicArn,
    /// The alarms that Keyward did not make.
    pub map: AlarmMap,
}

impl Deployment {
    /// The name of the alarm that Keyward makes for a slot.
    pub fn alarm_name(&self, slot: &SlotName) -> String {
        format!("{}{slot}", self.alarm_prefix())
    }

    /// How the names of those alarms begin.
    pub fn alarm_prefix(&self) -> String {
        format!("keyward-{}-kill-", self.stack)
    }

    /// Its ARN, in the partition, region and account of the alarm topic; `None` if that cannot be one.
    pub fn alarm_arn(&self, slot: &SlotName) -> Option<AlarmArn> {
        let partition = self.topic.as_str().split(':').nth(1)?;
        let (region, account) = (&self.region, &self.account);
        let name = self.alarm_name(slot);
        let arn = format!("arn:{partition}:cloudwatch:{region}:{account}:alarm:{name}");
        arn.parse().ok()
    }
}

/// Which slot an alarm cuts off that Keyward did not make: by the alarm's ARN, or by its name in our account and region.
/// A name is matched whole; there are no prefixes and no patterns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlarmMap(BTreeMap<String, BTreeSet<SlotName>>);

impl AlarmMap {
    /// The slots that the map names for an alarm: by its ARN and by its name. More than one is a contradiction.
    pub fn slots_of(&self, alarm: &AlarmArn) -> BTreeSet<&SlotName> {
        let by_arn = self.0.get(&alarm.to_string());
        let by_name = self.0.get(alarm.name());
        by_arn.into_iter().chain(by_name).flatten().collect()
    }
}

impl FromIterator<(String, SlotName)> for AlarmMap {
    fn from_iter<I: IntoIterator<Item = (String, SlotName)>>(entries: I) -> Self {
        let mut map = BTreeMap::<String, BTreeSet<SlotName>>::new();
        for (alarm, slot) in entries {
            map.entry(alarm).or_default().insert(slot);
        }
        Self(map)
    }
}
