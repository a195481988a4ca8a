//! A provider's answer, read as it passes by: nothing of it is kept back or held up.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http_body::{Frame, SizeHint};
use percent_encoding::percent_decode_str;
use reqwest::{Body, Request, Response, ResponseBuilderExt as _};

use super::ledger::Ledger;
use super::scan::{Framing, Scanner, Sink};
use super::used::Used;
use crate::clock::Clock;
use crate::source::VersionId;

/// Larger error bodies are not looked at.
const MOST_ERROR: u64 = 64 * 1024;

/// What Google says of a key that is none, and of one that may not be used from here, as a kill restricts it:
/// <https://cloud.google.com/apis/design/errors#error_info>,
/// <https://docs.cloud.google.com/service-infrastructure/docs/service-management/reference/rpc/google.api#errorreason>.
const INVALID: [&[u8]; 2] = [b"API_KEY_INVALID", b"API_KEY_IP_ADDRESS_BLOCKED"];

/// Whether the answer's body says that the key is invalid. Only for answers with an error status, which are short.
pub(super) async fn says_key_is_invalid(
    answer: Response,
) -> reqwest_middleware::Result<(Response, bool)> {
    if answer
        .content_length()
        .is_some_and(|length| length > MOST_ERROR)
    {
        return Ok((answer, false));
    }
    let (parts, body) = taken_apart(answer);
    let bytes = Response::from(http::Response::new(body)).bytes().await?;
    let says = |reason: &&[u8]| bytes.windows(reason.len()).any(|window| window == *reason);
    let says_so = INVALID.iter().any(says);
    let answer = http::Response::from_parts(parts, Body::from(bytes));
    Ok((Response::from(answer), says_so))
}

/// An answer's parts, from which it can be put together again: where it came from is among them.
fn taken_apart(answer: Response) -> (http::response::Parts, Body) {
    let from = http::Response::builder().url(answer.url().clone());
    let from = from.body(()).map(|from| from.into_parts().0.extensions);
    let (mut parts, body) = http::Response::<Body>::from(answer).into_parts();
    parts.extensions.extend(from.unwrap_or_default());
    (parts, body)
}

/// Finds the model that a request names: in its body, or in its path (Gemini, Bedrock, Azure).
pub(super) fn asked_for(request: &Request) -> Option<String> {
    struct Model(Option<String>);

    impl Sink for Model {
        fn wants(&self, path: &str) -> bool {
            path == "model" && self.0.is_none()
        }

        fn take(&mut self, _: &str, value: &str) {
            self.0 = Some(value.to_owned());
        }
    }

    let mut found = Model(None);
    let mut scanner = Scanner::new(Framing::Whole);
    let body = request.body().and_then(Body::as_bytes).unwrap_or_default();
    for piece in body.chunks(4096) {
        scanner.feed(piece, &mut found);
        if found.0.is_some() {
            return found.0;
        }
    }
    let mut parts = request.url().path_segments()?;
    let kind = parts.find(|part| matches!(*part, "models" | "model" | "deployments"))?;
    let named = parts.next()?;
    // Gemini's paths go on with what is done; in Bedrock's names a colon stands before their version.
    let named = match kind {
        "models" => named.split(':').next()?,
        _ => named,
    };
    let model = percent_decode_str(named).decode_utf8().ok()?;
    (!model.is_empty()).then(|| model.into_owned())
}

/// One answer, for the ledger.
pub(super) struct Answer {
    ledger: Arc<Ledger>,
    version: VersionId,
    asked: Option<String>,
    clock: Arc<dyn Clock>,
}

impl Answer {
    /// To a request with the key of `version` that named the model `asked`.
    pub(super) fn new(
        ledger: Arc<Ledger>,
        version: VersionId,
        asked: Option<String>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            ledger,
            version,
            asked,
            clock,
        }
    }

    fn write_down(self, used: &Used) {
        let tokens = used.tokens();
        let model = used.model().or(self.asked.as_deref());
        if tokens.is_some() || model.is_some() {
            let now = self.clock.now().wall;
            self.ledger.add(&self.version, model, tokens, now);
        }
    }
}

/// The same answer, whose body is read as it passes by, and written down when it ends or is let go.
pub(super) fn counted(answer: Response, about: Answer) -> Response {
    let kind = answer.headers().get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let framing = match kind.split(';').next().unwrap_or_default().trim() {
        "text/event-stream" => Framing::Events,
        _ => Framing::Whole,
    };
    let (parts, body) = taken_apart(answer);
    let body = Body::wrap(Counted {
        body,
        scanner: Scanner::new(framing),
        used: Used::default(),
        about: Some(about),
    });
    Response::from(http::Response::from_parts(parts, body))
}

struct Counted {
    body: Body,
    scanner: Scanner,
    used: Used,
    about: Option<Answer>,
}

impl Counted {
    fn ends(&mut self) {
        if let Some(about) = self.about.take() {
            self.scanner.end(&mut self.used);
            about.write_down(&self.used);
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.ends();
    }
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = reqwest::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, reqwest::Error>>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.body).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(piece) = frame.data_ref() {
                    this.scanner.feed(piece, &mut this.used);
                }
            }
            Poll::Ready(_) => this.ends(),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
