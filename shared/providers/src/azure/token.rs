//! The application's client secret, exchanged for an access token.
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow#get-a-token>

use std::sync::Arc;

use async_trait::async_trait;
use http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use keyward_core::model::key::AdminKey;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::ProviderError;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded::Serializer;

use super::Resource;
use crate::admin::Exchange;
use crate::http::{Answer, BaseUrl, Credential, HttpClient, Repeat, Request};

/// Whatever the application may do at Azure Resource Manager.
const SCOPE: &str = "https://management.azure.com/.default";

const FORM: &[(&str, &str)] = &[("content-type", "application/x-www-form-urlencoded")];

/// No token is taken for good longer than this.
const LONGEST: SignedDuration = SignedDuration::from_hours(1);

/// Entra, for one application of one tenant.
pub(super) struct Entra {
    http: Arc<HttpClient>,
    login: BaseUrl,
    tenant: String,
    client: String,
}

impl Entra {
    pub(super) fn new(http: Arc<HttpClient>, resource: &Resource) -> Self {
        Self {
            http,
            login: resource.login.clone(),
            tenant: resource.tenant.clone(),
            client: resource.client.clone(),
        }
    }
}

#[async_trait]
impl Exchange for Entra {
    async fn exchange(&self, secret: &AdminKey) -> Result<(AdminKey, Timestamp), ProviderError> {
        let unusable = |what: &str| ProviderError::AdminCredential {
            detail: OutsideText::new(what),
        };
        let url = self.login.join(&[&self.tenant, "oauth2", "v2.0", "token"]);
        let url = url.map_err(|_| unusable("the tenant cannot stand in a path"))?;
        let credential = Credential::in_body(secret).ok_or_else(|| {
            unusable("the client secret is empty, JSON, or of more than one line")
        })?;
        let body = Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &self.client)
            .append_pair("client_secret", secret.expose_secret())
            .append_pair("scope", SCOPE)
            .finish();
        let request = Request {
            method: Method::POST,
            url,
            headers: FORM,
            credential,
            body: Some(body.into_bytes()),
            repeat: Repeat::Safe,
        };
        let now = self.http.now();
        match self.http.send(&request).await {
            Ok(answer) => token(&answer, now),
            Err(failure) => Err(failure.into_error(Repeat::Safe)),
        }
    }
}

/// The token in an answer to a request of `now`, and its end. A refusal is in OAuth's own form; anything else says
/// nothing about the credential. <https://www.rfc-editor.org/rfc/rfc6749#section-5.2>
pub(super) fn token(
    answer: &Answer,
    now: Timestamp,
) -> Result<(AdminKey, Timestamp), ProviderError> {
    #[derive(Deserialize)]
    struct Token {
        access_token: String,
        expires_in: i64,
    }
    let no_use = |detail: OutsideText| ProviderError::RetryAfter {
        after: answer.retry_after,
        detail,
    };
    if answer.status.is_success() {
        let read = serde_json::from_slice::<Token>(&answer.body).ok();
        let read = read.filter(|token| token.expires_in > 0 && !token.access_token.is_empty());
        let what = "a token was asked for, but not answered readably";
        let token = read.ok_or_else(|| no_use(OutsideText::new(what)))?;
        let life = SignedDuration::from_secs(token.expires_in).min(LONGEST);
        return Ok((AdminKey::new(&token.access_token), now + life));
    }
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let refuses = matches!(
        answer.status,
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
    );
    let kind = body["error"].as_str();
    let detail = answer.detail.clone();
    match kind {
        Some(kind) if refuses && kind != "temporarily_unavailable" => {
            Err(ProviderError::AdminCredential { detail })
        }
        _ => Err(no_use(detail)),
    }
}
