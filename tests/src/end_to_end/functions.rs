//! The functions as they are deployed, and called.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use keyward_core::model::names::SecretVersionId;
use keyward_core::model::slot::ProviderName;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{Deployment, STACK, Secret};
use crate::emulators::{Function, invoke};
use crate::functions::{Profile, build};
use crate::local::event;

/// A made-up credential of Secrets Manager's for writing across accounts.
pub const ROTATION_TOKEN: &str = "EXAMPLE-rotation-token-9f8e7d6c5b4a39281706";

/// Seconds that one event may take. A provider that is silent is waited for as long as can be set: meanwhile a test
/// ends the function.
pub(super) const TIMEOUT: u32 = 300;
const PROVIDER_TIMEOUT: &str = "60";

/// A topic that nobody publishes to.
pub(super) const NO_TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:no-alarms";

/// What a function answered in place of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// `errorType`
    pub kind: String,
    /// `errorMessage`
    pub message: String,
}

/// Which emulator a function is deployed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum On {
    Moto,
    /// Where SNS wakes functions.
    Ministack,
}

/// The built binaries.
pub(super) struct Binaries {
    rotate: PathBuf,
    retire: PathBuf,
    pub(super) control: PathBuf,
    pub(super) kill_switch: PathBuf,
    pub(super) monitor: PathBuf,
    pub(super) audit: PathBuf,
    pub(super) offboard: PathBuf,
}

/// A control function is for somebody, or does not start.
const PEOPLE: (&str, &str) = ("KEYWARD_CALLERS", "people");

/// The same code as `control`, which the calls that are kept must not be taken for.
const FOR_AGENTS: [(&str, &str); 3] = [
    ("KEYWARD_CALLERS", "agents"),
    ("KEYWARD_ACCOUNTS", "{}"),
    ("AWS_SDK_UA_APP_ID", "usage"),
];

pub(super) fn binaries() -> &'static Binaries {
    static BINARIES: OnceLock<Binaries> = OnceLock::new();
    BINARIES.get_or_init(|| Binaries {
        rotate: build(Profile::Dev, "rotate").unwrap(),
        retire: build(Profile::Dev, "retire").unwrap(),
        control: build(Profile::Dev, "control").unwrap(),
        kill_switch: build(Profile::Dev, "kill-switch").unwrap(),
        monitor: build(Profile::Dev, "monitor").unwrap(),
        audit: build(Profile::Dev, "audit").unwrap(),
        offboard: build(Profile::Dev, "offboard").unwrap(),
    })
}

impl Deployment {
    /// Deploys the functions on moto.
    pub(super) async fn deploy(&mut self) {
        // The kill switch that `control` gives orders to.
        let told = [("KEYWARD_ALARM_TOPIC_ARN", NO_TOPIC)];
        let kill_switch = self.deploy_as(On::Moto, "kill-switch", |b| &b.kill_switch, &told);
        self.kill_switch = kill_switch.await;
        let rotate = self.deploy_as(On::Moto, "rotate", |b| &b.rotate, &[]);
        self.rotate = rotate.await;
        self.deploy_as(On::Moto, "retire", |b| &b.retire, &[]).await;
        self.deploy_control("control", &[]).await;
    }

    /// Deploys the kill switch as the function `name`, with what it is told beside what every function is.
    pub async fn deploy_kill_switch(&self, name: &str, told: &[(&str, &str)]) {
        self.deploy_as(On::Moto, name, |b| &b.kill_switch, told)
            .await;
        self.switches.lock().unwrap().push(name.to_owned());
    }

    /// The same for the control function, for people unless it is told otherwise.
    pub async fn deploy_control(&self, name: &str, told: &[(&str, &str)]) {
        let told = [&[PEOPLE], told].concat();
        self.deploy_as(On::Moto, name, |b| &b.control, &told).await;
    }

    /// The same for agents, whose word of their use it takes. It has no provider accounts.
    pub async fn deploy_for_agents(&self, name: &str) {
        self.deploy_control(name, &FOR_AGENTS).await;
    }

