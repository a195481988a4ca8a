//! A survey: what applying a fleet would do, and what of its slots is not as it should be in Secrets Manager, at the
//! providers and in CloudWatch. Reads only. What cannot be read is told as not seen, and counts as equal nowhere.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};
use jiff::SignedDuration;

use super::apply::{ApplyError, Plan, plan};
use super::monitor::read::places;
use super::register::{RegisterError, missing_tags, secret_of};
use super::{Ports, find};
use crate::model::fleet::PlannedSlot;
use crate::model::money::DayLimit;
use crate::model::names::{AccountName, SlotName};
use crate::model::slot::{ProviderName, Slot};
use crate::model::version::Version;
use crate::ports::{Deadline, InventoryError, KeyRecord, KillAlarms, SecretDescription};
use crate::rules::alarms::{self, AlarmChange};
use crate::rules::change::Basis;
use crate::rules::kill::Deployment;
use crate::rules::plan::{Remark, Source, of_alarm, of_keys, of_mode, of_secret};

/// Slots that are read at once.
const AT_ONCE: usize = 16;

/// Provider accounts that are read at once.
const ACCOUNTS_AT_ONCE: usize = 4;

/// What is left of the invocation when a slot is read, at least.
const TIME_FOR_A_SLOT: SignedDuration = SignedDuration::from_secs(5);

/// The alarms that guard slots, as far as a survey looks at them.
#[derive(Clone, Copy)]
pub struct Guards<'a> {
    /// Lists them. Nothing is made or changed through it.
    pub alarms: &'a dyn KillAlarms,
    /// Whose they are.
    pub deployment: &'a Deployment,
}

/// What was seen of one slot of the file.
#[derive(Debug)]
pub struct Surveyed {
    /// The slot.
    pub slot: SlotName,
    /// What applying it would do; `None` where there was no time to look.
    pub plan: Option<Result<Plan, ApplyError>>,
    /// What is not as it should be, or was not seen.
    pub remarks: Vec<Remark>,
}

/// What applying each slot would do, by file, inventory and, of new slots, secrets: in the order given. `None` where
/// there was no time to look.
pub async fn foresee(
    ports: &Ports,
    planned: &[PlannedSlot],
    deadline: Deadline,
) -> Vec<Option<Result<Plan, ApplyError>>> {
    let plans = planned.iter().map(|slot| async move {
        let is_time = deadline.allows(ports.clock.as_ref(), TIME_FOR_A_SLOT);
        match is_time {
            true => Some(plan(ports, slot).await),
            false => None,
        }
    });
    stream::iter(plans).buffered(AT_ONCE).collect().await
}

/// Looks at every slot of a checked fleet. One that cannot be read hides no other.
pub async fn survey(
    ports: &Ports,
    guards: Option<Guards<'_>>,
    planned: &[PlannedSlot],
    deadline: Deadline,
) -> Vec<Surveyed> {
    let plans = foresee(ports, planned, deadline).await;
    let looked = planned.iter().zip(plans).map(|(planned, plan)| async move {
        let mut found = Found {
            planned,
            kept: None,
            surveyed: Surveyed {
                slot: planned.name.clone(),
                plan,
                remarks: Vec::new(),
            },
        };
        if deadline.allows(ports.clock.as_ref(), TIME_FOR_A_SLOT) {
            found.look_at_secret(ports).await;
        } else if matches!(&found.surveyed.plan, Some(Ok(plan)) if plan.as_it_is().is_some()) {
            for source in [Source::Secret, Source::Provider, Source::Alarm] {
                found.not_seen(source, "there was no time to look at it");
            }
        }
        found
    });
    let mut found: Vec<Found<'_>> = stream::iter(looked).buffered(AT_ONCE).collect().await;
    look_at_accounts(ports, &mut found, deadline).await;
    look_at_alarms(guards, &mut found).await;
    found.into_iter().map(|found| found.surveyed).collect()
}

/// One slot while it is looked at.
struct Found<'a> {
    planned: &'a PlannedSlot,
    /// As the inventory has it, if it is there, with its keys.
    kept: Option<(Slot, Vec<Version>)>,
    surveyed: Surveyed,
}

impl Found<'_> {
    fn not_seen(&mut self, source: Source, why: impl Into<String>) {
        self.surveyed.remarks.push(Remark::not_seen(source, why));
    }

    /// Reads a registered slot's keys from the inventory, and its secret's labels and tags.
    async fn look_at_secret(&mut self, ports: &Ports) {
        let Some(Ok(plan)) = &self.surveyed.plan else {
            return;
        };
        let Some(slot) = plan.as_it_is().cloned() else {
            return;
        };
        self.surveyed
            .remarks
            .extend(of_mode(&slot, self.planned.entry.mode));
        let versions = match ports.inventory.versions(&slot.name).await {
            Ok(versions) => versions,
            Err(error) => return self.not_seen(Source::Inventory, error.to_string()),
        };
        match secret_of(ports, self.planned).await {
            Ok(secret) => {
                let remarks = secret_remarks(&slot, &versions, &secret);
                self.surveyed.remarks.extend(remarks);
            }
            Err(RegisterError::Secret(error)) if error.is_retryable() => {
                self.not_seen(Source::Secret, error.to_string());
            }
            Err(error) => self.surveyed.plan = Some(Err(error.into())),
        }
        self.kept = Some((slot, versions));
    }
}

