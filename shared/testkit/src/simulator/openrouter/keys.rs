//! `/keys`: create, list, get, update, delete.

use jiff::Timestamp;
use keyward_core::model::money::MicroDollars;
use serde_json::{Map, Value, json};

use super::super::account::Account;
use super::super::api::{Api, Call, Reply};
use super::super::key::{Birth, Key, Reset};
use super::{OpenRouter, wire};

/// What a request is refused for, with its status.
type Refusal = (u16, String);

impl OpenRouter {
    /// `POST /keys`.
    pub(super) fn create(&self, account: &mut Account, call: &Call) -> Reply {
        let now = account.now();
        let birth = match read_birth(&call.body, account, now) {
            Ok(birth) => birth,
            Err(refusal) => return self.refuse(refusal),
        };
        wire::created(account.mint(self, birth), now)
    }

    /// `GET /keys`: without a workspace only the default one, and without `include_disabled` only enabled keys.
    pub(super) fn list(&self, account: &mut Account, call: &Call) -> Reply {
        let wanted = match read_listing(&call.query, account) {
            Ok(wanted) => wanted,
            Err(refusal) => return self.refuse(refusal),
        };
        let shown = |key: &&Key| {
            !key.deleted
                && key.workspace == wanted.workspace
                && (wanted.disabled == Disabled::Shown || !key.disabled)
        };
        let rows = account.keys.iter().filter(shown);
        wire::page(
            rows.skip(wanted.offset).take(account.settings.page_size),
            account.now(),
        )
    }

    /// `GET /keys/{hash}`.
    pub(super) fn get(&self, account: &mut Account, hash: &str) -> Reply {
        let now = account.now();
        match account.present(hash) {
            Some(key) => wire::one(key, now),
            None => self.no_such_key(),
        }
    }

    /// `PATCH /keys/{hash}`: all or nothing.
    pub(super) fn update(&self, account: &mut Account, hash: &str, call: &Call) -> Reply {
        let now = account.now();
        let Some(key) = account.present(hash) else {
            return self.no_such_key();
        };
        match Update::read(&call.body) {
            Ok(update) => {
                update.apply(key, now);
                wire::one(key, now)
            }
            Err(refusal) => self.refuse(refusal),
        }
    }

    /// `DELETE /keys/{hash}`.
    pub(super) fn delete(&self, account: &mut Account, hash: &str) -> Reply {
        let now = account.now();
        match account.present(hash) {
            Some(key) => {
                key.delete(now);
                Reply::json(200, &json!({ "deleted": true }))
            }
            None => self.no_such_key(),
        }
    }

    fn no_such_key(&self) -> Reply {
        self.error(404, "API key not found")
    }

    fn refuse(&self, (status, message): Refusal) -> Reply {
        self.error(status, &message)
    }
}

fn read_birth(body: &[u8], account: &Account, now: Timestamp) -> Result<Birth, Refusal> {
    let fields = read_object(
        body,
        &[
            "name",
            "limit",
            "limit_reset",
            "expires_at",
            "include_byok_in_limit",
            "workspace_id",
            "creator_user_id",
        ],
    )?;
    let workspace = match fields.get("workspace_id") {
        None => account.default_workspace().to_owned(),
        Some(id) => known_workspace(account, id.as_str().unwrap_or_default())?,
    };
    Ok(Birth {
        name: read_name(fields.get("name").unwrap_or(&Value::Null))?,
        workspace,
        limit: read_limit(fields.get("limit"))?,
        reset: read_reset(fields.get("limit_reset"))?,
        expires: read_expiry(fields.get("expires_at"), now)?,
    })
}

/// The fields that a `PATCH` names.
struct Update {
    name: Option<String>,
    disabled: Option<bool>,
    limit: Option<Option<MicroDollars>>,
    reset: Option<Reset>,
}

impl Update {
    fn read(body: &[u8]) -> Result<Self, Refusal> {
        let fields = read_object(
            body,
            &[
                "name",
                "disabled",
                "limit",
                "limit_reset",
                "include_byok_in_limit",
            ],
        )?;
        let disabled = fields.get("disabled").map(|value| {
            value
                .as_bool()
                .ok_or_else(|| bad("disabled must be a boolean"))
        });
        Ok(Self {
            name: fields.get("name").map(read_name).transpose()?,
            disabled: disabled.transpose()?,
            limit: fields
                .get("limit")
                .map(|limit| read_limit(Some(limit)))
                .transpose()?,
            reset: fields
                .get("limit_reset")
                .map(|reset| read_reset(Some(reset)))
                .transpose()?,
        })
    }

