//! Retire: revokes what is past its overlap, sweeps what rotations left behind, and confirms that what was revoked is
//! really dead; then keeps the limits of keys at their providers. Level-triggered: whatever is due is carried on from where
//! its record stands.

mod behind;
mod drain;
mod limits;
mod revoke;
mod revoke_again;
mod serving;
mod watch;

pub use limits::LimitsKept;
pub(crate) use watch::{needs_a_key, start_rotation};

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::Ports;
use super::admin;
use super::adopt::AdoptError;
use super::drill::{self, Told};
use super::find::FindError;
use super::kill::{self, Invocation};
use super::restore::{self, TakeBackError};
use crate::model::alert::{Alert, AlertKind, Severity};
use crate::model::incident::OwnerId;
use crate::model::names::SlotName;
use crate::model::slot::Slot;
use crate::model::version::{IllegalTransition, Version, VersionId, VersionState};
use crate::ports::{
    Deadline, Due, Fence, InventoryError, KeyProvider, Leases, ProviderError, SecretError,
    UsageStore,
};
use crate::rules::revoke::ConfirmPolicy;

/// A version that a rotation has not finished within this time after its invocation's end is taken back.
pub(crate) const STUCK_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// So long before its end a current key pages.
pub(crate) const NEAR_END: SignedDuration = SignedDuration::from_hours(72);

/// How often `retire` is woken; what waits for nothing else is looked at again after so long.
const ROUND: SignedDuration = SignedDuration::from_mins(5);

/// Work that goes on failing is told again after so long.
const TELL_AGAIN: SignedDuration = SignedDuration::from_hours(6);

/// Work taken from the inventory at a time.
const BATCH: usize = 100;

/// Time kept back of the invocation for the item at hand.
const MARGIN: SignedDuration = SignedDuration::from_secs(20);

/// Of the time of a run, the share that due work may take, in percent: limits get their turn however much is due.
const DUE_PERCENT: i32 = 80;

/// What `retire` works with.
#[derive(Clone)]
pub struct Retire {
    /// What every use case has.
    pub ports: Ports,
    /// Where usage is kept: limits are moved by it.
    pub usage: Arc<dyn UsageStore>,
    /// Leases.
    pub leases: Arc<dyn Leases>,
    /// What confirms that a revoked key is dead.
    pub confirm: ConfirmPolicy,
}

/// What `retire` was able to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RetireReport {
    /// Items looked at.
    pub seen: usize,
    /// Versions whose revoke was accepted in this run.
    pub revoked: usize,
    /// Versions confirmed dead in this run.
    pub confirmed: usize,
    /// Items that failed and are due again.
    pub failed: usize,
    /// Whether time ran out with work left.
    pub unfinished: bool,
    /// What became of the limits of keys.
    pub limits: LimitsKept,
}

/// Runs once: what is due first, then limits. Neither holds up the other. It may be cut off anywhere, repeated, or come
/// late.
///
/// # Errors
/// [`InventoryError`] if the list of due work cannot be read.
pub async fn run(retire: &Retire, invocation: &Invocation) -> Result<RetireReport, InventoryError> {
    let ports = &retire.ports;
    let now = ports.clock.now();
    let time = invocation.deadline.0.duration_since(now) * DUE_PERCENT / 100;
    let done = carry_on(ports, &retire.confirm, Deadline(now + time)).await;
    admin::keep(ports, &retire.confirm).await;
    let limits = limits::keep(retire, invocation).await;
    done.map(|report| RetireReport { limits, ..report })
}

/// Carries on whatever is due. One item's failure holds up no other.
///
/// # Errors
/// [`InventoryError`] if the list of due work cannot be read.
pub async fn carry_on(
    ports: &Ports,
    confirm: &ConfirmPolicy,
    deadline: Deadline,
) -> Result<RetireReport, InventoryError> {
    let started = ports.clock.now();
    let mut report = RetireReport::default();
    let due = ports.inventory.due(started, BATCH).await?;
    report.unfinished = due.len() == BATCH;
    for item in due {
        if !deadline.allows(ports.clock.as_ref(), MARGIN) {
            report.unfinished = true;
            break;
        }
        report.seen += 1;
        let (name, outcome) = match &item {
            Due::Slot(name) => (name, carry_slot(ports, name).await),
            Due::Version(name, id) => (
                name,
                carry_version(ports, confirm, name, id, deadline, &mut report).await,
            ),
            Due::Incident(id) => {
                carry_incident(ports, confirm, id, deadline, &mut report).await;
                continue;
            }
        };
        if let Err(error) = outcome {
            report.failed += 1;
            failed(ports, name, &item, &error).await;
        }
    }
    Ok(report)
}

