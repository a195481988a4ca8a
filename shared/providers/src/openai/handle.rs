//! What a handle is made of, and whose names are Keyward's.

use keyward_core::model::names::{KeyHandle, ScopeId, SecretVersionId, SlotName};
use keyward_core::model::text::OutsideText;
use keyward_core::model::version::KeyLabel;
use keyward_core::ports::ProviderError;

/// In a handle, in place of the service account of a key that a person owns.
const NOBODY: &str = "-";

/// The ids that a call about a key needs: a handle is `<project>/<service account>/<key>`, with `-` in the middle where
/// a person owns the key.
pub(super) struct Ids<'a> {
    pub(super) project: &'a str,
    pub(super) account: Option<&'a str>,
    pub(super) key: &'a str,
}

impl<'a> Ids<'a> {
    pub(super) fn of(handle: &'a KeyHandle) -> Result<Self, ProviderError> {
        let ids: Vec<&str> = handle.ids().collect();
        match ids[..] {
            [project, account, key] if ids.iter().all(|id| !id.is_empty()) => Ok(Self {
                project,
                account: (account != NOBODY).then_some(account),
                key,
            }),
            _ => Err(ProviderError::Refused {
                detail: OutsideText::new("the handle is not of the form project/account/key"),
            }),
        }
    }

    /// Below the API's base.
    pub(super) fn key_path(&self) -> [&'a str; 5] {
        [
            "organization",
            "projects",
            self.project,
            "api_keys",
            self.key,
        ]
    }
}

/// The handle; `None` if an id is not one.
pub(super) fn handle(project: &str, account: Option<&str>, key: &str) -> Option<KeyHandle> {
    let account = account.unwrap_or(NOBODY);
    let is_id = |id: &&str| id.parse::<ScopeId>().is_ok();
    if ![project, account, key].iter().all(is_id) {
        return None;
    }
    format!("{project}/{account}/{key}").parse().ok()
}

/// Whether Keyward gave this name: exactly `keyward-<slot>--<token>-<attempt>`.
pub(super) fn is_label(name: &str) -> bool {
    let parts = name.strip_prefix(KeyLabel::PREFIX);
    let parts = parts.and_then(|rest| rest.split_once("--"));
    let Some((slot, id)) = parts else {
        return false;
    };
    let Some((version, attempt)) = id.rsplit_once('-') else {
        return false;
    };
    slot.parse::<SlotName>().is_ok()
        && version.parse::<SecretVersionId>().is_ok()
        && attempt.parse::<u32>().is_ok_and(|attempt| attempt > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_labels_are_keywards() {
        let label = "keyward-support-bot--00000000-1111-4222-8333-444444444444-1";
        assert!(is_label(label));
        for name in [
            "",
            "keyward-",
            "keyward-support-bot",
            "keyward-support-bot--1",
            "keyward-Support--00000000-1111-4222-8333-444444444444-1",
            "keyward-support-bot--00000000-1111-4222-8333-444444444444-0",
            "keyward-support-bot--00000000-1111-4222-8333-444444444444-x",
            &format!("x{label}"),
            &format!("{label} "),
        ] {
            assert!(!is_label(name), "{name}");
        }
    }

    #[test]
    fn handles_hold_what_a_call_needs() {
        let of = |account| handle("proj_1", account, "key_1").unwrap();
        assert_eq!(of(Some("svc_1")).as_str(), "proj_1/svc_1/key_1");
        assert_eq!(of(None).as_str(), "proj_1/-/key_1");
        assert_eq!(handle("proj_1", Some("a/b"), "key_1"), None);
        assert_eq!(handle("proj_1", Some(".."), "key_1"), None);
        let with = of(Some("svc_1"));
        let ids = Ids::of(&with).unwrap();
        let found = (ids.project, ids.account, ids.key);
        assert_eq!(found, ("proj_1", Some("svc_1"), "key_1"));
        assert_eq!(Ids::of(&of(None)).unwrap().account, None);
        for other in ["key_1", "a/b", "a/b/c/d", "a//c"] {
            assert!(Ids::of(&other.parse().unwrap()).is_err(), "{other}");
        }
    }
}
