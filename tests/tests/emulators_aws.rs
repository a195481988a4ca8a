//! The AWS adapters keep the contracts of their ports, on emulators.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use aws_config::sts::AssumeRoleProvider;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_secretsmanager::primitives::Blob;
use aws_sdk_secretsmanager::types::RotationRulesType;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use jiff::Timestamp;
use keyward_aws::{
    CloudWatchAlarms, CloudWatchMetrics, DynamoInventory, ReqwestClient, SecretsManager, SnsAlerts,
    create_table,
};
use keyward_core::model::alarm::AlarmArn;
use keyward_core::model::alert::Alert;
use keyward_core::model::names::{SecretArn, SlotName};
use keyward_core::ports::{
    Acts, AlarmSource, Alerts, Clock, Inventory, KillAlarms, Metrics, SecretStore,
};
use keyward_lambda::clock::SystemClock;
use keyward_testkit::contract::alarms::{AlarmOn, AlarmSubject};
use keyward_testkit::contract::alerts::AlertSubject;
use keyward_testkit::contract::census::CensusSubject;
use keyward_testkit::contract::kill_alarms::KillAlarmSubject;
use keyward_testkit::contract::metrics::MetricSubject;
use keyward_testkit::contract::offboardings::CaseSubject;
use keyward_testkit::contract::pools::PoolSubject;
use keyward_testkit::contract::risks::RiskSubject;
use keyward_testkit::contract::secrets::{First, SecretSubject};
use keyward_testkit::contract::usage::UsageSubject;
use keyward_testkit::contract::{
    self, Deviation, acts, alarms, alerts, census, inventory, kill_alarms, metrics, offboardings,
    pools, risks, secrets, usage,
};
use keyward_tests::emulators::{Function, Ministack, Moto, Topic, http_client};
use serde_json::{Value, json};

/// A secret store on moto, and the client that makes secrets ready.
struct Secrets {
    store: SecretsManager,
    client: aws_sdk_secretsmanager::Client,
    function: String,
}

#[async_trait]
impl SecretSubject for Secrets {
    fn store(&self) -> &dyn SecretStore {
        &self.store
    }

    async fn create(&self, name: &str, first: First<'_>) -> SecretArn {
        let request = self.client.create_secret().name(name);
        let request = match first {
            First::Nothing => request,
            First::Text(id, text) => request
                .client_request_token(id.as_str())
                .secret_string(text),
            First::Bytes => request.secret_binary(Blob::new([0xff, 0x00])),
        };
        let created = request.send().await.expect("created");
        let arn = created.arn().expect("an ARN");
        arn.parse().expect("a valid ARN")
    }

    async fn turn_rotation_on(&self, arn: &SecretArn) {
        let rules = RotationRulesType::builder()
            .automatically_after_days(30)
            .build();
        let request = self.client.rotate_secret().secret_id(arn.as_str());
        let request = request
            .rotation_lambda_arn(&self.function)
            .rotation_rules(rules)
            .rotate_immediately(false);
        request.send().await.expect("configured");
    }

    async fn turn_rotation_off(&self, arn: &SecretArn) {
        let request = self.client.cancel_rotate_secret().secret_id(arn.as_str());
        request.send().await.expect("cancelled");
    }
}

/// What moto does otherwise than AWS documents it. The in-memory store and recorded answers stand for these.
const MOTO: &[Deviation] = &[Deviation {
    check: "a_version_keeps_its_value",
    reason: "moto overwrites the value of a version that carries AWSPENDING",
}];

#[tokio::test]
async fn secrets_manager_on_moto() {
    let Some(moto) = Moto::start().await else {
        return;
    };
    let config = moto.sdk_config().await;
    let subject = Secrets {
        store: SecretsManager::new(&config),
        client: aws_sdk_secretsmanager::Client::new(&config),
        function: moto.deploy(&accepts_everything()).await,
    };
    let count = contract::run(secrets::CHECKS, &subject as &dyn SecretSubject, MOTO).await;
    assert_eq!(count, secrets::CHECKS.len() - MOTO.len());
}

