//! What can happen on a stage: each is one entry of the report, with the calls that it made.

use jiff::SignedDuration;
use keyward_core::model::key::{ApiKey, Fingerprint};
use keyward_core::model::names::{SecretArn, SecretVersionId};
use keyward_core::model::version::{Version, VersionState};
use keyward_core::ports::{Inventory, SecretStore, Stage as Label, VersionSelector};
use keyward_core::rules::rotation::RotationStep;
use keyward_lambda::diagnostic::{chain, diagnostic};
use keyward_retire::RetireError;
use keyward_rotate::RotateError;
use keyward_testkit::simulator::{Fault, FaultRule, LoggedRequest, RequestKind};
use serde_json::{Value, json};

use super::file::Probe;
use super::report::{Failure, Invocation, ProviderCallSeen, SlotSeen, VersionSeen};
use super::stage::Stage;
use crate::support::Backend;
use keyward_testkit::contract::provider::ProviderCall;

/// How often `retire` is woken.
pub(super) const ROUND: SignedDuration = SignedDuration::from_mins(5);

/// The steps as Secrets Manager spells them.
pub(super) const STEPS: [&str; 4] = ["createSecret", "setSecret", "testSecret", "finishSecret"];

/// Where a step stands among the four.
pub(super) fn place(step: RotationStep) -> usize {
    RotationStep::ALL
        .iter()
        .position(|s| *s == step)
        .unwrap_or(0)
}

impl Stage {
    /// The event of a step of this secret's rotation.
    pub(super) fn event(&self, step: &str, token: &SecretVersionId) -> Value {
        event_of(&self.secret, step, token)
    }

    /// A step that went before the file: not in the report.
    pub(super) async fn earlier(&self, step: &str, token: &SecretVersionId) {
        let event = self.event(step, token);
        let _ = keyward_rotate::handle(&self.open, &event, self.deadline()).await;
    }

    /// One invocation of `rotate`.
    pub(super) async fn rotate(&mut self, event: &Value, entry: Invocation) {
        let outcome = keyward_rotate::handle(&self.ports, event, self.deadline()).await;
        let step = event["Step"].as_str().map(|step| {
            let known = step.parse::<RotationStep>();
            known.map_or_else(|e| e.to_string(), |_| step.to_owned())
        });
        let entry = Invocation {
            event: "rotate".to_owned(),
            step,
            outcome: outcome.as_ref().ok().map(|outcome| json!(outcome)),
            error: outcome.as_ref().err().map(|error| {
                let told = diagnostic(error, RotateError::is_retryable);
                failure(told.error_message, error.is_retryable())
            }),
            ..entry
        };
        self.enter(entry);
    }

    /// The four steps of a rotation that was asked for.
    pub(super) async fn rotate_whole(&mut self, token: &SecretVersionId) {
        let secret = self.secret.clone();
        self.rotate_secret(&secret, token).await;
    }

    async fn rotate_secret(&mut self, secret: &SecretArn, token: &SecretVersionId) {
        for step in STEPS {
            let event = event_of(secret, step, token);
            self.rotate(&event, Invocation::default()).await;
            let failed = |entry: &Invocation| entry.error.is_some();
            if self.report.invocations.last().is_some_and(failed) {
                return;
            }
        }
    }

    /// The rotations that were asked for, as Secrets Manager carries them out.
    pub(super) async fn rotate_as_asked(&mut self) {
        for started in self.secrets.take_started() {
            self.rotate_secret(&started.arn, &started.token).await;
        }
    }

