//! Requests and answers as they were on the wire, kept on demand: what conformance checks against descriptions.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard};

use http::request::Parts;

use super::api::{Call, Reply};
use super::faults::{Answer, Body, Fault};
use super::log::RequestKind;

/// One request, and the provider's answer to it.
///
/// Bodies, and queries of some providers, hold key texts: nothing of them is in `Debug`, and whoever reads this prints
/// neither. Of the headers there are only the names, and what the body is.
#[derive(Clone)]
pub struct Exchange {
    /// HTTP method.
    pub method: String,
    /// The path below the API's base.
    pub path: String,
    /// The query's pairs, in order.
    pub query: Vec<(String, String)>,
    /// The names of the request's headers, in lower case.
    pub headers: BTreeSet<String>,
    /// What the request says that its body is.
    pub content_type: Option<String>,
    /// The request's body.
    pub body: Vec<u8>,
    /// What for.
    pub kind: RequestKind,
    /// The answer, whole and in the provider's own words; absent if a fault lost or cut it, or somebody in between
    /// answered.
    pub answer: Option<Answered>,
}

/// An answer on the wire.
#[derive(Clone)]
pub struct Answered {
    /// HTTP status.
    pub status: u16,
    /// What the answer says that its body is.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let status = self.answer.as_ref().map(|answer| answer.status);
        write!(f, "Exchange({}, {:?}, {status:?})", self.method, self.kind)
    }
}

impl std::fmt::Debug for Answered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answered({})", self.status)
    }
}

/// Keeps exchanges from the moment on in which it is asked to.
#[derive(Default)]
pub(super) struct Recorder(Mutex<Option<Vec<Exchange>>>);

impl Recorder {
    fn kept(&self) -> MutexGuard<'_, Option<Vec<Exchange>>> {
        self.0.lock().expect("not poisoned")
    }

    pub(super) fn start(&self) {
        self.kept().get_or_insert_default();
    }

    /// What was kept so far; it goes on.
    pub(super) fn take(&self) -> Vec<Exchange> {
        self.kept().as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// `path` is as it was sent, below the API's base; `reply` is what was sent back, if something whole was.
    pub(super) fn note(
        &self,
        (parts, path): (&Parts, &str),
        call: &Call,
        kind: RequestKind,
        fault: Option<&Fault>,
        reply: Option<&Reply>,
    ) {
        let mut kept = self.kept();
        let Some(kept) = kept.as_mut() else {
            return;
        };
        let content_type = parts.headers.get(http::header::CONTENT_TYPE);
        let own = reply.filter(|_| fault.is_none_or(is_own));
        kept.push(Exchange {
            method: call.method.clone(),
            path: path.to_owned(),
            query: call.query.clone(),
            headers: parts.headers.keys().map(ToString::to_string).collect(),
            content_type: content_type
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned),
            body: call.body.clone(),
            kind,
            answer: own.map(|reply| Answered {
                status: reply.status,
                content_type: reply.content_type,
                body: reply.body.clone(),
            }),
        });
    }
}

/// Whether a fault's answer is one that the provider gives, in its own words.
fn is_own(fault: &Fault) -> bool {
    match &fault.answer {
        Answer::RateLimited(_) => true,
        Answer::Status { status, body } => *body == Body::Json && *status >= 400,
        Answer::Closed
        | Answer::Silence
        | Answer::HalfSent
        | Answer::Truncated
        | Answer::ErrorObject
        | Answer::Recorded { .. } => false,
    }
}
