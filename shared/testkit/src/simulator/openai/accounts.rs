//! `/service_accounts`: create with a first key, get, delete with all keys, and more keys in one.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::super::account::Account;
use super::super::api::{Api, Call, Reply};
use super::super::key::{Birth, Reset};
use super::super::settings::FirstKey;
use super::{OpenAi, Refusal, allows, read_life, read_object, read_permissions, wire};

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
        let id = format!("svc_acct_EXAMPLE{}", &account.random()[..16]);
        account.add_service_account(id.clone(), project, &name);
        let made = account.service_accounts[account.service_accounts.len() - 1].clone();
        if account.settings.openai.first_key == FirstKey::Withheld {
            return wire::new_account(&made, None);
        }
        let birth = birth(&name, project, &id, life, account.now());
        wire::new_account(&made, Some(account.mint(self, birth)))
    }

    /// `GET …/service_accounts/{id}`.
    pub(super) fn get_account(&self, account: &Account, project: &str, id: &str) -> Reply {
        let mut accounts = account.service_accounts.iter();
        match accounts.find(|a| a.workspace == project && a.id == id) {
            Some(found) => wire::account(found),
            None => self.missing("service account"),
        }
    }

    /// `DELETE …/service_accounts/{id}`: the account and every key of it.
    pub(super) fn delete_account(&self, account: &mut Account, project: &str, id: &str) -> Reply {
        let now = account.now();
        let mut accounts = account.service_accounts.iter();
        let Some(place) = accounts.position(|a| a.workspace == project && a.id == id) else {
            return self.missing("service account");
        };
        account.service_accounts.remove(place);
        let owned = |key: &&mut super::super::key::Key| key.owner.as_deref() == Some(id);
        for key in account.keys.iter_mut().filter(owned) {
            key.delete(now);
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
        let mut accounts = account.service_accounts.iter();
        if !accounts.any(|a| a.workspace == project && a.id == id) {
            return self.missing("service account");
        }
        let asked = match read_key(&call.body) {
            Ok(asked) => asked,
            Err(refusal) => return self.error(400, &refusal),
        };
        let now = account.now();
        let handle = account
            .mint(self, birth(&asked.name, project, id, asked.life, now))
            .handle
            .clone();
        let Some(key) = account.present(handle.as_str()) else {
            return self.missing("API key");
        };
        if !allows(&asked.permissions, super::MODEL_REQUEST) {
            key.narrow(now);
        }
        key.permissions = asked.permissions;
        wire::new_key(key)
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

fn birth(
    name: &str,
    project: &str,
    owner: &str,
    life: Option<SignedDuration>,
    now: Timestamp,
) -> Birth {
    Birth {
        name: name.to_owned(),
        workspace: project.to_owned(),
        owner: Some(owner.to_owned()),
        limit: None,
        reset: Reset::Never,
        expires: life.map(|life| now + life),
    }
}
