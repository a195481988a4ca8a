//! What a handle is made of, and what a key's text begins with.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use keyward_core::model::names::{IamUser, KeyHandle};
use keyward_core::model::text::OutsideText;
use keyward_core::ports::ProviderError;

use super::KEY_FORMAT;

/// A handle is `<user>/<ServiceSpecificCredentialId>`: a call about a key needs both.
pub(super) struct Ids<'a> {
    pub(super) user: IamUser,
    pub(super) key: &'a str,
}

impl<'a> Ids<'a> {
    pub(super) fn of(handle: &'a KeyHandle) -> Result<Self, ProviderError> {
        let read = handle.as_str().split_once('/');
        let read = read.and_then(|(user, key)| Some((user.parse().ok()?, key)));
        match read {
            Some((user, key)) if is_id(key) => Ok(Self { user, key }),
            _ => Err(ProviderError::Refused {
                detail: OutsideText::new("the handle is not of the form user/credential"),
            }),
        }
    }
}

/// Letters, digits and underscores, 128 at most:
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_ServiceSpecificCredentialMetadata.html>.
fn is_id(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The handle; `None` if the id is none.
pub(super) fn handle(user: &IamUser, id: &str) -> Option<KeyHandle> {
    is_id(id).then(|| format!("{user}/{id}").parse().ok())?
}

/// What the text of the key with this alias begins with: as much of the base64 of `<alias>:` as does not depend on the
/// secret that follows. All of the alias is in it. `None` without an alias.
///
/// AWS says that the alias is the public part of the key
/// (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_ServiceSpecificCredentialMetadata.html>); that it stands in
/// the text so is seen in keys, not documented.
pub(super) fn head(alias: &str) -> Option<String> {
    if alias.is_empty() {
        return None;
    }
    let bytes = format!("{alias}:");
    let mut head = STANDARD_NO_PAD.encode(&bytes);
    head.truncate(bytes.len() * 8 / 6);
    Some(format!("{}{head}", KEY_FORMAT.prefix))
}

#[cfg(test)]
mod tests {
    use keyward_core::model::key::ApiKey;

    use super::*;

    #[test]
    fn handles_hold_what_a_call_needs() {
        let user: IamUser = "agent+a@example".parse().unwrap();
        let made = handle(&user, "ACCAEXAMPLE0000000001").unwrap();
        assert_eq!(made.as_str(), "agent+a@example/ACCAEXAMPLE0000000001");
        let ids = Ids::of(&made).unwrap();
        assert_eq!((ids.user, ids.key), (user.clone(), "ACCAEXAMPLE0000000001"));
        for id in ["", "a/b", "a b", ".."] {
            assert_eq!(handle(&user, id), None, "{id}");
        }
        for other in ["key", "a/", "/a", "a/b/c", "a/b&c", "a:b/c"] {
            assert!(Ids::of(&other.parse().unwrap()).is_err(), "{other}");
        }
    }

    #[test]
    fn a_text_begins_as_its_alias_says_and_as_no_other() {
        let aliases = [
            "agent-at-111122223333",
            "agent+1-at-111122223333",
            "agent+2-at-111122223333",
            "agent-at-111122223333-z1",
            "agent-at-111122223333-z2",
            "agent-at-111122223333-z1a",
            "agents-at-111122223333",
            "BedrockAPIKey-ab12-at-111122223333",
            "BedrockAPIKey-ab13-at-111122223333",
            "BedrockAPIKey-ab12-at-111122223334",
        ];
        for secret in ["EXAMPLE", "\0\0", "~~~~", "0"] {
            for alias in aliases {
                let text = format!(
                    "ABSK{}",
                    STANDARD_NO_PAD.encode(format!("{alias}:{secret}"))
                );
                let key = ApiKey::new(&text);
                let fits = |alias: &&&str| key.begins_with(&head(alias).unwrap());
                let found: Vec<&&str> = aliases.iter().filter(fits).collect();
                assert_eq!(found, [&alias], "{secret:?}");
            }
        }
        assert_eq!(head(""), None);
    }
}
