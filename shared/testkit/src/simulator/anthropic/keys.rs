//! `/v1/organizations/api_keys`: list, get, update.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::account::Account;
use super::super::api::{Api, Call, Reply};
use super::super::key::{Key, KeyState};
use super::Anthropic;

/// What a request is refused for, with its status.
type Refusal = (u16, String);

/// Rows that a page has at most, and where the request does not say.
const MOST: usize = 1000;
const USUAL: usize = 20;

#[derive(Default)]
struct Listing {
    limit: Option<usize>,
    after: Option<String>,
    workspace: Option<String>,
    status: Option<String>,
}

impl Anthropic {
    /// `GET …/api_keys`: archived and expired keys stay in it.
    pub(super) fn list(&self, account: &mut Account, call: &Call) -> Reply {
        let now = account.now();
        let wanted = match read_listing(&call.query, account) {
            Ok(wanted) => wanted,
            Err((status, message)) => return self.error(status, &message),
        };
        let shown = |key: &&Key| {
            wanted
                .workspace
                .as_ref()
                .is_none_or(|id| key.workspace == *id)
                && wanted
                    .status
                    .as_deref()
                    .is_none_or(|s| s == status(key, now))
        };
        let keys: Vec<&Key> = account.keys.iter().filter(shown).collect();
        let start = match &wanted.after {
            None => 0,
            Some(after) => match keys.iter().position(|key| key.handle.as_str() == after) {
                Some(at) => at + 1,
                None => return self.error(400, "after_id names no key of this list"),
            },
        };
        let asked = wanted
            .limit
            .unwrap_or(USUAL)
            .min(account.settings.page_size);
        let page: Vec<&Key> = keys[start..].iter().copied().take(asked).collect();
        let rows: Vec<Value> = page.iter().map(|key| row(account, key, now)).collect();
        Reply::json(
            200,
            &json!({
                "data": rows,
                "first_id": page.first().map(|key| &key.handle),
                "last_id": page.last().map(|key| &key.handle),
                "has_more": start + page.len() < keys.len(),
            }),
        )
    }

    /// `GET …/api_keys/{id}`
    pub(super) fn get(&self, account: &mut Account, id: &str) -> Reply {
        let now = account.now();
        match account.keys.iter().find(|key| key.handle.as_str() == id) {
            Some(key) => Reply::json(200, &row(account, key, now)),
            None => self.error(404, "API key not found"),
        }
    }

    /// `POST …/api_keys/{id}`: an archived key stays so.
    pub(super) fn update(&self, account: &mut Account, id: &str, call: &Call) -> Reply {
        let now = account.now();
        let change = match read_change(&call.body) {
            Ok(change) => change,
            Err((status, message)) => return self.error(status, &message),
        };
        let mut keys = account.keys.iter_mut();
        let Some(key) = keys.find(|key| key.handle.as_str() == id) else {
            return self.error(404, "API key not found");
        };
        if let Some(name) = change.name {
            key.name = name;
        }
        if !key.deleted && !key.is_expired(now) {
            match change.status.as_deref() {
                Some("inactive") => key.suspend(now),
                Some("active") => key.resume(now),
                Some("archived") => key.delete(now),
                _ => {}
            }
        }
        self.get(account, id)
    }
}

fn status(key: &Key, now: Timestamp) -> &'static str {
    match key.state(now) {
        KeyState::Enabled => "active",
        KeyState::Disabled => "inactive",
        KeyState::Expired => "expired",
        KeyState::Deleted => "archived",
    }
}

fn row(account: &Account, key: &Key, now: Timestamp) -> Value {
    let workspace = (key.workspace != account.default_workspace()).then_some(&key.workspace);
    json!({
        "type": "api_key",
        "id": key.handle,
        "name": key.name,
        "status": status(key, now),
        "partial_key_hint": key.redacted,
        "created_at": key.created,
        "expires_at": key.expires,
        "created_by": { "type": "user", "id": "user_EXAMPLE" },
        "principal": { "type": "service_account_actor", "service_account_id": "svac_EXAMPLE" },
        "workspace_id": workspace,
    })
}

fn read_listing(query: &[(String, String)], account: &Account) -> Result<Listing, Refusal> {
    let mut wanted = Listing::default();
    for (name, value) in query {
        match name.as_str() {
            "limit" => {
                let limit = value.parse().ok().filter(|n| (1..=MOST).contains(n));
                wanted.limit = Some(limit.ok_or_else(|| bad("limit must be 1 to 1000"))?);
            }
            "after_id" => wanted.after = Some(value.clone()),
            "workspace_id" if account.workspaces.contains(value) => {
                wanted.workspace = Some(value.clone());
            }
            "workspace_id" => return Err((404, "workspace not found".to_owned())),
            "status" => wanted.status = Some(value.clone()),
            _ => return Err(bad(&format!("unknown parameter {name}"))),
        }
    }
    Ok(wanted)
}

struct Change {
    name: Option<String>,
    status: Option<String>,
}

fn read_change(body: &[u8]) -> Result<Change, Refusal> {
    let fields: Map<String, Value> =
        serde_json::from_slice(body).map_err(|_| bad("the body must be a JSON object"))?;
    let text = |field: &str| match fields.get(field) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(bad(&format!("{field} must be a string"))),
    };
    let change = Change {
        name: text("name")?,
        status: text("status")?,
    };
    if let Some(unknown) = fields
        .keys()
        .find(|f| !["name", "status"].contains(&f.as_str()))
    {
        return Err(bad(&format!("unknown field {unknown}")));
    }
    match change.status.as_deref() {
        None | Some("active" | "inactive" | "archived") => Ok(change),
        Some(_) => Err(bad("status must be active, inactive or archived")),
    }
}

fn bad(message: &str) -> Refusal {
    (400, message.to_owned())
}
