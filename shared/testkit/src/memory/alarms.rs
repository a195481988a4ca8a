use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use jiff::Timestamp;
use keyward_core::model::alarm::{AlarmArn, AlarmState, Change};
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

    /// Lets an alarm go to a state. One that is not there is made, without tags.
    pub fn change(&self, alarm: &AlarmArn, at: Timestamp, to: AlarmState) {
        let mut state = self.state();
        let changes = &mut state.alarms.entry(alarm.clone()).or_default().changes;
        changes.push(Change { at, to });
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
}
