//! The slots of one account, judged by what a pull brought.

use std::collections::BTreeSet;

use futures::{StreamExt, stream};
use jiff::SignedDuration;

use super::held::{Held, load};
use super::run::{Run, of_account};
use super::{AccountPull, NotSeen, Sight, Watched, order, proof, restrict, tell};
use crate::model::incident::{Incident, KillStep};
use crate::model::metric::KillScore;
use crate::model::names::SlotName;
use crate::model::usage::Bucket;
use crate::ports::InventoryError;
use crate::rules::anomaly::{Act, Assessment, Finding};
use crate::rules::watching::Cut;

/// From this score on, in thousandths, a slot is read anew before it is judged, and its score is put.
const NEAR: u32 = KillScore::LINE / 2;

/// So much time is kept back for what comes after.
const MARGIN: SignedDuration = SignedDuration::from_secs(5);

/// Judges every slot of an account of which usage was seen. Of another nothing new is known.
pub(super) async fn account(run: &mut Run<'_>, pulled: &AccountPull) {
    let mut slots = of_account(&run.state.fleet, pulled);
    let is_seen = pulled.sight.is_new();
    if matches!(pulled.sight, Sight::Told) {
        // Of others nobody ever told anything.
        let (told, held) = (&pulled.told.slots, &run.state.held);
        slots.retain(|slot, _| told.contains_key(slot) || held.contains_key(slot));
        // Of those that could not be read nothing new is known.
        let unread = slots.extract_if(.., |slot, _| pulled.told.unread.contains_key(slot));
        let unread: Vec<usize> = unread.map(|(_, at)| at).collect();
        remember_orders(run, unread.iter()).await;
    }
    let was_ours = run.state.pulled.get(&pulled.account) == pulled.before.as_ref();
    let is_torn = matches!(pulled.sight, Sight::NotSeen(_, NotSeen::Store(_)))
        || !is_seen && !pulled.changed.is_empty();
    if is_torn {
        // Not all that was kept is known here: once it is seen again, the store knows.
        run.state.pulled.remove(&pulled.account);
    }
    if is_seen && (!was_ours || pulled.only_in_store) {
        // Another process read it meanwhile, or more was kept than is told: the store knows.
        for slot in slots.keys() {
            run.state.held.remove(slot);
        }
    }
    if !is_seen {
        return remember_orders(run, slots.values()).await;
    }
    let mut left = 0;
    let unloaded = load_missing(run, pulled, &slots.values().copied().collect()).await;
    for at in slots.into_values() {
        let name = run.state.fleet[at].slot.name.clone();
        if unloaded.contains(&name) || !run.has_time(MARGIN) {
            // What it missed is in the store.
            run.state.held.remove(&name);
            left += 1;
            continue;
        }
        if let Err(error) = slot(run, pulled, at).await {
            tracing::warn!(slot = %name, %error, "a slot could not be judged");
            run.state.held.remove(&name);
            left += 1;
        }
    }
    run.state.pulled.insert(pulled.account.clone(), pulled.at);
    if left > 0 {
        run.leave(format!(
            "the judgement of {left} slots of {}",
            pulled.account
        ));
    }
}

/// What was over its line when it was last judged stays so for a while, though nothing new is known of it.
async fn remember_orders(run: &mut Run<'_>, slots: impl Iterator<Item = &usize>) {
    for at in slots {
        let watched = run.state.fleet[*at].clone();
        if let Some(mut held) = run.state.held.remove(&watched.slot.name) {
            order::consider(run, &watched, &mut held).await;
            run.state.held.insert(watched.slot.name, held);
        }
    }
}

/// Makes the detectors of slots that are not held, several at once. Returns those that could not be.
async fn load_missing(
    run: &mut Run<'_>,
    pulled: &AccountPull,
    slots: &BTreeSet<usize>,
) -> BTreeSet<SlotName> {
    let fleet = &run.state.fleet;
    let missing: Vec<&Watched> = slots
        .iter()
        .map(|at| &fleet[*at])
        .filter(|watched| !run.state.held.contains_key(&watched.slot.name))
        .collect();
    if missing.is_empty() {
        return BTreeSet::new();
    }
    let usage = &*run.monitor.usage;
    let account = match usage.account_or_empty(&pulled.account).await {
        Ok(account) => account,
        Err(error) => {
            tracing::warn!(account = %pulled.account, %error, "how far an account was read could not be read");
            return missing.into_iter().map(|w| w.slot.name.clone()).collect();
        }
    };
    let (deadline, clock) = (run.deadline, &run.monitor.ports.clock);
    let account = &account;
    let loading = missing.into_iter().map(|watched| async move {
        let name = watched.slot.name.clone();
        if !deadline.allows(clock.as_ref(), MARGIN) {
            return (name, None);
        }
        match load(usage, watched, account, clock.now()).await {
            Ok(held) => (name, Some(held)),
            Err(error) => {
                tracing::warn!(slot = %name, %error, "the usage of a slot could not be read");
                (name, None)
            }
        }
    });
    let at_once = run.settings.pull.at_once.max(1);
    let loaded: Vec<(SlotName, Option<Held>)> = stream::iter(loading)
        .buffer_unordered(at_once)
        .collect()
        .await;
    let mut unloaded = BTreeSet::new();
    for (name, held) in loaded {
        match held {
            Some(held) => {
                run.state.held.insert(name, Box::new(held));
            }
            None => {
                unloaded.insert(name);
            }
        }
    }
    unloaded
}

