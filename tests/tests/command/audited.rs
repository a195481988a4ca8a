//! An audit with a person's own credentials, and what somebody answers for.

use std::sync::Arc;

use jiff::Timestamp;
use keyward_aws::{DynamoInventory, S3Reports};
use keyward_core::model::SCHEMA;
use keyward_core::model::audit::{AcceptedRisk, AuditReport, Entry, Seen, Source, Standing};
use keyward_core::model::finding::FindingId;
use keyward_core::model::slot::ProviderName;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{Clock, ReportSink, RiskRegister};
use keyward_lambda::clock::SystemClock;
use keyward_testkit::simulator::{Settings, Simulator};
use keyward_tests::emulators::http_client;
use keyward_tests::end_to_end::{FILES, STACK};
use keyward_tests::support::account_entry;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::*;

/// What the audit and the discovery need beside the settings of a [`Local`]: emulated CloudWatch, Lambda and S3, and an account
/// of Bedrock's, whose IAM lists every user.
pub(super) struct Audited {
    pub(super) local: Local,
    pub(super) iam: Simulator,
    settings: String,
}

impl Audited {
    pub(super) async fn start(name: &str) -> Option<Self> {
        let local = local(name).await?;
        let settings = Settings {
            provider: ProviderName::Bedrock,
            ..Settings::default()
        };
        let iam = Simulator::start(Arc::new(SystemClock), settings).await;
        let mut accounts: Value = serde_json::from_str(&local.deployment.accounts).unwrap();
        accounts["bedrock-main"] = account_entry(&iam, "", "");
        let deployment = &local.deployment;
        let (moto, ministack) = (deployment.moto.url(), deployment.ministack.url());
        let settings = format!(
            "export AWS_ENDPOINT_URL_LAMBDA='{moto}' AWS_ENDPOINT_URL_CLOUDWATCH='{ministack}' AWS_ENDPOINT_URL_S3='{ministack}' \
             KEYWARD_STACK=prod KEYWARD_ALARM_TOPIC_ARN=arn:aws:sns:us-east-1:000000000000:prod-alarms KEYWARD_ACCOUNTS='{accounts}'"
        );
        Some(Self {
            local,
            iam,
            settings,
        })
    }

    /// The same of a deployment whose alarms are guarded, and that has an account of Bedrock's and a bucket of reports.
    pub(super) async fn of(local: Local, topic: &str) -> Self {
        let deployment = &local.deployment;
        let iam = deployment.simulator_at(ProviderName::Bedrock).clone();
        let (moto, ministack) = (deployment.moto.url(), deployment.ministack.url());
        let settings = format!(
            "export AWS_ENDPOINT_URL_LAMBDA='{moto}' AWS_ENDPOINT_URL_CLOUDWATCH='{ministack}' AWS_ENDPOINT_URL_S3='{ministack}' \
             KEYWARD_STACK={STACK} KEYWARD_ALARM_TOPIC_ARN={topic} KEYWARD_REPORTS=reports"
        );
        Self {
            local,
            iam,
            settings,
        }
    }

    /// From now on the configuration names another secret for an account's admin credential.
    pub(super) fn admin_secret(&mut self, account: &str, secret: &str) {
        let mut accounts: Value = serde_json::from_str(&self.local.deployment.accounts).unwrap();
        accounts[account]["admin_secret"] = json!(secret);
        self.settings += &format!(" KEYWARD_ACCOUNTS='{accounts}'");
    }

    /// Runs a line as whoever may list IAM's users, too.
    pub(super) async fn as_auditor(&self, line: &str) -> (Option<i32>, String, String) {
        let key = self.iam.management_key();
        let key = key.expose_secret();
        let line = format!("export AWS_ACCESS_KEY_ID='{key}'; {line}");
        self.run(&line).await
    }

    pub(super) async fn run(&self, line: &str) -> (Option<i32>, String, String) {
        let line = format!("{}; {line}", self.settings);
        let output = shell(&self.local, &line, "").await;
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    }