    fn apply(self, key: &mut Key, now: Timestamp) {
        if let Some(name) = self.name {
            key.name = name;
        }
        match self.disabled {
            Some(true) => key.suspend(now),
            Some(false) => key.resume(now),
            None => {}
        }
        if let Some(limit) = self.limit {
            key.limit = limit;
        }
        if let Some(reset) = self.reset {
            key.reset = reset;
        }
        key.updated = Some(now);
    }
}

#[derive(PartialEq, Eq)]
enum Disabled {
    Shown,
    Hidden,
}

struct Listing {
    workspace: String,
    disabled: Disabled,
    offset: usize,
}

fn read_listing(query: &[(String, String)], account: &Account) -> Result<Listing, Refusal> {
    let mut wanted = Listing {
        workspace: account.default_workspace().to_owned(),
        disabled: Disabled::Hidden,
        offset: 0,
    };
    for (name, value) in query {
        match (name.as_str(), value.as_str()) {
            ("include_disabled", "true") => wanted.disabled = Disabled::Shown,
            ("include_disabled", "false") => wanted.disabled = Disabled::Hidden,
            ("offset", number) => {
                wanted.offset = number
                    .parse()
                    .map_err(|_| bad("offset must be a whole number"))?;
            }
            ("workspace_id", id) => wanted.workspace = known_workspace(account, id)?,
            _ => return Err(bad(&format!("unknown or malformed parameter {name}"))),
        }
    }
    Ok(wanted)
}

fn read_object(body: &[u8], known: &[&str]) -> Result<Map<String, Value>, Refusal> {
    let fields: Map<String, Value> =
        serde_json::from_slice(body).map_err(|_| bad("the body must be a JSON object"))?;
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(bad(&format!("unrecognized field {name}"))),
        None => Ok(fields),
    }
}

fn read_name(value: &Value) -> Result<String, Refusal> {
    match value.as_str() {
        Some(name) if !name.is_empty() => Ok(name.to_owned()),
        _ => Err(bad("name must be a non-empty string")),
    }
}

fn read_limit(value: Option<&Value>) -> Result<Option<MicroDollars>, Refusal> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(usd)) if usd.as_f64().is_some_and(|usd| usd >= 0.0) => {
            let micro = (usd.as_f64().unwrap_or_default() * 1e6).round();
            Ok(Some(MicroDollars(micro as u64)))
        }
        Some(_) => Err(bad("limit must be a number from 0, or null")),
    }
}

fn read_reset(value: Option<&Value>) -> Result<Reset, Refusal> {
    match value.map(|value| value.as_str().ok_or(value)) {
        None | Some(Err(Value::Null)) => Ok(Reset::Never),
        Some(Ok("daily")) => Ok(Reset::Daily),
        Some(Ok("weekly")) => Ok(Reset::Weekly),
        Some(Ok("monthly")) => Ok(Reset::Monthly),
        Some(_) => Err(bad("limit_reset must be daily, weekly, monthly or null")),
    }
}

fn read_expiry(value: Option<&Value>, now: Timestamp) -> Result<Option<Timestamp>, Refusal> {
    let text = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value.as_str().unwrap_or_default(),
    };
    let end: Timestamp = text
        .parse()
        .map_err(|_| bad("expires_at must be an ISO 8601 time"))?;
    if !text.ends_with('Z') {
        return Err(bad("expires_at must be UTC"));
    }
    if end <= now {
        return Err(bad("expires_at must be in the future"));
    }
    Ok(Some(end))
}

fn known_workspace(account: &Account, id: &str) -> Result<String, Refusal> {
    let is_uuid = id.len() == 36 && id.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
    if !is_uuid {
        return Err(bad("workspace_id must be a UUID"));
    }
    if !account.workspaces.iter().any(|known| known == id) {
        return Err((403, "You do not have access to this workspace".to_owned()));
    }
    Ok(id.to_owned())
}

fn bad(message: &str) -> Refusal {
    (400, message.to_owned())
}
