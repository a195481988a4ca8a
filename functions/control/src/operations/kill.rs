//! `/kill`: a person cuts a slot off.

use futures::future::{Either, join, select};
use jiff::{SignedDuration, Timestamp};
use keyward_core::model::act::Subject;
use keyward_core::model::act_order::{CutOff, Ground};
use keyward_core::model::incident::{
    Containment, Evidence, HowCut, Incident, KillStep, StepResult, TriggerId,
};
use keyward_core::model::names::SlotName;
use keyward_core::model::slot::Epoch;
use keyward_core::model::text::OutsideText;
use keyward_core::model::version::{Version, VersionId, VersionState};
use keyward_core::ports::ActOrderError;
use keyward_core::usecases::kill::{CutVersion, Foreseen, KillOutcome, foresee};
use keyward_core::usecases::orders::{NotCutOff, cut_off};
use keyward_lambda::diagnostic::chain;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Deps;
use crate::record::{Recorded, Written};
use crate::request::{Request, reason};
use crate::response::Refusal;

/// How the slot stood before is read for so long at most: a kill does not wait for its record.
const LOOK_BEFORE: SignedDuration = SignedDuration::from_millis(500);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(default)]
    reason: String,
    slot: SlotName,
    #[serde(default)]
    leak: bool,
    #[serde(default)]
    dry_run: bool,
}

/// One version, and what was or would be done to it.
#[derive(Serialize)]
struct Row {
    version: VersionId,
    key: Option<OutsideText>,
    was: Option<VersionState>,
    done: Option<HowCut>,
}

pub(super) async fn kill_slot(deps: &Deps, request: &Request) -> Result<Value, Refusal> {
    let body: Body = request.body("{reason, slot, leak?, dry_run?}")?;
    let ground = match body.leak {
        true => Ground::Leak,
        false => Ground::Person,
    };
    if body.dry_run {
        let foreseen = foresee(&deps.ports, &body.slot, ground.into()).await?;
        let foreseen = foreseen.ok_or_else(|| unknown(&body.slot))?;
        return Ok(would(ground.into(), &foreseen));
    }
    let why = reason(&body.reason)?;
    let order = order(deps, request, body.slot, ground, &why);
    kill(deps, request, 0, order, &why).await
}

/// Has the kill switch carry out the order, on record as the request's act of this number.
pub(super) async fn kill(
    deps: &Deps,
    request: &Request,
    number: usize,
    order: CutOff,
    why: &OutsideText,
) -> Result<Value, Refusal> {
    let before = look_before(deps, &order.slot).await;
    let subject = Subject::Slot(order.slot.clone());
    let act = Recorded::unwritten(deps, request, number, why, subject, before);
    // What an act changes waits for its record, but for a kill: containment comes first.
    let (begun, outcome) = join(act.write_beginning(), cut_off(&*deps.orders, &order)).await;
    let incident = incident_of(deps, &order).await;
    let after = json!({ "slot": state(deps, &order.slot).await, "incident": incident });
    let written = act.end(&said(&outcome), after).await;
    let is_recorded = begun.is_ok() && written == Written::Yes;
    let mut answer = answer(&order, outcome, incident.as_ref(), is_recorded)?;
    if let Some(incident) = incident.filter(|_| answer["already"].is_null()) {
        answer["replacement_of"] = json!(cut_before(deps, &incident).await);
    }
    Ok(answer)
}

/// The order of the person who sent the request. The request's id makes it one, however often it arrives.
fn order(
    deps: &Deps,
    request: &Request,
    slot: SlotName,
    ground: Ground,
    why: &OutsideText,
) -> CutOff {
    let kind = match ground {
        Ground::Leak => "leak",
        Ground::Person => "person",
        Ground::Offboarding => "offboarding",
    };
    CutOff {
        slot,
        trigger: TriggerId::new(&format!("{kind}@{}", request.id)),
        ground,
        cause: OutsideText::new(&format!("{} ({kind}): {why}", request.name())),
        seen: deps.ports.clock.now(),
    }
}

