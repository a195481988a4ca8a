//! What the secret of a standby pool holds: a JSON object, each key's text under its fingerprint.

use std::collections::BTreeMap;

use secrecy::ExposeSecret;

use super::key::{ApiKey, Fingerprint};
use super::secret_document::SecretText;

/// The greatest size of a secret's value, in bytes:
/// <https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html>.
const MAX_BYTES: usize = 65_536;

/// The texts of a pool's keys. Cannot be printed.
#[derive(Clone, Default)]
pub struct PoolDocument(BTreeMap<Fingerprint, ApiKey>);

impl std::fmt::Debug for PoolDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PoolDocument({} keys, [hidden])", self.0.len())
    }
}

/// Why the value of a pool secret cannot be used, or written. Nothing of the value is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PoolDocumentError {
    /// Keyward did not write it so: somebody else changed the secret.
    #[error("the pool's secret does not hold what Keyward wrote there")]
    Unreadable,
    /// Secrets Manager takes no more in one secret.
    #[error("the pool's secret has no room for more keys")]
    Full,
}

impl PoolDocument {
    /// Reads a pool secret's value.
    ///
    /// # Errors
    /// [`PoolDocumentError::Unreadable`]; a key whose text is not what its fingerprint says makes it so too.
    pub fn parse(text: &SecretText) -> Result<Self, PoolDocumentError> {
        let texts: BTreeMap<String, String> = serde_json::from_str(text.expose_secret())
            .map_err(|_| PoolDocumentError::Unreadable)?;
        let keys = texts.into_iter().map(|(fingerprint, text)| {
            let key = ApiKey::new(&text);
            (key.fingerprint().to_hex() == fingerprint).then(|| (key.fingerprint(), key))
        });
        let keys: Option<BTreeMap<_, _>> = keys.collect();
        keys.map(Self).ok_or(PoolDocumentError::Unreadable)
    }

    /// The key with this fingerprint.
    pub fn get(&self, fingerprint: &Fingerprint) -> Option<&ApiKey> {
        self.0.get(fingerprint)
    }

    /// Puts a key in.
    pub fn insert(&mut self, key: ApiKey) {
        self.0.insert(key.fingerprint(), key);
    }

    /// Takes out every key that is not wanted.
    pub fn retain(&mut self, wanted: impl Fn(&Fingerprint) -> bool) {
        self.0.retain(|fingerprint, _| wanted(fingerprint));
    }

    /// The value as it is stored.
    ///
    /// # Errors
    /// [`PoolDocumentError::Full`].
    pub fn to_text(&self) -> Result<SecretText, PoolDocumentError> {
        let texts: BTreeMap<String, &str> = self
            .0
            .iter()
            .map(|(fingerprint, key)| (fingerprint.to_hex(), key.expose_secret()))
            .collect();
        let text = serde_json::to_string(&texts).map_err(|_| PoolDocumentError::Unreadable)?;
        if text.len() > MAX_BYTES {
            return Err(PoolDocumentError::Full);
        }
        Ok(SecretText::new(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_reads_back_and_cannot_be_printed() {
        let key = ApiKey::new("sk-ant-api03-EXAMPLE0123456789");
        let mut document = PoolDocument::default();
        document.insert(key.clone());
        document.insert(ApiKey::new("sk-ant-api03-EXAMPLEother"));
        document.retain(|fingerprint| *fingerprint == key.fingerprint());
        let text = document.to_text().unwrap();
        let read = PoolDocument::parse(&text).unwrap();
        assert!(read.get(&key.fingerprint()).is_some());
        assert_eq!(format!("{read:?}"), "PoolDocument(1 keys, [hidden])");
    }

    #[test]
    fn what_somebody_else_wrote_is_refused_whole() {
        let other = ApiKey::new("EXAMPLE").fingerprint().to_hex();
        for text in [
            String::new(),
            "sk-ant-api03-EXAMPLE".to_owned(),
            "[]".to_owned(),
            format!(r#"{{"{other}":"sk-ant-api03-EXAMPLE"}}"#),
            r#"{"a":1}"#.to_owned(),
        ] {
            let refused = PoolDocument::parse(&SecretText::new(text.clone())).err();
            assert_eq!(refused, Some(PoolDocumentError::Unreadable), "{text}");
        }
    }

    #[test]
    fn a_secret_takes_only_so_much() {
        let mut document = PoolDocument::default();
        for n in 0..500 {
            document.insert(ApiKey::new(&format!("sk-ant-api03-EXAMPLE{n:0>100}")));
        }
        assert_eq!(document.to_text().err(), Some(PoolDocumentError::Full));
    }
}
