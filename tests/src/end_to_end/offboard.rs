//! Offboarding as it is deployed.

use jiff::SignedDuration;
use keyward_aws::DynamoInventory;
use keyward_core::model::offboarding::OffboardingId;
use keyward_core::ports::Offboardings as _;
use serde_json::{Value, json};

use super::audit::REPORTS;
use super::functions::{NO_TOPIC, On};
use super::time::earlier;
use super::{Deployment, Failed};

impl Deployment {
    /// Makes the bucket that evidence is kept in, and deploys the function.
    pub async fn deploy_offboard(&self) {
        let bucket = self.s3().await.create_bucket().bucket(REPORTS);
        bucket.send().await.unwrap();
        let told = [
            ("KEYWARD_ALARM_TOPIC_ARN", NO_TOPIC),
            ("KEYWARD_REPORTS", REPORTS),
            ("AWS_ENDPOINT_URL_CLOUDTRAIL", self.ministack.url()),
        ];
        self.deploy_as(On::Moto, "offboard", |b| &b.offboard, &told)
            .await;
    }

    /// What the function did with an event.
    ///
    /// # Errors
    /// [`Failed`].
    pub async fn offboard(&self, event: &Value) -> Result<Value, Failed> {
        self.invoke("offboard", event).await
    }

    /// An event of the stack's bus, as EventBridge hands it on.
    pub fn leaving(&self, id: &str, kind: &str, detail: &Value) -> Value {
        json!({
            "version": "0", "id": id, "detail-type": kind, "source": "keyward.offboard",
            "account": "123456789012", "time": "2026-12-01T08:59:58Z", "region": "us-east-1",
            "resources": [], "detail": detail,
        })
    }

    /// Writes a case as if all of it had happened so much earlier.
    pub async fn pass_for_case(&self, id: &OffboardingId, duration: SignedDuration) {
        let cases = DynamoInventory::new(&self.ministack.sdk_config().await, &self.table);
        let case = cases.offboarding(id).await.unwrap().unwrap();
        let earlier = earlier(&case, duration);
        cases.save_offboarding(&earlier).await.unwrap();
    }
}
