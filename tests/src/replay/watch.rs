//! Plays watched secrets and timelines.

use jiff::{SignedDuration, Timestamp};
use keyward_core::ports::{Clock, Stage as Label};
use keyward_testkit::simulator::Home;
use serde_json::{Value, json};

use super::act::{ROUND, STEPS};
use super::error::Unsupported;
use super::file::{Timeline, Watch, seconds};
use super::report::Invocation;
use super::rotation::{default_now, made_up_version, named, provider_of, secret};
use super::stage::{Opening, Stage, Standby};
use super::wire::Script;
use crate::support::Backend;

/// How long a stuck label is waited for.
const STUCK: SignedDuration = SignedDuration::from_hours(2);

/// Plays a secret that no event is about.
pub(super) async fn watch(file: &Watch, fleet: Option<&str>) -> Result<Stage, Unsupported> {
    let describe = &file.describe_secret;
    let now = file.now.and_then(seconds).or_else(|| describe.changed());
    let opening = Opening {
        provider: provider_of(&describe.arn),
        describe,
        value: None,
        base: describe.holder(&Label::Current),
        now: now.unwrap_or_else(default_now),
        overlap: None,
        pool: Standby::Filled,
        home: Home::StandingAccount,
        fleet,
    };
    let mut stage = Stage::open(&opening).await?;
    stage.label(describe);
    stage.begin();
    stage.wire.script(Script {
        unfinished: file.rotate_secret.clone(),
        ..Script::default()
    });
    if file.rotate_secret.is_none() {
        stage.retire().await;
        stage.rotate_as_asked().await;
        return Ok(stage);
    }
    stage.ask_for_rotation(&made_up_version(10)).await;
    stage.live_through(STUCK).await;
    stage.ask_for_rotation(&made_up_version(11)).await;
    stage.rotate_as_asked().await;
    Ok(stage)
}

/// Plays what clients meet after a promotion. Times are seconds after it.
pub(super) async fn timeline(file: &Timeline, fleet: Option<&str>) -> Result<Stage, Unsupported> {
    let token = made_up_version(2);
    let arn = named("llm/openai/agent-billing");
    let labels =
        json!({made_up_version(1).as_str(): ["AWSCURRENT"], token.as_str(): ["AWSPENDING"]});
    let describe = secret(&arn, labels);
    let is_end = |action: &Option<String>| action.as_deref() == Some("grace elapsed");
    let grace = file.scheduled.iter().find(|moment| is_end(&moment.action));
    let opening = Opening {
        provider: provider_of(&arn),
        describe: &describe,
        value: None,
        base: Some(made_up_version(1)),
        now: default_now(),
        overlap: grace.map(|moment| moment.t / 60),
        pool: Standby::Filled,
        home: Home::StandingAccount,
        fleet,
    };
    let mut stage = Stage::open(&opening).await?;
    stage.label(&describe);
    for step in &STEPS[..3] {
        stage.earlier(step, &token).await;
    }
    stage.begin();
    let old = stage.current_key();
    let start = stage.clock.now();
    for moment in &file.scheduled {
        stage
            .wait_until(start, SignedDuration::from_secs(moment.t), &old)
            .await;
        if moment.action.as_deref() == Some("finishSecret") {
            let event = stage.event("finishSecret", &token);
            stage.rotate(&event, Invocation::default()).await;
        }
        if let Some(which) = &moment.client_uses {
            let key = if which == "old" {
                old.clone()
            } else {
                stage.current_key()
            };
            let works = key.is_some_and(|key| stage.provider.call(&key));
            let outcome = if works {
                "works"
            } else {
                "refused by provider"
            };
            stage.enter(Invocation {
                event: "client".to_owned(),
                step: Some(format!(
                    "uses the {which} key, {} s after promotion",
                    moment.t
                )),
                given: moment.want.clone(),
                outcome: Some(json!(outcome)),
                ..Invocation::default()
            });
        }
    }
    if !file.kill.is_empty() {
        stage
            .report
            .left
            .push("the part `kill` joins with the kill switch".to_owned());
    }
    Ok(stage)
}

impl Stage {
    /// The key under AWSCURRENT, as an agent fetches it.
    fn current_key(&self) -> Option<String> {
        let text = self.secrets.current_text(&self.secret)?;
        let value: Value = serde_json::from_str(&text).ok()?;
        value["api_key"].as_str().map(str::to_owned)
    }

    /// Time passes up to `until` after the promotion: `retire` is woken every five minutes of it, and after half an
    /// hour the agent has fetched the new key and uses it.
    async fn wait_until(
        &mut self,
        promoted: Timestamp,
        until: SignedDuration,
        old: &Option<String>,
    ) {
        let refresh = SignedDuration::from_mins(30);
        loop {
            let passed = self.clock.now().duration_since(promoted);
            if passed >= until {
                return;
            }
            let to_round = ROUND.as_secs() - passed.as_secs() % ROUND.as_secs();
            let step = SignedDuration::from_secs(to_round).min(until - passed);
            self.clock.advance(step);
            if (passed + step).as_secs() % ROUND.as_secs() != 0 {
                return;
            }
            let new = self.current_key().filter(|key| Some(key) != old.as_ref());
            if let (true, Some(new)) = (passed + step >= refresh, new) {
                self.provider.call(&new);
            }
            self.retire().await;
        }
    }
}
