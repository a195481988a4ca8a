//! `/leak`: keys were found where they must not be. Those of slots are cut off for good, with the slots that they are of;
//! those that no agent uses are ended alone.

mod ended;

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use keyward_core::model::act_order::{CutOff, Ground};
use keyward_core::model::alert::{Alert, AlertKind, Severity};
use keyward_core::model::incident::TriggerId;
use keyward_core::model::key::{ApiKey, Fingerprint};
use keyward_core::model::names::SlotName;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::Deadline;
use keyward_core::rules::leaks::{self, Shown};
use keyward_core::usecases::leak::{Life, Whose, trace};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use ended::{Ended, Ends, end_all};

use super::kill::kill;
use crate::Deps;
use crate::request::{Request, reason};
use crate::response::Refusal;

/// Finds, and pieces of their texts, that one request can name.
const MAX_FINDS: usize = 500;
const MAX_PRINTS: usize = 5_000;

/// What a kill takes at most; none is begun with less time left.
const TIME_FOR_A_KILL: SignedDuration = SignedDuration::from_secs(60);

/// Places that an alert names.
const NAMED: usize = 5;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    finds: Vec<Find>,
    /// What GitHub tells partners, as it came.
    #[serde(default)]
    notice: Option<Value>,
    #[serde(default)]
    dry_run: bool,
}

/// Something that was found.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Find {
    /// Where, and by what.
    place: OutsideText,
    /// Of each piece of it that may be a key.
    prints: Vec<Fingerprint>,
    /// Whether a piece begins as keys do.
    #[serde(default)]
    key_like: bool,
}

/// What a find is.
#[derive(Serialize)]
struct Row {
    place: OutsideText,
    /// The first digits of the key's fingerprint; `None` where it is nobody's.
    key: Option<String>,
    is: &'static str,
    slot: Option<SlotName>,
    account: Option<String>,
    #[serde(skip)]
    trigger: Option<TriggerId>,
    /// What is to end, where no slot is cut off for it.
    #[serde(skip)]
    ends: Option<Ends>,
}

pub(super) async fn end_leaked(
    deps: &Deps,
    request: &Request,
    deadline: Deadline,
) -> Result<Value, Refusal> {
    let body: Body =
        request.body("{reason, finds: [{place, prints, key_like?}] or notice, dry_run?}")?;
    let finds = finds_of(&body)?;
    let why = match body.dry_run {
        true => OutsideText::new(""),
        false => reason(&body.reason)?,
    };
    let prints: BTreeSet<Fingerprint> = finds.iter().flat_map(|f| f.prints.clone()).collect();
    if finds.len() > MAX_FINDS || prints.len() > MAX_PRINTS {
        return Err(Refusal::bad(format!(
            "more than {MAX_FINDS} finds, or {MAX_PRINTS} pieces of them, are named: send them in parts"
        )));
    }
    let prints: Vec<Fingerprint> = prints.into_iter().collect();
    let traced = trace(&deps.ports, &prints).await;
    let traced = traced.map_err(|error| {
        let retryable = error.is_retryable();
        Refusal::of(&error, retryable).safe("No key was cut off.")
    })?;
    let whose: BTreeMap<Fingerprint, Whose> = traced.into_iter().collect();
    let rows: Vec<Row> = finds.iter().map(|find| row(find, &whose)).collect();
    let slots = to_cut_off(&rows);
    let ends: BTreeSet<Ends> = rows.iter().filter_map(|row| row.ends.clone()).collect();
    if body.dry_run {
        let slots: Vec<&SlotName> = slots.keys().collect();
        return Ok(json!({ "finds": rows, "would_cut_off": slots, "would_end": ends.len() }));
    }
    let mut kills = Vec::new();
    for (number, (slot, (trigger, place))) in slots.into_iter().enumerate() {
        let cause = format!("{} (leak): {place}; {why}", request.name());
        let order = CutOff {
            slot,
            trigger,
            ground: Ground::Leak,
            cause: OutsideText::new(&cause),
            seen: deps.ports.clock.now(),
        };
        kills.push(one(deps, request, number, order, &why, deadline).await);
    }
    let ended = end_all(deps, request, kills.len(), &ends, &why).await;
    let told = tell(deps, &rows, &ended).await;
    Ok(json!({ "finds": rows, "kills": kills, "ended": ended, "untold": !told }))
}

/// Cuts one slot off. What became of it stands in its row, so that one that fails stops no other.
async fn one(
    deps: &Deps,
    request: &Request,
    number: usize,
    order: CutOff,
    why: &OutsideText,
    deadline: Deadline,
) -> Value {
    let slot = order.slot.clone();
    if !deadline.allows(deps.ports.clock.as_ref(), TIME_FOR_A_KILL) {
        return json!({ "slot": slot, "error": "there was no time left: send the same again" });
    }
    match kill(deps, request, number, order, why).await {
        Ok(answer) => answer,
        Err(refusal) => json!({ "slot": slot, "error": refusal.what, "next": refusal.next }),
    }
}

