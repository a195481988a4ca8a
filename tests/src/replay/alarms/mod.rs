//! Plays what wakes the kill switch: messages of the alarm topic, events of CloudWatch, orders of the monitor.

mod seed;
mod source;

use std::sync::Arc;

use jiff::SignedDuration;
use keyward_core::model::fleet::{Fleet, PlannedSlot};
use keyward_core::model::incident::OwnerId;
use keyward_core::model::slot::{Mode, Slot};
use keyward_core::ports::{Clock, Inventory};
use keyward_core::rules::revoke::ConfirmPolicy;
use keyward_core::usecases::kill;
use keyward_core::usecases::kill_switch::KillSwitch;
use keyward_core::usecases::register::register;
use keyward_kill_switch::{KillSwitchError, handle};
use keyward_lambda::diagnostic::diagnostic;
use keyward_testkit::contract::provider::ProviderCall;
use keyward_testkit::memory::MemoryAlarms;
use keyward_testkit::simulator::{Body, Fault, FaultRule, Home};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::act::{ROUND, failure};
use super::error::Unsupported;
use super::report::Invocation;
use super::rotation::{made_up_version, secret};
use super::stage::{Opening, Stage, Standby};
use seed::Seed;
use source::Seen;

/// How long after an event that failed Lambda gives it again:
/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>.
const RETRIES: [SignedDuration; 2] = [SignedDuration::from_mins(1), SignedDuration::from_mins(2)];

/// Events for the kill switch, and what they meet.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Alarms {
    /// The events, in order.
    #[serde(default)]
    pub(super) events: Vec<Value>,
    /// The alarms that there are, by ARN; those that the events tell of if absent.
    pub(super) alarms: Option<Map<String, Value>>,
    /// `KEYWARD_ALARM_MAP`; made up if absent.
    pub(super) alarm_map: Option<Map<String, Value>>,
    /// Agents that have a slot, beside those that the events name.
    #[serde(default, rename = "agents_in_inventory")]
    pub(super) agents: Vec<String>,
    /// What the provider answers to a suspension, attempt by attempt.
    #[serde(default, rename = "provider_answers")]
    pub(super) answers: Vec<Attempt>,
}

/// What the provider answers to a suspension while one attempt is made.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Attempt {
    attempt: usize,
    #[serde(deserialize_with = "super::file::status")]
    restrict: u16,
}

/// Plays them.
pub(super) async fn alarms(file: &Alarms, fleet: Option<&str>) -> Result<Stage, Unsupported> {
    let seed = Seed::of(file, fleet)?;
    let (mut stage, planned) = opened(&seed).await?;
    for slot in &planned[1..] {
        stage.join(slot).await?;
    }
    for slot in &planned {
        stage.enforce(slot).await;
    }
    stage.slots = planned.into_iter().map(|slot| slot.name).collect();
    stage.report.made_up.extend(seed.made_up.iter().cloned());
    stage.begin();
    let alarms = Arc::new(MemoryAlarms::default());
    seed.fill(&alarms);
    let switch = KillSwitch {
        ports: stage.ports.clone(),
        alarms: Arc::new(Seen::new(alarms, stage.wire.clone())),
        deployment: seed.deployment.clone(),
        confirm: ConfirmPolicy::default(),
    };
    for (number, event) in file.events.iter().enumerate() {
        stage.until(seed.comes(number)).await;
        stage.deliver(&switch, event, number, &file.answers).await;
        stage.rotate_as_asked().await;
    }
    Ok(stage)
}

