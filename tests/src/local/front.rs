//! Plays the control function's URL with IAM authentication:
//! <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html>.

use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::signature::is_signed;
use crate::emulators::{THROTTLED, invoke};

/// Bytes that a function URL takes.
const MAX_BODY: usize = 6 * 1024 * 1024;

/// Who asks, whoever does: signatures here are made with one pair of credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// A person.
    Operator,
    /// A session of the role of the sample fleet's agents.
    Agent,
}

impl Caller {
    const fn arn(self) -> &'static str {
        match self {
            Self::Operator => "arn:aws:iam::123456789012:user/operator",
            Self::Agent => "arn:aws:sts::123456789012:assumed-role/agents/one",
        }
    }
}

/// The role that [`Caller::Agent`] has a session of.
pub(super) const AGENTS: &str = "arn:aws:iam::123456789012:role/agents";

/// A running front. Ends when dropped.
pub(super) struct Front {
    pub(super) url: String,
    task: JoinHandle<()>,
}

impl Front {
    /// Starts on a free loopback port, before the function `function` of the emulator at `emulator`.
    pub(super) async fn start(emulator: &str, function: &str, caller: Caller) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a free loopback port");
        let address = listener.local_addr().expect("an address");
        let (emulator, function) = (emulator.to_owned(), function.to_owned());
        let router = Router::new().fallback(move |request: Request| {
            let (emulator, function) = (emulator.clone(), function.clone());
            async move { answer(&emulator, &function, caller, request).await }
        });
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Self {
            url: format!("http://{address}/"),
            task,
        }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(emulator: &str, function: &str, caller: Caller, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    if !is_signed(&parts, &body) {
        return forbidden();
    }
    let event = event_by(caller, parts.method.as_str(), parts.uri.path(), &body);
    let (answer, is_error) = invoke(emulator, function, &event).await;
    // <https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html>, throttling
    if answer["errorType"] == THROTTLED {
        return StatusCode::TOO_MANY_REQUESTS.into_response();
    }
    let status = answer["statusCode"]
        .as_u64()
        .and_then(|n| u16::try_from(n).ok());
    let status = status.and_then(|n| StatusCode::from_u16(n).ok());
    match (is_error, status) {
        (false, Some(status)) => {
            let body = answer["body"].as_str().unwrap_or_default().to_owned();
            (status, [("content-type", "application/json")], body).into_response()
        }
        _ => StatusCode::BAD_GATEWAY.into_response(),
    }
}

fn forbidden() -> Response {
    let body = json!({ "Message": "Forbidden" }).to_string();
    (StatusCode::FORBIDDEN, body).into_response()
}

/// What the function gets of an operator's request.
pub fn event(method: &str, path: &str, body: &[u8]) -> Value {
    event_by(Caller::Operator, method, path, body)
}

fn event_by(caller: Caller, method: &str, path: &str, body: &[u8]) -> Value {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::SeqCst);
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json"},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "local",
            "authorizer": {"iam": {
                "accountId": "123456789012", "callerId": "AIDAEXAMPLE", "userArn": caller.arn(),
            }},
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"},
            "requestId": format!("00000000-0000-4000-8000-{count:012}"),
            "stage": "$default",
        },
        "body": String::from_utf8_lossy(body),
        "isBase64Encoded": false,
    })
}
