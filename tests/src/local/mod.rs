//! A deployment on this machine, for trying the command: emulated AWS, a provider over HTTP, the real functions, and a
//! front that plays the control function's URL.

mod agents;
mod front;
mod shell;
mod signature;

use std::fs;
use std::path::{Path, PathBuf};

use keyward_core::model::money::MicroDollars;
use keyward_core::model::slot::ProviderName;
use keyward_core::model::usage::Bucket;
use keyward_core::ports::Stage;
use keyward_core::rules::policy::interval_days;
use keyward_testkit::simulator::Settings;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::end_to_end::{CONTROL, Deployment, Guard, Secret};
use crate::support::THREE;
pub use front::event;
use front::{AGENTS, Caller, Front};

/// Keys that stand ready to be put into the pool.
const STANDBY: usize = 4;

/// What a call of an agent costs that calls all day.
const CHEAP: MicroDollars = MicroDollars(10);

/// The providers of the sample, and IAM, which the account of Bedrock's says the place of.
const WITH_IAM: [ProviderName; 4] = [THREE[0], THREE[1], THREE[2], ProviderName::Bedrock];

/// The function that takes agents' word of their use, and the slot of the sample whose agent tells.
const USAGE: &str = "usage";
const TOLD: &str = "support-bot-openrouter";

/// The credentials that the front knows.
const ACCESS_KEY: &str = "testing";
const SECRET_KEY: &str = "testing";

/// A deployment that runs, and the files that go with it.
pub struct Local {
    /// The parts.
    pub deployment: Deployment,
    /// Settings of the command, as a shell reads them.
    pub settings: PathBuf,
    /// The sample fleet with the ARNs of this deployment's secrets.
    pub fleet: PathBuf,
    /// Keys that a person made at the provider whose API makes none. Beside it lie the provider accounts and a break-glass
    /// credential of OpenRouter's, `accounts.json` and `break-glass.txt`.
    pub standby: PathBuf,
    _fronts: Vec<Front>,
}

impl Local {
    /// Starts everything, with the files in `folder` and the built command at `command`; `None` where the emulators
    /// cannot be had.
    ///
    /// # Panics
    /// If a part does not start.
    pub async fn start(folder: &Path, command: &Path) -> Option<Self> {
        Some(Self::of(Deployment::start().await?, folder, command).await)
    }

    /// The same with a stack made of the template, see [`crate::end_to_end::ADDED`]. Calls of agents cost next to nothing.
    ///
    /// # Panics
    /// If a part does not start.
    pub async fn on_stack(folder: &Path, command: &Path) -> Option<Self> {
        let settings = Settings {
            call_cost: CHEAP,
            ..Settings::default()
        };
        let deployment = Deployment::of_template(&WITH_IAM, &settings).await?;
        Some(Self::of(deployment, folder, command).await)
    }

    /// Starts everything with accounts at these providers, and this fleet in place of the sample; `None` where the emulators
    /// cannot be had.
    ///
    /// # Panics
    /// If a part does not start.
    pub async fn with_fleet(
        folder: &Path,
        command: &Path,
        providers: &[ProviderName],
        fleet: Value,
    ) -> Option<Self> {
        let deployment = Deployment::at(providers).await?;
        Some(Self::with(deployment, folder, command, fleet).await)
    }

    async fn of(deployment: Deployment, folder: &Path, command: &Path) -> Self {
        let fleet = serde_json::from_str(include_str!("../../fixtures/fleet-three.json"));
        let fleet = fleet.expect("the sample fleet is JSON");
        Self::with(deployment, folder, command, fleet).await
    }

    async fn with(deployment: Deployment, folder: &Path, command: &Path, fleet: Value) -> Self {
        fs::create_dir_all(folder).expect("a folder");
        let fleet = with_secrets(&deployment, fleet).await;
        let fleet_file = folder.join("fleet.json");
        let text = serde_json::to_string_pretty(&fleet).expect("JSON");
        fs::write(&fleet_file, text).expect("a file");
        let standby = folder.join("standby-keys.txt");
        let made = (0..STANDBY)
            .map(|n| deployment.seed_at(ProviderName::Anthropic, &format!("standby {n}")) + "\n");
        fs::write(&standby, made.collect::<String>()).expect("a file");
        lay_ready(&deployment, folder);
        let mut fronts = Vec::new();
        let mut urls = String::new();
        for (setting, function) in deployment.control_functions() {
            let (emulator, function) = deployment.function(&function);
            let front = Front::start(emulator, &function, Caller::Operator).await;
            urls += &format!("export {setting}='{}'\n", front.url);
            fronts.push(front);
        }
        let settings = folder.join("env");
        let text = exports(&deployment, command) + &urls;
        fs::write(&settings, text).expect("a file");
        Self {
            deployment,
            settings,
            fleet: fleet_file,
            standby,
            _fronts: fronts,
        }
    }