    pub(super) async fn report(&self) -> AuditReport {
        let (code, said, complained) = self.as_auditor("keyward audit --json").await;
        assert!(matches!(code, Some(0 | 2 | 3)), "{code:?} {complained}");
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}{complained}"))
    }

    async fn inventory(&self) -> DynamoInventory {
        let config = self.local.deployment.ministack.sdk_config().await;
        DynamoInventory::new(&config, &self.local.deployment.table)
    }
}

fn entry(report: &AuditReport, id: FindingId) -> &Entry {
    let mut found = report.findings.iter().filter(|e| e.finding.id == id);
    found.next().expect("the finding is there")
}

fn standing(report: &AuditReport, id: FindingId) -> Standing {
    entry(report, id).standing
}

/// A finding of this rule about a slot.
fn of_rule(report: &AuditReport, rule: &str) -> FindingId {
    let mut found = report.findings.iter();
    let found = found.find(|e| e.finding.rule.as_str() == rule);
    found
        .unwrap_or_else(|| panic!("no {rule}: {:?}", report.findings))
        .finding
        .id
}

pub(super) async fn applied(name: &str) -> Option<Audited> {
    let audited = Audited::start(name).await?;
    let fleet = audited.local.fleet.display().to_string();
    let (code, said, complained) = audited
        .run(&format!("keyward apply {fleet} --reason first"))
        .await;
    assert_eq!(code, Some(0), "{said}{complained}");
    Some(audited)
}

#[tokio::test]
async fn a_finding_is_accepted_for_a_while_and_open_again_after() {
    let Some(audited) = applied("accepted").await else {
        return;
    };
    let report = audited.report().await;
    let id = of_rule(&report, "slot-unguarded");
    assert_eq!(standing(&report, id), Standing::New);
    let until = SystemClock.now() + SignedDuration::from_hours(24 * 30);
    let accept = format!("keyward accept {id} --until {until}");
    let (code, said, complained) = audited.run(&format!("{accept} --dry-run")).await;
    assert_eq!(code, Some(0), "{complained}");
    assert!(said.starts_with("nothing was changed"), "{said}");
    assert_eq!(standing(&audited.report().await, id), Standing::New);
    for _ in 0..2 {
        let (code, said, complained) = audited
            .run(&format!("{accept} --reason \"moves soon\""))
            .await;
        assert_eq!(code, Some(0), "{complained}");
        assert!(said.contains("answers for it until"), "{said}");
    }
    let report = audited.report().await;
    assert_eq!(standing(&report, id), Standing::Accepted);
    let acts = report
        .acts
        .iter()
        .filter(|act| act.operation.as_str() == "/accept");
    assert_eq!(
        acts.count(),
        2,
        "said twice, it is one act with two entries"
    );
    let (_, said, _) = audited.as_auditor("keyward audit").await;
    let accepted = said.split("Accepted:").nth(1).expect("a section");
    assert!(
        accepted.contains(&id.to_string()) && accepted.contains("moves soon"),
        "{said}"
    );

    let (code, said, complained) = audited
        .run(&format!(
            "keyward accept {id} --withdraw --reason \"it moved\""
        ))
        .await;
    assert_eq!(code, Some(0), "{complained}");
    assert!(said.contains("nobody answers for it"), "{said}");
    assert_eq!(standing(&audited.report().await, id), Standing::New);
    // One whose day has come, as it stands in the table then.
    let over: Timestamp = SystemClock.now() - SignedDuration::from_hours(1);
    let risk = AcceptedRisk {
        schema: SCHEMA,
        finding: id,
        owner: "ana".parse().unwrap(),
        reason: OutsideText::new("moves soon"),
        until: over,
    };
    let inventory = audited.inventory().await;
    inventory.keep_risk(&risk, None).await.unwrap();
    assert_eq!(standing(&audited.report().await, id), Standing::New);

    let (code, _, complained) = audited
        .run(&format!(
            "keyward accept {id} --until 2020-01-01 --reason x"
        ))
        .await;
    assert_eq!(code, Some(1));
    assert!(complained.contains("within the next year"), "{complained}");
    assert!(complained.contains("Nothing was changed"), "{complained}");
}

