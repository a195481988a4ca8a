//! What every [`Alerts`] promises.

use async_trait::async_trait;
use keyward_core::model::alert::{Alert, AlertKind, Command, Severity};
use keyward_core::model::text::OutsideText;
use keyward_core::ports::Alerts;

use super::{Check, checks};

/// An [`Alerts`] whose receivers can be looked at.
#[async_trait]
pub trait AlertSubject: Send + Sync {
    /// The port.
    fn alerts(&self) -> &dyn Alerts;

    /// What arrived since the last call, in any order.
    async fn arrived(&self) -> Vec<Alert>;
}

/// The suite.
pub const CHECKS: &[Check<dyn AlertSubject>] = checks![dyn AlertSubject:
    an_alert_arrives_whole,
    an_alert_about_no_slot_arrives_whole,
    text_with_every_kind_of_character_arrives,
    the_same_alert_may_be_sent_twice,
];

fn alert(what: &str) -> Alert {
    let slot = "contract-alerts".parse().expect("a valid name");
    let text = [what, "nothing was changed", "keyward doctor --bootstrap"];
    Alert::about(
        &slot,
        Severity::Page,
        AlertKind::AdminCredentialRefused,
        text,
    )
}

async fn an_alert_arrives_whole(subject: &dyn AlertSubject) {
    let sent = alert("the provider refuses the admin credential");
    subject.alerts().send(&sent).await.expect("sent");
    assert_eq!(subject.arrived().await, [sent]);
}

async fn an_alert_about_no_slot_arrives_whole(subject: &dyn AlertSubject) {
    let text = ["a message could not be read", "nothing was changed", "look"];
    let sent = Alert::general(Severity::Page, AlertKind::KillRefused, text)
        .with_command(Command::general("doctor"))
        .with_incident("contract-alerts-4")
        .with_cause(&OutsideText::new("a \"message\""))
        .at("2026-11-25T15:00:00.123Z".parse().expect("a time"));
    subject.alerts().send(&sent).await.expect("sent");
    assert_eq!(subject.arrived().await, [sent]);
}

async fn text_with_every_kind_of_character_arrives(subject: &dyn AlertSubject) {
    let sent = alert(&format!(
        "\"quoted\" {{json}} <b>&amp; \\n é 键 🔑 {}",
        "x".repeat(300)
    ));
    subject.alerts().send(&sent).await.expect("sent");
    assert_eq!(subject.arrived().await, [sent]);
}

async fn the_same_alert_may_be_sent_twice(subject: &dyn AlertSubject) {
    let sent = alert("again");
    subject.alerts().send(&sent).await.expect("sent");
    subject.alerts().send(&sent).await.expect("sent again");
    let arrived = subject.arrived().await;
    assert!(!arrived.is_empty() && arrived.iter().all(|a| *a == sent));
}
