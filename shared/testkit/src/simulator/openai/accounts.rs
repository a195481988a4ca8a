//! `/service_accounts`: create with a first key, get, delete with all keys, and more keys in one.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::super::account::Account;
use super::super::api::{Api, Call, Reply};
use super::super::key::{Birth, Reset};
use super::super::settings::FirstKey;
use super::{Facts, OpenAi, Refusal, allows, read_life, read_object, read_permissions, wire};

impl OpenAi {
    /// `POST …/service_accounts`.
    pub(super) fn create_account(
        &self,
        account: &mut Account,
        project: &str,
        call: &Call,
    ) -> Reply {
        let (name, life) = match read_account(&call.body) {
            Ok(read) => read,
            Err(refusal) => return self.error(400, &refusal),
        };
        let made = self.state().add(project, name);
        if account.settings.first_key == FirstKey::Withheld {
            return wire::new_account(&made, None);
        }
        let birth = birth(&made.name, project, life, account.now());
        let key = account.mint(self, birth);
        let facts = Facts {
            owner: Some(made.id.clone()),
            is_first: true,
            ..Facts::default()
        };
        self.state().keys.insert(key.handle.clone(), facts);
        wire::new_account(&made, Some(key))
    }

    /// `GET …/service_accounts/{id}`.
    pub(super) fn get_account(&self, project: &str, id: &str) -> Reply {
        match self.state().account(project, id) {
            Some(found) => wire::account(found),
            None => self.missing("service account"),
        }
    }

    /// `DELETE …/service_accounts/{id}`: the account and every key of it.
    pub(super) fn delete_account(&self, account: &mut Account, project: &str, id: &str) -> Reply {
        let now = account.now();
        let mut state = self.state();
        if state.account(project, id).is_none() {
            return self.missing("service account");
        }
        state.accounts.retain(|a| a.id != id);
        for key in &mut account.keys {
            if state.facts(&key.handle).owner.as_deref() == Some(id) {
                key.delete(now);
            }
        }
        wire::deleted("organization.project.service_account.deleted", id)
    }

    /// `POST …/service_accounts/{id}/api_keys`.
    pub(super) fn create_key(
        &self,
        account: &mut Account,
        project: &str,
        id: &str,
        call: &Call,
    ) -> Reply {
        if self.state().account(project, id).is_none() {
            return self.missing("service account");
        }
        let asked = match read_key(&call.body) {
            Ok(asked) => asked,
            Err(refusal) => return self.error(400, &refusal),
        };
        let now = account.now();
        let made = account.mint(self, birth(&asked.name, project, asked.life, now));
        let handle = made.handle.clone();
        let answer = wire::new_key(made);
        if !allows(&asked.permissions, super::MODEL_REQUEST)
            && let Some(key) = account.present(handle.as_str())
        {
            key.suspend(now);
        }
        let facts = Facts {
            owner: Some(id.to_owned()),
            permissions: asked.permissions,
            ..Facts::default()
        };
        self.state().keys.insert(handle, facts);
        answer
    }
}

struct AskedKey {
    name: String,
    life: Option<SignedDuration>,
    permissions: Vec<String>,
}

fn read_key(body: &[u8]) -> Result<AskedKey, Refusal> {
    let fields = read_object(body, &["name", "expires_in_seconds", "scopes"])?;
    Ok(AskedKey {
        name: fields
            .get("name")
            .map_or_else(|| Ok("Secret Key".to_owned()), read_name)?,
        life: read_life(fields.get("expires_in_seconds"))?,
        permissions: read_permissions(fields.get("scopes"))?.unwrap_or_default(),
    })
}

fn read_account(body: &[u8]) -> Result<(String, Option<SignedDuration>), Refusal> {
    let fields = read_object(body, &["name", "expires_in_seconds"])?;
    let name = read_name(fields.get("name").unwrap_or(&Value::Null))?;
    Ok((name, read_life(fields.get("expires_in_seconds"))?))
}

fn read_name(value: &Value) -> Result<String, Refusal> {
    match value.as_str() {
        Some(name) if !name.is_empty() => Ok(name.to_owned()),
        _ => Err("name must be a non-empty string".to_owned()),
    }
}

fn birth(name: &str, project: &str, life: Option<SignedDuration>, now: Timestamp) -> Birth {
    Birth {
        name: name.to_owned(),
        workspace: project.to_owned(),
        limit: None,
        reset: Reset::Never,
        expires: life.map(|life| now + life),
    }
}
