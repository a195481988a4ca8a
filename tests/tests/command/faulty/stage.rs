//! A fleet in which all is well, beside slots each of which is there for a fault of its own.

use std::collections::{BTreeMap, BTreeSet};

use keyward_aws::S3Reports;
use keyward_core::model::audit::{AuditReport, Standing};
use keyward_core::model::key::ApiKey;
use keyward_core::model::names::{KeyHandle, SlotName};
use keyward_core::model::slot::{ProviderName, Slot};
use keyward_core::model::version::Version;
use keyward_core::ports::{Fence, KeyProvider, ReportSink as _};
use keyward_tests::end_to_end::{Deployment, Guard, Secret};
use serde_json::{Value, json};

use super::super::audited::Audited;
use super::*;

/// Slots of which nothing is ever to be found.
pub(super) const CLEAN: [&str; 2] = ["clean-openai", CANARY];

/// The one that drills may cut off.
pub(super) const CANARY: &str = "clean-canary";

/// Slots that are there for a fault, by the account that they are of.
pub(super) const FAULTY: [(&str, ProviderName); 27] = [
    ("agent-gone", ProviderName::OpenRouter),
    ("cap-gone", ProviderName::OpenRouter),
    ("damaged", ProviderName::OpenRouter),
    ("deleted-key", ProviderName::OpenRouter),
    ("disabled-key", ProviderName::OpenRouter),
    ("failing", ProviderName::OpenRouter),
    ("idle", ProviderName::OpenRouter),
    ("left-closed", ProviderName::OpenRouter),
    ("lost-secret", ProviderName::OpenRouter),
    ("nameless", ProviderName::OpenRouter),
    ("not-revoked", ProviderName::OpenRouter),
    ("observes", ProviderName::OpenRouter),
    ("old", ProviderName::OpenRouter),
    ("old-format", ProviderName::Gemini),
    ("overdue", ProviderName::OpenRouter),
    ("owner-left", ProviderName::OpenRouter),
    ("ownerless", ProviderName::OpenRouter),
    ("persons", ProviderName::OpenAi),
    ("reads-dev", ProviderName::OpenRouter),
    ("shared-one", ProviderName::OpenRouter),
    ("shared-two", ProviderName::OpenRouter),
    ("stuck", ProviderName::OpenRouter),
    ("undead", ProviderName::OpenAi),
    ("unguarded", ProviderName::OpenRouter),
    ("unsaid", ProviderName::OpenRouter),
    ("untagged", ProviderName::OpenRouter),
    ("unwatched", ProviderName::Anthropic),
];

/// The service account that Google's new keys are bound to.
const BOUND: &str = "agent@keyward-example-0.iam.gserviceaccount.com";

/// A key that somebody made a month ago.
const OLD_KEY: &str = "sk-proj-EXAMPLE0a1b2c3d4e5f6g7h8i9j0kALBMCNDOEPFQGRHSITJU";

const PROVIDERS: [ProviderName; 5] = [
    ProviderName::OpenRouter,
    ProviderName::OpenAi,
    ProviderName::Anthropic,
    ProviderName::Gemini,
    ProviderName::Bedrock,
];

/// Those whose accounts have a sealed credential: AWS's own is a role.
pub(super) const SEALED: [ProviderName; 4] = [
    ProviderName::OpenRouter,
    ProviderName::OpenAi,
    ProviderName::Anthropic,
    ProviderName::Gemini,
];

/// A finding: its rule, and what it is about.
pub(super) type Found = (String, String);

pub(super) struct Stage {
    pub(super) audited: Audited,
    pub(super) guard: Guard,
    /// Where the fleet file is, under its usual name.
    pub(super) folder: std::path::PathBuf,
}

/// One entry of the fleet file.
fn entry(name: &str, provider: ProviderName) -> (Value, Value) {
    let environment = match name {
        "reads-dev" => "dev",
        _ => "prod",
    };
    let agent = json!({
        "owner": "ana@example.com", "backup_owner": "platform-team", "environment": environment,
    });
    let mut slot = json!({
        "agent": name, "account": format!("{provider}-main"),
        "expected_spend": {"daily_cents": 2000, "monthly_cents": 60000},
    });
    match provider {
        ProviderName::OpenAi => {
            slot["scope"] =
                json!({"project": "proj_EXAMPLE0", "service_account": "svc_acct_EXAMPLE0"});
        }
        ProviderName::Anthropic => slot["scope"] = json!({"workspace": "wrkspc_EXAMPLE0000"}),
        ProviderName::Gemini => {
            slot["scope"] = json!({"project": "keyward-example-0", "service_account": BOUND})
        }
        _ => {}
    }
    if name == CANARY {
        slot["canary"] = json!(true);
        slot["mode"] = json!("enforce");
    }
    (agent, slot)
}

