//! The key on every request of a `reqwest` client, one retry where it is refused, and reports of what is used.
//!
//! ```no_run
//! # async fn agent(
//! #     client: keyward_client::KeywardClient, config: &aws_types::SdkConfig, http: reqwest::Client,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use keyward_client::middleware::{Endpoint, KeyLayer, UsageReports, UsageUrl};
//! use keyward_client::{SecretId, SlotName};
//!
//! // http: a client that follows no redirects.
//! let key = client.secret(SecretId::new("llm/support-bot")?);
//! let stack = UsageUrl::new("https://….lambda-url.eu-central-1.on.aws/", config, http.clone())?;
//! let reports = UsageReports::new(SlotName::new("support-bot")?, key.clone(), Arc::new(stack));
//! reports.start();
//!
//! let layer = KeyLayer::new(key, Endpoint::anthropic()).reporting(&reports);
//! let http = reqwest_middleware::ClientBuilder::new(http).with(layer).build();
//! // http.post("https://api.anthropic.com/v1/messages")…
//!
//! reports.end().await;
//! # Ok(())
//! # }
//! ```

mod answer;
mod endpoint;
mod ledger;
mod reports;
mod scan;
mod sink;
#[cfg(test)]
mod tests;
mod used;

use std::sync::Arc;

use async_trait::async_trait;
use http::{Extensions, Method};
use reqwest::{Request, Response};
use reqwest_middleware::{Middleware, Next};

use crate::error::KeyError;
use crate::keys::{AgentKey, LeasedKey};
use answer::{Answer, counted, says_key_is_invalid};
use endpoint::Judgement;
pub use endpoint::{BadEndpoint, Endpoint, KeyHeader};
pub use ledger::Ledger;
pub use reports::UsageReports;
pub use sink::{BadUrl, NotTaken, ReportSink, UsageUrl};
pub use used::Tokens;

/// A request was not sent, or its answer not given on.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// There is no key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The request goes to another host than the key's provider.
    #[error(
        "the request goes to {0}, which is not the host of this key's provider; nothing was sent: use a client without this layer for it"
    )]
    Elsewhere(String),
    /// The answer came from another host.
    #[error(
        "the provider sent the request on to {0}, and the key may have gone with it; use a client that follows no redirects, and rotate the key: keyward rotate"
    )]
    SentOn(String),
    /// The key cannot stand in a header.
    #[error("what the secret holds cannot stand in a header: keyward doctor")]
    NoHeader,
}

impl From<LayerError> for reqwest_middleware::Error {
    fn from(error: LayerError) -> Self {
        Self::middleware(error)
    }
}

/// Puts a slot's key on requests. To be the innermost layer: those outside of it see no key, and their retries get a fresh one.
///
/// The client under it must follow no redirects: `reqwest` takes `Authorization` off where it is sent on to another host, and
/// no other header.
#[derive(Debug, Clone)]
pub struct KeyLayer {
    key: AgentKey,
    endpoint: Endpoint,
    ledger: Option<Arc<Ledger>>,
}

impl KeyLayer {
    /// Of the key, for requests to its provider's host and to no other.
    pub const fn new(key: AgentKey, endpoint: Endpoint) -> Self {
        Self {
            key,
            endpoint,
            ledger: None,
        }
    }

    /// The same, and what answers say was used is written down, to be told by `reports`.
    #[must_use]
    pub fn reporting(self, reports: &UsageReports) -> Self {
        let ledger = Some(reports.ledger().clone());
        Self { ledger, ..self }
    }

    fn put(&self, request: &mut Request, key: &LeasedKey) -> Result<(), LayerError> {
        let (name, value) =
            (self.endpoint.header().with(key.expose()?)).ok_or(LayerError::NoHeader)?;
        request.headers_mut().insert(name, value);
        Ok(())
    }

    /// What the answer to a request with this key says of the key. A body that is looked at is put back.
    async fn is_refused(&self, answer: Response) -> reqwest_middleware::Result<(Response, bool)> {
        match self.endpoint.judge(answer.status()) {
            Judgement::Accepted => Ok((answer, false)),
            Judgement::Refused => Ok((answer, true)),
            Judgement::ByBody => says_key_is_invalid(answer).await,
        }
    }

    /// Sends a request with a key. An answer from elsewhere is none.
    async fn send(
        &self,
        mut request: Request,
        key: &LeasedKey,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<(Response, bool)> {
        self.put(&mut request, key)?;
        let answer = next.run(request, extensions).await?;
        if !self.endpoint.admits(answer.url()) {
            let host = answer.url().host_str().unwrap_or_default().to_owned();
            return Err(LayerError::SentOn(host).into());
        }
        self.is_refused(answer).await
    }
}

#[async_trait]
impl Middleware for KeyLayer {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        if !self.endpoint.admits(request.url()) {
            let host = request.url().host_str().unwrap_or_default().to_owned();
            return Err(LayerError::Elsewhere(host).into());
        }
        let key = self.key.get().await.map_err(LayerError::from)?;
        let asked = self.ledger.is_some() && request.method() == Method::POST;
        let model = asked.then(|| answer::asked_for(&request)).flatten();
        // None where the body is a stream: it is gone after the first try.
        let again = request.try_clone();
        let sent = self.send(request, &key, extensions, next.clone()).await?;
        let (mut answer, mut version) = (sent.0, key.version().clone());
        if sent.1
            && let Some(newer) = self.key.refused(key.version()).await
            && let Some(request) = again
        {
            drop(answer);
            let (second, is_refused) = self.send(request, &newer, extensions, next).await?;
            answer = second;
            version = newer.version().clone();
            if is_refused {
                self.key.refused(&version).await;
            }
        }
        match &self.ledger {
            Some(ledger) if asked && answer.status().is_success() => Ok(counted(
                answer,
                Answer::new(ledger.clone(), version, model, self.key.clock().clone()),
            )),
            _ => Ok(answer),
        }
    }
}
