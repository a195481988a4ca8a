//! `/organization/admin_api_keys`: list, create, get, delete. The key that administers from the start is one of them, which a
//! person made.

use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::super::account::Account;
use super::super::api::{Api, Call, Reply};
use super::{MARKER, OpenAi, read_life, read_object};

/// The id of the key that is there from the start.
const FIRST: &str = "key_EXAMPLEadmin0";

/// When it was made, in seconds since 1970.
const FIRST_CREATED: i64 = 1_700_000_000;

/// The admin keys that there ever were.
#[derive(Default)]
pub(super) struct Admins {
    made: Vec<AdminKey>,
    /// The text of the first, once it was deleted.
    first_ended: Option<String>,
}

struct AdminKey {
    id: String,
    name: String,
    text: String,
    created: Timestamp,
    expires: Option<Timestamp>,
    deleted: bool,
}

impl AdminKey {
    fn works(&self, now: Timestamp) -> bool {
        !self.deleted && self.expires.is_none_or(|end| now < end)
    }

    fn row(&self) -> Value {
        let times = (self.created.as_second(), self.expires);
        row(&self.id, Some(&self.name), &self.text, times)
    }
}

impl Admins {
    pub(super) fn accepts(&self, first: &str, text: &str, now: Timestamp) -> bool {
        let is_first = text == first && self.first_ended.as_deref() != Some(first);
        is_first
            || self
                .made
                .iter()
                .any(|key| key.text == text && key.works(now))
    }

    pub(super) fn texts(&self, first: &str) -> Vec<String> {
        let made = self.made.iter().map(|key| key.text.clone());
        [first.to_owned()].into_iter().chain(made).collect()
    }

    fn rows(&self, first: &str) -> Vec<Value> {
        let first_row = || row(FIRST, Some("laptop"), first, (FIRST_CREATED, None));
        let there = self.first_ended.as_deref() != Some(first);
        let made = self.made.iter().filter(|key| !key.deleted);
        let first = there.then(first_row).into_iter();
        first.chain(made.map(AdminKey::row)).collect()
    }
}

impl OpenAi {
    pub(super) fn admin_keys(&self, account: &mut Account, id: &[&str], call: &Call) -> Reply {
        let first = account.management.expose_secret().to_owned();
        match (call.method.as_str(), id) {
            ("GET", []) => self.list_admins(account, &first, call),
            ("POST", []) => self.create_admin(account, call),
            ("GET", [id]) => {
                let rows = self.state().admins.rows(&first);
                let found = rows.into_iter().find(|row| row["id"] == *id);
                found.map_or_else(|| self.missing("admin key"), |row| Reply::json(200, &row))
            }
            ("DELETE", [id]) => self.delete_admin(&first, id),
            _ => self.missing("resource"),
        }
    }

    fn list_admins(&self, account: &Account, first: &str, call: &Call) -> Reply {
        let mut limit = 20;
        let mut rows = self.state().admins.rows(first);
        for (name, value) in &call.query {
            match name.as_str() {
                "limit" => match value.parse() {
                    Ok(number @ 1..=100) => limit = number,
                    _ => return self.error(400, "limit must be from 1 to 100"),
                },
                "after" => match rows.iter().position(|row| row["id"] == **value) {
                    Some(place) => drop(rows.drain(..=place)),
                    None => return self.error(400, "after names no key of this list"),
                },
                _ => return self.error(400, &format!("Unknown parameter: '{name}'.")),
            }
        }
        let limit = limit.min(account.settings.page_size);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let id = |row: Option<&Value>| row.map_or(Value::Null, |row| row["id"].clone());
        Reply::json(
            200,
            &json!({
                "object": "list", "data": rows, "has_more": more,
                "first_id": id(rows.first()), "last_id": id(rows.last()),
            }),
        )
    }

    fn create_admin(&self, account: &mut Account, call: &Call) -> Reply {
        let read = read_object(&call.body, &["name", "expires_in_seconds"]).and_then(|fields| {
            let name = fields.get("name").and_then(Value::as_str);
            let name = name.filter(|name| !name.is_empty());
            let name = name.ok_or_else(|| "name must be a non-empty string".to_owned())?;
            Ok((
                name.to_owned(),
                read_life(fields.get("expires_in_seconds"))?,
            ))
        });
        let (name, life) = match read {
            Ok(read) => read,
            Err(refusal) => return self.error(400, &refusal),
        };
        let now = account.now();
        let text = self.management_text(&account.random());
        let admins = &mut self.state().admins;
        let made = AdminKey {
            id: format!("key_{MARKER}admin{}", admins.made.len() + 1),
            name,
            text,
            created: now,
            expires: life.map(|life| now + life),
            deleted: false,
        };
        let mut answer = made.row();
        answer["value"] = Value::from(made.text.as_str());
        admins.made.push(made);
        Reply::json(200, &answer)
    }

    fn delete_admin(&self, first: &str, id: &str) -> Reply {
        let admins = &mut self.state().admins;
        let there = admins.rows(first).iter().any(|row| row["id"] == *id);
        if !there {
            return self.missing("admin key");
        }
        match admins.made.iter_mut().find(|key| key.id == id) {
            Some(key) => key.deleted = true,
            None => admins.first_ended = Some(first.to_owned()),
        }
        super::wire::deleted("organization.admin_api_key.deleted", id)
    }
}

fn row(
    id: &str,
    name: Option<&str>,
    text: &str,
    (created, expires): (i64, Option<Timestamp>),
) -> Value {
    let tail = text.len().saturating_sub(4);
    let head: String = text.chars().take(12).collect();
    json!({
        "object": "organization.admin_api_key",
        "id": id,
        "name": name,
        "redacted_value": format!("{head}...{}", &text[tail..]),
        "created_at": created,
        "expires_at": expires.map(Timestamp::as_second),
        "last_used_at": null,
        "owner": {
            "type": "user", "object": "organization.user", "id": "user-EXAMPLE", "name": "Ana",
            "created_at": FIRST_CREATED, "role": "owner",
        },
    })
}
