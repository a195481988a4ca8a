//! The text of a new key, which is chosen here.

use keyward_core::model::key::ApiKey;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::ProviderError;
use secrecy::ExposeSecret;
use serde::{Serialize, Serializer};

use super::KEY_FORMAT;

/// Random bytes of a text, which are written in hex: no other provider's prefix can come of it.
const RANDOM_BYTES: usize = 32;

/// A text that no proxy knows yet. It is serialised into one request, the create.
pub(super) struct Chosen(ApiKey);

impl Chosen {
    /// By the generator of the TLS library, which the operating system seeds.
    pub(super) fn at_random() -> Result<Self, ProviderError> {
        let mut random = [0_u8; RANDOM_BYTES];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| ProviderError::RetryAfter {
            after: None,
            detail: OutsideText::new("no random bytes can be had"),
        })?;
        let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self(ApiKey::new(&format!("{}{hex}", KEY_FORMAT.prefix))))
    }

    /// What the proxy will name the key by.
    pub(super) fn hash(&self) -> String {
        self.0.fingerprint().to_hex()
    }

    /// Whether the proxy took the text as it was sent.
    pub(super) fn is(&self, text: &str) -> bool {
        self.0.expose_secret() == text
    }

    pub(super) fn into_key(self) -> ApiKey {
        self.0
    }
}

impl Serialize for Chosen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose_secret())
    }
}
