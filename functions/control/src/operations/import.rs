//! `/import`: keys at a provider that belong to no slot. Changes nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;
use keyward_core::model::names::{AccountName, SecretArn};
use keyward_core::model::slot::{ProviderName, Scope};
use keyward_core::ports::{Deadline, KeyRecord};
use keyward_core::usecases::import::{Holds, Search, unclaimed};
use keyward_lambda::diagnostic::chain;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Deps;
use crate::request::Request;
use crate::response::Refusal;

/// Secrets that one request can name.
const MAX_SECRETS: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    account: AccountName,
    provider: ProviderName,
    #[serde(default)]
    scope: Scope,
    #[serde(default)]
    secrets: Vec<SecretArn>,
}

/// A key that belongs to no slot.
#[derive(Serialize)]
struct Row {
    handle: String,
    label: String,
    /// The provider's own redacted form.
    redacted: String,
    suspended: Option<bool>,
    created: Option<Timestamp>,
    expires: Option<Timestamp>,
    last_used: Option<Timestamp>,
    spent: Option<String>,
    cap: Option<String>,
    /// The secrets that hold it, of those that were named.
    secrets: Vec<SecretArn>,
}

pub(super) async fn unclaimed_keys(
    deps: &Deps,
    request: &Request,
    deadline: Deadline,
) -> Result<Value, Refusal> {
    let body: Body = request.body("{account, provider, scope?, secrets?}")?;
    if body.secrets.len() > MAX_SECRETS {
        let what = format!("more than {MAX_SECRETS} secrets are named");
        return Err(Refusal::bad(what));
    }
    let search = Search {
        account: body.account,
        provider: body.provider,
        scope: body.scope,
        secrets: body.secrets,
    };
    let found = unclaimed(&deps.ports, &search, deadline).await;
    let found = found.map_err(|error| Refusal::of(&error, error.is_retryable()))?;
    let mut holders: BTreeMap<&str, Vec<SecretArn>> = BTreeMap::new();
    let mut secrets = Vec::new();
    for (arn, holds) in &found.secrets {
        let (holds, more) = match holds {
            Ok(Holds::Nothing) => ("nothing", None),
            Ok(Holds::OfSlot(slot)) => ("of_slot", Some(slot.to_string())),
            Ok(Holds::Key(handle)) => {
                holders.entry(handle).or_default().push(arn.clone());
                ("key", Some(handle.clone()))
            }
            Ok(Holds::Unknown) => ("unknown", None),
            Err(error) => ("not_seen", Some(chain(error))),
        };
        secrets.push(json!({ "secret": arn, "holds": holds, "more": more }));
    }
    let rows = |keys: &[KeyRecord]| -> Vec<Row> {
        let rows = keys.iter().map(|key| {
            let held = holders.get(key.handle.as_str()).cloned();
            row(key, held.unwrap_or_default())
        });
        rows.collect()
    };
    Ok(json!({
        "keys": rows(&found.unclaimed),
        "claimed": found.claimed,
        "in_a_slots_place": rows(&found.in_a_slots_place),
        "secrets": secrets,
    }))
}

fn row(key: &KeyRecord, secrets: Vec<SecretArn>) -> Row {
    Row {
        handle: key.handle.to_string(),
        label: key.label.to_string(),
        redacted: key.redacted.to_string(),
        suspended: key.suspended,
        created: key.created,
        expires: key.expires,
        last_used: key.last_used,
        spent: key.spent.map(|amount| amount.to_string()),
        cap: key.cap.map(|cap| cap.to_string()),
        secrets,
    }
}
