//! Keeps one alarm for each slot: a new agent is guarded without a deployment, and what somebody changed is set right.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::Ports;
use super::several::{alert, listed};
use crate::model::alarm::AlarmArn;
use crate::model::alert::{AlertKind, Severity};
use crate::model::kill_alarm::{FoundAlarm, KillAlarm};
use crate::model::names::SlotName;
use crate::model::slot::{Slot, SlotState};
use crate::model::version::{Version, VersionState};
use crate::ports::{
    AlarmSource, Deadline, InventoryError, KillAlarmError, KillAlarms, TAG_SLOT, TAG_STACK,
};
use crate::rules::alarms::{AlarmChange, is_tag_hour, plan, wanted};
use crate::rules::kill::Deployment;

/// No change is begun with less time left.
const MARGIN: SignedDuration = SignedDuration::from_secs(5);

/// After so many refusals nothing more is tried in a run.
const REFUSALS: usize = 5;

/// Where alarms are read and written.
#[derive(Clone, Copy)]
pub struct AlarmPorts<'a> {
    /// Reads one alarm's tags.
    pub source: &'a dyn AlarmSource,
    /// Makes, corrects and removes.
    pub alarms: &'a dyn KillAlarms,
}

/// What became of the alarms.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlarmsKept {
    /// Slots that got an alarm.
    pub made: usize,
    /// Alarms that were set right, or got their tags back, with what of them was changed.
    pub corrected: Vec<(SlotName, String)>,
    /// Alarms of slots that are gone.
    pub removed: usize,
    /// Slots that have no alarm of theirs until a person does something, and why.
    pub missing: Vec<(SlotName, String)>,
    /// Changes, and looks at tags, that there was no time for or that failed for now. The next run does them.
    pub left: usize,
}

/// Why nothing could be done.
#[derive(Debug, thiserror::Error)]
pub enum KeepAlarmsError {
    /// The slots could not be read. No alarm was changed.
    #[error("the slots could not be read, so no alarm was changed")]
    Inventory(#[from] InventoryError),
    /// The alarms could not be listed. None was changed.
    #[error("the alarms could not be listed, so none was changed")]
    Alarms(#[from] KillAlarmError),
}

/// Makes the alarms what they are to be for `slots`, one after the other: CloudWatch takes few changes a second.
///
/// # Errors
/// [`KeepAlarmsError`]: nothing was changed. The failure of one alarm is no error: it is in the result, and people are
/// told of a slot that is without.
pub async fn keep_alarms(
    ports: &Ports,
    at: AlarmPorts<'_>,
    deployment: &Deployment,
    slots: &[Slot],
    deadline: Deadline,
) -> Result<AlarmsKept, KeepAlarmsError> {
    let mut guarded = BTreeSet::new();
    for slot in slots {
        if is_guarded(ports, slot).await? {
            guarded.insert(slot.name.clone());
        }
    }
    let found = at.alarms.list(&deployment.alarm_prefix()).await?;
    let mut keeping = Keeping {
        ports,
        at,
        deployment,
        deadline,
        kept: AlarmsKept::default(),
        refused: 0,
    };
    let changes = plan(deployment, &guarded, &found);
    let touched: BTreeSet<SlotName> = changes.iter().map(|c| c.slot().clone()).collect();
    for change in changes {
        keeping.carry_out(change).await;
    }
    for found in &found {
        match keeping.guards(found, &guarded) {
            Some(slot) if !touched.contains(slot) => keeping.see_to_tags(found, slot).await,
            _ => {}
        }
    }
    let kept = keeping.kept;
    tell(ports, &kept).await;
    Ok(kept)
}

/// Whether a slot is to have an alarm: one that is given up has it until its keys are seen dead.
async fn is_guarded(ports: &Ports, slot: &Slot) -> Result<bool, InventoryError> {
    if slot.state != SlotState::Decommissioned {
        return Ok(true);
    }
    let versions = ports.inventory.versions(&slot.name).await?;
    let is_over = |version: &Version| version.state == VersionState::Revoked;
    Ok(!versions.iter().all(is_over))
}

struct Keeping<'a> {
    ports: &'a Ports,
    at: AlarmPorts<'a>,
    deployment: &'a Deployment,
    deadline: Deadline,
    kept: AlarmsKept,
    refused: usize,
}

impl Keeping<'_> {
    /// Whether another call may be made. What is refused so often is refused for all.
    fn may_go_on(&self) -> bool {
        self.deadline.allows(self.ports.clock.as_ref(), MARGIN) && self.refused < REFUSALS
    }

