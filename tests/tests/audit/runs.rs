//! Runs of the audit's function: what an event asks for, what people and the hub are told, and what a run that was cut off, came
//! twice or saw too little leaves behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use keyward_audit::{AuditFailed, handle};
use keyward_core::model::alert::{Alert, AlertKind, Severity};
use keyward_core::model::audit::Seen;
use keyward_core::model::incident::OwnerId;
use keyward_core::model::slot::ProviderName;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{AlertError, Alerts, Clock, Deadline, ProviderError, ReportSink};
use keyward_core::usecases::audit::{
    Amiss, Auditor, Hub, Outcome, RunError, RunReport, Unfinished,
};
use keyward_core::usecases::kill::Invocation;
use keyward_reports::{Place, renders, security_hub};
use keyward_testkit::memory::{Break, ListName, MemoryAlerts, MemoryHub};
use keyward_tests::support::deployment;
use serde_json::{Value, json};

use crate::stage::{Listed, Stage, case, record};

/// Alerts that reach nobody while they are broken.
#[derive(Default)]
struct Told {
    alerts: MemoryAlerts,
    is_broken: AtomicBool,
}

#[async_trait]
impl Alerts for Told {
    async fn send(&self, alert: &Alert) -> Result<(), AlertError> {
        match self.is_broken.load(Ordering::SeqCst) {
            true => Err(AlertError("KMSAccessDenied".into())),
            false => self.alerts.send(alert).await,
        }
    }
}

struct Run {
    stage: Stage,
    told: Arc<Told>,
    hub: Arc<MemoryHub>,
    auditor: Auditor,
}

/// A deployment with one key that nobody knows, on the twentieth of December.
async fn one_stray() -> Run {
    let mut stage = Stage::new();
    stage.clock.advance(SignedDuration::from_hours(25 * 24));
    stage.account("openrouter-main", strays(&["stray"]));
    stage.tried(&"openrouter-main".parse().unwrap(), 0).await;
    Run::on(stage)
}

fn strays(handles: &[&str]) -> Listed {
    let keys = handles.iter().map(|handle| record(handle, "laptop"));
    Listed::of(ProviderName::OpenRouter, keys.collect())
}

impl Run {
    fn on(stage: Stage) -> Self {
        let (told, hub) = (Arc::new(Told::default()), Arc::new(MemoryHub::default()));
        let place = Place::of(&deployment());
        let auditor = Auditor {
            ports: stage.ports.clone(),
            leases: stage.usage.clone(),
            alerts: told.clone(),
            hub: Some(Hub {
                hub: hub.clone(),
                write: security_hub(&place),
            }),
            deployment: deployment(),
            accounts: stage.order.accounts.clone(),
            renders: renders(&place),
        };
        Self {
            stage,
            told,
            hub,
            auditor,
        }
    }

    /// Other keys that nobody knows are listed from now on.
    fn list(&mut self, handles: &[&str]) {
        self.stage.account("openrouter-main", strays(handles));
        self.auditor.ports.providers = self.stage.ports.providers.clone();
    }

    async fn by(&self, owner: &str, event: &Value) -> Result<RunReport, AuditFailed> {
        let invocation = Invocation {
            owner: OwnerId::new(owner),
            deadline: Deadline(self.stage.clock.now() + SignedDuration::from_mins(15)),
        };
        handle(&self.auditor, event, &invocation).await
    }

    async fn event(&self, event: &Value) -> Result<RunReport, AuditFailed> {
        self.by("one", event).await
    }

    /// What the schedule asks for.
    async fn scheduled(&self) -> Result<RunReport, AuditFailed> {
        self.event(&json!({"audit": "monthly"})).await
    }

    async fn unfinished(&self, event: &Value) -> Unfinished {
        match self.event(event).await {
            Err(AuditFailed::Run(RunError::Unfinished(unfinished))) => unfinished,
            other => panic!("{other:?}"),
        }
    }

    /// The summaries since the last look.
    fn summaries(&self) -> Vec<Alert> {
        let told = self.told.alerts.take();
        assert!(told.iter().all(|a| a.kind == AlertKind::AuditDone));
        told
    }
}

#[tokio::test]
async fn a_07_any_event_is_an_order_for_the_month_that_is_over() {
    let payloads = case("A-07-untyped-inputs.json");
    let payloads = payloads.as_array().unwrap();
    assert_eq!(payloads.len(), 5);
    for payload in payloads {
        let run = one_stray().await;
        let made = run.event(payload).await.unwrap();
        assert_eq!(made.outcome, Outcome::Made, "{payload}");
        assert_eq!(made.period.to_string(), "2026-11", "{payload}");
        assert_eq!(made.open.total(), 1 + made.open.low, "{payload}: {made:?}");
        assert_eq!(run.stage.audits.places().len(), 6);
        assert!(run.stage.audits.file("2026-11/report.html").is_some());
    }
    let run = one_stray().await;
    for (event, said) in [
        (json!({"period": "last month"}), "2026-11"),
        (json!({"period": "2027-01"}), "has not begun"),
    ] {
        let refused = run.event(&event).await.unwrap_err();
        assert!(!refused.is_retryable());
        let why = std::error::Error::source(&refused).unwrap().to_string();
        assert!(why.contains(said), "{why}");
    }
    assert!(run.stage.audits.places().is_empty() && run.summaries().is_empty());
}

