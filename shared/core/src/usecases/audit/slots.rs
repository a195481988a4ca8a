//! The second pass: each slot with its keys, held against all that was listed.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use super::accounts::Lists;
use super::fleet::{AT_ONCE, Outline, say_damaged};
use super::pages::Reader;
use super::rest::Around;
use super::{AuditOrder, AuditPorts, Read};
use crate::model::audit::{Period, Seen, SlotLine, Source};
use crate::model::drill::Drill;
use crate::model::finding::Finding;
use crate::model::key::Fingerprint;
use crate::model::money::MicroDollars;
use crate::model::names::{AccountName, Reader as SecretReader, SlotName};
use crate::model::slot::{Environment, Slot, SlotState};
use crate::model::usage::Bucket;
use crate::model::usage_items::{AccountUsage, KEPT, spent};
use crate::model::version::{Version, VersionState};
use crate::ports::{ListError, ListedSecret, ReadingStage, SlotRows};
use crate::rules::audit::facts::{
    FleetFacts, Listing, ReaderFacts, Shared, SharedFacts, Sight, SlotFacts, Watcher,
};
use crate::rules::audit::{IDLE_AFTER, may_be_idle, of_fleet, of_reader, of_shared, of_slot};
use crate::rules::caps;
use crate::usecases::monitor::held;

/// Who watches an account was seen lately.
const LATELY: SignedDuration = SignedDuration::from_hours(1);

/// What is remembered of all slots: of each key two short texts.
#[derive(Debug, Default)]
pub(super) struct Fleet {
    /// Whose a key's text is.
    pub(super) fingerprints: BTreeMap<Fingerprint, SlotName>,
    /// The same of those that may be alive.
    alive: BTreeMap<Fingerprint, SlotName>,
    handles: BTreeMap<(AccountName, Box<str>), SlotName>,
    secrets: BTreeMap<Box<str>, SlotName>,
    readers: BTreeMap<SecretReader, BTreeMap<SlotName, Environment>>,
    canaries: Vec<(SlotName, Option<Drill>)>,
    slots: usize,
    /// Items of slots that cannot be read.
    pub(super) damaged: usize,
}

/// A slot with what is read for it alone.
struct Own {
    rows: SlotRows,
    policy: Result<Option<String>, String>,
    secret: Sight<Option<ListedSecret>>,
    unseen_secret: Option<String>,
    used: Sight<Option<Timestamp>>,
    spent: Option<MicroDollars>,
    normal_day: Option<MicroDollars>,
}

/// Judges every slot, a few at a time; none is kept.
pub(super) async fn judge_all(
    ports: &AuditPorts,
    order: &AuditOrder,
    reader: &Reader<'_>,
    outline: &Outline,
    around: &Around,
    lists: &mut Lists,
    read: &mut Read,
) -> Fleet {
    let watchers = watchers(ports, reader, outline, read).await;
    let mut fleet = Fleet::default();
    let names: Vec<SlotName> = outline.names.iter().cloned().collect();
    let rows = names
        .iter()
        .map(|name| own(ports, order.period, reader, around, name));
    let mut rows = stream::iter(rows).buffered(AT_ONCE);
    let mut policies: Option<String> = None;
    let mut at = 0..names.len();
    while let (Some(found), Some(at)) = (rows.next().await, at.next()) {
        reader.progress.at(ReadingStage::Keys, at + 1, names.len());
        let own = match found {
            Ok(own) => own,
            Err(why) => {
                read.put(Source::Inventory, Seen::part(&why));
                continue;
            }
        };
        own.rows
            .damaged
            .iter()
            .for_each(|row| say_damaged(row, read));
        fleet.damaged += own.rows.damaged.len();
        let Some(slot) = &own.rows.slot else {
            fleet.keep_keys(&names[at], &own.rows, lists, read);
            continue;
        };
        if let Err(why) = &own.policy {
            policies.get_or_insert_with(|| why.clone());
        }
        if let Some(why) = &own.unseen_secret {
            read.put(Source::Secrets, Seen::part(why));
        }
        if own.used == Sight::NotSeen {
            let account = Source::Usage(slot.account.clone());
            read.put(
                account,
                Seen::part("what is kept of the usage of a slot cannot be read"),
            );
        }
        judge(ports, slot, &own, around, &watchers, lists, read);
        fleet.add(slot, &own.rows, read);
    }
    read.put(
        Source::Policies,
        match policies {
            Some(why) => Seen::part(&why),
            None if read.coverage.is_whole(&Source::Inventory) => Seen::Whole,
            None => Seen::part("not all slots were read"),
        },
    );
    fleet.judge(ports, read);
    fleet
}

