//! A day in the life of a fleet, on the stack that `infra/template.yaml` makes.
//!
//! A person has the built `keyward` command and nothing else. The stack's own functions do the rest, as the template configures
//! them: its schedule wakes the monitor, whose alarm goes by way of its topic to its kill switch. Three agents call all day.
//!
//! What is not as in a deployment:
//!
//! - What was added for the emulators is [`ADDED`], and printed: where Secrets Manager is, the rotation function's name there, a front
//!   in place of each of control's URLs, queues that hear the topics. What ministack cannot is told in `template/deployed.rs`.
//! - Two parameters are not at their defaults: confirmations do not wait, and everything is logged.
//! - Records are written once as if they were a day older, so that overlaps and deadlines are over, though providers saw the old
//!   keys used a moment ago.
//! - `retire` is invoked with its schedule's event: the schedule itself wakes it every five minutes only.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};
use keyward_core::model::alert::AlertKind;
use keyward_core::model::audit::{AuditReport, Period};
use keyward_core::model::names::SlotName;
use keyward_core::model::slot::{Mode, ProviderName, SlotState};
use keyward_core::model::version::{Confirmation, Version, VersionState};
use keyward_testkit::simulator::Simulator;
use keyward_tests::emulators::Topic;
use keyward_tests::end_to_end::{ADDED, Deployment, RefreshingAgent, Secret, alarm_of};
use keyward_tests::functions::build_command;
use keyward_tests::local::Local;
use keyward_tests::support::say;
use secrecy::ExposeSecret as _;
use serde_json::json;

/// The slots, and where their keys are.
const SLOTS: [(&str, ProviderName); 3] = [
    ("billing-bot-anthropic", ProviderName::Anthropic),
    ("search-bot-openai", ProviderName::OpenAi),
    ("support-bot-openrouter", ProviderName::OpenRouter),
];

/// Whose key is stolen, and where.
const STOLEN: (&str, ProviderName) = SLOTS[1];

/// Overlap and deadline are over then.
const DAY: SignedDuration = SignedDuration::from_hours(25);

/// The fleet, and what was said so far.
struct Day {
    local: Local,
    begun: Timestamp,
    said: Mutex<String>,
}

impl Day {
    /// Makes the stack, and what is around it; `None` where the emulators cannot be had.
    async fn begin() -> Option<Self> {
        let name = format!("day-{}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let command = tokio::task::spawn_blocking(build_command).await.unwrap();
        let local = Local::on_stack(&folder, &command.unwrap()).await?;
        say(format_args!("added to the stack:"));
        ADDED.iter().for_each(|what| say(format_args!("  {what}")));
        let mut day = Self {
            begun: local.deployment.ports.clock.now(),
            local,
            said: Mutex::default(),
        };
        day.over("it begins: the stack is made, its functions run");
        Some(day)
    }

    fn deployment(&self) -> &Deployment {
        &self.local.deployment
    }

    /// Says how long a step took.
    fn over(&mut self, step: &str) {
        let now = self.deployment().ports.clock.now();
        let took = seconds(self.begun, now);
        say(format_args!("{took:>8.2} s  {step}"));
        self.begun = now;
    }

    /// Gives a line, with `input` on standard input: its exit status, and what it said.
    async fn line(&self, line: &str, input: &str) -> (Option<i32>, String) {
        let output = self.local.shell(line, input).await;
        let said = [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said));
        let said = said.concat();
        *self.said.lock().unwrap() += &said;
        (output.status.code(), said)
    }

    /// Gives a line that must succeed.
    async fn done(&self, line: &str) -> String {
        let (code, said) = self.line(line, "").await;
        assert_eq!(code, Some(0), "{line}: {said}");
        said
    }

    fn secret(&self, slot: &str) -> Secret {
        let secrets = self.local.secrets().into_iter();
        let mut found = secrets.filter(|secret| secret.slot.as_str() == slot);
        found.next().unwrap()
    }

    async fn current(&self, slot: &SlotName) -> Version {
        let version = self.deployment().version(slot, VersionState::Current);
        version.await
    }

    /// Waits until the agent of each slot calls with the slot's current key, and is answered.
    async fn agents_are_up_to_date(&self) {
        for (slot, provider) in SLOTS {
            let current = self.current(&slot.parse().unwrap()).await;
            let simulator = self.deployment().simulator_at(provider);
            let what = format!("a call of {slot} with its new key");
            let called = async || {
                let calls = simulator.agent_calls();
                calls
                    .iter()
                    .any(|c| !c.is_failed_agent_call() && is_of(simulator, c, &current))
            };
            self.deployment().until(&what, called).await;
        }
    }

