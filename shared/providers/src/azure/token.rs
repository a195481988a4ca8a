//! The application's client secret, exchanged for an access token.
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow#get-a-token>

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use keyward_core::model::key::AdminKey;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::ProviderError;
use secrecy::ExposeSecret;
use url::form_urlencoded::Serializer;

use super::Resource;
use crate::admin::Exchange;
use crate::http::{BaseUrl, Credential, HttpClient};
use crate::oauth;

/// Whatever the application may do at Azure Resource Manager.
const SCOPE: &str = "https://management.azure.com/.default";

/// What Entra says where it cannot answer now:
/// <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow#error-codes-for-token-endpoint-errors>.
pub(super) const PASSING: &[&str] = &["temporarily_unavailable"];

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
        oauth::fetch(&self.http, url, credential, body, PASSING).await
    }
}