async fn own(
    ports: &AuditPorts,
    period: Period,
    reader: &Reader<'_>,
    around: &Around,
    name: &SlotName,
) -> Result<Own, String> {
    let rows = reader.ask(|| ports.census.rows(name)).await?;
    let mut own = Own {
        rows,
        policy: Ok(None),
        secret: Sight::NotSeen,
        unseen_secret: None,
        used: Sight::Seen(None),
        spent: None,
        normal_day: None,
    };
    let Some(slot) = &own.rows.slot else {
        return Ok(own);
    };
    own.secret = around.secret(&slot.secret);
    if is_suspect(ports, slot, &own) {
        match reader.ask(|| ports.secrets.secret(&slot.secret)).await {
            Ok(secret) => own.secret = Sight::Seen(secret),
            Err(why) => {
                own.secret = Sight::NotSeen;
                own.unseen_secret = Some(why);
            }
        }
    }
    // One that is gone, or on its way, is read by nobody, and Secrets Manager tells no policy of it.
    let is_gone = |secret: &ListedSecret| secret.deleted.is_some();
    if !matches!(own.listed_secret(), Sight::Seen(secret) if secret.is_none_or(is_gone)) {
        own.policy = reader.ask(|| ports.secrets.policy(&slot.secret)).await;
    }
    own.used = last_use(ports, slot, &own.rows.versions).await;
    own.spent = month_spend(ports, slot, period).await;
    own.normal_day = normal_day(ports, name).await;
    Ok(own)
}

/// Whether something would be found about the secret as it is listed. The list lags by minutes, and knows no other account's
/// secrets: such a one is looked at by itself before anything is said of it.
fn is_suspect(ports: &AuditPorts, slot: &Slot, own: &Own) -> bool {
    let found = of_slot(&SlotFacts {
        now: ports.clock.now(),
        slot,
        versions: &own.rows.versions,
        listings: own.rows.versions.iter().map(|_| Listing::NotSeen).collect(),
        account: Sight::NotSeen,
        secret: own.listed_secret(),
        policy: Sight::NotSeen,
        watcher: Sight::NotSeen,
        alarm: Sight::NotSeen,
        left: Sight::NotSeen,
        used: Sight::NotSeen,
    });
    let about_it = |finding: &Finding| finding.sources.contains(&Source::Secrets);
    found.iter().any(about_it)
}

impl Own {
    const fn listed_secret(&self) -> Sight<Option<&ListedSecret>> {
        match &self.secret {
            Sight::Seen(secret) => Sight::Seen(secret.as_ref()),
            Sight::NotSeen => Sight::NotSeen,
        }
    }
}

/// When the slot's current key was last used by the usage that is kept, where nothing else tells that it was.
async fn last_use(
    ports: &AuditPorts,
    slot: &Slot,
    versions: &[Version],
) -> Sight<Option<Timestamp>> {
    let now = ports.clock.now();
    let Some(current) = may_be_idle(versions, now) else {
        return Sight::Seen(None);
    };
    let (from, until) = (Bucket::of(now - IDLE_AFTER), Bucket::of(now));
    let hours = ports
        .usage
        .hours(&slot.name, from.hour(), until.hour() + 1)
        .await;
    let Ok(hours) = hours else {
        return Sight::NotSeen;
    };
    let cells = hours.iter().flat_map(|hour| &hour.cells);
    let used = cells.filter(|cell| cell.version == current.id && cell.counts().used());
    Sight::Seen(used.map(|cell| cell.bucket.ends().min(now)).max())
}

