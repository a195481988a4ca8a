//! Admin credentials of OpenAI's as people make and keep them, and what a lockdown does to a stack.

use std::collections::BTreeMap;

use aws_sdk_secretsmanager::types::Tag;
use keyward_core::model::admin::AdminRecord;
use keyward_core::model::admin_document::AdminDocument;
use keyward_core::model::key::AdminKey;
use keyward_core::model::names::{SecretArn, SecretVersionId};
use keyward_core::model::secret_document::SecretText;
use keyward_core::model::slot::ProviderName;
use keyward_core::ports::{TAG_ADMIN, Verdict};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{Deployment, STACK};
use crate::emulators::http_client;
use crate::support::Backend as _;
use crate::template::FUNCTIONS;

/// The provider account whose admin credential Keyward makes.
pub const MINTED: &str = "openai-main";

impl Deployment {
    /// One of the account's secrets, by the field of the configuration that names it.
    fn secret_in(&self, field: &str) -> SecretArn {
        let accounts: Value = serde_json::from_str(&self.accounts).unwrap();
        accounts[MINTED][field].as_str().unwrap().parse().unwrap()
    }

    /// The secret of the account's admin credential.
    pub fn admin_secret(&self) -> SecretArn {
        self.secret_in("admin_secret")
    }

    /// Says on the admin secret whose it is, as `infra/README.md` has it.
    pub async fn tag_admin_secret(&self) {
        let tag = Tag::builder().key(TAG_ADMIN).value(MINTED).build();
        let secret = self.admin_secret();
        let request = self.client.tag_resource().secret_id(secret.as_str());
        request.tags(tag).send().await.unwrap();
    }

    /// Puts another credential where functions find it that only read.
    pub async fn store_to_read(&self, key: &AdminKey) {
        let secret = self.secret_in("read_secret");
        let put = self.client.put_secret_value().secret_id(secret.as_str());
        let put = put.secret_string(key.expose_secret());
        put.send().await.unwrap();
    }

    /// The admin credential that is in use.
    pub async fn admin_in_use(&self) -> AdminKey {
        let secret = self.admin_secret();
        let value = self.client.get_secret_value().secret_id(secret.as_str());
        let value = value.send().await.unwrap();
        let text = SecretText::new(value.secret_string().unwrap().to_owned());
        AdminDocument::parse(&text).unwrap().key().clone()
    }

    /// Whether the provider takes a credential for an administrator's.
    pub async fn takes_for_admin(&self, key: &AdminKey) -> bool {
        let driver = self.providers.at(ProviderName::OpenAi).driver();
        driver.admin().unwrap().accepts(key).await == Verdict::Live
    }

    fn admin_keys(&self) -> String {
        let simulator = self.simulator_at(ProviderName::OpenAi);
        format!("{}/organization/admin_api_keys", simulator.base_url())
    }

    /// A person makes an admin key in the provider's console, signed in by another.
    pub async fn make_admin_key(&self, by: &AdminKey, name: &str) -> AdminKey {
        let request = http_client().post(self.admin_keys());
        let request = request.bearer_auth(by.expose_secret());
        let answer = request.json(&json!({ "name": name })).send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
        let made: Value = answer.json().await.unwrap();
        AdminKey::new(made["value"].as_str().unwrap())
    }

    /// Somebody deletes an admin key there.
    pub async fn delete_admin_key(&self, by: &AdminKey, key: &AdminKey) {
        let driver = self.providers.at(ProviderName::OpenAi).driver();
        let admin = driver.admin().unwrap();
        let listed = admin.listed(by).await.unwrap();
        let mut fit = listed.iter().filter(|row| key.fits(row.redacted.as_str()));
        let handle = fit.next().unwrap().handle.clone();
        admin.revoke(by, &handle).await.unwrap();
    }

    /// The names of the admin keys that there are.
    pub async fn admin_key_names(&self, by: &AdminKey) -> Vec<String> {
        let driver = self.providers.at(ProviderName::OpenAi).driver();
        let listed = driver.admin().unwrap().listed(by).await.unwrap();
        let mut names: Vec<String> = listed.iter().map(|row| row.name.to_string()).collect();
        names.sort();
        names
    }

    /// Begins a rotation of the admin secret, as its schedule does.
    pub async fn rotate_admin(&self) {
        let used = self.admin_in_use().await.fingerprint();
        let token = SecretVersionId::from_seed(&format!("after {}", used.to_hex()));
        let secret = self.admin_secret();
        let rotate = self.client.rotate_secret().secret_id(secret.as_str());
        let rotate = rotate.client_request_token(token.as_str());
        rotate.send().await.unwrap();
    }

    /// The account's record, once there is one.
    pub async fn admin_record(&self) -> Option<AdminRecord> {
        let account = MINTED.parse().unwrap();
        self.ports.inventory.admin(&account).await.unwrap()
    }

    /// What each function of the stack may run at a time; `None` where nothing is set aside for it.
    pub async fn concurrency(&self) -> BTreeMap<String, Option<i32>> {
        let lambda = aws_sdk_lambda::Client::new(&self.ministack.sdk_config().await);
        let mut all = BTreeMap::new();
        for (name, _) in FUNCTIONS {
            let function = format!("{STACK}-{name}");
            let asked = lambda.get_function().function_name(&function);
            let found = asked.send().await.unwrap();
            let reserved = found
                .concurrency()
                .and_then(|c| c.reserved_concurrent_executions());
            all.insert(function, reserved);
        }
        all
    }

    /// Sets concurrency aside for a function, as the template does for the kill switch: ministack's stacks leave that out.
    pub async fn set_aside(&self, name: &str, number: i32) {
        let lambda = aws_sdk_lambda::Client::new(&self.ministack.sdk_config().await);
        let put = lambda.put_function_concurrency();
        let put = put.function_name(format!("{STACK}-{name}"));
        let put = put.reserved_concurrent_executions(number);
        put.send().await.unwrap();
    }

    /// From now on CloudTrail's event history has what is called.
    pub async fn keep_trail(&self) {
        let url = format!("{}/_ministack/config", self.ministack.url());
        let request = http_client().post(url);
        let request = request.json(&json!({ "cloudtrail._recording_enabled": true }));
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }
}
