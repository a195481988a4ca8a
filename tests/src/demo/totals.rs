use keyward_core::model::version::{Confirmation, Version, VersionState};
use keyward_core::ports::StandbyPools;
use keyward_testkit::simulator::{KeyState, KeyView, LoggedRequest, RequestKind, Simulator};
use serde_json::json;

use super::deployment::Deployment;

/// What the demo came to, counted from the provider's log and key list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    /// Keys that agents called with and that Keyward made or drew.
    pub rotations: usize,
    /// Agent calls that reached the provider.
    pub agent_calls: usize,
    /// Agent calls that were not answered with success.
    pub failed_agent_calls: usize,
    /// Keys that work at the provider and that the inventory does not know.
    pub unrecorded_live_keys: usize,
    /// Keys that agents called with, that are not current any more, and that the provider refuses.
    pub old_keys_confirmed_dead: usize,
    /// What was not as it must be.
    pub broken: Vec<String>,
}

impl Totals {
    /// Counts, and compares with what the inventory says.
    pub(super) async fn read(deployment: &Deployment) -> Self {
        let versions = deployment.inventory.all_versions();
        let pool = deployment
            .inventory
            .pool(&"anthropic-main".parse().unwrap())
            .await;
        let standby = pool.unwrap().map(|pool| pool.standby).unwrap_or_default();
        let simulators = || deployment.providers.iter().map(|p| &p.simulator);
        let keys: Vec<KeyView> = simulators().flat_map(Simulator::keys).collect();
        let calls: Vec<LoggedRequest> = simulators().flat_map(Simulator::agent_calls).collect();
        let recorded = |print| {
            versions.iter().any(|v| v.fingerprint == Some(print))
                || standby.iter().any(|key| key.fingerprint == print)
        };
        let unrecorded = keys
            .iter()
            .filter(|key| key.is_live() && !recorded(key.fingerprint));
        let key_of = |version: &Version| {
            let is_it = |key: &&KeyView| version.fingerprint == Some(key.fingerprint);
            keys.iter().find(is_it)
        };
        let worked = |key: &KeyView| {
            let by_it = |call: &&LoggedRequest| call.is_by(&key.handle);
            calls
                .iter()
                .filter(by_it)
                .any(|call| !call.is_failed_agent_call())
        };
        let rotated = versions
            .iter()
            .filter(|v| v.id.attempt > 0 && key_of(v).is_some_and(worked));
        let dead = versions.iter().filter(|v| {
            let confirmed = v
                .revoke_confirmed
                .is_some_and(|c| c.by == Confirmation::Refused);
            let ended = |key: &KeyView| key.state == KeyState::Deleted && !key.accepted;
            v.state == VersionState::Revoked
                && v.promoted.is_some()
                && confirmed
                && key_of(v).is_some_and(ended)
        });
        let failed = calls.iter().filter(|call| call.is_failed_agent_call());
        let mut totals = Self {
            rotations: rotated.count(),
            agent_calls: calls.len(),
            failed_agent_calls: failed.count(),
            unrecorded_live_keys: unrecorded.count(),
            old_keys_confirmed_dead: dead.count(),
            broken: Vec::new(),
        };
        debug_assert!(calls.iter().all(|call| call.kind == RequestKind::Agent));
        totals.broken = totals.judge(super::ROTATIONS.len());
        totals
    }

    fn judge(&self, rotations: usize) -> Vec<String> {
        let mut broken = Vec::new();
        if self.failed_agent_calls > 0 {
            broken.push(format!(
                "rule 3: {} agent calls failed",
                self.failed_agent_calls
            ));
        }
        if self.unrecorded_live_keys > 0 {
            broken.push(format!(
                "rule 2: {} live keys are unrecorded",
                self.unrecorded_live_keys
            ));
        }
        if self.rotations != rotations {
            broken.push(format!(
                "rule 1: {} of {rotations} rotations reached an agent",
                self.rotations
            ));
        }
        if self.old_keys_confirmed_dead != rotations {
            let dead = self.old_keys_confirmed_dead;
            broken.push(format!(
                "rule 9: {dead} of {rotations} old keys are confirmed dead"
            ));
        }
        if self.agent_calls < 1000 {
            broken.push(format!("only {} agent calls were made", self.agent_calls));
        }
        broken
    }

    /// One line of JSON.
    pub fn to_json(&self) -> String {
        json!({
            "rotations": self.rotations,
            "agent_calls": self.agent_calls,
            "failed_agent_calls": self.failed_agent_calls,
            "unrecorded_live_keys": self.unrecorded_live_keys,
            "old_keys_confirmed_dead": self.old_keys_confirmed_dead,
        })
        .to_string()
    }
}
