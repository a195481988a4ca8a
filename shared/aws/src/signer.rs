//! Signatures for requests that are sent without the SDK.

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use http::{HeaderName, HeaderValue};
use jiff::Timestamp;

/// Signs with the credentials that this process has: in a Lambda function, those of its role.
#[derive(Debug, Clone)]
pub struct RequestSigner(Option<SharedCredentialsProvider>);

/// A request was not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// There are no credentials. A person must mend the deployment.
    #[error("there are no AWS credentials")]
    NoCredentials(#[source] Option<CredentialsError>),
    /// They could not be had this time.
    #[error("the AWS credentials could not be read")]
    Unavailable(#[source] CredentialsError),
    /// The request cannot be signed as it is.
    #[error("the request cannot be signed")]
    Request(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl RequestSigner {
    /// With the credentials of `config`.
    pub fn new(config: &SdkConfig) -> Self {
        Self(config.credentials_provider())
    }

    /// The headers that sign a `POST` of `body` to `url`.
    ///
    /// # Errors
    /// [`SignError`].
    pub async fn sign(
        &self,
        (service, region): (&str, &str),
        url: &str,
        body: &[u8],
        at: Timestamp,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, SignError> {
        let source = self.0.as_ref().ok_or(SignError::NoCredentials(None))?;
        let credentials = source.provide_credentials().await.map_err(no_credentials)?;
        let identity = credentials.into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(service)
            .time(system_time(at))
            .settings(SigningSettings::default())
            .build()
            .map_err(|e| SignError::Request(e.into()))?;
        let body = SignableBody::Bytes(body);
        let request = SignableRequest::new("POST", url, std::iter::empty(), body)
            .map_err(|e| SignError::Request(e.into()))?;
        let signed = sign(request, &params.into()).map_err(|e| SignError::Request(e.into()))?;
        let (instructions, _) = signed.into_parts();
        let headers = instructions.headers().map(|(name, value)| {
            let name = HeaderName::try_from(name).map_err(|e| SignError::Request(e.into()))?;
            let mut value =
                HeaderValue::try_from(value).map_err(|e| SignError::Request(e.into()))?;
            value.set_sensitive(true);
            Ok((name, value))
        });
        headers.collect()
    }
}

fn system_time(at: Timestamp) -> SystemTime {
    let seconds = u64::try_from(at.as_second()).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn no_credentials(error: CredentialsError) -> SignError {
    match error {
        CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_) => {
            SignError::NoCredentials(Some(error))
        }
        error => SignError::Unavailable(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_credential_types::Credentials;

    fn signer(session: Option<&str>) -> RequestSigner {
        let session = session.map(str::to_owned);
        let credentials = Credentials::new("AKIDEXAMPLE", "EXAMPLE/secret", session, None, "test");
        let config = SdkConfig::builder()
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build();
        RequestSigner::new(&config)
    }

    async fn signed(signer: &RequestSigner, body: &str) -> Vec<(String, String)> {
        let at = "2026-12-01T09:00:00.9Z".parse().unwrap();
        let url = "https://iam.amazonaws.com/";
        let headers = signer.sign(("iam", "us-east-1"), url, body.as_bytes(), at);
        let headers = headers.await.unwrap().into_iter();
        assert!(headers.clone().all(|(_, value)| value.is_sensitive()));
        headers
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect()
    }

    #[tokio::test]
    async fn the_signature_is_of_the_role_the_host_the_time_and_the_body() {
        let one = signed(&signer(Some("EXAMPLE-session")), "Action=A").await;
        let value = |headers: &[(String, String)], wanted: &str| {
            let mut headers = headers.iter();
            headers
                .find(|(name, _)| name == wanted)
                .map(|(_, v)| v.clone())
        };
        let authorization = value(&one, "authorization").unwrap();
        let expected = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261201/us-east-1/iam/aws4_request, \
            SignedHeaders=host;x-amz-date;x-amz-security-token, Signature=";
        assert!(authorization.starts_with(expected), "{authorization}");
        assert_eq!(value(&one, "x-amz-date").unwrap(), "20261201T090000Z");
        assert_eq!(
            value(&one, "x-amz-security-token").unwrap(),
            "EXAMPLE-session"
        );
        let other = signed(&signer(Some("EXAMPLE-session")), "Action=B").await;
        assert_ne!(value(&other, "authorization").unwrap(), authorization);
        let without = signed(&signer(None), "Action=A").await;
        assert_eq!(value(&without, "x-amz-security-token"), None);
    }

    #[tokio::test]
    async fn without_credentials_nothing_is_signed() {
        let signer = RequestSigner::new(&SdkConfig::builder().build());
        let at = Timestamp::UNIX_EPOCH;
        let refused = signer
            .sign(("iam", "us-east-1"), "https://a/", b"", at)
            .await;
        assert!(matches!(refused, Err(SignError::NoCredentials(None))));
    }
}