    /// No call of any agent was refused so far, but by the provider `but` for the key of `version`.
    fn nobody_was_refused_but(&self, but: Option<(ProviderName, &Version)>) {
        for (slot, provider) in SLOTS {
            let simulator = self.deployment().simulator_at(provider);
            let version = but.filter(|(of, _)| *of == provider).map(|(_, v)| v);
            let expected = |call: &_| version.is_some_and(|v| is_of(simulator, call, v));
            let mut refused = simulator.failed_agent_calls();
            refused.retain(|call| !expected(call));
            assert_eq!(refused, [], "{slot}");
        }
    }
}

/// Whether a request carried the key of a version.
fn is_of(
    simulator: &Simulator,
    request: &keyward_testkit::simulator::LoggedRequest,
    version: &Version,
) -> bool {
    let keys = simulator.keys();
    let mut own = keys
        .iter()
        .filter(|key| Some(key.fingerprint) == version.fingerprint);
    own.any(|key| request.is_by(&key.handle))
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

/// Planned, applied, and watched once the schedule has woken the monitor: then nothing is left for a person to do.
async fn registered(day: &mut Day) {
    let fleet = day.local.fleet.display().to_string();
    let (code, said) = day.line(&format!("keyward plan {fleet}"), "").await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("Plan: 3 to register"), "{said}");
    let apply = format!("keyward apply {fleet} --reason 'first slots'");
    let said = day.done(&apply).await;
    assert_eq!(said.matches("registered").count(), 3, "{said}");
    let keys = std::fs::read_to_string(&day.local.standby).unwrap();
    let add = "keyward pool add anthropic-main --reason 'first standby keys'";
    let (code, said) = day.line(add, &keys).await;
    assert_eq!(code, Some(0), "{said}");
    let wrong = "KEYWARD_CONTROL_URL_KILL=$KEYWARD_CONTROL_URL_OPERATE";
    let slot = STOLEN.0;
    let kill = format!("{wrong} keyward kill {slot} --yes --reason 'by the wrong URL'");
    let (code, said) = day.line(&kill, "").await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("an act of the kind `kill`"), "{said}");
    day.over("planned, applied, standby keys added; nobody is cut off by the URL of another kind of acts");

    let alarms = async || day.deployment().slot_alarms().await;
    let made = async || alarms().await.len() == SLOTS.len();
    day.deployment().until("an alarm for each slot", made).await;
    let names: Vec<String> = alarms().await.into_keys().collect();
    assert_eq!(names, SLOTS.map(|(slot, _)| alarm_of(slot)));
    let (code, said) = day.line(&format!("keyward plan {fleet}"), "").await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("Nothing is left for you to do."), "{said}");
    day.over("the schedule woke the monitor, an alarm guards each slot, and nothing is left to do");
}

/// Each key is replaced while its agent calls; a day later the old ones are dead.
async fn rotated(day: &mut Day) {
    let mut old = Vec::new();
    for (slot, _) in SLOTS {
        old.push(day.current(&slot.parse().unwrap()).await);
        let said = day.done(&format!("keyward rotate {slot} --wait")).await;
        assert!(said.contains(&format!("{slot}: done")), "{said}");
        day.over(&format!("{slot} rotated"));
    }
    day.agents_are_up_to_date().await;
    let deployment = day.deployment();
    deployment.retire().await.unwrap();
    let secrets = SLOTS.map(|(slot, _)| day.secret(slot));
    let all: Vec<&Secret> = secrets.iter().collect();
    deployment.pass(&all, DAY).await;
    for (secret, old) in secrets.iter().zip(&old) {
        deployment.retire_all(secret).await;
        let dead = deployment.version(&secret.slot, VersionState::Revoked);
        let dead = dead.await;
        assert_eq!(dead.id, old.id);
        assert_eq!(
            dead.revoke_confirmed.unwrap().by,
            Confirmation::Refused,
            "{dead:?}"
        );
        let refused = deployment.assert_at_provider(&secret.slot, &dead, false);
        refused.await;
    }
    day.nobody_was_refused_but(None);
    day.over(
        "a day later: the old keys are refused by their providers, and no call of any agent was",
    );
}

