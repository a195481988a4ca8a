//! The built binaries, called by an emulated Secrets Manager, over HTTP to a provider.
//!
//! AWS's documentation is the truth. What moto does otherwise is made up for in `tests/emulators/moto_lambda.py`; what
//! is left is named where it matters.
#![allow(clippy::unwrap_used, reason = "test code")]

use jiff::SignedDuration;
use keyward_core::model::alert::AlertKind;
use keyward_core::model::names::SecretVersionId;
use keyward_core::model::version::{Confirmation, VersionState};
use keyward_core::ports::{Stage, TAG_HANDLE_PREFIX};
use keyward_core::usecases::register::Registered;
use keyward_testkit::simulator::{Body, Caller, Fault, FaultRule, KeyState, Management};
use keyward_tests::end_to_end::{Agents, Deployment, ROTATION_TOKEN, Secret};
use keyward_tests::support::STEPS;
use serde_json::{Value, json};

/// A version that no secret has.
const UNKNOWN: &str = "e2e00000-0000-4000-8000-999999999999";

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Past every overlap and deadline.
const DAY: SignedDuration = SignedDuration::from_hours(25);

/// A secret with much beside the key: `{key}` and `{handle}` stand for what a rotation replaces.
const DOCUMENT: &str = r#"{ "base_url" : "https://openrouter.ai/api/v1",
  "api_key": "{key}", "key_id":"{handle}",
	"nested": {"deep": [1, 2.50, {"π": "naïve ☃ caf\u00e9 \/ 日本"}], "none": null, "empty": {}},
  "big": 123456789012345678901234567890, "exact": 1.10, "power": 1E+2, "yes":true }"#;

/// [`DOCUMENT`] around a key.
fn document(deployment: &Deployment, key: &str) -> String {
    let handle = deployment.at_provider(key).handle;
    let text = DOCUMENT.replace("{key}", key);
    text.replace("{handle}", handle.as_str())
}

#[tokio::test]
async fn two_secrets_are_rotated_and_their_old_keys_die() {
    let Some(deployment) = Deployment::start().await else {
        return;
    };
    let old = ["support bot by hand", "billing bot by hand"].map(|name| deployment.seed(name));
    let plain = deployment.create("support-bot", &old[0]).await;
    let object = document(&deployment, &old[1]);
    let object = deployment.create("billing-bot", &object).await;
    let secrets = [&plain, &object];
    let registered = deployment.register(&secrets).await;
    assert_eq!(registered, [Registered::WithKey { handle_known: true }; 2]);
    let agents = Agents::start(&deployment, &secrets).await;
    let mut tokens = Vec::new();
    for secret in secrets {
        tokens.push(deployment.first_rotation(secret).await);
    }
    let mut new = Vec::new();
    for (secret, token) in secrets.iter().zip(&tokens) {
        deployment.rotated(secret, token).await;
        let labels = deployment.assert_labels(secret, &secret.first, token);
        labels.await;
        assert_rotated_by_four_steps(&deployment, token).await;
        new.push(deployment.key_in(&deployment.current(secret).await));
    }
    for (i, secret) in secrets.iter().enumerate() {
        assert_ne!(old[i], new[i]);
        assert!(deployment.accepts(&old[i]) && deployment.accepts(&new[i]));
        deployment.assert_recorded(secret, &old[i], &new[i]).await;
    }
    assert_eq!(deployment.current(&plain).await, new[0], "plain stays so");
    let expected = [&new[1], &old[1]].map(|key| document(&deployment, key));
    assert_eq!(deployment.current(&object).await, expected[0]);
    let replaced = deployment.value(&object, &object.first).await;
    assert_eq!(replaced, expected[1]);

    agents.fetch(&deployment, &secrets).await;
    old_keys_die(&deployment, &secrets, &old).await;
    for (i, secret) in secrets.iter().enumerate() {
        assert!(deployment.accepts(&new[i]));
        let tags = deployment.describe(secret).await.tags;
        let handles = tags.keys().filter(|key| key.starts_with(TAG_HANDLE_PREFIX));
        let current = format!("{TAG_HANDLE_PREFIX}{}.1", tokens[i]);
        assert_eq!(handles.collect::<Vec<_>>(), [&current]);
    }
    deployment.assert_one_live_key_each(&secrets).await;

    // And once more, with what the first rotation left behind.
    let again = deployment.rotation(&object).await.unwrap();
    deployment.rotated(&object, &again).await;
    deployment.assert_labels(&object, &tokens[1], &again).await;
    assert_rotated_by_four_steps(&deployment, &again).await;
    let newest = deployment.key_in(&deployment.current(&object).await);
    let expected = document(&deployment, &newest);
    assert_eq!(deployment.current(&object).await, expected);
    deployment.assert_recorded(&object, &new[1], &newest).await;
    agents.fetch(&deployment, &secrets).await;
    drop(agents);
    assert!(deployment.simulator.agent_calls().len() > 20);
    assert_eq!(deployment.simulator.failed_agent_calls(), []);
    assert_eq!(deployment.alerts().await, [], "nobody is bothered");
    deployment.assert_no_key_text().await;
}