fn fleet() -> Value {
    let clean = [
        (CLEAN[0], ProviderName::OpenAi),
        (CLEAN[1], ProviderName::OpenRouter),
    ];
    let (mut agents, mut slots) = (serde_json::Map::new(), serde_json::Map::new());
    for (name, provider) in clean.into_iter().chain(FAULTY) {
        let (agent, slot) = entry(name, provider);
        agents.insert(name.to_owned(), agent);
        slots.insert(name.to_owned(), slot);
    }
    let accounts = PROVIDERS.iter().filter(|p| **p != ProviderName::Bedrock);
    let accounts: BTreeMap<String, Value> = accounts
        .map(|p| (format!("{p}-main"), json!({ "provider": p })))
        .collect();
    json!({"version": 1, "accounts": accounts, "agents": agents, "slots": slots})
}

impl Stage {
    /// Starts everything, and registers, watches and rotates as a deployment that is a few hours old.
    pub(super) async fn start() -> Option<Self> {
        let name = "faulty";
        let command = tokio::task::spawn_blocking(build_command).await.unwrap();
        let command = command.unwrap();
        let mut local = Local::with_fleet(&folder(name), &command, &PROVIDERS, fleet()).await?;
        let guard = local.with_drills().await;
        local.deployment.watch(&guard).await;
        let folder = folder("faulty-files");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::copy(&local.fleet, folder.join("keyward.toml")).unwrap();
        let audited = Audited::of(local, &guard.topic).await;
        let stage = Self {
            audited,
            guard,
            folder,
        };
        stage.settle().await;
        Some(stage)
    }

    async fn settle(&self) {
        self.keeps_reports().await;
        self.hand_over("persons", OLD_KEY).await;
        self.edit(|fleet| fleet["slots"]["reads-dev"]["readers"] = json!([]));
        self.well("keyward apply keyward.toml --reason first").await;
        let standby = self.audited.local.standby.display();
        let add = format!("keyward pool add anthropic-main --reason first < {standby}");
        self.well(&add).await;
        // Keys that people made by hand belong to them: a service account's takes the place of each.
        for slot in ["clean-openai", "undead"] {
            self.replace(slot).await;
        }
        let all = self.audited.local.secrets();
        let all: Vec<&Secret> = all.iter().collect();
        self.deployment()
            .pass(&all, SignedDuration::from_hours(3))
            .await;
        self.runs().await;
    }

    /// A slot's secret holds a key that somebody made a month ago, in place of the one that was made for it.
    async fn hand_over(&self, slot: &str, text: &str) {
        let secret = self.secret(slot);
        let openai = self.deployment().simulator_at(ProviderName::OpenAi);
        let made_for_it = self.deployment().current(&secret).await;
        let made_for_it = ApiKey::new(&made_for_it);
        let handle = self.listed(ProviderName::OpenAi, &made_for_it).await;
        let driver = self.driver(ProviderName::OpenAi).await;
        driver.delete(&handle).await.unwrap();
        openai.seed_key(&format!("{slot} by hand"), &ApiKey::new(text));
        self.deployment().put(&secret, text).await;
    }

    pub(super) fn deployment(&self) -> &Deployment {
        &self.audited.local.deployment
    }

    /// What the schedules wake.
    pub(super) async fn runs(&self) {
        let retired = self.deployment().retire().await;
        retired.unwrap();
        let watched = self.deployment().monitor().await;
        watched.unwrap();
    }

    /// The bucket of reports, in which a directory says who has left.
    async fn keeps_reports(&self) {
        let config = self.deployment().ministack.sdk_config().await;
        let s3 = aws_sdk_s3::Client::new(&config);
        s3.create_bucket().bucket("reports").send().await.unwrap();
        let left = br#"["gone@example.com"]"#.to_vec();
        let put = s3.put_object().bucket("reports").key("people/left.json");
        put.body(left.into()).send().await.unwrap();
    }