    /// One run of `retire`. A run that changed nothing, asked after no key and told nobody is not in the report.
    pub(super) async fn retire(&mut self) {
        let versions = self.inventory.versions(&self.slot).await;
        let outcome =
            crate::support::retire_due(&self.ports, &Self::confirm(), self.deadline()).await;
        let after = self.inventory.versions(&self.slot).await;
        let states = |versions: Result<Vec<_>, _>| -> Vec<VersionState> {
            let versions: Vec<Version> = versions.unwrap_or_default();
            versions.iter().map(|v| v.state).collect()
        };
        let is_quiet = outcome.is_ok()
            && states(versions) == states(after)
            && self.alerts.sent().len() == self.told;
        let calls = self.wire.take_calls();
        let verified = |request: &LoggedRequest| request.kind == RequestKind::Verify;
        let verified = self.simulator().requests().iter().any(verified);
        if is_quiet && !verified && !calls.iter().any(super::report::AwsCall::is_write) {
            self.simulator().clear_requests();
            return;
        }
        let entry = Invocation {
            event: "retire".to_owned(),
            outcome: outcome.as_ref().ok().map(|report| json!(report)),
            error: outcome
                .as_ref()
                .err()
                .map(|error| failure(chain(error), RetireError::is_retryable(error))),
            ..Invocation::default()
        };
        self.enter_with(entry, calls);
    }

    /// `time` passes, `retire` is woken every five minutes, and rotations are carried out as asked.
    pub(super) async fn live_through(&mut self, time: SignedDuration) {
        let end = keyward_core::ports::Clock::now(self.clock.as_ref()) + time;
        while keyward_core::ports::Clock::now(self.clock.as_ref()) < end {
            self.clock.advance(ROUND);
            self.retire().await;
            self.rotate_as_asked().await;
        }
    }

    /// RotateSecret, as a person or another function asks for it.
    pub(super) async fn ask_for_rotation(&mut self, token: &SecretVersionId) {
        let asked = self.ports.secrets.rotate_now(&self.secret, token).await;
        let entry = Invocation {
            event: "RotateSecret".to_owned(),
            outcome: asked.as_ref().ok().map(|()| json!("started")),
            error: asked
                .as_ref()
                .err()
                .map(|error| failure(chain(error), error.is_retryable())),
            ..Invocation::default()
        };
        self.enter(entry);
    }

    /// Something that no function did.
    pub(super) fn note(&mut self, event: &str, step: &str, outcome: &str) {
        self.enter(Invocation {
            event: event.to_owned(),
            step: Some(step.to_owned()),
            outcome: Some(json!(outcome)),
            ..Invocation::default()
        });
    }

    /// An entry, with the calls made since the last one.
    pub(super) fn enter(&mut self, entry: Invocation) {
        let calls = self.wire.take_calls();
        self.enter_with(entry, calls);
    }

    fn enter_with(&mut self, entry: Invocation, calls: Vec<super::report::AwsCall>) {
        let invocation = self.report.invocations.len();
        self.report.invocations.push(entry);
        let calls = calls.into_iter();
        self.report
            .aws_calls
            .extend(calls.map(|call| super::report::AwsCall { invocation, ..call }));
        for request in self.simulator().requests() {
            self.report.provider_calls.push(ProviderCallSeen {
                invocation,
                method: request.method,
                path: request.path,
                status: request.status,
            });
        }
        self.simulator().clear_requests();
        let sent = self.alerts.sent();
        self.report.alerts.extend(sent[self.told..].iter().cloned());
        self.told = sent.len();
    }

    /// The next answers to one kind of call: statuses under 300 are the provider's own; others are made to come, the
    /// last for good. Where the file gives no body, it is of the provider's form.
    pub(super) fn answer(&self, call: ProviderCall, answers: &[Probe]) {
        let (method, path) = self.simulator().route(call);
        for (at, probe) in answers.iter().enumerate() {
            if probe.status < 300 {
                continue;
            }
            let passes = answers[..at].iter().filter(|p| p.status < 300).count();
            let fault = self.fault(probe);
            let rule = FaultRule::on(method, path, fault).nth(1 + passes as u32);
            let rule = if at + 1 == answers.len() {
                rule.always()
            } else {
                rule
            };
            self.simulator().inject(rule);
        }
    }

    pub(super) fn fault(&self, probe: &Probe) -> Fault {
        let own = probe.body.is_object();
        let retry_after = probe.headers.get("retry-after").cloned();
        if own || retry_after.is_some() {
            return Fault::recorded(probe.status, retry_after, probe.body.to_string());
        }
        Fault::status(probe.status, keyward_testkit::simulator::Body::Json)
    }