/// The built binary carried out each of the four steps once, in their order, and none failed; the provider was asked
/// for one key.
async fn assert_rotated_by_four_steps(deployment: &Deployment, token: &SecretVersionId) {
    deployment.rotate_process();
    // The last step answers after the records are written.
    deployment
        .until("the last step", async || {
            deployment.steps(token).len() == STEPS.len()
        })
        .await;
    assert_eq!(deployment.steps(token), ["Create", "Set", "Test", "Finish"]);
    assert_eq!(deployment.failures(), [""; 0]);
    let asked = deployment.simulator.requests_to("POST", "/keys");
    let of_rotation = asked.iter().filter(|request| {
        let label = request.label.as_deref().unwrap_or_default();
        request.caller == Caller::Management && label.contains(token.as_str())
    });
    assert_eq!(of_rotation.count(), 1);
}

/// Nothing happens to `old` before its time; then it goes quiet, is revoked, refused three times, and deleted.
async fn old_keys_die(deployment: &Deployment, secrets: &[&Secret], old: &[String]) {
    deployment.retire().await.unwrap();
    deployment.pass(secrets, HOUR).await;
    deployment.retire().await.unwrap();
    for key in old {
        assert!(deployment.accepts(key), "the overlap is not over");
    }
    deployment.pass(secrets, HOUR).await;
    for (secret, key) in secrets.iter().zip(old) {
        deployment.retire_all(secret).await;
        let key = deployment.at_provider(key);
        assert_eq!((key.state, key.accepted), (KeyState::Deleted, false));
        let dead = deployment.version(&secret.slot, VersionState::Revoked);
        let dead = dead.await;
        assert_eq!(dead.revoke_confirmed.unwrap().by, Confirmation::Refused);
        let counted = dead.refusals.unwrap().count;
        let requests = deployment.simulator.requests_to("GET", "/key");
        let refused = |status: Option<u16>| status == Some(401);
        let refused = requests
            .iter()
            .filter(|r| r.is_by(&key.handle) && refused(r.status));
        assert!(counted >= 3, "{dead:?}");
        assert_eq!(refused.count(), counted as usize, "by its own key");
    }
}

#[tokio::test]
async fn a_provider_that_fails_stops_a_rotation_and_no_agent() {
    let Some(deployment) = Deployment::start().await else {
        return;
    };
    let (secret, old) = deployment.one_slot("support-bot").await;
    let agents = Agents::start(&deployment, &[&secret]).await;
    let down = || Fault::status(503, Body::Html);
    let rule = FaultRule::on("POST", "/keys", down()).always();
    deployment.simulator.inject(rule);
    let token = deployment.first_rotation(&secret).await;
    deployment.until_failures(&["Retryable"]).await;
    assert_eq!(deployment.creates(), 1, "no layer repeats a create");
    let refused = deployment.refused("createSecret", &secret, &token).await;
    assert_eq!(refused.kind, "Retryable", "{refused:?}");
    assert!(refused.message.contains("503"), "{refused:?}");
    assert_eq!(deployment.creates(), 2);
    let labels = deployment.describe(&secret).await;
    assert_eq!(labels.holder(&Stage::Current), Some(&secret.first));
    assert_eq!(labels.holder(&Stage::Pending), Some(&token));
    assert_eq!(deployment.current(&secret).await, old);
    assert_eq!(deployment.simulator.keys().len(), 1, "no key was made");
    // While AWSPENDING stands on another version than AWSCURRENT, RotateSecret is refused:
    // <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html>.
    let another = deployment.rotation(&secret).await;
    assert_eq!(another.unwrap_err(), "InvalidRequestException");
    deployment.simulator.clear_faults();
    deployment.four_steps(&secret, &token).await;
    let labels = deployment.assert_labels(&secret, &secret.first, &token);
    labels.await;
    agents.fetch(&deployment, &[&secret]).await;

    // The old key's end is put off while the provider does not do it, and comes all the same.
    deployment.pass(&[&secret], DAY).await;
    let rule = FaultRule::on("PATCH", "/keys/*", down()).always();
    deployment.simulator.inject(rule);
    let failed = deployment.retire().await.unwrap_err();
    assert_eq!(failed.kind, "Retryable", "{failed:?}");
    assert!(deployment.accepts(&old));
    deployment
        .alerted("support-bot", AlertKind::WorkFailed)
        .await;
    deployment.simulator.clear_faults();
    deployment.pass(&[&secret], HOUR).await;
    deployment.retire_all(&secret).await;
    deployment.assert_one_live_key_each(&[&secret]).await;

    // A refused admin credential is no passing fault: people are paged.
    deployment
        .simulator
        .configure(|settings| settings.management = Management::Refused);
    let next = deployment.rotation(&secret).await.unwrap();
    let refused = deployment.refused("createSecret", &secret, &next).await;
    assert_eq!(refused.kind, "NonRetryable", "{refused:?}");
    let paged = deployment.alerted("support-bot", AlertKind::AdminCredentialRefused);
    paged.await;
    let labels = deployment.describe(&secret).await;
    assert_eq!(labels.holder(&Stage::Current), Some(&token));
    deployment.assert_one_live_key_each(&[&secret]).await;
    drop(agents);
    assert_eq!(deployment.simulator.failed_agent_calls(), []);
    let records = deployment.records("retire");
    let talkative = records.iter().any(|record| record["level"] == "DEBUG");
    assert!(talkative, "not as much is logged as can be");
    deployment.assert_no_key_text().await;
}

