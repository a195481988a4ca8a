//! ministack: DynamoDB, SNS, SQS and most of the rest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use aws_config::SdkConfig;
use serde::Deserialize;
use serde_json::{Value, json};

use super::environment::{python, scripts};
use super::moto::{Function, invoke};
use super::process::Process;
use super::{authorization, http_client, sdk_config};

const ROLE: &str = "arn:aws:iam::000000000000:role/emulated-function";

/// How often, and how long each time, the end of an update is waited for.
const LOOKS: usize = 1200;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// A stack that was made, or was not.
#[derive(Debug, Deserialize)]
pub struct Stacked {
    /// CloudFormation's word for it.
    pub status: String,
    /// Its outputs.
    pub outputs: BTreeMap<String, String>,
    /// The state of each of its resources.
    pub resources: BTreeMap<String, String>,
    /// What failed, and why.
    pub failed: Vec<String>,
}

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

    /// Deploys a function and returns its ARN. What it prints is in [`Ministack::log`].
    pub async fn deploy(&self, function: &Function<'_>) -> String {
        let mut variables: serde_json::Map<String, Value> = function
            .variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        let program = function.program.file_name().unwrap().to_string_lossy();
        variables.insert("AWS_SDK_UA_APP_ID".to_owned(), json!(program));
        let archive = archive(function.program, &log_of(function.name));
        let created = http_client()
            .post(format!("{}/2015-03-31/functions", self.url()))
            .header("Authorization", authorization("lambda"))
            .json(&json!({
                "FunctionName": function.name,
                "Runtime": "provided.al2023",
                "Handler": "bootstrap",
                "Role": ROLE,
                "Timeout": function.timeout,
                "Code": {"ZipFile": archive},
                "Environment": {"Variables": variables},
            }));
        let answer = created.send().await.unwrap();
        let status = answer.status();
        let body: Value = answer.json().await.unwrap();
        assert!(status.is_success(), "{status}: {body}");
        body["FunctionArn"].as_str().unwrap().to_owned()
    }

    /// Makes a stack of a SAM template with these parameters, whose functions run the built binaries. What they print is in
    /// [`Ministack::log`].
    pub async fn deploy_stack(
        &self,
        name: &str,
        template: &Value,
        parameters: &Value,
        programs: &[PathBuf],
    ) -> Stacked {
        let folder = Process::folder("ministack-functions");
        let file = folder.join(format!("{name}.json"));
        std::fs::write(&file, template.to_string()).unwrap();
        let mut deploy = Command::new(python().expect("ministack runs in it"));
        deploy
            .arg(scripts().join("deploy_stack.py"))
            .args([self.url(), name])
            .arg(&file)
            .arg(parameters.to_string())
            .arg(&folder)
            .args(programs);
        let output = tokio::task::spawn_blocking(move || deploy.output());
        let output = output.await.unwrap().unwrap();
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Gives a function that is there one more environment variable, beside those that it was made with:
    /// <https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionConfiguration.html>. It is ready when this returns.
    pub async fn tell(&self, function: &str, variable: &str, value: &str) {
        let url = format!(
            "{}/2015-03-31/functions/{function}/configuration",
            self.url()
        );
        let configuration = async |request: reqwest::RequestBuilder| {
            let answer = request.header("Authorization", authorization("lambda"));
            let answer = answer.send().await.unwrap();
            let status = answer.status();
            let body: Value = answer.json().await.unwrap();
            assert!(status.is_success(), "{function}: {status}: {body}");
            body
        };
        let client = http_client();
        let mut variables =
            configuration(client.get(&url)).await["Environment"]["Variables"].take();
        variables[variable] = json!(value);
        let body = json!({ "Environment": { "Variables": variables } });
        configuration(client.put(&url).json(&body)).await;
        for _ in 0..LOOKS {
            if configuration(client.get(&url)).await["LastUpdateStatus"] == "Successful" {
                return;
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        panic!("{function} is still being updated");
    }

    /// Sends one event to a function and returns its answer, and whether it is an error.
    pub async fn invoke(&self, function: &str, event: &Value) -> (Value, bool) {
        invoke(self.url(), function, event).await
    }

    /// Everything that a function printed so far.
    pub fn log(&self, function: &str) -> String {
        std::fs::read_to_string(log_of(function)).unwrap_or_default()
    }

    /// One call of SQS's JSON protocol.
    pub async fn sqs(&self, operation: &str, request: &Value) -> Value {
        sqs(self.url(), operation, request).await
    }
}

fn log_of(function: &str) -> PathBuf {
    Process::folder("ministack-functions").join(format!("{function}.log"))
}

/// An archive that runs the program, in base64.
fn archive(program: &Path, log: &Path) -> String {
    let python = python().expect("ministack runs in it");
    let output = Command::new(python)
        .arg(scripts().join("bootstrap_zip.py"))
        .args([program, log])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
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
