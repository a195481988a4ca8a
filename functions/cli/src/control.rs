//! Calls to the control function, signed with the operator's credentials.
//! <https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html>

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use jiff::Timestamp;
use keyward_core::model::act_kind::ActKind;
use keyward_core::ports::Clock;
use keyward_lambda::clock::SystemClock;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use url::Url;

use crate::aws::{Aws, TIMEOUT};
use crate::print::clean;
use crate::settings;

/// The control function.
pub(crate) struct Control {
    url: Url,
    signer: Signer,
    client: reqwest::Client,
}

/// Who asks.
struct Signer {
    region: String,
    credentials: Credentials,
}

/// The control function, or AWS before it, refused.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Refused {
    status: u16,
    text: String,
    by: By,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Function,
    Aws,
}

impl Refused {
    /// Whether the function itself said that the request must be another one: it works, and would say so again.
    pub(crate) fn is_of_request(&self) -> bool {
        self.by == By::Function && self.status < 500
    }
}

/// What the control function says where it did nothing.
#[derive(Deserialize)]
struct Refusal {
    what: String,
    safe: String,
    next: String,
}

impl Control {
    /// Everything that calls of this kind of acts need; nothing is sent.
    pub(crate) async fn open(kind: ActKind) -> Result<Self> {
        let url = settings::control_url_for(kind)?;
        let aws = Aws::load().await?;
        let region = aws.config.region().map(ToString::to_string);
        let region = settings::region_of(&url)
            .or(region)
            .context("no region is set: set AWS_REGION")?;
        Ok(Self {
            signer: Signer {
                region,
                credentials: aws.credentials().await?,
            },
            client: aws.client()?,
            url,
        })
    }

    /// One operation. An answer that is lost leaves its effect open: it may be sent again.
    pub(crate) async fn post(&self, operation: &str, body: &impl Serialize) -> Result<Value> {
        self.post_within(TIMEOUT, operation, body).await
    }

    /// The same, with its own time limit.
    pub(crate) async fn post_within(
        &self,
        limit: Duration,
        operation: &str,
        body: &impl Serialize,
    ) -> Result<Value> {
        let url = self.url.join(operation)?;
        let body = serde_json::to_vec(body)?;
        let mut request = self
            .client
            .post(url.clone())
            .timeout(limit)
            .header("content-type", "application/json");
        for (name, value) in self
            .signer
            .sign(&url, &body, system_time(SystemClock.now()))?
        {
            request = request.header(name, value);
        }
        let answer = request.body(body).send().await;
        let answer = answer.map_err(|error| {
            let what = if error.is_connect() {
                format!("{} cannot be reached, and nothing was changed. Is it running, and is KEYWARD_CONTROL_URL right?", url.origin().ascii_serialization())
            } else if error.is_timeout() {
                format!("the control function did not answer within {} s; the act may have been done: look with keyward status, then send it again", limit.as_secs())
            } else {
                "the control function did not answer; the act may have been done: look with keyward status, then send it again".to_owned()
            };
            anyhow::Error::new(error.without_url()).context(what)
        })?;
        let status = answer.status();
        let text = answer
            .bytes()
            .await
            .map_err(reqwest::Error::without_url)
            .context("the control function's answer broke off; the act may have been done: look with keyward status, then send it again")?;
        let read: Option<Value> = serde_json::from_slice(&text).ok();
        if status.is_success() {
            return read.context(
                "the control function's answer is not JSON: is KEYWARD_CONTROL_URL right?",
            );
        }
        let (text, by) = match read.map(serde_json::from_value::<Refusal>) {
            Some(Ok(refusal)) => {
                let parts = [&refusal.safe, &refusal.next].map(|part| clean(part));
                let text = format!("{} {}", sentence(&refusal.what), parts.join(" "));
                (text, By::Function)
            }
            _ => (http_error(status.as_u16(), &self.signer.region), By::Aws),
        };
        let status = status.as_u16();
        Err(Refused { status, text, by }.into())
    }
}