/// Why one item was not carried on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ItemError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error(transparent)]
    Transition(#[from] IllegalTransition),
    #[error("another create for the slot is under way; the key's turn comes after it")]
    OtherUnderWay,
    #[error("the provider says that it knows no such key, but lists it")]
    StillListed,
    #[error("what was done could not be told to anybody; the log has it")]
    Untold,
}

impl From<AdoptError> for ItemError {
    fn from(error: AdoptError) -> Self {
        match error {
            AdoptError::Provider(error) => error.into(),
            AdoptError::Inventory(error) => error.into(),
        }
    }
}

impl From<FindError> for ItemError {
    fn from(error: FindError) -> Self {
        match error {
            FindError::Provider(error) => error.into(),
            FindError::Inventory(error) => error.into(),
            FindError::OtherUnderWay => Self::OtherUnderWay,
        }
    }
}

/// Goes on with an incident that nobody is at work on. One that cannot be read or saved now stays first in line.
async fn carry_incident(
    ports: &Ports,
    confirm: &ConfirmPolicy,
    id: &str,
    deadline: Deadline,
    report: &mut RetireReport,
) {
    let owner = OwnerId::new(&format!("retire, at {}", ports.clock.now()));
    let invocation = Invocation { owner, deadline };
    if let Err(error) = kill::resume(ports, id, confirm, &invocation).await {
        report.failed += 1;
        tracing::warn!(incident = %id, %error, "an incident could not be gone on with and is tried again");
    }
}

async fn carry_slot(ports: &Ports, name: &SlotName) -> Result<(), ItemError> {
    let Some(slot) = ports.inventory.slot(name).await? else {
        return Ok(());
    };
    if slot.due_at > ports.clock.now() {
        return Ok(());
    }
    let (slot, told) = drill::see_to(ports, slot).await?;
    watch::watch(ports, slot).await?;
    match told {
        Told::Yes => Ok(()),
        Told::No => Err(ItemError::Untold),
    }
}

async fn carry_version(
    ports: &Ports,
    confirm: &ConfirmPolicy,
    name: &SlotName,
    id: &VersionId,
    deadline: Deadline,
    report: &mut RetireReport,
) -> Result<(), ItemError> {
    let Some(slot) = ports.inventory.slot(name).await? else {
        return Ok(());
    };
    let versions = ports.inventory.versions(name).await?;
    let now = ports.clock.now();
    let due = versions
        .iter()
        .find(|v| v.id == *id && v.due_at.is_some_and(|at| at <= now));
    let Some(version) = due.cloned() else {
        return Ok(());
    };
    let provider = ports.providers.open(&slot.account, slot.provider).await?;
    let work = Work {
        ports,
        confirm,
        slot: &slot,
        versions: &versions,
        provider,
        deadline,
    };
    work.carry(version, report).await
}

/// One version's work, with what it needs.
pub(crate) struct Work<'a> {
    ports: &'a Ports,
    confirm: &'a ConfirmPolicy,
    slot: &'a Slot,
    versions: &'a [Version],
    provider: Arc<dyn KeyProvider>,
    deadline: Deadline,
}

