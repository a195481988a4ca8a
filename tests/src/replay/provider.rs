//! Plays answers of a provider: each through the operation that would meet it.

use jiff::{SignedDuration, Timestamp};
use keyward_core::model::names::KeyHandle;
use keyward_core::model::slot::ProviderName;
use keyward_core::ports::{Clock, Inventory, ProviderError, Verdict};
use keyward_lambda::diagnostic::chain;
use keyward_testkit::contract::provider::ProviderCall;
use keyward_testkit::simulator::{Fault, FaultRule, Home};
use serde_json::{Value, json};

use super::act::{ROUND, STEPS, failure};
use super::azure;
use super::error::Unsupported;
use super::file::{Answers, Probe};
use super::report::Invocation;
use super::rotation::{default_now, made_up_version, named, secret};
use super::stage::{Opening, Stage, Standby, advice};
use super::{gemini, litellm};
use crate::support::Backend;

/// Plays a provider's answers.
pub(super) async fn answers(file: &Answers, fleet: Option<&str>) -> Result<Stage, Unsupported> {
    match file {
        Answers::ServiceAccount { body } => service_account(body, fleet).await,
        Answers::AfterDelete { probes } => after_delete(probes, fleet).await,
        Answers::NotFound => not_found(fleet).await,
        Answers::Busy(probes) => busy(probes, fleet).await,
        Answers::Suspend { id, body } => suspend(id, body, fleet).await,
        Answers::CreateRefused => create_refused(fleet).await,
        Answers::Verdicts(probes) => verdicts(probes, fleet).await,
        Answers::Vanished => vanished(fleet).await,
        Answers::Full(file) => super::full::full(file, fleet).await,
        Answers::Remembered { probes } => litellm::remembered(probes, fleet).await,
        Answers::KeyInfo { body } => litellm::key_info(body, fleet).await,
        Answers::Operation(answers) => gemini::operation(answers, fleet).await,
        Answers::GoogleKeys { body } => gemini::list(body, fleet).await,
        Answers::Pair(file) => azure::pair(file, fleet).await,
        Answers::BadKeyName { status, body } => azure::bad_name(*status, body, fleet).await,
    }
}

/// A slot with one key in use, and a rotation begun.
pub(super) async fn slot_of(
    provider: ProviderName,
    pool: Standby,
    now: Timestamp,
    fleet: Option<&str>,
) -> Result<Stage, Unsupported> {
    slot_in(provider, pool, Home::StandingAccount, now, fleet).await
}

async fn slot_in(
    provider: ProviderName,
    pool: Standby,
    home: Home,
    now: Timestamp,
    fleet: Option<&str>,
) -> Result<Stage, Unsupported> {
    let arn = named(&format!("llm/{provider}/agent-billing"));
    let describe = secret(&arn, json!({made_up_version(1).as_str(): ["AWSCURRENT"]}));
    let opening = Opening {
        provider,
        describe: &describe,
        value: None,
        base: Some(made_up_version(1)),
        now,
        overlap: None,
        pool,
        home,
        fleet,
    };
    let mut stage = Stage::open(&opening).await?;
    let token = made_up_version(2);
    stage.secrets.begin_rotation(&stage.secret, &token);
    stage.begin();
    Ok(stage)
}

impl Stage {
    pub(super) async fn step(&mut self, step: &str, given: Option<String>) {
        let event = self.event(step, &made_up_version(2));
        let entry = Invocation {
            given,
            ..Invocation::default()
        };
        self.rotate(&event, entry).await;
    }

    /// A whole rotation, after which the first key is past its overlap.
    pub(super) async fn replace_the_first_key(&mut self) {
        for step in STEPS {
            self.earlier(step, &made_up_version(2)).await;
        }
        self.clock.advance(SignedDuration::from_mins(118));
        self.report
            .made_up
            .push("a whole rotation, nearly two hours ago".to_owned());
        self.begin();
    }

    /// A call of the driver itself.
    pub(super) fn called<T>(
        &mut self,
        what: &str,
        answer: Result<T, ProviderError>,
        say: impl Fn(T) -> Value,
    ) {
        let entry = match answer {
            Ok(answer) => Invocation {
                outcome: Some(say(answer)),
                ..Invocation::default()
            },
            Err(error) => Invocation {
                error: Some(failure(chain(&error), advice(&error))),
                ..Invocation::default()
            },
        };
        self.enter(Invocation {
            event: "provider".to_owned(),
            step: Some(what.to_owned()),
            ..entry
        });
    }

