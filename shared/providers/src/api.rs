//! Calls to a provider's key API, and what refusals mean. What differs between providers is their [`Dialect`].

use std::sync::Arc;

use http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use keyward_core::model::key::AdminKey;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::ProviderError;
use secrecy::ExposeSecret;
use serde::Serialize;
use url::Url;

use crate::admin::AdminCredential;
use crate::http::{Answer, BaseUrl, Credential, HttpClient, Repeat, Request, Scheme};

/// How a provider is spoken to.
pub(crate) struct Dialect {
    /// The header that carries a key.
    pub(crate) scheme: Scheme,
    /// Headers of every request.
    pub(crate) headers: &'static [(&'static str, &'static str)],
    /// What kind of error a body is, for the status that it came with.
    pub(crate) error: fn(StatusCode, &[u8]) -> ErrorBody,
}

/// Whose words an error's body is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorBody {
    /// The provider's, about this status: it means what the provider documents.
    Own,
    /// The provider's, saying that it takes no more keys, or no more active ones.
    Limit,
    /// The provider's, refusing the request as such, whatever the status says.
    Refusal,
    /// The provider's, saying that a key of that name is there already: an earlier request has made it.
    Taken,
    /// JSON that reports an error in another shape, as validation does.
    Json,
    /// Somebody else's: a proxy's page, or nothing.
    Other,
}

/// One account at a provider, to be called as its administrator or as one of its keys.
pub(crate) struct Api {
    http: Arc<HttpClient>,
    base: BaseUrl,
    admin: AdminCredential,
    dialect: Dialect,
}

impl Api {
    pub(crate) fn new(
        http: Arc<HttpClient>,
        base: BaseUrl,
        admin: AdminCredential,
        dialect: Dialect,
    ) -> Self {
        Self {
            http,
            base,
            admin,
            dialect,
        }
    }

    /// Now, by the clock that waiting goes by.
    pub(crate) fn now(&self) -> Timestamp {
        self.http.now()
    }

    /// Waits, by the same clock.
    pub(crate) async fn wait(&self, time: SignedDuration) {
        self.http.wait(time).await;
    }

    pub(crate) fn url(&self, segments: &[&str]) -> Result<Url, ProviderError> {
        self.base
            .join(segments)
            .map_err(|_| ProviderError::Refused {
                detail: OutsideText::new("the key's handle cannot stand in a path"),
            })
    }

    /// Calls as the administrator. Only a 2xx is `Ok`.
    pub(crate) async fn call(
        &self,
        method: Method,
        url: Url,
        body: Option<&(impl Serialize + Sync)>,
        repeat: Repeat,
    ) -> Result<Answer, ProviderError> {
        let request = (method, url, written(body)?);
        self.send(request, repeat, self.dialect.headers).await
    }

    /// Reads as the administrator, with `headers` in place of the dialect's.
    pub(crate) async fn read_with(
        &self,
        url: Url,
        headers: &'static [(&'static str, &'static str)],
    ) -> Result<Answer, ProviderError> {
        self.send((Method::GET, url, None), Repeat::Safe, headers)
            .await
    }

    async fn send(
        &self,
        (method, url, body): (Method, Url, Option<Vec<u8>>),
        repeat: Repeat,
        headers: &'static [(&'static str, &'static str)],
    ) -> Result<Answer, ProviderError> {
        let (key, fetch) = self.admin.get(self.now()).await?;
        let request = (method, url, body);
        let outcome = self.send_by(&key, request.clone(), repeat, headers).await;
        if !matches!(outcome, Err(ProviderError::AdminCredential { .. })) {
            return outcome;
        }
        // It may have been rotated since it was fetched. What creates is sent once, whatever comes of it (rule 2).
        match (repeat, self.admin.replacement(fetch, self.now()).await?) {
            (Repeat::Safe, Some(key)) => self.send_by(&key, request, repeat, headers).await,
            (Repeat::Never, _) | (_, None) => outcome,
        }
    }

