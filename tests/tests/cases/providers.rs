//! Answers of providers.

use keyward_core::model::alert::AlertKind;
use keyward_core::model::version::VersionState;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::{FIRST, Seen, TOKEN, play, play_with};

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
    // The first call gives way to the rotation that people ask for once the pool is filled.
    for (at, said) in [(0, "standby pool"), (1, "carries no label")] {
        let error = stage.error(at);
        assert!(
            !error.retryable && error.message.contains(said),
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
async fn p_15_a_blocked_key_is_confirmed_only_after_a_steady_run_of_refusals() {
    let stage = play("P-15-litellm-block-cache.json").await;
    let probes: Vec<u16> = stage
        .report
        .provider_calls
        .iter()
        .filter(|call| call.path == "/v1/models")
        .filter_map(|call| call.status)
        .collect();
    assert_eq!(probes, [401, 200, 401, 200, 200, 401, 401, 401]);
    let confirmed: Vec<&Value> = (0..probes.len())
        .map(|at| &stage.outcome(at)["confirmed"])
        .collect();
    assert_eq!(
        confirmed,
        [0, 0, 0, 0, 0, 0, 0, 1],
        "a late success takes the refusals back"
    );
    let old = &stage.report.versions[0];
    assert_eq!(old.state, VersionState::Revoked);
    assert_eq!(old.confirmed_by, Some(json!("refused")));
    let told = stage.told(AlertKind::RevokeUnconfirmed);
    assert!(told.contains("still accepts it"), "{told}");
    let calls = &stage.report.provider_calls;
    let at = |path: &str| calls.iter().position(|call| call.path == path).unwrap();
    assert!(
        at("/key/block") < at("/key/delete"),
        "blocked, seen dead, then deleted"
    );

    let never = play_with("P-15-litellm-block-cache.json", |file| {
        file["probe_status_by_10s"] = json!([
            401, 401, 200, 401, 401, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200,
            200
        ]);
    });
    let old = never.await.report.versions.remove(0);
    assert_eq!(old.state, VersionState::Revoking);
    assert_eq!(old.confirmed_by, None, "unconfirmed, and said so");
}

#[tokio::test]
async fn p_16_null_is_not_blocked_without_limit_and_without_end() {
    let stage = play("P-16-litellm-key-info.json").await;
    let expected = json!({
        "label": "agent-billing",
        "suspended": false,
        "expires": null,
        "limit": {"amount": 50_000_000, "period": "monthly"},
        "spent": null,
        "models": ["gpt-4o-mini"],
        "endpoints": "not told",
    });
    assert_eq!(
        stage.outcome(0),
        &expected,
        "what it spent is this month's alone"
    );
    let without = play_with("P-16-litellm-key-info.json", |file| {
        file["info"]["max_budget"] = json!(null);
        file["info"]["budget_duration"] = json!(null);
        file["info"]["models"] = json!([]);
    });
    let without = without.await;
    let told = without.outcome(0);
    assert_eq!(told["limit"], json!(null), "no limit, not a limit of zero");
    assert_eq!(told["models"], "all", "an empty list permits everything");
    assert_eq!(told["spent"], 12_500_000);
    let blocked = play_with("P-16-litellm-key-info.json", |file| {
        file["info"]["blocked"] = json!(true);
    });
    assert_eq!(blocked.await.outcome(0)["suspended"], true);
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

#[tokio::test]
async fn p_12_where_both_places_are_taken_nothing_is_deleted_and_people_are_told() {
    let file = "P-12-bedrock-two-active.json";
    let inactive = play_with(file, |file| {
        file["list"]["ServiceSpecificCredentials"][0]["Status"] = json!("Inactive");
    });
    for (stage, left) in [(play(file).await, 2), (inactive.await, 1)] {
        let error = stage.error(0);
        assert!(
            !error.retryable
                && error
                    .message
                    .contains("Cannot exceed quota of 2 credentials"),
            "{error:?}"
        );
        let calls = stage.report.provider_calls.iter();
        let calls: Vec<&str> = calls.map(|call| call.path.as_str()).collect();
        assert_eq!(
            calls,
            [
                "/ListServiceSpecificCredentials",
                "/CreateServiceSpecificCredential"
            ]
        );
        assert_eq!(stage.simulator().live_keys().len(), left);
        assert!(stage.current_is(FIRST));
        assert_eq!(stage.report.versions[0].accepted, Some(true));
        let told = stage.told(AlertKind::RotationFailed);
        assert!(told.contains("limit of keys is reached"), "{told}");
    }
}

#[tokio::test]
async fn p_07_an_operation_is_polled_to_its_end_and_makes_one_key() {
    let name = "P-07-google-lro.json";
    let stage = play(name).await;
    assert_eq!(stage.outcome(0), "done");
    assert_eq!(stage.creates(), 1);
    let polls = |stage: &keyward_tests::replay::Stage| {
        let calls = stage.report.provider_calls.iter();
        let polls = calls.filter(|call| call.path.starts_with("/v2/operations/"));
        polls.count()
    };
    assert_eq!(polls(&stage), 2);
    let key = stage.simulator().secrets().pop().unwrap();
    let stored = stage.text_of(&TOKEN.parse().unwrap()).await.unwrap();
    assert!(
        stored.contains(key.expose_secret()),
        "the text is read by the call that is for it"
    );
    let longer = play_with(name, |file| {
        file[2] = file[1].clone();
    });
    let longer = longer.await;
    let error = longer.error(0);
    assert!(
        error.retryable && error.message.contains("still making"),
        "{error:?}"
    );
    assert_eq!(longer.outcome(1), "done", "the next call goes on with it");
    assert!(polls(&longer) > 50);
    assert_eq!(longer.creates(), 1);
    assert_eq!(longer.simulator().live_keys().len(), 2);
}

#[tokio::test]
async fn p_07b_an_operation_that_ends_with_an_error_fails_and_makes_nothing() {
    let stage = play("P-07b-google-lro-error.json").await;
    let error = stage.error(0);
    assert!(
        !error.retryable && error.message.contains("Quota exceeded"),
        "{error:?}"
    );
    assert_eq!(stage.creates(), 1);
    assert_eq!(stage.calls("PutSecretValue").len(), 0);
    assert_eq!(stage.simulator().live_keys().len(), 1);
    assert!(stage.current_is(FIRST));
    let told = stage.told(AlertKind::RotationFailed);
    assert!(told.contains("limit of keys is reached"), "{told}");
}

#[tokio::test]
async fn a_10_a_deleted_key_is_neither_live_nor_missing() {
    let stage = play("A-10-google-list-with-deleted.json").await;
    let live = json!([{"label": "agent-billing", "suspended": false}]);
    assert_eq!(stage.outcome(0), &live);
    let gone =
        json!([{"label": "agent-chat", "deleted, restorable until": "2026-12-20T00:00:00Z"}]);
    assert_eq!(stage.outcome(1), &gone);
}

#[tokio::test]
async fn p_09_the_key_that_is_not_in_use_is_regenerated_and_must_change() {
    let stage = play("P-09-azure-regenerate.json").await;
    assert_eq!(stage.outcome(0), "done");
    assert_eq!(stage.outcome(1), "Key2", "what was sent");
    assert_eq!(stage.report.invocations.len(), 2);
    assert_eq!(actions(&stage), ["listKeys", "regenerateKey"]);
    let made = stage.simulator().secrets().pop().unwrap();
    let stored = stage.text_of(&TOKEN.parse().unwrap()).await.unwrap();
    assert!(stored.contains(made.expose_secret()));
    assert!(stage.current_is(FIRST));
    assert_eq!(stage.report.versions[0].accepted, Some(true));

    let unchanged = play_with("P-09-azure-regenerate.json", |file| {
        file["response"] = file["list_keys"].clone();
    });
    let unchanged = unchanged.await;
    let error = unchanged.error(0);
    assert!(
        error.retryable && error.message.contains("has its old text"),
        "{error:?}"
    );
    assert!(unchanged.current_is(FIRST));
    assert_eq!(unchanged.calls("PutSecretValue").len(), 0);
}

#[tokio::test]
async fn p_09b_a_key_name_that_azure_refuses_changes_nothing() {
    let stage = play("P-09b-azure-bad-key-name.json").await;
    let error = stage.error(0);
    assert!(
        !error.retryable && error.message.contains("Valid values are 'Key1' and 'Key2'"),
        "{error:?}"
    );
    assert_eq!(actions(&stage), ["listKeys", "regenerateKey"]);
    assert_eq!(stage.calls("PutSecretValue").len(), 0);
    assert!(stage.current_is(FIRST));
    assert_eq!(stage.report.versions[0].accepted, Some(true));
    let told = stage.told(AlertKind::RotationFailed);
    assert!(told.contains("BadRequest"), "{told}");
}

/// What was asked of Azure Resource Manager, in order.
fn actions(stage: &keyward_tests::replay::Stage) -> Vec<&str> {
    let paths = stage.report.provider_calls.iter().map(|call| &call.path);
    paths
        .filter_map(|path| path.split('?').next()?.rsplit('/').next())
        .collect()
}
