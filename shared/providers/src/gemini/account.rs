//! The service account that administers the keys, and the access token that its key is exchanged for.
//!
//! <https://developers.google.com/identity/protocols/oauth2/service-account#httprest>. Where the key's own file says to
//! send it (`token_uri`) is not read: that is for the configuration to say.

use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use keyward_core::model::key::AdminKey;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::ProviderError;
use secrecy::{ExposeSecret, SecretBox};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::admin::Exchange;
use crate::http::{BaseUrl, Credential, HttpClient};
use crate::oauth;

/// What the token is for: <https://cloud.google.com/api-keys/docs/reference/rest/v2/projects.locations.keys/create>.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// How long an assertion is good.
const HOUR: SignedDuration = SignedDuration::from_hours(1);

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// Exchanges a service account's key for access tokens.
pub(super) struct Tokens {
    http: Arc<HttpClient>,
    url: BaseUrl,
}

impl Tokens {
    /// At the token endpoint `url`.
    pub(super) fn new(http: Arc<HttpClient>, url: BaseUrl) -> Self {
        Self { http, url }
    }
}

#[async_trait]
impl Exchange for Tokens {
    async fn exchange(
        &self,
        credential: &AdminKey,
    ) -> Result<(AdminKey, Timestamp), ProviderError> {
        let now = self.http.now();
        let url = self.url.join(&[]);
        let url = url.map_err(|_| refused("the token URL takes no request"))?;
        let assertion = ServiceAccount::read(credential)?.assertion(url.as_str(), now)?;
        let credential = Credential::in_body(&assertion)
            .ok_or_else(|| refused("the assertion cannot be sent"))?;
        let body = format!(
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={}",
            assertion.expose_secret()
        );
        oauth::fetch(&self.http, url, credential, body, &[]).await
    }
}

fn refused(what: &str) -> ProviderError {
    ProviderError::AdminCredential {
        detail: OutsideText::new(what),
    }
}

/// What of a service account's key is needed. No `Debug`.
struct ServiceAccount {
    email: String,
    key_id: Option<String>,
    pair: RsaKeyPair,
}

impl ServiceAccount {
    /// Reads the file that Google gives out for a service account's key:
    /// <https://cloud.google.com/iam/docs/keys-create-delete>.
    fn read(credential: &AdminKey) -> Result<Self, ProviderError> {
        #[derive(Deserialize)]
        struct File {
            #[serde(rename = "type")]
            kind: String,
            client_email: String,
            private_key: String,
            private_key_id: Option<String>,
        }
        let file = serde_json::from_str::<File>(credential.expose_secret());
        let file = file.ok().filter(|file| file.kind == "service_account");
        let file =
            file.ok_or_else(|| refused("the admin secret is not a service account's key as JSON"))?;
        let text = SecretBox::new(Box::new(file.private_key));
        let pair = der(text.expose_secret())
            .and_then(|der| RsaKeyPair::from_pkcs8(der.expose_secret()).ok());
        Ok(Self {
            email: file.client_email,
            key_id: file.private_key_id,
            pair: pair
                .ok_or_else(|| refused("the service account's `private_key` cannot be read"))?,
        })
    }

    /// A signed claim to be that account, for the server at `audience`.
    fn assertion(&self, audience: &str, now: Timestamp) -> Result<AdminKey, ProviderError> {
        let mut header = json!({ "alg": "RS256", "typ": "JWT" });
        if let Some(id) = &self.key_id {
            header["kid"] = json!(id);
        }
        let claims = json!({
            "iss": self.email,
            "scope": SCOPE,
            "aud": audience,
            "iat": now.as_second(),
            "exp": (now + HOUR).as_second(),
        });
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                signed.as_bytes(),
                &mut signature,
            )
            .map_err(|_| refused("the service account's key does not sign"))?;
        let signature = URL_SAFE_NO_PAD.encode(signature);
        Ok(AdminKey::new(&format!("{signed}.{signature}")))
    }
}

/// The bytes of a PKCS#8 private key in PEM: <https://www.rfc-editor.org/rfc/rfc7468#section-10>.
fn der(pem: &str) -> Option<SecretBox<Vec<u8>>> {
    let (_, inside) = pem.split_once(BEGIN)?;
    let (inside, _) = inside.split_once(END)?;
    let text = inside.chars().filter(|c| !c.is_ascii_whitespace());
    let text = SecretBox::new(Box::new(text.collect::<String>()));
    let bytes = STANDARD.decode(text.expose_secret()).ok()?;
    Some(SecretBox::new(Box::new(bytes)))
}
