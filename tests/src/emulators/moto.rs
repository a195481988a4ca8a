//! moto: Secrets Manager, with rotation functions that really run.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use aws_config::SdkConfig;
use serde_json::{Value, json};

use super::process::Process;
use super::{REGION, authorization, http_client, sdk_config};

const ROLE: &str = "emulated-function";

/// A zip archive with nothing in it, in base64: the program is named by a variable.
const EMPTY_ZIP: &str = "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA==";

/// What Lambda says of an invocation that it lets no environment run:
/// <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>.
pub(crate) const THROTTLED: &str = "TooManyRequestsException";

/// A running moto.
#[derive(Debug)]
pub struct Moto {
    process: Process,
    logs: PathBuf,
}

/// A function to deploy.
#[derive(Debug)]
pub struct Function<'a> {
    /// Its name.
    pub name: &'a str,
    /// What is run: the built binary itself.
    pub program: &'a Path,
    /// Its environment variables.
    pub variables: &'a [(&'a str, &'a str)],
    /// Seconds that one event may take.
    pub timeout: u32,
}

impl Moto {
    /// Starts it; `None` where it cannot be had.
    pub async fn start() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::SeqCst);
        let logs = Process::folder(&format!("functions-{count}"));
        let arguments = logs.clone();
        let start = move || Process::start("moto_lambda.py", &[arguments.as_os_str()]);
        let process = tokio::task::spawn_blocking(start).await.unwrap()?;
        Some(Self { process, logs })
    }

    /// Where it answers.
    pub fn url(&self) -> &str {
        &self.process.url
    }

    /// What adapters for it are built from.
    pub async fn sdk_config(&self) -> SdkConfig {
        sdk_config(self.url()).await
    }

    /// Everything that a function printed so far.
    pub fn log(&self, function: &str) -> String {
        std::fs::read_to_string(self.logs.join(format!("{function}.log"))).unwrap_or_default()
    }

    /// The processes that run `program` for a function at this moment.
    pub fn running(&self, program: &Path) -> Vec<u32> {
        self.process.running(program)
    }

    /// Deploys a function and returns its ARN.
    pub async fn deploy(&self, function: &Function<'_>) -> String {
        let mut variables: serde_json::Map<String, Value> = function
            .variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        variables.insert("KEYWARD_BOOTSTRAP".to_owned(), json!(function.program));
        let variables = Value::Object(variables);
        self.create(function.name, function.timeout, &variables)
            .await
    }

    /// Makes a function known that runs elsewhere: its events are sent to `url`. Returns its ARN here.
    pub async fn deploy_elsewhere(&self, name: &str, timeout: u32, url: &str) -> String {
        let variables = json!({ "KEYWARD_ELSEWHERE": url });
        self.create(name, timeout, &variables).await
    }

    async fn create(&self, name: &str, timeout: u32, variables: &Value) -> String {
        let client = http_client();
        let role = client
            .post(self.url())
            .header("Authorization", authorization("iam"))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(format!(
                "Action=CreateRole&RoleName={ROLE}&AssumeRolePolicyDocument=%7B%7D&Version=2010-05-08"
            ));
        // A later function finds the role there already.
        role.send().await.unwrap();
        let created = client
            .post(format!("{}/2015-03-31/functions", self.url()))
            .header("Authorization", authorization("lambda"))
            .json(&json!({
                "FunctionName": name,
                "Runtime": "provided.al2023",
                "Handler": "bootstrap",
                "Role": format!("arn:aws:iam::123456789012:role/{ROLE}"),
                "Timeout": timeout,
                "Code": {"ZipFile": EMPTY_ZIP},
                "Environment": {"Variables": variables},
            }));
        let answer = created.send().await.unwrap();
        let status = answer.status();
        let body: Value = answer.json().await.unwrap();
        assert!(status.is_success(), "{REGION}: {status}: {body}");
        body["FunctionArn"].as_str().unwrap().to_owned()
    }

    /// Sends one event to a function and returns its answer, and whether it is an error.
    pub async fn invoke(&self, function: &str, event: &Value) -> (Value, bool) {
        invoke(self.url(), function, event).await
    }
}

/// [`Moto::invoke`] for the moto at `url`.
pub(crate) async fn invoke(url: &str, function: &str, event: &Value) -> (Value, bool) {
    let url = format!("{url}/2015-03-31/functions/{function}/invocations");
    let request = http_client()
        .post(url)
        .header("Authorization", authorization("lambda"))
        .json(event);
    let answer = request.send().await.unwrap();
    if answer.status() == reqwest::StatusCode::TOO_MANY_REQUESTS {
        let said: Value = answer.json().await.unwrap();
        let refused = json!({ "errorType": THROTTLED, "errorMessage": said["Reason"] });
        return (refused, true);
    }
    let is_error = answer.headers().contains_key("x-amz-function-error");
    (answer.json().await.unwrap(), is_error)
}
