//! What an answer to `GET /openai/models` says about the key that asked.
//!
//! | answer | verdict |
//! | --- | --- |
//! | 200 with a list of models | live |
//! | 401 `401` or `Unauthorized` that begins with "Access denied due to invalid subscription key" | dead |
//! | 403 `AuthenticationTypeDisabled` | blocked for scope: the resource takes no keys at all |
//!
//! Everything else is unknown: a firewall in front of the resource answers 403 to whatever key. The code of the 401 is
//! the status again, which other refusals have too, so its sentence is looked at: as in
//! <https://github.com/SciSharp/BotSharp/issues/386> and <https://github.com/vercel/chatbot/issues/588>. It is said of a
//! key of another resource as well: the host is the configuration's, and one resource's.
//! <https://learn.microsoft.com/rest/api/azureopenai/models/list>,
//! <https://learn.microsoft.com/azure/ai-services/disable-local-auth>

use http::StatusCode;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::Verdict;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::wire::ErrorData;
use crate::http::Answer;

/// What the resource says of a text that is none of its keys.
const NO_SUCH_KEY: &str = "Access denied due to invalid subscription key";

pub(super) fn of(answer: &Answer) -> Verdict {
    let detail = answer.detail.clone();
    if answer.status == StatusCode::OK {
        return accepted(answer);
    }
    let Some(error) = ErrorData::read(&answer.body) else {
        return Verdict::Unknown(detail);
    };
    match (answer.status.as_u16(), error.code.as_str()) {
        (401, "401" | "Unauthorized") if error.message().starts_with(NO_SUCH_KEY) => {
            Verdict::Dead(detail)
        }
        (403, "AuthenticationTypeDisabled") => Verdict::BlockedForScope(detail),
        _ => Verdict::Unknown(detail),
    }
}

fn accepted(answer: &Answer) -> Verdict {
    #[derive(Deserialize)]
    struct Models {
        object: String,
        #[serde(rename = "data")]
        _data: Vec<IgnoredAny>,
        #[serde(default)]
        error: Option<IgnoredAny>,
    }
    let models: Option<Models> = serde_json::from_slice(&answer.body).ok();
    match models {
        Some(models) if models.object == "list" && models.error.is_none() => Verdict::Live,
        _ => Verdict::Unknown(OutsideText::new(
            "HTTP 200 with a body that is no list of models",
        )),
    }
}
