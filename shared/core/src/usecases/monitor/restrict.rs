//! A slot whose monthly cap is spent: its keys are limited to one normal day a day, and its agent goes on.

use super::held::Held;
use super::run::Run;
use super::tell;
use crate::model::baseline::month_of;
use crate::model::slot::SlotState;
use crate::ports::InventoryError;
use crate::rules::anomaly::Finding;

/// Restricts the slot, once a month: what a person lifts stays lifted until the next. Its limit at the provider follows
/// its state.
///
/// # Errors
/// [`InventoryError`]: it is tried again by the next run.
pub(super) async fn restrict(
    run: &mut Run<'_>,
    at: usize,
    held: &mut Held,
    finding: &Finding,
) -> Result<(), InventoryError> {
    let (month, _) = month_of(finding.at);
    if held.notes.restricted == Some(month) {
        return Ok(());
    }
    let inventory = run.monitor.ports.inventory.clone();
    let Some(mut slot) = inventory.slot(&run.state.fleet[at].slot.name).await? else {
        return Ok(());
    };
    if slot.state == SlotState::Active {
        slot.state = SlotState::Restricted;
        inventory.save_slot(&slot).await?;
        slot.revision = slot.revision.next();
    }
    run.tell(tell::found(&slot, finding)).await;
    held.notes.restricted = Some(month);
    run.state.fleet[at].slot = slot;
    Ok(())
}
