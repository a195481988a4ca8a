//! The HTTP side: takes requests, lets the provider's API answer them, and makes go wrong what is to go wrong.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use futures::{StreamExt, stream};
use http::request::Parts;
use http::{HeaderValue, Request, Response, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::{SignedDuration, Timestamp};
use keyward_core::ports::Clock;
use secrecy::ExposeSecret;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::account::Account;
use super::admin;
use super::api::{Api, Call, Reply, api_of, read_query};
use super::exchange::Recorder;
use super::faults::{Answer, Body, Effect, Fault, RetryAfter};
use super::log::LoggedRequest;
use super::settings::{Settings, UnknownFields};

type WireBody = BoxBody<Bytes, io::Error>;

/// The account, the API over it, and the lock around both.
pub(super) struct Shared {
    pub(super) api: Box<dyn Api>,
    account: Mutex<Account>,
    pub(super) recorder: Recorder,
}

/// What becomes of a request on the wire.
enum Outcome {
    Whole(Reply),
    Half(Reply),
    Closed,
    Silence,
}

impl Shared {
    pub(super) fn new(clock: Arc<dyn Clock>, settings: Settings) -> Self {
        let api = api_of(settings.provider);
        let account = Mutex::new(Account::new(clock, settings, api.as_ref()));
        Self {
            api,
            account,
            recorder: Recorder::default(),
        }
    }

    pub(super) fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().expect("not poisoned")
    }

    /// One request to the provider: effect, answer and log entry under one lock.
    fn act(&self, parts: &Parts, path: &str, body: Vec<u8>) -> Outcome {
        let account = &mut *self.account();
        let method = parts.method.as_str().to_owned();
        let sent = path;
        let path = &*self.api.operation(sent, &body);
        let label = self.api.label(&method, path, &body);
        let call = Call {
            caller: account.caller(self.api.as_ref(), self.api.credential(&parts.headers)),
            method,
            path: path.to_owned(),
            query: read_query(parts.uri.query().unwrap_or_default()),
            beta: header_text(parts, "anthropic-beta"),
            body,
        };
        let fault = account.faults.next(&call.method, path);
        let reply = match &fault {
            Some(fault) if fault.effect == Effect::Never => {
                self.api.error(500, "Internal Server Error")
            }
            _ => self.api.answer(account, &call),
        };
        let reply = match account.settings.unknown_fields {
            UnknownFields::Absent => reply,
            UnknownFields::Everywhere => reply.with_unknown_fields(),
        };
        let now = account.now();
        let outcome = match &fault {
            Some(fault) => self.spoil(fault, reply, now),
            None => Outcome::Whole(reply),
        };
        let kind = self.api.kind(&call.method, path);
        self.recorder
            .note((parts, sent), &call, kind, fault.as_ref(), outcome.whole());
        account.log.push(LoggedRequest {
            at: now,
            path: logged_path(account, parts, path),
            kind,
            method: call.method,
            caller: call.caller,
            label,
            status: outcome.status(),
            fault,
        });
        outcome
    }

    fn spoil(&self, fault: &Fault, reply: Reply, now: Timestamp) -> Outcome {
        match &fault.answer {
            Answer::Closed => Outcome::Closed,
            Answer::Silence => Outcome::Silence,
            Answer::HalfSent => Outcome::Half(reply),
            Answer::Truncated => Outcome::Whole(Reply {
                status: 200,
                body: reply.body[..reply.body.len() / 2].to_vec(),
                ..reply
            }),
            Answer::ErrorObject => Outcome::Whole(Reply {
                status: 200,
                ..self.api.error(500, "Internal Server Error")
            }),
            Answer::RateLimited(retry_after) => Outcome::Whole(Reply {
                retry_after: retry_after.value(now),
                ..self.api.error(429, "Rate limit exceeded")
            }),
            Answer::Status { status, body } => Outcome::Whole(match body {
                Body::Json => self.api.error(*status, "Injected fault"),
                Body::Html => Reply::html(*status),
                Body::Empty => Reply::empty(*status),
            }),
            Answer::Recorded {
                status,
                retry_after,
                body,
            } => Outcome::Whole(Reply {
                status: *status,
                content_type: "application/json",
                retry_after: retry_after.clone(),
                body: body.clone().into_bytes(),
            }),
        }
    }
}