fn secret_remarks(slot: &Slot, versions: &[Version], secret: &SecretDescription) -> Vec<Remark> {
    let missing = missing_tags(slot, secret, versions).into_iter();
    let missing: Vec<String> = missing.map(|(key, _)| key).collect();
    of_secret(slot, versions, secret, &missing)
}

/// The keys of one account, by handle, and how it limits them; or why they were not seen.
type Listed = Result<(BTreeMap<String, KeyRecord>, Option<DayLimit>), String>;

async fn look_at_accounts(ports: &Ports, found: &mut [Found<'_>], deadline: Deadline) {
    let slots = || {
        found
            .iter()
            .filter_map(|found| Some(&found.kept.as_ref()?.0))
    };
    let accounts: BTreeSet<(AccountName, ProviderName)> = slots()
        .map(|slot| (slot.account.clone(), slot.provider))
        .collect();
    let lists = accounts.into_iter().map(|account| {
        let places: Vec<_> = slots()
            .filter(|slot| (&slot.account, slot.provider) == (&account.0, account.1))
            .cloned()
            .collect();
        async move {
            let listed = list(ports, &account, &places, deadline).await;
            (account, listed)
        }
    });
    let listed: BTreeMap<(AccountName, ProviderName), Listed> = stream::iter(lists)
        .buffered(ACCOUNTS_AT_ONCE)
        .collect()
        .await;
    let now = ports.clock.now();
    for found in found {
        let Some((slot, versions)) = &found.kept else {
            continue;
        };
        let remarks = match listed.get(&(slot.account.clone(), slot.provider)) {
            Some(Ok((keys, limit))) => of_keys(slot, versions, keys, *limit, now),
            Some(Err(why)) => vec![Remark::not_seen(Source::Provider, why.clone())],
            None => Vec::new(),
        };
        found.surveyed.remarks.extend(remarks);
    }
}

async fn list(
    ports: &Ports,
    (account, provider): &(AccountName, ProviderName),
    slots: &[Slot],
    deadline: Deadline,
) -> Listed {
    let driver = ports.providers.open(account, *provider).await;
    let driver = driver.map_err(|error| error.to_string())?;
    let mut keys = BTreeMap::new();
    let has_time = || deadline.allows(ports.clock.as_ref(), TIME_FOR_A_SLOT);
    for place in places(slots) {
        if !has_time() {
            return Err("there was no time to list its keys".to_owned());
        }
        let listed = find::keys_while(driver.as_ref(), &place, |_| true, has_time).await;
        let listed = listed.map_err(|error| error.to_string())?.into_iter();
        keys.extend(listed.map(|key| (key.handle.to_string(), key)));
    }
    Ok((keys, driver.caps().map(|caps| caps.day_limit())))
}

async fn look_at_alarms(guards: Option<Guards<'_>>, found: &mut [Found<'_>]) {
    let changes = match guards {
        None => Err("the control function is not told of the deployment's alarms: set KEYWARD_STACK and KEYWARD_ALARM_TOPIC_ARN for it".to_owned()),
        Some(guards) => changes(guards, found).await,
    };
    for found in found.iter_mut().filter(|found| found.kept.is_some()) {
        match &changes {
            Ok(changes) => {
                let of_slot = changes.get(&found.surveyed.slot);
                let remark = of_slot.and_then(of_alarm);
                found.surveyed.remarks.extend(remark);
            }
            Err(why) => found.not_seen(Source::Alarm, why.clone()),
        }
    }
}

/// What must become of the alarms of the slots that are registered.
async fn changes(
    guards: Guards<'_>,
    found: &[Found<'_>],
) -> Result<BTreeMap<SlotName, AlarmChange>, String> {
    let registered = found.iter().filter(|found| found.kept.is_some());
    let registered: BTreeSet<SlotName> = registered.map(|f| f.surveyed.slot.clone()).collect();
    if registered.is_empty() {
        return Ok(BTreeMap::new());
    }
    let prefix = guards.deployment.alarm_prefix();
    let listed = guards.alarms.list(&prefix).await;
    let listed = listed.map_err(|error| error.to_string())?;
    let changes = alarms::plan(guards.deployment, &registered, &listed).into_iter();
    Ok(changes
        .map(|change| (change.slot().clone(), change))
        .collect())
}

/// The slots of the inventory that a fleet does not name: nothing is done with them.
///
/// # Errors
/// [`InventoryError`].
pub async fn not_in_file(
    ports: &Ports,
    planned: &[PlannedSlot],
) -> Result<Vec<SlotName>, InventoryError> {
    let named: BTreeSet<&SlotName> = planned.iter().map(|slot| &slot.name).collect();
    let mut others = ports.inventory.slot_names().await?;
    others.retain(|name| !named.contains(name));
    Ok(others)
}

/// What the plan of a slot was made on; `None` where there is none.
pub fn basis(planned: &PlannedSlot, plan: Option<&Result<Plan, ApplyError>>) -> Option<Basis> {
    let plan = plan?.as_ref().ok()?;
    Some(Basis::of(plan.as_it_is(), planned))
}