/// A thief spends with a key. Nobody does anything.
async fn stolen(day: &mut Day, alarms: &Topic) {
    let (name, provider) = STOLEN;
    let slot: SlotName = name.parse().unwrap();
    let enforce = format!("keyward enforce {name} --reason 'two quiet weeks'");
    day.done(&enforce).await;
    let deployment = day.deployment();
    assert_eq!(deployment.slot(&slot).await.mode, Mode::Enforce);
    let killed = day.current(&slot).await;
    let secret = day.secret(name);
    let key = deployment.key_at(provider, &deployment.current(&secret).await);

    let clock = &deployment.ports.clock;
    let stolen = clock.now();
    deployment.steal(provider, &key);
    let dead = async || !deployment.accepts_at(provider, &key);
    deployment.until("the end of the key", dead).await;
    let refused = clock.now();
    deployment.until_replaced(&slot).await;
    let fetched = deployment.key_at(provider, &deployment.current(&secret).await);
    assert!(fetched != key && deployment.accepts_at(provider, &fetched));
    let last_word = async || {
        deployment.retire().await.unwrap();
        let alerts = deployment.alerts().await;
        alerts.iter().any(|a| a.kind == AlertKind::KillDone)
    };
    deployment.until("the last word", last_word).await;

    let incident = format!("{name}-1");
    let incident = deployment.ports.inventory.incident(&incident).await;
    let incident = incident.unwrap().unwrap();
    let cause = incident.triggers[0].cause.as_str();
    assert!(cause.contains(&alarm_of(name)), "{cause}");
    say(format_args!("seconds after the provider had the usage:"));
    let refused = seconds(stolen, refused);
    say(format_args!(
        "{refused:>8.2}    key refused at the provider"
    ));
    for (stage, at) in &incident.timeline() {
        say(format_args!("{:>8.2}    {stage}", seconds(stolen, *at)));
    }
    day.agents_are_up_to_date().await;
    day.nobody_was_refused_but(Some((provider, &killed)));
    let told: Vec<AlertKind> = deployment.alerts().await.iter().map(|a| a.kind).collect();
    for kind in [AlertKind::SpendUnusual, AlertKind::Contained] {
        assert!(told.contains(&kind), "{kind:?}: {told:?}");
    }
    let published = alarms.receive(0).await;
    let published = format!("{published:?}");
    assert!(published.contains(&alarm_of(name)), "{published}");
    deployment
        .canary()
        .assert_absent("the alarm topic", &published);
    for (other, _) in SLOTS.iter().filter(|(other, _)| *other != name) {
        let other = deployment.slot(&other.parse().unwrap()).await;
        assert_eq!((other.epoch.0, other.state), (0, SlotState::Active));
    }
    day.over(
        "a key was stolen, is dead and replaced; its agent works on, and no other was touched",
    );
}

/// A person looks, and lifts what the kill put on the slot.
async fn restored(day: &mut Day) {
    let (name, _) = STOLEN;
    let status = day.done("keyward status").await;
    let states = |status: &str, state| status.lines().filter(|line| line.contains(state)).count();
    assert_eq!(states(&status, "RESTRICTED"), 1, "{status}");
    assert_eq!(states(&status, "active, observes"), 2, "{status}");
    let one = day.done(&format!("keyward status {name}")).await;
    assert!(one.contains("keyward restore"), "{one}");
    let restore = format!("keyward restore {name} --reason 'the leak is closed'");
    let (code, refused) = day.line(&restore, "").await;
    assert_eq!(code, Some(1), "{refused}");
    assert!(refused.contains("still in ALARM"), "{refused}");
    day.deployment().alarm_recovers(name).await;
    let said = day.done(&restore).await;
    assert!(said.contains("active, it was restricted"), "{said}");
    let status = day.done("keyward status").await;
    assert_eq!(states(&status, "active, enforces"), 1, "{status}");
    day.over("looked at, and restored");
    let (code, said) = day.line("keyward doctor", "").await;
    let wrong: Vec<&str> = said
        .lines()
        .filter(|line| line.contains(" WRONG "))
        .collect();
    assert_eq!(code, Some(1), "{said}");
    assert!(
        matches!(wrong[..], [line] if line.contains("no slot is a canary")),
        "{said}"
    );
    day.over("the doctor misses a canary, and nothing else");
}

