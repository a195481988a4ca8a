//! What every register of accepted risks promises.

use keyward_core::model::SCHEMA;
use keyward_core::model::audit::AcceptedRisk;
use keyward_core::model::finding::{About, FindingId, RuleId};
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{AcceptedRisks, InventoryError, RiskRegister};

use super::inventory::at;
use super::{Check, checks};

/// A store that is written by the one port and read by the other.
pub trait RiskSubject: Send + Sync {
    /// What is written.
    fn register(&self) -> &dyn RiskRegister;
    /// What an audit reads.
    fn risks(&self) -> &dyn AcceptedRisks;
}

impl<T: RiskRegister + AcceptedRisks> RiskSubject for T {
    fn register(&self) -> &dyn RiskRegister {
        self
    }

    fn risks(&self) -> &dyn AcceptedRisks {
        self
    }
}

/// The suite. It may run against a store that holds other items.
pub const CHECKS: &[Check<dyn RiskSubject>] = checks![dyn RiskSubject:
    nobody_answers_for_what_was_never_accepted,
    a_risk_reads_back,
    a_risk_is_accepted_once,
    a_risk_is_changed_by_revision,
    a_risk_is_withdrawn_as_it_was_read,
    an_audit_reads_every_risk,
];

/// A risk of the suite, about a finding of this name.
fn risk(name: &str) -> AcceptedRisk {
    let rule = RuleId::new("key-idle");
    let about = About::Row(OutsideText::new(name));
    AcceptedRisk {
        schema: SCHEMA,
        finding: FindingId::new(&rule, &about, ""),
        owner: "ana@example.com".parse().expect("a name"),
        reason: OutsideText::new("moves next month; agreed with \"sec\""),
        until: at("2027-01-31T00:00:00.5Z"),
    }
}

async fn nobody_answers_for_what_was_never_accepted(subject: &dyn RiskSubject) {
    let never = risk("contract-risk-never").finding;
    assert_eq!(subject.register().risk(never).await.expect("read"), None);
}

async fn a_risk_reads_back(subject: &dyn RiskSubject) {
    let risk = risk("contract-risk-read");
    let register = subject.register();
    register.keep_risk(&risk, None).await.expect("kept");
    let kept = register.risk(risk.finding).await.expect("read");
    assert_eq!(kept.expect("it is there").risk, risk);
}

async fn a_risk_is_accepted_once(subject: &dyn RiskSubject) {
    let risk = risk("contract-risk-once");
    let register = subject.register();
    register.keep_risk(&risk, None).await.expect("kept");
    let again = register.keep_risk(&risk, None).await;
    assert!(matches!(again, Err(InventoryError::Conflict)), "{again:?}");
}

async fn a_risk_is_changed_by_revision(subject: &dyn RiskSubject) {
    let first = risk("contract-risk-changed");
    let register = subject.register();
    register.keep_risk(&first, None).await.expect("kept");
    let read = register.risk(first.finding).await.expect("read");
    let read = read.expect("it is there");
    let second = AcceptedRisk {
        until: at("2027-03-01T00:00:00Z"),
        ..first
    };
    let changed = register.keep_risk(&second, Some(&read)).await;
    changed.expect("changed");
    let late = register.keep_risk(&second, Some(&read)).await;
    assert!(matches!(late, Err(InventoryError::Conflict)), "{late:?}");
    let kept = register.risk(second.finding).await.expect("read");
    assert_eq!(kept.expect("it is there").risk, second);
}

async fn a_risk_is_withdrawn_as_it_was_read(subject: &dyn RiskSubject) {
    let risk = risk("contract-risk-withdrawn");
    let register = subject.register();
    register.keep_risk(&risk, None).await.expect("kept");
    let old = register.risk(risk.finding).await.expect("read");
    let old = old.expect("it is there");
    register.keep_risk(&risk, Some(&old)).await.expect("again");
    let late = register.withdraw_risk(&old).await;
    assert!(matches!(late, Err(InventoryError::Conflict)), "{late:?}");
    let now = register.risk(risk.finding).await.expect("read");
    let now = now.expect("it is there");
    register.withdraw_risk(&now).await.expect("withdrawn");
    let twice = register.withdraw_risk(&now).await;
    assert!(matches!(twice, Err(InventoryError::Conflict)), "{twice:?}");
    assert_eq!(register.risk(risk.finding).await.expect("read"), None);
    register.keep_risk(&risk, None).await.expect("kept anew");
}

async fn an_audit_reads_every_risk(subject: &dyn RiskSubject) {
    for number in 0..5 {
        let risk = risk(&format!("contract-risk-all-{number}"));
        let kept = subject.register().keep_risk(&risk, None).await;
        kept.expect("kept");
    }
    let all = subject.risks().accepted().await.expect("read");
    for number in 0..5 {
        let risk = risk(&format!("contract-risk-all-{number}"));
        let times = all.iter().filter(|known| **known == risk).count();
        assert_eq!(times, 1, "{number}");
    }
}
