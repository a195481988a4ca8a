//! Calls to OpenRouter's key API, and what its refusals mean.

use std::sync::Arc;

use http::{Method, StatusCode};
use keyward_core::model::key::ApiKey;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::ProviderError;
use serde::Serialize;
use url::Url;

use super::wire::{self, ErrorData};
use crate::admin::AdminCredential;
use crate::http::{Answer, BaseUrl, Credential, Failure, HttpClient, Repeat, Request};

pub(super) struct Client {
    http: Arc<HttpClient>,
    base: BaseUrl,
    admin: AdminCredential,
}

impl Client {
    pub(super) fn new(http: Arc<HttpClient>, base: BaseUrl, admin: AdminCredential) -> Self {
        Self { http, base, admin }
    }

    pub(super) fn url(&self, segments: &[&str]) -> Result<Url, ProviderError> {
        self.base
            .join(segments)
            .map_err(|_| ProviderError::Refused {
                detail: OutsideText::new("the key's handle cannot stand in a path"),
            })
    }

    /// Calls as the administrator. Only a 2xx is `Ok`.
    pub(super) async fn call(
        &self,
        method: Method,
        url: Url,
        body: Option<&(impl Serialize + Sync)>,
        repeat: Repeat,
    ) -> Result<Answer, ProviderError> {
        let body =
            body.map(serde_json::to_vec)
                .transpose()
                .map_err(|_| ProviderError::Refused {
                    detail: OutsideText::new("the request cannot be written as JSON"),
                })?;
        let (key, fetch) = self.admin.get().await?;
        let outcome = match Credential::bearer(&key) {
            None => Err(ProviderError::AdminCredential {
                detail: OutsideText::new("its text cannot stand in a header"),
            }),
            Some(credential) => {
                let request = Request {
                    method,
                    url,
                    credential,
                    body,
                    repeat,
                };
                match self.http.send(&request).await {
                    Ok(answer) if answer.status.is_success() => Ok(answer),
                    Ok(answer) => Err(refusal(answer, repeat)),
                    Err(failure) => Err(failure.into_error(repeat)),
                }
            }
        };
        if matches!(outcome, Err(ProviderError::AdminCredential { .. })) {
            self.admin.drop_refused(fetch).await;
        }
        outcome
    }

    /// Asks once, as the key itself, over a fresh connection. `None` if the key's text cannot be sent.
    pub(super) async fn ask_as(&self, key: &ApiKey, url: Url) -> Option<Result<Answer, Failure>> {
        let request = Request {
            method: Method::GET,
            url,
            credential: Credential::bearer(key)?,
            body: None,
            repeat: Repeat::Never,
        };
        Some(self.http.send(&request).await)
    }
}

/// What an answer other than 2xx means for an administrator's call.
///
/// Only OpenRouter's own JSON is a refusal: a proxy in between has 401, 403 and 404 pages too, and says nothing about
/// what became of the request.
fn refusal(answer: Answer, repeat: Repeat) -> ProviderError {
    let own = ErrorData::read(answer.status.as_u16(), &answer.body).is_some();
    let detail = answer.detail;
    match answer.status {
        StatusCode::TOO_MANY_REQUESTS => ProviderError::RetryAfter {
            after: answer.retry_after,
            detail,
        },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if own => {
            ProviderError::AdminCredential { detail }
        }
        StatusCode::NOT_FOUND if own => ProviderError::NotFound,
        StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN
        | StatusCode::NOT_FOUND
        | StatusCode::REQUEST_TIMEOUT => no_use(repeat, answer.retry_after, detail),
        status if status.is_client_error() && wire::is_json_error(&answer.body) => {
            ProviderError::Refused { detail }
        }
        _ => no_use(repeat, answer.retry_after, detail),
    }
}

/// A 2xx whose body is not what the API describes.
pub(super) fn unreadable(repeat: Repeat, what: &str) -> ProviderError {
    no_use(repeat, None, OutsideText::new(what))
}

fn no_use(
    repeat: Repeat,
    after: Option<jiff::SignedDuration>,
    detail: OutsideText,
) -> ProviderError {
    match repeat {
        Repeat::Never => ProviderError::Ambiguous { detail },
        Repeat::Safe => ProviderError::RetryAfter { after, detail },
    }
}
