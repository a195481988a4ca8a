//! A CloudWatch alarm's change of state, as the alarm itself told it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};

use super::metric::{KILL_SCORE, NAMESPACE, SLOT, STACK};
use super::names::{NameError, SlotName, StackName};
use super::text::{OutsideText, without_keys};

/// What an alarm says about one of its changes. Nothing of it is proved: the text came from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmMessage {
    /// Which change it is.
    pub transition: Transition,
    /// The account that the message names beside the ARN, where it names one.
    pub account: Option<OutsideText>,
    /// What the alarm went to.
    pub new_state: AlarmState,
    /// What it came from, where the message says so.
    pub old_state: Option<AlarmState>,
    /// What it watches.
    pub watches: Watches,
    /// CloudWatch's reason, with the numbers.
    pub reason: OutsideText,
}

/// One change of state: every message about it, however often and by whatever way it comes, has the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Transition {
    alarm: AlarmArn,
    changed: Timestamp,
}

impl Transition {
    /// The change of `alarm` at `changed`, which is cut to the millisecond: CloudWatch tells no more.
    pub fn new(alarm: AlarmArn, changed: Timestamp) -> Self {
        let to_millisecond = TimestampRound::new()
            .smallest(Unit::Millisecond)
            .mode(RoundMode::Floor);
        let changed = changed.round(to_millisecond).unwrap_or(changed);
        Self { alarm, changed }
    }

    /// The alarm.
    pub fn alarm(&self) -> &AlarmArn {
        &self.alarm
    }

    /// When it changed.
    pub fn changed(&self) -> Timestamp {
        self.changed
    }

    /// The same for the same change, and for no other: `<alarm ARN>@<time>`.
    pub fn id(&self) -> String {
        format!("{}@{:.3}", self.alarm, self.changed)
    }
}

/// One entry of an alarm's history: a change of its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// When it changed.
    pub at: Timestamp,
    /// What it went to.
    pub to: AlarmState,
}

/// What an alarm is in:
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricAlarm.html>.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlarmState {
    /// Within its threshold.
    Ok,
    /// Beyond it.
    Alarm,
    /// It cannot say.
    InsufficientData,
    /// No state that is known here.
    Other(OutsideText),
}

impl AlarmState {
    /// Reads a state by its exact name.
    pub fn new(text: &str) -> Self {
        match text {
            "OK" => Self::Ok,
            "ALARM" => Self::Alarm,
            "INSUFFICIENT_DATA" => Self::InsufficientData,
            other => Self::Other(OutsideText::new(&without_keys(other))),
        }
    }
}

/// How an alarm is set up, as CloudWatch tells it:
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricAlarm.html>.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmSettings {
    /// What it is in.
    pub state: AlarmState,
    /// Whether its changes set anything off.
    pub actions_enabled: bool,
    /// What its change to ALARM sets off, by ARN.
    pub actions: Vec<OutsideText>,
    /// The one metric that it watches; `None` if it watches anything else.
    pub metric: Option<AlarmMetric>,
}

/// The metric of an alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmMetric {
    /// Its namespace.
    pub namespace: OutsideText,
    /// Its name.
    pub name: OutsideText,
    /// Its dimensions, by name. There are no others.
    pub dimensions: BTreeMap<OutsideText, OutsideText>,
}

impl AlarmMetric {
    /// The metric of this name with these dimensions.
    pub fn new(namespace: &str, name: &str, dimensions: &[(&str, &str)]) -> Self {
        let text = OutsideText::new;
        let dimensions = dimensions.iter();
        Self {
            namespace: text(namespace),
            name: text(name),
            dimensions: dimensions.map(|(n, v)| (text(n), text(v))).collect(),
        }
    }

    /// A slot's `KillScore`.
    pub fn kill_score(stack: &StackName, slot: &SlotName) -> Self {
        let dimensions = [(STACK, stack.as_str()), (SLOT, slot.as_str())];
        Self::new(NAMESPACE, KILL_SCORE, &dimensions)
    }
}

/// What an alarm watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watches {
    /// One metric, or several in an expression; none where the message shows none.
    Metrics(Vec<WatchedMetric>),
    /// Other alarms.
    Alarms,
}

/// One metric that an alarm reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedMetric {
    /// Its namespace. A long one may be shortened.
    pub namespace: OutsideText,
    /// The account that it is read from, where that is said.
    pub account: Option<OutsideText>,
    /// Its dimensions.
    pub dimensions: Vec<Dimension>,
}

