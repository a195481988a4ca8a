//! Rotation.

use jiff::SignedDuration;
use keyward_core::model::alert::AlertKind;
use keyward_core::model::version::VersionState;
use keyward_testkit::gate::Gate;
use keyward_tests::support::World;
use keyward_tests::support::token;
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;

use crate::{BY_HAND, FIRST, Seen, TOKEN, gave_way, nothing_was_done, play, play_for, play_with};

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
    gave_way(&stage);
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

    let at_google = play_with(name, |file| {
        let arn = file["event"]["SecretId"].as_str().unwrap();
        file["event"]["SecretId"] = json!(arn.replace("openai", "gemini"));
    });
    let at_google = at_google.await;
    assert_eq!(
        at_google.outcome(0),
        "done",
        "dead so far, by its own driver"
    );
    assert!(at_google.report.versions[1].tested.is_some());

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
