//! The field cases of rotation and of provider answers, by id: each file is played, and what must come of it is said
//! in the words of the case. `CASES.md` lists all ids.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::SignedDuration;
use keyward_core::model::alert::AlertKind;
use keyward_core::model::version::VersionState;
use keyward_testkit::canary::Canary;
use keyward_testkit::gate::Gate;
use keyward_tests::replay::{AwsCall, Failure, Options, Stage, Unsupported, replay};
use keyward_tests::support::{World, token};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

const FIRST: &str = "11111111-aaaa-4bbb-8ccc-000000000001";
const TOKEN: &str = "11111111-aaaa-4bbb-8ccc-000000000002";
const BY_HAND: &str = "11111111-aaaa-4bbb-8ccc-000000000009";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cases")
}

fn fixture(name: &str) -> String {
    let folder = if name.starts_with("R-") {
        "rotation"
    } else {
        "provider"
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
        let made = |call: &&keyward_tests::replay::ProviderCallSeen| call.method == "POST";
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
    assert_eq!(stage.report.provider_calls.len(), 0);
    assert_eq!(stage.writes(), [""; 0]);
    assert_eq!(stage.report.versions.len(), 1);
    assert!(stage.current_is(FIRST));
    assert_eq!(stage.report.versions[0].accepted, Some(true));
}

#[tokio::test]
async fn r_01_a_token_that_no_version_carries_is_refused_before_any_call_to_the_provider() {
    let stage = play("R-01-token-not-staged.json").await;
    let error = stage.error(0);
    assert!(
        !error.retryable && error.message.contains(TOKEN),
        "{error:?}"
    );
    nothing_was_done(&stage);
}

#[tokio::test]
async fn r_02_a_pending_label_without_a_value_is_the_normal_start() {
    let stage = play("R-02-pending-without-value.json").await;
    assert_eq!(stage.outcome(0), "done");
    assert_eq!(stage.creates(), 1);
    let puts = stage.calls("PutSecretValue");
    assert_eq!(puts.len(), 1);
    assert_eq!(puts[0].version.as_deref(), Some(TOKEN));
    assert_eq!(puts[0].stages, ["AWSPENDING"]);
    assert!(stage.current_is(FIRST));
    assert_eq!(stage.secrets.current_text(&stage.secret), stage.before);
}

#[tokio::test]
async fn r_03_a_value_that_is_there_is_kept_and_no_second_key_is_made() {
    let stage = play("R-03-retry-value-present.json").await;
    assert_eq!(stage.outcome(0), "already_done");
    assert_eq!(stage.creates(), 0);
    assert_eq!(stage.writes(), [""; 0]);
    assert_eq!(stage.simulator().live_keys().len(), 2);
}

#[tokio::test]
async fn r_03b_a_token_with_another_value_revokes_the_key_just_made() {
    let stage = play("R-03b-token-in-use-on-put.json").await;
    let error = stage.error(0);
    assert!(
        error.message.contains("has another value already"),
        "{error:?}"
    );
    assert_eq!(stage.creates(), 1);
    assert_eq!(stage.report.versions[1].accepted, Some(false));
    assert_eq!(stage.state(&format!("{TOKEN}.1")), VersionState::Abandoned);
    assert!(stage.current_is(FIRST));
    assert_eq!(stage.report.versions[0].accepted, Some(true));
}

#[tokio::test]
async fn r_05_both_labels_on_one_version_are_success_without_a_write() {
    let name = "R-05-both-labels-one-version.json";
    for step in ["finishSecret", "testSecret"] {
        let stage = play_with(name, |file| file["event"]["Step"] = step.into()).await;
        assert_eq!(stage.outcome(0), "already_done", "{step}");
        assert_eq!(stage.writes(), [""; 0], "{step}");
        assert_eq!(stage.report.provider_calls.len(), 0, "{step}");
        assert_eq!(stage.report.secret[TOKEN], ["AWSCURRENT", "AWSPENDING"]);
        assert_eq!(stage.state(&format!("{FIRST}.0")), VersionState::Retiring);
    }
    let later = play_for(name, 2).await;
    let stuck =
        |alert: &keyward_core::model::alert::Alert| alert.kind == AlertKind::StuckPendingCleared;
    assert!(
        !later.report.alerts.iter().any(stuck),
        "{:?}",
        later.report.alerts
    );
}

#[tokio::test]
async fn r_06_another_label_than_pending_is_named_and_nothing_is_relabelled() {
    let stage = play("R-06-token-not-pending.json").await;
    let error = stage.error(0);
    assert!(
        error.message.contains(TOKEN) && error.message.contains("AWSPREVIOUS"),
        "{error:?}"
    );
    assert!(!error.message.contains("EXAMPLE"), "{error:?}");
    assert_eq!(stage.report.secret[TOKEN], ["AWSPREVIOUS"]);
    nothing_was_done(&stage);
}

#[tokio::test]
async fn r_07_a_stuck_pending_label_refuses_a_rotation_until_retire_takes_it_off() {
    let stage = play("R-07-stuck-pending-rotate-refused.json").await;
    assert_eq!(stage.report.invocations[0].event, "RotateSecret");
    let refused = stage.error(0);
    assert!(
        refused.retryable && refused.message.contains("has not finished"),
        "{refused:?}"
    );
    let told = stage.told(AlertKind::StuckPendingCleared);
    assert!(told.contains(BY_HAND), "{told}");
    let asked = stage.calls("RotateSecret");
    let answers: Vec<&str> = asked.iter().map(|call| call.answer.as_str()).collect();
    assert_eq!(answers, ["InvalidRequestException", "ok"]);
    let last = stage.report.invocations.last().unwrap();
    assert_eq!(last.step.as_deref(), Some("finishSecret"));
    assert_eq!(last.outcome, Some(json!("done")));
}

#[tokio::test]
async fn r_08_a_run_that_only_tests_writes_nothing() {
    let stage = play("R-08-test-only-run.json").await;
    assert_eq!(stage.outcome(0), "tested_only");
    assert_eq!(stage.writes(), [""; 0]);
    assert_eq!(stage.creates(), 0);
    let asked: Vec<&str> = stage
        .report
        .provider_calls
        .iter()
        .map(|c| c.method.as_str())
        .collect();
    assert_eq!(asked, ["GET"], "the pending key was tested");
    assert_eq!(stage.report.versions.len(), 1);
    assert_eq!(stage.report.versions[0].tested, None);
    assert!(stage.current_is(FIRST));
}

#[tokio::test]
async fn r_10_rotation_that_is_off_or_was_never_configured_refuses_the_step() {
    for name in [
        "R-10-rotation-disabled.json",
        "R-10b-rotation-never-configured.json",
    ] {
        let stage = play(name).await;
        let error = stage.error(0);
        assert!(
            !error.retryable && error.message.contains("not enabled"),
            "{name}: {error:?}"
        );
        nothing_was_done(&stage);
    }
}

#[tokio::test]
async fn r_12_a_plain_string_stays_one_and_broken_json_is_refused_before_any_key() {
    let stage = play("R-12-plain-string.json").await;
    assert_eq!(stage.outcome(0), "done");
    let old = stage.before.clone().unwrap();
    assert!(old.ends_with('\n'), "the file's value was not used");
    let new = stage.text_of(&TOKEN.parse().unwrap()).await.unwrap();
    assert!(
        !new.contains('{') && new.trim() != old.trim(),
        "not rewritten as plain"
    );

    let stage = play("R-12b-almost-json.json").await;
    let error = stage.error(0);
    assert!(
        error.message.contains("not valid JSON (line 3"),
        "{error:?}"
    );
    assert_eq!(stage.secrets.current_text(&stage.secret), stage.before);
    nothing_was_done(&stage);
}

#[tokio::test]
async fn r_13_every_other_field_is_carried_over_under_the_same_name_in_the_same_secret() {
    let stage = play("R-13-extra-fields.json").await;
    assert_eq!(stage.outcome(0), "done");
    let (old, new) = (stage.json(FIRST).await, stage.json(TOKEN).await);
    let fields =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(fields(&old), fields(&new));
    let differ: Vec<String> = fields(&old)
        .into_iter()
        .filter(|f| old[f] != new[f])
        .collect();
    assert_eq!(differ, ["OPENAI_API_KEY", "key_id"]);
    assert_eq!(new["note"], "café");
    let made = stage.simulator().keys();
    assert_eq!(new["key_id"], made.last().unwrap().handle.as_str());
}

#[tokio::test]
async fn r_15_a_kms_denial_is_named_before_any_key_is_made() {
    let stage = play("R-15-kms-denied-on-read.json").await;
    let error = stage.error(0);
    assert!(
        error.message.contains("KMS key") && error.message.contains("kms:Decrypt"),
        "{error:?}"
    );
    assert_eq!(
        stage.calls("GetSecretValue")[0].answer,
        "AccessDeniedException"
    );
    nothing_was_done(&stage);
}

#[tokio::test]
async fn r_17_a_key_put_by_hand_meanwhile_is_moved_from_reported_and_retired() {
    let stage = play("R-17-manual-put-during-rotation.json").await;
    let moves = stage.calls("UpdateSecretVersionStage");
    assert_eq!(moves.len(), 1);
    assert_eq!(
        (moves[0].to.as_deref(), moves[0].from.as_deref()),
        (Some(TOKEN), Some(BY_HAND))
    );
    let told = stage.told(AlertKind::ForeignSecretChange);
    assert!(told.contains("did not put there"), "{told}");
    assert!(stage.current_is(TOKEN));
    for old in [FIRST, BY_HAND] {
        assert_eq!(stage.state(&format!("{old}.0")), VersionState::Retiring);
    }
    let later = play_for("R-17-manual-put-during-rotation.json", 26).await;
    for (old, state) in [
        (format!("{FIRST}.0"), VersionState::Revoked),
        (format!("{BY_HAND}.0"), VersionState::Revoked),
        (format!("{TOKEN}.1"), VersionState::Current),
    ] {
        assert_eq!(later.state(&old), state, "{old}");
    }
}

#[tokio::test]
async fn r_20_a_new_key_that_is_not_live_yet_is_waited_for_and_then_left_to_the_retry() {
    let name = "R-20-new-key-not-live-yet.json";
    let stage = play(name).await;
    assert_eq!(stage.outcome(0), "done");
    let statuses: Vec<u16> = stage
        .report
        .provider_calls
        .iter()
        .filter_map(|c| c.status)
        .collect();
    assert_eq!(statuses, [400, 400, 200]);
    assert!(stage.report.versions[1].tested.is_some());

    for status in [400, 401] {
        let never = play_with(name, |file| {
            file["probe_answers"] = json!([{"status": status, "body": {}}]);
        });
        let never = never.await;
        let error = never.error(0);
        assert!(
            error.retryable && error.message.contains("not accept"),
            "{error:?}"
        );
        assert!(never.report.provider_calls.len() > 3, "tried several times");
        assert_eq!(never.report.secret[TOKEN], ["AWSPENDING"]);
        assert!(never.current_is(FIRST));
        assert_eq!(never.report.versions[1].tested, None);
        assert_eq!(never.report.versions[0].accepted, Some(true));
    }
}

#[tokio::test]
async fn r_21_a_step_that_was_cut_off_is_gone_on_with_and_makes_no_second_key() {
    let stage = play("R-21-operation-outlives-lambda.json").await;
    assert_eq!(
        (stage.outcome(0), stage.outcome(1)),
        (&json!("done"), &json!("done"))
    );
    assert!(stage.error(2).retryable, "in progress is progress");
    assert_eq!(stage.outcome(3), "done");
    assert_eq!(
        stage.creates(),
        0,
        "the key of createSecret is the only one"
    );
    assert_eq!(stage.simulator().live_keys().len(), 2);
    assert!(stage.current_is(FIRST));
}

#[tokio::test]
async fn r_23_a_rotation_token_goes_to_put_secret_value_and_nowhere_else() {
    let name = "R-23-event-with-rotation-token.json";
    let stage = play(name).await;
    assert_eq!(stage.outcome(0), "done");
    let carrying: Vec<&str> = stage
        .report
        .aws_calls
        .iter()
        .filter(|call| call.rotation_token)
        .map(|call| call.operation.as_str())
        .collect();
    assert_eq!(carrying, ["PutSecretValue"]);
    let output = serde_json::to_string(&stage.report).unwrap();
    assert!(!output.contains("EXAMPLE-rotation-token"));
    let without = play_with(name, |event| {
        event.as_object_mut().unwrap().remove("RotationToken");
    });
    let without = without.await;
    assert!(
        !without
            .report
            .aws_calls
            .iter()
            .any(|call| call.rotation_token)
    );
}

#[tokio::test]
async fn r_25_a_full_secret_revokes_the_new_key_and_says_so() {
    let stage = play("R-25-version-quota.json").await;
    let error = stage.error(0);
    assert!(
        error.retryable && error.message.contains("quota"),
        "{error:?}"
    );
    assert_eq!(stage.creates(), 1);
    assert_eq!(stage.report.versions[1].accepted, Some(false));
    let told = stage.told(AlertKind::RotationFailed);
    assert!(told.contains("The new key was revoked"), "{told}");
    assert!(stage.current_is(FIRST));
}

#[tokio::test]
async fn r_25_ten_rotations_asked_for_in_an_hour_are_at_most_six() {
    let world = World::in_memory(&Arc::new(Gate::default())).await;
    let mut rotated = 0;
    for number in 0..10 {
        if world.rotate(&token(100 + number)).await.is_ok() {
            rotated += 1;
        }
        world.pass(SignedDuration::from_mins(6));
    }
    assert_eq!(
        rotated, 5,
        "every second one is within ten minutes of the last"
    );
}

#[tokio::test]
async fn r_26_an_old_key_that_cannot_be_named_is_said_not_to_be_revoked_and_stays_open() {
    let name = "R-26-first-rotation-no-key-id.json";
    let stage = play(name).await;
    assert_eq!(stage.outcome(0), "done");
    let left = format!("previous key {FIRST}.0 NOT revoked: id unknown");
    assert_eq!(stage.report.left, std::slice::from_ref(&left));

    let later = play_for(name, 72).await;
    assert_eq!(later.state(&format!("{FIRST}.0")), VersionState::Revoking);
    assert_eq!(
        later.report.versions[0].accepted,
        Some(true),
        "it still works"
    );
    assert_eq!(later.report.left, [left]);
    let told = later.told(AlertKind::HandleUnknown);
    assert!(
        told.contains("NOT revoked") && told.contains("by hand"),
        "{told}"
    );
}

#[tokio::test]
async fn r_28_a_scheduled_rotation_leaves_the_old_key_its_overlap_and_proves_its_end() {
    let name = "R-28-grace-timeline.json";
    let stage = play(name).await;
    let clients: Vec<(Option<&str>, Option<&str>)> = stage
        .report
        .invocations
        .iter()
        .filter(|entry| entry.event == "client")
        .map(|entry| {
            (
                entry.given.as_deref(),
                entry.outcome.as_ref().and_then(Value::as_str),
            )
        })
        .collect();
    assert_eq!(clients.len(), 2);
    for (wanted, met) in clients {
        assert_eq!(wanted, met);
    }
    assert!(
        stage
            .report
            .left
            .iter()
            .any(|left| left.contains("kill switch"))
    );
    let later = play_for(name, 1).await;
    let old = &later.report.versions[0];
    assert_eq!(old.state, VersionState::Revoked);
    assert_eq!(old.confirmed_by, Some(json!("refused")));
}

#[tokio::test]
async fn r_30_a_rotation_that_is_overdue_is_asked_for_and_paged() {
    let stage = play("R-30-overdue-rotation.json").await;
    assert_eq!(stage.report.invocations[0].event, "retire");
    let asked = stage.calls("RotateSecret");
    assert_eq!(asked.len(), 1);
    assert_eq!((asked[0].invocation, asked[0].answer.as_str()), (0, "ok"));
    let told = stage.told(AlertKind::KeyNearEnd);
    assert!(told.contains("was not replaced"), "{told}");
    let fresh = play_with("R-30-overdue-rotation.json", |file| {
        file["now"] = json!(1_789_600_000);
    });
    assert_eq!(fresh.await.calls("RotateSecret").len(), 0);
}

#[tokio::test]
async fn p_01_a_create_brings_the_key_once_and_it_is_stored() {
    let stage = play("P-01-openai-sa-create.json").await;
    assert_eq!(stage.outcome(0), "done");
    assert_eq!(stage.creates(), 1);
    let key = stage.simulator().secrets().pop().unwrap();
    let stored = stage.text_of(&TOKEN.parse().unwrap()).await.unwrap();
    assert!(stored.contains(key.expose_secret()));
}

#[tokio::test]
async fn p_01b_a_create_that_keeps_the_key_back_fails_and_its_account_is_deleted() {
    let stage = play("P-01b-openai-sa-create-null-key.json").await;
    let error = stage.error(0);
    assert!(
        !error.retryable
            && error
                .message
                .contains("made without a key, and is deleted again"),
        "{error:?}"
    );
    let deleted = |call: &keyward_tests::replay::ProviderCallSeen| {
        call.method == "DELETE"
            && call.path.contains("/service_accounts/")
            && call.status == Some(200)
    };
    let calls = &stage.report.provider_calls;
    assert!(calls.iter().any(deleted), "{calls:?}");
    assert_eq!(
        stage.simulator().live_keys().len(),
        1,
        "only the key in use"
    );
    assert_eq!(stage.calls("PutSecretValue").len(), 0);
    assert!(stage.current_is(FIRST));
}

#[tokio::test]
async fn p_02_one_refusal_proves_nothing_and_three_in_a_row_do() {
    let stage = play("P-02-openai-deleted-still-works.json").await;
    let probes: Vec<u16> = stage
        .report
        .provider_calls
        .iter()
        .filter(|call| call.path == "/models")
        .filter_map(|call| call.status)
        .collect();
    assert_eq!(probes, [200, 401, 200, 401, 401, 401]);
    let old = &stage.report.versions[0];
    assert_eq!(old.state, VersionState::Revoked);
    assert_eq!(old.confirmed_by, Some(json!("refused")));
    let confirmed: Vec<&Value> = (0..probes.len())
        .map(|at| &stage.outcome(at)["confirmed"])
        .collect();
    assert_eq!(confirmed, [0, 0, 0, 0, 0, 1], "one refusal is no proof");

    let longer = play_with("P-02-openai-deleted-still-works.json", |file| {
        file["probe_status"] = json!([200, 401, 200, 401, 200, 401, 401, 401]);
    });
    let told = longer.await.told(AlertKind::RevokeUnconfirmed);
    assert!(told.contains("minutes"), "{told}");
}

#[tokio::test]
async fn p_03_no_such_key_is_success_only_once_the_list_agrees() {
    let stage = play("P-03-openai-delete-404.json").await;
    let entries = &stage.report.invocations;
    let gone = entries
        .iter()
        .position(|e| e.step.as_deref() == Some("delete, by a person"));
    let gone = gone.unwrap();
    assert!(
        entries[..gone].iter().any(|entry| entry.error.is_some()),
        "404 while it is listed"
    );
    assert!(entries[gone..].iter().all(|entry| entry.error.is_none()));
    assert_eq!(stage.report.versions[0].state, VersionState::Revoked);
    stage.told(AlertKind::WorkFailed);
}

#[tokio::test]
async fn p_05_too_many_requests_are_waited_out_as_asked_and_never_answered_with_nothing() {
    let stage = play("P-05-429-variants.json").await;
    let asked = stage.error(0);
    assert!(
        asked.retryable,
        "a wait longer than the invocation's is left to the retry"
    );
    for (at, wait) in [(1, 0..=5), (2, 14..=16), (3, 0..=5)] {
        let outcome = stage.outcome(at);
        assert_eq!(outcome["keys"], 1, "the list was read in the end");
        let waited = outcome["waited_seconds"].as_i64().unwrap();
        assert!(wait.contains(&waited), "{at}: {waited}");
    }
    assert!(stage.error(4).retryable);
    assert_eq!(stage.creates(), 1, "a create is not repeated");
    assert!(stage.current_is(FIRST));
}

#[tokio::test]
async fn p_06_a_suspension_is_reversible() {
    for name in [
        "P-06-anthropic-update-inactive.json",
        "P-14b-openrouter-key-disabled.json",
    ] {
        let stage = play(name).await;
        let said: Vec<&Value> = (0..6).map(|at| stage.outcome(at)).collect();
        assert_eq!(said[1], "dead", "{name}");
        assert_eq!(said[3], "dead", "{name}: a second time changes nothing");
        assert_eq!(
            (said[4], said[5]),
            (&json!("restored"), &json!("live")),
            "{name}"
        );
        let archived = |call: &keyward_tests::replay::ProviderCallSeen| call.method == "DELETE";
        assert!(!stage.report.provider_calls.iter().any(archived), "{name}");
    }
}

#[tokio::test]
async fn p_06b_where_no_key_can_be_made_an_empty_pool_is_said_and_no_create_is_sent() {
    let stage = play("P-06b-anthropic-create-refused.json").await;
    for at in 0..2 {
        let error = stage.error(at);
        assert!(
            !error.retryable && error.message.contains("standby pool"),
            "{error:?}"
        );
    }
    assert_eq!(stage.creates(), 0);
    let told = stage.told(AlertKind::PoolEmpty);
    assert!(told.contains("keyward pool add anthropic-main"), "{told}");
    assert!(stage.current_is(FIRST));
}

#[tokio::test]
async fn p_14_only_401_means_a_bad_key_and_no_money_goes_on_with_a_warning() {
    let stage = play("P-14-openrouter-errors.json").await;
    assert_eq!(
        (stage.outcome(0), stage.outcome(1)),
        (&json!("done"), &json!("done"))
    );
    let bad = stage.error(2);
    assert!(bad.retryable && bad.message.contains("401"), "{bad:?}");
    let blind = stage.error(3);
    assert!(
        !blind.retryable && blind.message.contains("admin credential"),
        "{blind:?}"
    );
    let kinds: Vec<AlertKind> = stage.report.alerts.iter().map(|alert| alert.kind).collect();
    assert_eq!(
        kinds,
        [
            AlertKind::NewKeyWithoutMoney,
            AlertKind::NewKeyWithoutMoney,
            AlertKind::AdminCredentialRefused
        ]
    );
}

#[tokio::test]
async fn p_19_a_key_that_vanished_can_be_replaced() {
    let stage = play("P-19-openai-key-vanished.json").await;
    assert_eq!(stage.outcome(1), "0 keys");
    assert_eq!(stage.outcome(2), "dead");
    assert!(stage.current_is(TOKEN));
    assert_eq!(stage.report.versions[1].accepted, Some(true));
    assert!(
        stage
            .report
            .left
            .iter()
            .any(|left| left.contains("the audit"))
    );
}

fn files() -> Vec<String> {
    let mut names = Vec::new();
    for kind in ["rotation", "provider"] {
        for entry in std::fs::read_dir(folder_of(kind)).unwrap() {
            names.push(entry.unwrap().file_name().into_string().unwrap());
        }
    }
    names.sort();
    names
}

#[tokio::test]
async fn no_key_text_is_in_the_output_of_any_file() {
    for name in files() {
        let text = fixture(&name);
        let played = replay(
            &name,
            &text,
            &Options {
                fleet: None,
                hours: 3,
            },
        );
        let Ok(stage) = played.await else { continue };
        let output = serde_json::to_string_pretty(&stage.report).unwrap();
        let keys = stage.simulator().secrets();
        assert!(!keys.is_empty());
        Canary::new(keys.iter().map(|key| key.expose_secret())).assert_absent(&name, &output);
        for text in ["EXAMPLE-not-a-real-key", "EXAMPLE-rotation-token"] {
            assert!(!output.contains(text), "{name}: {text}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_replayed_is_refused_with_a_reason() {
    let deep = "[".repeat(100_000);
    let large = " ".repeat(keyward_tests::replay::MAX_BYTES + 1);
    let event = r#"{"Step":"createSecret","SecretId":"x","ClientRequestToken":"y"}"#;
    for (text, reason) in [
        ("", "not JSON"),
        ("{", "not JSON"),
        (&deep, "not JSON"),
        (&large, "are read at most"),
        ("[]", "an empty list"),
        ("[1]", "a list of neither"),
        ("7", "a number"),
        ("null", "null"),
        ("\"x\"", "a string"),
        ("{}", "without a field"),
        (r#"{"event":7}"#, "field `event`"),
        (r#"{"sequence":7}"#, "field `sequence`"),
        (r#"{"sequence":[]}"#, "field `sequence`"),
        (
            r#"{"sequence":[{"outside":"x","new_current":"sk-EXAMPLE"}]}"#,
            "another type",
        ),
        (
            &format!(r#"{{"event":{event},"describe_secret":[]}}"#),
            "another type",
        ),
        (
            &format!(r#"{{"event":{event},"get_secret_value":"x"}}"#),
            "another type",
        ),
        (
            r#"{"describe_secret":{"ARN":"sk-EXAMPLE"}}"#,
            "another type",
        ),
        (r#"[{"status":7,"call":"chat"}]"#, "another type"),
        (
            r#"[{"status":429,"headers":{"retry-after":"1\n2"}}]"#,
            "another type",
        ),
        (
            r#"{"scheduled":[{"t":9000000000000000000}]}"#,
            "another type",
        ),
        (r#"{"scheduled":[{"t":-1}]}"#, "another type"),
        (r#"{"delete":{},"probe_status":[99999]}"#, "another type"),
        (r#"{"Records":[]}"#, "joins with the kill switch"),
        (r#"[{"Records":[]}]"#, "joins with the kill switch"),
        (r#"{"event":{"Records":[]}}"#, "joins with the kill switch"),
        (
            r#"{"source":"aws.cloudwatch"}"#,
            "joins with the kill switch",
        ),
        (
            r#"{"detail-type":"Scheduled Event"}"#,
            "joins with the audit",
        ),
        (
            r#"{"data":[],"has_more":false}"#,
            "joins with the usage monitor or the audit",
        ),
    ] {
        let refused = replay("x.json", text, &Options::default()).await;
        let refused = refused.err().map(|e| e.to_string()).unwrap_or_default();
        let shown = text.get(..60).unwrap_or(text);
        assert!(refused.contains(reason), "{shown}: {refused}");
        assert!(!refused.contains("sk-EXAMPLE"), "{refused}");
    }
}

#[tokio::test]
async fn a_file_of_no_known_form_waits_for_the_part_of_the_case_that_it_is_named_by() {
    for (name, part) in [
        ("U-09-cold-start.json", "the usage monitor"),
        ("A-12-one-provider-unreadable.json", "the audit"),
        ("P-16-litellm-key-info.json", "the driver of its provider"),
    ] {
        let refused = replay(name, "{}", &Options::default()).await;
        let refused = refused.err().unwrap().to_string();
        assert!(refused.ends_with(part), "{name}: {refused}");
    }
}

#[tokio::test]
async fn times_beyond_reason_are_played_at_a_time_of_its_own() {
    for at in [json!(1e300), json!(-1e300), json!(253402300799_i64)] {
        let stage = play_with("R-01-token-not-staged.json", |file| {
            file["describe_secret"]["LastChangedDate"] = at.clone();
            file["describe_secret"]["LastRotatedDate"] = at.clone();
        });
        assert!(!stage.await.error(0).retryable, "{at}");
    }
}

#[tokio::test]
async fn steps_out_of_order_are_played_as_they_stand() {
    let event = |step: &str| json!({"event": {"Step": step, "SecretId": "llm/openai/x", "ClientRequestToken": TOKEN}});
    let file =
        json!({"sequence": [event("finishSecret"), event("createSecret"), event("finishSecret")]});
    let stage = replay("x.json", &file.to_string(), &Options::default()).await;
    let stage = stage.unwrap();
    assert!(stage.current_is(TOKEN));
    assert_eq!(stage.creates(), 0);
}

#[tokio::test]
async fn an_event_that_the_function_refuses_is_played_all_the_same() {
    for event in [
        json!({"Step": "rotateSecret", "SecretId": "x", "ClientRequestToken": "y"}),
        json!({"Step": 7, "SecretId": [], "ClientRequestToken": null}),
        json!({"Step": "createSecret", "SecretId": "a\nb", "ClientRequestToken": TOKEN}),
        json!({"Step": "createSecret", "SecretId": "llm/openai/x", "ClientRequestToken": TOKEN, "New": [1]}),
    ] {
        let stage = replay("x.json", &event.to_string(), &Options::default()).await;
        let stage = stage.unwrap();
        let entry = &stage.report.invocations[0];
        assert_eq!(
            entry.error.is_none(),
            event.get("New").is_some(),
            "{entry:?}"
        );
    }
}

#[tokio::test]
async fn a_fleet_names_the_slot_of_the_files_secret() {
    let name = "R-02-pending-without-value.json";
    let fleet = |secret: &str| {
        json!({
            "version": 1,
            "accounts": {"main": {"provider": "openai"}},
            "agents": {"billing": {"owner": "ana@example.com", "environment": "dev"}},
            "slots": {"billing-dev": {
                "agent": "billing", "account": "main", "secret": secret, "scope": {"project": "proj_EXAMPLE"},
                "expected_spend": {"daily_cents": 100, "monthly_cents": 3000},
            }},
        })
        .to_string()
    };
    let own =
        "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/openai/agent-billing-a1B2c3";
    let options = |fleet| Options {
        fleet: Some(fleet),
        hours: 0,
    };
    let stage = replay(name, &fixture(name), &options(fleet(own)))
        .await
        .unwrap();
    assert_eq!(stage.slot.as_str(), "billing-dev");
    assert_eq!(stage.outcome(0), "done");

    for bad in [
        fleet("arn:aws:secretsmanager:us-east-1:111122223333:secret:x-a1B2c3"),
        "{".to_owned(),
    ] {
        let refused = replay(name, &fixture(name), &options(bad)).await;
        assert!(matches!(refused, Err(Unsupported::Fleet(_))));
    }
}

/// The sources of all tests that `CASES.md` can name.
fn test_sources() -> String {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let files = std::fs::read_dir(tests).unwrap();
    let texts = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    texts.collect()
}

#[test]
fn every_case_has_a_line_and_every_named_test_is_there() {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("CASES.md");
    let list = std::fs::read_to_string(list).unwrap();
    let sources = test_sources();
    let ids = std::fs::read_to_string(folder().join("ids.txt")).unwrap();
    let ids: BTreeSet<&str> = ids.lines().collect();
    assert!(ids.len() > 70, "{}", ids.len());
    let mut listed = BTreeSet::new();
    for line in list.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let Some(id) = cells.get(1).filter(|id| ids.contains(*id)) else {
            continue;
        };
        assert!(listed.insert(*id), "{id} has two lines");
        let [_, _, what, shown, _] = cells[..] else {
            panic!("{id}: three columns are needed");
        };
        assert!(!what.is_empty() && !shown.is_empty(), "{id} says nothing");
        let names = shown.split('`').skip(1).step_by(2);
        let tests: Vec<&str> = names
            .filter(|name| name.starts_with(&id.to_lowercase().replace('-', "_")))
            .collect();
        for test in &tests {
            assert!(
                sources.contains(&format!("fn {test}(")),
                "{id}: there is no test {test}"
            );
        }
        let is_played = files().iter().any(|file| file.starts_with(*id));
        assert!(!is_played || !tests.is_empty(), "{id} is shown by no test");
        assert!(
            is_played || shown.contains("Later:") || shown.contains("Shown:"),
            "{id}: neither shown nor later"
        );
    }
    assert_eq!(listed, ids);
}

#[test]
fn every_file_is_played() {
    let source = include_str!("cases.rs");
    for file in files() {
        assert!(
            source.contains(&format!("\"{file}\"")),
            "{file} is played by no test"
        );
    }
}