    /// From where the fleet file is, as a person gives a line there. How it ended, and all that it said.
    pub(super) async fn line(&self, line: &str) -> (Option<i32>, String) {
        let line = format!("cd {} && {line}", self.folder.display());
        let (code, said, complained) = self.audited.run(&line).await;
        (code, said + &complained)
    }

    pub(super) async fn well(&self, line: &str) {
        let (code, said) = self.line(line).await;
        assert_eq!(code, Some(0), "{line}: {said}");
    }

    pub(super) fn secret(&self, slot: &str) -> Secret {
        let all = self.audited.local.secrets();
        let mut found = all
            .into_iter()
            .filter(|secret| secret.slot.as_str() == slot);
        found.next().unwrap()
    }

    /// Rotates a slot, and lets its old key end.
    pub(super) async fn replace(&self, slot: &str) {
        self.well(&format!("keyward rotate {slot} --wait")).await;
        self.let_end(slot).await;
    }

    /// A day on, the old keys of a slot are dead.
    pub(super) async fn let_end(&self, slot: &str) {
        let secret = self.secret(slot);
        let day = SignedDuration::from_hours(25);
        self.deployment().pass(&[&secret], day).await;
        self.deployment().retire_all(&secret).await;
        // What was only just revoked may still be listed.
        let while_ = SignedDuration::from_hours(2);
        self.deployment().pass(&[&secret], while_).await;
    }

    pub(super) async fn change(&self, slot: &str, change: impl FnOnce(&mut Slot)) {
        let name: SlotName = slot.parse().unwrap();
        let mut slot = self.deployment().slot(&name).await;
        change(&mut slot);
        let saved = self.deployment().ports.inventory.save_slot(&slot);
        saved.await.unwrap();
    }

    /// Changes every key of a slot.
    pub(super) async fn change_keys(&self, slot: &str, change: impl Fn(&mut Version)) {
        let mut versions = self.deployment().versions(&slot.parse().unwrap()).await;
        versions.iter_mut().for_each(change);
        let inventory = &self.deployment().ports.inventory;
        let saved = inventory.save_versions(&versions, Fence::None);
        saved.await.unwrap();
    }

    pub(super) async fn driver(&self, provider: ProviderName) -> std::sync::Arc<dyn KeyProvider> {
        let account = format!("{provider}-main").parse().unwrap();
        let opened = self.deployment().ports.providers.open(&account, provider);
        opened.await.unwrap()
    }

    /// The handle of a key as its provider lists it.
    pub(super) async fn listed(&self, provider: ProviderName, key: &ApiKey) -> KeyHandle {
        let driver = self.driver(provider).await;
        let scope = self.deployment().scope_at(provider);
        let page = driver.list(&scope, None).await.unwrap();
        let mut found = page.keys.iter().filter(|record| driver.fits(record, key));
        found.next().expect("it is listed").handle.clone()
    }

    /// The handle of the key that agents of a slot use.
    pub(super) async fn handle(&self, slot: &str) -> KeyHandle {
        let slot = slot.parse().unwrap();
        let current = self.deployment().version(&slot, VersionState::Current);
        current.await.handle.unwrap()
    }

    pub(super) async fn report(&self) -> AuditReport {
        self.audited.report().await
    }

    /// Keeps what a report found, as an audit of the month before, so that the next tells what is fixed.
    pub(super) async fn remember(&self, report: AuditReport) {
        let config = self.deployment().ministack.sdk_config().await;
        let reports = S3Reports::new(&config, "reports");
        let mut kept = reports.ledger().await.unwrap();
        kept.ledger.entries = report.findings;
        for entry in &mut kept.ledger.entries {
            entry.first_period = entry.first_period.before();
        }
        reports.keep(&kept).await.unwrap();
    }
}

/// What stands so in a report.
pub(super) fn standing(report: &AuditReport, is: impl Fn(Standing) -> bool) -> BTreeSet<Found> {
    let found = report.findings.iter().filter(|entry| is(entry.standing));
    let found = found.map(|entry| {
        let finding = &entry.finding;
        (finding.rule.to_string(), finding.about.to_string())
    });
    found.collect()
}
