//! Where a key is: its project, its owner, itself.

use keyward_core::model::names::KeyHandle;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::ProviderError;

/// Stands in a handle for an owner that is no service account.
const NO_ACCOUNT: &str = "-";

/// A key's handle, taken apart: `<project>/<service account>/<key>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place<'a> {
    pub(super) project: &'a str,
    /// The service account that owns it; `None` for a person's key.
    pub(super) account: Option<&'a str>,
    pub(super) key: &'a str,
}

impl<'a> Place<'a> {
    /// # Errors
    /// [`ProviderError::Refused`]: it is not a handle of this driver.
    pub(super) fn of(handle: &'a KeyHandle) -> Result<Self, ProviderError> {
        let ids: Vec<&str> = handle.ids().collect();
        match ids[..] {
            [project, account, key] if ids.iter().all(|id| !id.is_empty()) => Ok(Self {
                project,
                account: (account != NO_ACCOUNT).then_some(account),
                key,
            }),
            _ => Err(ProviderError::Refused {
                detail: OutsideText::new("the key's handle is not one of OpenAI's"),
            }),
        }
    }
}

/// The handle of a key; `None` if an id cannot stand in one.
pub(super) fn handle(project: &str, account: Option<&str>, key: &str) -> Option<KeyHandle> {
    let account = account.unwrap_or(NO_ACCOUNT);
    if [project, account, key]
        .iter()
        .any(|id| id.is_empty() || id.contains('/'))
    {
        return None;
    }
    format!("{project}/{account}/{key}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_read_back_and_others_are_refused() {
        for account in [Some("svc_acct_1"), None] {
            let handle = handle("proj_1", account, "key_1").unwrap();
            let place = Place::of(&handle).unwrap();
            assert_eq!(
                (place.project, place.account, place.key),
                ("proj_1", account, "key_1")
            );
        }
        for text in ["key_1", "a/b", "a/b/c/d", "a//c", "/b/c"] {
            assert!(Place::of(&text.parse().unwrap()).is_err(), "{text}");
        }
        assert_eq!(handle("proj_1", Some("a/b"), "key_1"), None);
        assert_eq!(handle("proj_1", None, ""), None);
    }
}
