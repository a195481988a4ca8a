//! HTTP on 127.0.0.1, as AWS's agent speaks it, and more in headers.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use keyward_client::leased::Lease;
use keyward_client::{FetchError, KeyError};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use crate::answers::Answers;
use crate::config::Token;
use crate::ready::Ready;
use crate::request::{Asked, asked, is_ping};

/// Where the token stands, in one of these.
const TOKEN_HEADERS: [&str; 2] = ["x-aws-parameters-secrets-token", "x-vault-token"];

/// How old the value is, in seconds,
const AGE: HeaderName = HeaderName::from_static("x-keyward-age");
/// and how long it may still be used.
const LEASE: HeaderName = HeaderName::from_static("x-keyward-lease");

/// Two connections more may ask whether the sidecar lives.
const FOR_PINGS: usize = 2;

/// For what a request has in it beside its body, and for one connection to say it.
const MOST_HEAD: usize = 16 * 1024;
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// How long it is waited where no connection can be accepted: file handles may have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

type Answer = Response<Full<Bytes>>;

/// Answers whoever knows the token.
#[derive(Debug, Clone)]
pub struct Server(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    answers: Answers,
    token: Token,
    most: usize,
    open: AtomicUsize,
}

/// One connection, counted as long as it is open.
struct Open(Arc<Inner>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Server {
    /// Of `answers`, for `most` connections at the same time.
    pub fn new(answers: Answers, token: Token, most: usize) -> Self {
        Self(Arc::new(Inner {
            answers,
            token,
            most,
            open: AtomicUsize::new(0),
        }))
    }

    /// Serves for ever.
    pub async fn serve(&self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => self.connected(stream),
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn connected(&self, stream: TcpStream) {
        // What is sent passes no router.
        if stream.set_ttl(1).is_err() {
            return;
        }
        let _ = stream.set_nodelay(true);
        let server = self.clone();
        tokio::spawn(async move { server.serve_connection(stream).await });
    }

    /// Serves what comes over one connection, until it ends.
    pub async fn serve_connection<I>(&self, stream: I)
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let number = self.0.open.fetch_add(1, Ordering::Relaxed) + 1;
        let open = Open(self.0.clone());
        let service = service_fn(|request| {
            let inner = open.0.clone();
            async move { Ok::<_, Infallible>(inner.answer(&request, number).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(MOST_HEAD)
            .serve_connection(TokioIo::new(stream), service);
        // Whoever hung up, or sent no HTTP, is owed nothing.
        let _ = connection.await;
    }
}

impl Inner {
    async fn answer<B>(&self, request: &Request<B>, connection: usize) -> Answer {
        match self.looked_at(request, connection).await {
            Ok(answer) | Err(answer) => answer,
        }
    }

    /// In the order of AWS's agent: connections, hops and token, method, path.
    async fn looked_at<B>(
        &self,
        request: &Request<B>,
        connection: usize,
    ) -> Result<Answer, Answer> {
        let is_ping = is_ping(request.uri());
        let most = if is_ping {
            self.most + FOR_PINGS
        } else {
            self.most
        };
        if connection > most {
            return Err(plain(
                StatusCode::TOO_MANY_REQUESTS,
                "Connection limit exceeded",
            ));
        }
        if !is_ping && let Some(refusal) = self.refusal(request) {
            return Err(refusal);
        }
        if request.method() != Method::GET {
            return Err(plain(StatusCode::METHOD_NOT_ALLOWED, "Not allowed"));
        }
        let asked = asked(request.uri()).map_err(|why| plain(StatusCode::BAD_REQUEST, &why))?;
        match asked {
            Asked::Ping => Ok(plain(StatusCode::OK, "healthy")),
            Asked::Unknown => Err(plain(StatusCode::NOT_FOUND, "Not found")),
            Asked::Secret(query, fresh) => {
                let found = self.answers.get(query, fresh).await;
                found
                    .and_then(|lease| given(&lease))
                    .map_err(|error| refused(&error))
            }
        }
    }

    /// Why whoever asks gets nothing: the request was forwarded, or comes without the token.
    fn refusal<B>(&self, request: &Request<B>) -> Option<Answer> {
        let headers = request.headers();
        if headers.contains_key("x-forwarded-for") {
            tracing::warn!("a request that was forwarded is refused");
            return Some(plain(StatusCode::BAD_REQUEST, "Forwarded"));
        }
        let given = TOKEN_HEADERS.iter().filter_map(|name| headers.get(*name));
        let mut known = given.map(|value| self.token.is(value.as_bytes()));
        if known.any(|is| is) {
            return None;
        }
        tracing::warn!("a request without the token is refused");
        Some(plain(StatusCode::FORBIDDEN, "Bad Token"))
    }
}

fn made(status: StatusCode, kind: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    answer
}

fn plain(status: StatusCode, text: &str) -> Answer {
    made(
        status,
        "text/plain",
        Bytes::copy_from_slice(text.as_bytes()),
    )
}

fn given(lease: &Lease<Ready>) -> Result<Answer, KeyError> {
    let mut answer = made(StatusCode::OK, "application/json", lease.get()?.bytes());
    let headers = answer.headers_mut();
    headers.insert(AGE, lease.age().as_secs().into());
    headers.insert(LEASE, lease.left().as_secs().into());
    Ok(answer)
}

/// What went wrong, as AWS's agent says it: the status of Secrets Manager's answer, 502 where it could not be reached, 504 where it
/// did not answer in time.
fn refused(error: &KeyError) -> Answer {
    let timed_out = (StatusCode::GATEWAY_TIMEOUT, "TimeoutError");
    let (status, kind) = match error {
        KeyError::None { cause, .. } | KeyError::LeaseOver { cause, .. } => match cause {
            FetchError::Refused { code, .. } => (StatusCode::BAD_REQUEST, code.as_str()),
            FetchError::Busy { code } if code.starts_with("Internal") => {
                (StatusCode::INTERNAL_SERVER_ERROR, code.as_str())
            }
            FetchError::Busy { code } => (StatusCode::BAD_REQUEST, code.as_str()),
            FetchError::Unreachable(why) if why.contains("timed out") => timed_out,
            FetchError::Unreachable(_) | FetchError::NoAnswer => {
                (StatusCode::BAD_GATEWAY, "ConnectionError")
            }
            FetchError::Production(_) => (StatusCode::BAD_REQUEST, "AccessDeniedException"),
            FetchError::NoCredentials | FetchError::NotOne(_) | FetchError::Unusable(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure")
            }
        },
        KeyError::Waited { .. } => timed_out,
        KeyError::HeldTooLong { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure"),
    };
    tracing::warn!(%error, "no secret was given out");
    let body = json!({"__type": kind, "message": error.to_string()});
    made(status, "application/json", Bytes::from(body.to_string()))
}
