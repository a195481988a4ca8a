//! Calls of AWS that are signed and sent here, for services of which one call is needed: without the SDK's large clients.

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;
use http::HeaderName;
use http::header::USER_AGENT;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{Clock, ListError};

use crate::signer::{RequestSigner, SignError};

/// One call of a service.
pub(crate) struct Call {
    /// The service as signatures and hosts have it.
    pub(crate) service: &'static str,
    /// The same as the SDK's settings name it.
    pub(crate) id: &'static str,
    /// What is called, for people.
    pub(crate) operation: &'static str,
    /// Where, below the service's host.
    pub(crate) path: &'static str,
    /// How long it may take.
    pub(crate) timeout: Duration,
}

impl Call {
    /// What went wrong, with the operation's name.
    pub(crate) fn named(&self, why: impl std::fmt::Display) -> OutsideText {
        OutsideText::new(&format!("{}: {why}", self.operation))
    }
}

/// Makes one call, in the account and region of this process.
#[derive(Clone)]
pub(crate) struct SignedCall {
    client: reqwest::Client,
    signer: RequestSigner,
    pub(crate) clock: Arc<dyn Clock>,
    region: String,
    url: String,
    agent: String,
    call: &'static Call,
}

impl SignedCall {
    /// In the region of `config`, with its credentials. `client` must not follow redirects.
    pub(crate) fn new(
        config: &SdkConfig,
        client: reqwest::Client,
        clock: Arc<dyn Clock>,
        call: &'static Call,
    ) -> Self {
        let region = config.region().map(ToString::to_string).unwrap_or_default();
        let host = endpoint(config, call.id).unwrap_or_else(|| {
            let suffix = match region.split('-').next() {
                Some("cn") => "amazonaws.com.cn",
                _ => "amazonaws.com",
            };
            format!("https://{}.{region}.{suffix}", call.service)
        });
        let release = concat!("keyward/", env!("CARGO_PKG_VERSION"));
        Self {
            client,
            signer: RequestSigner::new(config),
            clock,
            url: format!("{}{}", host.trim_end_matches('/'), call.path),
            region,
            agent: match config.app_name() {
                Some(name) => format!("{release} app/{name}"),
                None => release.to_owned(),
            },
            call,
        }
    }

    /// Sends `body`, and returns whatever the service answers.
    ///
    /// # Errors
    /// [`ListError`]: it was not sent, or not answered.
    pub(crate) async fn post(
        &self,
        headers: &[(HeaderName, &'static str)],
        body: String,
    ) -> Result<reqwest::Response, ListError> {
        let scope = (self.call.service, self.region.as_str());
        let at = self.clock.now();
        let signed = self.signer.sign(scope, &self.url, body.as_bytes(), at);
        let signed = signed.await.map_err(|error| self.unsigned(&error))?;
        let mut request = self.client.post(&self.url).timeout(self.call.timeout);
        for (name, value) in signed {
            request = request.header(name, value);
        }
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let request = request.header(USER_AGENT, &self.agent).body(body);
        request.send().await.map_err(|error| self.lost(&error))
    }

    /// The whole of an answer.
    ///
    /// # Errors
    /// [`ListError`].
    pub(crate) async fn text(&self, answer: reqwest::Response) -> Result<Vec<u8>, ListError> {
        let text = answer.bytes().await.map_err(|error| self.lost(&error))?;
        Ok(text.to_vec())
    }

    fn lost(&self, error: &reqwest::Error) -> ListError {
        ListError::Unavailable(self.call.named(match error.is_timeout() {
            true => "timed out",
            false => "not sent or not answered",
        }))
    }

    fn unsigned(&self, error: &SignError) -> ListError {
        let why = self.call.named(error);
        match error {
            SignError::Unavailable(_) => ListError::Unavailable(why),
            SignError::NoCredentials(_) | SignError::Request(_) => ListError::Refused(why),
        }
    }
}

/// Another endpoint, as the SDK's own clients find theirs:
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>.
fn endpoint(config: &SdkConfig, service_id: &'static str) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id(service_id)
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build();
    let own = config.service_config().zip(key.ok());
    let own = own.and_then(|(services, key)| services.load_config(key));
    own.or_else(|| config.endpoint_url().map(str::to_owned))
}
