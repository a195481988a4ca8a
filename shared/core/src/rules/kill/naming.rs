//! Which slot an alarm means: by dimension first, by the map second, never by a prefix of its name.

use std::collections::BTreeSet;

use crate::model::alarm::{AlarmMessage, WatchedMetric, Watches};
use crate::model::metric::{NAMESPACE, SLOT, STACK};
use crate::model::names::SlotName;

use super::{AlertOnly, Deployment, NamedBy, NotKilled};

/// The one slot that an alarm means. Where a dimension and the map name different ones, nobody is meant.
pub(super) fn slot_of(
    alarm: &AlarmMessage,
    deployment: &Deployment,
) -> Result<(SlotName, NamedBy), AlertOnly> {
    let arn = alarm.transition.alarm();
    let refused = |kind, why: &str| AlertOnly::new(kind, &format!("the alarm `{arn}` {why}"));
    let ambiguous = |slots: &BTreeSet<&SlotName>| {
        let slots: Vec<&str> = slots.iter().map(|slot| slot.as_str()).collect();
        let why = format!("means more than one slot: {}", slots.join(", "));
        refused(NotKilled::Ambiguous, &why)
    };
    let by_dimension: BTreeSet<SlotName> = dimensions(alarm, deployment)
        .map(str::parse)
        .collect::<Result<_, _>>()
        .map_err(|error| {
            let why = format!("has a dimension that names no slot: {error}");
            refused(NotKilled::Ambiguous, &why)
        })?;
    let by_map = deployment.map.slots_of(arn);
    let all: BTreeSet<&SlotName> = by_dimension.iter().chain(by_map.iter().copied()).collect();
    let mut each = all.iter();
    match (each.next(), each.next()) {
        (Some(_), Some(_)) => Err(ambiguous(&all)),
        (Some(&slot), None) if by_map.is_empty() => Ok((slot.clone(), NamedBy::Dimension)),
        (Some(&slot), None) => Ok((slot.clone(), NamedBy::Map)),
        (None, _) => Err(refused(
            NotKilled::Unmapped,
            "names no slot of this stack, and the map does not name it",
        )),
    }
}

/// The values of the dimension `Slot` of this stack's metrics. An alarm on other alarms has none.
fn dimensions<'a>(
    alarm: &'a AlarmMessage,
    deployment: &'a Deployment,
) -> impl Iterator<Item = &'a str> {
    let metrics: &[WatchedMetric] = match &alarm.watches {
        Watches::Metrics(metrics) => metrics,
        Watches::Alarms => &[],
    };
    metrics
        .iter()
        .filter(|metric| is_of_stack(metric, deployment))
        .flat_map(|metric| values(metric, SLOT))
}

/// A metric of another account is not ours, whatever its dimensions say.
fn is_of_stack(metric: &WatchedMetric, deployment: &Deployment) -> bool {
    let is_ours = |account: &str| account == deployment.account;
    let mut stacks = values(metric, STACK).peekable();
    metric.namespace.as_str() == NAMESPACE
        && metric.account.as_ref().is_none_or(|a| is_ours(a.as_str()))
        && stacks.peek().is_some()
        && stacks.all(|stack| stack == deployment.stack.as_str())
}

fn values<'a>(metric: &'a WatchedMetric, name: &'static str) -> impl Iterator<Item = &'a str> {
    let dimensions = metric.dimensions.iter();
    dimensions
        .filter(move |dimension| dimension.name.as_str() == name)
        .map(|dimension| dimension.value.as_str())
}
