//! Doctor: whether an installation is well, as far as the control function can see. Reads only: no key, no alarm and no item
//! of the table is changed, and nothing is sent to people.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};
use jiff::Timestamp;

use super::Ports;
use super::survey::Guards;
use crate::model::drill::Drill;
use crate::model::names::{AccountName, SlotName};
use crate::model::slot::{ProviderName, Scope, Slot, SlotState};
use crate::ports::{InventoryError, KeyProvider, ProviderError, SecretError, UsageStore};
use crate::rules::alarms::plan;
use crate::rules::doctor::{
    Check, RETIRE_LATE, Tells, account, alarms, drill, lacks_credential, monitor, retire,
};

/// Slots that are read at once.
const AT_ONCE: usize = 16;

/// Looks at everything that the control function may look at. One thing that cannot be read hides no other.
pub async fn look(ports: &Ports, usage: &dyn UsageStore, guards: Option<Guards<'_>>) -> Vec<Check> {
    let mut checks = Vec::new();
    let slots = slots(ports, &mut checks).await;
    checks.push(overdue(ports).await);
    let Some((slots, unread)) = slots else {
        let unseen = ["accounts", "secrets", "alarms", "drill"];
        let why = "the slots could not be listed";
        let unseen = unseen.map(|about| Check::not_seen(about, why, "mend the table first"));
        checks.extend(unseen);
        return checks;
    };
    let serving = slots
        .iter()
        .filter(|slot| slot.state != SlotState::Decommissioned);
    let serving: Vec<&Slot> = serving.collect();
    checks.extend(accounts(ports, usage, &serving).await);
    checks.extend(secrets(ports, &serving).await);
    checks.push(guarded(ports, guards, &serving).await);
    checks.push(drilled(ports, &serving, unread).await);
    checks
}

/// All slots that can be read, and how many cannot; `None` where they cannot be listed.
async fn slots(ports: &Ports, checks: &mut Vec<Check>) -> Option<(Vec<Slot>, usize)> {
    let names = match ports.inventory.slot_names().await {
        Ok(names) => names,
        Err(error) => {
            checks.push(unread("table", &error));
            return None;
        }
    };
    let read = names.into_iter().map(|name| async move {
        let slot = ports.inventory.slot(&name).await;
        (name, slot)
    });
    let read: Vec<(SlotName, Result<Option<Slot>, InventoryError>)> =
        stream::iter(read).buffered(AT_ONCE).collect().await;
    let (mut slots, mut not_read) = (Vec::new(), 0);
    for (name, slot) in read {
        match slot {
            Ok(slot) => slots.extend(slot),
            Err(error) => {
                not_read += 1;
                checks.push(unread(&format!("table, slot {name}"), &error));
            }
        }
    }
    checks.push(Check::ok("table", format!("{} slots", slots.len())));
    Some((slots, not_read))
}

fn unread(about: &str, error: &InventoryError) -> Check {
    match error.is_retryable() {
        true => Check::not_seen(about, error.to_string(), "run it again in a minute"),
        false => Check::wrong(
            about,
            error.to_string(),
            "mend the role or KEYWARD_TABLE of the functions; an item that cannot be read is restored from a backup",
        ),
    }
}

async fn overdue(ports: &Ports) -> Check {
    let late = ports.clock.now() - RETIRE_LATE;
    match ports.inventory.due(late, 1).await {
        Ok(due) => retire(!due.is_empty()),
        Err(error) => unread("retire", &error),
    }
}

/// Each account that a slot is in: one page of its keys, and how far its usage was read.
async fn accounts(ports: &Ports, usage: &dyn UsageStore, slots: &[&Slot]) -> Vec<Check> {
    let mut seen = BTreeSet::new();
    let mut checks = Vec::new();
    for slot in slots {
        if !seen.insert((&slot.account, slot.provider)) {
            continue;
        }
        let is_beside =
            |other: &&&Slot| (&other.account, other.provider) == (&slot.account, slot.provider);
        let first = slots.iter().filter(is_beside).map(|slot| since(slot)).min();
        let name = slot.account.as_str();
        let missing = ports.providers.missing_credentials(&slot.account);
        checks.extend(missing.iter().map(|field| lacks_credential(name, field)));
        match page(ports, &slot.account, slot.provider, &slot.scope).await {
            Ok((driver, keys)) => {
                checks.push(account(name, Ok(keys)));
                let read = read_of(ports, usage, slot, driver.as_ref(), first.flatten());
                checks.push(read.await);
            }
            Err(error) => checks.push(account(name, Err(&error))),
        }
    }
    checks
}

