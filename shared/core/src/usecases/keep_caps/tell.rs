//! What people are told of limits: one message for all slots that the same happened to.

use jiff::SignedDuration;

use super::CapsKept;
use super::turn::{Lowered, Refused, Turn};
use crate::model::alert::{AlertKind, Severity};
use crate::model::money::SpendCap;
use crate::model::usage_items::Seen;
use crate::ports::{Fence, InventoryError, ProviderError};
use crate::usecases::Ports;
use crate::usecases::cap::record_cap;
use crate::usecases::several::{alert, listed};

/// That a limit cannot be set is told again after so long.
const TELL_AGAIN: SignedDuration = SignedDuration::from_hours(24);

/// That somebody changed limits. It is told before they are set right: a run that ends in between tells it again.
pub(super) async fn changed(ports: &Ports, turns: &[Turn<'_>], kept: &mut CapsKept) {
    for foreign in turns.iter().flat_map(|turn| &turn.foreign) {
        let (was, is) = (shown(foreign.version.cap), shown(foreign.found));
        let what = format!("{was} was made {is}");
        kept.changed.push((foreign.slot.name.clone(), what));
    }
    if kept.changed.is_empty() {
        return;
    }
    let what = format!(
        "Limits of keys were changed at their provider: {}.",
        listed(&kept.changed)
    );
    let done =
        "They are set right now; if one cannot be, another message says so. The keys work on.";
    let left = "If nobody of yours did it, find out who did: whoever can change a limit can use the account. A change that is meant to stay goes into the fleet file.";
    let kind = AlertKind::CapChanged;
    let text = [&*what, done, left];
    ports
        .tell(alert(&kept.changed, Severity::Warning, kind, text))
        .await;
}

fn shown(cap: Option<SpendCap>) -> String {
    cap.map_or_else(|| "no limit".to_owned(), |cap| cap.to_string())
}

/// That limits were lowered below what is spent. They are recorded after that.
pub(super) async fn lowered(ports: &Ports, turns: &mut [Turn<'_>], kept: &mut CapsKept) {
    for lowered in turns.iter().flat_map(|turn| &turn.lowered) {
        let Lowered { cap, spent, .. } = lowered;
        let what = match spent.seen {
            _ if spent.known >= cap.amount => format!("{} spent of {cap}", spent.known),
            Seen::Whole | Seen::Partly => {
                format!(
                    "{} or more spent of {cap}: not all of it is seen",
                    spent.known
                )
            }
        };
        kept.below_spend.push((lowered.slot.name.clone(), what));
    }
    if kept.below_spend.is_empty() {
        return;
    }
    let what = format!(
        "Limits were lowered to less than their keys have spent, or may have: {}.",
        listed(&kept.below_spend)
    );
    let done = "What a slot is expected to spend is over, or it was restricted. Their providers refuse keys that are over their limit until it begins again at midnight, UTC.";
    let left = "If an agent has to go on before that: keyward expect, or keyward restore where its slot is restricted.";
    let kind = AlertKind::CapBelowSpend;
    let text = [&*what, done, left];
    let is_sent = ports
        .tell(alert(&kept.below_spend, Severity::Warning, kind, text))
        .await;
    if !is_sent {
        return;
    }
    for turn in turns {
        for lowered in std::mem::take(&mut turn.lowered) {
            let Lowered {
                slot, version, cap, ..
            } = lowered;
            let recorded = record_cap(ports, &slot, &version, Some(cap)).await;
            turn.left += usize::from(is_left(&recorded));
        }
    }
}

/// That limits cannot be set: once a day for each key.
pub(super) async fn refused(ports: &Ports, turns: &mut [Turn<'_>], kept: &mut CapsKept) {
    let now = ports.clock.now();
    let is_untold = |refused: &&Refused| {
        let told = refused.version.told.uncapped;
        told.is_none_or(|at| now.duration_since(at) >= TELL_AGAIN)
    };
    let all = || turns.iter().flat_map(|turn| &turn.refused);
    let about = |refused: &Refused| (refused.slot.name.clone(), refused.error.to_string());
    kept.missing = all().map(about).collect();
    let untold: Vec<_> = all().filter(is_untold).map(about).collect();
    if untold.is_empty() {
        return;
    }
    let is_ours = |r: &Refused| matches!(r.error, ProviderError::AdminCredential { .. });
    let severity = match all().any(is_ours) {
        true => Severity::Page,
        false => Severity::Warning,
    };
    let what = format!(
        "The limit of keys could not be set at their provider: {}.",
        listed(&untold)
    );
    let done =
        "The keys work on with the limit they had. The kill switch still cuts off what enforces.";
    let left = "Mend what is named: until then the provider may let these keys spend more than is meant. It is tried again every run, and told again after a day.";
    let text = [&*what, done, left];
    let is_sent = ports
        .tell(alert(&untold, severity, AlertKind::CapMissing, text))
        .await;
    if !is_sent {
        return;
    }
    for turn in turns {
        for refused in turn.refused.iter().filter(is_untold) {
            let mut told = refused.version.clone();
            told.told.uncapped = Some(now);
            let fence = Fence::Epoch(refused.slot.epoch);
            let saved = ports.inventory.save_versions(&[told], fence).await;
            turn.left += usize::from(is_left(&saved));
        }
    }
}

/// A slot that was cut off meanwhile needs no record of this.
fn is_left(saved: &Result<(), InventoryError>) -> bool {
    match saved {
        Ok(()) | Err(InventoryError::Fenced(_)) => false,
        Err(error) => {
            tracing::warn!(%error, "what people were told of a limit was not recorded");
            true
        }
    }
}
