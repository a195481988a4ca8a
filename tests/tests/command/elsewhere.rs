//! What an audit with a person's own credentials reads beside what is the deployment's own: secrets of another account, by a role
//! in it; and what the monitor has learned and left behind.

use aws_config::sts::AssumeRoleProvider;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_secretsmanager::types::Tag;
use keyward_core::model::SCHEMA;
use keyward_core::model::audit::{AuditReport, Source};
use keyward_core::model::baseline::{Baseline, Place};
use keyward_core::model::money::MicroDollars;
use keyward_core::model::names::SecretArn;
use keyward_core::model::slot::Revision;
use keyward_core::model::usage::{Bucket, Counts, Reading};
use keyward_core::model::usage_items::StoredWatch;
use keyward_core::ports::{TAG_SLOT, UsageStore as _};
use serde_json::json;

use super::audited::{Audited, applied};

const SLOT: &str = "support-bot-openrouter";

/// A role in another account, by which its secrets are read.
const ROLE: &str = "arn:aws:iam::444455556666:role/secrets";

/// A secret of the other account, which is tagged for the slot and is not rotated: moto tells accounts apart by whose
/// credentials are used.
async fn their_secret(audited: &Audited) -> SecretArn {
    let config = audited.local.deployment.moto.sdk_config().await;
    let theirs = AssumeRoleProvider::builder(ROLE).session_name("owner");
    let theirs = theirs.configure(&config).build().await;
    let config = config
        .to_builder()
        .credentials_provider(SharedCredentialsProvider::new(theirs))
        .build();
    let client = aws_sdk_secretsmanager::Client::new(&config);
    let create = client.create_secret().name("llm/theirs");
    let create = create.tags(Tag::builder().key(TAG_SLOT).value(SLOT).build());
    let created = create.secret_string("EXAMPLE").send().await.unwrap();
    created.arn.unwrap().parse().unwrap()
}

/// What is found about the slot's secret.
fn about_its_secret(report: &AuditReport) -> Vec<&str> {
    let found = report.findings.iter().map(|entry| &entry.finding);
    let found = found.filter(|finding| {
        let slot = finding.slot.as_ref().map(|slot| slot.as_str());
        slot == Some(SLOT) && finding.sources.contains(&Source::Secrets)
    });
    found.map(|finding| finding.rule.as_str()).collect()
}

#[tokio::test]
async fn a_secret_of_another_account_is_read_by_its_role() {
    let Some(audited) = applied("elsewhere").await else {
        return;
    };
    let deployment = &audited.local.deployment;
    let secret = their_secret(&audited).await;
    assert!(secret.as_str().contains(":444455556666:"), "{secret}");
    let mut slot = deployment.slot(&SLOT.parse().unwrap()).await;
    slot.secret = secret;
    deployment.ports.inventory.save_slot(&slot).await.unwrap();

    // AWS refuses to tell anything of another account's secret; moto says that there is none.
    let without = audited.report().await;
    assert_ne!(about_its_secret(&without), ["rotation-off"]);
    let sts = deployment.moto.url();
    let roles = json!({"444455556666": ROLE});
    let with = format!("AWS_ENDPOINT_URL_STS='{sts}' KEYWARD_SECRET_ROLES='{roles}'");
    let (code, said, complained) = audited
        .as_auditor(&format!("{with} keyward audit --json"))
        .await;
    assert_eq!(code, Some(2), "{complained}");
    let with: AuditReport = serde_json::from_str(&said).unwrap();
    assert!(with.coverage.is_whole(&Source::Secrets), "{complained}");
    assert_eq!(about_its_secret(&with), ["rotation-off"]);

    let wrong = json!({"111122223333": ROLE});
    let line = format!("KEYWARD_SECRET_ROLES='{wrong}' keyward audit");
    let (code, _, complained) = audited.run(&line).await;
    assert_eq!(code, Some(1));
    assert!(
        complained.contains("KEYWARD_SECRET_ROLES is refused, and nothing was sent"),
        "{complained}"
    );
}

#[tokio::test]
async fn a_report_says_what_is_normal_for_a_slot_as_the_monitor_left_it() {
    let Some(audited) = applied("learned").await else {
        return;
    };
    let deployment = &audited.local.deployment;
    let normal = |report: &AuditReport| {
        let mut lines = report.slots.iter();
        lines.find(|line| line.slot.as_str() == SLOT)?.normal_day
    };
    assert_eq!(normal(&audited.report().await), None, "nothing is learned");

    // Two weeks of a cent in every five minutes, up to a day ago.
    let cent = Counts {
        cost: MicroDollars(10_000),
        requests: 1,
        ..Counts::default()
    };
    let now = Bucket::of(deployment.ports.clock.now());
    let mut baseline = Baseline::default();
    for day_old in (now.0 - 15 * Bucket::PER_DAY)..(now.0 - Bucket::PER_DAY) {
        baseline.settle(Bucket(day_old), Reading::Known(cent), Place::Normal);
    }
    let config = deployment.ministack.sdk_config().await;
    let store = keyward_aws::DynamoInventory::new(&config, &deployment.table);
    let kept = StoredWatch {
        schema: SCHEMA,
        revision: Revision(0),
        slot: SLOT.parse().unwrap(),
        memory: json!({ "baseline": baseline }).to_string(),
    };
    store.save_baseline(&kept).await.unwrap();
    let expected = MicroDollars(10_000 * u64::from(Bucket::PER_DAY));
    assert_eq!(normal(&audited.report().await), Some(expected));
}
