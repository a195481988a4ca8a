//! One run of the monitor: usage is pulled and judged, scores are put, what is over its line is cut off if no alarm does
//! it, unfinished incidents are handed on, and alarms are kept. Level-triggered: what one run leaves, the next one does.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::held::{Held, Stale};
use super::order::Ordered;
use super::{AccountPull, PullSettings, Watched, account, told, upkeep};
use crate::model::alert::Alert;
use crate::model::metric::KillScore;
use crate::model::names::{AccountName, SlotName};
use crate::ports::{
    AlarmSource, Deadline, InventoryError, KillAlarms, KillOrders, Leases, Metrics, UsageStore,
};
use crate::rules::kill::Deployment;
use crate::usecases::Ports;
use crate::usecases::fleet::fleet_of;
use crate::usecases::kill::Invocation;

/// The lease that runs share: two never overlap.
const LEASE: &str = "monitor";

/// A lease ends so long after the run that has it must.
const LEASE_MARGIN: SignedDuration = SignedDuration::from_secs(10);

/// Alerts that could not be sent and are sent again by the next run, at most.
const UNSENT: usize = 100;

/// So many baselines are made again in a run where that can wait: in a day, all of some ten thousand slots.
const MADE_AGAIN: usize = 20;

/// The outside world of the monitor.
#[derive(Clone)]
pub struct MonitorPorts {
    /// What every use case has.
    pub ports: Ports,
    /// Where usage is kept.
    pub usage: Arc<dyn UsageStore>,
    /// Leases.
    pub leases: Arc<dyn Leases>,
    /// Metrics that alarms read.
    pub metrics: Arc<dyn Metrics>,
    /// Reads alarms' tags.
    pub alarm_source: Arc<dyn AlarmSource>,
    /// Makes alarms.
    pub alarms: Arc<dyn KillAlarms>,
    /// The kill switch.
    pub kill_switch: Arc<dyn KillOrders>,
    /// Who we are.
    pub deployment: Deployment,
}

/// How the monitor runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MonitorSettings {
    /// How usage is pulled.
    pub pull: PullSettings,
    /// How often all slots are read; they are as well when one came or went, which each run looks for. A slot near its line
    /// is read anew whenever it is judged.
    pub fleet_every: SignedDuration,
    /// How often alarms are looked at where no slot came or went.
    pub alarms_every: SignedDuration,
}

impl Default for MonitorSettings {
    fn default() -> Self {
        Self {
            pull: PullSettings::default(),
            fleet_every: SignedDuration::from_mins(5),
            alarms_every: SignedDuration::from_hours(1),
        }
    }
}

/// What goes on failing is told again after so long.
const TELL_AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// What one process keeps between runs, so that a run reads little. All of it can be made again from the store: a new
/// process begins with nothing.
#[derive(Debug, Default)]
pub struct State {
    pub(super) fleet: Vec<Watched>,
    pub(super) fleet_at: Option<Timestamp>,
    /// The names that were listed then, those of slots that cannot be read among them.
    listed: Vec<SlotName>,
    /// In boxes, so that a map with room for more takes little for it.
    pub(super) held: HashMap<SlotName, Box<Held>>,
    /// When each account was last pulled by this process.
    pub(super) pulled: HashMap<AccountName, Timestamp>,
    /// When what agents told of each slot was last read by this process.
    pub(super) told_read: HashMap<SlotName, told::Read>,
    /// Slots whose agents' word could not be compared with the provider's, and when that was last tried.
    pub(super) uncompared: BTreeMap<SlotName, Timestamp>,
    /// Accounts of which nothing is told to be unseen.
    pub(super) seen: BTreeSet<AccountName>,
    pub(super) alarms_at: Option<Timestamp>,
    unsent: Vec<Alert>,
    /// Somebody uses a key that is not known: it may have been made since all slots were read.
    reads_anew: bool,
    /// What this process told of itself, and when.
    told: BTreeMap<String, Timestamp>,
}

