//! What a handle is made of.

use keyward_core::model::key::{ApiKey, Fingerprint};
use keyward_core::model::names::KeyHandle;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::ProviderError;

/// Digits of a fingerprint in a handle.
const DIGITS: usize = 12;

/// One of the two keys of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Key1,
    Key2,
}

impl Place {
    pub(super) const ALL: [Self; 2] = [Self::Key1, Self::Key2];

    /// As `regenerateKey` takes it. In lower case, as answers have it, it is refused.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Key1 => "Key1",
            Self::Key2 => "Key2",
        }
    }
}

/// A handle is `<resource>/<Key1 or Key2>/<the first 12 digits of the SHA-256 of the key's text>`. A key of the pair has
/// one text after the other: the digits say which of them is meant, and no other is ever ended for it.
pub(super) struct Ids<'a> {
    pub(super) place: Place,
    digits: &'a str,
}

impl<'a> Ids<'a> {
    /// # Errors
    /// [`ProviderError::Refused`] if it is of another resource, or no such handle.
    pub(super) fn of(handle: &'a KeyHandle, resource: &str) -> Result<Self, ProviderError> {
        let ids: Vec<&str> = handle.ids().collect();
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        match ids[..] {
            [of, name, digits]
                if of.eq_ignore_ascii_case(resource)
                    && digits.len() == DIGITS
                    && digits.bytes().all(is_hex) =>
            {
                let place = Place::ALL.into_iter().find(|p| p.as_str() == name);
                place.map(|place| Self { place, digits })
            }
            _ => None,
        }
        .ok_or_else(|| ProviderError::Refused {
            detail: OutsideText::new("the handle names no key of the account's resource"),
        })
    }

    /// Whether the handle is of this text.
    pub(super) fn is_of(&self, key: &ApiKey) -> bool {
        digits(&key.fingerprint()) == self.digits
    }
}

fn digits(print: &Fingerprint) -> String {
    print.to_hex()[..DIGITS].to_owned()
}

/// The handle; `None` if the name cannot stand in one. Azure takes names that differ in case alone for one, so the
/// handle has it in lower case: one key has one handle, however the configuration spells its resource.
pub(super) fn handle(resource: &str, place: Place, print: &Fingerprint) -> Option<KeyHandle> {
    let resource = resource.to_ascii_lowercase();
    let text = format!("{resource}/{}/{}", place.as_str(), digits(print));
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_names_one_text_of_one_key() {
        let (one, two) = (ApiKey::new("EXAMPLE-one"), ApiKey::new("EXAMPLE-two"));
        let made = handle("agents-east", Place::Key2, &one.fingerprint()).unwrap();
        assert_eq!(
            made.as_str(),
            format!("agents-east/Key2/{}", &one.fingerprint().to_hex()[..12])
        );
        for resource in ["agents-east", "Agents-East"] {
            let ids = Ids::of(&made, resource).unwrap();
            assert_eq!(ids.place, Place::Key2);
            assert!(ids.is_of(&one) && !ids.is_of(&two));
            let again = handle(resource, Place::Key2, &one.fingerprint());
            assert_eq!(again.as_ref(), Some(&made), "one key, one handle");
        }
        assert!(Ids::of(&made, "agents-west").is_err());
        for other in [
            "agents-east/Key2",
            "agents-east/key2/0123456789ab",
            "agents-east/Key3/0123456789ab",
            "agents-east/Key2/0123456789a",
            "agents-east/Key2/0123456789abc",
            "agents-east/Key2/0123456789aB",
            "agents-east/Key2/0123456789ab/x",
            "Key2/0123456789ab",
        ] {
            let other: KeyHandle = other.parse().unwrap();
            assert!(Ids::of(&other, "agents-east").is_err(), "{other}");
        }
    }
}
