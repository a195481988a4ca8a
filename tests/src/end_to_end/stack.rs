//! A deployment made of the template: ministack makes the stack and runs its functions as it configures them.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::types::StateValue;
use keyward_core::model::act_kind::ActKind;
use keyward_core::model::key::AdminKey;
use keyward_core::model::slot::ProviderName;
use keyward_testkit::simulator::Settings;
use serde_json::{Value, json};

use super::functions::TIMEOUT;
use super::monitor::{alarm_of, alarms};
use super::parts::{Parts, Place};
use super::{Deployment, STACK};
use crate::emulators::{REGION, Stacked, Topic};
use crate::functions::{Profile, build};
use crate::template::{FUNCTIONS, Template, program};

/// What was added to the stack, since emulators need it: each has its part in [`Deployment::of_template`] or in the front of
/// [`crate::local::Local::on_stack`].
pub const ADDED: [&str; 6] = [
    "each function is told AWS_ENDPOINT_URL_SECRETS_MANAGER: Secrets Manager is moto's, all else of AWS ministack's",
    "moto knows a function of the name of the stack's rotation function, and sends its events on to that",
    "a provider account of Bedrock's stands beside the others, and in it no slot: it says where IAM is, which the audit asks with the \
     credentials that ministack gives to functions",
    "a front stands for each of control's function URLs: it checks the signature, and invokes the alias that the URL is of",
    "queues hear the stack's two topics, so that what was published can be looked at",
    "an alarm whose score is put no more is set to OK: ministack leaves it in ALARM, whatever it treats missing data as",
];

/// The queues that what was not done ends in.
const DEAD_LETTERS: [&str; 5] = [
    "alarms-dead",
    "retire-failed",
    "monitor-failed",
    "kill-switch-failed",
    "audit-failed",
];

/// Where the functions run.
#[derive(Debug)]
pub(super) enum Home {
    /// On moto, each deployed by hand under its own name.
    Moto,
    /// On ministack, in a stack with these outputs.
    Stack(BTreeMap<String, String>),
}

impl Deployment {
    /// Makes a stack of the template, with accounts at these providers, OpenRouter among them; `None` where the emulators
    /// cannot be had. Confirmations do not wait, and everything is logged; else its parameters have their defaults.
    ///
    /// # Panics
    /// If a part does not start, or a resource is not made.
    pub async fn of_template(providers: &[ProviderName], settings: &Settings) -> Option<Self> {
        let template = Template::read()?;
        let parts = Parts::start(providers, settings).await?;
        let accounts = parts.accounts().await;
        let parameters = json!({
            "ProviderAccounts": accounts,
            "ConfirmOverSeconds": "0",
            "LogLevel": "trace",
        });
        let build = || FUNCTIONS.map(|(name, _)| build(Profile::Dev, program(name)).unwrap());
        let programs = tokio::task::spawn_blocking(build).await.unwrap();
        let made = parts
            .ministack
            .deploy_stack(STACK, &template.0, &parameters, &programs)
            .await;
        let Stacked {
            status, outputs, ..
        } = &made;
        assert_eq!(status, "CREATE_COMPLETE", "{:#?}", made.failed);
        for (name, _) in FUNCTIONS {
            let function = format!("{STACK}-{name}");
            let endpoint = "AWS_ENDPOINT_URL_SECRETS_MANAGER";
            let tell = parts.ministack.tell(&function, endpoint, parts.moto.url());
            tell.await;
        }
        if let Some(iam) = parts.providers.find(ProviderName::Bedrock) {
            let account = outputs["RotateFunctionArn"].split(':').nth(4);
            let id = AdminKey::new(account.expect("an ARN names an account"));
            iam.simulator.set_management_key(&id);
        }
        let place = Place {
            table: outputs["TableName"].clone(),
            topic: Topic::heard(&parts.ministack, "people", &outputs["AlertTopicArn"]).await,
            accounts,
            home: Home::Stack(outputs.clone()),
        };
        let mut deployment = parts.around(place).await;
        deployment.rotate = outputs["RotateFunctionArn"].clone();
        let name = format!("{STACK}-rotate");
        let url = format!(
            "{}/2015-03-31/functions/{name}/invocations",
            deployment.ministack.url()
        );
        let moto = &deployment.moto;
        moto.deploy_elsewhere(&name, TIMEOUT, &url).await;
        Some(deployment)
    }

