use jiff::SignedDuration;
use keyward_core::model::key::ApiKey;
use keyward_core::model::slot::CredentialKind;
use keyward_core::model::version::{Confirmation, KeyLabel, Version, VersionState};
use keyward_core::ports::{Clock, Naming, SecretStore, Stage};

use super::{LiveKey, World};

/// Checks the rules of the design that hold at any time once work has come to rest.
///
/// # Panics
/// Where one is broken, with its number.
pub async fn check_rules(world: &World, context: &str) {
    rule_1_current_works(world, context).await;
    check_rules_without_a_key(world, context).await;
}

/// The same of a slot that has no key and is to have none.
///
/// # Panics
/// Where one is broken, with its number.
pub async fn check_rules_without_a_key(world: &World, context: &str) {
    rule_2_every_live_key_is_recorded(world, context).await;
    rule_3_old_keys_live_through_their_overlap(world, context).await;
    rule_4_made_keys_end_by_themselves(world, context).await;
    rule_5_nothing_outdated_is_current(world, context).await;
    rule_9_confirmed_means_refused(world, context).await;
}

async fn rule_1_current_works(world: &World, context: &str) {
    let key = world.current_key();
    assert!(
        world.outside.provider.accepts(&key),
        "rule 1: AWSCURRENT does not work; {context}"
    );
    let secret = world
        .outside
        .secrets
        .describe(world.secret.as_str())
        .await
        .unwrap();
    let pending = secret.holder(&Stage::Pending);
    let stuck = pending.is_some_and(|id| !secret.has(id, &Stage::Current));
    assert!(
        !stuck,
        "rule 1: AWSPENDING is stuck, RotateSecret would be refused; {context}"
    );
}

/// Every key that works is recorded by handle or label, and no two under one label.
async fn rule_2_every_live_key_is_recorded(world: &World, context: &str) {
    let versions = world.versions().await;
    let current = world.current_key();
    for LiveKey { label, text, .. } in world.outside.provider.live() {
        let fingerprint = ApiKey::new(&text).fingerprint();
        let by_label = |v: &&Version| v.label.as_ref().is_some_and(|l| l.as_str() == label);
        let recorded = versions
            .iter()
            .find(|v| v.fingerprint == Some(fingerprint))
            .or_else(|| {
                versions
                    .iter()
                    .find(|v| v.fingerprint.is_none() && by_label(v))
            });
        let is_of_a_pair = world.outside.provider.driver().abilities().names == Naming::Nothing;
        let Some(recorded) = recorded else {
            // A key that is always there has a text, whether anybody was ever told it or not.
            if is_of_a_pair && text != current {
                continue;
            }
            panic!("rule 2: a live key ({label}) is not in the inventory; {context}");
        };
        let at_rest = matches!(
            recorded.state,
            VersionState::Current | VersionState::Retiring
        );
        assert!(
            at_rest || text == current,
            "rule 2: key {label} is alive but {:?}; {context}",
            recorded.state
        );
    }
}

/// A replaced key works until its overlap is over, unless it was cut off by a kill.
async fn rule_3_old_keys_live_through_their_overlap(world: &World, context: &str) {
    let now = world.outside.clock.now();
    let live = world.outside.provider.live();
    for version in world.versions().await {
        let Some(retire_after) = version.retire_after else {
            continue;
        };
        if version.state == VersionState::Retiring && now < retire_after {
            let works = live
                .iter()
                .any(|key| Some(ApiKey::new(&key.text).fingerprint()) == version.fingerprint);
            assert!(
                works,
                "rule 3: an old key does not work during its overlap; {context}"
            );
        }
        if let (Some(begun), 0) = (version.revoke_begun, world.slot().await.epoch.0) {
            assert!(
                begun >= retire_after,
                "rule 3: revoked before its overlap was over; {context}"
            );
        }
    }
}

/// Whatever Keyward made ends by itself where keys can, no later than the policy's greatest age.
async fn rule_4_made_keys_end_by_themselves(world: &World, context: &str) {
    if !world.outside.provider.driver().abilities().expiry {
        return;
    }
    let slot = world.slot().await;
    let now = world.outside.clock.now();
    let versions = world.versions().await;
    for key in world.outside.provider.live() {
        let fingerprint = Some(ApiKey::new(&key.text).fingerprint());
        let made = |v: &Version| v.id.attempt > 0 && v.fingerprint == fingerprint;
        let minted = slot.kind == CredentialKind::Minted && versions.iter().any(made);
        if minted || key.label.starts_with(KeyLabel::PREFIX) {
            let expires = key
                .expires
                .unwrap_or_else(|| panic!("rule 4: {} has no end; {context}", key.label));
            assert!(
                expires <= now + slot.policy.max_age,
                "rule 4: {} ends too late; {context}",
                key.label
            );
        }
    }
}

async fn rule_5_nothing_outdated_is_current(world: &World, context: &str) {
    let slot = world.slot().await;
    for version in world.versions().await {
        if version.state == VersionState::Current {
            assert_eq!(
                version.epoch, slot.epoch,
                "rule 5: an outdated version is current; {context}"
            );
        }
    }
}

/// A version is `revoked` only after refusals over two minutes, or where its text cannot be read.
async fn rule_9_confirmed_means_refused(world: &World, context: &str) {
    let live = world.outside.provider.live();
    for version in world
        .versions()
        .await
        .iter()
        .filter(|v| v.state == VersionState::Revoked)
    {
        let confirmed = version.revoke_confirmed.expect("revoked versions say how");
        let alive = live
            .iter()
            .any(|key| Some(ApiKey::new(&key.text).fingerprint()) == version.fingerprint);
        assert!(
            !alive,
            "rule 9: a version is revoked, but its key works; {context}"
        );
        if confirmed.by == Confirmation::Refused {
            let refusals = version.refusals.expect("refused versions count");
            let over = refusals.last.duration_since(refusals.first);
            assert!(
                refusals.count >= 3 && over >= SignedDuration::from_mins(2),
                "rule 9: confirmed by {refusals:?}; {context}"
            );
        }
    }
}
