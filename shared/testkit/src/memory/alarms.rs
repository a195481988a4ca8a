use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use jiff::Timestamp;
use keyward_core::model::alarm::{AlarmArn, AlarmMetric, AlarmSettings, AlarmState, Change};
use keyward_core::model::kill_alarm::{AlarmSetup, FoundAlarm, KillAlarm};
use keyward_core::ports::{
    AlarmError, AlarmSource, KillAlarmError, KillAlarms, TAG_SLOT, TAG_STACK,
};
use keyward_core::rules::alarms::set_up;

/// The account and region of alarms that are made by name.
const PLACE: &str = "arn:aws:cloudwatch:us-east-1:111122223333:alarm:";

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
    setup: Option<AlarmSetup>,
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

    /// Changes how an alarm is set up, as somebody else does.
    ///
    /// # Panics
    /// If there is none, or none that was set up.
    pub fn change_setup(&self, alarm: &AlarmArn, change: impl FnOnce(&mut AlarmSetup)) {
        let mut state = self.state();
        let alarm = state.alarms.get_mut(alarm).expect("an alarm");
        change(alarm.setup.as_mut().expect("one that was set up"));
    }

    /// Lets an alarm that is there watch a metric, or none, and publish to a topic, or to none.
    ///
    /// # Panics
    /// If there is none.
    pub fn set_up(&self, alarm: &AlarmArn, metric: Option<AlarmMetric>, topic: Option<&str>) {
        let mut state = self.state();
        let alarm = state.alarms.get_mut(alarm).expect("an alarm that is there");
        alarm.setup = metric.map(|metric| set_up(metric, topic));
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
        let setup = alarm.setup.as_ref();
        Ok(AlarmSettings {
            state: last.unwrap_or(AlarmState::InsufficientData),
            actions_enabled: setup.is_none_or(|setup| setup.is_enabled),
            actions: setup.map_or_else(Vec::new, |s| s.tells.iter().cloned().collect()),
            metric: setup.map(|setup| setup.metric.clone()),
        })
    }
}

#[async_trait]
impl KillAlarms for MemoryAlarms {
    async fn list(&self, prefix: &str) -> Result<Vec<FoundAlarm>, KillAlarmError> {
        let state = self.state();
        let found = state.alarms.iter();
        let found = found.filter(|(arn, _)| arn.name().starts_with(prefix));
        Ok(found
            .map(|(arn, alarm)| FoundAlarm {
                arn: arn.clone(),
                setup: alarm.setup.clone(),
            })
            .collect())
    }

    async fn make(&self, alarm: &KillAlarm) -> Result<(), KillAlarmError> {
        let arn = format!("{PLACE}{}", alarm.name).parse().expect("an ARN");
        let mut state = self.state();
        let is_new = !state.alarms.contains_key(&arn);
        let kept = state.alarms.entry(arn).or_default();
        kept.setup = Some(alarm.setup.clone());
        if is_new {
            kept.tags.extend(tags(alarm));
        }
        Ok(())
    }

    async fn tag(&self, arn: &AlarmArn, alarm: &KillAlarm) -> Result<(), KillAlarmError> {
        let mut state = self.state();
        match state.alarms.get_mut(arn) {
            Some(kept) => {
                kept.tags.extend(tags(alarm));
                Ok(())
            }
            None => Err(KillAlarmError::Refused("there is no such alarm".into())),
        }
    }

    async fn remove(&self, arn: &AlarmArn) -> Result<(), KillAlarmError> {
        self.state().alarms.remove(arn);
        Ok(())
    }
}

fn tags(alarm: &KillAlarm) -> [(String, String); 2] {
    [
        (TAG_STACK.to_owned(), alarm.stack.to_string()),
        (TAG_SLOT.to_owned(), alarm.slot.to_string()),
    ]
}
