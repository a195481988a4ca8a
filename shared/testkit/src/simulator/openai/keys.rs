//! `/api_keys`: list, get, update, delete.

use jiff::SignedDuration;

use super::super::account::Account;
use super::super::api::{Api, Call, Reply};
use super::super::key::Key;
use super::super::settings::KeyEnd;
use super::{Access, OpenAi, Refusal, allows, read_life, read_object, read_permissions, wire};

impl OpenAi {
    /// `GET …/api_keys`: without `owner_project_access`, keys are left out whose owner has lost access. Keys that have
    /// ended are listed.
    pub(super) fn list(&self, account: &Account, project: &str, call: &Call) -> Reply {
        let wanted = match read_listing(&call.query) {
            Ok(wanted) => wanted,
            Err(refusal) => return self.error(400, &refusal),
        };
        let state = self.state();
        let has_access = |key: &Key, access| state.facts(&key.handle).access == access;
        let shown = |key: &&Key| {
            !key.deleted
                && key.workspace == project
                && wanted.access.is_none_or(|access| has_access(key, access))
        };
        let mut rows: Vec<&Key> = account.keys.iter().filter(shown).collect();
        if let Some(after) = &wanted.after {
            let Some(place) = rows.iter().position(|key| key.handle.as_str() == after) else {
                return self.error(400, "after names no key of this list");
            };
            rows.drain(..=place);
        }
        let limit = wanted.limit.min(account.settings.page_size);
        let more = rows.len() > limit;
        rows.truncate(limit);
        wire::page(&rows, &state, more)
    }

    /// `GET …/api_keys/{id}`.
    pub(super) fn get(&self, account: &Account, project: &str, key: &str) -> Reply {
        match find(account, project, key) {
            Some(found) => wire::one(&account.keys[found], &self.state()),
            None => self.missing("API key"),
        }
    }

    /// `POST …/api_keys/{id}`: all or nothing; refused for a key that has ended.
    pub(super) fn update(
        &self,
        account: &mut Account,
        project: &str,
        key: &str,
        call: &Call,
    ) -> Reply {
        let now = account.now();
        let Some(found) = find(account, project, key) else {
            return self.missing("API key");
        };
        let (permissions, life) = match read_change(&call.body) {
            Ok(change) => change,
            Err(refusal) => return self.error(400, &refusal),
        };
        if account.keys[found].is_expired(now) {
            return self.error(400, "Expired API keys cannot be updated.");
        }
        if life.is_some() && account.settings.key_end == KeyEnd::WithItsAccountOnly {
            return self.error(400, "expires_in_seconds is below the project's policy.");
        }
        let key = &mut account.keys[found];
        if let Some(permissions) = permissions {
            if allows(&permissions, super::MODEL_REQUEST) {
                key.resume(now);
            } else {
                key.suspend(now);
            }
            let mut state = self.state();
            state
                .keys
                .entry(key.handle.clone())
                .or_default()
                .permissions = permissions;
        }
        if let Some(life) = life {
            key.expires = Some(now + life);
        }
        wire::one(&account.keys[found], &self.state())
    }

    /// `DELETE …/api_keys/{id}`.
    pub(super) fn delete(&self, account: &mut Account, project: &str, key: &str) -> Reply {
        let now = account.now();
        let Some(found) = find(account, project, key) else {
            return self.missing("API key");
        };
        let handle = &account.keys[found].handle;
        let is_owned = self.state().facts(handle).owner.is_some();
        if is_owned && account.settings.key_end != KeyEnd::Deletable {
            let message =
                "API keys of service accounts cannot be deleted: delete the service account.";
            return self.error(400, message);
        }
        account.keys[found].delete(now);
        wire::deleted("organization.project.api_key.deleted", key)
    }
}

fn find(account: &Account, project: &str, wanted: &str) -> Option<usize> {
    let is_it =
        |key: &Key| !key.deleted && key.workspace == project && key.handle.as_str() == wanted;
    account.keys.iter().position(is_it)
}

type Change = (Option<Vec<String>>, Option<SignedDuration>);

fn read_change(body: &[u8]) -> Result<Change, Refusal> {
    let fields = read_object(body, &["scopes", "expires_in_seconds"])?;
    if fields.is_empty() {
        return Err("scopes or expires_in_seconds must be given".to_owned());
    }
    Ok((
        read_permissions(fields.get("scopes"))?,
        read_life(fields.get("expires_in_seconds"))?,
    ))
}

struct Listing {
    limit: usize,
    after: Option<String>,
    access: Option<Access>,
}

fn read_listing(query: &[(String, String)]) -> Result<Listing, Refusal> {
    let mut wanted = Listing {
        limit: 20,
        after: None,
        access: Some(Access::Active),
    };
    for (name, value) in query {
        match (name.as_str(), value.as_str()) {
            ("limit", number) => {
                let limit = number.parse().ok().filter(|n| (1..=100).contains(n));
                wanted.limit = limit.ok_or("limit must be from 1 to 100")?;
            }
            ("after", id) => wanted.after = Some(id.to_owned()),
            ("owner_project_access", "any") => wanted.access = None,
            ("owner_project_access", "active") => wanted.access = Some(Access::Active),
            ("owner_project_access", "inactive") => wanted.access = Some(Access::Inactive),
            _ => return Err(format!("Unknown or malformed parameter: '{name}'.")),
        }
    }
    Ok(wanted)
}
