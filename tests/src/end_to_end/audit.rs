//! The audit as it is deployed, and the bucket that it writes to.

use serde_json::{Value, json};

use super::functions::{NO_TOPIC, On};
use super::{Deployment, Failed, Home};

/// The bucket of reports of a deployment that was made by hand.
pub const REPORTS: &str = "keyward-reports";

/// The files of a report, in the order of their names.
pub const FILES: [&str; 6] = [
    "findings.asff.json",
    "findings.csv",
    "findings.ocsf.json",
    "findings.sarif",
    "report.html",
    "report.json",
];

impl Deployment {
    /// Makes the bucket, and deploys the audit under these names, all of which write to it.
    pub async fn deploy_audits(&self, names: &[&str]) {
        let bucket = self.s3().await.create_bucket().bucket(REPORTS);
        bucket.send().await.unwrap();
        for name in names {
            let told = [
                ("KEYWARD_ALARM_TOPIC_ARN", NO_TOPIC),
                ("KEYWARD_REPORTS", REPORTS),
                ("KEYWARD_SECURITY_HUB", "true"),
                ("AWS_ENDPOINT_URL_CLOUDWATCH", self.ministack.url()),
            ];
            self.deploy_as(On::Moto, name, |b| &b.audit, &told).await;
        }
    }

    /// S3: moto's, as all else that is not told to be elsewhere; a stack has its bucket on ministack.
    pub async fn s3(&self) -> aws_sdk_s3::Client {
        let config = match &self.home {
            Home::Moto => self.moto.sdk_config().await,
            Home::Stack(_) => self.ministack.sdk_config().await,
        };
        let config = aws_sdk_s3::config::Builder::from(&config).force_path_style(true);
        aws_sdk_s3::Client::from_conf(config.build())
    }

    /// The bucket of reports.
    fn bucket(&self) -> &str {
        match &self.home {
            Home::Moto => REPORTS,
            Home::Stack(outputs) => &outputs["ReportsBucketName"],
        }
    }

    /// What an audit did with an event.
    ///
    /// # Errors
    /// [`Failed`].
    pub async fn audit(&self, event: &Value) -> Result<Value, Failed> {
        self.invoke("audit", event).await
    }

    /// What the bucket has, by key: type and text.
    pub async fn reported(&self, key: &str) -> Option<(String, String)> {
        let request = self.s3().await.get_object().bucket(self.bucket()).key(key);
        let object = request.send().await.ok()?;
        let kind = object.content_type.clone().unwrap_or_default();
        let body = object.body.collect().await.unwrap().to_vec();
        Some((kind, String::from_utf8(body).unwrap()))
    }

    /// The keys in the bucket, in order.
    pub async fn report_keys(&self) -> Vec<String> {
        let listed = self.s3().await.list_objects_v2().bucket(self.bucket());
        let listed = listed.send().await.unwrap();
        let keys = listed.contents().iter().filter_map(|object| object.key());
        keys.map(str::to_owned).collect()
    }

    /// Somebody's directory says who has left.
    pub async fn export_left(&self, json: &str) {
        let put = self.s3().await.put_object().bucket(self.bucket());
        let put = put
            .key("people/left.json")
            .body(json.as_bytes().to_vec().into());
        put.send().await.unwrap();
    }

    /// The findings that Security Hub has:
    /// <https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_GetFindings.html>.
    pub async fn hub_findings(&self) -> Vec<Value> {
        let url = format!("{}/findings", self.moto.url());
        let asked = json!({"MaxResults": 100});
        let found = crate::emulators::post(&url, "securityhub", &asked).await;
        found["Findings"].as_array().unwrap().clone()
    }
}
