//! Plays answers of Google's API for keys.

use keyward_core::model::slot::ProviderName;
use keyward_core::model::version::{KeyLabel, VersionId};
use keyward_core::ports::{Gone, KeyRecord};
use keyward_testkit::contract::provider::ProviderCall;
use keyward_testkit::simulator::{Fault, FaultRule};
use serde_json::{Value, json};

use super::error::Unsupported;
use super::provider::slot_of;
use super::rotation::{default_now, made_up_version};
use super::stage::{Stage, Standby};
use crate::support::Backend;

const OPERATION: &str = "/v2/operations/*";

/// P-07: a create that goes on after its answer. The first answer is to the create, the others to what asks about it;
/// if none of them is the end, it goes on for as long as an invocation lasts, and the next one finds the end.
pub(super) async fn operation(
    answers: &[Value],
    fleet: Option<&str>,
) -> Result<Stage, Unsupported> {
    let provider = ProviderName::Gemini;
    let mut stage = slot_of(provider, Standby::Filled, default_now(), fleet).await?;
    let Some(key) = key_to_be_made(&stage) else {
        return Ok(stage);
    };
    let fails = answers.iter().any(|answer| answer.get("error").is_some());
    let ends = answers.iter().any(|answer| answer["done"] == true);
    let recorded = |answer: &Value| Fault::recorded(200, None, about(answer, &key).to_string());
    let [create, later @ ..] = answers else {
        return Ok(stage);
    };
    let (method, path) = stage.simulator().route(ProviderCall::Create);
    let create = match fails {
        true => recorded(create),
        false => recorded(create).after_effect(),
    };
    stage
        .simulator()
        .inject(FaultRule::on(method, path, create));
    for (at, answer) in later.iter().enumerate() {
        let rule = FaultRule::on("GET", OPERATION, recorded(answer));
        let is_last = at + 1 == later.len();
        let rule = if is_last && !ends {
            rule.always()
        } else {
            rule
        };
        stage.simulator().inject(rule);
    }
    let given = format!("{} answers about the operation", answers.len());
    stage.step("createSecret", Some(given)).await;
    if !ends {
        stage.simulator().clear_faults();
        let end = json!({"name": answers[0]["name"], "done": true, "response": {
            "name": format!("projects/1/locations/global/keys/{key}"),
            "restrictions": {"apiTargets": [{"service": "generativelanguage.googleapis.com"}]},
        }});
        let rule = FaultRule::on("GET", OPERATION, recorded(&end));
        stage.simulator().inject(rule);
        let given = "the operation has ended".to_owned();
        stage.step("createSecret", Some(given)).await;
    }
    Ok(stage)
}

/// The id that the slot's next key will have.
fn key_to_be_made(stage: &Stage) -> Option<String> {
    let driver = stage.provider.driver();
    let id = VersionId {
        secret_version: made_up_version(2),
        attempt: 1,
    };
    let label = KeyLabel::new(&stage.slot, &id);
    let handle = driver
        .issuer()?
        .handle_of(&stage.provider.scope(), &label)?;
    handle.ids().last().map(str::to_owned)
}

/// The file names some key: it is taken for the slot's.
fn about(answer: &Value, key: &str) -> Value {
    let mut answer = answer.clone();
    if answer["response"].is_object() {
        let name = format!("projects/111122223333/locations/global/keys/{key}");
        answer["response"]["name"] = json!(name);
    }
    answer
}

/// a list with a key that was deleted, read as the list of keys and as that of those that could be brought back.
pub(super) async fn list(body: &Value, fleet: Option<&str>) -> Result<Stage, Unsupported> {
    let provider = ProviderName::Gemini;
    let mut stage = slot_of(provider, Standby::Filled, default_now(), fleet).await?;
    let (method, path) = stage.simulator().route(ProviderCall::List);
    let recorded = Fault::recorded(200, None, body.to_string());
    let rule = FaultRule::on(method, path, recorded).times(2);
    stage.simulator().inject(rule);
    let (driver, scope) = (stage.provider.driver(), stage.provider.scope());
    let listed = driver.list(&scope, None).await;
    let live = |key: &KeyRecord| json!({"label": key.label, "suspended": key.suspended});
    stage.called("list", listed, |page| {
        page.keys.iter().map(live).collect::<Value>()
    });
    let gone = driver.restorable(&scope, None).await;
    let until = |key: &Gone| json!({"label": key.label, "deleted, restorable until": key.until});
    stage.called("list what was deleted", gone, |page| {
        page.keys.iter().map(until).collect::<Value>()
    });
    Ok(stage)
}
