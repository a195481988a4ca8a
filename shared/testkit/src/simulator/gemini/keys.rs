//! `/v2/projects/…/keys` and `/v2/operations`: create, list, get, the text, patch, delete.

use jiff::{SignedDuration, Timestamp};
use keyward_core::model::key::ApiKey;
use keyward_core::model::names::Network;
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use super::super::account::Account;
use super::super::api::{Api, Call, Reply};
use super::super::key::{Birth, Key, Reset};
use super::{BOUND_PREFIX, Facts, Gemini, Operation, PREFIX, SERVICE, wire};

/// So long a deleted key is kept, and its id taken.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

const LONGEST_NAME: usize = 63;

/// What the test's key is known by: its whole label, which is too long for a name.
pub(super) fn name_in(body: &Value) -> String {
    let label = body["annotations"]["keyward-label"].as_str();
    let name = label.or(body["displayName"].as_str());
    name.unwrap_or_default().to_owned()
}

impl Gemini {
    /// `POST …/keys`: the key comes to be when its operation ends.
    pub(super) fn create(&self, account: &mut Account, project: &str, call: &Call) -> Reply {
        let asked = match Asked::read(call) {
            Ok(asked) => asked,
            Err(message) => return self.error(400, &message),
        };
        let now = account.now();
        let ready = now + account.settings.operation_delay;
        if asked
            .id
            .as_ref()
            .is_some_and(|id| self.is_taken(account, id))
        {
            let message = "Requested entity already exists.";
            return wire::error(409, "ALREADY_EXISTS", message, None);
        }
        let birth = Birth {
            name: asked.name,
            workspace: project.to_owned(),
            limit: None,
            reset: Reset::Never,
            expires: None,
        };
        account.mint_at(self, birth, ready);
        let Some(key) = account.keys.last_mut() else {
            return self.error(500, "no key");
        };
        if let Some(id) = asked.id.and_then(|id| id.parse().ok()) {
            key.handle = id;
        }
        if asked.facts.service_account.is_some() {
            let text = key.text.expose_secret().replacen(PREFIX, BOUND_PREFIX, 1);
            key.text = ApiKey::new(&text);
        }
        if is_blocked(&asked.facts.restrictions) {
            key.suspend(ready);
        }
        let facts = Facts {
            ready,
            ..asked.facts
        };
        let row = wire::row(key, &facts);
        self.state().keys.insert(key.handle.clone(), facts);
        self.begin(account, row)
    }

    /// An id stays taken for as long as its key is kept.
    fn is_taken(&self, account: &Account, id: &str) -> bool {
        let now = account.now();
        let state = self.state();
        account.keys.iter().any(|key| {
            let deleted = state.keys.get(&key.handle).and_then(|facts| facts.deleted);
            key.handle.as_str() == id && deleted.is_none_or(|at| now < at + KEPT)
        })
    }

    /// Begins an operation that ends with the key as it is then.
    fn begin(&self, account: &mut Account, response: Value) -> Reply {
        let now = account.now();
        let random = account.random();
        let operation = Operation {
            name: format!("operations/akmf.p7-EXAMPLE-{}", &random[..16]),
            ends: now + account.settings.operation_delay,
            response,
        };
        let reply = wire::operation(&operation, now);
        self.state().operations.push(operation);
        reply
    }

    /// `GET /v2/operations/…`.
    pub(super) fn operation(&self, account: &mut Account, id: &str) -> Reply {
        let name = format!("operations/{id}");
        let state = self.state();
        match state.operations.iter().find(|known| known.name == name) {
            Some(operation) => wire::operation(operation, account.now()),
            None => self.missing(),
        }
    }

    /// `GET …/keys`.
    pub(super) fn list(&self, account: &mut Account, project: &str, call: &Call) -> Reply {
        let wanted = match Listing::read(&call.query) {
            Ok(wanted) => wanted,
            Err(message) => return self.error(400, &message),
        };
        let size = wanted.size.min(account.settings.page_size);
        let mut rows = Vec::new();
        for at in 0..account.keys.len() {
            let id = account.keys[at].handle.to_string();
            if let Some((key, facts)) = self.known(account, project, &id)
                && (facts.deleted.is_none() || wanted.deleted)
            {
                rows.push(wire::row(key, &facts));
            }
        }
        let page: Vec<&Value> = rows.iter().skip(wanted.from).take(size).collect();
        let mut body = json!({});
        if !page.is_empty() {
            body["keys"] = json!(page);
        }
        if wanted.from + size < rows.len() {
            body["nextPageToken"] = json!(format!("page-{}", wanted.from + size));
        }
        Reply::json(200, &body)
    }