impl Signer {
    /// The headers that sign a request. The body is signed by its hash alone, so that no layer can print it.
    fn sign(&self, url: &Url, body: &[u8], time: SystemTime) -> Result<Vec<(String, String)>> {
        let identity = self.credentials.clone().into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("lambda")
            .time(time)
            .settings(SigningSettings::default())
            .build()?;
        let hash: String = Sha256::digest(body)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let host = host_header(url)?;
        let headers = [
            ("host", host.as_str()),
            ("content-type", "application/json"),
        ];
        let request = SignableRequest::new(
            "POST",
            url.as_str(),
            headers.into_iter(),
            SignableBody::Precomputed(hash),
        )?;
        let (instructions, _) = sign(request, &params.into())?.into_parts();
        let headers = instructions.headers();
        Ok(headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect())
    }
}

fn system_time(time: Timestamp) -> SystemTime {
    let seconds = u64::try_from(time.as_second()).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn host_header(url: &Url) -> Result<String> {
    let host = url.host_str().context("the URL has no host")?;
    Ok(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

fn sentence(text: &str) -> String {
    let text = clean(text);
    if text.ends_with('.') {
        text
    } else {
        format!("{text}.")
    }
}

fn http_error(status: u16, region: &str) -> String {
    match status {
        403 => format!(
            "AWS refused the request (HTTP 403). Nothing was changed. Your credentials may have expired (log in again); the request was signed for {region}, which must be the function's region (AWS_REGION); the URL must be that of the stack for this kind of acts (its output CommandSettings); and your role needs that kind's policy (the stack's outputs ViewerPolicyArn, OperatePolicyArn, KillPolicyArn, EnforcePolicyArn, RestorePolicyArn)."
        ),
        // <https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html>, throttling
        429 => "AWS did not let the request through to the control function (HTTP 429), and nothing was changed: it is stopped by a lockdown, or at work on too many requests. Send it again in a moment; a lockdown is ended by keyward lockdown --lift"
            .to_owned(),
        status => format!(
            "the control function could not be reached (HTTP {status}); the act may have been done: look with keyward status, then send it again"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> Signer {
        Signer {
            region: "us-east-1".to_owned(),
            credentials: Credentials::new("AKIDEXAMPLE", "EXAMPLE/secret", None, None, "test"),
        }
    }

    /// The signature by the documented steps, with a hash function and nothing else:
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.
    fn by_hand(body: &[u8]) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let canonical = format!(
            "POST\n/apply\n\ncontent-type:application/json\nhost:abc.lambda-url.us-east-1.on.aws\nx-amz-date:20261201T090000Z\n\ncontent-type;host;x-amz-date\n{}",
            hex(&Sha256::digest(body))
        );
        let scope = "20261201/us-east-1/lambda/aws4_request";
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n20261201T090000Z\n{scope}\n{}",
            hex(&Sha256::digest(canonical.as_bytes()))
        );
        let mut key = b"AWS4EXAMPLE/secret".to_vec();
        for part in ["20261201", "us-east-1", "lambda", "aws4_request"] {
            key = hmac(&key, part.as_bytes());
        }
        hex(&hmac(&key, to_sign.as_bytes()))
    }

    fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
        let mut block = [0_u8; 64];
        block[..key.len()].copy_from_slice(key);
        let pad = |with: u8| block.iter().map(|b| b ^ with).collect::<Vec<u8>>();
        let inner = Sha256::digest([pad(0x36), message.to_vec()].concat());
        Sha256::digest([pad(0x5c), inner.to_vec()].concat()).to_vec()
    }

    #[test]
    fn requests_are_signed_as_aws_documents() {
        let body = br#"{"reason":"test"}"#;
        let url = Url::parse("https://abc.lambda-url.us-east-1.on.aws/apply").expect("a URL");
        let time: Timestamp = "2026-12-01T09:00:00Z".parse().expect("a time");
        let headers = signer().sign(&url, body, system_time(time)).expect("signs");
        let value = |name: &str| {
            let found = headers.iter().find(|(n, _)| n == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        assert_eq!(value("x-amz-date"), "20261201T090000Z");
        assert_eq!(
            value("authorization"),
            format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261201/us-east-1/lambda/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature={}",
                by_hand(body)
            )
        );
    }
}