/// Judges one slot, and sees to what comes of it.
async fn slot(run: &mut Run<'_>, pulled: &AccountPull, at: usize) -> Result<(), InventoryError> {
    let name = run.state.fleet[at].slot.name.clone();
    let Some(mut held) = run.state.held.remove(&name) else {
        return Ok(());
    };
    let mut assessment = assess(run, pulled, at, &mut held).await?;
    if assessment.score.0 >= NEAR {
        // People, and the kill switch, may have changed it since all slots were read.
        let inventory = &run.monitor.ports.inventory;
        let (slot, versions) =
            futures::try_join!(inventory.slot(&name), inventory.versions(&name))?;
        if let Some(slot) = slot {
            run.state.fleet[at] = Watched { slot, versions };
        }
        let findings = std::mem::take(&mut assessment.findings);
        assessment = assess(run, pulled, at, &mut held).await?;
        keep_what_is_told_once(&mut assessment.findings, findings);
    }
    run.report.judged += 1;
    act(run, at, &mut held, assessment).await?;
    proof::see_to(run, pulled, at, &mut held).await;
    run.state.held.insert(name, held);
    Ok(())
}

/// What is found only once, when it is first seen, is not in the second judgement.
fn keep_what_is_told_once(findings: &mut Vec<Finding>, before: Vec<Finding>) {
    for finding in before {
        let is_once = !matches!(finding.act, Act::Kill | Act::Restrict);
        if is_once && findings.iter().all(|found| found.rule != finding.rule) {
            findings.push(finding);
        }
    }
}

/// Takes in what is new, and judges.
async fn assess(
    run: &mut Run<'_>,
    pulled: &AccountPull,
    at: usize,
    held: &mut Held,
) -> Result<Assessment, InventoryError> {
    let watched = &run.state.fleet[at];
    if let Some(cut) = containment(run, watched, held).await? {
        held.contained(cut);
    }
    if let Some(epoch) = run.state.fleet[at].slot.rightful {
        held.rightful(epoch);
    }
    let is_turn = run.is_to_be_made_again(held.stale());
    let watched = &run.state.fleet[at];
    if is_turn {
        let usage = &*run.monitor.usage;
        let account = usage.account_or_empty(&pulled.account).await?;
        *held = held.made_again(usage, watched, &account, run.now()).await?;
    }
    held.take_in(watched, pulled);
    Ok(held.assess(&watched.slot, run.now()))
}

/// A containment that is not taken into account yet. A kill that has not cut everything off yet is none.
async fn containment(
    run: &Run<'_>,
    watched: &Watched,
    held: &Held,
) -> Result<Option<Cut>, InventoryError> {
    let Some(killed) = watched.slot.killed else {
        return Ok(None);
    };
    if killed.epoch <= held.cut_in() {
        return Ok(None);
    }
    let id = Incident::id_of(&watched.slot.name, killed.epoch);
    let incident = run.monitor.ports.inventory.incident(&id).await?;
    let contained = incident.and_then(|incident| incident.done(KillStep::Contain));
    Ok(contained.map(|at| Cut {
        epoch: killed.epoch,
        bucket: Bucket::of(at),
    }))
}

/// Puts the score, tells people, limits, and orders.
async fn act(
    run: &mut Run<'_>,
    at: usize,
    held: &mut Held,
    assessment: Assessment,
) -> Result<(), InventoryError> {
    let score = assessment.score.0;
    if score < NEAR && assessment.findings.is_empty() {
        return Ok(());
    }
    let watched = run.state.fleet[at].clone();
    let name = &watched.slot.name;
    if score >= NEAR {
        run.scores.push(KillScore {
            slot: name.clone(),
            thousandths: score,
            at: run.now(),
        });
    }
    run.report.over += usize::from(score >= KillScore::LINE);
    held.reason = tell::reason(&watched, &assessment.findings);
    let (restrict, others): (Vec<Finding>, Vec<Finding>) = assessment
        .findings
        .into_iter()
        .partition(|finding| finding.act == Act::Restrict);
    for finding in restrict {
        restrict::restrict(run, at, held, &finding).await?;
    }
    for finding in held.watch.memory_mut().untold(others) {
        run.tell(tell::found(&watched.slot, &finding)).await;
    }
    order::consider(run, &watched, held).await;
    Ok(())
}
