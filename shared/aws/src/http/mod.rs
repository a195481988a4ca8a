//! Lets the AWS SDK send its requests through the workspace's one HTTP client.

use std::time::Duration;

use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_body_util::Full;

/// A `reqwest` client as the AWS SDK's HTTP client. Bodies are held in memory, as those of the APIs used here are small.
///
/// The connect time-out is the client's own ([`crate::CONNECT_TIMEOUT`]); the SDK's read time-out covers the whole
/// exchange.
#[derive(Debug, Clone)]
pub struct ReqwestClient(reqwest::Client);

impl ReqwestClient {
    /// Sends through `client`, which must not follow redirects.
    pub fn new(client: reqwest::Client) -> Self {
        Self(client)
    }
}

impl HttpClient for ReqwestClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector {
            client: self.0.clone(),
            timeout: settings.read_timeout(),
        })
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        Some(ConnectorMetadata::new("reqwest", None))
    }
}

#[derive(Debug)]
struct Connector {
    client: reqwest::Client,
    timeout: Option<Duration>,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.client.clone();
        let timeout = self.timeout;
        HttpConnectorFuture::new(async move {
            let mut request = outgoing(request)?;
            *request.timeout_mut() = timeout;
            incoming(client.execute(request).await.map_err(classify)?).await
        })
    }
}

fn outgoing(request: HttpRequest) -> Result<reqwest::Request, ConnectorError> {
    let request = request
        .try_into_http1x()
        .map_err(|e| ConnectorError::user(e.into()))?;
    let (parts, body) = request.into_parts();
    let body = body
        .bytes()
        .ok_or_else(|| ConnectorError::user("the request body is not in memory".into()))?
        .to_vec();
    reqwest::Request::try_from(http::Request::from_parts(parts, body)).map_err(classify)
}

async fn incoming(mut response: reqwest::Response) -> Result<HttpResponse, ConnectorError> {
    let mut answer = http::Response::new(SdkBody::empty());
    *answer.status_mut() = response.status();
    *answer.headers_mut() = std::mem::take(response.headers_mut());
    let body = response.bytes().await.map_err(classify)?;
    // A body in this form prints as nothing, whatever the SDK logs; a secret's value may be in it.
    *answer.body_mut() = SdkBody::from_body_1_x(Full::new(body));
    HttpResponse::try_from(answer).map_err(|e| ConnectorError::other(e.into(), None))
}

/// The SDK repeats what it is told was a time-out or an I/O error, and nothing else.
fn classify(error: reqwest::Error) -> ConnectorError {
    let error = error.without_url();
    if error.is_timeout() {
        ConnectorError::timeout(error.into())
    } else if error.is_connect() {
        ConnectorError::io(error.into()).never_connected()
    } else if error.is_builder() {
        ConnectorError::user(error.into())
    } else if error.is_request() || error.is_body() || error.is_decode() {
        ConnectorError::io(error.into())
    } else {
        ConnectorError::other(error.into(), None)
    }
}

#[cfg(test)]
mod tests;