/// What the slot spent in the period up to now; `None` if it cannot be read, or is not kept any more.
async fn month_spend(ports: &AuditPorts, slot: &Slot, period: Period) -> Option<MicroDollars> {
    let now = ports.clock.now();
    if now.duration_since(period.begins()) > KEPT {
        return None;
    }
    let until = period.after().begins().min(now);
    let (from, until) = (Bucket::of(period.begins()), Bucket::of(until));
    let hours = ports
        .usage
        .hours(&slot.name, from.hour(), until.hour() + 1)
        .await;
    Some(spent(None, &hours.ok()?, (from, until), |_| true).known)
}

/// What the slot spends on a day, where that is learned and can be read.
async fn normal_day(ports: &AuditPorts, name: &SlotName) -> Option<MicroDollars> {
    let watch = ports.usage.baseline(name).await.ok()??;
    held::normal_day(&watch, ports.clock.now())
}

/// Who watches each account.
async fn watchers(
    ports: &AuditPorts,
    reader: &Reader<'_>,
    outline: &Outline,
    read: &mut Read,
) -> BTreeMap<AccountName, Watcher> {
    let mut watchers = BTreeMap::new();
    let accounts: BTreeSet<&AccountName> = outline.places.keys().map(|(name, _)| name).collect();
    for account in accounts {
        let usage = || async {
            let usage = ports.usage.account_or_empty(account).await;
            usage.map_err(ListError::from)
        };
        let source = Source::Usage(account.clone());
        match reader.ask(usage).await {
            Ok(usage) => {
                let watcher = watcher(&usage, ports.clock.now());
                watchers.insert(account.clone(), watcher);
                read.put(source, Seen::Whole);
            }
            Err(why) => read.put(source, Seen::not(&why)),
        }
    }
    watchers
}

fn watcher(usage: &AccountUsage, now: Timestamp) -> Watcher {
    let is_late = |at: &Timestamp| now < *at + LATELY;
    match (usage.blind_since, usage.read_at, usage.told_at) {
        (_, _, Some(told)) if is_late(&told) => Watcher::Agents,
        (None, Some(at), _) if is_late(&at) => Watcher::Provider,
        (blind, read, told) => Watcher::Nobody(blind.or(read).or(told)),
    }
}

fn judge(
    ports: &AuditPorts,
    slot: &Slot,
    own: &Own,
    around: &Around,
    watchers: &BTreeMap<AccountName, Watcher>,
    lists: &mut Lists,
    read: &mut Read,
) {
    let versions = &own.rows.versions;
    if let Some(list) = lists.get_mut(&slot.account) {
        let handles = versions
            .iter()
            .filter_map(|version| version.handle.as_ref());
        handles.for_each(|handle| list.is_known(handle));
    }
    let list = lists.get(&slot.account);
    let listing = |version| list.map_or(Listing::NotSeen, |list| list.listing(version));
    let now = ports.clock.now();
    let facts = SlotFacts {
        now,
        slot,
        versions,
        listings: versions.iter().map(listing).collect(),
        account: list.map_or(Sight::NotSeen, |list| list.traits),
        secret: own.listed_secret(),
        policy: match &own.policy {
            Ok(policy) => Sight::Seen(policy.as_deref()),
            Err(_) => Sight::NotSeen,
        },
        watcher: watchers
            .get(&slot.account)
            .copied()
            .map_or(Sight::NotSeen, Sight::Seen),
        alarm: around.alarm(&slot.name),
        left: around.left.as_ref(),
        used: own.used,
    };
    read.findings.extend(of_slot(&facts));
    read.slots.push(line(slot, own, now));
    read.totals.slots += 1;
    let alive = versions
        .iter()
        .filter(|version| version.state.may_be_alive());
    read.totals.keys += u32::try_from(alive.count()).unwrap_or(u32::MAX);
}

