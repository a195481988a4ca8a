//! The built audit under the Runtime API: emulated AWS with S3, providers over HTTP, a small fleet with a few faults. What it
//! leaves in the bucket, on the topic and in Security Hub, with every shape of event, twice, two at once, and with a provider
//! that does not answer.
#![allow(clippy::unwrap_used, reason = "test code")]

use futures::join;
use jiff::SignedDuration;
use keyward_aws::{DynamoInventory, S3Reports};
use keyward_core::model::alert::{Alert, AlertKind, Severity};
use keyward_core::model::audit::{AuditReport, Period};
use keyward_core::model::slot::ProviderName;
use keyward_core::ports::{Clock, Leases, ReportSink};
use keyward_core::usecases::audit::Wanted;
use keyward_lambda::clock::SystemClock;
use keyward_reports::{Place, renders};
use keyward_testkit::contract::provider::ProviderCall;
use keyward_testkit::contract::{self, reports};
use keyward_testkit::simulator::{Body, Fault, FaultRule};
use keyward_tests::emulators::{Ministack, Moto, REGION};
use keyward_tests::end_to_end::{Deployment, FILES, REPORTS};
use serde_json::{Value, json};

/// The month that an event without a time is about.
fn last_month() -> Period {
    Period::of(SystemClock.now()).before()
}

/// Two slots, a key that nobody knows, and the audit.
async fn fleet() -> Option<Deployment> {
    let providers = [
        ProviderName::OpenRouter,
        ProviderName::OpenAi,
        // Where IAM is, is told by an account of Bedrock's.
        ProviderName::Bedrock,
    ];
    let deployment = Deployment::at(&providers).await?;
    deployment.one_slot("support-bot").await;
    let key = deployment.seed_at(ProviderName::OpenAi, "search-bot");
    let secret = deployment.create("search-bot", &key).await;
    deployment.register_at(ProviderName::OpenAi, &secret).await;
    deployment.seed("somebody's laptop");
    deployment.deploy_audits(&["audit", "audit-beside"]).await;
    Some(deployment)
}

async fn made(deployment: &Deployment, event: &Value) -> Value {
    let answer = deployment.audit(event).await;
    answer.unwrap_or_else(|failed| panic!("{event}: {failed:?}\n{}", deployment.log("audit")))
}

/// The report of a month, as the bucket has it.
async fn report(deployment: &Deployment, period: Period) -> AuditReport {
    let key = format!("audits/{period}/report.json");
    let (_, text) = deployment.reported(&key).await.unwrap();
    serde_json::from_str(&text).unwrap()
}

async fn summaries(deployment: &Deployment) -> Vec<Alert> {
    let alerts = deployment.alerts().await.into_iter();
    alerts.filter(|a| a.kind == AlertKind::AuditDone).collect()
}

fn rules(report: &AuditReport) -> Vec<&str> {
    let rules = report.findings.iter().map(|e| e.finding.rule.as_str());
    rules.collect()
}

