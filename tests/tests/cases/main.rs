//! The field cases of rotation, of provider answers and of alarms, by id: each file is played, and what must come of it is said
//! in the words of the case. `CASES.md` lists all ids.
#![allow(clippy::unwrap_used, reason = "test code")]

mod alarms;
mod input;
mod list;
mod providers;
mod rotation;

use std::path::{Path, PathBuf};

use keyward_core::model::alert::AlertKind;
use keyward_core::model::version::VersionState;
use keyward_tests::replay::{AwsCall, Failure, Options, Stage, replay};
use serde_json::Value;

const FIRST: &str = "11111111-aaaa-4bbb-8ccc-000000000001";
const TOKEN: &str = "11111111-aaaa-4bbb-8ccc-000000000002";
const BY_HAND: &str = "11111111-aaaa-4bbb-8ccc-000000000009";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cases")
}

fn fixture(name: &str) -> String {
    let folder = match &name[..2] {
        "R-" => "rotation",
        "K-" => "alarms",
        "S-" => "security",
        _ => "provider",
    };
    std::fs::read_to_string(folder_of(folder).join(name)).unwrap()
}

fn folder_of(name: &str) -> PathBuf {
    folder().join(name)
}

async fn play(name: &str) -> Stage {
    play_for(name, 0).await
}

/// The file, and hours after it.
async fn play_for(name: &str, hours: u32) -> Stage {
    let fleet = None;
    replay(name, &fixture(name), &Options { fleet, hours })
        .await
        .unwrap()
}

/// The file with a change.
async fn play_with(name: &str, change: impl FnOnce(&mut Value)) -> Stage {
    let mut file: Value = serde_json::from_str(&fixture(name)).unwrap();
    change(&mut file);
    replay(name, &file.to_string(), &Options::default())
        .await
        .unwrap()
}

/// What a test asks of what came out.
trait Seen {
    fn outcome(&self, at: usize) -> &Value;
    fn error(&self, at: usize) -> &Failure;
    fn creates(&self) -> usize;
    fn calls(&self, operation: &str) -> Vec<&AwsCall>;
    fn writes(&self) -> Vec<&str>;
    fn state(&self, id: &str) -> VersionState;
    fn told(&self, kind: AlertKind) -> String;
    fn current_is(&self, version: &str) -> bool;
    async fn json(&self, version: &str) -> Value;
}

impl Seen for Stage {
    fn outcome(&self, at: usize) -> &Value {
        let entry = &self.report.invocations[at];
        let outcome = entry.outcome.as_ref();
        outcome.unwrap_or_else(|| panic!("{entry:?}"))
    }

    fn error(&self, at: usize) -> &Failure {
        let entry = &self.report.invocations[at];
        entry.error.as_ref().unwrap_or_else(|| panic!("{entry:?}"))
    }

    /// Keys asked for.
    fn creates(&self) -> usize {
        let made = |call: &&keyward_tests::replay::ProviderCallSeen| {
            call.method == "POST" && call.path != "/token"
        };
        self.report.provider_calls.iter().filter(made).count()
    }

    fn calls(&self, operation: &str) -> Vec<&AwsCall> {
        let calls = self.report.aws_calls.iter();
        calls.filter(|call| call.operation == operation).collect()
    }

    fn writes(&self) -> Vec<&str> {
        let calls = self.report.aws_calls.iter().filter(|call| call.is_write());
        calls.map(|call| call.operation.as_str()).collect()
    }

    fn state(&self, id: &str) -> VersionState {
        let versions = &self.report.versions;
        let version = versions.iter().find(|version| version.id == id);
        version.unwrap_or_else(|| panic!("{versions:?}")).state
    }

    fn told(&self, kind: AlertKind) -> String {
        let alerts = &self.report.alerts;
        let alert = alerts.iter().find(|alert| alert.kind == kind);
        let alert = alert.unwrap_or_else(|| panic!("{alerts:?}"));
        format!(
            "{} {} {}",
            alert.what.as_str(),
            alert.done.as_str(),
            alert.left.as_str()
        )
    }

    fn current_is(&self, version: &str) -> bool {
        let labels = self.report.secret.get(version);
        labels.is_some_and(|labels| labels.iter().any(|label| label == "AWSCURRENT"))
    }

    async fn json(&self, version: &str) -> Value {
        let text = self.text_of(&version.parse().unwrap()).await.unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

/// The step failed before anything was asked of the provider or written anywhere.
fn nothing_was_done(stage: &Stage) {
    only_written(stage, &[]);
}

/// The same, but that AWSPENDING was taken off, so that the rotation is accepted that a person asks for.
fn gave_way(stage: &Stage) {
    only_written(stage, &["UpdateSecretVersionStage"]);
}

fn only_written(stage: &Stage, writes: &[&str]) {
    assert_eq!(stage.report.provider_calls.len(), 0);
    assert_eq!(stage.writes(), writes);
    assert_eq!(stage.report.versions.len(), 1);
    assert!(stage.current_is(FIRST));
    assert_eq!(stage.report.versions[0].accepted, Some(true));
}

fn files() -> Vec<String> {
    let mut names = Vec::new();
    for kind in ["rotation", "provider", "alarms"] {
        for entry in std::fs::read_dir(folder_of(kind)).unwrap() {
            names.push(entry.unwrap().file_name().into_string().unwrap());
        }
    }
    names.sort();
    names
}
