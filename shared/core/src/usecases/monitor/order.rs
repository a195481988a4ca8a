//! Orders to the kill switch: slots over their line whose alarm did not come through, and incidents that nobody is at work
//! on.

use jiff::SignedDuration;

use super::held::Held;
use super::run::Run;
use super::{Watched, tell};
use crate::model::kill_order::{GoOnOrder, MonitorOrder};
use crate::model::slot::Mode;
use crate::model::text::OutsideText;
use crate::ports::Due;
use crate::rules::watching::is_to_be_sent;

/// Due work that is looked through for incidents.
const LOOKED_THROUGH: usize = 5_000;

/// People are told again after so long.
const TELL_AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// So much time an order may take.
const MARGIN: SignedDuration = SignedDuration::from_secs(2);

/// An order that is to be given.
pub(super) struct Ordered {
    pub(super) order: MonitorOrder,
    pub(super) mode: Mode,
    /// People were told of it, or need not be.
    pub(super) is_told: bool,
}

/// Notes an order, if there is to be one and the slot has no open incident. Where that cannot be seen, there is one: the
/// claim makes one of both.
pub(super) async fn consider(run: &mut Run<'_>, watched: &Watched, held: &mut Held) {
    let Some(standing) = held.standing else {
        return;
    };
    let slot = &watched.slot;
    if !is_to_be_sent(slot, &standing, run.now()) {
        return;
    }
    let open = run
        .monitor
        .ports
        .inventory
        .incident_of_slot(&slot.name)
        .await;
    if matches!(open, Ok(Some(_))) {
        return;
    }
    let order = MonitorOrder {
        stack: run.monitor.deployment.stack.clone(),
        slot: slot.name.clone(),
        score_thousandths: standing.score,
        judged: standing.at,
        basis: standing.basis,
        reason: OutsideText::new(&held.reason),
    };
    let now = run.now();
    let is_told = held
        .notes
        .told_sent
        .is_some_and(|at| now.duration_since(at) < TELL_AGAIN);
    if !is_told {
        held.notes.told_sent = Some(now);
    }
    run.orders.push(Ordered {
        order,
        mode: slot.mode,
        is_told,
    });
}

/// Gives the orders. Those that are not seen to be taken are given again by the next run.
pub(super) async fn give(run: &mut Run<'_>) {
    for ordered in std::mem::take(&mut run.orders) {
        let Ordered {
            order,
            mode,
            is_told,
        } = ordered;
        let given = run.monitor.kill_switch.kill(&order).await;
        match &given {
            Ok(()) => run.report.sent += 1,
            Err(error) => {
                tracing::error!(slot = %order.slot, %error, "a slot could not be sent to the kill switch");
                run.leave(format!("the order to cut off {}", order.slot));
            }
        }
        if !is_told {
            run.tell(tell::ordered(&order, mode, &given)).await;
        }
    }
}

/// Hands on incidents that are due.
pub(super) async fn hand_on(run: &mut Run<'_>) {
    let now = run.now();
    let due = match run.monitor.ports.inventory.due(now, LOOKED_THROUGH).await {
        Ok(due) => due,
        Err(error) => {
            tracing::error!(%error, "due incidents could not be read");
            return run.leave("due incidents".to_owned());
        }
    };
    let incidents = due.into_iter().filter_map(|due| match due {
        Due::Incident(id) => Some(id),
        Due::Slot(_) | Due::Version(..) => None,
    });
    let mut left = 0;
    for id in incidents {
        if !run.has_time(MARGIN) {
            left += 1;
            continue;
        }
        let order = GoOnOrder {
            stack: run.monitor.deployment.stack.clone(),
            incident: OutsideText::new(&id),
        };
        match run.monitor.kill_switch.go_on(&order).await {
            Ok(()) => run.report.handed_on += 1,
            Err(error) => {
                tracing::error!(incident = %id, %error, "an incident could not be handed on");
                left += 1;
            }
        }
    }
    if left > 0 {
        run.leave(format!("{left} incidents to hand on"));
    }
}
