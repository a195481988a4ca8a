//! The built functions on ways that are seldom gone, so that what they ask AWS for there is seen as well: without the inventory,
//! past labels that somebody left, and where a rotation is overdue.
#![allow(clippy::unwrap_used, reason = "test code")]

use jiff::SignedDuration;
use keyward_core::model::kill_order::{Basis, MonitorOrder};
use keyward_core::model::names::SecretVersionId;
use keyward_core::model::slot::{Mode, PendingSeen, ProviderName, Slot};
use keyward_core::model::text::OutsideText;
use keyward_core::model::usage::Bucket;
use keyward_core::model::version::{Version, VersionState};
use keyward_core::ports::{Fence, Stage};
use keyward_tests::end_to_end::{Deployment, NOWHERE, STACK, Secret};
use keyward_tests::local::event;
use serde_json::{Value, json};

const TOPIC: &str = "arn:aws:sns:us-east-1:111122223333:alarms";
const TOLD: [(&str, &str); 3] = [
    ("KEYWARD_STACK", STACK),
    ("KEYWARD_ALARM_TOPIC_ARN", TOPIC),
    ("AWS_ENDPOINT_URL_CLOUDWATCH", NOWHERE),
];
/// The same without the inventory.
const BLIND: [(&str, &str); 4] = [
    TOLD[0],
    TOLD[1],
    TOLD[2],
    ("AWS_ENDPOINT_URL_DYNAMODB", NOWHERE),
];

/// The kill switch of a control function without the inventory. The calls that are kept must not be taken for those of the
/// function that is deployed: it gives orders to another.
const BY_THE_BLIND: [(&str, &str); 2] = [
    (
        "KEYWARD_KILL_SWITCH_ARN",
        "arn:aws:lambda:us-east-1:123456789012:function:kill-switch-blind",
    ),
    ("AWS_SDK_UA_APP_ID", "blind"),
];

/// More than a rotation may stand still, and more than a key may be old.
const HOURS: SignedDuration = SignedDuration::from_hours(3);
const LONG: SignedDuration = SignedDuration::from_hours(24 * 100);

/// A slot that is enforced, with rotation on, and the key that it was registered with.
async fn enforced(deployment: &Deployment, name: &str) -> (Secret, String) {
    let (secret, key) = deployment.one_slot(name).await;
    let slot = Slot {
        mode: Mode::Enforce,
        ..deployment.slot(&secret.slot).await
    };
    deployment.ports.inventory.save_slot(&slot).await.unwrap();
    deployment.turn_rotation_on(&secret, 30).await;
    (secret, key)
}

/// What the monitor sends the kill switch.
fn order(deployment: &Deployment, secret: &Secret) -> Value {
    let order = MonitorOrder {
        stack: STACK.parse().unwrap(),
        slot: secret.slot.clone(),
        score_thousandths: 2400,
        judged: deployment.ports.clock.now(),
        basis: Basis::Usual,
        reason: OutsideText::new("cost per hour 3.1 times the baseline"),
    };
    order.to_json()
}

/// What a person asks the control function for.
fn kill(secret: &Secret) -> Value {
    let body = json!({"reason": "seen in a log", "slot": secret.slot});
    event("POST", "/kill", body.to_string().as_bytes())
}

async fn holds_pending(deployment: &Deployment, secret: &Secret, id: &SecretVersionId) -> bool {
    deployment.describe(secret).await.has(id, &Stage::Pending)
}

#[tokio::test]
async fn without_the_inventory_a_key_is_found_by_the_secrets_tags() {
    let Some(deployment) = Deployment::start().await else {
        return;
    };
    deployment
        .deploy_kill_switch("kill-switch-blind", &BLIND)
        .await;
    let mut told = BLIND.to_vec();
    told.extend(BY_THE_BLIND);
    deployment.deploy_control("control-blind", &told).await;
    let (first, first_key) = enforced(&deployment, "support-bot").await;
    let (second, second_key) = enforced(&deployment, "billing-bot").await;
    let order = order(&deployment, &first);
    let failed = deployment.invoke("kill-switch-blind", &order).await;
    // What could not be recorded is to come again.
    assert_eq!(failed.unwrap_err().kind, "Retryable");
    assert!(!deployment.accepts(&first_key));
    assert!(deployment.accepts(&second_key));
    let answer = deployment
        .invoke("control-blind", &kill(&second))
        .await
        .unwrap();
    assert!(!deployment.accepts(&second_key), "{answer}");
}

