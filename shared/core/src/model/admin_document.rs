//! What an admin secret holds: the bare credential, or a JSON object in which it is one field of several.

use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use super::key::AdminKey;
use super::secret_document::SecretText;

/// The fields that can hold the credential, the first that is there.
const FIELDS: [&str; 2] = ["api_key", "admin_key"];

/// An admin secret's value, taken apart: the credential, and everything else as it was. Cannot be printed.
#[derive(Clone)]
pub struct AdminDocument {
    key: AdminKey,
    shape: Shape,
}

#[derive(Clone)]
enum Shape {
    Plain,
    Object(&'static str, SecretText),
}

impl std::fmt::Debug for AdminDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdminDocument([hidden])")
    }
}

/// Why an admin secret's value cannot be used. Nothing of the value is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AdminDocumentError {
    /// Nothing but white space.
    #[error("the admin secret is empty")]
    Empty,
    /// It begins like JSON but is none.
    #[error("the admin secret begins like JSON but is not valid JSON")]
    BrokenJson,
    /// JSON without the credential.
    #[error("the admin secret has no field `api_key` or `admin_key`")]
    NoField,
}

impl AdminDocument {
    /// Reads an admin secret's value: the whole text, or the field `api_key` or `admin_key` of a JSON object. The key file of
    /// a Google service account is a credential as a whole: <https://docs.cloud.google.com/iam/docs/keys-create-delete>.
    ///
    /// # Errors
    /// [`AdminDocumentError`].
    pub fn parse(text: &SecretText) -> Result<Self, AdminDocumentError> {
        let raw = text.expose_secret().trim();
        if raw.is_empty() {
            return Err(AdminDocumentError::Empty);
        }
        let plain = || Self {
            key: AdminKey::new(raw),
            shape: Shape::Plain,
        };
        if !raw.starts_with(['{', '[', '"']) {
            return Ok(plain());
        }
        let document: Value =
            serde_json::from_str(raw).map_err(|_| AdminDocumentError::BrokenJson)?;
        if document.get("type").and_then(Value::as_str) == Some("service_account") {
            return Ok(plain());
        }
        let found = FIELDS.into_iter().find_map(|field| {
            let key = document.get(field)?.as_str()?;
            Some((field, key))
        });
        match found {
            Some((field, key)) if !key.trim().is_empty() => Ok(Self {
                key: AdminKey::new(key),
                shape: Shape::Object(field, text.clone()),
            }),
            _ => Err(AdminDocumentError::NoField),
        }
    }

    /// A value that is the credential and nothing else.
    pub const fn plain(key: AdminKey) -> Self {
        Self {
            key,
            shape: Shape::Plain,
        }
    }

    /// The credential.
    pub const fn key(&self) -> &AdminKey {
        &self.key
    }

    /// The value with another credential in place of this one.
    pub fn with_key(&self, key: &AdminKey) -> SecretText {
        let new = key.expose_secret();
        let Shape::Object(field, raw) = &self.shape else {
            return SecretText::new(new.to_owned());
        };
        let mut object: Map<String, Value> =
            serde_json::from_str(raw.expose_secret()).unwrap_or_default();
        object.insert((*field).to_owned(), Value::from(new));
        SecretText::new(Value::from(object).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<AdminDocument, AdminDocumentError> {
        AdminDocument::parse(&SecretText::new(text.to_owned()))
    }

    #[test]
    fn the_credential_is_found_and_everything_else_stays() {
        let new = AdminKey::new("sk-admin-EXAMPLEnew");
        for (text, key, after) in [
            (
                " sk-admin-EXAMPLE\n",
                "sk-admin-EXAMPLE",
                "sk-admin-EXAMPLEnew",
            ),
            (
                r#"{"admin_key":"sk-admin-EXAMPLE","note":"by Ana"}"#,
                "sk-admin-EXAMPLE",
                r#"{"admin_key":"sk-admin-EXAMPLEnew","note":"by Ana"}"#,
            ),
        ] {
            let document = parse(text).unwrap();
            assert_eq!(
                document.key().fingerprint(),
                AdminKey::new(key).fingerprint()
            );
            assert_eq!(document.with_key(&new).expose_secret(), after);
        }
        let file = r#"{"type":"service_account","private_key":"EXAMPLE"}"#;
        let whole = parse(file).unwrap();
        assert_eq!(whole.key().fingerprint(), AdminKey::new(file).fingerprint());
        assert_eq!(format!("{whole:?}"), "AdminDocument([hidden])");
    }

    #[test]
    fn what_holds_none_is_refused_without_a_word_of_it() {
        for (text, error) in [
            (" ", AdminDocumentError::Empty),
            ("{sk-admin-EXAMPLE", AdminDocumentError::BrokenJson),
            (r#"["sk-admin-EXAMPLE"]"#, AdminDocumentError::NoField),
            (r#"{"api_key":""}"#, AdminDocumentError::NoField),
        ] {
            assert_eq!(parse(text).unwrap_err(), error, "{text}");
            assert!(!error.to_string().contains("EXAMPLE"));
        }
    }
}