#[tokio::test]
async fn a_report_is_in_the_bucket_and_what_is_new_is_told_and_a_second_run_takes_its_place() {
    let Some(deployment) = fleet().await else {
        return;
    };
    let period = last_month();
    let first = made(&deployment, &json!({})).await;
    assert_eq!(
        (&first["outcome"], &first["told"]),
        (&json!("made"), &json!(true)),
        "{first}"
    );
    assert_eq!(first["period"], json!(period));
    let mut expected: Vec<String> = FILES
        .iter()
        .map(|file| format!("audits/{period}/{file}"))
        .collect();
    expected.push("audits/ledger.json".to_owned());
    assert_eq!(deployment.report_keys().await, expected);

    // What the bucket has is what the library makes of the report.
    let read = report(&deployment, period).await;
    assert!(read.is_complete(), "{:?}", read.coverage);
    let found = rules(&read);
    for rule in ["key-not-in-inventory", "rotation-off"] {
        assert!(found.contains(&rule), "{rule}: {found:?}");
    }
    let place = Place {
        partition: "aws".to_owned(),
        region: REGION.to_owned(),
        account: "123456789012".to_owned(),
    };
    for render in renders(&place) {
        let file = render(&read);
        let key = format!("audits/{period}/{}", file.name);
        let (kind, text) = deployment.reported(&key).await.unwrap();
        assert_eq!(kind, file.media_type, "{key}");
        assert!(text == file.text, "{key}");
    }
    let hub = deployment.hub_findings().await;
    assert_eq!(hub.len(), read.findings.len());
    assert_eq!(first["imported"], json!(hub.len()));

    let [told] = &summaries(&deployment).await[..] else {
        panic!("one summary");
    };
    assert_eq!(told.severity, Severity::Warning, "{told:?}");
    assert!(
        told.what
            .as_str()
            .contains(&format!("The audit of {period} is complete"))
    );
    let page = format!("s3/object/{REPORTS}?region={REGION}&prefix=audits/{period}/report.html");
    assert!(told.done.as_str().contains(&page), "{}", told.done);
    assert!(
        told.left.as_str().contains("openrouter-main/"),
        "{}",
        told.left
    );

    // The same again: the schedule does nothing, a person's order makes it anew, and nobody is told the same twice.
    let scheduled = made(&deployment, &json!({"audit": "monthly"})).await;
    assert_eq!(scheduled["outcome"], "done_before", "{scheduled}");
    deployment.export_left(r#"["ana@example.com"]"#).await;
    let second = made(&deployment, &json!({ "period": period })).await;
    assert_eq!(second["outcome"], "made");
    assert_eq!(deployment.report_keys().await.len(), expected.len() + 1);
    let again = report(&deployment, period).await;
    assert!(again.made > read.made, "it was made anew");
    assert_eq!(again.past, read.past);
    let owners = rules(&again).contains(&"owner-gone");
    let told = usize::from(owners);
    assert_eq!(
        summaries(&deployment).await.len(),
        1 + told,
        "{:?}",
        rules(&again)
    );

    let canary = deployment.canary();
    for key in deployment.report_keys().await {
        let (_, text) = deployment.reported(&key).await.unwrap();
        canary.assert_absent(&key, text);
    }
    let log = deployment.moto.log("audit");
    assert!(!log.is_empty(), "no log was read");
    canary.assert_absent("the log of audit", log);
    canary.assert_absent(
        "the summaries",
        format!("{:?}", summaries(&deployment).await),
    );
    canary.assert_absent(
        "Security Hub",
        json!(deployment.hub_findings().await).to_string(),
    );
    canary.assert_absent("the table", deployment.table().await);
}

#[tokio::test]
async fn a_07_each_payload_is_an_order() {
    let Some(deployment) = fleet().await else {
        return;
    };
    let payloads = include_str!("../fixtures/cases/audit/A-07-untyped-inputs.json");
    let payloads: Vec<Value> = serde_json::from_str(payloads).unwrap();
    let now = SystemClock.now();
    let mut keys = std::collections::BTreeSet::new();
    let mut done = std::collections::BTreeSet::new();
    for payload in &payloads {
        let Ok(order) = keyward_audit::order(payload, now) else {
            // The case's month is a month to come on a machine whose clock is behind it.
            let failed = deployment.audit(payload).await.unwrap_err();
            assert_eq!(failed.kind, "NonRetryable", "{failed:?}");
            continue;
        };
        let answer = made(&deployment, payload).await;
        let is_due = order.wanted == Wanted::Anyway || !done.contains(&order.period);
        let outcome = if is_due { "made" } else { "done_before" };
        assert_eq!(answer["outcome"], outcome, "{payload}: {answer}");
        done.insert(order.period);
        keys.insert(format!("audits/{}/report.html", order.period));
    }
    let there = deployment.report_keys().await;
    assert!(keys.iter().all(|key| there.contains(key)), "{there:?}");
    let failed = deployment
        .audit(&json!({"period": "soon"}))
        .await
        .unwrap_err();
    assert_eq!(failed.kind, "NonRetryable");
    assert!(failed.message.contains("names no month"), "{failed:?}");
}

#[tokio::test]
async fn two_at_once_never_overlap_and_lose_nothing() {
    let Some(deployment) = fleet().await else {
        return;
    };
    let event = json!({});
    let (one, other) = join!(
        deployment.invoke("audit", &event),
        deployment.invoke("audit-beside", &event)
    );
    let outcomes = [one.unwrap(), other.unwrap()].map(|answer| answer["outcome"].clone());
    assert!(outcomes.contains(&json!("made")), "{outcomes:?}");
    let known = [json!("made"), json!("overlapped")];
    assert!(
        outcomes.iter().all(|outcome| known.contains(outcome)),
        "{outcomes:?}"
    );
    assert_eq!(summaries(&deployment).await.len(), 1);

    // One that is held by somebody else is waited for by nobody.
    let aws = deployment.ministack.sdk_config().await;
    let leases = DynamoInventory::new(&aws, &deployment.table);
    let now = SystemClock.now();
    let until = now + SignedDuration::from_mins(15);
    leases.take("audit", "somebody", now, until).await.unwrap();
    let held = made(&deployment, &event).await;
    assert_eq!(held["outcome"], "overlapped", "{held}");
    leases.give_back("audit", "somebody").await.unwrap();
    assert_eq!(made(&deployment, &event).await["outcome"], "made");
}

#[tokio::test]
async fn a_provider_that_refuses_leaves_a_report_that_says_so_and_a_run_that_failed() {
    let Some(deployment) = fleet().await else {
        return;
    };
    let simulator = deployment.simulator_at(ProviderName::OpenRouter);
    let (method, path) = simulator.route(ProviderCall::List);
    let refused = Fault::status(403, Body::Json);
    simulator.inject(FaultRule::on(method, path, refused).always());
    let monthly = json!({"audit": "monthly"});
    let failed = deployment.audit(&monthly).await.unwrap_err();
    assert_eq!(failed.kind, "Retryable", "{failed:?}");
    for said in ["INCOMPLETE", "the keys of openrouter-main", "report.html"] {
        assert!(failed.message.contains(said), "{failed:?}");
    }
    let period = last_month();
    let page = format!("audits/{period}/report.html");
    assert!(
        deployment
            .reported(&page)
            .await
            .unwrap()
            .1
            .contains("INCOMPLETE")
    );
    let read = report(&deployment, period).await;
    assert!(!read.is_complete());
    assert!(
        !rules(&read).contains(&"key-not-in-inventory"),
        "{:?}",
        rules(&read)
    );
    // Lambda gives it again: it fails again, and people hear of it once.
    deployment.audit(&monthly).await.unwrap_err();
    let [told] = &summaries(&deployment).await[..] else {
        panic!("one summary");
    };
    assert!(
        told.left.as_str().contains("the keys of openrouter-main"),
        "{}",
        told.left
    );

    simulator.clear_faults();
    let whole = made(&deployment, &monthly).await;
    assert_eq!(
        (&whole["outcome"], &whole["told"]),
        (&json!("made"), &json!(true))
    );
    assert!(report(&deployment, period).await.is_complete());
}

/// Conditional writes of S3 and what is not there, as an emulator does them.
#[tokio::test]
async fn reports_in_s3_keep_what_every_sink_promises() {
    let (Some(moto), Some(ministack)) = (Moto::start().await, Ministack::start().await) else {
        return;
    };
    for config in [moto.sdk_config().await, ministack.sdk_config().await] {
        let s3 = aws_sdk_s3::Client::new(&config);
        s3.create_bucket().bucket(REPORTS).send().await.unwrap();
        let sink = S3Reports::new(&config, REPORTS);
        let sink: &dyn ReportSink = &sink;
        let count = contract::run(reports::CHECKS, sink, &[]).await;
        assert_eq!(count, reports::CHECKS.len());
        let nowhere = S3Reports::new(&config, "keyward-nowhere");
        assert!(
            nowhere.ledger().await.is_err(),
            "no bucket is not an empty one"
        );
    }
}