#[tokio::test]
async fn what_a_person_may_not_read_is_not_seen_and_never_ends_well() {
    let Some(audited) = applied("auditor").await else {
        return;
    };
    let gone = |report: &AuditReport, source: &Source| report.coverage.of(source).cloned();
    let report = audited.report().await;
    assert_eq!(gone(&report, &Source::Iam), Some(Seen::Whole));
    assert_eq!(gone(&report, &Source::Functions), Some(Seen::Whole));
    assert_eq!(gone(&report, &Source::Secrets), Some(Seen::Whole));
    let account = Source::Keys("openrouter-main".parse().unwrap());
    assert_eq!(gone(&report, &account), Some(Seen::Whole));
    // IAM refuses who is not an auditor.
    let (code, said, _) = audited.run("keyward audit --fail-on never").await;
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("INCOMPLETE"), "{said}");
    assert!(
        said.contains("IAM's credentials for Bedrock: the call was refused"),
        "{said}"
    );
    // Whoever knows that says so, and is told all the same.
    let line = "keyward audit --fail-on never --without iam";
    let (code, said, _) = audited.run(line).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("INCOMPLETE"), "{said}");
    let (code, _, _) = audited.as_auditor("keyward audit --fail-on low").await;
    assert_eq!(code, Some(2));
    let (code, _, complained) = audited.run("keyward audit --period 2999-01").await;
    assert_eq!(code, Some(1));
    assert!(complained.contains("has not begun"), "{complained}");
    let (code, _, complained) = audited.run("unset KEYWARD_STACK; keyward audit").await;
    assert_eq!(code, Some(1));
    assert!(complained.contains("KEYWARD_STACK"), "{complained}");
    let (code, _, _) = audited.run("keyward audit --fail-on sometimes").await;
    assert_eq!(
        code,
        Some(1),
        "2 says that something is wrong in the deployment"
    );
}

#[tokio::test]
async fn an_audit_is_written_in_every_form_and_keeps_nothing() {
    let Some(audited) = applied("forms").await else {
        return;
    };
    let folder = folder("forms").join("out").display().to_string();
    let (_, said, complained) = audited
        .as_auditor(&format!("keyward audit --out {folder} --format sarif"))
        .await;
    assert!(
        complained.contains("what is new is not known"),
        "{complained}"
    );
    let sarif: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    let mut files: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort_unstable();
    assert_eq!(files, FILES);
    let page = std::fs::read_to_string(format!("{folder}/report.html")).unwrap();
    assert!(page.contains("every finding stands as new"));
    // With the ledger of the deployment it is known what was there before; and that stays as it is.
    let config = audited.local.deployment.ministack.sdk_config().await;
    let url = format!("{}/reports", audited.local.deployment.ministack.url());
    let made = http_client().put(url).send().await.unwrap();
    assert!(made.status().is_success(), "{}", made.status());
    let reports = S3Reports::new(&config, "reports");
    let before = reports.ledger().await.unwrap();
    assert!(before.ledger.entries.is_empty());
    let report = std::fs::read_to_string(format!("{folder}/report.json")).unwrap();
    let report: AuditReport = serde_json::from_str(&report).unwrap();
    let mut kept = before;
    kept.ledger.entries = report.findings;
    for entry in &mut kept.ledger.entries {
        entry.first_period = entry.first_period.before();
    }
    let mark = reports.keep(&kept).await.unwrap();
    let (_, said, complained) = audited
        .as_auditor("KEYWARD_REPORTS=reports keyward audit --json")
        .await;
    assert!(!complained.contains("what is new"), "{complained}");
    let report: AuditReport = serde_json::from_str(&said).unwrap();
    let id = of_rule(&report, "slot-unguarded");
    assert_eq!(standing(&report, id), Standing::Open);
    assert_eq!(
        reports.ledger().await.unwrap().mark,
        mark,
        "nothing was kept"
    );
    let secrets = audited.local.secrets();
    assert_eq!(report.totals.slots as usize, secrets.len());
    let json = json!(report).to_string();
    let keys = std::fs::read_to_string(&audited.local.standby).unwrap();
    for key in keys.lines() {
        let (head, tail) = key.split_at(key.len() - 12);
        assert!(!json.contains(&head[head.len() - 12..]) && !json.contains(tail));
    }
}
