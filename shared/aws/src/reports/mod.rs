//! Reports of audits in an S3 bucket, and who has left in the same.

mod evidence;
mod people;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::operation::put_object::PutObjectError;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use keyward_core::model::SCHEMA;
use keyward_core::model::audit::Period;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{ListError, Mark, Remembered, ReportFile, ReportSink};
use keyward_core::rules::audit::life::Ledger;
use std::time::Duration;

use crate::config::CONNECT_TIMEOUT;
use crate::fault::{Failure, examine};

const GET: &str = "GetObject";
const PUT: &str = "PutObject";

/// Where what is remembered stands.
const LEDGER: &str = "audits/ledger.json";

/// How long one attempt may take: a report of a hundred thousand keys has some 100 MB.
const ATTEMPT: Duration = Duration::from_secs(60);

/// How long a call may take with all its attempts.
const OPERATION: Duration = Duration::from_secs(180);

/// Nothing has this name: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>. Without the permission to list
/// S3 says `AccessDenied` in its place, so that only this is taken for "not there".
const NO_SUCH_KEY: &str = "NoSuchKey";

/// What is there is not what was read, or something is there where nothing was; and one of two that wrote at the same moment
/// is sent back: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>.
const OVERTAKEN: [&str; 2] = ["PreconditionFailed", "ConditionalRequestConflict"];

/// A bucket of reports: `audits/<period>/<file>`, `audits/ledger.json`, and `people/left.json`, which others write. It is
/// encrypted by the bucket's own default.
#[derive(Debug, Clone)]
pub struct S3Reports {
    client: Client,
    bucket: String,
    region: String,
    owner: Option<String>,
}

impl S3Reports {
    /// The bucket of this name, in the region of `config`.
    pub fn new(config: &SdkConfig, bucket: &str) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(ATTEMPT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(OPERATION)
            .build();
        let patient = aws_sdk_s3::config::Builder::from(config).timeout_config(timeouts);
        Self {
            client: Client::from_conf(patient.build()),
            bucket: bucket.to_owned(),
            region: config.region().map(ToString::to_string).unwrap_or_default(),
            owner: None,
        }
    }

    /// The same, only as long as the bucket is this account's. A bucket that was deleted can be made anew by anybody:
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html>.
    #[must_use]
    pub fn owned_by(mut self, account: &str) -> Self {
        self.owner = Some(account.to_owned());
        self
    }

    /// What is under a name, and which state of it; `None` if nothing ever was.
    async fn read(&self, name: &str) -> Result<Option<(Vec<u8>, Option<Mark>)>, ListError> {
        let request = self.client.get_object().bucket(&self.bucket).key(name);
        let request = request.set_expected_bucket_owner(self.owner.clone());
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return self.absent(name, &error),
        };
        let mark = answer.e_tag.map(Mark);
        let body = answer.body.collect().await;
        let body = body.map_err(|_| ListError::Unavailable(said(GET, "the answer broke off")))?;
        Ok(Some((body.to_vec(), mark)))
    }

    /// What is not there was perhaps deleted: that is not the same as never written, and somebody has to say which it is.
    fn absent<T>(
        &self,
        name: &str,
        error: &SdkError<GetObjectError, HttpResponse>,
    ) -> Result<Option<T>, ListError> {
        let failure = examine(GET, error);
        if failure.code() != NO_SUCH_KEY {
            return Err(failure.of_list());
        }
        let was_deleted = error
            .raw_response()
            .and_then(|raw| raw.headers().get("x-amz-delete-marker"))
            == Some("true");
        if was_deleted {
            let why = format!(
                "s3://{}/{name} was deleted: remove its delete marker, and it is there again",
                self.bucket
            );
            return Err(ListError::Refused(OutsideText::new(&why)));
        }
        Ok(None)
    }

    /// Writes what is to be remembered, if what was read is still there.
    async fn write_ledger(
        &self,
        json: Vec<u8>,
        over: Option<&Mark>,
    ) -> Result<Option<Mark>, SdkError<PutObjectError, HttpResponse>> {
        let request = self.client.put_object().bucket(&self.bucket).key(LEDGER);
        let request = request.set_expected_bucket_owner(self.owner.clone());
        let request = request
            .content_type("application/json")
            .body(ByteStream::from(json));
        let request = match over {
            Some(mark) => request.if_match(&mark.0),
            None => request.if_none_match("*"),
        };
        Ok(request.send().await?.e_tag.map(Mark))
    }

    /// Of a write that came too late: it is there already if its own answer was lost.
    async fn overtaken(&self, json: &[u8], failure: Failure) -> Result<Option<Mark>, ListError> {
        match self.read(LEDGER).await? {
            Some((there, mark)) if there == json => Ok(mark),
            _ => Err(ListError::Unavailable(OutsideText::new(&format!(
                "another audit kept its own meanwhile: {}",
                failure.fault
            )))),
        }
    }
}

