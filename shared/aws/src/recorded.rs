//! An AWS that answers what it is told to, in order.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

/// What comes back for one request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// Status and body.
    Body(u16, String),
    /// Status and body, in CloudWatch's protocol.
    Cbor(u16, Vec<u8>),
    /// Status, a header, and body.
    Headed(u16, (&'static str, &'static str), String),
    /// Nothing, in time.
    TimedOut,
}

impl Answer {
    pub(crate) fn ok(body: &Value) -> Self {
        Self::Body(200, body.to_string())
    }

    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        Self::Body(
            status,
            json!({"__type": code, "message": message}).to_string(),
        )
    }

    /// A map with the one field `__type`: <https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html>.
    pub(crate) fn cbor_error(status: u16, code: &str) -> Self {
        let mut body = vec![0xa1, 0x66];
        body.extend(b"__type");
        let length = u8::try_from(code.len()).unwrap();
        body.extend([0x78, length]);
        body.extend(code.as_bytes());
        Self::Cbor(status, body)
    }
}

/// A request as it was sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    /// The operation, without the service; empty where the path says it.
    pub(crate) operation: String,
    pub(crate) body: Value,
    /// Method and address.
    pub(crate) line: String,
    headers: Vec<(String, String)>,
}

impl Sent {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let (_, value) = headers.find(|(n, _)| n == name)?;
        Some(value)
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Recorded {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Recorded {
    pub(crate) fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self {
            answers: Arc::new(Mutex::new(answers.into_iter().collect())),
            sent: Arc::default(),
        }
    }

    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }

    /// Without repetitions, so that each answer belongs to one call.
    pub(crate) fn config(&self) -> SdkConfig {
        let credentials = Credentials::new("testing", "testing", None, None, "testing");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(RetryConfig::disabled())
            .http_client(self.clone())
            .build()
    }
}

impl HttpClient for Recorded {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Recorded {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let body = serde_json::from_slice(request.body().bytes().unwrap()).unwrap_or_default();
        let headers = request.headers().iter();
        self.sent.lock().unwrap().push(Sent {
            operation,
            body,
            line: format!("{} {}", request.method(), request.uri()),
            headers: headers.map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
        });
        let answer = self.answers.lock().unwrap().pop_front();
        let respond = |status: u16, body: SdkBody| {
            let mut response = HttpResponse::new(status.try_into().unwrap(), body);
            response.headers_mut().insert("x-amzn-requestid", "r-1");
            response
        };
        HttpConnectorFuture::ready(match answer {
            Some(Answer::Body(status, body)) => Ok(respond(status, body.into())),
            Some(Answer::Cbor(status, body)) => {
                let mut response = respond(status, body.into());
                let headers = response.headers_mut();
                headers.insert("smithy-protocol", "rpc-v2-cbor");
                headers.insert("content-type", "application/cbor");
                Ok(response)
            }
            Some(Answer::Headed(status, (name, value), body)) => {
                let mut response = respond(status, body.into());
                response.headers_mut().insert(name, value);
                Ok(response)
            }
            Some(Answer::TimedOut) => Err(ConnectorError::timeout("no answer".into())),
            None => Err(ConnectorError::user("no answer is left".into())),
        })
    }
}
