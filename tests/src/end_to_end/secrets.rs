//! Secrets, their slots, and their rotation, as people and Secrets Manager go about them.

use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_secretsmanager::primitives::Blob;
use aws_sdk_secretsmanager::types::{RotationRulesType, Tag};
use keyward_core::model::fleet::Fleet;
use keyward_core::model::names::{SecretArn, SecretVersionId, SlotName};
use keyward_core::model::slot::ProviderName;
use keyward_core::model::version::VersionState;
use keyward_core::ports::{SecretDescription, Stage, TAG_SLOT, TAG_STACK};
use keyward_core::rules::policy::interval_days;
use keyward_core::usecases::register::{Registered, register};
use serde_json::json;

use super::{Deployment, STACK};
use crate::support::Backend as _;

/// A secret, and the slot that it belongs to.
#[derive(Debug, Clone)]
pub struct Secret {
    /// The slot.
    pub slot: SlotName,
    /// The secret's ARN.
    pub arn: SecretArn,
    /// The version that it was created with.
    pub first: SecretVersionId,
}

fn token() -> SecretVersionId {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    let count = COUNT.fetch_add(1, Ordering::SeqCst);
    format!("e2e00000-0000-4000-8000-{count:012}")
        .parse()
        .unwrap()
}

impl Deployment {
    /// Creates a secret that holds `text`, for the slot `slot`.
    pub async fn create(&self, slot: &str, text: &str) -> Secret {
        let first = token();
        let create = self.client.create_secret().name(format!("llm/{slot}"));
        let create = create.client_request_token(first.as_str());
        let create = create.tags(Tag::builder().key(TAG_STACK).value(STACK).build());
        let created = create.secret_string(text).send().await.unwrap();
        Secret {
            slot: slot.parse().unwrap(),
            arn: created.arn().unwrap().parse().unwrap(),
            first,
        }
    }

    /// Registers the slots of `secrets`, all in one fleet.
    pub async fn register(&self, secrets: &[&Secret]) -> Vec<Registered> {
        let agent = |s: &&Secret| {
            let people = json!({"owner": "ana@example.com", "environment": "prod"});
            (s.slot.to_string(), people)
        };
        let slot = |s: &&Secret| {
            let entry = json!({
                "agent": s.slot, "account": "openrouter-main", "secret": s.arn,
                "expected_spend": {"daily_cents": 2000, "monthly_cents": 60000},
            });
            (s.slot.to_string(), entry)
        };
        let fleet = json!({
            "version": 1,
            "accounts": {"openrouter-main": {"provider": "openrouter"}},
            "agents": secrets.iter().map(agent).collect::<serde_json::Map<_, _>>(),
            "slots": secrets.iter().map(slot).collect::<serde_json::Map<_, _>>(),
        });
        let planned = Fleet::from_json(&fleet.to_string()).unwrap().check();
        let planned = planned.unwrap();
        let mut registered = Vec::new();
        for secret in secrets {
            let planned = planned.iter().find(|p| p.name == secret.slot).unwrap();
            registered.push(register(&self.ports, planned).await.unwrap());
        }
        registered
    }

    /// Registers one slot at any provider, where that provider's keys live.
    pub async fn register_at(&self, provider: ProviderName, secret: &Secret) -> Registered {
        let account = format!("{provider}-main");
        let fleet = json!({
            "version": 1,
            "accounts": {account.as_str(): {"provider": provider}},
            "agents": {secret.slot.as_str(): {"owner": "ana@example.com", "environment": "prod"}},
            "slots": {secret.slot.as_str(): {
                "agent": secret.slot, "account": account, "secret": secret.arn,
                "scope": self.providers.at(provider).scope(),
                "expected_spend": {"daily_cents": 2000, "monthly_cents": 60000},
            }},
        });
        let planned = Fleet::from_json(&fleet.to_string()).unwrap().check();
        register(&self.ports, &planned.unwrap()[0]).await.unwrap()
    }

    /// Turns rotation on without starting one: Secrets Manager only tests.
    pub async fn turn_rotation_on(&self, secret: &Secret, days: i64) {
        let rules = RotationRulesType::builder().automatically_after_days(days);
        let rotate = self.client.rotate_secret().secret_id(secret.arn.as_str());
        let rotate = rotate.rotation_lambda_arn(&self.rotate);
        let rotate = rotate.rotation_rules(rules.build());
        rotate.rotate_immediately(false).send().await.unwrap();
    }

