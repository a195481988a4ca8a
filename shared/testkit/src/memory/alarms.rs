use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use jiff::Timestamp;
use keyward_core::model::alarm::{AlarmArn, AlarmMetric, AlarmSettings, AlarmState, Change};
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{AlarmError, AlarmSource};

/// Alarms that are made and changed by hand.
#[derive(Debug, Default)]
pub struct MemoryAlarms(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    alarms: HashMap<AlarmArn, Alarm>,
    /// Readings of a history that are answered as if nothing had changed yet.
    behind: usize,
}

#[derive(Debug, Default)]
struct Alarm {
    tags: BTreeMap<String, String>,
    changes: Vec<Change>,
    watches: Option<AlarmMetric>,
    actions: Vec<OutsideText>,
    silent: bool,
}

impl MemoryAlarms {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("not poisoned")
    }

    /// Makes an alarm that never changed, or gives one that is there other tags.
    pub fn make(&self, alarm: &AlarmArn, tags: &[(&str, &str)]) {
        let tags = tags.iter();
        let tags = tags.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let mut state = self.state();
        state.alarms.entry(alarm.clone()).or_default().tags = tags.collect();
    }

    /// Lets an alarm that is there watch a metric and publish to a topic, or no more publish to any.
    pub fn set_up(&self, alarm: &AlarmArn, metric: Option<AlarmMetric>, topic: Option<&str>) {
        let mut state = self.state();
        let alarm = state.alarms.get_mut(alarm).expect("an alarm that is there");
        alarm.watches = metric;
        alarm.actions = topic.into_iter().map(OutsideText::new).collect();
    }

    /// Turns the actions of an alarm that is there off.
    pub fn silence(&self, alarm: &AlarmArn) {
        let mut state = self.state();
        let alarm = state.alarms.get_mut(alarm).expect("an alarm that is there");
        alarm.silent = true;
    }

    /// Lets an alarm go to a state. One that is not there is made, without tags.
    pub fn change(&self, alarm: &AlarmArn, at: Timestamp, to: AlarmState) {
        let mut state = self.state();
        let changes = &mut state.alarms.entry(alarm.clone()).or_default().changes;
        changes.push(Change { at, to });
    }

    /// The alarm of this name, in whichever account and region it is.
    pub fn named(&self, name: &str) -> Option<AlarmArn> {
        let state = self.state();
        let mut arns = state.alarms.keys();
        arns.find(|arn| arn.name() == name).cloned()
    }

    /// The next `readings` of any history show no change.
    pub fn fall_behind(&self, readings: usize) {
        self.state().behind = readings;
    }
}

#[async_trait]
impl AlarmSource for MemoryAlarms {
    async fn tags(&self, alarm: &AlarmArn) -> Result<BTreeMap<String, String>, AlarmError> {
        let state = self.state();
        let alarm = state.alarms.get(alarm);
        alarm
            .map(|alarm| alarm.tags.clone())
            .ok_or(AlarmError::NotThere)
    }

    async fn changes(
        &self,
        alarm: &AlarmArn,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Change>, AlarmError> {
        let mut state = self.state();
        if state.behind > 0 {
            state.behind -= 1;
            return Ok(Vec::new());
        }
        let changes = state.alarms.get(alarm).into_iter();
        let changes = changes.flat_map(|alarm| &alarm.changes);
        Ok(changes
            .filter(|change| from <= change.at && change.at <= to)
            .cloned()
            .collect())
    }

    async fn settings(&self, alarm: &AlarmArn) -> Result<AlarmSettings, AlarmError> {
        let state = self.state();
        let alarm = state.alarms.get(alarm).ok_or(AlarmError::NotThere)?;
        let last = alarm.changes.last().map(|change| change.to.clone());
        Ok(AlarmSettings {
            state: last.unwrap_or(AlarmState::InsufficientData),
            actions_enabled: !alarm.silent,
            actions: alarm.actions.clone(),
            metric: alarm.watches.clone(),
        })
    }
}