#[tokio::test]
async fn a_label_that_was_left_is_taken_off_and_a_rotation_asked_for() {
    let Some(deployment) = Deployment::start().await else {
        return;
    };
    let (first, first_key) = enforced(&deployment, "support-bot").await;
    let (second, second_key) = enforced(&deployment, "billing-bot").await;
    let left = [
        deployment.leave_pending(&first).await,
        deployment.leave_pending(&second).await,
    ];
    let order = order(&deployment, &first);
    deployment.invoke("kill-switch", &order).await.unwrap();
    let answer = deployment.invoke("control", &kill(&second)).await.unwrap();
    assert_eq!(answer["statusCode"], 200, "{answer}");
    for (secret, key, left) in [
        (&first, &first_key, &left[0]),
        (&second, &second_key, &left[1]),
    ] {
        assert!(!deployment.accepts(key), "{}", secret.slot);
        assert!(
            !holds_pending(&deployment, secret, left).await,
            "{}",
            secret.slot
        );
        deployment.until_replaced(&secret.slot).await;
    }
}

#[tokio::test]
async fn an_agent_tells_what_it_used_where_no_act_is_taken() {
    let Some(deployment) = Deployment::start().await else {
        return;
    };
    deployment.deploy_for_agents("usage").await;
    let (secret, key) = deployment.one_slot("support-bot").await;
    let slot = Slot {
        readers: vec!["arn:aws:iam::123456789012:user/operator".parse().unwrap()],
        ..deployment.slot(&secret.slot).await
    };
    deployment.ports.inventory.save_slot(&slot).await.unwrap();
    let report = json!({
        "slot": secret.slot,
        "reporter": "3f2b8c1e-0000-4000-8000-00000000abcd",
        "version": secret.first.as_str(),
        "buckets": [{"from": Bucket::of(deployment.ports.clock.now()).begins(), "models": [{
            "model": "gemini-2.5-pro", "requests": 3, "input": 1200, "output": 80, "cache_read": 0, "cache_write": 0,
        }]}],
    });
    let told = event("POST", "/usage", report.to_string().as_bytes());
    for changed in [true, false] {
        let answer = deployment.invoke("usage", &told).await.unwrap();
        assert_eq!(answer["statusCode"], 200, "{answer}");
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!(body["changed"], changed, "{body}");
    }
    let answer = deployment.invoke("usage", &kill(&secret)).await.unwrap();
    assert_ne!(answer["statusCode"], 200, "{answer}");
    assert!(deployment.accepts(&key));
}

#[tokio::test]
async fn a_pool_is_added_to() {
    let Some(deployment) = Deployment::start().await else {
        return;
    };
    for keys in [1, 2] {
        deployment.fill_pool(ProviderName::Anthropic, keys).await;
    }
}

#[tokio::test]
async fn retire_takes_a_label_off_and_asks_for_an_overdue_rotation() {
    let Some(deployment) = Deployment::start().await else {
        return;
    };
    let (secret, _) = enforced(&deployment, "support-bot").await;
    let left = deployment.leave_pending(&secret).await;
    let now = deployment.ports.clock.now();
    let inventory = &deployment.ports.inventory;
    let old = Version {
        created: now - LONG,
        ..deployment
            .version(&secret.slot, VersionState::Current)
            .await
    };
    inventory.save_versions(&[old], Fence::None).await.unwrap();
    let slot = Slot {
        pending_seen: Some(PendingSeen {
            version: left.clone(),
            since: now - HOURS,
        }),
        due_at: now,
        ..deployment.slot(&secret.slot).await
    };
    inventory.save_slot(&slot).await.unwrap();
    deployment.retire().await.unwrap();
    assert!(!holds_pending(&deployment, &secret, &left).await);
    deployment
        .until("the rotation", async || {
            deployment.versions(&secret.slot).await.len() > 1
        })
        .await;
}

/// The deployed function has the credential, the table and the lease that limits take.
#[tokio::test]
async fn retire_limits_a_key_that_has_no_limit() {
    let Some(deployment) = Deployment::start().await else {
        return;
    };
    let (secret, _) = deployment.one_slot("support-bot").await;
    let current = async || {
        deployment
            .version(&secret.slot, VersionState::Current)
            .await
    };
    assert_eq!(current().await.cap, None);
    for set in [1, 0] {
        let answer = deployment.retire().await.unwrap();
        let kept = json!({"kept": {"set": set, "left": 0}});
        assert_eq!(answer["limits"], kept, "{answer}");
        assert!(current().await.cap.is_some());
    }
}
