//! Access tokens, as OAuth's token endpoints give them out.

use http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use keyward_core::model::key::AdminKey;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::ProviderError;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::http::{Answer, Credential, HttpClient, Repeat, Request};

const FORM: &[(&str, &str)] = &[("content-type", "application/x-www-form-urlencoded")];

/// No token is taken for good longer than this.
const LONGEST: SignedDuration = SignedDuration::from_hours(1);

/// Sends the form `body`, which carries `credential`, to the token endpoint `url`. The errors in `passing` say nothing
/// about the credential.
pub(crate) async fn fetch(
    http: &HttpClient,
    url: Url,
    credential: Credential,
    body: String,
    passing: &[&str],
) -> Result<(AdminKey, Timestamp), ProviderError> {
    let request = Request {
        method: Method::POST,
        url,
        headers: FORM,
        credential,
        body: Some(body.into_bytes()),
        repeat: Repeat::Safe,
    };
    let now = http.now();
    match http.send(&request).await {
        Ok(answer) => token(&answer, now, passing),
        Err(failure) => Err(failure.into_error(Repeat::Safe)),
    }
}

/// The token in an answer to a request of `now`, and its end. A refusal is in OAuth's own form; anything else says
/// nothing about the credential. <https://www.rfc-editor.org/rfc/rfc6749#section-5.2>
pub(crate) fn token(
    answer: &Answer,
    now: Timestamp,
    passing: &[&str],
) -> Result<(AdminKey, Timestamp), ProviderError> {
    #[derive(Deserialize)]
    struct Token {
        access_token: String,
        expires_in: i64,
    }
    let no_use = |detail: OutsideText| ProviderError::RetryAfter {
        after: answer.retry_after,
        detail,
    };
    if answer.status.is_success() {
        let read = serde_json::from_slice::<Token>(&answer.body).ok();
        let read = read.filter(|token| token.expires_in > 0 && !token.access_token.is_empty());
        let what = "a token was asked for, but not answered readably";
        let token = read.ok_or_else(|| no_use(OutsideText::new(what)))?;
        let life = SignedDuration::from_secs(token.expires_in).min(LONGEST);
        return Ok((AdminKey::new(&token.access_token), now + life));
    }
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let refuses = matches!(
        answer.status,
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
    );
    let detail = answer.detail.clone();
    match body["error"].as_str() {
        Some(kind) if refuses && !passing.contains(&kind) => {
            Err(ProviderError::AdminCredential { detail })
        }
        _ => Err(no_use(detail)),
    }
}
