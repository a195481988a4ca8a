//! Key text and its printable forms.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::key_like;

/// A shorter random part shows no tail: four characters of it would be too much of it.
const MIN_RANDOM_FOR_A_TAIL: usize = 20;

/// The text of one API key. It cannot be printed, serialised or compared; what may be shown of it is its
/// [`Fingerprint`] and its [`Hint`].
#[derive(Clone)]
pub struct ApiKey(SecretString);

impl ApiKey {
    /// Takes the text as it is, without surrounding white space.
    pub fn new(text: &str) -> Self {
        Self(SecretString::from(text.trim()))
    }

    /// SHA-256 of the text.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.0.expose_secret())
    }

    /// What may be shown of this key: the format's prefix and the last four characters.
    pub fn hint(&self, format: &KeyFormat) -> Hint {
        let text = self.0.expose_secret();
        let prefix = format.prefix_of(text).unwrap_or_default();
        let random: Vec<char> = text[prefix.len()..].chars().collect();
        let shown = if random.len() < MIN_RANDOM_FOR_A_TAIL {
            0
        } else {
            4
        };
        let tail: String = random[random.len() - shown..].iter().collect();
        Hint(format!("{prefix}…{tail}"))
    }

    /// Entropy in bits by the format: random length x log2 of its alphabet. Characters outside the alphabet add
    /// nothing. `None` if the text does not begin as the format says.
    pub fn entropy_bits(&self, format: &KeyFormat) -> Option<f64> {
        if !self.looks_like(format) {
            return None;
        }
        let text = self.0.expose_secret();
        let random = &text[format.prefix_of(text)?.len()..];
        let counted = random
            .chars()
            .filter(|c| format.alphabet.contains(*c))
            .count();
        let symbols = format.alphabet.chars().count();
        Some(counted as f64 * (symbols as f64).log2())
    }

    /// Whether the text begins as the provider's keys do.
    pub fn looks_like(&self, format: &KeyFormat) -> bool {
        let text = self.0.expose_secret();
        let begins_so = |prefix: &&str| text.starts_with(*prefix);
        format.prefix_of(text).is_some() && !format.not.iter().any(begins_so)
    }

    /// Whether the text begins so. Not proof of anything: see how much of it is the same for every key.
    pub fn begins_with(&self, head: &str) -> bool {
        !head.is_empty() && self.0.expose_secret().starts_with(head)
    }

    /// The pieces of a longer text, such as JSON, that could be keys by their length.
    pub fn pieces(&self) -> Vec<Self> {
        let text = self.0.expose_secret();
        key_like::pieces(text).map(Self::new).collect()
    }

    /// The pieces of a longer text that could be keys, whatever stands around them.
    pub fn candidates(&self) -> Vec<Self> {
        let text = self.0.expose_secret();
        key_like::candidates(text)
            .into_iter()
            .map(Self::new)
            .collect()
    }

    /// Whether the text begins as keys of some provider do, and is as long as one.
    pub fn begins_as_keys_do(&self) -> bool {
        key_like::begins_as_keys_do(self.0.expose_secret())
    }

    /// Whether a provider's redacted form (`sk-ab...wxyz`) can be of this key: the text begins and ends as it does.
    /// Not proof: several keys may fit.
    pub fn fits(&self, redacted: &str) -> bool {
        fits(self.0.expose_secret(), redacted)
    }
}

fn fits(text: &str, redacted: &str) -> bool {
    let shown: Vec<&str> = redacted
        .split(['.', '…', '*', '•'])
        .filter(|part| !part.is_empty())
        .collect();
    match shown[..] {
        [head, tail] => {
            head.len() + tail.len() < text.len() && text.starts_with(head) && text.ends_with(tail)
        }
        _ => false,
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey([hidden])")
    }
}

impl ExposeSecret<str> for ApiKey {
    fn expose_secret(&self) -> &str {
        self.0.expose_secret()
    }
}

/// A credential that administers other keys. Never handed to an agent; stored in the account's admin secret alone.
#[derive(Clone)]
pub struct AdminKey(SecretString);

impl AdminKey {
    /// Takes the text as it is, without surrounding white space.
    pub fn new(text: &str) -> Self {
        Self(SecretString::from(text.trim()))
    }

    /// SHA-256 of the text.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.0.expose_secret())
    }

    /// The last four characters of a long text; of a shorter one, and of a file such as a service account's, none.
    pub fn hint(&self) -> Hint {
        let text = self.0.expose_secret();
        let long_enough = text.len() >= 2 * MIN_RANDOM_FOR_A_TAIL && text.is_ascii();
        match long_enough && !text.starts_with('{') {
            true => Hint(format!("…{}", &text[text.len() - 4..])),
            false => Hint("…".to_owned()),
        }
    }

    /// Whether a provider's redacted form (`sk-ab...wxyz`) can be of this credential. Not proof: several may fit.
    pub fn fits(&self, redacted: &str) -> bool {
        fits(self.0.expose_secret(), redacted)
    }
}

impl fmt::Debug for AdminKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminKey([hidden])")
    }
}

impl ExposeSecret<str> for AdminKey {
    fn expose_secret(&self) -> &str {
        self.0.expose_secret()
    }
}

