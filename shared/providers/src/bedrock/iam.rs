//! IAM's Query API: signed calls, and what refusals mean.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/programming.html>

use std::sync::Arc;

use http::{Method, StatusCode};
use keyward_core::model::text::OutsideText;
use keyward_core::ports::ProviderError;
use url::form_urlencoded;

use crate::api::no_use;
use crate::aws::{AwsSigner, QueryError, ToSign};
use crate::http::{Answer, BaseUrl, Credential, HttpClient, Repeat, Request};

const VERSION: &str = "2010-05-08";

/// Credentials of other services are no concern of the driver's.
pub(super) const SERVICE: &str = "bedrock.amazonaws.com";

const HEADERS: &[(&str, &str)] = &[(
    "content-type",
    "application/x-www-form-urlencoded; charset=utf-8",
)];

/// IAM of one AWS account.
pub(super) struct Iam {
    http: Arc<HttpClient>,
    url: BaseUrl,
    region: &'static str,
    signer: Arc<dyn AwsSigner>,
}

impl Iam {
    pub(super) fn new(
        http: Arc<HttpClient>,
        url: BaseUrl,
        region: &str,
        signer: Arc<dyn AwsSigner>,
    ) -> Self {
        Self {
            http,
            url,
            region: signing_region(region),
            signer,
        }
    }

    /// One call. Only a 2xx is `Ok`. A request that may be repeated is repeated with the same signature, which is good
    /// for five minutes.
    pub(super) async fn call(
        &self,
        action: &'static str,
        parameters: &[(&str, &str)],
        repeat: Repeat,
    ) -> Result<Answer, ProviderError> {
        let url = self.url.join(&[]).map_err(|_| ProviderError::Refused {
            detail: OutsideText::new("IAM's URL takes no path"),
        })?;
        let body = form(action, parameters);
        let to_sign = ToSign {
            service: "iam",
            region: self.region,
            url: &url,
            body: &body,
            at: self.http.now(),
        };
        let signed = self.signer.sign(&to_sign).await?;
        let credential = Credential::signed(signed).ok_or(ProviderError::AdminCredential {
            detail: OutsideText::new("the request was not signed"),
        })?;
        let request = Request {
            method: Method::POST,
            url,
            headers: HEADERS,
            credential,
            body: Some(body),
            repeat,
        };
        match self.http.send(&request).await {
            Ok(answer) if answer.status.is_success() => Ok(answer),
            Ok(answer) => Err(refusal(answer, repeat)),
            Err(failure) => Err(failure.into_error(repeat)),
        }
    }
}

fn form(action: &str, parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("Action", action)
        .append_pair("Version", VERSION)
        .extend_pairs(parameters);
    if names_no_key(parameters) {
        form.append_pair("ServiceName", SERVICE);
    }
    form.finish().into_bytes()
}

fn names_no_key(parameters: &[(&str, &str)]) -> bool {
    let is_key = |(name, _): &(&str, &str)| *name == "ServiceSpecificCredentialId";
    !parameters.iter().any(is_key)
}

/// IAM is signed for one region of the partition.
/// <https://docs.aws.amazon.com/general/latest/gr/iam-service.html>
fn signing_region(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "cn-north-1"
    } else if region.starts_with("us-gov-") {
        "us-gov-west-1"
    } else {
        "us-east-1"
    }
}

/// What an answer other than 2xx means. Only AWS's own XML is a refusal, by its code: those of
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html> and of the calls themselves.
pub(super) fn refusal(answer: Answer, repeat: Repeat) -> ProviderError {
    let (after, detail) = (answer.retry_after, answer.detail);
    if answer.status == StatusCode::TOO_MANY_REQUESTS {
        return ProviderError::RetryAfter { after, detail };
    }
    let Some(error) = QueryError::read(&answer.body) else {
        return no_use(repeat, after, detail);
    };
    match error.code.as_str() {
        "LimitExceeded" => ProviderError::LimitReached { detail },
        "NoSuchEntity" => ProviderError::NotFound,
        "Throttling"
        | "ThrottlingException"
        | "RequestLimitExceeded"
        | "ConcurrentModification"
        | "EntityTemporarilyUnmodifiable"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired" => ProviderError::RetryAfter { after, detail },
        "AccessDenied"
        | "AccessDeniedException"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "NotAuthorized"
        | "OptInRequired" => ProviderError::AdminCredential { detail },
        _ if answer.status.is_client_error() && answer.status != StatusCode::REQUEST_TIMEOUT => {
            ProviderError::Refused { detail }
        }
        _ => no_use(repeat, after, detail),
    }
}
