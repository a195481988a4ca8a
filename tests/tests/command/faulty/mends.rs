//! What mends each fault: the commands as they are printed, and what a person does at AWS, at providers and in the fleet file.
//!
//! A printed command is never changed here. What it leaves to a person is in files that it reads, which are written before: who
//! answers for a slot and what it spends in `keyward.toml`, new keys for a pool in `keys.txt`.

use aws_sdk_dynamodb::types::AttributeValue;
use keyward_aws::DynamoInventory;
use keyward_core::model::audit::AuditReport;
use keyward_core::model::slot::ProviderName;
use keyward_core::model::usage::Bucket;
use keyward_core::ports::UsageStore as _;
use keyward_core::rules::audit::{Mend, rule};
use keyward_tests::emulators::http_client;
use keyward_tests::support::agent_call;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::seeds::{ALARM, BROKEN, Made, ROLE};
use super::stage::{CANARY, SEALED, Stage};
use super::*;

/// Commands that show how something stands, and may say by how they end that it is not well.
const SHOWS: [&str; 3] = ["keyward status", "keyward doctor", "keyward import"];

impl Stage {
    /// Mends all that a report found: first where it is, then as it is printed.
    pub(super) async fn mend(&self, report: &AuditReport, made: &Made) {
        self.at_aws(made).await;
        self.beside_keyward(made).await;
        self.run_printed(report).await;
        for slot in [
            "agent-gone",
            "deleted-key",
            "disabled-key",
            "failing",
            "nameless",
            "not-revoked",
            "old",
            "old-format",
            "overdue",
            "persons",
            "reads-dev",
            "shared-one",
            "shared-two",
        ] {
            self.let_end(slot).await;
        }
        // What `retire` looks at every half hour, and the monitor every hour.
        let half = SignedDuration::from_mins(30);
        self.deployment().pass(&[&self.secret("stuck")], half).await;
        self.deployment().restart_monitor().await;
        self.runs().await;
    }

    /// Each command once. A rotation needs the others to have been: the fleet file is applied first.
    async fn run_printed(&self, report: &AuditReport) {
        let mut printed: Vec<String> = Vec::new();
        for entry in &report.findings {
            let finding = &entry.finding;
            let mend = rule(&finding.rule).unwrap().command;
            let command = finding
                .command
                .as_ref()
                .map(|command| command.as_str().to_owned());
            assert_eq!(
                command.is_none(),
                mend == Mend::Person || finding.slot.is_none() && matches!(mend, Mend::Slot(..)),
                "{}",
                finding.rule
            );
            printed.extend(command);
        }
        // What two slots share is let go of by both.
        printed.push("keyward rotate shared-one --wait".to_owned());
        printed.sort_unstable();
        printed.dedup();
        for line in &printed {
            if line.starts_with("keyward drill") {
                let slot = CANARY.parse().unwrap();
                self.guard.recovers(&slot).await;
                let ended = async {
                    let (code, said) = self.line(line).await;
                    (code == Some(0)).then_some(()).ok_or(said)
                };
                let drilled = async {
                    self.deployment().until_drilled(&slot).await;
                    Ok(())
                };
                tokio::try_join!(ended, drilled).unwrap();
                continue;
            }
            self.unseal(line);
            let (code, said) = self.line(line).await;
            let shows = SHOWS.iter().any(|shows| line.starts_with(shows));
            let shows = shows && !line.contains("--break-glass");
            assert!(
                code == Some(0) || shows && matches!(code, Some(1 | 2)),
                "{line}: {code:?} {said}"
            );
        }
    }

    /// Lays the sealed credential of the account ready that a line tries.
    fn unseal(&self, line: &str) {
        let of = |provider: &&ProviderName| line.contains(&format!("--account {provider}-main "));
        if let Some(provider) = SEALED.iter().find(of) {
            let sealed = self.deployment().simulator_at(*provider).management_key();
            let file = self.folder.join("break-glass.txt");
            std::fs::write(file, sealed.expose_secret()).unwrap();
        }
    }

    /// The monitor's last reading of an account was a while ago, and growth since is of buckets that are over.
    async fn read_earlier(&self, account: &str) {
        let config = self.deployment().ministack.sdk_config().await;
        let store = DynamoInventory::new(&config, &self.deployment().table);
        let read = store.account(&account.parse().unwrap()).await;
        let mut read = read.unwrap().unwrap();
        for figure in read.figures.values_mut() {
            figure.bucket = Bucket(figure.bucket.0 - 4);
        }
        read.read_at = Some(self.now() - SignedDuration::from_mins(20));
        store.save_account(&read).await.unwrap();
    }

    /// As a person does with AWS's own command.
    async fn at_aws(&self, made: &Made) {
        let client = self.secrets_manager().await;
        self.deployment()
            .turn_rotation_on(&self.secret("untagged"), 49)
            .await;
        let narrow = client.delete_resource_policy();
        narrow
            .secret_id(self.secret("reads-dev").arn.as_str())
            .send()
            .await
            .unwrap();
        let restore = client.restore_secret();
        restore
            .secret_id(self.secret("lost-secret").arn.as_str())
            .send()
            .await
            .unwrap();
        let put = client.put_secret_value().secret_id(&made.empty);
        put.secret_string("EXAMPLE").send().await.unwrap();
        let lambda = aws_sdk_lambda::Client::new(&self.deployment().moto.sdk_config().await);
        lambda
            .delete_function()
            .function_name("bot")
            .send()
            .await
            .unwrap();
        let alarms = self.cloudwatch().await;
        alarms
            .delete_alarms()
            .alarm_names(ALARM)
            .send()
            .await
            .unwrap();
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let delete = self
            .dynamo()
            .await
            .delete_item()
            .table_name(&self.deployment().table);
        let delete = delete.key("pk", text(BROKEN.0)).key("sk", text(BROKEN.1));
        delete.send().await.unwrap();
    }

    /// At providers, and in the fleet file that the printed commands apply.
    async fn beside_keyward(&self, made: &Made) {
        for (provider, handle) in &made.strays {
            let driver = self.driver(*provider).await;
            driver.disable(handle).await.ok();
            driver.delete(handle).await.unwrap();
        }
        let anthropic = |n| {
            let name = format!("new standby {n}");
            self.deployment().seed_at(ProviderName::Anthropic, &name) + "\n"
        };
        let keys: String = (0..3).map(anthropic).collect();
        std::fs::write(self.folder.join("keys.txt"), keys).unwrap();
        let openrouter = self.deployment().simulator_at(ProviderName::OpenRouter);
        let key = self.deployment().current(&self.secret("idle")).await;
        let status = agent_call(&http_client(), openrouter, &key).await;
        assert!(status.is_some_and(|status| status.is_success()));
        self.read_earlier("openrouter-main").await;
        self.edit(|fleet| {
            fleet["agents"]["owner-left"]["owner"] = json!("eve@example.com");
            fleet["agents"]["ownerless"]["owner"] = json!("eve@example.com");
            fleet["agents"]["overdue"]["backup_owner"] = json!("platform-team");
            fleet["slots"]["observes"]["readers"] = json!([ROLE]);
            fleet["slots"]["reads-dev"]["readers"] = json!([]);
        });
    }
}