/// What is otherwise for secrets of another account.
const ELSEWHERE: &[Deviation] = &[
    Deviation {
        check: "a_secret_is_described_by_arn_and_by_name",
        reason: "a name alone is one of the own account; slots name their secrets by ARN",
    },
    Deviation {
        check: "rotation_is_seen_on_and_off",
        reason: "moto looks for the rotation function in the account of the secret",
    },
    Deviation {
        check: "a_rotation_is_refused_while_another_is_unfinished",
        reason: "moto looks for the rotation function in the account of the secret",
    },
    Deviation {
        check: "a_rotation_starts_once_for_a_token",
        reason: "moto looks for the rotation function in the account of the secret",
    },
];

/// Secrets of another account than the one that the store runs in: moto tells accounts apart by whose credentials are used.
#[tokio::test]
async fn secrets_of_another_account_by_a_role_in_it() {
    let Some(moto) = Moto::start().await else {
        return;
    };
    let config = moto.sdk_config().await;
    let role = "arn:aws:iam::444455556666:role/secrets";
    let theirs = AssumeRoleProvider::builder(role).session_name("owner");
    let theirs = theirs.configure(&config).build().await;
    let theirs = config
        .to_builder()
        .credentials_provider(SharedCredentialsProvider::new(theirs))
        .build();
    let roles = json!({"444455556666": role}).to_string();
    let store = SecretsManager::new(&config);
    let subject = Secrets {
        store: store
            .with_roles(&config, &roles.parse().expect("roles"))
            .await,
        client: aws_sdk_secretsmanager::Client::new(&theirs),
        function: String::new(),
    };
    let arn = subject.create("of-another-account", First::Nothing).await;
    assert!(arn.as_str().contains(":444455556666:"), "{arn}");
    let without = SecretsManager::new(&config).describe(arn.as_str()).await;
    assert!(without.is_err(), "moto does not tell accounts apart");
    let deviations = [MOTO, ELSEWHERE].concat();
    let count = contract::run(secrets::CHECKS, &subject as &dyn SecretSubject, &deviations).await;
    assert_eq!(count, secrets::CHECKS.len() - deviations.len());
}

