//! Plays rotations.

use jiff::Timestamp;
use keyward_core::model::names::{SecretArn, SecretVersionId};
use keyward_core::model::slot::ProviderName;
use keyward_core::ports::{SecretStore, Stage as Label};
use keyward_core::rules::rotation::RotationStep;
use keyward_testkit::contract::provider::ProviderCall;
use keyward_testkit::simulator::{Body, Fault, FaultRule, Home};
use serde_json::{Value, json};

use super::act::{ROUND, STEPS, place};
use super::error::Unsupported;
use super::file::{Describe, ReadResponse, StepTurn, Turn};
use super::report::Invocation;
use super::stage::{Opening, Stage, Standby};
use super::texts::Texts;
use super::wire::Script;

/// A whole rotation.
const ALL: usize = 4;

/// When a file without a time is played.
pub(super) fn default_now() -> Timestamp {
    Timestamp::from_second(1_795_600_000).unwrap_or_default()
}

/// A version id of a file that names none.
pub(super) fn made_up_version(number: u32) -> SecretVersionId {
    let id = format!("11111111-aaaa-4bbb-8ccc-{number:012}");
    id.parse().expect("a version id")
}

/// The provider that the secret's name is about; OpenAI where it says nothing.
pub(super) fn provider_of(arn: &SecretArn) -> ProviderName {
    let of = |provider: &&ProviderName| arn.as_str().contains(provider.as_str());
    let found = ProviderName::ALL.iter().find(of).copied();
    found.unwrap_or(ProviderName::OpenAi)
}

/// Plays invocations of `rotate`.
pub(super) async fn rotation(turns: &[Turn], fleet: Option<&str>) -> Result<Stage, Unsupported> {
    let Some(Turn::Step(first)) = turns.first() else {
        return Err(Unsupported::Unknown("a sequence without an event"));
    };
    let mut stage = open(first, fleet).await?;
    let mut done: Option<(SecretVersionId, usize)> = None;
    for (at, turn) in turns.iter().enumerate() {
        match turn {
            Turn::Outside { new_current } => {
                let value = stage.made_up_value("put in by hand");
                stage
                    .secrets
                    .put_current(&stage.secret, new_current, &value);
                stage.simulator().clear_requests();
                stage.note(
                    "outside",
                    "PutSecretValue",
                    "AWSCURRENT is on another version",
                );
            }
            Turn::Step(turn) => {
                let step = step_of(&turn.event).map(place);
                let token = token_of(&turn.event);
                if let (Some((before, last)), Some(step)) = (&done, step)
                    && *before == token
                {
                    for between in STEPS.get(last + 1..step).unwrap_or_default() {
                        let event = stage.event(between, &token);
                        let implied = Invocation {
                            implied: true,
                            ..Invocation::default()
                        };
                        stage.rotate(&event, implied).await;
                    }
                }
                stage.play(turn, at + 1 < turns.len()).await;
                done = step.map(|step| (token, step));
            }
        }
    }
    Ok(stage)
}

/// The stage as it is before the first event.
async fn open(turn: &StepTurn, fleet: Option<&str>) -> Result<Stage, Unsupported> {
    let token = token_of(&turn.event);
    let named = turn.describe_secret.is_some();
    let describe = match &turn.describe_secret {
        Some(describe) => describe.clone(),
        None => made_up_secret(&turn.event, &token),
    };
    let current = describe.holder(&Label::Current);
    let is_promoted = current.as_ref() == Some(&token);
    let base = if is_promoted {
        let previous = describe.holder(&Label::Previous);
        Some(previous.unwrap_or_else(|| made_up_version(1)))
    } else {
        current.clone()
    };
    let value = (!is_promoted).then(|| value_of(turn, current.as_ref(), &Label::Current));
    let value = value
        .flatten()
        .and_then(|response| response.text.as_deref());
    let opening = Opening {
        provider: provider_of(&describe.arn),
        describe: &describe,
        value,
        base,
        now: describe.changed().unwrap_or_else(default_now),
        overlap: None,
        pool: Standby::Filled,
        home: Home::StandingAccount,
        fleet,
    };
    let mut stage = Stage::open(&opening).await?;
    if !named {
        stage.report.made_up.push("labels of the secret".to_owned());
    }
    let stored = value_of(turn, Some(&token), &Label::Pending);
    let stored = stored.and_then(|response| response.text.as_deref());
    stage
        .bring_about(turn, &describe, &token, stored, value)
        .await;
    stage.label(&describe);
    stage.begin();
    Ok(stage)
}

/// The answer of the file to a read of one version.
fn value_of<'a>(
    turn: &'a StepTurn,
    id: Option<&SecretVersionId>,
    label: &Label,
) -> Option<&'a ReadResponse> {
    let label = label.to_string();
    let read = turn.get_secret_value.iter().find(|read| {
        let by_id = read.request.version_id.as_ref();
        by_id.map_or(
            read.request.version_stage.as_deref() == Some(&label),
            |by| Some(by) == id,
        )
    });
    read.map(|read| &read.response)
}