fn line(slot: &Slot, own: &Own, now: Timestamp) -> SlotLine {
    let days = |span: SignedDuration| u32::try_from(span.as_hours() / 24).unwrap_or(0);
    let mut current = own
        .rows
        .versions
        .iter()
        .filter(|v| v.state == VersionState::Current);
    SlotLine {
        slot: slot.name.clone(),
        agent: slot.agent.clone(),
        owner: slot.owner.clone(),
        environment: slot.environment,
        provider: slot.provider,
        account: slot.account.clone(),
        state: slot.state,
        age_days: current
            .next()
            .map(|key| days(now.duration_since(key.created))),
        max_age_days: days(slot.policy.max_age),
        spent: own.spent,
        expected: slot.expected.monthly,
        normal_day: own.normal_day,
        cap: caps::monthly(slot, now),
    }
}

/// What is not known while a slot, or a canary's drill, cannot be read.
const UNREAD: &str = "a slot cannot be read";

impl Fleet {
    /// The keys of a slot that cannot be read itself: they are no strangers, whatever account they are of.
    fn keep_keys(&mut self, name: &SlotName, rows: &SlotRows, lists: &mut Lists, read: &mut Read) {
        if !rows.damaged.is_empty() {
            read.unread.get_or_insert(UNREAD);
        }
        for version in &rows.versions {
            if let Some(handle) = &version.handle {
                lists.values_mut().for_each(|list| list.is_known(handle));
            }
            if let Some(fingerprint) = version.fingerprint {
                let holder = self.fingerprints.entry(fingerprint);
                holder.or_insert_with(|| name.clone());
            }
        }
    }

    /// Remembers a slot, and tells of what it shares with one before it.
    fn add(&mut self, slot: &Slot, rows: &SlotRows, read: &mut Read) {
        let name = &slot.name;
        let mut shared: BTreeSet<(Shared, SlotName)> = BTreeSet::new();
        let mut take = |what: Shared, holder: &SlotName| {
            if holder != name {
                shared.insert((what, holder.clone()));
            }
        };
        // What is out of service lets go of its secret, which may be another's.
        if slot.state != SlotState::Decommissioned {
            let secret = self.secrets.entry(slot.secret.as_str().into());
            take(Shared::Secret, secret.or_insert_with(|| name.clone()));
        }
        for version in &rows.versions {
            if let Some(fingerprint) = version.fingerprint {
                let holder = self.fingerprints.entry(fingerprint);
                holder.or_insert_with(|| name.clone());
            }
        }
        // What was revoked belongs to nobody: a slot that let go of what it shared shares it no more.
        let alive = rows.versions.iter();
        for version in alive.filter(|version| version.state.may_be_alive()) {
            if let Some(fingerprint) = version.fingerprint {
                let holder = self.alive.entry(fingerprint);
                take(Shared::Fingerprint, holder.or_insert_with(|| name.clone()));
            }
            if let Some(handle) = &version.handle {
                let key = (slot.account.clone(), handle.as_str().into());
                let holder = self.handles.entry(key);
                take(Shared::Handle, holder.or_insert_with(|| name.clone()));
            }
        }
        for (what, first) in &shared {
            let facts = SharedFacts {
                what: *what,
                first,
                second: name,
            };
            read.findings.extend(of_shared(&facts));
        }
        if slot.state != SlotState::Decommissioned {
            let roles = slot
                .readers
                .iter()
                .filter(|reader| reader.as_str().starts_with("arn:"));
            for reader in roles {
                let slots = self.readers.entry(reader.clone()).or_default();
                slots.insert(name.clone(), slot.environment);
            }
            if slot.canary {
                if rows.drill.is_none() && !rows.damaged.is_empty() {
                    read.unread.get_or_insert(UNREAD);
                }
                self.canaries.push((name.clone(), rows.drill.clone()));
            }
        }
        self.slots += 1;
    }

    /// What can be told of all slots together. Where something was not read, it may be a drill.
    fn judge(&self, ports: &AuditPorts, read: &mut Read) {
        for (reader, slots) in &self.readers {
            let found = of_reader(&ReaderFacts { reader, slots });
            read.findings.extend(found);
        }
        if read.coverage.is_whole(&Source::Inventory) && read.unread.is_none() {
            let facts = FleetFacts {
                now: ports.clock.now(),
                canaries: &self.canaries,
                slots: self.slots,
            };
            read.findings.extend(of_fleet(&facts));
        }
    }
}
