//! Keys and service accounts of a project.

use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use super::super::account::Account;
use super::super::api::{Api, Call, Reply};
use super::super::key::{Birth, Key, Reset};
use super::super::settings::KeyEnd;
use super::{HARMLESS, OpenAi, ServiceAccount};

/// What a request is refused for.
type Refusal = String;

const A_YEAR: i64 = 31_536_000;

impl OpenAi {
    /// `POST …/service_accounts`: an account with a key.
    pub(super) fn create_account(
        &self,
        account: &mut Account,
        project: &str,
        call: &Call,
    ) -> Reply {
        let read = read_object(
            &call.body,
            &["name", "expires_in_seconds", "create_service_account_only"],
        );
        let (name, expires) = match read.and_then(|fields| born(&fields, account.now())) {
            Ok(born) => born,
            Err(message) => return self.error(400, &message),
        };
        let id = format!("svc_acct_EXAMPLE{}", 100 + self.state().accounts.len());
        self.state().accounts.push(ServiceAccount {
            id: id.clone(),
            name: name.clone(),
            project: project.to_owned(),
        });
        let now = account.now();
        let key = account.mint(self, birth(&name, project, expires));
        let body = json!({
            "object": "organization.project.service_account", "id": id, "name": name,
            "role": "member", "created_at": now.as_second(),
            "api_key": {
                "object": "organization.project.service_account.api_key", "id": key.handle,
                "value": key.text.expose_secret(), "name": "Secret Key", "created_at": now.as_second(),
            },
        });
        let mut state = self.state();
        state.owners.insert(key.handle.clone(), id);
        state.unnamed.push(key.handle.clone());
        Reply::json(200, &body)
    }

    /// `POST …/service_accounts/{id}/api_keys`
    pub(super) fn create_key(
        &self,
        account: &mut Account,
        project: &str,
        id: &str,
        call: &Call,
    ) -> Reply {
        if !self.has_account(project, id) {
            return self.error(404, "No such service account");
        }
        let read = read_object(&call.body, &["name", "scopes", "expires_in_seconds"]);
        let (name, expires) = match read.and_then(|fields| born(&fields, account.now())) {
            Ok(born) => born,
            Err(message) => return self.error(400, &message),
        };
        let now = account.now();
        let key = account.mint(self, birth(&name, project, expires));
        let body = json!({
            "object": "organization.project.service_account.api_key", "id": key.handle,
            "value": key.text.expose_secret(), "name": name, "created_at": now.as_second(),
            "expires_at": key.expires.map(Timestamp::as_second),
        });
        self.state()
            .owners
            .insert(key.handle.clone(), id.to_owned());
        Reply::json(200, &body)
    }

    /// `GET …/api_keys`
    pub(super) fn list(&self, account: &mut Account, project: &str, call: &Call) -> Reply {
        let (mut limit, mut after, mut access) = (20, None, "active");
        for (name, value) in &call.query {
            match (name.as_str(), value.as_str()) {
                ("limit", n) if n.parse().is_ok_and(|n| (1..=100).contains(&n)) => {
                    limit = n.parse().unwrap_or(limit);
                }
                ("after", id) => after = Some(id),
                ("owner_project_access", value @ ("active" | "inactive" | "any")) => access = value,
                _ => return self.error(400, &format!("unknown or malformed parameter {name}")),
            }
        }
        // Without `any`, a suspended key stands for those that the real list hides.
        let shown = |key: &&Key| {
            key.workspace == project && !key.deleted && (access == "any" || !key.disabled)
        };
        let keys: Vec<&Key> = account.keys.iter().filter(shown).collect();
        let start = match after {
            None => 0,
            Some(after) => match keys.iter().position(|key| key.handle.as_str() == after) {
                Some(at) => at + 1,
                None => return self.error(400, "after names no key of this list"),
            },
        };
        let limit = limit.min(account.settings.page_size);
        let page: Vec<&Key> = keys[start..].iter().copied().take(limit).collect();
        let rows: Vec<Value> = page.iter().map(|key| self.row(key)).collect();
        Reply::json(
            200,
            &json!({
                "object": "list",
                "data": rows,
                "first_id": page.first().map(|key| &key.handle),
                "last_id": page.last().map(|key| &key.handle),
                "has_more": start + page.len() < keys.len(),
            }),
        )
    }

    /// `GET …/api_keys/{id}`
    pub(super) fn get(&self, account: &mut Account, project: &str, id: &str) -> Reply {
        match account.present(id).filter(|key| key.workspace == project) {
            Some(key) => Reply::json(200, &self.row(key)),
            None => self.error(404, "No API key found with this id."),
        }
    }

    /// `POST …/api_keys/{id}`: permissions and expiry. An empty list permits everything; what has expired stays so.
    pub(super) fn update(
        &self,
        account: &mut Account,
        project: &str,
        id: &str,
        call: &Call,
    ) -> Reply {
        let now = account.now();
        let end = account.settings.key_end;
        let fields = match read_object(&call.body, &["scopes", "expires_in_seconds"]) {
            Ok(fields) if !fields.is_empty() => fields,
            Ok(_) => return self.error(400, "one of scopes and expires_in_seconds is needed"),
            Err(message) => return self.error(400, &message),
        };
        let Some(key) = account.present(id).filter(|key| key.workspace == project) else {
            return self.error(404, "No API key found with this id.");
        };
        if key.is_expired(now) {
            return self.error(400, "Expired keys cannot be updated.");
        }
        if let Some(seconds) = fields.get("expires_in_seconds") {
            if end == KeyEnd::WithItsAccountOnly {
                return self.error(400, "The expiry of this key cannot be changed.");
            }
            match expiry(seconds, now) {
                Ok(expires) => key.expires = Some(expires),
                Err(message) => return self.error(400, &message),
            }
        }
        match fields.get("scopes").map(Value::as_array) {
            None => {}
            Some(None) => return self.error(400, "scopes must be a list"),
            Some(Some(scopes)) if scopes[..] == [HARMLESS] => key.suspend(now),
            Some(Some(_)) => key.resume(now),
        }
        self.get(account, project, id)
    }

