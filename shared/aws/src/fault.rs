//! What is kept of an AWS call that failed.

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{InventoryError, ListError};

/// A failed AWS call: the operation, what went wrong, the request id. Holds nothing that was sent, and of the answer
/// only the error code, since messages of AWS can quote what was sent.
#[derive(Debug, thiserror::Error)]
#[error("{operation}: {what}")]
pub struct Fault {
    operation: &'static str,
    what: String,
}

impl Fault {
    pub(crate) fn new(operation: &'static str, what: impl Into<String>) -> Self {
        Self {
            operation,
            what: what.into(),
        }
    }
}

/// A failed call, looked at once for all operations.
pub(crate) struct Failure {
    /// What to show.
    pub(crate) fault: Fault,
    /// AWS's error code; absent without an answer.
    pub(crate) code: Option<String>,
    /// AWS's own words. Only for operations that send no secret.
    pub(crate) message: OutsideText,
    /// Whether the same call can succeed later.
    pub(crate) is_transient: bool,
}

impl Failure {
    pub(crate) fn code(&self) -> &str {
        self.code.as_deref().unwrap_or_default()
    }

    /// The failure of an inventory call: one that passes, or one that a person must mend.
    pub(crate) fn of_inventory(self) -> InventoryError {
        if self.is_transient {
            InventoryError::Unavailable(self.fault.into())
        } else {
            InventoryError::Refused(self.fault.into())
        }
    }

    /// The failure to read a page of a list.
    pub(crate) fn of_list(self) -> ListError {
        let why = OutsideText::new(&self.fault.to_string());
        match self.is_transient {
            true => ListError::Unavailable(why),
            false => ListError::Refused(why),
        }
    }

    /// Whether CloudWatch said that what was named is not there.
    pub(crate) fn is_not_there(&self) -> bool {
        NOT_THERE.contains(&self.code())
    }

    /// Whether AWS said that the caller may not do this.
    pub(crate) fn is_denied(&self) -> bool {
        matches!(self.code(), "AccessDeniedException" | "AccessDenied")
    }
}

/// What CloudWatch answers about an alarm that is not there:
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_ListTagsForResource.html>. The shorter form is
/// that of its other operations on alarms.
const NOT_THERE: [&str; 2] = ["ResourceNotFoundException", "ResourceNotFound"];

/// Codes that pass, of those that come with status 400:
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html>, and credentials that ran out.
const TRANSIENT_CODES: [&str; 22] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottledException",
    "RequestThrottled",
    "TooManyRequestsException",
    "ProvisionedThroughputExceededException",
    "TransactionInProgressException",
    "TransactionConflictException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "SlowDown",
    "PriorRequestNotComplete",
    "EC2ThrottledException",
    "RequestTimeout",
    "RequestTimeoutException",
    "InternalServiceError",
    "InternalServerError",
    "InternalFailure",
    "ServiceUnavailable",
    "ExpiredToken",
    "ExpiredTokenException",
];

/// What can be said about any operation's error.
pub(crate) fn examine<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata,
{
    let SdkError::ServiceError(service) = error else {
        return Failure {
            fault: Fault::new(operation, without_answer(error)),
            code: None,
            message: OutsideText::default(),
            is_transient: true,
        };
    };
    let meta = service.err().meta();
    let status = service.raw().status().as_u16();
    let code = meta.code().map(|code| OutsideText::new(code).to_string());
    let shown = code.as_deref().unwrap_or("no error code");
    let headers = service.raw().headers();
    // S3 spells it its own way.
    let request = headers.get("x-amzn-requestid");
    let request = request.or_else(|| headers.get("x-amz-request-id"));
    let request = OutsideText::new(request.unwrap_or("unknown"));
    Failure {
        fault: Fault::new(
            operation,
            format!("{shown}, status {status}, request {request}"),
        ),
        // Without a code it is no refusal of AWS's: an answer that could not be read, or somebody else's.
        is_transient: status >= 500
            || status == 429
            || code
                .as_deref()
                .is_none_or(|code| TRANSIENT_CODES.contains(&code)),
        message: OutsideText::new(meta.message().unwrap_or_default()),
        code,
    }
}

/// Why there was no answer. An answer that could not be read is not quoted: it may be a secret's value.
fn without_answer<E>(error: &SdkError<E, HttpResponse>) -> String {
    match error {
        SdkError::TimeoutError(_) => "timed out".to_owned(),
        SdkError::DispatchFailure(failure) => match failure.as_connector_error() {
            Some(cause) => format!("not sent or not answered: {}", chain(cause)),
            None => "not sent or not answered".to_owned(),
        },
        SdkError::ResponseError(_) => "the answer could not be read".to_owned(),
        _ => "the request could not be made".to_owned(),
    }
}

fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    OutsideText::new(&text).to_string()
}
