//! What `/plan` and `/apply` have in common: reading a fleet, and the slots that it does not name.

use keyward_core::model::fleet::{Fleet, PlannedSlot};
use keyward_core::usecases::survey::not_in_file;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::Deps;
use crate::response::Refusal;

/// Reads a fleet and checks it whole: nothing of one that has a fault is applied.
pub(super) fn checked(fleet: &RawValue) -> Result<Vec<PlannedSlot>, Refusal> {
    let planned = Fleet::from_json(fleet.get()).and_then(|fleet| fleet.check());
    planned.map_err(|error| Refusal::new(422, error.to_string(), "Mend the fleet file."))
}

/// An answer with the slots of the inventory that the file does not name: those stay as they are. That they cannot be
/// listed takes nothing from the rest.
pub(super) async fn with_others(deps: &Deps, planned: &[PlannedSlot], mut answer: Value) -> Value {
    match not_in_file(&deps.ports, planned).await {
        Ok(others) => answer["not_in_file"] = json!(others),
        Err(error) => {
            tracing::warn!(%error, "the slots that a fleet does not name could not be listed");
            answer["others_unknown"] = json!(true);
        }
    }
    answer
}