/// What the day left, by rule and slot: no slot is a canary, so no drill was made, and nobody tried a break-glass credential. The
/// theft itself left nothing undone.
const LEFT: [(&str, &str); 2] = [("break-glass-untried", ""), ("kill-switch-not-drilled", "")];

/// What an auditor is told of emulated AWS beside the settings of whoever acts.
const AUDITS: [&str; 3] = ["S3", "CLOUDWATCH", "LAMBDA"];

/// The stack's own audit, and the same from a workstation: both find what the day left, and nothing else.
async fn audited(day: &mut Day) {
    let deployment = day.deployment();
    let period = Period::of(deployment.ports.clock.now());
    let made = deployment.audit(&json!({ "period": period })).await;
    let made = made.unwrap_or_else(|failed| panic!("{failed:?}\n{}", deployment.log("audit")));
    assert_eq!(made["outcome"], "made", "{made}");
    let key = format!("audits/{period}/report.json");
    let (_, kept) = deployment.reported(&key).await.unwrap();
    deployment.canary().assert_absent("the report", &kept);
    let kept: AuditReport = serde_json::from_str(&kept).unwrap();
    assert!(kept.is_complete(), "{:?}", kept.coverage);
    assert_eq!(found(&kept), LEFT.into(), "{:#?}", kept.findings);
    let told = deployment.alerts().await;
    let told = told.iter().filter(|a| a.kind == AlertKind::AuditDone);
    assert_eq!(told.count(), 1);

    let iam = deployment
        .simulator_at(ProviderName::Bedrock)
        .management_key();
    let ministack = deployment.ministack.url();
    let places = AUDITS.map(|service| format!("AWS_ENDPOINT_URL_{service}={ministack}"));
    let (places, iam) = (places.join(" "), iam.expose_secret());
    let audit = format!("export AWS_ACCESS_KEY_ID={iam} {places}; keyward audit --json");
    let output = day.local.shell(&audit, "").await;
    let complained = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_slice::<AuditReport>(&output.stdout);
    let report = report.unwrap_or_else(|error| panic!("{error}: {complained}"));
    assert_eq!(found(&report), LEFT.into(), "{complained}");
    *day.said.lock().unwrap() += &String::from_utf8_lossy(&output.stdout);
    day.over("audited by the stack, and from a workstation: both find what the day left");
}

/// The findings' rules, each with its slot.
fn found(report: &AuditReport) -> BTreeSet<(&str, &str)> {
    let findings = report.findings.iter().map(|entry| &entry.finding);
    let named = findings.map(|f| (f.rule.as_str(), f.slot.as_ref().map_or("", |s| s.as_str())));
    named.collect()
}

/// Who did what stands in the record; nothing was left undone, and no key's text anywhere.
async fn nothing_is_left(day: &mut Day) {
    let deployment = day.deployment();
    let acts = deployment.acts().await;
    let mut reasons: Vec<(&str, &str)> = acts
        .iter()
        .map(|act| (act.operation.as_str(), act.reason.as_str()))
        .collect();
    reasons.dedup();
    assert_eq!(
        reasons,
        [
            ("/apply", "first slots"),
            ("/pool/add", "first standby keys"),
            ("/enforce", "two quiet weeks"),
            ("/restore", "the leak is closed"),
        ]
    );
    for (queue, left) in deployment.dead_letters().await {
        assert_eq!(left, 0, "{queue}");
    }
    deployment.assert_no_key_text().await;
    let said = day.said.lock().unwrap().clone();
    deployment.canary().assert_absent("the command", &said);
    day.over("nothing is left undone, and no key's text is anywhere");
}

#[tokio::test]
async fn a_fleet_lives_through_a_day_on_the_stack_that_the_template_makes() {
    let Some(mut day) = Day::begin().await else {
        return;
    };
    let deployment = day.deployment();
    let topic = deployment.output("AlarmTopicArn");
    let alarms = Topic::heard(&deployment.ministack, "alarms", topic).await;
    registered(&mut day).await;
    let agents = SLOTS.map(|(slot, provider)| {
        RefreshingAgent::start(day.deployment(), provider, &day.secret(slot))
    });
    rotated(&mut day).await;
    stolen(&mut day, &alarms).await;
    restored(&mut day).await;
    audited(&mut day).await;
    drop(agents);
    nothing_is_left(&mut day).await;
}