    /// `GET …/keys/…`, of a deleted key too.
    pub(super) fn get(&self, account: &mut Account, project: &str, id: &str) -> Reply {
        match self.known(account, project, id) {
            Some((key, facts)) => Reply::json(200, &wire::row(key, &facts)),
            None => self.missing(),
        }
    }

    /// `GET …/keys/…/keyString`.
    pub(super) fn key_string(&self, account: &mut Account, project: &str, id: &str) -> Reply {
        match self.present(account, project, id) {
            Ok((key, _)) => Reply::json(200, &json!({ "keyString": key.text.expose_secret() })),
            Err(refused) => refused,
        }
    }

    /// `PATCH …/keys/…?updateMask=restrictions`.
    pub(super) fn patch(
        &self,
        account: &mut Account,
        project: &str,
        id: &str,
        call: &Call,
    ) -> Reply {
        let asked = match &call.query[..] {
            [(name, mask)] if name == "updateMask" && mask == "restrictions" => {
                read_object(&call.body, &["restrictions"]).and_then(|mut fields| {
                    let restrictions = fields.remove("restrictions").unwrap_or_default();
                    check_restrictions(&restrictions).map(|()| restrictions)
                })
            }
            _ => Err("updateMask must be restrictions here".to_owned()),
        };
        let restrictions = match asked {
            Ok(restrictions) => restrictions,
            Err(message) => return self.error(400, &message),
        };
        let now = account.now();
        let (key, mut facts) = match self.present(account, project, id) {
            Ok(found) => found,
            Err(refused) => return refused,
        };
        if is_blocked(&restrictions) {
            key.suspend(now);
        } else {
            key.resume(now);
        }
        key.updated = Some(now);
        facts.restrictions = restrictions;
        let row = wire::row(key, &facts);
        self.state().keys.insert(key.handle.clone(), facts);
        self.begin(account, row)
    }

    /// `DELETE …/keys/…`.
    pub(super) fn delete(
        &self,
        account: &mut Account,
        project: &str,
        id: &str,
        call: &Call,
    ) -> Reply {
        if !call.query.is_empty() {
            return self.error(400, "no parameter is expected here");
        }
        let now = account.now();
        let (key, mut facts) = match self.present(account, project, id) {
            Ok(found) => found,
            Err(refused) => return refused,
        };
        key.delete(now);
        facts.deleted = Some(now);
        let row = wire::row(key, &facts);
        self.state().keys.insert(key.handle.clone(), facts);
        self.begin(account, row)
    }

    /// A key that was not deleted; a deleted one cannot be changed.
    fn present<'a>(
        &self,
        account: &'a mut Account,
        project: &str,
        id: &str,
    ) -> Result<(&'a mut Key, Facts), Reply> {
        match self.known(account, project, id) {
            Some((_, facts)) if facts.deleted.is_some() => Err(wire::error(
                400,
                "FAILED_PRECONDITION",
                "The key is deleted.",
                None,
            )),
            Some(found) => Ok(found),
            None => Err(self.missing()),
        }
    }

    /// A key whose create has come to its end, and that was not deleted too long ago.
    fn known<'a>(
        &self,
        account: &'a mut Account,
        project: &str,
        id: &str,
    ) -> Option<(&'a mut Key, Facts)> {
        let now = account.now();
        let is_it = |key: &&mut Key| key.handle.as_str() == id && key.workspace == project;
        let key = account.keys.iter_mut().rfind(is_it)?;
        let facts = self.state().keys.get(&key.handle).cloned();
        let facts = facts.unwrap_or_else(|| Facts::of_old(&key.name, key.created));
        let is_kept = |at: Timestamp| now < at + KEPT;
        (facts.ready <= now && facts.deleted.is_none_or(is_kept)).then_some((key, facts))
    }
}

/// What a create asks for.
struct Asked {
    id: Option<String>,
    name: String,
    facts: Facts,
}