    /// The handle of the slot's nth version, as the driver names it.
    pub(super) async fn handle_of(&self, n: usize) -> Option<KeyHandle> {
        let versions = self.inventory.versions(&self.slot).await.ok()?;
        versions.get(n)?.handle.clone()
    }

    async fn verify_first(&mut self) {
        let Some(key) = self.simulator().secrets().into_iter().next() else {
            return;
        };
        let verdict = self.provider.driver().verify(&key).await;
        let said = match verdict {
            Verdict::Live => "live",
            Verdict::BlockedForMoney(_) => "blocked for money",
            Verdict::BlockedForScope(_) => "blocked for scope",
            Verdict::Dead(_) => "dead",
            Verdict::Unknown(_) => "unknown",
        };
        self.note("provider", "verify", said);
    }
}

/// P-01: createSecret where a service account comes with its key, or without.
async fn service_account(body: &Value, fleet: Option<&str>) -> Result<Stage, Unsupported> {
    let open = || {
        slot_in(
            ProviderName::OpenAi,
            Standby::Filled,
            Home::OwnAccount,
            default_now(),
            fleet,
        )
    };
    let mut stage = open().await?;
    stage.step("createSecret", None).await;
    if !body["api_key"].is_null() {
        return Ok(stage);
    }
    // The simulator makes the same account again, and the answer of the file names it.
    let Some(made) = stage.handle_of(1).await else {
        return Ok(stage);
    };
    let id = body["id"].as_str().unwrap_or_default();
    let body = body
        .to_string()
        .replace(id, made.ids().nth(1).unwrap_or_default());
    let mut stage = open().await?;
    let fault = Fault::recorded(200, None, body).after_effect();
    let path = "/organization/projects/*/service_accounts";
    stage.simulator().inject(FaultRule::on("POST", path, fault));
    stage
        .step("createSecret", Some("api_key: null".to_owned()))
        .await;
    Ok(stage)
}

/// P-02: an old key whose end was accepted answers on and off.
async fn after_delete(probes: &[Probe], fleet: Option<&str>) -> Result<Stage, Unsupported> {
    let mut stage = slot_of(ProviderName::OpenAi, Standby::Filled, default_now(), fleet).await?;
    stage.replace_the_first_key().await;
    // The key works on until the last time that the file says so; `retire` asks once every five minutes.
    let last = probes.iter().rposition(|probe| probe.status < 300);
    let works_on = ROUND * last.map_or(0, |at| at as i32) + SignedDuration::from_mins(1);
    stage
        .simulator()
        .configure(|settings| settings.change_delay = works_on);
    stage.answer(ProviderCall::Verify, probes);
    stage.live_through(SignedDuration::from_mins(60)).await;
    Ok(stage)
}

pub(super) fn probe(status: u16, body: Value) -> Probe {
    let answer = json!({"status": status, "body": body});
    serde_json::from_value(answer).expect("an answer")
}

/// P-03: "no such key", once for a key that is gone and once for one that is still listed.
async fn not_found(fleet: Option<&str>) -> Result<Stage, Unsupported> {
    let mut stage = slot_of(ProviderName::OpenAi, Standby::Filled, default_now(), fleet).await?;
    stage.replace_the_first_key().await;
    for call in [ProviderCall::Delete, ProviderCall::Change] {
        stage.answer(call, &[probe(404, json!(""))]);
    }
    stage.live_through(SignedDuration::from_mins(10)).await;
    stage.simulator().clear_faults();
    if let Some(handle) = stage.handle_of(0).await {
        let deleted = stage.provider.driver().delete(&handle).await;
        stage.called("delete, by a person", deleted, |()| json!("deleted"));
    }
    stage.live_through(SignedDuration::from_mins(30)).await;
    Ok(stage)
}

/// P-05: too many requests, met by a list and by a create.
async fn busy(probes: &[Probe], fleet: Option<&str>) -> Result<Stage, Unsupported> {
    let dated = |probe: &Probe| {
        let header = probe.headers.get("retry-after")?;
        let date = jiff::fmt::rfc2822::parse(header).ok()?;
        Some(date.timestamp() - SignedDuration::from_secs(15))
    };
    let now = probes.iter().find_map(dated).unwrap_or_else(default_now);
    let mut stage = slot_of(ProviderName::OpenRouter, Standby::Filled, now, fleet).await?;
    for probe in probes {
        let (method, path) = stage.simulator().route(ProviderCall::List);
        let rule = FaultRule::on(method, path, stage.fault(probe));
        stage.simulator().inject(rule);
        let before = stage.clock.now();
        let scope = stage.provider.scope();
        let listed = stage.provider.driver().list(&scope, None).await;
        let waited = stage.clock.now().duration_since(before);
        let waited = waited.as_secs();
        stage.called(
            "list",
            listed,
            |page| json!({"keys": page.keys.len(), "waited_seconds": waited}),
        );
        if let Some(entry) = stage.report.invocations.last_mut() {
            let header = probe.headers.get("retry-after");
            let header = header.map_or("without Retry-After", String::as_str);
            entry.given = Some(format!("{}, {header}", probe.status));
        }
        stage.simulator().clear_faults();
    }
    stage.answer(ProviderCall::Create, &probes[probes.len() - 1..]);
    let given = probes.last().map(|probe| probe.status.to_string());
    stage.step("createSecret", given).await;
    Ok(stage)
}