    /// `DELETE …/api_keys/{id}`
    pub(super) fn delete(&self, account: &mut Account, project: &str, id: &str) -> Reply {
        let now = account.now();
        let end = account.settings.key_end;
        let Some(key) = account.present(id).filter(|key| key.workspace == project) else {
            return self.error(404, "No API key found with this id.");
        };
        if end != KeyEnd::Deletable && self.state().owners.contains_key(&key.handle) {
            return self.error(400, "API keys of service accounts cannot be deleted.");
        }
        key.delete(now);
        let body = json!({
            "object": "organization.project.api_key.deleted", "id": id, "deleted": true,
        });
        Reply::json(200, &body)
    }

    /// `GET …/service_accounts/{id}`
    pub(super) fn get_account(&self, project: &str, id: &str) -> Reply {
        let state = self.state();
        let mut accounts = state.accounts.iter();
        match accounts.find(|a| a.id == id && a.project == project) {
            Some(found) => Reply::json(
                200,
                &json!({
                    "object": "organization.project.service_account", "id": id,
                    "name": found.name, "role": "member", "created_at": 1,
                }),
            ),
            None => self.error(404, "No such service account"),
        }
    }

    /// `DELETE …/service_accounts/{id}`: every key of it ends.
    pub(super) fn delete_account(&self, account: &mut Account, project: &str, id: &str) -> Reply {
        if !self.has_account(project, id) {
            return self.error(404, "No such service account");
        }
        let now = account.now();
        let mut state = self.state();
        state.accounts.retain(|a| a.id != id);
        for key in &mut account.keys {
            if state
                .owners
                .get(&key.handle)
                .is_some_and(|owner| owner == id)
            {
                key.delete(now);
            }
        }
        let body = json!({
            "object": "organization.project.service_account.deleted", "id": id, "deleted": true,
        });
        Reply::json(200, &body)
    }

    fn has_account(&self, project: &str, id: &str) -> bool {
        let state = self.state();
        state
            .accounts
            .iter()
            .any(|a| a.id == id && a.project == project)
    }

    fn row(&self, key: &Key) -> Value {
        let state = self.state();
        let owner = match state.owners.get(&key.handle) {
            None => json!({ "type": "user", "user": {
                "id": "user_EXAMPLE", "email": "ana@example.com", "name": "Ana", "created_at": 1, "role": "member",
            }}),
            Some(id) => {
                let account = state.accounts.iter().find(|a| a.id == *id);
                json!({ "type": "service_account", "service_account": {
                    "id": id, "name": account.map(|a| &a.name), "created_at": 1, "role": "member",
                }})
            }
        };
        let name = if state.unnamed.contains(&key.handle) {
            "Secret Key"
        } else {
            &key.name
        };
        json!({
            "object": "organization.project.api_key",
            "id": key.handle,
            "name": name,
            "redacted_value": key.redacted,
            "created_at": key.created.as_second(),
            "last_used_at": key.last_used.map(Timestamp::as_second),
            "expires_at": key.expires.map(Timestamp::as_second),
            "owner": owner,
            "owner_project_access": "active",
        })
    }
}

fn birth(name: &str, project: &str, expires: Option<Timestamp>) -> Birth {
    Birth {
        name: name.to_owned(),
        workspace: project.to_owned(),
        limit: None,
        reset: Reset::Never,
        expires,
    }
}

fn born(
    fields: &Map<String, Value>,
    now: Timestamp,
) -> Result<(String, Option<Timestamp>), Refusal> {
    if fields
        .get("scopes")
        .is_some_and(|scopes| !scopes.is_array())
    {
        return Err("scopes must be a list".to_owned());
    }
    let name = fields
        .get("name")
        .and_then(Value::as_str)
        .filter(|n| !n.is_empty());
    let name = name.ok_or("name must be a non-empty string")?;
    let expires = fields
        .get("expires_in_seconds")
        .map(|seconds| expiry(seconds, now));
    Ok((name.to_owned(), expires.transpose()?))
}

fn expiry(seconds: &Value, now: Timestamp) -> Result<Timestamp, Refusal> {
    match seconds.as_i64().filter(|n| (1..=A_YEAR).contains(n)) {
        Some(seconds) => Ok(now + SignedDuration::from_secs(seconds)),
        None => Err("expires_in_seconds must be 1 to 31536000".to_owned()),
    }
}

fn read_object(body: &[u8], known: &[&str]) -> Result<Map<String, Value>, Refusal> {
    let fields: Map<String, Value> =
        serde_json::from_slice(body).map_err(|_| "the body must be a JSON object")?;
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(format!("unrecognized field {name}")),
        None => Ok(fields),
    }
}
