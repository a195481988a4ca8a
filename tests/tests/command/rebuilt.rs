//! The table is lost, and made anew from the fleet file, the secrets and what the providers list.

use std::collections::BTreeMap;

use keyward_core::model::key::Fingerprint;
use keyward_core::model::names::SlotName;

use super::*;

const KILLED: &str = "support-bot-openrouter";

/// Of each slot: what its keys are called at their provider, and which of them agents fetch.
type Known = BTreeMap<SlotName, (Vec<String>, Option<Fingerprint>)>;

/// What the inventory knows of keys that may be alive.
async fn known(local: &Local, slots: &[SlotName]) -> Known {
    let mut known = Known::new();
    for slot in slots {
        let mut versions = local.deployment.versions(slot).await;
        versions.retain(|version| version.state.may_be_alive());
        let mut handles: Vec<String> = versions
            .iter()
            .map(|version| version.handle.as_ref().unwrap().to_string())
            .collect();
        handles.sort();
        let current = versions.iter().find(|v| v.state == VersionState::Current);
        let fetched = current.and_then(|version| version.fingerprint);
        known.insert(slot.clone(), (handles, fetched));
    }
    known
}

#[tokio::test]
async fn a_table_that_is_lost_is_made_anew_and_no_agent_loses_its_key() {
    let Some(local) = local("rebuilt").await else {
        return;
    };
    let deployment = &local.deployment;
    says_what_readme_says(&local, "Try the command").await;
    let kill = format!("keyward kill {KILLED} --yes --reason 'calls at night'");
    let killed = shell(&local, &kill, "").await;
    assert!(killed.status.success(), "{}", text(&killed.stderr));
    deployment.until_replaced(&KILLED.parse().unwrap()).await;

    let secrets = local.secrets();
    let slots: Vec<SlotName> = secrets.iter().map(|secret| secret.slot.clone()).collect();
    let before = known(&local, &slots).await;
    let accepted = deployment.accepted();
    assert!(accepted.len() >= slots.len() + 2, "old keys work still");
    deployment.lose_table().await;
    assert_eq!(deployment.table().await, "");

    let fleet = local.fleet.display().to_string();
    let apply = format!("keyward apply {fleet} --reason 'the table was lost'");
    let applied = shell(&local, &apply, "").await;
    let said = text(&applied.stdout);
    assert!(applied.status.success(), "{said}{}", text(&applied.stderr));
    assert_eq!(deployment.accepted(), accepted, "after apply");
    let all: Vec<&Secret> = secrets.iter().collect();
    for _ in 0..2 {
        deployment.retire().await.unwrap();
        deployment.pass(&all, SignedDuration::from_mins(40)).await;
    }
    deployment.retire().await.unwrap();
    let after = known(&local, &slots).await;
    assert_eq!(after, before, "the same slots with the same keys");
    assert_eq!(deployment.accepted(), accepted, "nothing was revoked");

    // From here on life is as it was: old keys end when their overlap is over, and no key in use does.
    deployment.pass(&all, SignedDuration::from_hours(2)).await;
    for secret in &secrets {
        deployment.retire_all(secret).await;
        let current = deployment
            .version(&secret.slot, VersionState::Current)
            .await;
        assert_eq!(current.fingerprint, before[&secret.slot].1);
        deployment
            .assert_at_provider(&secret.slot, &current, true)
            .await;
    }
    deployment.assert_no_key_text().await;
}