/// A stage with the first slot, and all slots.
async fn opened(seed: &Seed) -> Result<(Stage, Vec<PlannedSlot>), Unsupported> {
    let fleet = Fleet::from_json(&seed.fleet).and_then(|fleet| fleet.check());
    let refused = |e: keyward_core::model::fleet::FleetError| {
        Unsupported::Fleet(e.to_string().replace('\n', " "))
    };
    let mut planned = fleet.map_err(refused)?;
    // One provider plays at a time.
    let first = planned
        .first()
        .ok_or(Unsupported::Unknown("a fleet without slots"))?;
    let (provider, account) = (first.provider, first.entry.account.clone());
    planned.retain(|slot| slot.provider == provider && slot.entry.account == account);
    let labels = json!({made_up_version(1).as_str(): ["AWSCURRENT"]});
    let describe = secret(&planned[0].entry.secret, labels);
    let opening = Opening {
        provider,
        describe: &describe,
        value: None,
        base: Some(made_up_version(1)),
        now: seed.comes(0),
        overlap: None,
        pool: Standby::Filled,
        home: Home::StandingAccount,
        fleet: Some(&seed.fleet),
    };
    let stage = Stage::open(&opening).await?;
    stage.label(&describe);
    Ok((stage, planned))
}

impl Stage {
    /// One more slot, with a key that a person made.
    async fn join(&mut self, planned: &PlannedSlot) -> Result<(), Unsupported> {
        let value = self.made_up_value("old");
        let arn = &planned.entry.secret;
        self.secrets
            .create(arn, Some((&made_up_version(1), &value)));
        let mut planned = planned.clone();
        planned.entry.scope = crate::support::Backend::scope(&self.provider);
        let registered = register(&self.open, &planned).await;
        let refused = |e: keyward_core::usecases::register::RegisterError| {
            Unsupported::Register(e.to_string())
        };
        registered.map(drop).map_err(refused)
    }

    /// Lets statistics act: a new slot only observes.
    async fn enforce(&self, planned: &PlannedSlot) {
        if let Ok(Some(slot)) = self.inventory.slot(&planned.name).await {
            let slot = Slot {
                mode: Mode::Enforce,
                ..slot
            };
            let _ = self.inventory.save_slot(&slot).await;
        }
    }

    /// Time passes until `then`, with `retire` woken every five minutes.
    async fn until(&mut self, then: jiff::Timestamp) {
        while self.clock.now() + ROUND <= then {
            self.clock.advance(ROUND);
            self.retire().await;
            self.rotate_as_asked().await;
        }
        let rest = then.duration_since(self.clock.now());
        self.clock.advance(rest.max(SignedDuration::ZERO));
    }

    /// Lambda gives the function an event, and gives it again as long as it fails.
    async fn deliver(
        &mut self,
        switch: &KillSwitch,
        event: &Value,
        number: usize,
        answers: &[Attempt],
    ) {
        for attempt in 0..=RETRIES.len() {
            if let Some(wait) = attempt.checked_sub(1).map(|at| RETRIES[at]) {
                self.clock.advance(wait);
            }
            self.answer_suspensions(answers, attempt + 1);
            let invocation = kill::Invocation {
                owner: OwnerId::new(&format!("replay-{number}")),
                deadline: self.deadline(),
            };
            let outcome = handle(switch, event, &invocation).await;
            self.enter(Invocation {
                event: "kill-switch".to_owned(),
                step: (attempt > 0).then(|| format!("retry {attempt}")),
                outcome: outcome.as_ref().ok().map(|report| json!(report)),
                error: outcome.as_ref().err().map(|error| {
                    let told = diagnostic(error, KillSwitchError::is_retryable);
                    failure(told.error_message, error.is_retryable())
                }),
                ..Invocation::default()
            });
            if outcome.is_ok() {
                return;
            }
        }
        self.report
            .left
            .push("the event is in the dead-letter queue".to_owned());
    }

    /// What the provider answers to suspensions during one attempt.
    fn answer_suspensions(&self, answers: &[Attempt], number: usize) {
        self.simulator().clear_faults();
        let answer = answers.iter().find(|answer| answer.attempt == number);
        if let Some(answer) = answer.filter(|answer| answer.restrict >= 300) {
            let (method, path) = self.simulator().route(ProviderCall::Change);
            let fault = Fault::status(answer.restrict, Body::Json);
            self.simulator()
                .inject(FaultRule::on(method, path, fault).always());
        }
    }
}
