//! What came of a file. No key text is in any of it.

use jiff::Timestamp;
use keyward_core::model::alert::Alert;
use keyward_core::model::slot::SlotState;
use keyward_core::model::version::VersionState;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What came of a file, as one JSON object. Field names are stable.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The file's name, without its folder.
    pub file: String,
    /// The case that the name begins with.
    pub case: Option<String>,
    /// Whose keys the file is about.
    pub provider: String,
    /// What the file leaves open and was made up, or brought about before.
    pub made_up: Vec<String>,
    /// What was run, in order.
    pub invocations: Vec<Invocation>,
    /// Calls to Secrets Manager and CloudWatch.
    pub aws_calls: Vec<AwsCall>,
    /// Calls to the provider.
    pub provider_calls: Vec<ProviderCallSeen>,
    /// What people were told.
    pub alerts: Vec<Alert>,
    /// Labels of the secret afterwards: version to labels.
    pub secret: BTreeMap<String, Vec<String>>,
    /// The inventory's versions afterwards, oldest first.
    pub versions: Vec<VersionSeen>,
    /// Where each slot stands afterwards, if the file is about alarms.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub slots: BTreeMap<String, SlotSeen>,
    /// What is left for later.
    pub left: Vec<String>,
}

/// One invocation, or one thing that others did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Invocation {
    /// `rotate`, `retire`, `kill-switch`, `RotateSecret`, `outside`, `client` or `provider`.
    pub event: String,
    /// The step, or what was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The step is not in the file; Secrets Manager calls it before the next one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub implied: bool,
    /// What the file has the provider answer, or the client want.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given: Option<String>,
    /// What came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Value>,
    /// Why nothing came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
}

/// An error as Lambda is told.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// `Retryable` or `NonRetryable`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether the same can succeed later without a person.
    pub retryable: bool,
    /// The whole chain, on one line.
    pub message: String,
}

/// A slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SlotSeen {
    /// What it may do.
    pub state: SlotState,
    /// How often it was cut off.
    pub epoch: u64,
    /// Its versions, oldest first.
    pub versions: Vec<VersionState>,
    /// How many of its keys the provider accepts.
    pub live: usize,
}

/// A call to Secrets Manager or CloudWatch: what matters of it, never a value.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AwsCall {
    /// Index into `invocations`.
    pub invocation: usize,
    /// The API operation.
    pub operation: String,
    /// VersionId or ClientRequestToken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// VersionStage, or VersionStages.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<String>,
    /// Whether a RotationToken was sent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub rotation_token: bool,
    /// MoveToVersionId.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// RemoveFromVersionId.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// `ok`, or the error's `__type`.
    pub answer: String,
}

impl AwsCall {
    /// Whether it changes the secret.
    pub fn is_write(&self) -> bool {
        !matches!(
            self.operation.as_str(),
            "DescribeSecret" | "GetSecretValue" | "ListTagsForResource" | "DescribeAlarmHistory"
        )
    }
}

/// A call to the provider.
#[derive(Debug, Clone, Serialize)]
pub struct ProviderCallSeen {
    /// Index into `invocations`.
    pub invocation: usize,
    /// HTTP method.
    pub method: String,
    /// Path and query below the API's base.
    pub path: String,
    /// The status of the answer; absent if none was sent.
    pub status: Option<u16>,
}

/// A version of the inventory.
#[derive(Debug, Clone, Serialize)]
pub struct VersionSeen {
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub state: VersionState,
    /// Whether it can be named at the provider.
    pub handle_known: bool,
    /// What may be shown of its key.
    pub hint: Option<String>,
    /// Whether the provider accepts its key; absent where the text is not known.
    pub accepted: Option<bool>,
    /// When it was tested.
    pub tested: Option<Timestamp>,
    /// When it was promoted.
    pub promoted: Option<Timestamp>,
    /// When its overlap ends.
    pub retire_after: Option<Timestamp>,
    /// When its revoke was accepted.
    pub revoke_accepted: Option<Timestamp>,
    /// How its end was confirmed.
    pub confirmed_by: Option<Value>,
}
