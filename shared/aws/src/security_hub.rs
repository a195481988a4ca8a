//! Findings for AWS Security Hub: one signed call, without the SDK's large client.

use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;
use http::header::{CONTENT_TYPE, USER_AGENT};
use jiff::Timestamp;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{Clock, FindingHub, Imported, ListError};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

use crate::signer::{RequestSigner, SignError};

/// The most that one call takes; none of Keyward's findings is near 240 KB, and a hundred are far from 6 MB:
/// <https://docs.aws.amazon.com/securityhub/latest/partnerguide/guidelines-batchimportfindings.html>.
const BATCH: usize = 100;

/// How long one call may take.
const TIMEOUT: Duration = Duration::from_secs(30);

const SERVICE: &str = "securityhub";

/// Security Hub in the account and region of this process.
#[derive(Clone)]
pub struct SecurityHub {
    client: reqwest::Client,
    signer: RequestSigner,
    clock: Arc<dyn Clock>,
    region: String,
    url: String,
    application: Option<String>,
}

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
        let region = config.region().map(ToString::to_string).unwrap_or_default();
        let host = endpoint(config).unwrap_or_else(|| {
            let suffix = match region.split('-').next() {
                Some("cn") => "amazonaws.com.cn",
                _ => "amazonaws.com",
            };
            format!("https://{SERVICE}.{region}.{suffix}")
        });
        Self {
            client,
            signer: RequestSigner::new(config),
            clock,
            url: format!("{}/findings/import", host.trim_end_matches('/')),
            region,
            application: config.app_name().map(ToString::to_string),
        }
    }

    fn agent(&self) -> String {
        let release = concat!("keyward/", env!("CARGO_PKG_VERSION"));
        match &self.application {
            Some(name) => format!("{release} app/{name}"),
            None => release.to_owned(),
        }
    }
}

/// Another endpoint, as the SDK's own clients find theirs:
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>.
fn endpoint(config: &SdkConfig) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id("SecurityHub")
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build();
    let own = config.service_config().zip(key.ok());
    let own = own.and_then(|(services, key)| services.load_config(key));
    own.or_else(|| config.endpoint_url().map(str::to_owned))
}

#[async_trait]
impl FindingHub for SecurityHub {
    fn batch(&self) -> usize {
        BATCH
    }

    async fn import(&self, findings: &[Value]) -> Result<Imported, ListError> {
        let body = json!({ "Findings": findings }).to_string();
        let scope = (SERVICE, self.region.as_str());
        let at: Timestamp = self.clock.now();
        let signed = self.signer.sign(scope, &self.url, body.as_bytes(), at);
        let signed = signed.await.map_err(unsigned)?;
        let mut request = self.client.post(&self.url).timeout(TIMEOUT);
        for (name, value) in signed {
            request = request.header(name, value);
        }
        let request = request
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, self.agent())
            .body(body);
        let answer = request.send().await.map_err(|error| lost(&error))?;
        let status = answer.status();
        if !status.is_success() {
            let named = answer.headers().get(ERROR_TYPE);
            let named = named.and_then(|name| name.to_str().ok());
            // `InvalidAccessException:http://…`
            let code = named
                .and_then(|name| name.split(':').next())
                .unwrap_or("no error code");
            let why = OutsideText::new(&format!("BatchImportFindings: {code}, status {status}"));
            return Err(match status.is_server_error() || status.as_u16() == 429 {
                true => ListError::Unavailable(why),
                false => ListError::Refused(why),
            });
        }
        let text = answer.bytes().await.map_err(|error| lost(&error))?;
        let answer: Answer = serde_json::from_slice(&text).map_err(|_| {
            let why = "BatchImportFindings: the answer is none";
            ListError::Unavailable(OutsideText::new(why))
        })?;
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

fn lost(error: &reqwest::Error) -> ListError {
    let why = match error.is_timeout() {
        true => "BatchImportFindings: timed out",
        false => "BatchImportFindings: not sent or not answered",
    };
    ListError::Unavailable(OutsideText::new(why))
}

fn unsigned(error: SignError) -> ListError {
    let why = OutsideText::new(&format!("BatchImportFindings: {error}"));
    match error {
        SignError::Unavailable(_) => ListError::Unavailable(why),
        SignError::NoCredentials(_) | SignError::Request(_) => ListError::Refused(why),
    }
}

#[cfg(test)]
mod tests {
    use aws_config::Region;
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;
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