impl Stage {
    /// What the file says happened before is made to happen: by the steps that do it.
    async fn bring_about(
        &mut self,
        turn: &StepTurn,
        describe: &Describe,
        token: &SecretVersionId,
        stored: Option<&str>,
        current: Option<&str>,
    ) {
        let has = |label: &Label| describe.holder(label).as_ref() == Some(token);
        let Some(step) = step_of(&turn.event) else {
            return;
        };
        let keys = |text: Option<&str>| text.map(|text| Texts::found_in(text).0);
        let is_throw_away = stored.is_some() && keys(stored) == keys(current);
        let steps = if has(&Label::Current) {
            ALL
        } else if !has(&Label::Pending) {
            return;
        } else if let (Some(stored), true) = (stored, is_throw_away) {
            let text =
                keyward_core::model::secret_document::SecretText::new(self.translate(stored));
            let put = self.secrets.put_pending(&self.secret, token, None, &text);
            let _ = put.await;
            return;
        } else {
            place(step).max(usize::from(stored.is_some()))
        };
        self.secrets.begin_rotation(&self.secret, token);
        for step in &STEPS[..steps] {
            self.earlier(step, token).await;
        }
        if steps > 0 {
            let before = STEPS[..steps].join(", ");
            self.report
                .made_up
                .push(format!("before the file, under its token: {before}"));
        }
    }

    /// One invocation with the answers that the file has for it.
    async fn play(&mut self, turn: &StepTurn, more: bool) {
        self.wire.script(script_of(turn));
        self.answer(ProviderCall::Verify, &turn.probe_answers);
        let given = self.meet(turn);
        let entry = Invocation {
            given,
            ..Invocation::default()
        };
        self.rotate(&turn.event, entry).await;
        self.wire.script(Script::default());
        self.simulator().clear_faults();
        if turn.lambda.is_some() && more {
            self.clock.advance(ROUND);
        }
    }

    /// What the file says of the provider in words: an operation that goes on has no like at a provider whose calls
    /// are done when they are answered; the nearest is a call that has its effect and whose answer never comes.
    fn meet(&self, turn: &StepTurn) -> Option<String> {
        let given = turn.provider.as_ref()?;
        let call = match step_of(&turn.event)? {
            RotationStep::Create => ProviderCall::Create,
            RotationStep::Set | RotationStep::Finish => ProviderCall::Change,
            RotationStep::Test => ProviderCall::Verify,
        };
        let (method, path) = self.simulator().route(call);
        let status = given["status"].as_u64().filter(|s| (200..600).contains(s));
        let fault = match (given.as_str(), status) {
            (Some("operation started"), _) => Some(Fault::lost_after()),
            (Some("in progress"), _) => Some(Fault::status(409, Body::Json)),
            (_, Some(status)) => Some(Fault::status(status as u16, Body::Json)),
            _ => None,
        };
        if let Some(fault) = fault {
            self.simulator()
                .inject(FaultRule::on(method, path, fault).always());
        }
        let words = given.as_str().map(str::to_owned);
        words.or_else(|| status.map(|status| status.to_string()))
    }
}

fn script_of(turn: &StepTurn) -> Script {
    let reads = turn.get_secret_value.iter().filter_map(|read| {
        let fault = read.response.fault.clone()?;
        // A version without a value is without one in the embedded store too, until it gets one.
        if fault.code == "ResourceNotFoundException" {
            return None;
        }
        let id = read.request.version_id.as_ref().map(ToString::to_string);
        Some((id.or_else(|| read.request.version_stage.clone())?, fault))
    });
    let never = |describe: &Describe| describe.rotation_enabled.is_none();
    Script {
        reads: reads.collect(),
        put: turn.put_secret_value.clone(),
        moved: turn.update_secret_version_stage_if_from_old.clone(),
        unfinished: None,
        never_rotated: turn.describe_secret.as_ref().is_some_and(never),
    }
}

fn step_of(event: &Value) -> Option<RotationStep> {
    event["Step"].as_str()?.parse().ok()
}

fn token_of(event: &Value) -> SecretVersionId {
    let token = event["ClientRequestToken"].as_str().map(str::parse);
    token
        .and_then(Result::ok)
        .unwrap_or_else(|| made_up_version(2))
}

/// A secret in the middle of a rotation, under the name that the event gives.
fn made_up_secret(event: &Value, token: &SecretVersionId) -> Describe {
    let id = event["SecretId"].as_str().unwrap_or_default();
    let arn = id.parse::<SecretArn>().ok();
    let arn = arn.unwrap_or_else(|| named(id));
    secret(
        &arn,
        json!({made_up_version(1).as_str(): ["AWSCURRENT"], token.as_str(): ["AWSPENDING"]}),
    )
}

/// The ARN of a secret that only its name is known of.
pub(super) fn named(name: &str) -> SecretArn {
    let fits = !name.is_empty() && name.len() < 200 && name.bytes().all(|b| b.is_ascii_graphic());
    let name = if fits { name } else { "llm/openai/agent" };
    let arn = format!("arn:aws:secretsmanager:us-east-1:111122223333:secret:{name}-a1B2c3");
    arn.parse().expect("an ARN")
}

/// A secret with these labels, and nothing else said of it.
pub(super) fn secret(arn: &SecretArn, stages: Value) -> Describe {
    let answer = json!({"ARN": arn, "RotationEnabled": true, "VersionIdsToStages": stages});
    serde_json::from_value(answer).expect("a description")
}
