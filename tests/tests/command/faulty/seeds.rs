//! One fault of each rule, made as it comes about: at the provider, in AWS, in the fleet file; and in the records, where it takes
//! weeks.

use aws_sdk_cloudwatch::types::ComparisonOperator;
use aws_sdk_dynamodb::types::AttributeValue;
use keyward_aws::DynamoInventory;
use keyward_core::model::finding::ShownHandle;
use keyward_core::model::names::KeyHandle;
use keyward_core::model::slot::{Killed, Mode, PendingSeen, ProviderName, SlotState};
use keyward_core::ports::{TAG_SLOT, UsageStore as _};
use keyward_testkit::simulator::Simulator;
use keyward_tests::emulators::{Function, http_client};
use keyward_tests::end_to_end::alarm_of;
use keyward_tests::support::agent_call;
use secrecy::ExposeSecret;
use serde_json::json;

use super::stage::{CANARY, Found, SEALED, Stage};
use super::*;

/// A policy that lets everybody read.
const WIDE: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Principal":"*","Resource":"*"}]}"#;

/// A role that reads secrets.
pub(super) const ROLE: &str = "arn:aws:iam::123456789012:role/agents";

/// Somebody's alarm.
pub(super) const ALARM: &str = "spend";

/// An item of the slot `damaged` that is none.
pub(super) const BROKEN: (&str, &str) = ("SLOT#damaged", "VERSION#broken");

/// What was made beside slots, for whoever takes it away again.
pub(super) struct Made {
    /// Keys at providers that no slot has.
    pub(super) strays: Vec<(ProviderName, KeyHandle)>,
    /// What is to be found, and nothing else.
    pub(super) expected: BTreeSet<Found>,
    /// A secret for an admin credential, in which none is.
    pub(super) empty: String,
}

impl Stage {
    pub(super) fn now(&self) -> jiff::Timestamp {
        self.deployment().ports.clock.now()
    }

    fn ago(&self, hours: i64) -> jiff::Timestamp {
        self.now() - SignedDuration::from_hours(hours)
    }

    fn at(&self, provider: ProviderName) -> &Simulator {
        self.deployment().simulator_at(provider)
    }

    pub(super) async fn secrets_manager(&self) -> aws_sdk_secretsmanager::Client {
        aws_sdk_secretsmanager::Client::new(&self.deployment().moto.sdk_config().await)
    }