    /// Brings the report to its end.
    pub(super) async fn close(&mut self) {
        if let Ok(secret) = self.secrets.describe(self.secret.as_str()).await {
            let labels = secret.stages.into_iter().map(|(version, stages)| {
                let stages: Vec<String> = stages.iter().map(Label::to_string).collect();
                (version.to_string(), stages)
            });
            self.report.secret = labels.collect();
        }
        self.report.versions = self.versions().await;
        self.see_slots().await;
        self.say_what_is_left();
    }

    async fn versions(&self) -> Vec<VersionSeen> {
        let versions = self.inventory.versions(&self.slot).await;
        let live = self.provider.live();
        let keys = self.simulator().keys();
        let mut seen = Vec::new();
        for version in versions.unwrap_or_default() {
            let is_its = |print| version.fingerprint == Some(print);
            let known = keys.iter().any(|key| is_its(key.fingerprint));
            let accepted = live
                .iter()
                .any(|key| is_its(ApiKey::new(&key.text).fingerprint()));
            seen.push(VersionSeen {
                id: version.id.to_string(),
                state: version.state,
                handle_known: version.handle.is_some(),
                hint: version.hint.as_ref().map(ToString::to_string),
                accepted: known.then_some(accepted),
                tested: version.tested.map(|tested| tested.at),
                promoted: version.promoted,
                retire_after: version.retire_after,
                revoke_accepted: version.revoke_accepted,
                confirmed_by: version.revoke_confirmed.map(|c| json!(c.by)),
            });
        }
        seen
    }

    /// Where the slots stand, if the file is about several.
    async fn see_slots(&mut self) {
        let live: Vec<Fingerprint> = self
            .provider
            .live()
            .iter()
            .map(|key| ApiKey::new(&key.text).fingerprint())
            .collect();
        for name in &self.slots {
            let Ok(Some(slot)) = self.inventory.slot(name).await else {
                continue;
            };
            let versions = self.inventory.versions(name).await.unwrap_or_default();
            let is_live = |v: &&Version| v.fingerprint.is_some_and(|print| live.contains(&print));
            let seen = SlotSeen {
                state: slot.state,
                epoch: slot.epoch.0,
                versions: versions.iter().map(|v| v.state).collect(),
                live: versions.iter().filter(is_live).count(),
            };
            self.report.slots.insert(name.to_string(), seen);
        }
    }

    fn say_what_is_left(&mut self) {
        for version in &self.report.versions {
            let id = &version.id;
            let left = match version.state {
                VersionState::Current | VersionState::Revoked => continue,
                VersionState::Retiring | VersionState::Revoking if !version.handle_known => {
                    format!("previous key {id} NOT revoked: id unknown")
                }
                VersionState::Retiring => match version.retire_after {
                    Some(at) => format!("previous key {id} is valid until {at} at least"),
                    None => format!("previous key {id} is valid"),
                },
                VersionState::Revoking => format!("the end of key {id} is not confirmed yet"),
                VersionState::Abandoned | VersionState::Contained => {
                    format!("key {id} is to be revoked")
                }
                VersionState::Restoring => format!("key {id} is not brought back to the end"),
                VersionState::Intended | VersionState::Pending | VersionState::Promoting => {
                    format!("the rotation of key {id} is not over")
                }
            };
            self.report.left.push(left);
        }
    }

    /// The text of one version, for tests that compare.
    pub async fn text_of(&self, version: &SecretVersionId) -> Option<String> {
        let value = self
            .secrets
            .value(&self.secret, VersionSelector::Id(version))
            .await;
        let (_, text) = value.ok()??;
        Some(secrecy::ExposeSecret::expose_secret(&text).to_owned())
    }
}

fn event_of(secret: &SecretArn, step: &str, token: &SecretVersionId) -> Value {
    json!({"Step": step, "SecretId": secret, "ClientRequestToken": token})
}

pub(super) fn failure(message: String, retryable: bool) -> Failure {
    let kind = if retryable {
        keyward_lambda::diagnostic::RETRYABLE
    } else {
        keyward_lambda::diagnostic::NON_RETRYABLE
    };
    Failure {
        kind: kind.to_owned(),
        retryable,
        message,
    }
}
