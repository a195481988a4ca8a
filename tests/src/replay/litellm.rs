//! Plays answers of LiteLLM's proxy.

use jiff::SignedDuration;
use keyward_core::model::slot::ProviderName;
use keyward_core::ports::{Extent, KeyRecord};
use keyward_testkit::contract::provider::ProviderCall;
use keyward_testkit::simulator::{Fault, FaultRule};
use serde_json::{Value, json};

use super::act::ROUND;
use super::error::Unsupported;
use super::file::Probe;
use super::provider::{probe, slot_of};
use super::rotation::default_now;
use super::stage::{Stage, Standby};
use crate::support::Backend;

/// How the proxy refuses a key that is blocked.
fn is_blocked() -> Value {
    let message =
        "Authentication Error, Key is blocked. Update via `/key/unblock` if you're an admin.";
    json!({"error": {"message": message, "type": "auth_error", "param": "None", "code": "401"}})
}

/// P-15: an old key that is blocked works on in replicas that remember it.
pub(super) async fn remembered(
    probes: &[Probe],
    fleet: Option<&str>,
) -> Result<Stage, Unsupported> {
    let provider = ProviderName::LiteLlm;
    let mut stage = slot_of(provider, Standby::Filled, default_now(), fleet).await?;
    stage.replace_the_first_key().await;
    let last = probes.iter().rposition(|probe| probe.status < 300);
    let works_on = ROUND * last.map_or(0, |at| at as i32) + SignedDuration::from_mins(1);
    stage
        .simulator()
        .configure(|settings| settings.change_delay = works_on);
    let refused: Vec<Probe> = probes
        .iter()
        .map(|given| match given.status {
            401 => probe(401, is_blocked()),
            _ => given.clone(),
        })
        .collect();
    stage.answer(ProviderCall::Verify, &refused);
    stage.live_through(SignedDuration::from_mins(90)).await;
    Ok(stage)
}

/// P-16: what the proxy tells of the key in use.
pub(super) async fn key_info(body: &Value, fleet: Option<&str>) -> Result<Stage, Unsupported> {
    let provider = ProviderName::LiteLlm;
    let mut stage = slot_of(provider, Standby::Filled, default_now(), fleet).await?;
    let Some(handle) = stage.handle_of(0).await else {
        return Ok(stage);
    };
    // The file names some key: it is taken for the slot's.
    let mut body = body.clone();
    body["key"] = json!(handle);
    let (method, path) = stage.simulator().route(ProviderCall::Get);
    let recorded = Fault::recorded(200, None, body.to_string());
    stage
        .simulator()
        .inject(FaultRule::on(method, path, recorded));
    let got = stage.provider.driver().get(&handle).await;
    stage.called("get", got, |record| record.map_or(Value::Null, told));
    Ok(stage)
}

/// What is read of a key.
fn told(record: KeyRecord) -> Value {
    let extent = |extent: &Extent| match extent {
        Extent::Untold => json!("not told"),
        Extent::All => json!("all"),
        Extent::Only(names) => json!(names),
    };
    json!({
        "label": record.label,
        "suspended": record.suspended,
        "expires": record.expires,
        "limit": record.cap,
        "spent": record.spent,
        "models": extent(&record.reach.models),
        "endpoints": extent(&record.reach.endpoints),
    })
}