#[tokio::test]
async fn people_are_told_what_is_new_once_and_again_when_it_changes() {
    let mut run = one_stray().await;
    let made = run.event(&json!({})).await.unwrap();
    assert!(made.told);
    let [first] = &run.summaries()[..] else {
        panic!("one summary");
    };
    assert_eq!(first.severity, Severity::Warning, "{first:?}");
    assert!(
        first
            .what
            .as_str()
            .contains("The audit of 2026-11 is complete.")
    );
    assert!(first.what.as_str().contains("1 new"), "{}", first.what);
    assert!(first.done.as_str().contains("2026-11/report.html"));
    assert!(
        first.left.as_str().contains("openrouter-main/stray"),
        "{}",
        first.left
    );
    assert_eq!(first.command.as_ref().unwrap().as_str(), "keyward audit");

    let again = run.event(&json!({})).await.unwrap();
    assert!(!again.told && run.summaries().is_empty(), "nothing is new");
    run.list(&["stray", "another"]);
    assert!(run.event(&json!({})).await.unwrap().told);
    assert!(run.summaries()[0].what.as_str().contains("2 new"));
    run.list(&[]);
    assert!(run.event(&json!({})).await.unwrap().told);
    let over = run.summaries();
    assert!(
        over[0].what.as_str().contains("2 fixed"),
        "{}",
        over[0].what
    );
    assert_eq!(over[0].left.as_str(), "Nothing is new.");

    // The next month tells of itself, even where it says the same.
    let next = run.event(&json!({"period": "2026-12"})).await.unwrap();
    assert!(next.told);
    assert_eq!(run.summaries()[0].severity, Severity::Notice);
}

#[tokio::test]
async fn a_05_a_report_with_something_not_seen_is_kept_and_the_run_fails() {
    let run = one_stray().await;
    run.stage
        .lists
        .break_list(ListName::Secrets, Break::Refused);
    let unfinished = run.unfinished(&json!({"audit": "monthly"})).await;
    assert!(
        matches!(&unfinished.amiss[..], [Amiss::NotSeen(..)]),
        "{unfinished:?}"
    );
    let said = unfinished.to_string();
    for word in [
        "INCOMPLETE",
        "Secrets Manager's list",
        "2026-11/report.html",
    ] {
        assert!(said.contains(word), "{said}");
    }
    assert!(RunError::Unfinished(unfinished).is_retryable());
    let page = run.stage.audits.file("2026-11/report.html").unwrap().text;
    assert!(page.contains("INCOMPLETE"));
    let [told] = &run.summaries()[..] else {
        panic!("one summary");
    };
    assert_eq!(told.severity, Severity::Warning);
    assert!(told.what.as_str().contains("INCOMPLETE"));
    assert!(
        told.left
            .as_str()
            .contains("Not seen: Secrets Manager's list")
    );

    // Lambda's own repetition: the run fails again, and tells nobody the same.
    run.unfinished(&json!({"audit": "monthly"})).await;
    assert!(run.summaries().is_empty());
    assert_eq!(run.stage.audits.remembered().done, None);
    // The next day it is seen.
    run.stage.lists.mend();
    assert_eq!(run.scheduled().await.unwrap().outcome, Outcome::Made);
    assert_eq!(run.summaries().len(), 1);
}

#[tokio::test]
async fn a_directory_that_nobody_set_up_fails_no_run_and_is_said_in_the_report() {
    let mut run = one_stray().await;
    run.auditor.ports.people = None;
    assert_eq!(run.event(&json!({})).await.unwrap().outcome, Outcome::Made);
    let report = run.stage.audits.file("2026-11/report.json").unwrap().text;
    let report: Value = serde_json::from_str(&report).unwrap();
    let coverage = report["coverage"].as_array().unwrap();
    let people = coverage
        .iter()
        .find(|row| row["source"] == "people")
        .unwrap();
    assert_eq!(people["seen"], "absent");
    let seen: Seen = serde_json::from_value(people.clone()).unwrap();
    assert!(!seen.has_failed() && !seen.is_whole());
    let page = run.stage.audits.file("2026-11/report.html").unwrap().text;
    assert!(page.contains("names no directory") && !page.contains("INCOMPLETE"));
}

