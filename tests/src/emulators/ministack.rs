//! ministack: DynamoDB, SNS, SQS and most of the rest.

use aws_config::SdkConfig;
use serde_json::Value;

use super::process::Process;
use super::{authorization, http_client, sdk_config};

/// A running ministack.
#[derive(Debug)]
pub struct Ministack {
    process: Process,
}

impl Ministack {
    /// Starts it; `None` where it cannot be had.
    pub async fn start() -> Option<Self> {
        let start = || Process::start("ministack_server.py", &[]);
        let process = tokio::task::spawn_blocking(start).await.unwrap()?;
        Some(Self { process })
    }

    /// Where it answers.
    pub fn url(&self) -> &str {
        &self.process.url
    }

    /// What adapters for it are built from.
    pub async fn sdk_config(&self) -> SdkConfig {
        sdk_config(self.url()).await
    }

    /// One call of SQS's JSON protocol.
    pub async fn sqs(&self, operation: &str, request: &Value) -> Value {
        sqs(self.url(), operation, request).await
    }
}

/// One call of SQS's JSON protocol at `url`.
pub(super) async fn sqs(url: &str, operation: &str, request: &Value) -> Value {
    let request = http_client()
        .post(url)
        .header("Authorization", authorization("sqs"))
        .header("Content-Type", "application/x-amz-json-1.0")
        .header("X-Amz-Target", format!("AmazonSQS.{operation}"))
        .body(request.to_string());
    let answer = request.send().await.unwrap();
    assert!(answer.status().is_success(), "{operation}: {answer:?}");
    let body = answer.text().await.unwrap();
    serde_json::from_str(&body).unwrap_or(Value::Null)
}