    /// Turns rotation on and starts the first: the token that it runs under.
    pub async fn first_rotation(&self, secret: &Secret) -> SecretVersionId {
        let days = interval_days(&self.slot(&secret.slot).await.policy);
        let rules = RotationRulesType::builder().automatically_after_days(days);
        let token = token();
        let rotate = self.client.rotate_secret().secret_id(secret.arn.as_str());
        let rotate = rotate.client_request_token(token.as_str());
        let rotate = rotate.rotation_lambda_arn(&self.rotate);
        let rotate = rotate.rotation_rules(rules.build());
        rotate.send().await.unwrap();
        token
    }

    /// Starts another rotation: the token that it runs under, or the code of the refusal.
    ///
    /// # Errors
    /// What Secrets Manager refused it with.
    pub async fn rotation(&self, secret: &Secret) -> Result<SecretVersionId, String> {
        let token = token();
        let rotate = self.client.rotate_secret().secret_id(secret.arn.as_str());
        let started = rotate.client_request_token(token.as_str()).send().await;
        match started {
            Ok(_) => Ok(token),
            Err(error) => {
                let code = error.into_service_error().meta().code().map(str::to_owned);
                Err(code.unwrap_or_default())
            }
        }
    }

    /// Waits until the rotation has made its key current, in the secret and in the inventory.
    pub async fn rotated(&self, secret: &Secret, token: &SecretVersionId) {
        self.until("the end of a rotation", async || {
            let versions = self.versions(&secret.slot).await;
            let mut current = versions.iter().filter(|v| v.state == VersionState::Current);
            current.any(|v| v.id.secret_version == *token)
        })
        .await;
    }

    /// Labels and tags of a secret.
    pub async fn describe(&self, secret: &Secret) -> SecretDescription {
        self.ports
            .secrets
            .describe(secret.arn.as_str())
            .await
            .unwrap()
    }

    /// What agents fetch.
    pub async fn current(&self, secret: &Secret) -> String {
        let get = self
            .client
            .get_secret_value()
            .secret_id(secret.arn.as_str());
        let value = get.send().await.unwrap();
        value.secret_string().unwrap().to_owned()
    }

    /// What one version holds.
    pub async fn value(&self, secret: &Secret, version: &SecretVersionId) -> String {
        let get = self
            .client
            .get_secret_value()
            .secret_id(secret.arn.as_str());
        let value = get.version_id(version.as_str()).send().await.unwrap();
        value.secret_string().unwrap().to_owned()
    }

    /// Somebody stores another text by hand, under AWSCURRENT.
    pub async fn put(&self, secret: &Secret, text: &str) {
        let put = self
            .client
            .put_secret_value()
            .secret_id(secret.arn.as_str());
        let put = put.client_request_token(token().as_str());
        put.secret_string(text).send().await.unwrap();
    }

    /// A rotation that nobody is at work on left its label AWSPENDING behind.
    pub async fn leave_pending(&self, secret: &Secret) -> SecretVersionId {
        let left = token();
        let put = self
            .client
            .put_secret_value()
            .secret_id(secret.arn.as_str());
        let put = put.client_request_token(left.as_str());
        let put = put.version_stages(Stage::Pending.to_string());
        put.secret_string("EXAMPLE").send().await.unwrap();
        left
    }

    /// Somebody stores bytes by hand, under AWSCURRENT.
    pub async fn put_bytes(&self, secret: &Secret, bytes: &[u8]) {
        let put = self
            .client
            .put_secret_value()
            .secret_id(secret.arn.as_str());
        let put = put.client_request_token(token().as_str());
        put.secret_binary(Blob::new(bytes)).send().await.unwrap();
    }

    /// Somebody names another slot in the secret's tag.
    pub async fn tag_slot(&self, secret: &Secret, slot: &str) {
        let tag = Tag::builder().key(TAG_SLOT).value(slot).build();
        let request = self.client.tag_resource().secret_id(secret.arn.as_str());
        request.tags(tag).send().await.unwrap();
    }
}
