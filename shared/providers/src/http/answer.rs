//! What came back: a whole answer, or the reason that there is none.

use http::{HeaderMap, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use keyward_core::model::text::OutsideText;
use keyward_core::ports::ProviderError;
use serde_json::Value;

use super::client::Repeat;
use super::credential::Credential;
use crate::aws::QueryError;

/// Bytes of an answer that says no which are read at most.
pub(super) const MAX_ERROR_BODY: usize = 8 * 1024;

/// Bytes of an answer that says yes which are read at most.
pub(super) const MAX_BODY: usize = 8 * 1024 * 1024;

/// No provider is waited for longer than this, whatever it asks.
const MAX_RETRY_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// A whole answer. No `Debug`: the body may hold a new key.
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// The body; of an error, its first 8 KiB.
    pub(crate) body: Vec<u8>,
    /// How long the provider asks to wait.
    pub(crate) retry_after: Option<SignedDuration>,
    /// The kind of an error, where it stands in AWS's own header.
    pub(crate) error_type: Option<String>,
    /// The status and the provider's own short words, free of key text.
    pub(crate) detail: OutsideText,
}

impl Answer {
    /// Reads a whole response. The part of an error beyond the size cap is left unread.
    pub(super) async fn read(
        mut response: reqwest::Response,
        credential: &Credential,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let status = response.status();
        let retry_after = retry_after(response.headers(), now);
        let error_type = error_type(response.headers());
        let cap = if status.is_success() {
            MAX_BODY
        } else {
            MAX_ERROR_BODY
        };
        // Room for what is announced, and not for twice as much.
        let announced = response.content_length().unwrap_or(0);
        let mut body = Vec::with_capacity(usize::try_from(announced).unwrap_or(cap).min(cap));
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|e| Failure::of(&e, credential))?
        {
            let room = cap - body.len();
            if chunk.len() > room && status.is_success() {
                return Err(Failure::Lost(OutsideText::new("the answer is too long")));
            }
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if body.len() == cap && !status.is_success() {
                break;
            }
        }
        let detail = describe(status, &body, error_type.as_deref(), credential);
        Ok(Self {
            status,
            body,
            retry_after,
            error_type,
            detail,
        })
    }

    /// An answer as it would be read, from what came.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn canned(status: StatusCode, mut body: Vec<u8>, credential: &Credential) -> Self {
        if !status.is_success() {
            body.truncate(MAX_ERROR_BODY);
        }
        Self {
            status,
            retry_after: None,
            error_type: None,
            detail: describe(status, &body, None, credential),
            body,
        }
    }

    /// Whether the same request may get another answer in a moment.
    pub(super) fn is_passing(&self) -> bool {
        self.status.is_server_error()
            || matches!(
                self.status,
                StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
            )
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// There was no connection: the request was not sent.
    NotSent(OutsideText),
    /// The request may have had its effect.
    Lost(OutsideText),
}

impl Failure {
    pub(super) fn of(error: &reqwest::Error, credential: &Credential) -> Self {
        let what = if error.is_connect() {
            "no connection"
        } else if error.is_timeout() {
            "no answer in time"
        } else {
            "the connection broke off"
        };
        let detail = credential.scrub(&format!("{what}: {}", root_of(error)));
        let detail = OutsideText::new(&detail);
        if error.is_connect() {
            Self::NotSent(detail)
        } else {
            Self::Lost(detail)
        }
    }

    /// What it means for a request of that kind.
    pub(crate) fn into_error(self, repeat: Repeat) -> ProviderError {
        match (self, repeat) {
            (Self::Lost(detail), Repeat::Never) => ProviderError::Ambiguous { detail },
            (Self::Lost(detail) | Self::NotSent(detail), _) => ProviderError::RetryAfter {
                after: None,
                detail,
            },
        }
    }

    /// What went wrong.
    pub(crate) fn detail(self) -> OutsideText {
        match self {
            Self::NotSent(detail) | Self::Lost(detail) => detail,
        }
    }
}

/// The innermost cause. The outer ones name the URL.
fn root_of(error: &reqwest::Error) -> String {
    let mut cause = std::error::Error::source(error);
    let mut text = String::new();
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    text
}

/// Retry-After in either of its forms, seconds or a date:
/// <https://www.rfc-editor.org/rfc/rfc9110#field.retry-after>.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<SignedDuration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let asked = if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() {
        text.parse()
            .map_or(MAX_RETRY_AFTER, SignedDuration::from_secs)
    } else {
        let date = httpdate::parse_http_date(text).ok()?;
        Timestamp::try_from(date).ok()?.duration_since(now)
    };
    Some(asked.clamp(SignedDuration::ZERO, MAX_RETRY_AFTER))
}