impl State {
    /// Whether something is to be told: not if it was in the last hour. It counts as told from now on.
    pub(super) fn is_news(&mut self, what: &str, now: Timestamp) -> bool {
        let lately = |at: &Timestamp| now.duration_since(*at) < TELL_AGAIN;
        self.told.retain(|_, at| lately(at));
        let is_news = !self.told.contains_key(what);
        if is_news {
            self.told.insert(what.to_owned(), now);
        }
        is_news
    }
}

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MonitorReport {
    /// Another run is at work: nothing was done.
    pub overlapped: bool,
    /// Slots that are watched.
    pub slots: usize,
    /// Slots that were judged by new figures.
    pub judged: usize,
    /// Slots over their line.
    pub over: usize,
    /// Slots that were sent to the kill switch.
    pub sent: usize,
    /// Incidents that were handed on.
    pub handed_on: usize,
    /// Pages that providers were asked for.
    pub calls: usize,
    /// Accounts of which nothing is seen.
    pub unseen: Vec<AccountName>,
    /// What was left for the next run.
    pub left: Vec<String>,
}

/// Why a run did nothing that counts: it says so by having no heartbeat.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// The lease could not be taken.
    #[error("the monitor's lease could not be taken")]
    Lease(#[source] InventoryError),
    /// The slots could not be read.
    #[error("the slots could not be read, so none was judged")]
    Slots(#[source] InventoryError),
}

/// Runs once. It may be cut off anywhere, repeated, or come late.
///
/// # Errors
/// [`MonitorError`]; the next run tries again.
pub async fn run(
    monitor: &MonitorPorts,
    settings: &MonitorSettings,
    state: &mut State,
    invocation: &Invocation,
) -> Result<MonitorReport, MonitorError> {
    let clock = &monitor.ports.clock;
    let owner = invocation.owner.as_str();
    let until = invocation.deadline.0 + LEASE_MARGIN;
    let taken = monitor.leases.take(LEASE, owner, clock.now(), until).await;
    if taken.map_err(MonitorError::Lease)? == crate::ports::Held::No {
        return Ok(MonitorReport {
            overlapped: true,
            ..MonitorReport::default()
        });
    }
    let mut run = Run {
        monitor,
        settings,
        state,
        deadline: invocation.deadline,
        report: MonitorReport::default(),
        scores: Vec::new(),
        orders: Vec::new(),
        made_again: 0,
    };
    let done = run.all().await;
    let report = run.report;
    if let Err(error) = monitor.leases.give_back(LEASE, owner).await {
        tracing::warn!(%error, "the monitor's lease could not be given back; it ends by itself");
    }
    done.map(|()| report)
}

/// A run under way.
pub(super) struct Run<'a> {
    pub(super) monitor: &'a MonitorPorts,
    pub(super) settings: &'a MonitorSettings,
    pub(super) state: &'a mut State,
    pub(super) deadline: Deadline,
    pub(super) report: MonitorReport,
    pub(super) scores: Vec<KillScore>,
    pub(super) orders: Vec<Ordered>,
    made_again: usize,
}