impl Outcome {
    fn whole(&self) -> Option<&Reply> {
        match self {
            Self::Whole(reply) => Some(reply),
            Self::Half(_) | Self::Closed | Self::Silence => None,
        }
    }

    fn status(&self) -> Option<u16> {
        match self {
            Self::Whole(reply) | Self::Half(reply) => Some(reply.status),
            Self::Closed | Self::Silence => None,
        }
    }
}

impl RetryAfter {
    fn value(self, now: Timestamp) -> Option<String> {
        match self {
            Self::Absent => None,
            Self::Seconds(seconds) => Some(seconds.to_string()),
            Self::Date(seconds) => {
                let at = now + SignedDuration::from_secs(seconds.into());
                DateTimePrinter::new().timestamp_to_rfc9110_string(&at).ok()
            }
        }
    }
}

fn header_text(parts: &Parts, name: &str) -> Option<String> {
    let value = parts.headers.get(name)?.to_str().ok()?;
    Some(value.to_owned())
}

/// Path and query without any key's text that a caller may have put there.
fn logged_path(account: &Account, parts: &Parts, path: &str) -> String {
    let query = parts.uri.query().map(|query| format!("?{query}"));
    let shown = format!("{path}{}", query.unwrap_or_default());
    account.keys.iter().fold(shown, |shown, key| {
        shown.replace(key.text.expose_secret(), "[key]")
    })
}

/// Serves until it is dropped, every connection with it.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            connections.spawn(connection(stream, shared.clone()));
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(move |request| respond(shared.clone(), request));
    let served = http1::Builder::new()
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service);
    // A fault that was asked for, or a caller that went away: the log has both.
    let _ = served.await;
}

/// An error closes the connection without an answer.
async fn respond(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<WireBody>, io::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?;
    let body = body.to_bytes().to_vec();
    let path = parts.uri.path().to_owned();
    let outcome = if let Some(path) = path.strip_prefix(admin::BASE_PATH) {
        Outcome::Whole(admin::answer(&shared, parts.method.as_str(), path, &body))
    } else if let Some(path) = path.strip_prefix(shared.api.base_path()) {
        shared.act(&parts, path, body)
    } else {
        Outcome::Whole(Reply::html(404))
    };
    match outcome {
        Outcome::Whole(reply) => Ok(response(&reply, whole(&reply))),
        Outcome::Half(reply) => Ok(half_response(&reply)),
        Outcome::Closed => Err(io::Error::other("closed as asked")),
        Outcome::Silence => std::future::pending().await,
    }
}

fn response(reply: &Reply, body: WireBody) -> Response<WireBody> {
    let mut response = Response::new(body);
    *response.status_mut() =
        http::StatusCode::from_u16(reply.status).expect("statuses are three digits");
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(reply.content_type),
    );
    if let Some(value) = &reply.retry_after {
        let value = HeaderValue::from_str(value).expect("digits or an HTTP date");
        headers.insert(header::RETRY_AFTER, value);
    }
    response
}

fn whole(reply: &Reply) -> WireBody {
    let body = Full::new(Bytes::from(reply.body.clone()));
    body.map_err(|never: Infallible| match never {}).boxed()
}

/// Announces the whole body and breaks off in the middle, after what there is has been flushed.
fn half_response(reply: &Reply) -> Response<WireBody> {
    let half = Bytes::from(reply.body[..reply.body.len() / 2].to_vec());
    let start = stream::once(async { Ok(Frame::data(half)) });
    let end = stream::once(async {
        tokio::task::yield_now().await;
        Err(io::Error::other("broken off as asked"))
    });
    let mut response = response(reply, BodyExt::boxed(StreamBody::new(start.chain(end))));
    let length = HeaderValue::from(reply.body.len());
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, length);
    response
}
