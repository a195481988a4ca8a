//! `/doctor`: whether the installation is well, as far as this function can see. Changes nothing.

use keyward_core::usecases::doctor::look;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Deps;
use crate::request::Request;
use crate::response::Refusal;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {}

pub(super) async fn examine(deps: &Deps, request: &Request) -> Result<Value, Refusal> {
    let Body {} = request.body("{}")?;
    let checks = look(&deps.ports, &*deps.usage, deps.guards()).await;
    Ok(json!({ "now": deps.ports.clock.now(), "checks": checks }))
}