/// How a provider's keys look: a fixed prefix, then random characters of an alphabet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyFormat {
    /// The text that the provider's keys begin with.
    pub prefix: &'static str,
    /// What its keys of other kinds begin with.
    pub also: &'static [&'static str],
    /// Longer texts that keys of others, or credentials of another kind, begin with.
    pub not: &'static [&'static str],
    /// The characters that the random part is drawn from.
    pub alphabet: &'static str,
}

impl KeyFormat {
    /// The prefix that the text has; `None` if it has none of them.
    fn prefix_of(&self, text: &str) -> Option<&'static str> {
        let mut prefixes = std::iter::once(&self.prefix).chain(self.also);
        prefixes.find(|prefix| text.starts_with(**prefix)).copied()
    }
}

/// SHA-256 of a key's text: matches a leaked key to its slot. Prints as its first twelve hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// All 64 hex digits: for storing and matching, not for showing.
    pub fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads what [`Fingerprint::to_hex`] wrote.
    pub fn from_hex(hex: &str) -> Option<Self> {
        if hex.len() != 64 || !hex.is_ascii() {
            return None;
        }
        let mut bytes = [0; 32];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex()[..12])
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_hex())
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let hex = String::deserialize(deserializer)?;
        Self::from_hex(&hex)
            .ok_or_else(|| serde::de::Error::custom("a fingerprint is 64 hex digits"))
    }
}

/// At most a key's prefix and its last four characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint(String);

impl Hint {
    /// The last four characters, for comparing with a provider's redacted form.
    pub fn tail(&self) -> &str {
        self.0.rsplit('…').next().unwrap_or_default()
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: KeyFormat = KeyFormat {
        prefix: "sk-or-v1-",
        also: &["OR."],
        not: &["sk-or-v1-admin"],
        alphabet: "0123456789abcdef",
    };

    #[test]
    fn nothing_printable_holds_the_text() {
        let text = "sk-or-v1-EXAMPLE0123456789abcdef0123456789abcdef";
        let key = ApiKey::new(text);
        let admin = AdminKey::new(text);
        let shown = format!(
            "{key:?} {admin:?} {:?} {} {}",
            key.fingerprint(),
            key.fingerprint(),
            key.hint(&FORMAT)
        );
        assert!(!shown.contains("0123456789ab"), "{shown}");
        assert_eq!(key.hint(&FORMAT).to_string(), "sk-or-v1-…cdef");
        assert_eq!(key.hint(&FORMAT).tail(), "cdef");
        let other = ApiKey::new("OR.EXAMPLE0123456789abcdef");
        assert_eq!(other.hint(&FORMAT).to_string(), "OR.…cdef");
    }

    #[test]
    fn entropy_counts_random_characters_of_the_alphabet_only() {
        for (name, text, expected) in [
            ("full", format!("sk-or-v1-{}", "0f".repeat(32)), Some(256.0)),
            (
                "the marker adds nothing",
                "sk-or-v1-MNOP".to_owned(),
                Some(0.0),
            ),
            (
                "another prefix of its own",
                "OR.00ff".to_owned(),
                Some(16.0),
            ),
            ("other prefix", "sk-proj-0123".to_owned(), None),
            ("another kind", "sk-or-v1-admin0123".to_owned(), None),
        ] {
            assert_eq!(ApiKey::new(&text).entropy_bits(&FORMAT), expected, "{name}");
        }
    }

    #[test]
    fn keys_are_found_in_a_longer_text() {
        let key = "sk-or-v1-EXAMPLE0123456789";
        let auth = "AQ.EXAMPLE0123456789_abcdefgh";
        for (text, like_keys, pieces) in [
            (key.to_owned(), 1, 1),
            (
                format!("{{\"key\": \"{key}\", \"auth\": \"{auth}\"}}"),
                2,
                2,
            ),
            ("0123456789abcdef0123456789abcdef".to_owned(), 0, 1),
            ("https://example.com/v1".to_owned(), 0, 0),
            ("info".to_owned(), 0, 0),
        ] {
            let found = ApiKey::new(&text).pieces();
            let alike = found.iter().filter(|piece| piece.begins_as_keys_do());
            assert_eq!((alike.count(), found.len()), (like_keys, pieces), "{text}");
        }
        let found = ApiKey::new(&format!("a {key}")).pieces();
        assert_eq!(found[0].fingerprint(), ApiKey::new(key).fingerprint());
    }

    #[test]
    fn a_redacted_form_fits_by_both_of_its_ends() {
        let key = ApiKey::new("sk-ant-api03-EXAMPLE0123456789igAA");
        for (redacted, fits) in [
            ("sk-ant-api03-EXA...igAA", true),
            ("sk-ant-api03-EXA…igAA", true),
            ("sk-ant-api03-EXA************igAA", true),
            ("sk-ant-api03-EXB...igAA", false),
            ("sk-ant-api03-EXA...igAB", false),
            ("...igAA", false),
            ("sk-ant-api03-EXAMPLE0123456789igAA", false),
            ("sk-ant-api03-EXAMPLE01234...56789igAA", false),
            ("", false),
        ] {
            assert_eq!(key.fits(redacted), fits, "{redacted}");
        }
    }

    #[test]
    fn fingerprints_survive_their_hex_form() {
        let print = ApiKey::new("EXAMPLE").fingerprint();
        assert_eq!(Fingerprint::from_hex(&print.to_hex()), Some(print));
        assert_eq!(Fingerprint::from_hex("zz"), None);
        assert_eq!(print.to_string().len(), 12);
    }
}
