//! What the Gemini API's answers say about the key that asked. By status and reason, never by status or words alone.
//!
//! | answer | verdict |
//! | --- | --- |
//! | 200 with a list of models; for a key that is bound to a service account, a count of tokens too | live |
//! | 400 `INVALID_ARGUMENT`, reason `API_KEY_INVALID` | dead: unknown or deleted |
//! | 403, reason `BILLING_DISABLED` | blocked for money |
//! | 403, a reason that a key is blocked, its service is off, or its project is suspended | blocked for scope |
//!
//! Everything else is unknown: 429 is said of too many requests and of used up credit alike, and 401 of keys that are
//! bound and new. Reasons: <https://github.com/googleapis/googleapis/blob/master/google/api/error_reason.proto>; which of
//! them the Gemini API gives in which case has not been tried there.

use http::StatusCode;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::Verdict;
use serde::Deserialize;

use super::wire::{self, ErrorData};
use crate::http::Answer;

/// Reasons of a 403 that are about what a key may do, not about whether it is one.
const FOR_SCOPE: [&str; 8] = [
    "API_KEY_SERVICE_BLOCKED",
    "API_KEY_IP_ADDRESS_BLOCKED",
    "API_KEY_HTTP_REFERRER_BLOCKED",
    "API_KEY_ANDROID_APP_BLOCKED",
    "API_KEY_IOS_APP_BLOCKED",
    "SERVICE_DISABLED",
    "CONSUMER_SUSPENDED",
    "IAM_PERMISSION_DENIED",
];

/// A model, as the list tells it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Model {
    #[serde(default)]
    name: String,
    #[serde(default)]
    supported_generation_methods: Vec<String>,
}

#[derive(Deserialize)]
struct Models {
    models: Vec<Model>,
}

/// By the list of models. <https://ai.google.dev/api/models#method:-models.list>
pub(super) fn of(answer: &Answer) -> Verdict {
    if answer.status != StatusCode::OK {
        return refused(answer);
    }
    match wire::read::<Models>(&answer.body) {
        Some(_) => Verdict::Live,
        None => Verdict::Unknown(OutsideText::new(
            "HTTP 200 with a body that is no list of models",
        )),
    }
}

/// By a count of tokens. <https://ai.google.dev/api/tokens#method:-models.counttokens>
pub(super) fn of_a_count(answer: &Answer) -> Verdict {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Counted {
        #[serde(rename = "totalTokens")]
        _total_tokens: u64,
    }
    if answer.status != StatusCode::OK {
        return refused(answer);
    }
    match wire::read::<Counted>(&answer.body) {
        Some(_) => Verdict::Live,
        None => Verdict::Unknown(OutsideText::new(
            "HTTP 200 with a body that is no count of tokens",
        )),
    }
}

/// The first listed model that counts tokens, without what its name is in.
pub(super) fn counting_model(answer: &Answer) -> Option<String> {
    let listed = wire::read::<Models>(&answer.body)?;
    let counts = |model: &&Model| {
        let methods = &model.supported_generation_methods;
        methods.iter().any(|method| method == "countTokens")
    };
    let model = listed.models.iter().find(counts)?;
    let name = model.name.strip_prefix("models/")?;
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    (!name.is_empty() && name.bytes().all(allowed)).then(|| name.to_owned())
}

fn refused(answer: &Answer) -> Verdict {
    let detail = answer.detail.clone();
    let Some(error) = ErrorData::read(answer.status.as_u16(), &answer.body) else {
        return Verdict::Unknown(detail);
    };
    let reason = error.reason().unwrap_or_default();
    match (answer.status.as_u16(), error.status.as_str(), reason) {
        (400, "INVALID_ARGUMENT", "API_KEY_INVALID") => Verdict::Dead(detail),
        (403, "PERMISSION_DENIED", "BILLING_DISABLED") => Verdict::BlockedForMoney(detail),
        (403, "PERMISSION_DENIED", reason) if FOR_SCOPE.contains(&reason) => {
            Verdict::BlockedForScope(detail)
        }
        _ => Verdict::Unknown(detail),
    }
}
