//! What handles and key ids are made of.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use keyward_core::model::names::{KeyHandle, OperationId, ScopeId};
use keyward_core::model::slot::Scope;
use keyward_core::model::text::OutsideText;
use keyward_core::model::version::KeyLabel;
use keyward_core::ports::ProviderError;

/// What the ids of all keys begin with that Keyward makes.
const PREFIX: &str = "keyward-";

/// Hex digits of a label's hash in an id.
const DIGITS: usize = 40;

/// The id of the key that is made under a label, which the create call chooses: a label is longer than the 63 characters
/// that an id may have. <https://cloud.google.com/api-keys/docs/reference/rest/v2/projects.locations.keys/create>
pub(super) fn key_id(label: &str) -> String {
    let hash = digest(&SHA256, label.as_bytes());
    let mut id = PREFIX.to_owned();
    for byte in hash.as_ref().iter().take(DIGITS / 2) {
        // Writing to a string does not fail.
        let _ = write!(id, "{byte:02x}");
    }
    id
}

/// A handle is `<project>/<key id>`: a call about a key needs both.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ids<'a> {
    pub(super) project: &'a str,
    pub(super) key: &'a str,
}

impl<'a> Ids<'a> {
    pub(super) fn of(handle: &'a KeyHandle) -> Result<Self, ProviderError> {
        let read = handle.as_str().split_once('/');
        match read {
            Some((project, key)) if is_id(project) && is_id(key) => Ok(Self { project, key }),
            _ => Err(ProviderError::Refused {
                detail: OutsideText::new("the handle is not of the form project/key"),
            }),
        }
    }
}

/// The handle of a key in the project, as the scope names that; `None` if the id is none.
pub(super) fn handle(project: &str, key: &str) -> Option<KeyHandle> {
    is_id(key).then(|| format!("{project}/{key}").parse().ok())?
}

/// The handle that the key of a label will have.
pub(super) fn handle_of(scope: &Scope, label: &KeyLabel) -> Option<KeyHandle> {
    let project = scope.project.as_ref()?;
    handle(project.as_str(), &key_id(label.as_str()))
}

/// The last part of `projects/<project>/locations/global/keys/<id>`. The project is a number there, whatever the
/// request called it.
pub(super) fn key_in(name: &str) -> Option<&str> {
    let parts: Vec<&str> = name.split('/').collect();
    match parts[..] {
        ["projects", _, "locations", "global", "keys", key] if is_id(key) => Some(key),
        _ => None,
    }
}

/// The last part of `operations/<id>`.
pub(super) fn operation_in(operation: &OperationId) -> Result<&str, ProviderError> {
    let id = operation.as_str().strip_prefix("operations/");
    let id = id.filter(|id| !id.is_empty() && !id.contains('/'));
    id.ok_or_else(|| ProviderError::Refused {
        detail: OutsideText::new("the operation is not of the form operations/id"),
    })
}

pub(super) fn project_of(scope: &Scope) -> Result<&ScopeId, ProviderError> {
    let project = scope.project.as_ref();
    project.ok_or_else(|| ProviderError::Refused {
        detail: OutsideText::new("the scope names no project"),
    })
}

fn is_id(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_.:-".contains(&b);
    (1..=128).contains(&text.len()) && text.bytes().all(allowed) && !matches!(text, "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `[a-z]([a-z0-9-]{0,61}[a-z0-9])?`, and no UUID.
    #[test]
    fn an_id_is_what_google_takes_and_its_labels_own() {
        let long = "x".repeat(63);
        let labels = ["keyward-a--1-1", "keyward-a--1-2", &long];
        let ids: Vec<String> = labels.iter().map(|label| key_id(label)).collect();
        for id in &ids {
            assert!(id.len() <= 63 && id.starts_with("keyward-"), "{id}");
            let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            assert!(id.bytes().all(allowed) && !id.ends_with('-'), "{id}");
        }
        assert!(ids[0] != ids[1] && ids[1] != ids[2]);
        assert_eq!(ids[0], key_id("keyward-a--1-1"), "the same each time");
    }

    #[test]
    fn handles_hold_what_a_call_needs() {
        let made = handle("example-1", "66666666-aaaa-4bbb-8ccc-000000000001").unwrap();
        let ids = Ids {
            project: "example-1",
            key: "66666666-aaaa-4bbb-8ccc-000000000001",
        };
        assert_eq!(Ids::of(&made), Ok(ids));
        for other in [
            "key", "a/", "/a", "a/b/c", "a/..", "../a", "a/b%2Fc", "a/b?c",
        ] {
            assert!(Ids::of(&other.parse().unwrap()).is_err(), "{other}");
        }
        assert_eq!(handle("p", "a/b"), None);
    }

    #[test]
    fn names_are_read_in_one_form_only() {
        for (name, expected) in [
            (
                "projects/111122223333/locations/global/keys/k-1",
                Some("k-1"),
            ),
            ("projects/p/locations/europe/keys/k", None),
            ("projects/p/locations/global/keys/", None),
            ("projects/p/locations/global/keys/a/b", None),
            ("keys/k", None),
        ] {
            assert_eq!(key_in(name), expected, "{name}");
        }
        let operation = |text: &str| text.parse::<OperationId>().unwrap();
        assert_eq!(operation_in(&operation("operations/akmf.1")), Ok("akmf.1"));
        for other in ["akmf.1", "operations/", "operations/a/b"] {
            assert!(operation_in(&operation(other)).is_err(), "{other}");
        }
    }
}
