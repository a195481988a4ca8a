//! The alarm that guards a slot: one on its `KillScore`.

use std::collections::BTreeSet;

use super::alarm::{AlarmArn, AlarmMetric};
use super::names::{SlotName, StackName};
use super::text::OutsideText;

/// An alarm as it is to be: for one slot of one deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KillAlarm {
    /// Its name.
    pub name: String,
    /// The deployment that it belongs to.
    pub stack: StackName,
    /// The slot that it guards.
    pub slot: SlotName,
    /// How it is set up.
    pub setup: AlarmSetup,
}

/// What decides when an alarm fires and whom it tells then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmSetup {
    /// What it watches.
    pub metric: AlarmMetric,
    /// How the values of a period become one: `Maximum`.
    pub statistic: OutsideText,
    /// How long a period is, in seconds.
    pub period: i32,
    /// How many periods are looked at.
    pub periods: i32,
    /// How many of them must be over the line.
    pub to_alarm: i32,
    /// How a value is compared: `GreaterThanOrEqualToThreshold`.
    pub comparison: OutsideText,
    /// The line, in thousandths; `None` if it is no number of them.
    pub line_thousandths: Option<i64>,
    /// What a period without values is: `notBreaching`.
    pub missing: OutsideText,
    /// Whether it tells anybody.
    pub is_enabled: bool,
    /// Whom it tells when it goes to ALARM.
    pub tells: BTreeSet<OutsideText>,
}

/// An alarm as CloudWatch has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundAlarm {
    /// Its ARN.
    pub arn: AlarmArn,
    /// How it is set up; `None` if it watches more than one metric, or an expression.
    pub setup: Option<AlarmSetup>,
}

impl FoundAlarm {
    /// The value of a dimension of the metric that it watches.
    pub fn dimension(&self, name: &str) -> Option<&OutsideText> {
        let dimensions = &self.setup.as_ref()?.metric.dimensions;
        dimensions.get(&OutsideText::new(name))
    }
}
