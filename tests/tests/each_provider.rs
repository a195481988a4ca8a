//! The rotation suite at every provider: the built binaries, emulated AWS, the provider over HTTP, an agent that calls.
#![allow(clippy::unwrap_used, reason = "test code")]

use jiff::SignedDuration;
use keyward_core::model::slot::{CredentialKind, ProviderName};
use keyward_core::model::version::{Confirmation, VersionState};
use keyward_core::usecases::register::Registered;
use keyward_tests::end_to_end::{Agent, Deployment, Secret};

/// Enough for every rotation here.
const STANDBY: usize = 4;

/// What agents hold before their first rotation, each in its secret.
async fn slot_at(deployment: &Deployment, provider: ProviderName) -> Secret {
    let slot = format!("bot-{provider}");
    let key = deployment.seed_at(provider, &format!("{slot} by hand"));
    let secret = deployment.create(&slot, &key).await;
    let registered = deployment.register_at(provider, &secret).await;
    let expected = Registered::WithKey { handle_known: true };
    assert_eq!(registered, expected, "{provider}");
    if provider.kind() == CredentialKind::Pool {
        deployment.fill_pool(provider, STANDBY).await;
    }
    secret
}

/// Twice: with a pair of keys, the second rotation takes the place that the first one's old key was in.
#[tokio::test]
async fn a_slot_is_rotated_twice_at_every_provider_and_no_call_of_its_agent_fails() {
    let Some(deployment) = Deployment::at(&ProviderName::ALL).await else {
        return;
    };
    for provider in ProviderName::ALL {
        let secret = slot_at(&deployment, provider).await;
        let simulator = deployment.simulator_at(provider);
        let agent = Agent::start(&deployment, provider, &secret).await;
        for round in 1..=2 {
            let old = deployment
                .version(&secret.slot, VersionState::Current)
                .await;
            let token = match round {
                1 => deployment.first_rotation(&secret).await,
                _ => deployment.rotation(&secret).await.unwrap(),
            };
            deployment.rotated(&secret, &token).await;
            let new = deployment
                .version(&secret.slot, VersionState::Current)
                .await;
            assert_ne!(old.fingerprint, new.fingerprint, "{provider}");
            for key in [&old, &new] {
                let at = deployment.assert_at_provider(&secret.slot, key, true);
                at.await;
            }
            agent.fetch(&deployment, &secret).await;
            deployment.retire().await.unwrap();
            let hours = SignedDuration::from_hours(25);
            deployment.pass(&[&secret], hours).await;
            deployment.retire_all(&secret).await;
            let versions = deployment.versions(&secret.slot).await;
            let dead = versions.iter().find(|v| v.id == old.id).unwrap();
            let confirmed = dead.revoke_confirmed.unwrap().by;
            assert_eq!(confirmed, Confirmation::Refused, "{provider}: {dead:?}");
            deployment
                .assert_at_provider(&secret.slot, dead, false)
                .await;
            deployment
                .assert_at_provider(&secret.slot, &new, true)
                .await;
        }
        drop(agent);
        assert_eq!(simulator.failed_agent_calls(), [], "{provider}");
        assert!(simulator.agent_calls().len() > 6, "{provider}");
    }
    deployment.assert_no_key_text().await;
}