#[tokio::test]
async fn admin_keys_are_read_from_every_shape() {
    let Some(moto) = Moto::start().await else {
        return;
    };
    let config = moto.sdk_config().await;
    let subject = Secrets {
        store: SecretsManager::new(&config),
        client: aws_sdk_secretsmanager::Client::new(&config),
        function: String::new(),
    };
    let id = "ad3149a1-aaaa-4bbb-8ccc-000000000001"
        .parse()
        .expect("a valid id");
    for (name, text, is_read) in [
        ("plain", "sk-or-v1-EXAMPLE-admin", true),
        ("api-key", r#"{"api_key":"sk-or-v1-EXAMPLE-admin"}"#, true),
        (
            "admin-key",
            r#"{"admin_key":"sk-or-v1-EXAMPLE-admin"}"#,
            true,
        ),
        ("neither", r#"{"key":"sk-or-v1-EXAMPLE-admin"}"#, false),
        ("broken", r#"{"api_key":"sk-or-v1-EXAMPLE-admin""#, false),
    ] {
        let arn = subject.create(name, First::Text(&id, text)).await;
        let read = subject.store.admin_key(&arn).await;
        assert_eq!(read.is_ok(), is_read, "{name}: {read:?}");
        assert!(!format!("{read:?}").contains("EXAMPLE"), "{name}: {read:?}");
    }
}

async fn table(config: &aws_config::SdkConfig) -> &'static str {
    let name = "keyward";
    let client = aws_sdk_dynamodb::Client::new(config);
    create_table(&client, name).await.expect("created");
    name
}

#[tokio::test]
async fn inventory_on_ministack() {
    let Some(ministack) = Ministack::start().await else {
        return;
    };
    let config = ministack.sdk_config().await;
    let table = table(&config).await;
    let inventory: &dyn Inventory = &DynamoInventory::new(&config, table);
    let count = contract::run(inventory::CHECKS, inventory, &[]).await;
    assert_eq!(count, inventory::CHECKS.len());
}

#[tokio::test]
async fn pools_acts_and_usage_on_ministack() {
    let Some(ministack) = Ministack::start().await else {
        return;
    };
    let config = ministack.sdk_config().await;
    let table = table(&config).await;
    let inventory = DynamoInventory::new(&config, table);
    let count = contract::run(pools::CHECKS, &inventory as &dyn PoolSubject, &[]).await;
    assert_eq!(count, pools::CHECKS.len());
    let count = contract::run(acts::CHECKS, &inventory as &dyn Acts, &[]).await;
    assert_eq!(count, acts::CHECKS.len());
    let count = contract::run(census::CHECKS, &inventory as &dyn CensusSubject, &[]).await;
    assert_eq!(count, census::CHECKS.len());
    let count = contract::run(usage::CHECKS, &inventory as &dyn UsageSubject, &[]).await;
    assert_eq!(count, usage::CHECKS.len());
    let count = contract::run(risks::CHECKS, &inventory as &dyn RiskSubject, &[]).await;
    assert_eq!(count, risks::CHECKS.len());
    let count = contract::run(offboardings::CHECKS, &inventory as &dyn CaseSubject, &[]).await;
    assert_eq!(count, offboardings::CHECKS.len());
}

/// Passes requests on, but loses the answer to the first write.
#[derive(Debug)]
struct LosesAnAnswer {
    client: ReqwestClient,
    lost: Arc<AtomicBool>,
}

impl HttpClient for LosesAnAnswer {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Line {
            inner: self.client.http_connector(settings, components),
            lost: self.lost.clone(),
        })
    }
}

#[derive(Debug)]
struct Line {
    inner: SharedHttpConnector,
    lost: Arc<AtomicBool>,
}

impl HttpConnector for Line {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let is_write = target.ends_with("TransactWriteItems");
        let answer = self.inner.call(request);
        if is_write && !self.lost.swap(true, Ordering::SeqCst) {
            return HttpConnectorFuture::new(async move {
                answer.await?;
                Err(ConnectorError::timeout("the answer was lost".into()))
            });
        }
        answer
    }
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_no_conflict() {
    let Some(ministack) = Ministack::start().await else {
        return;
    };
    let config = ministack.sdk_config().await;
    let table = table(&config).await;
    let slot = contract::inventory::example_slot("lost-answer");
    let lost = Arc::new(AtomicBool::new(false));
    let client = LosesAnAnswer {
        client: ReqwestClient::new(http_client()),
        lost: lost.clone(),
    };
    let config = config
        .into_builder()
        .http_client(SharedHttpClient::new(client))
        .build();
    let inventory = DynamoInventory::new(&config, table);
    let created = inventory.create_slot(&slot, None).await;
    created.expect("the repeated write is the same write");
    assert!(lost.load(Ordering::SeqCst));
    let stored = inventory.slot(&slot.name).await.expect("read");
    let stored = stored.expect("the slot is there");
    lost.store(false, Ordering::SeqCst);
    let saved = inventory.save_slot(&stored).await;
    saved.expect("the repeated write is the same write");
    let twice = inventory.slot(&slot.name).await.expect("read");
    assert_eq!(
        twice.expect("the slot is there").revision,
        stored.revision.next()
    );
}

/// Alerts, and what arrives of them.
struct Alerted {
    alerts: SnsAlerts,
    topic: Topic,
}

#[async_trait]
impl AlertSubject for Alerted {
    fn alerts(&self) -> &dyn Alerts {
        &self.alerts
    }