    pub(super) async fn dynamo(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.deployment().ministack.sdk_config().await)
    }

    pub(super) async fn cloudwatch(&self) -> aws_sdk_cloudwatch::Client {
        aws_sdk_cloudwatch::Client::new(&self.deployment().ministack.sdk_config().await)
    }

    /// Makes one fault of each rule.
    pub(super) async fn seed(&mut self) -> Made {
        let mut made = Made {
            strays: Vec::new(),
            expected: BTreeSet::new(),
            empty: String::new(),
        };
        // The fleet file first: nothing of it is applied while a slot cannot be read or has no secret.
        self.around(&mut made).await;
        self.in_records(&mut made).await;
        self.at_providers(&mut made).await;
        self.in_aws(&mut made).await;
        self.audited.admin_secret("openrouter-main", &made.empty);
        made
    }

    /// What takes weeks, or somebody at work in the table.
    async fn in_records(&self, made: &mut Made) {
        let killed = self.ago(8 * 24);
        self.change("left-closed", |slot| {
            slot.state = SlotState::Restricted;
            slot.killed = Some(Killed {
                at: killed,
                epoch: slot.epoch,
                drill: None,
            });
        })
        .await;
        made.finds("slot-left-closed", "left-closed");
        // A slot that is restricted may spend less, and its limit follows.
        self.runs().await;
        self.change("agent-gone", |slot| slot.state = SlotState::Decommissioned)
            .await;
        made.finds("agent-gone-key-alive", "agent-gone");
        self.change("unsaid", |slot| slot.expected_assumed = true)
            .await;
        made.finds("cap-default", "unsaid");
        let failed = self.ago(1);
        self.change("failing", |slot| slot.told_failed = Some(failed))
            .await;
        made.finds("rotation-failing", "failing");
        let long_ago = self.ago(15 * 24);
        self.change("observes", |slot| {
            (slot.mode, slot.mode_since) = (Mode::Observe, Some(long_ago));
        })
        .await;
        made.finds("slot-observes", "observes");
        for (slot, days) in [("old", 62), ("overdue", 58)] {
            let made_at = self.ago(days * 24);
            self.change_keys(slot, |key| key.created = made_at).await;
            made.finds("rotation-overdue", slot);
        }
        made.finds("key-too-old", "old");
        let used = self.ago(31 * 24);
        self.change_keys("idle", |key| key.last_used = Some(used))
            .await;
        made.finds("key-idle", "idle");
        self.well("keyward rotate not-revoked --wait").await;
        let (secret, day) = (self.secret("not-revoked"), SignedDuration::from_hours(30));
        self.deployment().pass(&[&secret], day).await;
        made.finds("key-not-revoked", "not-revoked");
        let account = "anthropic-main".parse().unwrap();
        let config = self.deployment().ministack.sdk_config().await;
        let store = DynamoInventory::new(&config, &self.deployment().table);
        let mut usage = store.account(&account).await.unwrap().unwrap();
        usage.read_at = Some(self.ago(3));
        store.save_account(&usage).await.unwrap();
        made.finds("cap-none", "unwatched");
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let put = self.dynamo().await.put_item();
        let put = put.table_name(&self.deployment().table);
        let put = put.item("pk", text(BROKEN.0)).item("sk", text(BROKEN.1));
        let put = put.item("schema", AttributeValue::N("1".to_owned()));
        put.send().await.unwrap();
        made.finds(
            "inventory-row-damaged",
            &format!("{} / {}", BROKEN.0, BROKEN.1),
        );
    }

    /// What people do in the consoles of providers.
    async fn at_providers(&self, made: &mut Made) {
        let openrouter = self.driver(ProviderName::OpenRouter).await;
        let gone = self.handle("deleted-key").await;
        openrouter.delete(&gone).await.unwrap();
        made.finds("key-gone-at-provider", "deleted-key");
        let disabled = self.handle("disabled-key").await;
        openrouter.disable(&disabled).await.unwrap();
        made.finds("key-refused-at-provider", "disabled-key");
        self.take_limit_off("cap-gone").await;
        made.finds("cap-not-at-provider", "cap-gone");
        let laptop = self.deployment().seed("laptop");
        let laptop = self.deployment().at_provider(&laptop).handle;
        made.stray(ProviderName::OpenRouter, laptop);
        let nameless = self.handle("nameless").await;
        self.change_keys("nameless", |key| key.handle = None).await;
        made.finds("key-handle-unknown", "nameless");
        made.stray(ProviderName::OpenRouter, nameless);

        // Made by hand a month ago, and never used.
        made.finds("key-of-a-person", "persons");
        made.finds("key-never-used", "persons");
        made.finds("key-format-leaving", "old-format");

        // A key that is dead by its record is alive, and used.
        let openai = self.at(ProviderName::OpenAi);
        let undead = openai.seed("undead");
        let handle = self.listed(ProviderName::OpenAi, &undead).await;
        self.change_keys("undead", |key| {
            if key.state == VersionState::Revoked {
                key.handle = Some(handle.clone());
            }
        })
        .await;
        let status = agent_call(&http_client(), openai, undead.expose_secret()).await;
        assert!(status.is_some_and(|status| status.is_success()));
        made.finds("revoked-key-at-provider", "undead");
        made.finds("revoked-key-used", "undead");
        made.strays.push((ProviderName::OpenAi, handle));

        // Two records of one key; the other slot's own was deleted.
        let second = self.handle("shared-two").await;
        openrouter.delete(&second).await.unwrap();
        self.share("shared-one", "shared-two").await;
        made.finds("key-shared", "shared-two");

        let user = self.audited.iam.seed("console");
        let handle = self.listed(ProviderName::Bedrock, &user).await;
        let name = handle.ids().next().unwrap().to_owned();
        made.finds("bedrock-user-behind-your-back", &name);
        made.strays.push((ProviderName::Bedrock, handle));
    }

    /// One slot's key is put into another's secret, and into its record, which the inventory itself refuses.
    async fn share(&self, from: &str, to: &str) {
        let text = self.deployment().text_of(&from.parse().unwrap()).await;
        self.deployment().put(&self.secret(to), &text).await;
        let dynamo = self.dynamo().await;
        let key = async |slot: &str| {
            let name = slot.parse().unwrap();
            let current = self.deployment().version(&name, VersionState::Current);
            let text = |text: String| AttributeValue::S(text);
            [
                text(format!("SLOT#{slot}")),
                text(format!("VERSION#{}", current.await.id)),
            ]
        };
        let [pk, sk] = key(from).await;
        let get = dynamo.get_item().table_name(&self.deployment().table);
        let item = get.key("pk", pk).key("sk", sk).send().await.unwrap();
        let item = item.item.unwrap();
        let [pk, sk] = key(to).await;
        let update = dynamo.update_item().table_name(&self.deployment().table);
        let update = update.key("pk", pk).key("sk", sk);
        let update = update.update_expression("SET handle = :handle, fingerprint = :print");
        let update = update
            .expression_attribute_values(":handle", item["handle"].clone())
            .expression_attribute_values(":print", item["fingerprint"].clone());
        update.send().await.unwrap();
    }

    /// <https://openrouter.ai/docs/api-reference/api-keys/update-key>
    async fn take_limit_off(&self, slot: &str) {
        let handle = self.handle(slot).await;
        let simulator = self.at(ProviderName::OpenRouter);
        let key = simulator.management_key();
        let url = format!("{}/keys/{}", simulator.base_url(), handle.as_str());
        let request = http_client().patch(url).bearer_auth(key.expose_secret());
        let answer = request.json(&json!({ "limit": null })).send().await;
        assert!(answer.unwrap().status().is_success());
    }

    async fn in_aws(&self, made: &mut Made) {
        let client = self.secrets_manager().await;
        let untag = client.untag_resource();
        let untag = untag.secret_id(self.secret("untagged").arn.as_str());
        untag.tag_keys(TAG_SLOT).send().await.unwrap();
        made.finds("secret-untagged", "untagged");
        let cancel = client.cancel_rotate_secret();
        let cancel = cancel.secret_id(self.secret("untagged").arn.as_str());
        cancel.send().await.unwrap();
        made.finds("rotation-off", "untagged");
        let wide = client.put_resource_policy().resource_policy(WIDE);
        let wide = wide.secret_id(self.secret("reads-dev").arn.as_str());
        wide.send().await.unwrap();
        made.finds("secret-readable-widely", "reads-dev");
        let delete = client.delete_secret().recovery_window_in_days(7);
        let delete = delete.secret_id(self.secret("lost-secret").arn.as_str());
        delete.send().await.unwrap();
        made.finds("secret-gone", "lost-secret");
        let version = self.deployment().leave_pending(&self.secret("stuck")).await;
        let since = self.ago(2);
        self.change("stuck", |slot| {
            slot.pending_seen = Some(PendingSeen { version, since });
        })
        .await;
        made.finds("rotation-stuck", "stuck");

        let key = self.deployment().current(&self.secret("old")).await;
        let variables = [("OPENROUTER_API_KEY", key.as_str())];
        let function = Function {
            name: "bot",
            program: std::path::Path::new("/nowhere"),
            variables: &variables,
            timeout: 3,
        };
        let function = self.deployment().moto.deploy(&function).await;
        made.finds("key-in-function-variables", &function);

        let alarms = self.cloudwatch().await;
        let delete = alarms.delete_alarms().alarm_names(alarm_of("unguarded"));
        delete.send().await.unwrap();
        made.finds("slot-unguarded", "unguarded");
        let put = alarms.put_metric_alarm().alarm_name(ALARM);
        let put = put.namespace("LLM/Usage").metric_name("SpendUsd");
        let put = put.comparison_operator(ComparisonOperator::GreaterThanThreshold);
        let put = put
            .statistic("Sum".into())
            .period(300)
            .evaluation_periods(1);
        let put = put.threshold(500.0).alarm_actions(&self.guard.topic);
        put.send().await.unwrap();
        let told = alarms.describe_alarms().alarm_names(ALARM).send().await;
        let told = told.unwrap();
        let arn = told.metric_alarms()[0].alarm_arn().unwrap();
        made.finds("alarm-guards-nothing", arn);
        let create = client.create_secret().name("keyward/admin/empty");
        made.empty = create.send().await.unwrap().arn.unwrap();
        made.finds("admin-credential-old", "openrouter-main");
    }

    /// People who left or were never named, and what people look after.
    async fn around(&self, made: &mut Made) {
        self.edit(|fleet| {
            // Whoever gave the agent up took it out of the file.
            for part in ["slots", "agents"] {
                let part = fleet[part].as_object_mut().unwrap();
                part.remove("agent-gone").unwrap();
            }
            fleet["agents"]["owner-left"]["owner"] = json!("gone@example.com");
            fleet["agents"]["ownerless"]["owner"] = json!("nobody");
            let agent = fleet["agents"]["overdue"].as_object_mut().unwrap();
            agent.remove("backup_owner");
            fleet["slots"]["reads-dev"]["readers"] = json!([ROLE]);
            fleet["slots"][CANARY]["readers"] = json!([]);
            fleet["slots"]["observes"]["readers"] = json!([ROLE]);
        });
        self.well("keyward apply keyward.toml --reason seeded")
            .await;
        made.finds("owner-gone", "owner-left");
        made.finds("owner-missing", "ownerless");
        made.finds("owner-without-backup", "overdue");
        made.finds("reader-crosses-environments", ROLE);

        let account = "anthropic-main".parse().unwrap();
        let pools = &self.deployment().ports.pools;
        let mut pool = pools.pool(&account).await.unwrap().unwrap();
        let surplus = pool.standby.split_off(1);
        pool.standby[0].created = self.ago(40 * 24);
        pools.save_pool(&pool).await.unwrap();
        let driver = self.driver(ProviderName::Anthropic).await;
        for key in surplus {
            driver.disable(&key.handle).await.unwrap();
            driver.delete(&key.handle).await.unwrap();
        }
        made.strays
            .push((ProviderName::Anthropic, pool.standby[0].handle.clone()));
        made.finds("pool-low", "anthropic-main");
        made.finds("pool-old", "anthropic-main");
        // No sealed credential was ever tried, and no drill was ever made.
        for provider in SEALED {
            made.finds("break-glass-untried", &format!("{provider}-main"));
        }
        made.finds("kill-switch-not-drilled", "deployment");
    }

    /// What a person does to the fleet file.
    pub(super) fn edit(&self, change: impl FnOnce(&mut serde_json::Value)) {
        let file = self.folder.join("keyward.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let mut fleet: serde_json::Value = serde_json::from_str(&text).unwrap();
        change(&mut fleet);
        std::fs::write(file, fleet.to_string()).unwrap();
    }
}

impl Made {
    fn finds(&mut self, rule: &str, about: &str) {
        let found = (rule.to_owned(), about.to_owned());
        self.expected.insert(found);
    }

    fn stray(&mut self, provider: ProviderName, handle: KeyHandle) {
        let about = format!("{provider}-main/{}", ShownHandle::new(&handle));
        self.finds("key-not-in-inventory", &about);
        self.strays.push((provider, handle));
    }
}
