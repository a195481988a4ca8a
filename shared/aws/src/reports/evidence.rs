//! Evidence of offboarding, beside the reports of audits.

use async_trait::async_trait;
use aws_sdk_s3::primitives::ByteStream;
use keyward_core::model::offboarding::OffboardingId;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{EvidenceSink, ListError};

use super::{PUT, S3Reports};
use crate::fault::examine;

#[async_trait]
impl EvidenceSink for S3Reports {
    async fn put_evidence(
        &self,
        case: &OffboardingId,
        json: &str,
    ) -> Result<OutsideText, ListError> {
        let key = format!("offboarding/{case}.json");
        let request = self.client.put_object().bucket(&self.bucket).key(&key);
        let request = request.set_expected_bucket_owner(self.owner.clone());
        let request = request
            .content_type("application/json")
            .body(ByteStream::from(json.as_bytes().to_vec()));
        let put = request.send().await;
        put.map_err(|error| examine(PUT, &error).of_list())?;
        Ok(OutsideText::new(&format!("s3://{}/{key}", self.bucket)))
    }
}
