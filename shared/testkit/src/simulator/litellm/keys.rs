//! `/key/…`: generate, list, info, block, unblock, update, delete.

use jiff::{SignedDuration, Timestamp};
use keyward_core::model::key::ApiKey;
use keyward_core::model::money::MicroDollars;
use serde_json::{Map, Value, json};

use super::super::account::Account;
use super::super::api::{Api, Call, Reply};
use super::super::key::{Birth, Key, Reset};
use super::{LLM_ROUTES, LiteLlm, PREFIX, error, wire};

/// Keys on a page: where the request does not say, and at most.
const USUAL: usize = 10;
const MOST: usize = 100;

/// A text that a caller chooses is this long at least.
const SHORTEST: usize = 16;

/// What a block does, and its end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Switch {
    Block,
    Unblock,
}

impl LiteLlm {
    /// `POST /key/generate`: a name is given once, and the text may be the caller's.
    pub(super) fn generate(&self, account: &mut Account, call: &Call) -> Reply {
        let now = account.now();
        let asked = match Asked::read(&call.body, now) {
            Ok(asked) => asked,
            Err(message) => return self.error(400, &message),
        };
        let name = &asked.birth.name;
        if account
            .keys
            .iter()
            .any(|key| !key.deleted && key.name == *name)
        {
            let message = format!(
                "Key with alias '{name}' already exists. Unique key aliases across all keys are required."
            );
            return error(400, &message, "bad_request_error", json!("key_alias"));
        }
        let key = match &asked.text {
            Some(text) => account.mint_as(self, asked.birth, text),
            None => account.mint(self, asked.birth),
        };
        let mut facts = self.facts();
        let facts = facts.entry(key.handle.clone()).or_default();
        (facts.models, facts.routes) = (asked.models, asked.routes);
        wire::generated(key, facts, now)
    }

    /// `GET /key/list`: without `status` every key that was not deleted, the latest first.
    pub(super) fn list(&self, account: &mut Account, call: &Call) -> Reply {
        let now = account.now();
        let wanted = match Listing::read(&call.query) {
            Ok(wanted) => wanted,
            Err(message) => return self.error(400, &message),
        };
        let size = wanted.size.min(account.settings.page_size);
        let in_team = |key: &&Key| wanted.team.as_ref().is_none_or(|id| key.workspace == *id);
        let mut keys: Vec<&Key> = account.keys.iter().filter(|key| !key.deleted).collect();
        keys.retain(in_team);
        keys.sort_by_key(|key| std::cmp::Reverse((key.created, key.handle.clone())));
        let rows = keys.iter().skip((wanted.page - 1) * size).take(size);
        let rows: Vec<Value> = rows
            .map(|key| match wanted.full {
                true => wire::row(key, &self.facts_of(&key.handle), now),
                false => json!(key.handle),
            })
            .collect();
        Reply::json(
            200,
            &json!({
                "keys": rows, "total_count": keys.len(), "current_page": wanted.page,
                "total_pages": keys.len().div_ceil(size),
            }),
        )
    }

    /// `GET /key/info`: deleted keys are answered out of an archive.
    pub(super) fn info(&self, account: &mut Account, call: &Call) -> Reply {
        let now = account.now();
        let [(name, asked)] = &call.query[..] else {
            return self.error(400, "one parameter is expected");
        };
        let found = account
            .keys
            .iter()
            .rfind(|key| key.handle.as_str() == asked);
        match found {
            Some(key) if name == "key" => wire::info(asked, key, &self.facts_of(&key.handle), now),
            _ => error(
                404,
                "Key not found in database",
                "not_found_error",
                json!("key"),
            ),
        }
    }

    /// `POST /key/block` and `/key/unblock`.
    pub(super) fn switch(&self, account: &mut Account, call: &Call, switch: Switch) -> Reply {
        let now = account.now();
        let fields = match read_object(&call.body, &["key"]) {
            Ok(fields) => fields,
            Err(message) => return self.error(400, &message),
        };
        let Some(key) = account.present(fields["key"].as_str().unwrap_or_default()) else {
            return missing();
        };
        match switch {
            Switch::Block => key.suspend(now),
            Switch::Unblock => key.resume(now),
        }
        key.updated = Some(now);
        let mut facts = self.facts();
        let facts = facts.entry(key.handle.clone()).or_default();
        facts.was_switched = true;
        Reply::json(200, &wire::row(key, facts, now))
    }

    /// `POST /key/update`: what is left out stays, null takes away. The answer repeats what was asked.
    pub(super) fn update(&self, account: &mut Account, call: &Call) -> Reply {
        let fields = match read_object(&call.body, &["key", "max_budget", "budget_duration"]) {
            Ok(fields) => fields,
            Err(message) => return self.error(400, &message),
        };
        let read = |account: &mut Account| -> Result<Option<Value>, String> {
            let Some(key) = account.present(fields["key"].as_str().unwrap_or_default()) else {
                return Ok(None);
            };
            let limit = fields.get("max_budget").map(read_budget).transpose()?;
            let reset = fields.get("budget_duration").map(read_reset).transpose()?;
            key.limit = limit.unwrap_or(key.limit);
            key.reset = reset.unwrap_or(key.reset);
            Ok(Some(Value::Object(fields.clone())))
        };
        match read(account) {
            Ok(Some(done)) => Reply::json(200, &done),
            Ok(None) => missing(),
            Err(message) => self.error(400, &message),
        }
    }