/// Since when a slot is there, at the latest: registering it sets its mode, and a person may have set another since. Not
/// known of one that an older release registered.
const fn since(slot: &Slot) -> Option<Timestamp> {
    slot.mode_since
}

async fn page(
    ports: &Ports,
    name: &AccountName,
    provider: ProviderName,
    scope: &Scope,
) -> Result<(std::sync::Arc<dyn KeyProvider>, usize), ProviderError> {
    let driver = ports.providers.open(name, provider).await?;
    let page = driver.list(scope, None).await?;
    Ok((driver, page.keys.len()))
}

async fn read_of(
    ports: &Ports,
    usage: &dyn UsageStore,
    slot: &Slot,
    driver: &dyn KeyProvider,
    since: Option<Timestamp>,
) -> Check {
    let tells = match driver.reports() {
        Some(_) => Tells::Usage,
        None => Tells::Nothing,
    };
    match usage.account_or_empty(&slot.account).await {
        Ok(kept) => {
            let account = slot.account.as_str();
            monitor(account, tells, &kept, since, ports.clock.now())
        }
        Err(error) => unread(&format!("monitor, {}", slot.account), &error),
    }
}

/// Whether each slot's secret is there and rotates. What is well is told together.
async fn secrets(ports: &Ports, slots: &[&Slot]) -> Vec<Check> {
    let described = slots.iter().map(|slot| async move {
        let secret = ports.secrets.describe(slot.secret.as_str()).await;
        (*slot, secret.map(|secret| secret.rotation_enabled))
    });
    let described: Vec<(&Slot, Result<bool, SecretError>)> =
        stream::iter(described).buffered(AT_ONCE).collect().await;
    let (mut checks, mut well) = (Vec::new(), 0);
    for (slot, rotates) in described {
        let about = format!("secret of {}", slot.name);
        match rotates {
            Ok(true) => well += 1,
            Ok(false) => checks.push(Check::wrong(
                about,
                "rotation is off",
                format!(
                    "aws secretsmanager rotate-secret --secret-id {} --rotation-lambda-arn <the rotate function>",
                    slot.secret
                ),
            )),
            Err(error) if error.is_retryable() => checks.push(Check::not_seen(
                about,
                error.to_string(),
                "run it again in a minute",
            )),
            Err(error) => checks.push(Check::wrong(
                about,
                error.to_string(),
                "restore the secret, or grant secretsmanager:DescribeSecret on it",
            )),
        }
    }
    if well > 0 || checks.is_empty() {
        checks.push(Check::ok("secrets", format!("{well} are there and rotate")));
    }
    checks
}

async fn guarded(ports: &Ports, guards: Option<Guards<'_>>, slots: &[&Slot]) -> Check {
    let Some(guards) = guards else {
        return Check::not_seen(
            "alarms",
            "the control function is not told of the deployment's alarms",
            "set KEYWARD_STACK and KEYWARD_ALARM_TOPIC_ARN for it",
        );
    };
    let prefix = guards.deployment.alarm_prefix();
    match guards.alarms.list(&prefix).await {
        Ok(found) => {
            let names: BTreeSet<SlotName> = slots.iter().map(|slot| slot.name.clone()).collect();
            let since: BTreeMap<SlotName, Option<Timestamp>> =
                slots.iter().map(|s| (s.name.clone(), since(s))).collect();
            let changes = plan(guards.deployment, &names, &found);
            alarms(&since, &changes, ports.clock.now())
        }
        Err(error) => Check::not_seen(
            "alarms",
            error.to_string(),
            "grant cloudwatch:DescribeAlarms to the control function, or run it again in a minute",
        ),
    }
}

/// One canary that cannot be read hides no other's drill, and is not taken for one that was never drilled.
async fn drilled(ports: &Ports, slots: &[&Slot], mut unread: usize) -> Check {
    let mut canaries: Vec<(SlotName, Option<Drill>)> = Vec::new();
    for slot in slots.iter().filter(|slot| slot.canary) {
        match ports.inventory.drills(&slot.name).await {
            Ok(mut drills) => canaries.push((slot.name.clone(), drills.pop())),
            Err(_) => unread += 1,
        }
    }
    drill(&canaries, unread, ports.clock.now())
}