    /// The secrets of the sample fleet.
    ///
    /// # Panics
    /// If the file is not what was written.
    pub fn secrets(&self) -> Vec<Secret> {
        let fleet = fs::read_to_string(&self.fleet).expect("a file");
        let fleet: Value = serde_json::from_str(&fleet).expect("JSON");
        let slots = fleet["slots"].as_object().expect("slots");
        let secret = |(slot, entry): (&String, &Value)| Secret {
            slot: slot.parse().unwrap(),
            arn: entry["secret"].as_str().unwrap().parse().unwrap(),
            first: "00000000-0000-4000-8000-000000000000".parse().unwrap(),
        };
        slots.iter().map(secret).collect()
    }

    /// Deploys what takes agents' word of their use, and tells a shell of its URL.
    ///
    /// # Panics
    /// If a part does not start.
    pub async fn with_reports(&mut self) {
        self.deployment.deploy_for_agents(USAGE).await;
        let front = Front::start(self.deployment.moto.url(), USAGE, Caller::Agent).await;
        self.tell(&format!("export KEYWARD_USAGE_URL='{}'\n", front.url));
        self._fronts.push(front);
        self.write_report().await;
    }

    /// Writes what an agent may tell of the five minutes that are under way, and of the key that it fetches now.
    ///
    /// # Panics
    /// If it cannot be written.
    pub async fn write_report(&self) {
        let secret = self.secrets().into_iter().find(|s| s.slot.as_str() == TOLD);
        let secret = secret.expect("the slot is in the sample");
        let now = self.deployment.ports.clock.now();
        let described = self.deployment.describe(&secret).await;
        let report = json!({
            "slot": TOLD,
            "reporter": "3f2b8c1e-0000-4000-8000-00000000abcd",
            "version": described.holder(&Stage::Current),
            "buckets": [{"from": Bucket::of(now).begins(), "models": [{
                "model": "openai/gpt-4o", "requests": 3, "input": 2000, "output": 400,
                "cache_read": 0, "cache_write": 0,
            }]}],
        });
        let text = serde_json::to_string_pretty(&report).expect("JSON");
        fs::write(self.folder().join("usage.json"), text).expect("a file");
    }

    fn folder(&self) -> &Path {
        self.settings
            .parent()
            .expect("the settings are in a folder")
    }

    /// Adds lines to the settings.
    fn tell(&self, lines: &str) {
        let settings = fs::read_to_string(&self.settings).expect("a file");
        fs::write(&self.settings, settings + lines).expect("a file");
    }

    /// Deploys the kill switch behind its topic, and has the command talk to a control function that is told of both.
    ///
    /// # Panics
    /// If a part does not start.
    pub async fn with_drills(&mut self) -> Guard {
        let guard = self.deployment.guard().await;
        let front = Front::start(self.deployment.moto.url(), CONTROL, Caller::Operator).await;
        self.tell(&format!("export KEYWARD_CONTROL_URL='{}'\n", front.url));
        self._fronts.push(front);
        guard
    }
}

/// What an offline kill takes: the provider accounts, and a credential of OpenRouter's.
fn lay_ready(deployment: &Deployment, folder: &Path) {
    let admin = deployment.simulator.management_key();
    for (name, text) in [
        ("accounts.json", deployment.accounts.as_str()),
        ("break-glass.txt", admin.expose_secret()),
    ] {
        fs::write(folder.join(name), text).expect("a file");
    }
}

/// A fleet with secrets. They hold keys that a person made, and have rotation turned on.
async fn with_secrets(deployment: &Deployment, mut fleet: Value) -> Value {
    let slots = fleet["slots"].as_object_mut().expect("slots");
    let policy = keyward_core::model::fleet::PolicyEntry::default().into();
    for (name, slot) in slots {
        let account = slot["account"].as_str().expect("an account");
        let by_name = |p: &ProviderName| format!("{p}-main") == account;
        let provider = ProviderName::ALL.into_iter().find(by_name);
        let provider = provider.expect("an account of a known provider");
        let key = deployment.seed_at(provider, &format!("{name} by hand"));
        let secret = deployment.create(name, &key).await;
        deployment
            .turn_rotation_on(&secret, interval_days(&policy))
            .await;
        slot["secret"] = json!(secret.arn);
        slot["readers"] = json!([AGENTS]);
    }
    fleet
}

fn exports(deployment: &Deployment, command: &Path) -> String {
    let settings = [
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", deployment.moto.url()),
        ("AWS_ENDPOINT_URL_DYNAMODB", deployment.ministack.url()),
        ("KEYWARD_ACCOUNTS", &deployment.accounts),
    ];
    let lines = settings.map(|(name, value)| format!("export {name}='{value}'\n"));
    let bin = command.parent().unwrap_or(command).display();
    let path = format!("export PATH=\"{bin}:$PATH\"\n");
    lines.concat()
        + &deployment.command_settings()
        + "unset AWS_PROFILE AWS_SESSION_TOKEN\n"
        + &path
}