    async fn arrived(&self) -> Vec<Alert> {
        let read = |envelope: Value| {
            let subject = envelope["Subject"].as_str().expect("a subject");
            assert!(subject.starts_with("[page] Keyward: "), "{subject}");
            let message = envelope["Message"].as_str().expect("a message");
            let alert: Alert = serde_json::from_str(message).expect("an alert");
            let slot = envelope["MessageAttributes"]["slot"]["Value"].as_str();
            assert_eq!(slot, alert.slot.as_ref().map(SlotName::as_str));
            alert
        };
        self.topic.receive(10).await.into_iter().map(read).collect()
    }
}

#[tokio::test]
async fn alerts_on_ministack() {
    let Some(ministack) = Ministack::start().await else {
        return;
    };
    let config = ministack.sdk_config().await;
    let topic = Topic::create(&ministack, "alerts").await;
    let subject = Alerted {
        alerts: SnsAlerts::new(&config, &topic.arn),
        topic,
    };
    let count = contract::run(alerts::CHECKS, &subject as &dyn AlertSubject, &[]).await;
    assert_eq!(count, alerts::CHECKS.len());
}

/// Alarms that are made and set by hand.
struct InCloudWatch {
    alarms: CloudWatchAlarms,
    client: aws_sdk_cloudwatch::Client,
}

#[async_trait]
impl AlarmSubject for InCloudWatch {
    fn alarms(&self) -> &dyn AlarmSource {
        &self.alarms
    }

    async fn make(&self, name: &str, on: AlarmOn, tags: &[(&str, &str)]) -> AlarmArn {
        use aws_sdk_cloudwatch::types::{ComparisonOperator, Statistic, Tag};
        let tag = |(key, value): &(&str, &str)| Tag::builder().key(*key).value(*value).build();
        let tags = (!tags.is_empty()).then(|| tags.iter().map(tag).collect());
        match on {
            AlarmOn::Metric => {
                let request = self.client.put_metric_alarm().alarm_name(name);
                let request = request.metric_name("KillScore").namespace("Keyward");
                let request = request.statistic(Statistic::Maximum).period(60);
                let request = request.evaluation_periods(1).threshold(1.0);
                let operator = ComparisonOperator::GreaterThanOrEqualToThreshold;
                let made = request.comparison_operator(operator).set_tags(tags).send();
                made.await.expect("made");
            }
            AlarmOn::Alarms => {
                let child = format!("{name}-child");
                self.make(&child, AlarmOn::Metric, &[]).await;
                let request = self.client.put_composite_alarm().alarm_name(name);
                let request = request.alarm_rule(format!("ALARM(\"{child}\")"));
                request.set_tags(tags).send().await.expect("made");
            }
        }
        let arn = format!("arn:aws:cloudwatch:us-east-1:000000000000:alarm:{name}");
        arn.parse().expect("an ARN")
    }

    async fn set(&self, alarm: &AlarmArn, state: &str) -> Timestamp {
        let request = self.client.set_alarm_state().alarm_name(alarm.name());
        let request = request.state_value(state.into()).state_reason("a test");
        request.send().await.expect("set");
        SystemClock.now()
    }
}

#[tokio::test]
async fn alarms_on_ministack() {
    let Some(ministack) = Ministack::start().await else {
        return;
    };
    let config = ministack.sdk_config().await;
    let subject = InCloudWatch {
        alarms: CloudWatchAlarms::new(&config),
        client: aws_sdk_cloudwatch::Client::new(&config),
    };
    let count = contract::run(alarms::CHECKS, &subject as &dyn AlarmSubject, &[]).await;
    assert_eq!(count, alarms::CHECKS.len());
}

impl KillAlarmSubject for InCloudWatch {
    fn keeper(&self) -> &dyn KillAlarms {
        &self.alarms
    }

    fn source(&self) -> &dyn AlarmSource {
        &self.alarms
    }

    fn topic(&self) -> String {
        "arn:aws:sns:us-east-1:000000000000:alarms".to_owned()
    }
}

