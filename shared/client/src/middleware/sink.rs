//! Where reports go: the stack's function for them, over its URL, signed by the role of this process.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_types::SdkConfig;
use http::{HeaderName, HeaderValue};
use reqwest::Url;

use crate::clock::Moment;
use crate::error::clean;

/// How long one report may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Of an answer that refuses, so much is read.
const MOST_WORDS: usize = 4096;

/// Why a report was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// Something in it is wrong: the same is never taken.
    #[error("the report is refused: {0}")]
    Refused(String),
    /// It was not taken this time.
    #[error("the report was not taken: {0}")]
    NotNow(String),
}

/// Takes reports.
#[async_trait]
pub trait ReportSink: fmt::Debug + Send + Sync {
    /// Hands one over.
    ///
    /// # Errors
    /// [`NotTaken`].
    async fn hand_over(&self, report: &[u8], at: Moment) -> Result<(), NotTaken>;
}

/// The URL is none that reports may be sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "reports go to the output UsageUrl of the stack, an https address, with credentials and a region"
)]
pub struct BadUrl;

/// The stack's function URL for reports (its output `UsageUrl`).
/// <https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html>
#[derive(Clone)]
pub struct UsageUrl {
    url: Url,
    region: String,
    credentials: SharedCredentialsProvider,
    http: reqwest::Client,
}

impl fmt::Debug for UsageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UsageUrl({})", self.url)
    }
}

impl UsageUrl {
    /// At `url`, by the region and credentials of `config`.
    ///
    /// # Errors
    /// [`BadUrl`].
    pub fn new(url: &str, config: &SdkConfig, http: reqwest::Client) -> Result<Self, BadUrl> {
        let url = Url::parse(url).and_then(|url| url.join("usage"));
        let url = url.map_err(|_| BadUrl)?;
        let is_here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        let credentials = config.credentials_provider().ok_or(BadUrl)?;
        let region = config.region().ok_or(BadUrl)?.to_string();
        match url.scheme() {
            "https" => {}
            "http" if is_here => {}
            _ => return Err(BadUrl),
        }
        Ok(Self {
            url,
            region,
            credentials,
            http,
        })
    }

    async fn signed(
        &self,
        body: &[u8],
        at: Moment,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, Box<dyn std::error::Error + Send + Sync>> {
        let identity = self.credentials.provide_credentials().await?.into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("lambda")
            .time(at.wall)
            .settings(SigningSettings::default())
            .build()?;
        let headers = std::iter::once(("content-type", "application/json"));
        let request = SignableRequest::new(
            "POST",
            self.url.as_str(),
            headers,
            SignableBody::Bytes(body),
        )?;
        let (instructions, _) = sign(request, &params.into())?.into_parts();
        let headers = instructions.headers().map(|(name, value)| {
            let mut value = HeaderValue::try_from(value)?;
            value.set_sensitive(true);
            Ok((HeaderName::try_from(name)?, value))
        });
        headers.collect()
    }
}

#[async_trait]
impl ReportSink for UsageUrl {
    async fn hand_over(&self, report: &[u8], at: Moment) -> Result<(), NotTaken> {
        let not_now = |why: &str| NotTaken::NotNow(why.to_owned());
        let signed = self.signed(report, at).await;
        let signed =
            signed.map_err(|_| not_now("it could not be signed: look at the AWS credentials"))?;
        let mut request = self.http.post(self.url.clone()).timeout(TIMEOUT);
        for (name, value) in signed {
            request = request.header(name, value);
        }
        let request = request.header("content-type", "application/json");
        let answer = request.body(report.to_vec()).send().await;
        let mut answer = answer.map_err(|_| not_now("not sent, or not answered"))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let mut words = Vec::new();
        while let Ok(Some(piece)) = answer.chunk().await {
            words.extend(piece.iter().take(MOST_WORDS - words.len()));
            if words.len() >= MOST_WORDS {
                break;
            }
        }
        let why = format!(
            "{}: {}",
            status.as_u16(),
            clean(&String::from_utf8_lossy(&words))
        );
        Err(match status.as_u16() {
            400 | 413 => NotTaken::Refused(why),
            _ => NotTaken::NotNow(why),
        })
    }
}
