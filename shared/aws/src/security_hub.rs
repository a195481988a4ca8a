//! Findings for AWS Security Hub: one signed call, without the SDK's large client.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use http::header::CONTENT_TYPE;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{Clock, FindingHub, Imported, ListError};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::signed::{Call, SignedCall};

/// The most that one call takes; none of Keyward's findings is near 240 KB, and a hundred are far from 6 MB:
/// <https://docs.aws.amazon.com/securityhub/latest/partnerguide/guidelines-batchimportfindings.html>.
const BATCH: usize = 100;

const CALL: Call = Call {
    service: "securityhub",
    id: "SecurityHub",
    operation: "BatchImportFindings",
    path: "/findings/import",
    timeout: Duration::from_secs(30),
};

/// Security Hub in the account and region of this process.
#[derive(Clone)]
pub struct SecurityHub(SignedCall);

/// <https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_BatchImportFindings.html>
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    success_count: u32,
    failed_count: u32,
    #[serde(default)]
    failed_findings: Vec<Failed>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Failed {
    #[serde(default)]
    error_code: String,
    #[serde(default)]
    error_message: String,
}

/// What is read of an answer that is an error: <https://docs.aws.amazon.com/securityhub/1.0/APIReference/CommonErrors.html>.
const ERROR_TYPE: &str = "x-amzn-errortype";

impl SecurityHub {
    /// In the region of `config`, with its credentials. `client` must not follow redirects.
    pub fn new(config: &SdkConfig, client: reqwest::Client, clock: Arc<dyn Clock>) -> Self {
        Self(SignedCall::new(config, client, clock, &CALL))
    }
}

#[async_trait]
impl FindingHub for SecurityHub {
    fn batch(&self) -> usize {
        BATCH
    }

    async fn import(&self, findings: &[Value]) -> Result<Imported, ListError> {
        let body = json!({ "Findings": findings }).to_string();
        let headers = [(CONTENT_TYPE, "application/json")];
        let answer = self.0.post(&headers, body).await?;
        let status = answer.status();
        if !status.is_success() {
            let named = answer.headers().get(ERROR_TYPE);
            let named = named.and_then(|name| name.to_str().ok());
            // `InvalidAccessException:http://…`
            let code = named
                .and_then(|name| name.split(':').next())
                .unwrap_or("no error code");
            let why = CALL.named(format_args!("{code}, status {status}"));
            return Err(match status.is_server_error() || status.as_u16() == 429 {
                true => ListError::Unavailable(why),
                false => ListError::Refused(why),
            });
        }
        let text = self.0.text(answer).await?;
        let answer: Answer = serde_json::from_slice(&text)
            .map_err(|_| ListError::Unavailable(CALL.named("the answer is none")))?;
        let why = answer.failed_findings.first().map(|failed| {
            let (code, said) = (&failed.error_code, &failed.error_message);
            OutsideText::new(&format!("{code}: {said}"))
        });
        Ok(Imported {
            taken: answer.success_count,
            refused: answer.failed_count,
            why,
        })
    }
}

#[cfg(test)]
mod tests {
    use aws_config::Region;
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;
    use jiff::Timestamp;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    struct Fixed;

    #[async_trait]
    impl Clock for Fixed {
        fn now(&self) -> Timestamp {
            "2026-12-01T06:00:00Z".parse().unwrap()
        }

        async fn sleep(&self, _: jiff::SignedDuration) {}
    }

    /// A server that answers one request so, and what it was sent by a hub there.
    async fn answered(status: &str, body: &str) -> (String, Result<Imported, ListError>) {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = format!("http://{}", listener.local_addr().unwrap());
        let length = body.len();
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}");
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut sent = String::new();
            let mut part = [0; 4096];
            while !sent.ends_with("]}") {
                let read = stream.read(&mut part).await.unwrap();
                sent.push_str(std::str::from_utf8(&part[..read]).unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            sent
        });
        let credentials = Credentials::new("AKIDEXAMPLE", "EXAMPLE", None, None, "test");
        let config = SdkConfig::builder()
            .region(Region::from_static("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(place)
            .build();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let hub = SecurityHub::new(&config, client, Arc::new(Fixed));
        let imported = hub.import(&[json!({"Id": "keyward/prod/1"})]).await;
        (server.await.unwrap(), imported)
    }

    #[tokio::test]
    async fn findings_are_sent_signed_and_what_became_of_them_is_told() {
        let body = json!({"SuccessCount": 1, "FailedCount": 0, "FailedFindings": []});
        let (sent, imported) = answered("200 OK", &body.to_string()).await;
        assert!(sent.starts_with("POST /findings/import HTTP/1.1"), "{sent}");
        let scope = "Credential=AKIDEXAMPLE/20261201/eu-central-1/securityhub/aws4_request";
        assert!(sent.contains(scope), "{sent}");
        assert!(
            sent.ends_with(r#"{"Findings":[{"Id":"keyward/prod/1"}]}"#),
            "{sent}"
        );
        let imported = imported.unwrap();
        assert_eq!(
            (imported.taken, imported.refused, imported.why),
            (1, 0, None)
        );
        let body = json!({"SuccessCount": 0, "FailedCount": 1, "FailedFindings": [
            {"Id": "keyward/prod/1", "ErrorCode": "InvalidInput", "ErrorMessage": "too old"},
        ]});
        let (_, imported) = answered("200 OK", &body.to_string()).await;
        let imported = imported.unwrap();
        assert_eq!((imported.taken, imported.refused), (0, 1));
        assert_eq!(imported.why.unwrap().as_str(), "InvalidInput: too old");
    }

    #[tokio::test]
    async fn what_passes_is_told_from_what_a_person_must_mend() {
        let denied = "401 Unauthorized\r\nx-amzn-errortype: InvalidAccessException:http://a";
        for (status, body, retryable, said) in [
            (denied, "{}", false, "InvalidAccessException"),
            ("429 Too Many Requests", "{}", true, "429"),
            ("500 Internal Server Error", "{}", true, "500"),
            ("200 OK", "<html>", true, "the answer is none"),
        ] {
            let (_, imported) = answered(status, body).await;
            let error = imported.unwrap_err();
            assert_eq!(error.is_retryable(), retryable, "{error}");
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}