impl Run<'_> {
    async fn all(&mut self) -> Result<(), MonitorError> {
        self.send_again().await;
        let is_new = self.read_fleet().await?;
        let watch = self.watch().await;
        self.beat().await;
        self.tell_of(&watch).await;
        drop(watch);
        upkeep::alarms(self, is_new).await;
        self.save().await;
        Ok(())
    }

    pub(super) fn now(&self) -> Timestamp {
        self.monitor.ports.clock.now()
    }

    /// Whether a baseline is made again now: it takes all that is kept of a slot's usage.
    pub(super) const fn is_to_be_made_again(&mut self, stale: Stale) -> bool {
        match stale {
            Stale::No => false,
            Stale::Now => true,
            Stale::Later => {
                let is_turn = self.made_again < MADE_AGAIN;
                self.made_again += is_turn as usize;
                is_turn
            }
        }
    }

    pub(super) fn has_time(&self, needed: SignedDuration) -> bool {
        self.deadline
            .allows(self.monitor.ports.clock.as_ref(), needed)
    }

    /// Notes what is left for the next run.
    pub(super) fn leave(&mut self, what: String) {
        tracing::warn!(what, "left for the next run");
        self.report.left.push(what);
    }

    /// Sends an alert; one that is not sent is sent by the next run.
    pub(super) async fn tell(&mut self, mut alert: Alert) {
        alert.at = alert.at.or_else(|| Some(self.now()));
        if !self.monitor.ports.tell(alert.clone()).await && self.state.unsent.len() < UNSENT {
            self.state.unsent.push(alert);
        }
    }

    async fn send_again(&mut self) {
        for alert in std::mem::take(&mut self.state.unsent) {
            self.tell(alert).await;
        }
    }

    /// Reads all slots where that is due, where one came or went, or where somebody uses a key that is not known. Says whether
    /// slots came or went. What was read lately is watched on where it cannot be read anew.
    async fn read_fleet(&mut self) -> Result<bool, MonitorError> {
        let now = self.now();
        let every = self.settings.fleet_every;
        let last = self.state.fleet_at;
        let is_fresh = last.is_some_and(|at| now.duration_since(at) < every);
        let is_new = match self.read_anew(now, is_fresh).await {
            Ok(is_new) => is_new,
            Err(error) if is_fresh => {
                tracing::warn!(%error, "whether slots came or went is not known");
                self.leave("slots that may be new".to_owned());
                false
            }
            Err(error) => return Err(MonitorError::Slots(error)),
        };
        self.report.slots = self.state.fleet.len();
        Ok(is_new)
    }

    async fn read_anew(&mut self, now: Timestamp, is_fresh: bool) -> Result<bool, InventoryError> {
        let inventory = &*self.monitor.ports.inventory;
        let listed = inventory.slot_names().await?;
        if is_fresh && !self.state.reads_anew && listed == self.state.listed {
            return Ok(false);
        }
        let at_once = self.settings.pull.at_once;
        let fleet = fleet_of(inventory, listed.clone(), at_once, async |_| true).await?;
        let names = |fleet: &[Watched]| -> BTreeSet<SlotName> {
            fleet.iter().map(|w| w.slot.name.clone()).collect()
        };
        let after = names(&fleet);
        let state = &mut *self.state;
        let is_new = names(&state.fleet) != after;
        state.held.retain(|name, _| after.contains(name));
        state.told_read.retain(|name, _| after.contains(name));
        state.uncompared.retain(|name, _| after.contains(name));
        (state.fleet, state.listed) = (fleet, listed);
        (state.fleet_at, state.reads_anew) = (Some(now), false);
        Ok(is_new)
    }

    /// Somebody uses a key that no slot has: all slots are read again by the next run.
    pub(super) fn note_strangers(&mut self, pulled: &AccountPull) {
        self.state.reads_anew |= !pulled.unattributed.is_empty();
    }

    pub(super) async fn put_scores(&mut self) {
        let scores = std::mem::take(&mut self.scores);
        let stack = &self.monitor.deployment.stack;
        let put = self.monitor.metrics.put_scores(stack, &scores).await;
        if let Err(error) = put {
            tracing::error!(%error, slots = scores.len(), "scores were not put");
            self.leave("scores that were not put".to_owned());
            account::tell_no_metrics(self, scores.len(), &error).await;
        }
    }

    async fn beat(&mut self) {
        let (now, stack) = (self.now(), &self.monitor.deployment.stack);
        if let Err(error) = self.monitor.metrics.beat(stack, now).await {
            tracing::error!(%error, "the heartbeat was not put");
            self.leave("the heartbeat".to_owned());
        }
    }

    /// Writes what is remembered of slots where that is due.
    async fn save(&mut self) {
        let now = self.now();
        let mut held = std::mem::take(&mut self.state.held);
        let due = held
            .iter_mut()
            .filter(|(slot, held)| held.is_to_be_saved(slot, now));
        let usage = &*self.monitor.usage;
        let (deadline, clock) = (self.deadline, &self.monitor.ports.clock);
        let saving = due.map(|(slot, held)| async move {
            if !deadline.allows(clock.as_ref(), SignedDuration::from_secs(2)) {
                return Err((slot.clone(), None));
            }
            let saved = held.save(usage, slot, now).await;
            saved.map_err(|error| (slot.clone(), Some(error)))
        });
        let at_once = self.settings.pull.at_once;
        let saved: Vec<_> = stream::iter(saving)
            .buffer_unordered(at_once)
            .collect()
            .await;
        let failed: Vec<_> = saved.into_iter().filter_map(Result::err).collect();
        for (slot, error) in &failed {
            if let Some(error) = error {
                tracing::warn!(%slot, %error, "what is remembered of a slot was not written");
                // What the store has is not known: it is read again.
                held.remove(slot);
            }
        }
        self.state.held = held;
        if !failed.is_empty() {
            self.leave(format!("what is remembered of {} slots", failed.len()));
        }
    }
}

/// Slots by the account that they are of.
pub(super) fn of_account(fleet: &[Watched], pulled: &AccountPull) -> BTreeMap<SlotName, usize> {
    let all = fleet.iter().enumerate();
    let ours = all.filter(|(_, watched)| {
        watched.slot.account == pulled.account && watched.slot.provider == pulled.provider
    });
    ours.map(|(at, watched)| (watched.slot.name.clone(), at))
        .collect()
}