    /// An output of the stack.
    ///
    /// # Panics
    /// If this is none, or it has none of that name.
    pub fn output(&self, name: &str) -> &str {
        match &self.home {
            Home::Stack(outputs) => &outputs[name],
            Home::Moto => panic!("no stack was made"),
        }
    }

    /// Where a function is invoked, and under which name.
    pub(crate) fn function(&self, name: &str) -> (&str, String) {
        match &self.home {
            Home::Moto => (self.moto.url(), name.to_owned()),
            Home::Stack(_) => (self.ministack.url(), format!("{STACK}-{name}")),
        }
    }

    /// Which setting of the command names the URL of which control function: in a stack each kind of acts has an alias of its own,
    /// and the stack's outputs tell the command of it.
    ///
    /// # Panics
    /// If they do not.
    pub(crate) fn control_functions(&self) -> Vec<(&'static str, String)> {
        let kind = |kind: ActKind| {
            let line = format!("export {}=https://", kind.setting());
            assert!(self.command_settings().contains(&line), "no {line}");
            (kind.setting(), format!("control:{}", kind.name()))
        };
        match &self.home {
            Home::Moto => vec![("KEYWARD_CONTROL_URL", "control".to_owned())],
            Home::Stack(_) => ActKind::ALL.map(kind).to_vec(),
        }
    }

    /// What the command is told, as lines for a shell.
    pub(crate) fn command_settings(&self) -> String {
        match &self.home {
            Home::Moto => {
                let table = &self.table;
                format!("export AWS_REGION={REGION}\nexport KEYWARD_TABLE={table}\n")
            }
            Home::Stack(outputs) => outputs["CommandSettings"].clone(),
        }
    }

    /// Everything that a function printed so far.
    pub fn log(&self, function: &str) -> String {
        match &self.home {
            Home::Moto => self.moto.log(function),
            Home::Stack(_) => self.ministack.log(program(function)),
        }
    }

    /// The functions whose logs are there to be read.
    pub(super) fn logged(&self) -> Vec<String> {
        match &self.home {
            Home::Moto => {
                let two = ["rotate", "retire"].map(str::to_owned).into_iter();
                two.chain(self.kill_switches()).collect()
            }
            // Nothing calls `usage` but agents.
            Home::Stack(_) => [
                "rotate",
                "retire",
                "monitor",
                "kill-switch",
                "control",
                "audit",
            ]
            .map(str::to_owned)
            .to_vec(),
        }
    }

    /// The alarms that guard slots, and their states.
    pub async fn slot_alarms(&self) -> BTreeMap<String, String> {
        let aws = self.ministack.sdk_config().await;
        alarms(&aws_sdk_cloudwatch::Client::new(&aws)).await
    }

    /// Sets a slot's alarm to OK, as CloudWatch does where no score is put any more and missing data does not breach:
    /// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html>.
    ///
    /// # Panics
    /// If there is no such alarm.
    pub async fn alarm_recovers(&self, slot: &str) {
        let client = aws_sdk_cloudwatch::Client::new(&self.ministack.sdk_config().await);
        let request = client.set_alarm_state().alarm_name(alarm_of(slot));
        let request = request.state_value(StateValue::Ok);
        let request = request.state_reason("no score is put");
        request.send().await.expect("the alarm is there");
    }

    /// How many messages lie in the queues of what was not done, by queue.
    ///
    /// # Panics
    /// If a queue is not there.
    pub async fn dead_letters(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for queue in DEAD_LETTERS {
            let name = json!({ "QueueName": format!("{STACK}-{queue}") });
            let found = self.ministack.sqs("GetQueueUrl", &name).await;
            let request = json!({
                "QueueUrl": found["QueueUrl"],
                "AttributeNames": ["ApproximateNumberOfMessages"],
            });
            let said = self.ministack.sqs("GetQueueAttributes", &request).await;
            let count: Option<&Value> = said.pointer("/Attributes/ApproximateNumberOfMessages");
            let count = count.and_then(Value::as_str);
            let count = count.and_then(|count| count.parse().ok());
            counts.insert(queue, count.expect("a queue says how much is in it"));
        }
        counts
    }
}