/// How the slot stands, for the record; `null` if that is not known soon enough.
async fn look_before(deps: &Deps, slot: &SlotName) -> Value {
    let looking = std::pin::pin!(state(deps, slot));
    match select(looking, deps.ports.clock.sleep(LOOK_BEFORE)).await {
        Either::Left((state, _)) => state,
        Either::Right(((), _)) => Value::Null,
    }
}

async fn state(deps: &Deps, name: &SlotName) -> Value {
    let inventory = &deps.ports.inventory;
    let (slot, versions) = join(inventory.slot(name), inventory.versions(name)).await;
    let (Ok(Some(slot)), Ok(versions)) = (slot, versions) else {
        return Value::Null;
    };
    let versions = versions.iter().filter(|v| v.state.may_be_alive());
    let versions = versions.map(|v| json!({ "version": v.id, "state": v.state }));
    json!({
        "state": slot.state,
        "epoch": slot.epoch,
        "versions": versions.collect::<Vec<_>>(),
    })
}

async fn incident_of(deps: &Deps, order: &CutOff) -> Option<Incident> {
    let found = deps.ports.inventory.incident_of_trigger(&order.trigger);
    found.await.unwrap_or_else(|error| {
        tracing::warn!(slot = %order.slot, %error, "the incident of a kill cannot be read back");
        None
    })
}

/// How a kill ended, in one word.
const fn word(outcome: &KillOutcome) -> &'static str {
    match outcome {
        KillOutcome::Contained(_) => "contained",
        KillOutcome::Unfinished(_) => "unfinished",
        KillOutcome::Unrecorded(_) => "unrecorded",
        KillOutcome::Attached => "attached",
        KillOutcome::Over => "over",
        KillOutcome::Untold => "untold",
        KillOutcome::OfDeadKeys => "nothing_alive",
        KillOutcome::Observed => "observed",
        KillOutcome::NoSuchSlot => "no_such_slot",
    }
}

fn said(outcome: &Result<KillOutcome, NotCutOff>) -> String {
    match outcome {
        Ok(outcome) => word(outcome).to_owned(),
        Err(error) => chain(error),
    }
}

fn answer(
    order: &CutOff,
    outcome: Result<KillOutcome, NotCutOff>,
    incident: Option<&Incident>,
    is_recorded: bool,
) -> Result<Value, Refusal> {
    let outcome = outcome.map_err(|error| not_cut_off(&order.slot, &error))?;
    if outcome == KillOutcome::NoSuchSlot {
        return Err(unknown(&order.slot));
    }
    let cut = match &outcome {
        KillOutcome::Contained(cut) | KillOutcome::Unfinished(cut) => &cut[..],
        _ => &[],
    };
    let without_record = match outcome {
        KillOutcome::Unrecorded(keys) => Some(keys),
        _ => None,
    };
    Ok(json!({
        "slot": order.slot,
        "result": word(&outcome),
        "final": order.evidence().containment() == Containment::Final,
        "versions": rows(cut, incident),
        "incident": incident.map(|incident| &incident.id),
        "why": incident.and_then(failure),
        "replacement": incident.map(replacement),
        "suspended_because": incident.and_then(|incident| incident.suspends),
        "already": incident.and_then(|incident| already(order, incident)),
        "cut_without_record": without_record,
        "unrecorded": !is_recorded,
    }))
}

/// That the kill switch was not seen to cut the slot off.
fn not_cut_off(slot: &SlotName, error: &NotCutOff) -> Refusal {
    let next = format!("Send it again at once. Without AWS: keyward kill {slot} --offline");
    let refusal = Refusal::new(503, chain(error), next);
    match error {
        NotCutOff::Said(_) | NotCutOff::Order(ActOrderError::Refused(_)) => {
            refusal.safe("No key was cut off.")
        }
        NotCutOff::Order(ActOrderError::Unknown(_)) => refusal.safe(
            "Keys may be cut off, all or some: what is cut off stays so, and the same request again goes on.",
        ),
    }
}