    /// Deploys a function, which is told this beside what every function is, and where both say something, this. Returns its ARN.
    pub(super) async fn deploy_as(
        &self,
        on: On,
        name: &str,
        program: fn(&'static Binaries) -> &'static Path,
        told: &[(&str, &str)],
    ) -> String {
        let shared = self.variables();
        let shared = shared.iter().map(|(n, v)| (*n, v.as_str()));
        let variables: Vec<(&str, &str)> = shared.chain(told.iter().copied()).collect();
        let built = tokio::task::spawn_blocking(binaries).await.unwrap();
        let function = Function {
            name,
            program: program(built),
            variables: &variables,
            timeout: TIMEOUT,
        };
        match on {
            On::Moto => self.moto.deploy(&function).await,
            On::Ministack => self.ministack.deploy(&function).await,
        }
    }

    /// The names that the kill switch was deployed under.
    pub(super) fn kill_switches(&self) -> Vec<String> {
        self.switches.lock().unwrap().clone()
    }

    /// What every function is told.
    pub(super) fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = [
            ("KEYWARD_TABLE", self.table.as_str()),
            ("KEYWARD_ALERT_TOPIC_ARN", &self.topic.arn),
            ("KEYWARD_ACCOUNTS", &self.accounts),
            ("KEYWARD_CREDENTIAL", "read"),
            ("KEYWARD_STACK", STACK),
            ("KEYWARD_URLS", "together"),
            ("KEYWARD_KILL_SWITCH_ARN", &self.kill_switch),
            ("KEYWARD_LOG", "trace"),
            ("KEYWARD_CONFIRM_OVER_SECONDS", "0"),
            ("KEYWARD_PROVIDER_TIMEOUT_SECONDS", PROVIDER_TIMEOUT),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", self.moto.url()),
            ("AWS_ENDPOINT_URL_DYNAMODB", self.ministack.url()),
            ("AWS_ENDPOINT_URL_SNS", self.ministack.url()),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .to_vec();
        // Where AWS is the provider, the functions' own role is what administers it.
        if let Some(bedrock) = self.providers.find(ProviderName::Bedrock) {
            let role = bedrock.simulator.management_key();
            variables.push(("AWS_ACCESS_KEY_ID", role.expose_secret().to_owned()));
        }
        variables
    }

    /// Sends one event to `rotate`, and returns its answer if it is no error.
    ///
    /// # Errors
    /// [`Failed`].
    pub async fn rotate_event(&self, event: &Value) -> Result<Value, Failed> {
        self.invoke("rotate", event).await
    }

    /// One step of a rotation as Secrets Manager asks for it.
    ///
    /// # Errors
    /// [`Failed`].
    pub async fn step(
        &self,
        step: &str,
        secret: &Secret,
        token: &SecretVersionId,
    ) -> Result<Value, Failed> {
        self.rotate_event(&json!({
            "Step": step,
            "SecretId": secret.arn,
            "ClientRequestToken": token,
            "RotationToken": ROTATION_TOKEN,
        }))
        .await
    }

    /// [`Deployment::step`] where it has to fail.
    pub async fn refused(&self, step: &str, secret: &Secret, token: &SecretVersionId) -> Failed {
        self.step(step, secret, token).await.unwrap_err()
    }

    /// What `retire` did when its schedule woke it.
    ///
    /// # Errors
    /// [`Failed`].
    pub async fn retire(&self) -> Result<Value, Failed> {
        let event = json!({"source": "aws.events", "detail-type": "Scheduled Event"});
        self.invoke("retire", &event).await
    }

    /// Puts keys that a person made into a provider account's pool, by way of `control`.
    pub async fn fill_pool(&self, provider: ProviderName, keys: usize) {
        let made = (0..keys).map(|n| self.seed_at(provider, &format!("standby {n}")));
        let body = json!({
            "reason": "first standby keys",
            "account": format!("{provider}-main"),
            "keys": made.collect::<Vec<_>>(),
        });
        let event = event("POST", "/pool/add", body.to_string().as_bytes());
        let answer = self.invoke("control", &event).await.unwrap();
        assert_eq!(answer["statusCode"], 200, "{answer}");
    }

    /// Sends one event to a function, and returns its answer if it is no error.
    ///
    /// # Errors
    /// [`Failed`].
    pub async fn invoke(&self, function: &str, event: &Value) -> Result<Value, Failed> {
        let (url, name) = self.function(function);
        let (answer, is_error) = invoke(url, &name, event).await;
        self.said.lock().unwrap().answers.push(answer.clone());
        if !is_error {
            return Ok(answer);
        }
        let text = |field: &str| answer[field].as_str().unwrap_or_default().to_owned();
        Err(Failed {
            kind: text("errorType"),
            message: text("errorMessage"),
        })
    }

    /// What `rotate` or `retire` logged so far, record by record.
    ///
    /// # Panics
    /// If it printed anything but records.
    pub fn records(&self, function: &str) -> Vec<Value> {
        let log = self.moto.log(function);
        // The last line may still be on its way.
        let whole = log.rfind('\n').map_or("", |end| &log[..end]);
        let record = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        whole.lines().map(record).collect()
    }

    /// The `errorType` of every event that `rotate` answered with an error so far.
    pub fn failures(&self) -> Vec<String> {
        let records = self.records("rotate");
        let failed = records.iter().filter_map(|r| r["error_type"].as_str());
        failed.map(str::to_owned).collect()
    }

    /// Waits until `rotate` has answered with these errors, and no other.
    pub async fn until_failures(&self, kinds: &[&str]) {
        self.until("the failure of a rotation", async || {
            self.failures() == kinds
        })
        .await;
    }

    /// The steps of a rotation that `rotate` has carried out so far.
    pub fn steps(&self, token: &SecretVersionId) -> Vec<String> {
        let records = self.records("rotate").into_iter();
        let done = records.filter(|r| r["token"] == token.as_str() && r["outcome"] == "Done");
        done.filter_map(|r| r["step"].as_str().map(str::to_owned))
            .collect()
    }

    /// The process that runs `rotate`.
    ///
    /// # Panics
    /// If there is none, or several.
    pub fn rotate_process(&self) -> u32 {
        let running = self.moto.running(&binaries().rotate);
        match running.as_slice() {
            [pid] => *pid,
            other => panic!("not one process runs rotate: {other:?}"),
        }
    }

    /// Ends the process that runs `rotate`, at once, and waits until moto has seen it.
    pub async fn kill_rotate(&self) {
        let pid = self.rotate_process();
        end(pid);
        let process = Path::new("/proc").join(pid.to_string());
        self.until("the end of rotate's process", async || !process.exists())
            .await;
    }

    /// Ends the processes that run `program` between two events, at once: moto starts another for the next event.
    pub(super) async fn end_all(&self, program: &Path) {
        let running = self.moto.running(program);
        running.iter().copied().for_each(end);
        self.until("the end of a process", async || {
            running.iter().all(|pid| has_ended(*pid))
        })
        .await;
    }
}

/// Whether nothing of a process is left but its exit status, which moto asks for when the next event comes.
fn has_ended(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // `pid (name) state …`, and the name may hold anything.
    stat.rsplit(") ")
        .next()
        .is_none_or(|rest| rest.is_empty() || rest.starts_with('Z'))
}

fn end(pid: u32) {
    let kill = Command::new("sh")
        .args(["-c", "kill -KILL \"$0\"", &pid.to_string()])
        .status();
    assert!(kill.unwrap().success());
}