#[tokio::test]
async fn what_is_no_rotation_is_refused_by_name_and_makes_no_key() {
    let Some(deployment) = Deployment::start().await else {
        return;
    };
    let (secret, key) = deployment.one_slot("support-bot").await;
    let (other, _) = deployment.one_slot("billing-bot").await;
    let untagged = deployment.create("untagged", &key).await;
    let event = |change: Value| {
        let mut event = json!({
            "Step": "createSecret", "SecretId": secret.arn, "ClientRequestToken": UNKNOWN,
            "RotationToken": ROTATION_TOKEN,
        });
        let fields = event.as_object_mut().unwrap();
        fields.extend(change.as_object().unwrap().clone());
        event
    };
    let no_step = "`rotateSecret` is no rotation step";
    let nobody = "knows no secret `llm/nobody`";
    for (event, expected) in [
        (json!(["createSecret"]), "field `Step`"),
        (json!({}), "field `Step`"),
        (event(json!({"Step": "rotateSecret"})), no_step),
        (event(json!({"SecretId": 1})), "field `SecretId`"),
        (
            event(json!({"ClientRequestToken": "x"})),
            "field `ClientRequestToken`",
        ),
        (event(json!({"RotationToken": {}})), "field `RotationToken`"),
        (event(json!({"SecretId": "llm/nobody"})), nobody),
        (
            event(json!({"SecretId": untagged.arn})),
            "has no tag `keyward:slot`",
        ),
        (event(json!({})), "rotation is not enabled"),
    ] {
        let refused = deployment.rotate_event(&event).await.unwrap_err();
        assert_eq!(refused.kind, "NonRetryable", "{event}: {refused:?}");
        assert!(refused.message.contains(expected), "{event}: {refused:?}");
    }
    let tagged = deployment.create("tagged", &key).await;
    for (slot, expected) in [
        (
            "search-bot",
            "names slot `search-bot`, which is not registered",
        ),
        ("Not A Slot", "is no slot name"),
        ("billing-bot", "that slot belongs to another secret"),
    ] {
        deployment.tag_slot(&tagged, slot).await;
        let refused = deployment.refused("createSecret", &tagged, &tagged.first);
        let refused = refused.await;
        assert_eq!(refused.kind, "NonRetryable", "{slot}: {refused:?}");
        assert!(refused.message.contains(expected), "{slot}: {refused:?}");
    }
    bad_values(&deployment, &secret, &key).await;
    let unknown = UNKNOWN.parse().unwrap();
    let refused = deployment.refused("createSecret", &secret, &unknown).await;
    assert_eq!(refused.kind, "NonRetryable", "{refused:?}");
    assert!(refused.message.contains("carries no label"), "{refused:?}");
    assert_eq!(deployment.creates(), 0);
    for slot in [&secret.slot, &other.slot] {
        assert_eq!(deployment.versions(slot).await.len(), 1);
    }
    deployment.assert_no_key_text().await;
}