impl Asked {
    fn read(call: &Call) -> Result<Self, String> {
        let id = match &call.query[..] {
            [] => None,
            [(name, id)] if name == "keyId" && is_key_id(id) => Some(id.clone()),
            _ => return Err("keyId is malformed, or another parameter is there".to_owned()),
        };
        let fields = read_object(
            &call.body,
            &[
                "displayName",
                "annotations",
                "restrictions",
                "serviceAccountEmail",
            ],
        )?;
        let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
        let name = field("displayName").as_str().unwrap_or_default().to_owned();
        if name.chars().count() > LONGEST_NAME {
            return Err("displayName is too long".to_owned());
        }
        check_restrictions(&field("restrictions"))?;
        Ok(Self {
            id,
            name: name_in(&Value::Object(fields.clone())),
            facts: Facts {
                annotations: field("annotations"),
                restrictions: field("restrictions"),
                service_account: field("serviceAccountEmail").as_str().map(str::to_owned),
                ..Facts::of_old(&name, Timestamp::UNIX_EPOCH)
            },
        })
    }
}

/// `[a-z]([a-z0-9-]{0,61}[a-z0-9])?`, and not like a UUID.
fn is_key_id(id: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let lengths: Vec<usize> = id.split('-').map(str::len).collect();
    (1..=63).contains(&id.len())
        && id.bytes().all(allowed)
        && id.starts_with(|c: char| c.is_ascii_lowercase())
        && !id.ends_with('-')
        && lengths != [8, 4, 4, 4, 12]
}

struct Listing {
    from: usize,
    size: usize,
    deleted: bool,
}

impl Listing {
    fn read(query: &[(String, String)]) -> Result<Self, String> {
        let mut wanted = Self {
            from: 0,
            size: 50,
            deleted: false,
        };
        for (name, value) in query {
            let bad = || format!("unknown or malformed parameter {name}");
            match name.as_str() {
                "pageSize" => wanted.size = value.parse().map_err(|_| bad())?,
                "pageToken" => {
                    let from = value.strip_prefix("page-").and_then(|n| n.parse().ok());
                    wanted.from = from.ok_or_else(bad)?;
                }
                "showDeleted" => wanted.deleted = value == "true",
                _ => return Err(bad()),
            }
        }
        Ok(wanted)
    }
}

fn read_object(body: &[u8], known: &[&str]) -> Result<Map<String, Value>, String> {
    let fields: Map<String, Value> =
        serde_json::from_slice(body).map_err(|_| "the body must be a JSON object".to_owned())?;
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(format!("unknown field {name}")),
        None => Ok(fields),
    }
}

/// Refuses lists without an entry, which would permit everything, and what is not of their form.
fn check_restrictions(restrictions: &Value) -> Result<(), String> {
    if restrictions.is_null() {
        return Ok(());
    }
    let list = |value: &Value, what: &str| match value.as_array() {
        Some(list) if !list.is_empty() => Ok(list.clone()),
        _ => Err(format!("{what} must be a list with entries")),
    };
    for target in list(&restrictions["apiTargets"], "apiTargets")? {
        if !target["service"].is_string() {
            return Err("a target has no service".to_owned());
        }
        if !target["methods"].is_null() {
            list(&target["methods"], "methods")?;
        }
    }
    let server = &restrictions["serverKeyRestrictions"];
    if !server.is_null() {
        for ip in list(&server["allowedIps"], "allowedIps")? {
            let is_network = |text: &str| text.parse::<Network>().is_ok();
            if !ip.as_str().is_some_and(is_network) {
                return Err("an address is none".to_owned());
            }
        }
    }
    Ok(())
}

/// Whether calls from here, which come from 127.0.0.1, are refused.
fn is_blocked(restrictions: &Value) -> bool {
    let ips = restrictions["serverKeyRestrictions"]["allowedIps"].as_array();
    let is_here = |ip: &Value| ip.as_str().is_some_and(|ip| ip.starts_with("127."));
    ips.is_some_and(|ips| !ips.is_empty() && !ips.iter().any(is_here))
}

/// Whether a key so restricted may call a method of the service.
pub(super) fn permit(restrictions: &Value, method: &str) -> bool {
    let Some(targets) = restrictions["apiTargets"].as_array() else {
        return true;
    };
    let names = |methods: &Vec<Value>| {
        methods.iter().filter_map(Value::as_str).any(|name| {
            let begin = name.strip_suffix('*');
            name.ends_with(method) || begin.is_some_and(|begin| method.starts_with(begin))
        })
    };
    targets.iter().any(|target| {
        target["service"] == SERVICE && target["methods"].as_array().is_none_or(names)
    })
}
