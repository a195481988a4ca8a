//! P-09: a pair of keys, of which the idle one is regenerated.

use keyward_core::model::slot::ProviderName;
use keyward_testkit::contract::provider::ProviderCall;
use keyward_testkit::simulator::{Fault, FaultRule};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::Unsupported;
use super::provider::{probe, slot_of};
use super::rotation::default_now;
use super::stage::{Stage, Standby};

/// What the file tells.
#[derive(Debug, Deserialize)]
pub(super) struct Pair {
    list_keys: Texts,
    current_secret_uses: String,
    request: Request,
    response: Texts,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Texts {
    key1: String,
    key2: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    key_name: String,
}

/// createSecret while the first of both keys is in use. Where the file's answer has no new text, neither has this one's.
pub(super) async fn pair(file: &Pair, fleet: Option<&str>) -> Result<Stage, Unsupported> {
    if file.current_secret_uses != "key1" {
        return Err(Unsupported::Field {
            field: "current_secret_uses",
            why: "key1",
        });
    }
    let mut stage = azure(fleet).await?;
    if file.response == file.list_keys {
        let keys = stage.simulator().live_keys();
        let texts = stage.simulator().secrets();
        let text_of = |name: &str| {
            let key = keys.iter().find(|key| key.name == name)?;
            let text = texts.iter().find(|t| t.fingerprint() == key.fingerprint)?;
            Some(text.expose_secret().to_owned())
        };
        let as_before = json!({"key1": text_of("Key1"), "key2": text_of("Key2")});
        let recorded = Fault::recorded(200, None, as_before.to_string());
        let (method, path) = stage.simulator().route(ProviderCall::Create);
        stage
            .simulator()
            .inject(FaultRule::on(method, path, recorded));
    }
    stage.simulator().record();
    let given = format!("a regenerated {}", file.request.key_name);
    stage.step("createSecret", Some(given)).await;
    for exchange in stage.simulator().recorded() {
        let body: Value = serde_json::from_slice(&exchange.body).unwrap_or_default();
        if let Some(name) = body["keyName"].as_str() {
            stage.note("provider", "regenerateKey", name);
        }
    }
    Ok(stage)
}

/// createSecret whose regenerate is refused for the name that it asks for.
pub(super) async fn bad_name(
    status: u16,
    body: &Value,
    fleet: Option<&str>,
) -> Result<Stage, Unsupported> {
    let mut stage = azure(fleet).await?;
    stage.answer(ProviderCall::Create, &[probe(status, body.clone())]);
    let given = body["error"]["code"].as_str().map(str::to_owned);
    stage.step("createSecret", given).await;
    Ok(stage)
}

async fn azure(fleet: Option<&str>) -> Result<Stage, Unsupported> {
    slot_of(ProviderName::Azure, Standby::Filled, default_now(), fleet).await
}
