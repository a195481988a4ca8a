//! One file as it is played: brought to this moment, with slots, alarms and a function of its own.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::{SignedDuration, Timestamp};
use keyward_core::model::alarm::AlarmState;
use keyward_core::model::alert::Alert;
use keyward_core::model::kill_order::Content;
use keyward_core::model::slot::{Mode, Slot, SlotState};
use keyward_core::model::version::VersionState;
use keyward_core::ports::Clock;
use keyward_core::rules::policy::interval_days;
use keyward_kill_switch::message::read;
use keyward_lambda::clock::SystemClock;
use keyward_tests::end_to_end::{CloudWatch, Deployment};
use serde_json::{Value, json};

const TOPIC: &str = "arn:aws:sns:us-east-1:111122223333:llm-key-kill-switch";

/// The alarms of the files that the map names, and their agents.
const ALARMS: [(&str, &str); 5] = [
    ("agent-billing-spend", "agent-billing"),
    ("agent-billing-composite", "agent-billing"),
    ("agent-billing-cost-per-call", "agent-billing"),
    ("agent-chat-spend", "agent-chat"),
    ("agent-search-spend", "agent-search"),
];

const AGENTS: [&str; 3] = ["agent-billing", "agent-chat", "agent-search"];

/// One file.
pub(crate) struct Case {
    /// The name of its function, and the beginning of its slots' names.
    pub(crate) function: String,
    pub(crate) events: Vec<Value>,
    /// Texts that must not come out.
    pub(crate) markers: Vec<String>,
    history: Vec<(keyward_core::model::alarm::AlarmArn, Timestamp, AlarmState)>,
}

impl Case {
    /// The file, with all of its times moved so that its latest change is a moment ago.
    pub(crate) fn of(name: &str) -> Self {
        let text = text_of(name);
        let file: Value = serde_json::from_str(&text).unwrap();
        let latest = changes(&events(&file))
            .into_iter()
            .map(|(_, at, _)| at)
            .max();
        let now = SystemClock.now() - SignedDuration::from_secs(1);
        let moved = latest.map_or(text.clone(), |latest| {
            moved(&text, now.duration_since(latest))
        });
        let events = events(&serde_json::from_str(&moved).unwrap());
        let id = name.to_lowercase();
        let id: Vec<&str> = id.splitn(3, '-').take(2).collect();
        let markers = file["markers"].as_array().into_iter().flatten();
        Self {
            function: id.join("-"),
            history: changes(&events),
            events,
            markers: markers
                .filter_map(|m| m.as_str().map(str::to_owned))
                .collect(),
        }
    }

    /// CloudWatch knows nothing of the change.
    pub(crate) fn forge(&mut self) {
        self.function.push_str("-forged");
        for (_, at, _) in &mut self.history {
            *at -= SignedDuration::from_hours(2);
        }
    }

    /// The slot of an agent of the file.
    pub(crate) fn slot(&self, agent: &str) -> String {
        format!("{}-{agent}", self.function)
    }
}

fn text_of(name: &str) -> String {
    let kind = match name.starts_with("S-") {
        true => "security",
        false => "alarms",
    };
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cases");
    std::fs::read_to_string(folder.join(kind).join(name)).unwrap()
}

/// The invocations in a file. Markers are sent as they stand: a key that was pasted into a test event.
fn events(file: &Value) -> Vec<Value> {
    match file {
        Value::Array(events) => events.clone(),
        file => vec![file.get("event").unwrap_or(file).clone()],
    }
}

fn changes(events: &[Value]) -> Vec<(keyward_core::model::alarm::AlarmArn, Timestamp, AlarmState)> {
    let messages = events.iter().flat_map(read);
    let change = |message: keyward_core::model::kill_order::KillMessage| match message.content {
        Content::Alarm(alarm) => Some((
            alarm.transition.alarm().clone(),
            alarm.transition.changed(),
            alarm.new_state,
        )),
        _ => None,
    };
    messages.filter_map(change).collect()
}

/// A text with every time in it moved: `2026-11-25T15:00:04.987Z`, or with `+0000`, with a fraction or without.
fn moved(text: &str, by: SignedDuration) -> String {
    let mut moved = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("2026-") {
        let (before, from) = rest.split_at(at);
        moved.push_str(before);
        let is_of_time = |c: char| c.is_ascii_digit() || "-:.T".contains(c);
        let end = from.find(|c: char| !is_of_time(c)).unwrap_or(from.len());
        let zone = ["Z", "+0000"]
            .into_iter()
            .find(|zone| from[end..].starts_with(zone));
        let time = zone.and_then(|_| format!("{}Z", &from[..end]).parse::<Timestamp>().ok());
        match time {
            Some(time) if from[..end].contains('.') => {
                moved.push_str(format!("{:.3}", time + by).trim_end_matches('Z'));
            }
            Some(time) => moved.push_str(format!("{:.0}", time + by).trim_end_matches('Z')),
            None => moved.push_str(&from[..end]),
        }
        rest = &from[end..];
    }
    moved.push_str(rest);
    moved
}

