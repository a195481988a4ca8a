//! Secrets Manager as the real adapter meets it: its JSON protocol, answered from the embedded store and from the
//! errors that a file scripts. No socket.

use std::sync::{Arc, Mutex, MutexGuard};

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use keyward_core::model::names::{SecretArn, SecretVersionId};
use keyward_core::model::secret_document::SecretText;
use keyward_core::ports::{SecretError, SecretStore, Stage, VersionSelector};
use keyward_testkit::memory::MemorySecrets;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::file::AwsFault;
use super::report::AwsCall;

/// The errors that a file scripts for one invocation.
#[derive(Debug, Clone, Default)]
pub(super) struct Script {
    /// `GetSecretValue` of this label or version.
    pub(super) reads: Vec<(String, AwsFault)>,
    /// `PutSecretValue`.
    pub(super) put: Option<AwsFault>,
    /// `UpdateSecretVersionStage` from a version that does not hold the label: the words only, for the embedded store
    /// refuses by itself.
    pub(super) moved: Option<AwsFault>,
    /// `RotateSecret` while an earlier rotation is unfinished: likewise.
    pub(super) unfinished: Option<AwsFault>,
    /// `DescribeSecret` says nothing of rotation, rather than that it is off.
    pub(super) never_rotated: bool,
}

/// The front. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Wire {
    secrets: Arc<MemorySecrets>,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    script: Script,
    calls: Vec<AwsCall>,
}

impl Wire {
    pub(super) fn new(secrets: Arc<MemorySecrets>) -> Self {
        let inner = Arc::default();
        Self { secrets, inner }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("not poisoned")
    }

    /// From now on these errors are met.
    pub(super) fn script(&self, script: Script) {
        self.inner().script = script;
    }

    /// A call that was made elsewhere.
    pub(super) fn note(&self, call: AwsCall) {
        self.inner().calls.push(call);
    }

    /// The calls since the last time.
    pub(super) fn take_calls(&self) -> Vec<AwsCall> {
        std::mem::take(&mut self.inner().calls)
    }

    /// Without repetitions, so that each line of the report is one call of Keyward's.
    pub(super) fn config(&self) -> SdkConfig {
        let credentials = Credentials::new("replay", "replay", None, None, "replay");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(RetryConfig::disabled())
            .http_client(self.clone())
            .build()
    }

    async fn answer(&self, operation: &str, body: &Value) -> Result<Value, AwsFault> {
        let script = self.inner().script.clone();
        let id = body["SecretId"].as_str().unwrap_or_default();
        let arn = self.secrets.describe(id).await.map_err(fault)?.arn;
        let done = json!({ "ARN": arn });
        match operation {
            "DescribeSecret" => self.describe(&script, &arn).await,
            "GetSecretValue" => self.value(&script, &arn, body).await,
            "PutSecretValue" => {
                if let Some(fault) = script.put {
                    return Err(fault);
                }
                self.put(&arn, body).await.map_err(fault).map(|()| done)
            }
            "UpdateSecretVersionStage" => {
                let moved = self.move_stage(&arn, body).await;
                moved.map(|()| done).map_err(|e| in_words(e, script.moved))
            }
            "RotateSecret" => {
                let token = version(&body["ClientRequestToken"])?;
                let started = self.secrets.rotate_now(&arn, &token).await;
                started
                    .map(|()| done)
                    .map_err(|e| in_words(fault(e), script.unfinished))
            }
            "TagResource" => {
                for tag in body["Tags"].as_array().into_iter().flatten() {
                    let text = |field: &str| tag[field].as_str().unwrap_or_default();
                    let tagged = self.secrets.tag(&arn, text("Key"), text("Value")).await;
                    tagged.map_err(fault)?;
                }
                Ok(done)
            }
            "UntagResource" => {
                for key in body["TagKeys"].as_array().into_iter().flatten() {
                    let key = key.as_str().unwrap_or_default();
                    self.secrets.untag(&arn, key).await.map_err(fault)?;
                }
                Ok(done)
            }
            _ => Err(refusal("InvalidAction", "not answered here")),
        }
    }

    async fn describe(&self, script: &Script, arn: &SecretArn) -> Result<Value, AwsFault> {
        let secret = self.secrets.describe(arn.as_str()).await.map_err(fault)?;
        let stages: serde_json::Map<String, Value> = secret
            .stages
            .iter()
            .map(|(version, stages)| {
                let labels: Vec<String> = stages.iter().map(Stage::to_string).collect();
                (version.to_string(), json!(labels))
            })
            .collect();
        let tags = secret.tags.iter();
        let tags: Vec<Value> = tags
            .map(|(key, value)| json!({"Key": key, "Value": value}))
            .collect();
        let mut answer = json!({"ARN": secret.arn, "Tags": tags, "VersionIdsToStages": stages});
        if !script.never_rotated {
            answer["RotationEnabled"] = secret.rotation_enabled.into();
        }
        Ok(answer)
    }