/// One dimension of a metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dimension {
    /// Its name.
    pub name: OutsideText,
    /// Its value. One that is no name of Keyward's may be shortened.
    pub value: OutsideText,
}

/// An alarm's ARN: `arn:<partition>:cloudwatch:<region>:<account>:alarm:<name>`. What has this type is one line and may
/// be printed. The account and the region of an alarm are those of its ARN: the text `Region` beside it is for people.
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html#amazoncloudwatch-resources-for-iam-policies>
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlarmArn {
    partition: String,
    region: String,
    account: String,
    name: String,
}

/// An alarm's name has 1 to 255 characters and no control characters:
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html>.
const MAX_ALARM_NAME: usize = 255;

impl AlarmArn {
    /// The region.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The account.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The alarm's name, unique within account and region.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for AlarmArn {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let refused = || {
            let rule = "arn:<partition>:cloudwatch:<region>:<account>:alarm:<name>";
            NameError::new("alarm ARN", text, rule)
        };
        let parts: Vec<&str> = text.splitn(7, ':').collect();
        let [
            "arn",
            partition,
            "cloudwatch",
            region,
            account,
            "alarm",
            name,
        ] = parts[..]
        else {
            return Err(refused());
        };
        let is_word = |text: &str| {
            let of_words = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            (1..=32).contains(&text.len()) && text.bytes().all(of_words)
        };
        let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        let is_name = (1..=MAX_ALARM_NAME).contains(&name.chars().count())
            && OutsideText::new(name).as_str() == name;
        if !is_word(partition) || !is_word(region) || !is_account || !is_name {
            return Err(refused());
        }
        Ok(Self {
            partition: partition.to_owned(),
            region: region.to_owned(),
            account: account.to_owned(),
            name: name.to_owned(),
        })
    }
}

impl fmt::Display for AlarmArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            partition,
            region,
            account,
            name,
        } = self;
        write!(
            f,
            "arn:{partition}:cloudwatch:{region}:{account}:alarm:{name}"
        )
    }
}

impl fmt::Debug for AlarmArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:cloudwatch:us-east-1:111122223333:alarm:agent-billing-spend";

    #[test]
    fn arns_of_alarms_are_taken_apart() {
        let arn: AlarmArn = ARN.parse().unwrap();
        assert_eq!(arn.region(), "us-east-1");
        assert_eq!(arn.account(), "111122223333");
        assert_eq!(arn.name(), "agent-billing-spend");
        assert_eq!(arn.to_string(), ARN);
        let long = |length| format!("{}{}", &ARN[..ARN.len() - 19], "é".repeat(length));
        for (text, good) in [
            (
                "arn:aws-cn:cloudwatch:cn-north-1:111122223333:alarm:a: b",
                true,
            ),
            (&long(255), true),
            (&long(256), false),
            (&long(0), false),
            (&format!("{ARN}\nINFO all is well"), false),
            (&format!("{ARN}\u{202e}"), false),
            (
                "arn:aws:cloudwatch:us-east-1:11112222333:alarm:short",
                false,
            ),
            ("arn:aws:cloudwatch:US East:111122223333:alarm:a", false),
            ("arn:aws:cloudwatch::111122223333:alarm:a", false),
            ("arn:aws:sns:us-east-1:111122223333:alarm:a", false),
            (
                "arn:aws:cloudwatch:us-east-1:111122223333:dashboard:a",
                false,
            ),
            ("", false),
        ] {
            assert_eq!(text.parse::<AlarmArn>().is_ok(), good, "{text}");
        }
    }

    #[test]
    fn a_transition_is_the_alarm_and_the_millisecond() {
        let at = |text: &str| Transition::new(ARN.parse().unwrap(), text.parse().unwrap());
        let one = at("2026-11-25T15:00:04.987Z");
        assert_eq!(one, at("2026-11-25T16:00:04.987999+01:00"));
        assert_ne!(one, at("2026-11-25T15:00:04.988Z"));
        assert_eq!(one.id(), format!("{ARN}@2026-11-25T15:00:04.987Z"));
        assert_eq!(
            at("2026-11-25T15:00:04Z").id(),
            format!("{ARN}@2026-11-25T15:00:04.000Z")
        );
    }
}
