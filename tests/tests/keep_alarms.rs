//! One alarm for each slot: made for new ones, set right where somebody changed it, removed with the slot.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use jiff::SignedDuration;
use keyward_core::model::alarm::AlarmArn;
use keyward_core::model::alert::{Alert, AlertKind};
use keyward_core::model::kill_alarm::{FoundAlarm, KillAlarm};
use keyward_core::model::names::SlotName;
use keyward_core::model::slot::{Slot, SlotState};
use keyward_core::ports::{
    AlarmSource, Deadline, Inventory, KillAlarmError, KillAlarms, TAG_SLOT, TAG_STACK,
};
use keyward_core::rules::alarms::wanted;
use keyward_core::usecases::keep_alarms::{AlarmPorts, AlarmsKept, KeepAlarmsError, keep_alarms};
use keyward_testkit::gate::Gate;
use keyward_testkit::memory::MemoryAlarms;
use keyward_tests::support::{World, deployment};

/// Alarms of which calls fail, and calls that are counted.
#[derive(Default)]
struct Watched {
    alarms: MemoryAlarms,
    refuses: bool,
    is_unlisted: bool,
    writes: AtomicUsize,
}

impl Watched {
    fn write(&self) -> Result<(), KillAlarmError> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        match self.refuses {
            true => Err(KillAlarmError::Refused("AccessDenied".into())),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl KillAlarms for Watched {
    async fn list(&self, prefix: &str) -> Result<Vec<FoundAlarm>, KillAlarmError> {
        match self.is_unlisted {
            true => Err(KillAlarmError::Unavailable("no answer".into())),
            false => self.alarms.list(prefix).await,
        }
    }

    async fn make(&self, alarm: &KillAlarm) -> Result<(), KillAlarmError> {
        self.write()?;
        KillAlarms::make(&self.alarms, alarm).await
    }

    async fn tag(&self, arn: &AlarmArn, alarm: &KillAlarm) -> Result<(), KillAlarmError> {
        self.write()?;
        self.alarms.tag(arn, alarm).await
    }

    async fn remove(&self, arn: &AlarmArn) -> Result<(), KillAlarmError> {
        self.write()?;
        self.alarms.remove(arn).await
    }
}

struct Kept {
    world: World,
    watched: Watched,
}

impl Kept {
    async fn new() -> Self {
        Self {
            world: World::in_memory(&Arc::new(Gate::default())).await,
            watched: Watched::default(),
        }
    }

    async fn keep(&self, slots: &[Slot]) -> Result<AlarmsKept, KeepAlarmsError> {
        let at = AlarmPorts {
            source: &self.watched.alarms,
            alarms: &self.watched,
        };
        keep_alarms(
            &self.world.ports,
            at,
            &deployment(),
            slots,
            self.world.deadline(),
        )
        .await
    }

    fn arn(&self, slot: &SlotName) -> AlarmArn {
        let name = deployment().alarm_name(slot);
        self.watched.alarms.named(&name).unwrap()
    }

    fn writes(&self) -> usize {
        self.watched.writes.swap(0, Ordering::Relaxed)
    }

    fn told(&self) -> Vec<Alert> {
        self.world.outside.alerts.take()
    }
}

fn others(slot: &Slot, count: usize) -> Vec<Slot> {
    (0..count)
        .map(|number| Slot {
            name: format!("other-{number}").parse().unwrap(),
            ..slot.clone()
        })
        .collect()
}

#[tokio::test]
async fn a_new_slot_is_guarded_by_the_next_run_and_a_guarded_one_costs_no_write() {
    let kept = Kept::new().await;
    let slot = kept.world.slot().await;
    let report = kept.keep(std::slice::from_ref(&slot)).await.unwrap();
    assert_eq!(report.made, 1);
    let found = kept
        .watched
        .alarms
        .list("keyward-prod-kill-")
        .await
        .unwrap();
    let expected = wanted(&deployment(), &slot.name);
    assert_eq!(found[0].setup, Some(expected.setup));
    let tags = kept.watched.alarms.tags(&found[0].arn).await.unwrap();
    assert_eq!(tags[TAG_SLOT], slot.name.as_str());
    assert_eq!(tags[TAG_STACK], "prod");
    kept.writes();
    let again = kept.keep(&[slot]).await.unwrap();
    assert_eq!((again, kept.writes()), (AlarmsKept::default(), 0));
    assert_eq!(kept.told(), []);
}

#[tokio::test]
async fn what_somebody_changed_is_set_right_and_told_in_one_message() {
    let kept = Kept::new().await;
    let slot = kept.world.slot().await;
    let slots = [vec![slot.clone()], others(&slot, 6)].concat();
    kept.keep(&slots).await.unwrap();
    for slot in &slots {
        let arn = kept.arn(&slot.name);
        kept.watched
            .alarms
            .change_setup(&arn, |setup| setup.is_enabled = false);
        kept.watched.alarms.make(&arn, &[]);
    }
    let report = kept.keep(&slots).await.unwrap();
    assert_eq!(report.corrected.len(), 7);
    for slot in &slots {
        let tags = kept.watched.alarms.tags(&kept.arn(&slot.name)).await;
        assert_eq!(tags.unwrap()[TAG_SLOT], slot.name.as_str());
    }
    let [alert] = &kept.told()[..] else {
        panic!("one message");
    };
    assert_eq!(alert.kind, AlertKind::AlarmChanged);
    let what = alert.what.as_str();
    assert!(what.contains("whether it tells anybody"), "{what}");
    assert!(what.ends_with("and 2 more."), "{what}");
    assert_eq!(kept.keep(&slots).await.unwrap(), AlarmsKept::default());
}

#[tokio::test]
async fn tags_that_somebody_took_off_are_back_within_a_day() {
    let kept = Kept::new().await;
    let slot = kept.world.slot().await;
    kept.keep(std::slice::from_ref(&slot)).await.unwrap();
    let arn = kept.arn(&slot.name);
    kept.watched.alarms.make(&arn, &[("team", "ops")]);
    let mut corrected = Vec::new();
    for _ in 0..24 {
        kept.world.pass(SignedDuration::from_hours(1));
        corrected.extend(
            kept.keep(std::slice::from_ref(&slot))
                .await
                .unwrap()
                .corrected,
        );
    }
    assert_eq!(corrected, [(slot.name.clone(), "its tags".to_owned())]);
    let tags = kept.watched.alarms.tags(&arn).await.unwrap();
    assert_eq!(tags[TAG_SLOT], slot.name.as_str());
    assert_eq!(tags["team"], "ops");
}

#[tokio::test]
async fn an_alarm_goes_with_its_slot_and_never_because_a_list_is_short() {
    let kept = Kept::new().await;
    let slot = kept.world.slot().await;
    let gone = others(&slot, 1);
    kept.keep(&[vec![slot.clone()], gone].concat())
        .await
        .unwrap();
    // The list lacks both; one of them is there.
    let report = kept.keep(&[]).await.unwrap();
    assert_eq!(report.removed, 1);
    assert_eq!(kept.watched.alarms.list("").await.unwrap().len(), 1);
    kept.arn(&slot.name);
}

#[tokio::test]
async fn a_slot_that_is_given_up_has_its_alarm_while_a_key_may_live() {
    let kept = Kept::new().await;
    let mut slot = kept.world.slot().await;
    slot.state = SlotState::Decommissioned;
    kept.world.outside.inventory.save_slot(&slot).await.unwrap();
    let slot = kept.world.slot().await;
    let report = kept.keep(std::slice::from_ref(&slot)).await.unwrap();
    assert_eq!(report.made, 1);
    let other = others(&slot, 1);
    assert_eq!(kept.keep(&other).await.unwrap(), AlarmsKept::default());
}

#[tokio::test]
async fn what_is_refused_pages_once_in_a_run_and_is_not_tried_for_every_slot() {
    let mut kept = Kept::new().await;
    kept.watched.refuses = true;
    let slot = kept.world.slot().await;
    let report = kept.keep(&others(&slot, 100)).await.unwrap();
    assert_eq!(
        (report.missing.len(), report.left, kept.writes()),
        (5, 95, 5)
    );
    let [alert] = &kept.told()[..] else {
        panic!("one message");
    };
    assert_eq!(alert.kind, AlertKind::AlarmMissing);
    assert!(alert.what.as_str().contains("AccessDenied"), "{alert:?}");
}

#[tokio::test]
async fn without_a_list_or_time_nothing_is_changed_and_the_rest_is_said() {
    let mut kept = Kept::new().await;
    let slot = kept.world.slot().await;
    kept.watched.is_unlisted = true;
    let failed = kept.keep(std::slice::from_ref(&slot)).await;
    assert!(
        matches!(failed, Err(KeepAlarmsError::Alarms(_))),
        "{failed:?}"
    );
    kept.watched.is_unlisted = false;
    let at = AlarmPorts {
        source: &kept.watched.alarms,
        alarms: &kept.watched,
    };
    let now = Deadline(kept.world.deadline().0 - SignedDuration::from_mins(5));
    let report = keep_alarms(&kept.world.ports, at, &deployment(), &[slot], now).await;
    assert_eq!((report.unwrap().left, kept.writes()), (1, 0));
}