    /// `POST /key/delete`.
    pub(super) fn delete(&self, account: &mut Account, call: &Call) -> Reply {
        let now = account.now();
        let fields = match read_object(&call.body, &["keys"]) {
            Ok(fields) => fields,
            Err(message) => return self.error(400, &message),
        };
        let named = fields["keys"].as_array().cloned().unwrap_or_default();
        let mut found = 0;
        for handle in named.iter().filter_map(Value::as_str) {
            if let Some(key) = account.present(handle) {
                key.delete(now);
                found += 1;
            }
        }
        if found == 0 {
            let message = "{'error': 'No keys found'}";
            return error(404, message, "internal_server_error", Value::Null);
        }
        Reply::json(200, &json!({ "deleted_keys": named }))
    }
}

fn missing() -> Reply {
    error(404, "Key not found.", "not_found_error", json!("key"))
}

/// What a create asks for.
struct Asked {
    text: Option<ApiKey>,
    birth: Birth,
    models: Vec<String>,
    routes: Vec<String>,
}

impl Asked {
    fn read(body: &[u8], now: Timestamp) -> Result<Self, String> {
        let fields = read_object(
            body,
            &[
                "key",
                "key_alias",
                "duration",
                "max_budget",
                "budget_duration",
                "team_id",
                "models",
                "allowed_routes",
                "key_type",
                "metadata",
            ],
        )?;
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        let life = text("duration").map(read_duration).transpose()?;
        let routes = match text("key_type") {
            None | Some("default") => read_names(fields.get("allowed_routes"))?,
            Some("llm_api") => vec![LLM_ROUTES.to_owned()],
            Some(_) => return Err("key_type is none that is known here".to_owned()),
        };
        Ok(Self {
            text: text("key").map(read_text).transpose()?,
            birth: Birth {
                name: text("key_alias").unwrap_or_default().to_owned(),
                workspace: text("team_id").unwrap_or_default().to_owned(),
                limit: fields.get("max_budget").map_or(Ok(None), read_budget)?,
                reset: fields
                    .get("budget_duration")
                    .map_or(Ok(Reset::Never), read_reset)?,
                expires: life.map(|life| now + life),
            },
            models: read_names(fields.get("models"))?,
            routes,
        })
    }
}

struct Listing {
    page: usize,
    size: usize,
    team: Option<String>,
    full: bool,
}

impl Listing {
    fn read(query: &[(String, String)]) -> Result<Self, String> {
        let mut wanted = Self {
            page: 1,
            size: USUAL,
            team: None,
            full: false,
        };
        for (name, value) in query {
            let bad = || format!("unknown or malformed parameter {name}");
            match name.as_str() {
                "page" => wanted.page = value.parse().map_err(|_| bad())?,
                "size" => wanted.size = value.parse().map_err(|_| bad())?,
                "team_id" => wanted.team = Some(value.clone()),
                "return_full_object" => wanted.full = value == "true",
                _ => return Err(bad()),
            }
        }
        if wanted.page < 1 || !(1..=MOST).contains(&wanted.size) {
            return Err("page or size is out of range".to_owned());
        }
        Ok(wanted)
    }
}

fn read_object(body: &[u8], known: &[&str]) -> Result<Map<String, Value>, String> {
    let mut fields: Map<String, Value> =
        serde_json::from_slice(body).map_err(|_| "the body must be a JSON object".to_owned())?;
    if let Some(name) = fields.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(format!("unknown field {name}"));
    }
    if known.len() < 4 {
        fields.entry(known[0]).or_insert(Value::Null);
    }
    Ok(fields)
}

/// <https://docs.litellm.ai/docs/proxy/virtual_keys>: begins with `sk-`, of letters, digits, dash and underscore.
fn read_text(text: &str) -> Result<ApiKey, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if text.starts_with(PREFIX) && text.len() >= SHORTEST && text.chars().all(fits) {
        Ok(ApiKey::new(text))
    } else {
        Err("Invalid key format.".to_owned())
    }
}

fn read_duration(text: &str) -> Result<SignedDuration, String> {
    let seconds = text
        .strip_suffix('s')
        .and_then(|number| number.parse().ok());
    let seconds = seconds.filter(|seconds: &i64| *seconds > 0);
    seconds
        .map(SignedDuration::from_secs)
        .ok_or_else(|| "duration must be whole seconds here, as in 30s".to_owned())
}

fn read_budget(value: &Value) -> Result<Option<MicroDollars>, String> {
    match value {
        Value::Null => Ok(None),
        Value::Number(usd) if usd.as_f64().is_some_and(|usd| usd >= 0.0) => {
            let micro = (usd.as_f64().unwrap_or_default() * 1e6).round();
            Ok(Some(MicroDollars(micro as u64)))
        }
        _ => Err("max_budget must be a non-negative finite number".to_owned()),
    }
}

fn read_reset(value: &Value) -> Result<Reset, String> {
    match value.as_str() {
        None if value.is_null() => Ok(Reset::Never),
        Some("1d") => Ok(Reset::Daily),
        Some("7d") => Ok(Reset::Weekly),
        Some("1mo" | "30d") => Ok(Reset::Monthly),
        _ => Err("Unsupported duration unit".to_owned()),
    }
}

fn read_names(value: Option<&Value>) -> Result<Vec<String>, String> {
    let value = value.cloned().unwrap_or_else(|| json!([]));
    serde_json::from_value(value).map_err(|_| "a list of names is expected".to_owned())
}