/// `AccessDeniedException:http://…` without what follows the kind.
/// <https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html#operation-error-serialization>
fn error_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get("x-amzn-errortype")?.to_str().ok()?;
    let kind = value.split(':').next().unwrap_or_default();
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'_';
    (!kind.is_empty() && kind.bytes().all(is_name)).then(|| kind.to_owned())
}

/// The status, and of a short body the kind and the message of its error: the `type`, `code` or `status` and the
/// `message` of the `error` in JSON, or what AWS writes in XML. Nothing else of it.
fn describe(
    status: StatusCode,
    body: &[u8],
    error_type: Option<&str>,
    credential: &Credential,
) -> OutsideText {
    let mut text = format!("HTTP {}", status.as_u16());
    if let Some(error) = (body.len() <= MAX_ERROR_BODY)
        .then(|| QueryError::read(body))
        .flatten()
    {
        let words = format!("{text}, {}: {}", error.code, error.message);
        return OutsideText::new(&credential.scrub(&words));
    }
    // A long list is not read twice.
    let body: Option<Value> = (body.len() <= MAX_ERROR_BODY)
        .then(|| serde_json::from_slice(body).ok())
        .flatten();
    let error = body.as_ref().and_then(|body| body.get("error"));
    let part = |name: &str| error.and_then(|e| e.get(name)).and_then(Value::as_str);
    let kind = part("type")
        .or_else(|| part("code"))
        .or_else(|| part("status"));
    if let Some(kind) = kind.or(error_type) {
        text.push_str(", ");
        text.push_str(kind);
    }
    if let Some(message) = part("message").or_else(|| error.and_then(Value::as_str)) {
        text.push_str(": ");
        text.push_str(message);
    }
    OutsideText::new(&credential.scrub(&text))
}

#[cfg(test)]
mod tests {
    use keyward_core::model::key::ApiKey;

    use super::*;
    use crate::http::Scheme;

    #[test]
    fn retry_after_is_read_in_both_forms_and_capped() {
        let now: Timestamp = "2026-11-25T15:00:00Z".parse().unwrap();
        for (value, expected) in [
            ("20", Some(20)),
            (" 0 ", Some(0)),
            ("Wed, 25 Nov 2026 15:05:00 GMT", Some(300)),
            ("Wed, 25 Nov 2026 14:05:00 GMT", Some(0)),
            ("Wed, 25 Nov 2099 14:05:00 GMT", Some(3600)),
            ("7200", Some(3600)),
            ("99999999999999999999999", Some(3600)),
            ("-5", None),
            ("soon", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(header::RETRY_AFTER, value.parse().unwrap())]);
            let got = retry_after(&headers, now).map(|d| d.as_secs());
            assert_eq!(got, expected, "{value}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn the_kind_of_an_aws_error_stands_before_the_colon() {
        for (value, expected) in [
            ("AccessDeniedException", Some("AccessDeniedException")),
            (
                "ThrottlingException:http://internal.amazon.com/",
                Some("ThrottlingException"),
            ),
            ("", None),
            ("<html>", None),
        ] {
            let headers = HeaderMap::from_iter([(
                header::HeaderName::from_static("x-amzn-errortype"),
                value.parse().unwrap(),
            )]);
            assert_eq!(error_type(&headers).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn only_the_providers_short_words_are_kept() {
        let key = "sk-or-v1-EXAMPLE0123456789abcdef";
        let credential = Credential::new(Scheme::Bearer, &ApiKey::new(key)).unwrap();
        for (body, expected) in [
            (
                r#"{"error":{"code":403,"message":"No"},"user_id":"u"}"#.to_owned(),
                "HTTP 403: No",
            ),
            (
                r#"{"error":{"type":"requests","message":"Rate limit"}}"#.to_owned(),
                "HTTP 403, requests: Rate limit",
            ),
            (
                r#"{"error":{"code":403,"message":"No","status":"PERMISSION_DENIED"}}"#.to_owned(),
                "HTTP 403, PERMISSION_DENIED: No",
            ),
            (r#"{"error":"flat"}"#.to_owned(), "HTTP 403: flat"),
            (
                format!(r#"{{"error":{{"message":"bad {key}"}}}}"#),
                "HTTP 403: bad [hidden]",
            ),
            (r#"{"message":"outside"}"#.to_owned(), "HTTP 403"),
            (
                format!(
                    "<ErrorResponse><Error><Code>AccessDenied</Code><Message>bad {key}</Message></Error></ErrorResponse>"
                ),
                "HTTP 403, AccessDenied: bad [hidden]",
            ),
            ("<html>denied</html>".to_owned(), "HTTP 403"),
            (String::new(), "HTTP 403"),
        ] {
            let got = describe(StatusCode::FORBIDDEN, body.as_bytes(), None, &credential);
            assert_eq!(got.as_str(), expected, "{body}");
        }
    }
}
