//! What is stored in a secret: the bare key, or a JSON object in which the key is one field of several.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserializer;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::key::{ApiKey, KeyFormat};
use super::names::KeyHandle;

/// The text of a secret version. Cannot be printed.
#[derive(Clone)]
pub struct SecretText(SecretString);

impl SecretText {
    /// Takes the text as it is.
    pub fn new(text: String) -> Self {
        Self(SecretString::from(text))
    }
}

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretText([hidden])")
    }
}

impl ExposeSecret<str> for SecretText {
    fn expose_secret(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Why a secret's value cannot be used. Nothing of the value is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Binary secrets hold no key that agents could read as text.
    #[error("the secret is binary; store the key as a string or as a JSON object")]
    Binary,
    /// Nothing but white space.
    #[error("the secret is empty")]
    Empty,
    /// It begins like JSON but is none. It is never overwritten by a guess.
    #[error(
        "the secret begins like a JSON object but is not valid JSON (line {line}, column {column})"
    )]
    BrokenJson {
        /// Line of the first fault, from 1.
        line: usize,
        /// Column of the first fault, from 1.
        column: usize,
    },
    /// JSON, but not an object.
    #[error("the secret is JSON but not an object; use an object with a field `api_key`")]
    NotAnObject,
    /// An object in which no field holds a key.
    #[error("no field of the secret holds a key: name one `api_key`")]
    NoKeyField,
    /// More than one field could be the key.
    #[error("{count} fields of the secret could be the key: name the right one `api_key`")]
    SeveralKeyFields {
        /// How many.
        count: usize,
    },
}

/// The field that holds the key when nothing else says so.
const KEY_FIELD: &str = "api_key";

/// A secret's value, taken apart: where the key is, and everything else as it was.
#[derive(Clone)]
pub struct SecretDocument {
    key: ApiKey,
    shape: Shape,
}

#[derive(Clone)]
enum Shape {
    Plain,
    Object { field: String, raw: SecretString },
}

impl std::fmt::Debug for SecretDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shape = match &self.shape {
            Shape::Plain => "plain",
            Shape::Object { .. } => "object",
        };
        write!(f, "SecretDocument({shape}, [hidden])")
    }
}

impl SecretDocument {
    /// Reads a secret's value. In an object the key is `api_key`, else the one string field that begins as the
    /// provider's keys do.
    ///
    /// # Errors
    /// [`DocumentError`], before anything is changed anywhere.
    pub fn parse(text: &SecretText, format: &KeyFormat) -> Result<Self, DocumentError> {
        let raw = text.expose_secret().trim();
        if raw.is_empty() {
            return Err(DocumentError::Empty);
        }
        if !raw.starts_with(['{', '[', '"']) {
            return Ok(Self {
                key: ApiKey::new(raw),
                shape: Shape::Plain,
            });
        }
        let value: Value = serde_json::from_str(raw).map_err(|e| DocumentError::BrokenJson {
            line: e.line(),
            column: e.column(),
        })?;
        let Value::Object(object) = value else {
            return Err(DocumentError::NotAnObject);
        };
        let field = key_field(&object, format)?;
        let count = times(raw, &field);
        if count > 1 {
            return Err(DocumentError::SeveralKeyFields { count });
        }
        let key = object[&field]
            .as_str()
            .map(ApiKey::new)
            .ok_or(DocumentError::NoKeyField)?;
        Ok(Self {
            key,
            shape: Shape::Object {
                field,
                raw: SecretString::from(raw),
            },
        })
    }

    /// The document of a secret that has no value yet: an object with the key alone.
    pub fn first(key: ApiKey) -> Self {
        Self {
            key,
            shape: Shape::Object {
                field: KEY_FIELD.to_owned(),
                raw: SecretString::from(format!("{{\"{KEY_FIELD}\":\"\"}}")),
            },
        }
    }

    /// The key in it.
    pub fn key(&self) -> &ApiKey {
        &self.key
    }

    /// The same document around another key, every other byte as it was. A field that holds the old key's handle, or
    /// one of the ids that it is made of, gets the new one.
    pub fn with_key(&self, key: &ApiKey, old: Option<&KeyHandle>, new: &KeyHandle) -> SecretText {
        let Shape::Object { field, raw } = &self.shape else {
            return SecretText::new(key.expose_secret().to_owned());
        };
        let raw = raw.expose_secret();
        let fields: BTreeMap<String, &RawValue> = serde_json::from_str(raw).unwrap_or_default();
        let mut swaps: Vec<(usize, usize, Value)> = Vec::new();
        for (name, value) in fields {
            let start = value.get().as_ptr() as usize - raw.as_ptr() as usize;
            let span = (start, start + value.get().len());
            if name == *field {
                swaps.push((span.0, span.1, Value::from(key.expose_secret())));
            } else if let Some(id) = old.and_then(|old| new_id(value.get(), old, new)) {
                swaps.push((span.0, span.1, Value::from(id)));
            }
        }
        swaps.sort_by_key(|swap| std::cmp::Reverse(swap.0));
        let mut text = raw.to_owned();
        for (start, end, value) in swaps {
            text.replace_range(start..end, &value.to_string());
        }
        SecretText::new(text)
    }
}

/// What stands in place of a value that is the old handle or one of its ids.
fn new_id<'a>(value: &str, old: &KeyHandle, new: &'a KeyHandle) -> Option<&'a str> {
    let value: String = serde_json::from_str(value).ok()?;
    if value == old.as_str() {
        return Some(new.as_str());
    }
    let place = old.ids().position(|id| id == value)?;
    (old.ids().count() == new.ids().count()).then(|| new.ids().nth(place))?
}