    async fn carry_out(&mut self, change: AlarmChange) {
        if !self.may_go_on() {
            self.kept.left += 1;
            return;
        }
        match change {
            AlarmChange::Make(alarm) => {
                let made = self.at.alarms.make(&alarm).await;
                if self.is_done(&alarm, made) {
                    self.kept.made += 1;
                }
            }
            AlarmChange::Correct(alarm, arn, differs) => {
                let mut made = self.at.alarms.make(&alarm).await;
                // What was there keeps its tags.
                if made.is_ok() {
                    made = self.at.alarms.tag(&arn, &alarm).await;
                }
                if self.is_done(&alarm, made) {
                    self.kept.corrected.push((alarm.slot, differs.join(", ")));
                }
            }
            AlarmChange::Remove(arn, slot) => self.remove(&arn, &slot).await,
            AlarmChange::Taken(alarm, arn) => {
                let why = format!(
                    "the alarm of that name, {arn}, belongs to another deployment: give one of the two slots another name"
                );
                self.kept.missing.push((alarm.slot, why));
            }
        }
    }

    /// The list of slots lags: whether the slot is gone is read from the slot itself.
    async fn remove(&mut self, arn: &AlarmArn, slot: &SlotName) {
        let is_needed = match self.ports.inventory.slot(slot).await {
            Ok(None) => Ok(false),
            Ok(Some(slot)) => is_guarded(self.ports, &slot).await,
            Err(error) => Err(error),
        };
        match is_needed {
            Ok(true) => {}
            Ok(false) => match self.at.alarms.remove(arn).await {
                Ok(()) => self.kept.removed += 1,
                Err(error) => {
                    tracing::warn!(%slot, %arn, %error, "an alarm of a slot that is gone could not be removed; the next run tries again");
                    self.kept.left += 1;
                }
            },
            Err(error) => {
                tracing::warn!(%slot, %arn, %error, "it could not be seen whether a slot is gone; its alarm stays");
                self.kept.left += 1;
            }
        }
    }

    /// The slot that an alarm of ours guards.
    fn guards<'s>(
        &self,
        found: &FoundAlarm,
        guarded: &'s BTreeSet<SlotName>,
    ) -> Option<&'s SlotName> {
        let prefix = self.deployment.alarm_prefix();
        let slot: SlotName = found.arn.name().strip_prefix(&prefix)?.parse().ok()?;
        guarded.get(&slot)
    }

    /// An alarm without its tags is not known as ours, and kills nobody.
    async fn see_to_tags(&mut self, found: &FoundAlarm, slot: &SlotName) {
        if !is_tag_hour(slot, self.ports.clock.now()) {
            return;
        }
        if !self.may_go_on() {
            self.kept.left += 1;
            return;
        }
        let tags = match self.at.source.tags(&found.arn).await {
            Ok(tags) => tags,
            Err(error) => {
                tracing::warn!(%slot, arn = %found.arn, %error, "an alarm's tags could not be read");
                self.kept.left += 1;
                return;
            }
        };
        let has = |key: &str, value: &str| tags.get(key).map(String::as_str) == Some(value);
        if has(TAG_STACK, self.deployment.stack.as_str()) && has(TAG_SLOT, slot.as_str()) {
            return;
        }
        let alarm = wanted(self.deployment, slot);
        let tagged = self.at.alarms.tag(&found.arn, &alarm).await;
        if self.is_done(&alarm, tagged) {
            self.kept
                .corrected
                .push((alarm.slot, "its tags".to_owned()));
        }
    }

    /// Whether a change was made. What a person must mend is told; what passes is tried again by the next run.
    fn is_done(&mut self, alarm: &KillAlarm, result: Result<(), KillAlarmError>) -> bool {
        let Err(error) = result else {
            return true;
        };
        tracing::error!(slot = %alarm.slot, alarm = %alarm.name, %error, "the alarm that guards a slot could not be made or set right");
        match error {
            KillAlarmError::Refused(_) => {
                self.refused += 1;
                self.kept
                    .missing
                    .push((alarm.slot.clone(), error.to_string()));
            }
            KillAlarmError::Unavailable(_) => self.kept.left += 1,
        }
        false
    }
}

/// One message for all slots that the same happened to: a deployment's new topic changes every alarm.
async fn tell(ports: &Ports, kept: &AlarmsKept) {
    if !kept.corrected.is_empty() {
        let what = format!(
            "Alarms that guard slots were not as Keyward made them: {}.",
            listed(&kept.corrected)
        );
        let done = "They are set right again, and the slots are guarded.";
        let left = "If no deployment changed them, find out who did: without its alarm a stolen key runs on for minutes more.";
        ports
            .tell(alert(
                &kept.corrected,
                Severity::Warning,
                AlertKind::AlarmChanged,
                [&what, done, left],
            ))
            .await;
    }
    if !kept.missing.is_empty() {
        let what = format!("Slots have no working alarm: {}.", listed(&kept.missing));
        let done = "The monitor still sends a slot to the kill switch itself, two minutes after its score reaches 1.";
        let left = "Mend what is named. The next run makes the alarms, and those of other slots that it left for this.";
        ports
            .tell(alert(
                &kept.missing,
                Severity::Page,
                AlertKind::AlarmMissing,
                [&what, done, left],
            ))
            .await;
    }
}