#[tokio::test]
async fn the_schedule_makes_a_months_audit_once_and_a_person_at_any_time() {
    let run = one_stray().await;
    assert_eq!(run.scheduled().await.unwrap().outcome, Outcome::Made);
    let ledger = run.stage.audits.ledger().await.unwrap();
    run.stage.clock.advance(SignedDuration::from_hours(24));
    let next_day = run.scheduled().await.unwrap();
    assert_eq!(next_day.outcome, Outcome::DoneBefore);
    let after = run.stage.audits.ledger().await.unwrap();
    assert_eq!(after, ledger, "nothing is written");
    let asked = run.event(&json!({"period": "2026-11"})).await.unwrap();
    assert_eq!(asked.outcome, Outcome::Made);
    // The month before is no reason to do a later one again, nor the other way round.
    let earlier = run.event(&json!({"period": "2026-10"})).await.unwrap();
    assert_eq!(earlier.outcome, Outcome::Made);
    let ledger = run.stage.audits.remembered();
    assert_eq!(ledger.done.unwrap().to_string(), "2026-11");
    let january: Timestamp = "2027-01-01T06:00:00Z".parse().unwrap();
    let now = run.stage.clock.now();
    run.stage.clock.advance(january.duration_since(now));
    let next = run.scheduled().await.unwrap();
    assert_eq!(
        (next.outcome, next.period.to_string()),
        (Outcome::Made, "2026-12".to_owned())
    );
}

#[tokio::test]
async fn two_runs_never_overlap_and_one_that_is_repeated_takes_its_own_lease() {
    let run = one_stray().await;
    let leases = &run.auditor.leases;
    let now = run.stage.clock.now();
    let until = now + SignedDuration::from_mins(5);
    leases.take("audit", "another", now, until).await.unwrap();
    let second = run.event(&json!({})).await.unwrap();
    assert_eq!(second.outcome, Outcome::Overlapped);
    assert!(run.stage.audits.places().is_empty() && run.summaries().is_empty());
    let its_own = run.by("another", &json!({})).await.unwrap();
    assert_eq!(its_own.outcome, Outcome::Made);
    // It was given back.
    assert_eq!(run.event(&json!({})).await.unwrap().outcome, Outcome::Made);
}

#[tokio::test]
async fn news_that_reached_nobody_is_told_by_the_next_run() {
    let run = one_stray().await;
    run.told.is_broken.store(true, Ordering::SeqCst);
    let unfinished = run.unfinished(&json!({"audit": "monthly"})).await;
    assert!(matches!(&unfinished.amiss[..], [Amiss::NotTold(_)]));
    let said = unfinished.to_string();
    assert!(
        said.contains("complete") && said.contains("KMSAccessDenied"),
        "{said}"
    );
    assert_eq!(run.hub.findings().len(), 1, "the hub has it all the same");
    run.told.is_broken.store(false, Ordering::SeqCst);
    let made = run.scheduled().await.unwrap();
    assert!(made.told && run.summaries()[0].what.as_str().contains("1 new"));
}

#[tokio::test]
async fn the_hub_gets_all_findings_each_time_and_what_it_does_not_take_is_told() {
    let mut run = one_stray().await;
    run.list(&["a", "b", "c", "d", "e"]);
    let made = run.event(&json!({})).await.unwrap();
    assert_eq!((made.imported, run.hub.calls()), (5, vec![2, 2, 1]));
    run.event(&json!({"period": "2026-12"})).await.unwrap();
    assert_eq!(run.hub.calls().len(), 6, "what is open is sent again");

    let id = run.hub.findings()[0]["Id"].as_str().unwrap().to_owned();
    run.hub.refuse(&id);
    let unfinished = run.unfinished(&json!({})).await;
    let said = unfinished.to_string();
    assert!(
        said.contains("it took 4, and not 1: InvalidInput"),
        "{said}"
    );
    run.hub.fail();
    let unfinished = run.unfinished(&json!({})).await;
    assert!(unfinished.to_string().contains("InvalidAccessException"));
    assert!(matches!(&unfinished.amiss[..], [Amiss::NotImported(_)]));
}

#[tokio::test]
async fn a_run_without_a_report_says_so_and_tells_nobody_anything() {
    let run = one_stray().await;
    run.stage.audits.fail();
    let failed = run.event(&json!({})).await.unwrap_err();
    assert!(failed.is_retryable());
    assert!(matches!(
        failed,
        AuditFailed::Run(RunError::NoReport { .. })
    ));
    assert!(run.summaries().is_empty() && run.hub.calls().is_empty());
    run.stage.audits.fail();
    assert!(run.event(&json!({})).await.unwrap().told);
}

/// Nobody waits for an audit to look at it: what its provider refuses pages beside what the audit tells.
#[tokio::test]
async fn a_refused_credential_pages_and_other_trouble_does_not() {
    let detail = || OutsideText::new("401");
    for (error, pages) in [
        (ProviderError::AdminCredential { detail: detail() }, 1),
        (ProviderError::Refused { detail: detail() }, 0),
    ] {
        let mut run = one_stray().await;
        let listed = Listed::failing(ProviderName::OpenRouter, error);
        run.stage.account("openrouter-main", listed);
        run.auditor.ports.providers = run.stage.ports.providers.clone();
        run.unfinished(&json!({})).await;
        let told = run.told.alerts.take();
        let of = |kind| told.iter().filter(move |alert| alert.kind == kind);
        assert_eq!(of(AlertKind::AuditDone).count(), 1);
        assert_eq!(of(AlertKind::AdminCredentialRefused).count(), pages);
        for page in of(AlertKind::AdminCredentialRefused) {
            assert_eq!(page.severity, Severity::Page);
            assert!(page.left.as_str().contains("`read_secret`"), "{page:?}");
        }
    }
}
