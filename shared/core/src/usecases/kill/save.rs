//! Saving an incident while others may write to it.

use crate::model::incident::Incident;
use crate::ports::InventoryError;
use crate::usecases::Ports;

/// How often a write is tried again on what somebody else has written.
const TRIES: usize = 5;

/// Makes a change to an incident and saves it, on top of what others wrote to it meanwhile. A kill is never stopped by
/// its record: where it cannot be saved now, the change is lost, and the incident is due again.
pub(super) async fn update(
    ports: &Ports,
    incident: Incident,
    change: impl Fn(&mut Incident) + Send,
) -> Incident {
    match try_update(ports, incident.clone(), &change).await {
        Ok(saved) => saved,
        Err(error) => {
            tracing::warn!(slot = %incident.slot, incident = %incident.id, %error, "a step of a kill could not be recorded; it is looked at again");
            let mut unsaved = incident;
            change(&mut unsaved);
            unsaved
        }
    }
}

async fn try_update(
    ports: &Ports,
    mut known: Incident,
    change: &(impl Fn(&mut Incident) + Send),
) -> Result<Incident, InventoryError> {
    let mut last = InventoryError::Conflict;
    for _ in 0..TRIES {
        let mut changed = known.clone();
        change(&mut changed);
        if changed == known {
            return Ok(known);
        }
        let saved = match known.closed {
            None => ports.inventory.save_incident(&changed).await,
            Some(_) => ports.inventory.follow_up(&changed).await,
        };
        match saved {
            Ok(()) => return Ok(written(changed)),
            Err(error) if error.is_retryable() => last = error,
            Err(error) => return Err(error),
        }
        match ports.inventory.incident(&known.id).await {
            Ok(Some(stored)) => known = stored,
            Ok(None) => return Err(last),
            Err(error) if error.is_retryable() => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

/// Raises the revision of an incident that was just written, as the store did.
pub(super) fn written(mut incident: Incident) -> Incident {
    incident.revision = incident.revision.next();
    incident
}