/// How often the object names the field: readers differ in which of several they take.
fn times(raw: &str, field: &str) -> usize {
    struct Names<'a>(&'a str);

    impl<'de> Visitor<'de> for Names<'_> {
        type Value = usize;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<usize, A::Error> {
            let mut times = 0;
            while let Some((name, _)) = map.next_entry::<String, IgnoredAny>()? {
                times += usize::from(name == self.0);
            }
            Ok(times)
        }
    }

    let mut reader = serde_json::Deserializer::from_str(raw);
    reader.deserialize_map(Names(field)).unwrap_or_default()
}

fn key_field(object: &Map<String, Value>, format: &KeyFormat) -> Result<String, DocumentError> {
    if object
        .get(KEY_FIELD)
        .is_some_and(|v| v.as_str().is_some_and(|t| !t.trim().is_empty()))
    {
        return Ok(KEY_FIELD.to_owned());
    }
    let alike = |v: &Value| {
        v.as_str()
            .is_some_and(|t| t.trim_start().starts_with(format.prefix))
    };
    let found: Vec<&String> = object
        .iter()
        .filter(|(_, v)| alike(v))
        .map(|(name, _)| name)
        .collect();
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(DocumentError::NoKeyField),
        several => Err(DocumentError::SeveralKeyFields {
            count: several.len(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: KeyFormat = KeyFormat {
        prefix: "sk-or-v1-",
        also: &[],
        not: &[],
        alphabet: "0123456789abcdef",
    };

    fn parse(text: &str) -> Result<SecretDocument, DocumentError> {
        SecretDocument::parse(&SecretText::new(text.to_owned()), &FORMAT)
    }

    fn swapped(text: &str) -> String {
        let old: KeyHandle = "hash-old".parse().unwrap();
        let new: KeyHandle = "hash-new".parse().unwrap();
        let text =
            parse(text)
                .unwrap()
                .with_key(&ApiKey::new("sk-or-v1-EXAMPLEnew"), Some(&old), &new);
        text.expose_secret().to_owned()
    }

    #[test]
    fn the_shape_and_every_other_field_survive() {
        for (name, before, after) in [
            (
                "plain, with a newline",
                "sk-or-v1-EXAMPLEold\n",
                "sk-or-v1-EXAMPLEnew",
            ),
            (
                "object, in order",
                r#"{"base_url":"https://x","api_key":"sk-or-v1-EXAMPLEold","n":[1,2.50,123456789012345678901234567890],"key_id":"hash-old"}"#,
                r#"{"base_url":"https://x","api_key":"sk-or-v1-EXAMPLEnew","n":[1,2.50,123456789012345678901234567890],"key_id":"hash-new"}"#,
            ),
            (
                "another field name",
                r#"{"TOKEN":"sk-or-v1-EXAMPLEold","u":"é"}"#,
                r#"{"TOKEN":"sk-or-v1-EXAMPLEnew","u":"é"}"#,
            ),
        ] {
            assert_eq!(swapped(before), after, "{name}");
        }
    }

    #[test]
    fn ids_within_a_handle_are_carried_along() {
        let before = r#"{"api_key":"sk-or-v1-EXAMPLEold","project":"proj_1","account":"svc_1","id":"key_1","both":"proj_1/svc_1/key_1","n":"svc_12"}"#;
        let after = r#"{"api_key":"sk-or-v1-EXAMPLEnew","project":"proj_1","account":"svc_2","id":"key_2","both":"proj_1/svc_2/key_2","n":"svc_12"}"#;
        let old: KeyHandle = "proj_1/svc_1/key_1".parse().unwrap();
        let key = ApiKey::new("sk-or-v1-EXAMPLEnew");
        let swapped = |new: &str| {
            let new = new.parse().unwrap();
            let text = parse(before).unwrap().with_key(&key, Some(&old), &new);
            text.expose_secret().to_owned()
        };
        assert_eq!(swapped("proj_1/svc_2/key_2"), after);
        assert!(
            swapped("key_2").contains("\"id\":\"key_1\""),
            "no id to put there"
        );
    }

    #[test]
    fn what_cannot_be_read_is_refused_and_not_quoted() {
        for (text, expected) in [
            (" \n", DocumentError::Empty),
            (
                "{\"api_key\":\"sk-or-v1-EXAMPLE\",\r\n}",
                DocumentError::BrokenJson { line: 2, column: 1 },
            ),
            ("[\"sk-or-v1-EXAMPLE\"]", DocumentError::NotAnObject),
            ("{\"a\":1}", DocumentError::NoKeyField),
            ("{\"api_key\":\" \"}", DocumentError::NoKeyField),
            (
                "{\"a\":\"sk-or-v1-EXAMPLE1\",\"b\":\"sk-or-v1-EXAMPLE2\"}",
                DocumentError::SeveralKeyFields { count: 2 },
            ),
            (
                "{\"api_key\":\"sk-or-v1-EXAMPLE1\",\"api_key\":\"sk-or-v1-EXAMPLE2\"}",
                DocumentError::SeveralKeyFields { count: 2 },
            ),
            (
                "{\"a\":\"sk-or-v1-EXAMPLE1\",\"\\u0061\":\"sk-or-v1-EXAMPLE2\"}",
                DocumentError::SeveralKeyFields { count: 2 },
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error, expected);
            assert!(!error.to_string().contains("EXAMPLE"));
        }
    }

    #[test]
    fn a_first_document_is_an_object_with_the_key() {
        let document = SecretDocument::first(ApiKey::new("sk-or-v1-EXAMPLE"));
        let text = document.with_key(document.key(), None, &"h".parse().unwrap());
        assert_eq!(text.expose_secret(), r#"{"api_key":"sk-or-v1-EXAMPLE"}"#);
    }
}
