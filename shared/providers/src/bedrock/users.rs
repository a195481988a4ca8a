//! Which users of IAM have keys for Bedrock, for an audit.

use std::sync::Arc;

use async_trait::async_trait;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{
    Advice, BedrockCredential, CredentialLists, ListError, ListPage, PageToken, ProviderError,
};

use super::IAM_URL;
use super::iam::Iam;
use super::wire::Everybody;
use crate::api::unreadable;
use crate::aws::AwsSigner;
use crate::http::{AllowedHosts, BaseUrl, HttpClient, Repeat};

/// The credentials for Bedrock of all users of one AWS account: that of the role that this process runs as.
pub struct BedrockUsers(Iam);

impl BedrockUsers {
    /// IAM at `iam_url`, signed for the partition of `region`.
    pub(crate) fn new(
        http: Arc<HttpClient>,
        iam_url: BaseUrl,
        region: &str,
        signer: Arc<dyn AwsSigner>,
    ) -> Self {
        Self(Iam::new(http, iam_url, region, signer))
    }

    /// `AllUsers` and a user's name exclude each other:
    /// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListServiceSpecificCredentials.html>.
    async fn page(&self, marker: Option<&str>) -> Result<Everybody, ProviderError> {
        let mut parameters = vec![("AllUsers", "true")];
        parameters.extend(marker.map(|marker| ("Marker", marker)));
        let answer = self
            .0
            .call("ListServiceSpecificCredentials", &parameters, Repeat::Safe)
            .await?;
        Everybody::read(&answer.body)
            .filter(|page| page.marker.is_none() || page.marker.as_deref() != marker)
            .ok_or_else(|| unreadable(Repeat::Safe, "a page of IAM's credentials is unreadable"))
    }
}

#[async_trait]
impl CredentialLists for BedrockUsers {
    async fn bedrock(
        &self,
        after: Option<&PageToken>,
    ) -> Result<ListPage<BedrockCredential>, ListError> {
        let page = self.page(after.map(|token| token.0.as_str())).await;
        let page = page.map_err(of_list)?;
        Ok(ListPage {
            items: page.active,
            next: page.marker.map(PageToken),
        })
    }
}

/// In IAM's own words: what a driver says of an admin credential is here about the caller.
fn of_list(error: ProviderError) -> ListError {
    let advice = error.advice();
    let detail = match error {
        ProviderError::RetryAfter { detail, .. }
        | ProviderError::Refused { detail }
        | ProviderError::LimitReached { detail }
        | ProviderError::AdminCredential { detail } => detail,
        other => OutsideText::new(&other.to_string()),
    };
    match advice {
        Advice::RetryLater => ListError::Unavailable(detail),
        Advice::LookUpFirst | Advice::StopAndAlert => ListError::Refused(detail),
    }
}

/// Where IAM is in the partition of a region: <https://docs.aws.amazon.com/general/latest/gr/iam-service.html>.
pub(crate) fn iam_of(region: &str) -> BaseUrl {
    let url = if region.starts_with("cn-") {
        "https://iam.cn-north-1.amazonaws.com.cn"
    } else if region.starts_with("us-gov-") {
        "https://iam.us-gov.amazonaws.com"
    } else {
        IAM_URL
    };
    BaseUrl::parse(url, &AllowedHosts::default()).expect("a public host")
}