#[async_trait]
impl ReportSink for S3Reports {
    async fn ledger(&self) -> Result<Remembered, ListError> {
        let Some((json, mark)) = self.read(LEDGER).await? else {
            return Ok(Remembered::default());
        };
        let unreadable = |why: &str| ListError::Refused(said(LEDGER, why));
        let ledger: Ledger = serde_json::from_slice(&json)
            .map_err(|error| unreadable(&format!("is no ledger, line {}", error.line())))?;
        if ledger.schema != SCHEMA {
            let why = format!(
                "is of form {}, and this release reads {SCHEMA}",
                ledger.schema
            );
            return Err(unreadable(&why));
        }
        if mark.is_none() {
            return Err(unreadable(
                "has no ETag, so it could not be replaced safely",
            ));
        }
        Ok(Remembered { ledger, mark })
    }

    async fn keep(&self, remembered: &Remembered) -> Result<Option<Mark>, ListError> {
        let json = serde_json::to_vec(&remembered.ledger)
            .map_err(|_| ListError::Refused(said(LEDGER, "cannot be written as JSON")))?;
        let written = self
            .write_ledger(json.clone(), remembered.mark.as_ref())
            .await;
        let error = match written {
            Ok(mark) => return Ok(mark),
            Err(error) => error,
        };
        match examine(PUT, &error) {
            failure if OVERTAKEN.contains(&failure.code()) => self.overtaken(&json, failure).await,
            // Under a mark there has to be something: it was deleted since it was read.
            failure => Err(failure.of_list()),
        }
    }

    async fn put(&self, period: Period, file: ReportFile) -> Result<String, ListError> {
        let key = key(period, file.name);
        let request = self.client.put_object().bucket(&self.bucket).key(&key);
        let request = request.set_expected_bucket_owner(self.owner.clone());
        let request = request
            .content_type(file.media_type)
            .body(ByteStream::from(file.text.into_bytes()));
        let put = request.send().await;
        put.map_err(|error| examine(PUT, &error).of_list())?;
        Ok(format!("s3://{}/{key}", self.bucket))
    }

    fn page(&self, period: Period, name: &str) -> String {
        let (region, bucket) = (&self.region, &self.bucket);
        let console = console(region);
        let key = key(period, name);
        format!("https://{region}.{console}/s3/object/{bucket}?region={region}&prefix={key}")
    }
}

fn key(period: Period, name: &str) -> String {
    format!("audits/{period}/{name}")
}

fn said(what: &str, text: &str) -> OutsideText {
    OutsideText::new(&format!("{what} {text}"))
}

/// Where the console of a region's partition is:
/// <https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html>.
fn console(region: &str) -> &'static str {
    match region.split('-').next() {
        Some("cn") => "console.amazonaws.cn",
        _ if region.starts_with("us-gov-") => "console.amazonaws-us-gov.com",
        _ => "console.aws.amazon.com",
    }
}

#[cfg(test)]
mod tests;
