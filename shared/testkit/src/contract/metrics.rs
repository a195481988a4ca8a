//! What every [`Metrics`] promises.

use async_trait::async_trait;
use jiff::Timestamp;
use keyward_core::model::metric::{HEARTBEAT, KILL_SCORE, KillScore, SLOT, STACK};
use keyward_core::model::names::StackName;
use keyward_core::ports::Metrics;

use super::{Check, checks};

/// A [`Metrics`] whose metrics can be read.
#[async_trait]
pub trait MetricSubject: Send + Sync {
    /// The port.
    fn metrics(&self) -> &dyn Metrics;

    /// The time.
    fn now(&self) -> Timestamp;

    /// The maximum of a metric within the last hours; `None` without a value.
    async fn maximum(&self, name: &str, dimensions: &[(&str, &str)]) -> Option<f64>;
}

/// The suite.
pub const CHECKS: &[Check<dyn MetricSubject>] = checks![dyn MetricSubject:
    a_score_is_its_slots_and_its_stacks,
    the_same_score_twice_is_the_same_maximum,
    more_scores_than_fit_one_call_are_all_put,
    no_scores_are_no_error,
    a_beat_is_the_stacks,
];

fn stack(name: &str) -> StackName {
    name.parse().expect("a valid name")
}

fn score(subject: &dyn MetricSubject, slot: &str, thousandths: u32) -> KillScore {
    KillScore {
        slot: slot.parse().expect("a valid name"),
        thousandths,
        at: subject.now(),
    }
}

async fn read(subject: &dyn MetricSubject, stack: &str, slot: &str) -> Option<f64> {
    let dimensions = [(STACK, stack), (SLOT, slot)];
    subject.maximum(KILL_SCORE, &dimensions).await
}

async fn put(subject: &dyn MetricSubject, to: &str, scores: &[KillScore]) {
    let to = stack(to);
    let put = subject.metrics().put_scores(&to, scores);
    put.await.expect("put");
}

async fn a_score_is_its_slots_and_its_stacks(subject: &dyn MetricSubject) {
    let scores = [score(subject, "one", 500), score(subject, "two", 10_250)];
    put(subject, "metrics-a", &scores).await;
    assert_eq!(read(subject, "metrics-a", "one").await, Some(0.5));
    assert_eq!(read(subject, "metrics-a", "two").await, Some(10.25));
    for (of, slot) in [("metrics-a", "three"), ("metrics-b", "one")] {
        assert_eq!(read(subject, of, slot).await, None, "{of} {slot}");
    }
}

async fn the_same_score_twice_is_the_same_maximum(subject: &dyn MetricSubject) {
    let scores = [score(subject, "one", 1000)];
    put(subject, "metrics-twice", &scores).await;
    put(subject, "metrics-twice", &scores).await;
    assert_eq!(read(subject, "metrics-twice", "one").await, Some(1.0));
}

async fn more_scores_than_fit_one_call_are_all_put(subject: &dyn MetricSubject) {
    let scores: Vec<KillScore> = (0..1001)
        .map(|i| score(subject, &format!("slot-{i}"), 700))
        .collect();
    put(subject, "metrics-many", &scores).await;
    for slot in ["slot-0", "slot-999", "slot-1000"] {
        assert_eq!(read(subject, "metrics-many", slot).await, Some(0.7));
    }
}

async fn no_scores_are_no_error(subject: &dyn MetricSubject) {
    put(subject, "metrics-none", &[]).await;
}

async fn a_beat_is_the_stacks(subject: &dyn MetricSubject) {
    let of = stack("metrics-beat");
    let beat = subject.metrics().beat(&of, subject.now());
    beat.await.expect("put");
    let read = subject.maximum(HEARTBEAT, &[(STACK, "metrics-beat")]).await;
    assert_eq!(read, Some(1.0));
    let other = subject.maximum(HEARTBEAT, &[(STACK, "metrics-other")]);
    assert_eq!(other.await, None);
}
