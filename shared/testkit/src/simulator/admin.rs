//! The same handle as [`Simulator`](super::Simulator) over HTTP, under `/_sim/`, for tests in other processes:
//!
//! | request | does |
//! | --- | --- |
//! | `GET /_sim/requests`, `DELETE` | the request log; forgets it |
//! | `GET /_sim/keys` | all keys, without texts, with their fingerprints |
//! | `GET /_sim/keys/live` | those that are enabled or accepted |
//! | `POST /_sim/keys` `{name, text, workspace?}` | a key that was there before |
//! | `POST /_sim/workspaces` | one more workspace |
//! | `GET /_sim/settings`, `PATCH` | the settings; changes those named |
//! | `GET /_sim/faults`, `POST`, `DELETE` | faults still to come; one more; none |

use keyward_core::model::key::ApiKey;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::api::Reply;
use super::key::KeyView;
use super::server::Shared;
use super::settings::Settings;

pub(super) const BASE_PATH: &str = "/_sim";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seed {
    name: String,
    text: String,
    workspace: Option<String>,
}

pub(super) fn answer(shared: &Shared, method: &str, path: &str, body: &[u8]) -> Reply {
    match act(shared, method, path, body) {
        Ok(Some(body)) => Reply::json(200, &body),
        Ok(None) => Reply::json(404, &json!({ "error": "no such request" })),
        Err(error) => Reply::json(400, &json!({ "error": error.to_string() })),
    }
}

/// `None` for a request that there is not.
fn act(
    shared: &Shared,
    method: &str,
    path: &str,
    body: &[u8],
) -> Result<Option<Value>, serde_json::Error> {
    let account = &mut *shared.account();
    let api = shared.api.as_ref();
    let done = json!({});
    let answer = match (method, path) {
        ("GET", "/requests") => serde_json::to_value(&account.log)?,
        ("DELETE", "/requests") => {
            account.log.clear();
            done
        }
        ("GET", "/keys") => serde_json::to_value(account.views())?,
        ("GET", "/keys/live") => {
            let live: Vec<KeyView> = account
                .views()
                .into_iter()
                .filter(KeyView::is_live)
                .collect();
            serde_json::to_value(live)?
        }
        ("POST", "/keys") => {
            let seed: Seed = read(body)?;
            let workspace = seed
                .workspace
                .unwrap_or_else(|| account.default_workspace().to_owned());
            let (settings, now) = (account.settings.clone(), account.now());
            let key = account.seed(api, &seed.name, &ApiKey::new(&seed.text), &workspace);
            serde_json::to_value(key.view(&settings, now))?
        }
        ("POST", "/workspaces") => json!({ "id": account.add_workspace(api) }),
        ("GET", "/settings") => serde_json::to_value(&account.settings)?,
        ("PATCH", "/settings") => {
            account.settings = merge(&account.settings, read(body)?)?;
            serde_json::to_value(&account.settings)?
        }
        ("GET", "/faults") => serde_json::to_value(account.faults.pending())?,
        ("POST", "/faults") => {
            account.faults.add(read(body)?);
            done
        }
        ("DELETE", "/faults") => {
            account.faults.clear();
            done
        }
        _ => return Ok(None),
    };
    Ok(Some(answer))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(body)
}

fn merge(
    settings: &Settings,
    changes: serde_json::Map<String, Value>,
) -> Result<Settings, serde_json::Error> {
    let mut merged = serde_json::to_value(settings)?;
    if let Value::Object(fields) = &mut merged {
        fields.extend(changes);
    }
    serde_json::from_value(merged)
}
