//! The function dies while it replaces a key, at each provider, and agents call all the while.

use keyward_core::model::names::SecretVersionId;
use keyward_core::model::slot::ProviderName;
use keyward_testkit::contract::provider::{ProviderCall, ProviderWorld as _, Times};
use keyward_testkit::simulator::Fault;
use keyward_tests::end_to_end::Agent;

use super::*;

/// The token that `keyward rotate` names.
fn token(said: &str) -> SecretVersionId {
    let named = said.split("rotation ").nth(1).unwrap();
    named.split(' ').next().unwrap().parse().unwrap()
}

/// Cut off where a key is made, or where a drawn one is resumed: after the provider has done it, before it answers.
#[tokio::test]
async fn a_rotation_whose_function_died_is_gone_on_with_at_every_provider() {
    let Some(local) = local("died").await else {
        return;
    };
    let deployment = &local.deployment;
    let apply = format!("keyward apply {} --reason first", local.fleet.display());
    let standby = std::fs::read_to_string(&local.standby).unwrap();
    let add = "keyward pool add anthropic-main --reason first";
    for (line, input) in [(apply.as_str(), ""), (add, standby.as_str())] {
        let output = shell(&local, line, input).await;
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    for (slot, provider, cut, attempt) in [
        (
            "support-bot-openrouter",
            ProviderName::OpenRouter,
            ProviderCall::Create,
            2,
        ),
        (
            "search-bot-openai",
            ProviderName::OpenAi,
            ProviderCall::Create,
            2,
        ),
        (
            "billing-bot-anthropic",
            ProviderName::Anthropic,
            ProviderCall::Change,
            1,
        ),
    ] {
        let secrets = local.secrets();
        let secret = secrets.iter().find(|s| s.slot.as_str() == slot).unwrap();
        let simulator = deployment.simulator_at(provider);
        let agent = Agent::start(deployment, provider, secret).await;
        simulator.spoil(cut, Times::Once, Fault::silence().after_effect());
        let begun = shell(&local, &format!("keyward rotate {slot}"), "").await;
        let token = token(&text(&begun.stdout));
        let met = async || simulator.pending_faults().is_empty();
        deployment.until("the call that is cut", met).await;
        deployment.kill_rotate().await;

        deployment
            .pass(&[secret], SignedDuration::from_hours(1))
            .await;
        deployment.four_steps(secret, &token).await;
        let current = deployment
            .version(&secret.slot, VersionState::Current)
            .await;
        assert_eq!(current.id.attempt, attempt, "{slot}");
        agent.fetch(deployment, secret).await;
        drop(agent);
        deployment
            .pass(&[secret], SignedDuration::from_hours(25))
            .await;
        deployment.retire_all(secret).await;
        for version in deployment.versions(&secret.slot).await {
            let lives = version.state == VersionState::Current;
            if version.fingerprint.is_some() {
                let at = deployment.assert_at_provider(&secret.slot, &version, lives);
                at.await;
            } else if let Some(label) = &version.label {
                let lost = simulator.key_by_label(label.as_str()).unwrap();
                assert!(!lost.is_live(), "{slot}: nobody has its text: {lost:?}");
            }
        }
        assert_eq!(simulator.failed_agent_calls(), [], "{slot}");
        assert!(simulator.agent_calls().len() > 3, "{slot}");
    }
    deployment.assert_no_key_text().await;
}