/// Every version that the incident cut off, or that this run tried to.
fn rows(cut: &[CutVersion], incident: Option<&Incident>) -> Vec<Row> {
    let undo = incident.map_or(&[][..], |incident| &incident.undo[..]);
    let mut rows: Vec<Row> = undo
        .iter()
        .map(|undo| Row {
            version: undo.version.clone(),
            key: Some(undo.shown.clone()),
            was: Some(undo.was),
            done: undo.cut.map(|(how, _)| how),
        })
        .collect();
    for CutVersion { id, how } in cut {
        match rows.iter_mut().find(|row| row.version == *id) {
            Some(row) => row.done = row.done.or(*how),
            None => rows.push(Row {
                version: id.clone(),
                key: None,
                was: None,
                done: *how,
            }),
        }
    }
    rows
}

/// Why not everything is cut off.
fn failure(incident: &Incident) -> Option<String> {
    let contain = incident.steps.iter().find(|s| s.step == KillStep::Contain);
    match &contain?.result {
        StepResult::Done => None,
        StepResult::Failed(why) => Some(why.to_string()),
    }
}

/// When, and for what, everything was cut off before this order came, which then did nothing new.
fn already(order: &CutOff, incident: &Incident) -> Option<Value> {
    let is_first = incident.triggers.first()?.id == order.trigger;
    let mut cuts = incident.undo.iter().map(|undo| undo.cut.map(|(_, at)| at));
    let before = |at: Option<Timestamp>| at.is_some_and(|at| at < order.seen);
    let is_before = !incident.undo.is_empty() && cuts.all(before);
    let is_harder = order.evidence().containment() == Containment::Final;
    (is_before && !is_first && !is_harder)
        .then(|| json!({ "at": incident.opened, "by": incident.trigger }))
}

/// When the slot was cut off before, and when the replacement was made that is cut off now; `None` where it is none.
async fn cut_before(deps: &Deps, incident: &Incident) -> Option<Value> {
    let inventory = &deps.ports.inventory;
    let epoch = Epoch(incident.epoch.0.checked_sub(1)?);
    let previous = Incident::id_of(&incident.slot, epoch);
    let previous = inventory.incident(&previous).await.ok()??;
    let versions = inventory.versions(&incident.slot).await.ok()?;
    let is_replacement = |v: &&Version| {
        let is_cut = incident.undo.iter().any(|undo| undo.version == v.id);
        is_cut && v.epoch >= epoch && v.restored.is_none()
    };
    let made = versions.iter().filter(is_replacement).map(|v| v.created);
    Some(json!({ "at": previous.opened, "made": made.max()? }))
}

/// How the replacement stands.
fn replacement(incident: &Incident) -> &'static str {
    if incident.suspends.is_some() {
        "suspended"
    } else if incident.done(KillStep::Replace).is_some() {
        "in_use"
    } else if incident.done(KillStep::Rotate).is_some() {
        "asked_for"
    } else {
        "not_asked_for"
    }
}

fn would(evidence: Evidence, foreseen: &Foreseen) -> Value {
    let rows = foreseen.versions.iter().map(|(version, how)| Row {
        version: version.id.clone(),
        key: Some(OutsideText::new(&version.shown())),
        was: Some(version.state),
        done: *how,
    });
    let slot = &foreseen.slot;
    json!({
        "slot": slot.name,
        "owner": slot.owner,
        "environment": slot.environment,
        "result": "would_contain",
        "final": evidence.containment() == Containment::Final,
        "versions": rows.collect::<Vec<_>>(),
        "why": foreseen.unreached.as_ref().map(ToString::to_string),
    })
}

pub(super) fn unknown(slot: &SlotName) -> Refusal {
    Refusal::new(
        404,
        format!("there is no slot `{slot}` in the inventory"),
        "Look at the names: keyward status. Keys that are in no slot: look at the provider.",
    )
}