fn finds_of(body: &Body) -> Result<Vec<Find>, Refusal> {
    let mut finds: Vec<Find> = Vec::new();
    for find in &body.finds {
        finds.push(Find {
            place: OutsideText::new(&leaks::place_without_keys(find.place.as_str())),
            prints: find.prints.clone(),
            key_like: find.key_like,
        });
    }
    if let Some(notice) = &body.notice {
        let read = leaks::read(&notice.to_string());
        let (_, leaks) = read.map_err(|error| Refusal::bad(error.to_string()))?;
        finds.extend(leaks.into_iter().map(|leak| {
            let candidates = match &leak.shown {
                Shown::Text(text) => text.candidates(),
                Shown::At { .. } | Shown::Hidden => Vec::new(),
            };
            Find {
                place: leak.place,
                prints: candidates.iter().map(ApiKey::fingerprint).collect(),
                key_like: candidates.iter().any(ApiKey::begins_as_keys_do),
            }
        }));
    }
    match finds.is_empty() {
        true => Err(Refusal::bad("nothing was found, by what is sent")),
        false => Ok(finds),
    }
}

/// What a find is, by the piece of it that is known: of several the one that is alive.
fn row(find: &Find, whose: &BTreeMap<Fingerprint, Whose>) -> Row {
    let known = find.prints.iter().filter_map(|print| {
        let whose = whose.get(print)?;
        (*whose != Whose::Nobody).then_some((print, whose))
    });
    let worst = known.max_by_key(|(_, whose)| match whose {
        Whose::Slot {
            life: Life::Alive, ..
        } => 2,
        Whose::Standby {
            is_ended: false, ..
        } => 1,
        Whose::Slot { .. } | Whose::Standby { .. } | Whose::Nobody => 0,
    });
    let row = |is| Row {
        place: find.place.clone(),
        key: worst.map(|(print, _)| print.to_string()),
        is,
        slot: None,
        account: None,
        trigger: None,
        ends: None,
    };
    match worst {
        None | Some((_, Whose::Nobody)) if find.key_like => row("nobodys"),
        None | Some((_, Whose::Nobody)) => row("no_key_that_is_known"),
        Some((
            print,
            Whose::Standby {
                account, is_ended, ..
            },
        )) => Row {
            account: Some(account.to_string()),
            ends: (!is_ended).then(|| Ends::Standby(account.clone(), *print)),
            ..row(match is_ended {
                true => "dead",
                false => "standby",
            })
        },
        Some((
            print,
            Whose::Slot {
                slot,
                life,
                version,
            },
        )) => Row {
            slot: Some(slot.clone()),
            // The same key is the same kill, whoever finds it and however often.
            trigger: (*life == Life::Alive).then(|| TriggerId::new(&format!("leak@{print}"))),
            ends: version
                .clone()
                .filter(|_| *life == Life::CutOff)
                .map(|version| Ends::CutOff(slot.clone(), version)),
            ..row(match life {
                Life::Alive => "alive",
                Life::CutOff => "cut_off",
                Life::Ending => "ending",
                Life::Dead => "dead",
            })
        },
    }
}

/// Each slot with a key that is alive, what its kill is told apart by, and where the key was found.
fn to_cut_off(rows: &[Row]) -> BTreeMap<SlotName, (TriggerId, OutsideText)> {
    let mut slots = BTreeMap::new();
    for row in rows {
        if let (Some(slot), Some(trigger)) = (&row.slot, &row.trigger) {
            let order = (trigger.clone(), row.place.clone());
            slots.entry(slot.clone()).or_insert(order);
        }
    }
    slots
}

/// Tells people of keys that no slot can be cut off for. Whether that went out.
async fn tell(deps: &Deps, rows: &[Row], ended: &[Ended]) -> bool {
    let nobodys = rows.iter().filter(|row| row.is == "nobodys");
    let nobodys: Vec<String> = nobodys.map(|row| row.place.to_string()).collect();
    let standby = |is_ended: bool| -> Vec<String> {
        let of_pools = ended.iter().filter(|e| e.account.is_some());
        let such = of_pools.filter(|e| e.error.is_none() == is_ended);
        such.map(Ended::named).collect()
    };
    let (dead, alive) = (standby(true), standby(false));
    if nobodys.is_empty() && dead.is_empty() && alive.is_empty() {
        return true;
    }
    let several = |what: &str, which: &[String]| match which.len() {
        0 => String::new(),
        count => {
            let named = which.iter().take(NAMED).cloned().collect::<Vec<_>>();
            format!("{count} {what}: {}. ", named.join("; "))
        }
    };
    let what = [
        several("leaked keys of pools that may be alive", &alive),
        several("leaked keys that belong to no slot", &nobodys),
        several("leaked keys of pools, ended", &dead),
    ]
    .concat();
    let next = match nobodys.is_empty() && alive.is_empty() {
        true => "Make keys in their place, where the pool runs low: keyward pool add ACCOUNT.",
        false => {
            "Delete what may be alive at its provider now. What agents use belongs into the fleet file."
        }
    };
    let alert = Alert::general(
        Severity::Page,
        AlertKind::LeakedKey,
        [
            &what,
            "No slot draws a leaked key. Nothing was done about keys that belong to no slot and no pool.",
            next,
        ],
    );
    match deps
        .ports
        .alerts
        .send(&alert.at(deps.ports.clock.now()))
        .await
    {
        Ok(()) => true,
        Err(error) => {
            tracing::error!(%error, "people could not be told of leaked keys");
            false
        }
    }
}