    /// The same by a credential that is given: whichever the account is opened by is not touched.
    pub(crate) async fn call_by(
        &self,
        by: &AdminKey,
        method: Method,
        url: Url,
        body: Option<&(impl Serialize + Sync)>,
        repeat: Repeat,
    ) -> Result<Answer, ProviderError> {
        let request = (method, url, written(body)?);
        self.send_by(by, request, repeat, self.dialect.headers)
            .await
    }

    async fn send_by(
        &self,
        by: &AdminKey,
        (method, url, body): (Method, Url, Option<Vec<u8>>),
        repeat: Repeat,
        headers: &'static [(&'static str, &'static str)],
    ) -> Result<Answer, ProviderError> {
        let credential = Credential::new(self.dialect.scheme, by);
        let credential = credential.ok_or_else(|| ProviderError::AdminCredential {
            detail: OutsideText::new("its text cannot stand in a header"),
        })?;
        let request = Request {
            method,
            url,
            headers,
            credential,
            body,
            repeat,
        };
        match self.http.send(&request).await {
            Ok(answer) if answer.status.is_success() => Ok(answer),
            Ok(answer) => Err(refusal(&self.dialect, answer, repeat)),
            Err(failure) => Err(failure.into_error(repeat)),
        }
    }

    /// [`ask_as`] in the provider's dialect.
    pub(crate) async fn ask_as(
        &self,
        key: &(impl ExposeSecret<str> + Sync),
        url: Url,
    ) -> Result<Answer, OutsideText> {
        let Dialect {
            scheme, headers, ..
        } = self.dialect;
        ask_as(&self.http, (scheme, headers), key, url).await
    }
}

fn written(body: Option<&(impl Serialize + Sync)>) -> Result<Option<Vec<u8>>, ProviderError> {
    let written = body.map(serde_json::to_vec).transpose();
    written.map_err(|_| ProviderError::Refused {
        detail: OutsideText::new("the request cannot be written as JSON"),
    })
}

/// Asks once, as the key itself, over a fresh connection. Where there is no answer, why.
pub(crate) async fn ask_as(
    http: &HttpClient,
    (scheme, headers): (Scheme, &'static [(&'static str, &'static str)]),
    key: &(impl ExposeSecret<str> + Sync),
    url: Url,
) -> Result<Answer, OutsideText> {
    let credential = Credential::new(scheme, key)
        .ok_or_else(|| OutsideText::new("the key's text cannot stand in a header"))?;
    let request = Request {
        method: Method::GET,
        url,
        headers,
        credential,
        body: None,
        repeat: Repeat::Never,
    };
    let answer = http.send(&request).await;
    answer.map_err(|failure| failure.detail())
}

/// What an answer other than 2xx means for an administrator's call.
///
/// Only the provider's own JSON is a refusal: a proxy in between has 401, 403 and 404 pages too, and says nothing about
/// what became of the request.
pub(crate) fn refusal(dialect: &Dialect, answer: Answer, repeat: Repeat) -> ProviderError {
    let body = (dialect.error)(answer.status, &answer.body);
    let own = body == ErrorBody::Own;
    let detail = answer.detail;
    match answer.status {
        _ if body == ErrorBody::Limit => ProviderError::LimitReached { detail },
        _ if body == ErrorBody::Refusal => ProviderError::Refused { detail },
        _ if body == ErrorBody::Taken => ProviderError::Ambiguous { detail },
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
        status if status.is_client_error() && body != ErrorBody::Other => {
            ProviderError::Refused { detail }
        }
        _ => no_use(repeat, answer.retry_after, detail),
    }
}

/// A 2xx whose body is not what the API describes.
pub(crate) fn unreadable(repeat: Repeat, what: &str) -> ProviderError {
    no_use(repeat, None, OutsideText::new(what))
}

pub(crate) fn no_use(
    repeat: Repeat,
    after: Option<SignedDuration>,
    detail: OutsideText,
) -> ProviderError {
    match repeat {
        Repeat::Never => ProviderError::Ambiguous { detail },
        Repeat::Safe => ProviderError::RetryAfter { after, detail },
    }
}