    async fn value(
        &self,
        script: &Script,
        arn: &SecretArn,
        body: &Value,
    ) -> Result<Value, AwsFault> {
        let asked = body["VersionId"].as_str().or(body["VersionStage"].as_str());
        let asked = asked.unwrap_or("AWSCURRENT");
        if let Some((_, fault)) = script.reads.iter().find(|(of, _)| of == asked) {
            return Err(fault.clone());
        }
        let id = match &body["VersionId"] {
            Value::Null => None,
            id => Some(version(id)?),
        };
        let selector = id
            .as_ref()
            .map_or(VersionSelector::Current, VersionSelector::Id);
        match self.secrets.value(arn, selector).await.map_err(fault)? {
            Some((id, text)) => Ok(json!({
                "ARN": arn, "VersionId": id, "SecretString": text.expose_secret(),
            })),
            None => Err(refusal(NOT_FOUND, "no value for the staging label")),
        }
    }

    async fn put(&self, arn: &SecretArn, body: &Value) -> Result<(), SecretError> {
        let token = version(&body["ClientRequestToken"]);
        let token = token.map_err(|fault| SecretError::Refused(fault.code))?;
        let text = SecretText::new(body["SecretString"].as_str().unwrap_or_default().to_owned());
        if body["VersionStages"] == json!(["AWSPENDING"]) {
            self.secrets.put_pending(arn, &token, None, &text).await
        } else {
            self.secrets.store(arn, &token, &text).await
        }
    }

    async fn move_stage(&self, arn: &SecretArn, body: &Value) -> Result<(), AwsFault> {
        let optional = |field: &str| match &body[field] {
            Value::Null => Ok(None),
            id => version(id).map(Some),
        };
        let to = optional("MoveToVersionId")?;
        let from = optional("RemoveFromVersionId")?;
        match (to, from) {
            (Some(to), from) => self.secrets.promote(arn, &to, from.as_ref()).await,
            (None, Some(from)) => self.secrets.unstage_pending(arn, &from).await,
            (None, None) => return Err(refusal(BAD_PARAMETER, "no version is named")),
        }
        .map_err(fault)
    }

    fn log(&self, operation: &str, body: &Value, answer: &Result<Value, AwsFault>) {
        let text = |field: &str| body[field].as_str().map(str::to_owned);
        let stages = match &body["VersionStages"] {
            Value::Array(stages) => stages
                .iter()
                .filter_map(|stage| stage.as_str().map(str::to_owned))
                .collect(),
            _ => text("VersionStage").into_iter().collect(),
        };
        let answer = match answer {
            Ok(_) => "ok".to_owned(),
            Err(fault) => fault.code.clone(),
        };
        self.inner().calls.push(AwsCall {
            invocation: 0,
            operation: operation.to_owned(),
            version: text("VersionId").or_else(|| text("ClientRequestToken")),
            stages,
            rotation_token: body.get("RotationToken").is_some(),
            to: text("MoveToVersionId"),
            from: text("RemoveFromVersionId"),
            answer,
        });
    }
}

const NOT_FOUND: &str = "ResourceNotFoundException";
const BAD_PARAMETER: &str = "InvalidParameterException";

fn version(id: &Value) -> Result<SecretVersionId, AwsFault> {
    let id = id.as_str().unwrap_or_default().parse();
    id.map_err(|_| refusal(BAD_PARAMETER, "no version id"))
}

fn refusal(code: &str, message: &str) -> AwsFault {
    AwsFault {
        code: code.to_owned(),
        message: message.to_owned(),
    }
}

/// What the embedded store refuses, as Secrets Manager says it.
fn fault(error: SecretError) -> AwsFault {
    let code = match &error {
        SecretError::NotFound(_) => NOT_FOUND,
        SecretError::TokenTaken(_) => "ResourceExistsException",
        SecretError::VersionQuota => "LimitExceededException",
        SecretError::RotationUnfinished | SecretError::Refused(_) | SecretError::Binary => {
            "InvalidRequestException"
        }
        SecretError::Moved => BAD_PARAMETER,
        SecretError::Denied { .. } => "AccessDeniedException",
        SecretError::Unavailable(_) => "InternalServiceError",
    };
    refusal(code, &error.to_string())
}

/// The same refusal in the file's words, where it has any for it.
fn in_words(refused: AwsFault, scripted: Option<AwsFault>) -> AwsFault {
    match scripted {
        Some(scripted) if scripted.code == refused.code => scripted,
        _ => refused,
    }
}

impl HttpClient for Wire {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let wire = self.clone();
        HttpConnectorFuture::new(async move {
            let target = request.headers().get("x-amz-target").unwrap_or_default();
            let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
            let body = request.body().bytes().unwrap_or_default();
            let body: Value =
                serde_json::from_slice(body).map_err(|e| ConnectorError::user(e.into()))?;
            let answer = wire.answer(&operation, &body).await;
            wire.log(&operation, &body, &answer);
            let (status, body) = match answer {
                Ok(body) => (200_u16, body),
                Err(AwsFault { code, message }) => {
                    (400, json!({"__type": code, "message": message}))
                }
            };
            let status = status
                .try_into()
                .map_err(|_| ConnectorError::user("no HTTP status".into()))?;
            let mut response = HttpResponse::new(status, SdkBody::from(body.to_string()));
            response.headers_mut().insert("x-amzn-requestid", "replay");
            Ok(response)
        })
    }
}