impl Work<'_> {
    async fn carry(&self, version: Version, report: &mut RetireReport) -> Result<(), ItemError> {
        match version.state {
            VersionState::Intended | VersionState::Pending | VersionState::Promoting => {
                self.clear_stuck(version, report).await
            }
            VersionState::Current => self.watch_age(version).await,
            VersionState::Retiring => self.drain(version, report).await,
            VersionState::Abandoned | VersionState::Contained | VersionState::Revoking => {
                self.revoke(version, report).await
            }
            VersionState::Revoked => self.revoke_again(version).await,
            VersionState::Restoring => self.take_back(version).await,
        }
    }

    /// Whoever wanted to bring the key back did not come to the end. The version is leased first, so that no other
    /// restore begins while the key is being cut off.
    async fn take_back(&self, mut version: Version) -> Result<(), ItemError> {
        let now = self.ports.clock.now();
        if version.lease_until.is_some_and(|until| until > now) {
            return Ok(());
        }
        version.lease_until = Some(self.deadline.0);
        let version = self.save(version).await?;
        match restore::take_back(self.ports, self.provider.as_ref(), &version).await {
            Ok(()) => Ok(()),
            Err(TakeBackError::Provider(error)) => Err(error.into()),
            Err(TakeBackError::Inventory(error)) => Err(error.into()),
            Err(TakeBackError::Transition(error)) => Err(error.into()),
        }
    }

    /// Saves the version as it is, due again after `wait`, or never.
    async fn put_off(
        &self,
        mut version: Version,
        wait: Option<SignedDuration>,
    ) -> Result<(), ItemError> {
        version.due_at = wait.map(|wait| self.ports.clock.now() + wait);
        version.told.failed = None;
        self.save(version).await.map(drop)
    }

    /// Saves what brings a key nearer to its end: in any epoch.
    async fn save(&self, version: Version) -> Result<Version, ItemError> {
        self.ports
            .inventory
            .save_versions(std::slice::from_ref(&version), Fence::None)
            .await?;
        Ok(Version {
            revision: version.revision.next(),
            ..version
        })
    }

    fn alert(&self, severity: Severity, kind: AlertKind, text: [&str; 3]) -> Alert {
        Alert::about(&self.slot.name, severity, kind, text)
    }
}

/// An item failed: it is due again, people are told, and the others go on.
async fn failed(ports: &Ports, name: &SlotName, item: &Due, error: &ItemError) {
    tracing::warn!(slot = %name, ?item, %error, "due work failed and is tried again");
    if let Err(unread) = postpone(ports, item, error).await {
        tracing::warn!(slot = %name, error = %unread, "failed work could not be put off; it stays first in line");
        if !unread.is_retryable() {
            tell_failed(ports, name, error).await;
        }
    }
}

/// Puts failed work behind what is due already, so that it cannot keep the rest from its turn, and tells people, but
/// not every time. What is not due any more was carried on by somebody else.
async fn postpone(ports: &Ports, item: &Due, error: &ItemError) -> Result<(), InventoryError> {
    let now = ports.clock.now();
    match item {
        Due::Slot(name) => {
            let stored = ports.inventory.slot(name).await?;
            let Some(mut slot) = stored.filter(|slot| slot.due_at <= now) else {
                return Ok(());
            };
            slot.due_at = now + ROUND;
            slot.told_failed = told_failed(ports, name, error, slot.told_failed).await;
            ports.inventory.save_slot(&slot).await
        }
        Due::Version(name, id) => {
            let mut stored = ports.inventory.versions(name).await?.into_iter();
            let is_due = |v: &Version| v.id == *id && v.due_at.is_some_and(|at| at <= now);
            let Some(mut version) = stored.find(is_due) else {
                return Ok(());
            };
            version.due_at = Some(now + ROUND);
            version.told.failed = told_failed(ports, name, error, version.told.failed).await;
            ports.inventory.save_versions(&[version], Fence::None).await
        }
        Due::Incident(_) => Ok(()),
    }
}

/// Tells people of failed work unless they were told lately, or it mends itself. Returns when they were told last.
async fn told_failed(
    ports: &Ports,
    name: &SlotName,
    error: &ItemError,
    told: Option<Timestamp>,
) -> Option<Timestamp> {
    let now = ports.clock.now();
    let passing = match error {
        ItemError::Inventory(error) => error.is_retryable(),
        ItemError::OtherUnderWay => true,
        _ => false,
    };
    let lately = told.is_some_and(|at| now.duration_since(at) < TELL_AGAIN);
    if passing || lately || !tell_failed(ports, name, error).await {
        return told;
    }
    Some(now)
}

async fn tell_failed(ports: &Ports, name: &SlotName, error: &ItemError) -> bool {
    if let ItemError::Provider(error) = error
        && let Ok(Some(slot)) = ports.inventory.slot(name).await
        && let Some(alert) = super::find::admin_refused(&slot, error)
    {
        return ports.tell(alert).await;
    }
    let alert = Alert::about(
        name,
        Severity::Warning,
        AlertKind::WorkFailed,
        [
            &format!("Work that is due on slot {name} could not be done: {error}."),
            "Nothing else was held up. It is tried again every 5 minutes.",
            "If it goes on, look at the provider's status and at the slot's admin credential.",
        ],
    );
    ports.tell(alert).await
}
