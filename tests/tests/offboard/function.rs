//! The function: events of a bus, the schedule, and orders of `control`.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;
use keyward_core::model::alert::{AlertKind, Severity};
use keyward_core::ports::SecretStore;
use keyward_core::usecases::secret_changed::{Noticed, Own};
use keyward_offboard::{Deps, Reply, Senders, handle};
use keyward_testkit::gate::Gate;
use serde_json::{Value, json};

use super::scene::{Scene, agent, ana};

async fn function() -> (Scene, Deps) {
    let scene = Scene::new(&Arc::new(Gate::default())).await;
    let deps = Deps {
        offboarder: scene.open.clone(),
        senders: Senders {
            stack: "prod".parse().unwrap(),
            account: "111122223333".to_owned(),
            sources: BTreeSet::from(["keyward.offboard".to_owned()]),
            accounts: BTreeSet::from(["111122223333".to_owned()]),
        },
        own: Own {
            roles: vec!["arn:aws:iam::111122223333:role/prod-rotate".to_owned()],
            secrets: Vec::new(),
        },
    };
    (scene, deps)
}

fn event(kind: &str, detail: &Value) -> Value {
    json!({
        "version": "0", "id": "0d079340-135a-c8c6-95c2-41fb8f496c53", "detail-type": kind,
        "source": "keyward.offboard", "account": "111122223333",
        "time": "2026-12-01T08:59:58Z", "region": "us-east-1", "resources": [], "detail": detail,
    })
}

#[tokio::test]
async fn an_event_ends_an_agent_and_the_same_event_again_ends_nothing_more() {
    let (scene, deps) = function().await;
    let event = event(
        "Agent Decommissioned",
        &json!({"schema": 1, "agent": "support-bot"}),
    );
    for is_new in [true, false] {
        let reply = handle(&deps, &event, &scene.invocation()).await.unwrap();
        let Reply::Case { is_new: said, .. } = reply else {
            panic!("{reply:?}");
        };
        assert_eq!(said, is_new);
    }
    assert_eq!(scene.live(), 0);
    scene
        .world
        .live_through(SignedDuration::from_mins(20))
        .await;
    let due = handle(&deps, &json!({"offboard": "due"}), &scene.invocation())
        .await
        .unwrap();
    let Reply::Due(report) = due else {
        panic!("{due:?}");
    };
    assert_eq!((report.seen, report.closed), (1, 1));
    let case = scene.case(&agent()).await;
    let record = scene.record(&case);
    assert!(record.is_complete());
    let by = record.asked[0].by.as_str();
    assert_eq!(by, "keyward.offboard of account 111122223333");
    let idle = handle(&deps, &json!({"offboard": "due"}), &scene.invocation())
        .await
        .unwrap();
    assert_eq!(
        idle,
        Reply::Due(keyward_core::usecases::offboard::OffboardReport::default())
    );
}

#[tokio::test]
async fn an_order_of_controls_goes_on_with_its_case() {
    let (scene, deps) = function().await;
    let id = scene.open_case(ana(), "act 1").await.case().id.clone();
    let order = json!({"keyward": "offboard", "schema": 1, "stack": "prod", "case": id});
    let reply = handle(&deps, &order, &scene.invocation()).await.unwrap();
    assert!(matches!(reply, Reply::Case { .. }), "{reply:?}");
    assert!(scene.outside().secrets.has_started());
}

#[tokio::test]
async fn an_event_that_is_wrong_changes_nothing_and_pages() {
    let (scene, deps) = function().await;
    let mut foreign = event(
        "Agent Decommissioned",
        &json!({"schema": 1, "agent": "support-bot"}),
    );
    foreign["account"] = json!("999900001111");
    let half = event(
        "Person Left",
        &json!({"schema": 1, "person": "ana@example.com", "agnet": "x"}),
    );
    for wrong in [foreign, half, json!({}), json!("due")] {
        let reply = handle(&deps, &wrong, &scene.invocation()).await.unwrap();
        assert!(matches!(reply, Reply::Refused(_)), "{wrong}: {reply:?}");
        let told = scene.outside().alerts.take();
        assert_eq!(told.len(), 1, "{wrong}");
        assert_eq!(
            (told[0].kind, told[0].severity),
            (AlertKind::OffboardRefused, Severity::Page)
        );
    }
    assert_eq!(scene.outside().inventory.all_offboardings(), []);
    assert_eq!(scene.live(), 1);
}

/// CloudTrail's record of a call, as the default bus hands it on.
fn record(call: &str, role: &str, secret: &str) -> Value {
    let mut event = event("AWS API Call via CloudTrail", &Value::Null);
    event["source"] = json!("aws.secretsmanager");
    event["detail"] = json!({
        "eventSource": "secretsmanager.amazonaws.com", "eventName": call,
        "eventTime": "2026-12-01T08:59:50Z", "sourceIPAddress": "198.51.100.7",
        "userIdentity": {
            "type": "AssumedRole", "arn": format!("arn:aws:sts::111122223333:assumed-role/{role}/eve"),
            "sessionContext": {"sessionIssuer": {"arn": format!("arn:aws:iam::111122223333:role/{role}")}},
        },
        "requestParameters": {"secretId": secret}, "responseElements": {"arn": secret},
    });
    event
}

#[tokio::test]
async fn a_record_of_cloudtrail_is_told_and_a_deletion_ends_the_slots_keys_at_once() {
    let (scene, deps) = function().await;
    let secret = scene.world.secret.as_str();
    let ran = async |event: Value| handle(&deps, &event, &scene.invocation()).await.unwrap();
    let own = ran(record("PutSecretValue", "prod-rotate", secret)).await;
    assert_eq!(own, Reply::SecretChange(Noticed::Own));
    let read = ran(record("GetSecretValue", "admins", secret)).await;
    assert_eq!(read, Reply::Nothing);
    assert!(scene.outside().alerts.take().is_empty());
    let put = ran(record("PutSecretValue", "admins", secret)).await;
    assert_eq!(put, Reply::SecretChange(Noticed::Told));
    assert_eq!(scene.live(), 1);

    let secrets = &scene.outside().secrets;
    secrets
        .schedule_deletion(&scene.world.secret, 7)
        .await
        .unwrap();
    let deleted = ran(record("DeleteSecret", "admins", secret)).await;
    assert!(
        matches!(deleted, Reply::SecretChange(Noticed::Offboarding(_))),
        "{deleted:?}"
    );
    assert_eq!(scene.live(), 0, "in the same run");

    // Half a record pages: something may have been changed.
    scene.outside().alerts.take();
    let mut half = record("DeleteSecret", "admins", secret);
    half["detail"]["requestParameters"] = Value::Null;
    half["detail"]["responseElements"] = Value::Null;
    assert!(matches!(ran(half).await, Reply::Refused(_)));
    let told = scene.outside().alerts.take();
    assert_eq!(told[0].kind, AlertKind::OffboardRefused);
}