/// P-06, P-14b: a suspension, and that it can be taken back.
async fn suspend(id: &str, body: &Value, fleet: Option<&str>) -> Result<Stage, Unsupported> {
    let provider = if id.starts_with("apikey_") {
        ProviderName::Anthropic
    } else {
        ProviderName::OpenRouter
    };
    let mut stage = slot_of(provider, Standby::Filled, default_now(), fleet).await?;
    let Some(handle) = stage.handle_of(0).await else {
        return Ok(stage);
    };
    let own_id = handle.ids().last().unwrap_or_default();
    let body = body.to_string().replace(id, own_id);
    let (method, path) = stage.simulator().route(ProviderCall::Change);
    let recorded = Fault::recorded(200, None, body).after_effect();
    stage
        .simulator()
        .inject(FaultRule::on(method, path, recorded));
    let driver = stage.provider.driver();
    for _ in 0..2 {
        let disabled = driver.disable(&handle).await;
        stage.called("disable", disabled, |how| json!(format!("{how:?}")));
        stage.verify_first().await;
    }
    let scope = stage.provider.scope();
    let restored = driver.restore(&handle, &scope).await;
    stage.called("restore", restored, |()| json!("restored"));
    stage.verify_first().await;
    Ok(stage)
}

/// P-06b: createSecret at a provider that makes no keys, with nothing standing by.
async fn create_refused(fleet: Option<&str>) -> Result<Stage, Unsupported> {
    let provider = ProviderName::Anthropic;
    let mut stage = slot_of(provider, Standby::Empty, default_now(), fleet).await?;
    for _ in 0..2 {
        stage.step("createSecret", None).await;
    }
    Ok(stage)
}

/// P-14: each answer met by testSecret of a rotation of its own; what only the management key may ask, by
/// createSecret. The calls of all are in the report; labels and versions are of the last.
async fn verdicts(probes: &[Probe], fleet: Option<&str>) -> Result<Stage, Unsupported> {
    let mut last: Option<Stage> = None;
    for probe in probes {
        let provider = ProviderName::OpenRouter;
        let mut stage = slot_of(provider, Standby::Filled, default_now(), fleet).await?;
        if let Some(before) = last.take() {
            stage.report = before.report;
        }
        let message = probe.body["error"]["message"].as_str();
        let given = format!("{} {}", probe.status, message.unwrap_or_default());
        let is_admin = probe.call.as_deref() != Some("chat");
        if is_admin {
            stage.answer(ProviderCall::Create, std::slice::from_ref(probe));
            stage.step("createSecret", Some(given)).await;
        } else {
            for step in &STEPS[..2] {
                stage.earlier(step, &made_up_version(2)).await;
            }
            stage.begin();
            stage.answer(ProviderCall::Verify, std::slice::from_ref(probe));
            stage.step("testSecret", Some(given)).await;
        }
        last = Some(stage);
    }
    last.ok_or(Unsupported::Unknown("an empty list"))
}

/// P-19: a key in use is gone at the provider, and nobody rotated it.
async fn vanished(fleet: Option<&str>) -> Result<Stage, Unsupported> {
    let mut stage = slot_of(ProviderName::OpenAi, Standby::Filled, default_now(), fleet).await?;
    stage.secrets.take_started();
    let Some(handle) = stage.handle_of(0).await else {
        return Ok(stage);
    };
    let deleted = stage.provider.driver().delete(&handle).await;
    stage.called("delete, by somebody", deleted, |()| json!("deleted"));
    let scope = stage.provider.scope();
    let listed = stage.provider.driver().list(&scope, None).await;
    stage.called("list", listed, |page| {
        json!(format!("{} keys", page.keys.len()))
    });
    stage.verify_first().await;
    stage.retire().await;
    stage.rotate_whole(&made_up_version(2)).await;
    stage.report.left.push(
        "that a key in use is gone at its provider is noticed by the usage monitor and the audit"
            .to_owned(),
    );
    Ok(stage)
}
