use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use jiff::Timestamp;
use keyward_core::model::metric::KillScore;
use keyward_core::model::names::StackName;
use keyward_core::ports::{Metrics, MetricsError};

/// Keeps every metric.
#[derive(Debug, Default)]
pub struct MemoryMetrics(Mutex<Put>);

#[derive(Debug, Default)]
struct Put {
    scores: Vec<(StackName, KillScore)>,
    beats: Vec<(StackName, Timestamp)>,
}

impl MemoryMetrics {
    fn put(&self) -> MutexGuard<'_, Put> {
        self.0.lock().expect("not poisoned")
    }

    /// The scores of one deployment so far, in order.
    pub fn scores(&self, stack: &StackName) -> Vec<KillScore> {
        let put = self.put();
        let of_stack = put.scores.iter().filter(|(of, _)| of == stack);
        of_stack.map(|(_, score)| score.clone()).collect()
    }

    /// When the monitor of one deployment was said to have run, in order.
    pub fn beats(&self, stack: &StackName) -> Vec<Timestamp> {
        let put = self.put();
        let of_stack = put.beats.iter().filter(|(of, _)| of == stack);
        of_stack.map(|(_, at)| *at).collect()
    }
}

#[async_trait]
impl Metrics for MemoryMetrics {
    async fn put_scores(
        &self,
        stack: &StackName,
        scores: &[KillScore],
    ) -> Result<(), MetricsError> {
        let scores = scores.iter().map(|score| (stack.clone(), score.clone()));
        self.put().scores.extend(scores);
        Ok(())
    }

    async fn beat(&self, stack: &StackName, at: Timestamp) -> Result<(), MetricsError> {
        self.put().beats.push((stack.clone(), at));
        Ok(())
    }
}