#[tokio::test]
async fn kill_alarms_on_ministack() {
    let Some(ministack) = Ministack::start().await else {
        return;
    };
    let config = ministack.sdk_config().await;
    let subject = InCloudWatch {
        alarms: CloudWatchAlarms::new(&config),
        client: aws_sdk_cloudwatch::Client::new(&config),
    };
    let subject = &subject as &dyn KillAlarmSubject;
    let count = contract::run(kill_alarms::CHECKS, subject, &[]).await;
    assert_eq!(count, kill_alarms::CHECKS.len());
}

fn accepts_everything() -> Function<'static> {
    Function {
        name: "accepts-everything",
        program: concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/emulators/rotation_function.py"
        )
        .as_ref(),
        variables: &[],
        timeout: 10,
    }
}

#[tokio::test]
async fn functions_run_and_end_with_their_emulator() {
    let Some(moto) = Moto::start().await else {
        return;
    };
    moto.deploy(&accepts_everything()).await;
    let event = json!({"Step": "testSecret", "SecretId": "some-secret"});
    for _ in 0..2 {
        let answer = moto.invoke("accepts-everything", &event).await;
        assert_eq!(answer, (Value::Null, false));
    }
    let log = moto.log("accepts-everything");
    assert_eq!(log.matches("testSecret some-secret").count(), 2, "{log}");
    let pids: Vec<&str> = log
        .lines()
        .filter_map(|line| line.strip_prefix("pid "))
        .collect();
    let [pid] = pids.as_slice() else {
        panic!("one process takes all events: {log}");
    };
    let process = std::path::Path::new("/proc").join(pid);
    assert!(process.exists());
    let url = moto.url().to_owned();
    drop(moto);
    assert!(!process.exists());
    let gone = http_client().get(&url).send().await;
    gone.expect_err("nothing answers there any more");
}

#[tokio::test]
async fn a_function_that_ends_is_an_error() {
    let Some(moto) = Moto::start().await else {
        return;
    };
    let function = Function {
        name: "ends",
        program: "/bin/false".as_ref(),
        ..accepts_everything()
    };
    moto.deploy(&function).await;
    let (answer, is_error) = moto.invoke("ends", &json!({})).await;
    assert!(is_error);
    assert_eq!(answer["errorType"], "Runtime.ExitError");
}

/// Metrics that are read back as an alarm reads them.
struct PutMetrics {
    metrics: CloudWatchMetrics,
    client: aws_sdk_cloudwatch::Client,
}

#[async_trait]
impl MetricSubject for PutMetrics {
    fn metrics(&self) -> &dyn Metrics {
        &self.metrics
    }

    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    async fn maximum(&self, name: &str, dimensions: &[(&str, &str)]) -> Option<f64> {
        use aws_sdk_cloudwatch::primitives::DateTime;
        use aws_sdk_cloudwatch::types::{Dimension, Statistic};
        let dimension = |(name, value): &(&str, &str)| {
            let dimension = Dimension::builder().name(*name).value(*value);
            dimension.build()
        };
        let now = SystemClock.now().as_second();
        let request = self.client.get_metric_statistics();
        let request = request.namespace("Keyward").metric_name(name);
        let request = request.set_dimensions(Some(dimensions.iter().map(dimension).collect()));
        let request = request.start_time(DateTime::from_secs(now - 7200));
        let request = request.end_time(DateTime::from_secs(now + 60)).period(60);
        let answer = request.statistics(Statistic::Maximum).send().await;
        let answer = answer.expect("statistics");
        let values = answer.datapoints().iter().filter_map(|d| d.maximum());
        values.reduce(f64::max)
    }
}

#[tokio::test]
async fn metrics_on_ministack() {
    let Some(ministack) = Ministack::start().await else {
        return;
    };
    let config = ministack.sdk_config().await;
    let subject = PutMetrics {
        metrics: CloudWatchMetrics::new(&config),
        client: aws_sdk_cloudwatch::Client::new(&config),
    };
    let count = contract::run(metrics::CHECKS, &subject as &dyn MetricSubject, &[]).await;
    assert_eq!(count, metrics::CHECKS.len());
}
