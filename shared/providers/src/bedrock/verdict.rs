//! What an answer to `GET /foundation-models` says about the key that asked. By its kind and message, never by status
//! alone: Bedrock says 403 both of a key that it does not know and of one that lacks a permission.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ListFoundationModels.html>
//!
//! `Dead` comes only from
//! - the kinds `UnrecognizedClientException`, `InvalidClientTokenId` and `ExpiredTokenException` with 403, as
//!   <https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html> and
//!   <https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html> have them, and
//! - 403 with the message that Bedrock has for a bearer token which is no key (any more). AWS does not document it; it is
//!   in <https://github.com/anomalyco/opencode/issues/47073> for an expired key.
//!
//! Not yet seen are the answers to a key that is Inactive or deleted. "Invalid API Key format" is no proof: Bedrock has
//! said that where a permission was missing,
//! <https://github.com/aws-solutions-library-samples/guidance-for-claude-code-with-amazon-bedrock/issues/784>.

use http::StatusCode;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::Verdict;
use serde::Deserialize;
use serde_json::Value;

use crate::http::Answer;

const NO_SUCH_KEY: [&str; 3] = [
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "ExpiredTokenException",
];

/// What Bedrock says of a token that is no key.
const NOT_VALID: &str = "Authentication failed: Please make sure your API Key is valid.";

/// What AWS says where a policy does not allow something:
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>.
const NOT_AUTHORIZED: &str = "is not authorized to perform";

/// An error's body. The message has been seen with either spelling.
#[derive(Deserialize)]
struct ErrorData {
    #[serde(default, alias = "Message")]
    message: Value,
    #[serde(rename = "__type", default)]
    kind: Value,
}

pub(super) fn of(answer: &Answer) -> Verdict {
    let detail = answer.detail.clone();
    if answer.status == StatusCode::OK {
        return accepted(&answer.body);
    }
    let error = serde_json::from_slice::<ErrorData>(&answer.body).ok();
    let (StatusCode::FORBIDDEN, Some(error)) = (answer.status, error) else {
        return Verdict::Unknown(detail);
    };
    // `com.amazon.coral.service#AccessDeniedException` is `AccessDeniedException`.
    let kind = error.kind.as_str().and_then(|kind| kind.rsplit('#').next());
    let kind = answer.error_type.as_deref().or(kind).unwrap_or_default();
    let message = error.message.as_str().unwrap_or_default();
    match kind {
        _ if NO_SUCH_KEY.contains(&kind) => Verdict::Dead(detail),
        "" | "AccessDeniedException" if message == NOT_VALID => Verdict::Dead(detail),
        "AccessDeniedException" if message.contains(NOT_AUTHORIZED) => {
            Verdict::BlockedForScope(OutsideText::new(
                "HTTP 403, AccessDeniedException: the IAM user may not list models with a key; it needs bedrock:CallWithBearerToken and bedrock:ListFoundationModels",
            ))
        }
        _ => Verdict::Unknown(detail),
    }
}

fn accepted(body: &[u8]) -> Verdict {
    let body: Option<Value> = serde_json::from_slice(body).ok();
    if body.is_some_and(|body| body["modelSummaries"].is_array()) {
        Verdict::Live
    } else {
        Verdict::Unknown(OutsideText::new(
            "HTTP 200 with a body that does not list models",
        ))
    }
}