/// Values that a rotation cannot carry over.
async fn bad_values(deployment: &Deployment, secret: &Secret, key: &str) {
    deployment.put_bytes(secret, &[0xff, 0x00, 0x01]).await;
    let before = deployment.failures().len();
    let token = deployment.first_rotation(secret).await;
    deployment
        .until("the refusal", async || deployment.failures().len() > before)
        .await;
    deployment
        .alerted("support-bot", AlertKind::RotationFailed)
        .await;
    let refused = async |expected: &str| {
        let before = deployment.describe(secret).await;
        let refused = deployment.refused("createSecret", secret, &token).await;
        assert_eq!(refused.kind, "NonRetryable", "{expected}: {refused:?}");
        assert!(
            refused.message.contains(expected),
            "{expected}: {refused:?}"
        );
        let after = deployment.describe(secret).await;
        assert_eq!(before, after, "{expected}");
    };
    refused("the secret is binary").await;
    let mut begun = Some(token.clone());
    for (text, expected) in [
        (format!("{{\"api_key\":\"{key}\",}}"), "JSON"),
        (format!("[\"{key}\"]"), "JSON"),
        ("{}".to_owned(), "field"),
        (format!("x{key}"), "does not look like a key of openrouter"),
    ] {
        deployment.put(secret, &text).await;
        let before = deployment.alerts().await.len();
        match begun.take() {
            Some(token) => drop(deployment.refused("createSecret", secret, &token).await),
            // AWSPENDING is off again: Secrets Manager takes the next one.
            None => drop(deployment.rotation(secret).await.expect(expected)),
        }
        let told = async || deployment.alerts().await.len() > before;
        deployment.until("the alert", told).await;
        let alert = deployment.alerts().await.pop().unwrap();
        assert_eq!(alert.kind, AlertKind::RotationFailed);
        assert!(alert.what.as_str().contains(expected), "{alert:?}");
        let labels = deployment.describe(secret).await;
        assert_eq!(labels.holder(&Stage::Pending), None, "{expected}");
        assert_eq!(deployment.current(secret).await, text, "{expected}");
    }
}

#[tokio::test]
async fn a_key_whose_function_died_or_whose_answer_was_lost_does_not_stay() {
    let Some(deployment) = Deployment::start().await else {
        return;
    };
    let (killed, old) = deployment.one_slot("support-bot").await;
    let silent = Fault::silence().after_effect();
    let rule = FaultRule::on("POST", "/keys", silent);
    deployment.simulator.inject(rule);
    let token = deployment.first_rotation(&killed).await;
    deployment
        .until("the request for a key", async || deployment.creates() == 1)
        .await;
    let made = deployment.simulator.keys().pop().unwrap();
    assert!(made.is_live(), "the key was made: {made:?}");
    let process = deployment.rotate_process();
    deployment.kill_rotate().await;

    // Whoever comes while the dead one may still be at work makes no second key.
    let refused = deployment.refused("createSecret", &killed, &token).await;
    assert_eq!(refused.kind, "Retryable", "{refused:?}");
    assert!(
        refused.message.contains("may be at work until"),
        "{refused:?}"
    );
    assert_ne!(deployment.rotate_process(), process);
    assert_eq!(deployment.creates(), 1);
    assert_eq!(deployment.current(&killed).await, old);
    let intended = deployment
        .version(&killed.slot, VersionState::Intended)
        .await;
    let label = intended.label.unwrap();
    assert_eq!(
        label.as_str(),
        made.name,
        "the key that nobody holds is recorded"
    );
    deployment.pass(&[&killed], HOUR).await;
    deployment.four_steps(&killed, &token).await;
    let taken_back = deployment.simulator.key_by_label(&made.name).unwrap();
    assert!(!taken_back.is_live(), "{taken_back:?}");

    let (lost, _) = deployment.one_slot("billing-bot").await;
    let rule = FaultRule::on("POST", "/keys", Fault::lost_after());
    deployment.simulator.inject(rule);
    let token = deployment.first_rotation(&lost).await;
    deployment.until_failures(&["Retryable", "Retryable"]).await;
    let made = deployment.simulator.keys().pop().unwrap();
    assert!(made.name.starts_with("keyward-billing-bot-"), "{made:?}");
    assert!(!made.is_live(), "found by its name and cut off: {made:?}");
    deployment.four_steps(&lost, &token).await;

    let secrets = [&killed, &lost];
    deployment.pass(&secrets, DAY).await;
    for secret in secrets {
        deployment.retire_all(secret).await;
        let current = deployment
            .version(&secret.slot, VersionState::Current)
            .await;
        assert_eq!(current.id.attempt, 2, "{current:?}");
    }
    deployment.assert_one_live_key_each(&secrets).await;
    deployment.assert_no_key_text().await;
}