#[test]
fn every_time_is_moved_and_nothing_else() {
    let hour = SignedDuration::from_hours(1);
    for (text, expected) in [
        (
            "\"2026-11-25T15:00:04.987+0000\"",
            "\"2026-11-25T16:00:04.987+0000\"",
        ),
        (
            "2026-11-25T23:30:00Z, 2026-11-25",
            "2026-11-26T00:30:00Z, 2026-11-25",
        ),
        ("a 2026-x", "a 2026-x"),
    ] {
        assert_eq!(moved(text, hour), expected);
    }
}

/// The deployment, and what was told in it.
pub(crate) struct Play<'a> {
    deployment: &'a Deployment,
    cloudwatch: CloudWatch,
    told: Mutex<usize>,
    tested: AtomicUsize,
}

impl<'a> Play<'a> {
    pub(crate) async fn new(deployment: &'a Deployment) -> Self {
        Self {
            deployment,
            cloudwatch: CloudWatch::start().await,
            told: Mutex::new(0),
            tested: AtomicUsize::new(0),
        }
    }

    /// Makes the case's slots, alarms and function.
    pub(crate) async fn prepare(&self, case: &Case) {
        let deployment = self.deployment;
        for agent in AGENTS {
            let (secret, _) = deployment.one_slot(&case.slot(agent)).await;
            let slot = Slot {
                mode: Mode::Enforce,
                ..deployment.slot(&secret.slot).await
            };
            deployment.ports.inventory.save_slot(&slot).await.unwrap();
            deployment
                .turn_rotation_on(&secret, interval_days(&slot.policy))
                .await;
        }
        for (arn, at, state) in &case.history {
            self.cloudwatch.alarms.change(arn, *at, state.clone());
        }
        let entry = |(alarm, agent): (&str, &str)| (alarm.to_owned(), json!(case.slot(agent)));
        let map: serde_json::Map<String, Value> = ALARMS.map(entry).into_iter().collect();
        let map = Value::Object(map).to_string();
        let told = [
            ("KEYWARD_STACK", "prod"),
            ("KEYWARD_ALARM_TOPIC_ARN", TOPIC),
            ("KEYWARD_ALARM_MAP", &map),
            ("AWS_ENDPOINT_URL_CLOUDWATCH", &self.cloudwatch.url),
        ];
        deployment.deploy_kill_switch(&case.function, &told).await;
        self.rotation_is_tested().await;
        self.told().await;
    }

    /// Turning rotation on has Secrets Manager call testSecret, which moto does for a version without a label: `rotate`
    /// refuses it, and tells people.
    async fn rotation_is_tested(&self) {
        let before = self.tested.fetch_add(AGENTS.len(), Ordering::SeqCst);
        let expected = before + AGENTS.len();
        self.deployment
            .until("the test of a rotation", async || {
                self.deployment.failures().len() == expected
            })
            .await;
    }

    /// Everything that a kill could change of the case's slots.
    pub(crate) async fn state(&self, case: &Case) -> String {
        let mut state = self.deployment.table().await;
        for agent in AGENTS {
            let slot = self
                .deployment
                .slot(&case.slot(agent).parse().unwrap())
                .await;
            let secrets = &self.deployment.ports.secrets;
            let secret = secrets.describe(slot.secret.as_str()).await.unwrap();
            state.push_str(&format!("{:?}{:?}", secret.stages, secret.tags));
        }
        state
    }

    /// What was told since the last call.
    pub(crate) async fn told(&self) -> Vec<Alert> {
        let all = self.deployment.alerts().await;
        let mut told = self.told.lock().unwrap();
        let new = all[*told..].to_vec();
        *told = all.len();
        new
    }

    /// The slots of these agents are cut off, once, and have a new key; the others are as they were.
    pub(crate) async fn assert_cut_off(&self, case: &Case, agents: &[&str]) {
        let deployment = self.deployment;
        for agent in AGENTS {
            let name = case.slot(agent).parse().unwrap();
            let cut = agents.contains(&agent);
            if cut {
                deployment
                    .until("the replacement of a key", async || {
                        let versions = deployment.versions(&name).await;
                        let is_new = |v: &keyward_core::model::version::Version| {
                            v.state == VersionState::Current && v.epoch.0 == 1
                        };
                        versions.iter().any(is_new)
                    })
                    .await;
            }
            let slot = deployment.slot(&name).await;
            let state = match cut {
                true => SlotState::Restricted,
                false => SlotState::Active,
            };
            assert_eq!(
                (slot.state, slot.epoch.0),
                (state, u64::from(cut)),
                "{name}"
            );
            for version in deployment.versions(&name).await {
                let is_alive = version.epoch == slot.epoch;
                deployment
                    .assert_at_provider(&name, &version, is_alive)
                    .await;
            }
        }
    }
}
