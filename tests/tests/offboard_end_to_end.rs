//! The built function under the Runtime API, with the built kill switch, `rotate` and `retire`: emulated AWS, a provider over
//! HTTP, ten agents at work. An owner leaves, and an agent is given up.
#![allow(clippy::unwrap_used, reason = "test code")]

use jiff::SignedDuration;
use keyward_core::model::alert::AlertKind;
use keyward_core::model::offboarding::OffboardingId;
use keyward_core::model::slot::{ProviderName, SlotState};
use keyward_core::model::version::VersionState;
use keyward_core::rules::policy::interval_days;
use keyward_core::usecases::offboard::OffboardingRecord;
use keyward_tests::end_to_end::{Agents, Deployment, Secret};
use serde_json::{Value, json};

const SLOTS: usize = 10;

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Ten agents of one owner, each with a key of its own that rotates.
async fn fleet() -> Option<(Deployment, Vec<Secret>)> {
    let deployment = Deployment::at(&[ProviderName::OpenRouter]).await?;
    let mut secrets = Vec::new();
    for number in 0..SLOTS {
        let slot = format!("bot-{number}");
        let key = deployment.seed(&format!("{slot} by hand"));
        secrets.push(deployment.create(&slot, &key).await);
    }
    let all: Vec<&Secret> = secrets.iter().collect();
    deployment.register(&all).await;
    for secret in &secrets {
        let days = interval_days(&deployment.slot(&secret.slot).await.policy);
        deployment.turn_rotation_on(secret, days).await;
    }
    deployment.deploy_offboard().await;
    Some((deployment, secrets))
}

async fn ran(deployment: &Deployment, event: &Value) -> Value {
    let answer = deployment.offboard(event).await;
    answer.unwrap_or_else(|failed| panic!("{event}: {failed:?}\n{}", deployment.log("offboard")))
}

async fn evidence(deployment: &Deployment, case: &OffboardingId) -> Option<OffboardingRecord> {
    let (_, text) = deployment
        .reported(&format!("offboarding/{case}.json"))
        .await?;
    deployment.canary().assert_absent("the evidence", &text);
    Some(serde_json::from_str(&text).unwrap())
}

/// Wakes the function until the case of these slots is closed.
async fn closed(
    deployment: &Deployment,
    case: &OffboardingId,
    secrets: &[&Secret],
) -> OffboardingRecord {
    for _ in 0..5 {
        ran(deployment, &json!({"offboard": "due"})).await;
        if let Some(record) = evidence(deployment, case).await
            && record.closed.is_some()
        {
            return record;
        }
        deployment.pass(secrets, HOUR).await;
        deployment.pass_for_case(case, HOUR).await;
    }
    panic!("the case stays open:\n{}", deployment.log("offboard"));
}

fn case_of(answer: &Value) -> OffboardingId {
    let id = answer["case"]["case"].as_str().unwrap();
    OffboardingId::parse(id).unwrap()
}

#[tokio::test]
async fn an_owner_leaves_ten_agents_that_go_on_and_one_is_given_up() {
    let Some((deployment, secrets)) = fleet().await else {
        return;
    };
    let all: Vec<&Secret> = secrets.iter().collect();
    let agents = Agents::start(&deployment, &all).await;
    let mut old = Vec::new();
    for secret in &secrets {
        old.push(deployment.text_of(&secret.slot).await);
    }

    let left = json!({"schema": 1, "person": "ana@example.com", "reason": "ticket 7"});
    let event = deployment.leaving("event-1", "Person Left", &left);
    let case = case_of(&ran(&deployment, &event).await);
    let again = ran(&deployment, &event).await;
    assert_eq!(case_of(&again), case, "a doubled event is the same case");
    for secret in &secrets {
        deployment
            .until("a key of its own", async || {
                let versions = deployment.versions(&secret.slot).await;
                let current = versions.iter().find(|v| v.state == VersionState::Current);
                current.is_some_and(|v| v.id.attempt == 1)
            })
            .await;
    }
    agents.fetch(&deployment, &all).await;
    for _ in 0..2 {
        deployment.retire().await.unwrap();
        deployment.pass(&all, HOUR).await;
        deployment.pass_for_case(&case, HOUR).await;
    }
    for secret in &secrets {
        deployment.retire_all(secret).await;
    }
    for key in &old {
        assert!(!deployment.accepts(key));
    }
    let record = closed(&deployment, &case, &all).await;
    assert!(record.is_complete(), "{record:#?}");
    assert_eq!(record.slots.len(), SLOTS);
    for slot in &record.slots {
        assert!(slot.replaced_by.is_some(), "{slot:#?}");
        assert_eq!(slot.keys.len(), 1, "{slot:#?}");
    }
    let told = deployment.alerts().await;
    let is_told = |kind| told.iter().any(|alert| alert.kind == kind);
    assert!(
        is_told(AlertKind::OwnerMissing),
        "nobody stands by for them"
    );
    assert!(is_told(AlertKind::OffboardDone));
    assert!(deployment.simulator.agent_calls().len() > SLOTS);
    assert_eq!(deployment.simulator.failed_agent_calls(), []);

    // One of the agents is given up; the others work on.
    drop(agents);
    let given_up = &secrets[0];
    let text = deployment.text_of(&given_up.slot).await;
    let detail = json!({"schema": 1, "agent": given_up.slot});
    let event = deployment.leaving("event-2", "Agent Decommissioned", &detail);
    let case = case_of(&ran(&deployment, &event).await);
    assert!(!deployment.accepts(&text), "in the same run");
    let slot = deployment.slot(&given_up.slot).await;
    assert_eq!(slot.state, SlotState::Decommissioned);
    deployment.pass(&[given_up], HOUR).await;
    deployment.pass_for_case(&case, HOUR).await;
    for _ in 0..4 {
        deployment.retire().await.unwrap();
    }
    let versions = deployment.versions(&given_up.slot).await;
    let is_dead = |state: VersionState| state == VersionState::Revoked;
    assert!(versions.iter().all(|v| is_dead(v.state)), "{versions:#?}");
    let record = closed(&deployment, &case, &[given_up]).await;
    assert!(record.is_complete(), "{record:#?}");
    assert!(record.slots[0].secret_deleted.is_some());
    for secret in &secrets[1..] {
        let key = deployment.text_of(&secret.slot).await;
        assert!(deployment.accepts(&key), "{}", secret.slot);
    }
    deployment.assert_no_key_text().await;
}
