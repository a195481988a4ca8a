//! Amazon Bedrock: long-term API keys, which are service-specific credentials of IAM users. Creates, lists, suspends and
//! deletes them as the role that this process runs as.
//!
//! Described at <https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html> and, call by call, at
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateServiceSpecificCredential.html> and its neighbours;
//! shapes as in botocore 1.43.11, `iam/2010-05-08`. What has not been tried at AWS: that an Expired credential counts
//! towards the two that a user may have, and what Bedrock answers a key that is Inactive, Expired or deleted (`verdict`).

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
mod handle;
mod iam;
#[cfg(test)]
mod tests;
mod users;
mod verdict;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use keyward_core::model::key::{ApiKey, KeyFormat};
use keyward_core::model::key_formats;
use keyward_core::model::names::{IamUser, KeyHandle};
use keyward_core::model::slot::{ProviderName, Scope};
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{
    Abilities, Disabled, IssueRequest, IssuedKey, KeyIssuer, KeyProvider, KeyRecord, Limits,
    Naming, Page, PageToken, ProviderError, SpendCaps, Suspension, Verdict,
};

use self::handle::Ids;
use self::iam::Iam;
pub use self::users::BedrockUsers;
pub(crate) use self::users::iam_of;
use self::wire::{Created, Listed, Status};
use crate::api::{ask_as, unreadable};
use crate::aws::AwsSigner;
use crate::config::UrlField;
use crate::http::{BaseUrl, HttpClient, Repeat, Scheme};

/// Where IAM is. It is one for all regions of a partition.
pub const IAM_URL: &str = "https://iam.amazonaws.com";

pub(crate) const IAM_FIELD: &str = "iam_url";
pub(crate) const VERIFY_FIELD: &str = "verify_url";

/// Every URL of an account. <https://docs.aws.amazon.com/general/latest/gr/bedrock.html>
pub(crate) const URLS: &[UrlField] = &[
    UrlField {
        field: IAM_FIELD,
        default: Some(IAM_URL),
    },
    UrlField {
        field: VERIFY_FIELD,
        default: Some("https://bedrock.{region}.amazonaws.com"),
    },
];

/// How its keys look.
pub const KEY_FORMAT: KeyFormat = key_formats::BEDROCK;

/// A key may be made for so many days:
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateServiceSpecificCredential.html>.
const LONGEST_DAYS: i64 = 36_600;

/// One AWS account, and Bedrock in one of its regions.
pub struct Bedrock {
    http: Arc<HttpClient>,
    iam: Iam,
    verify: BaseUrl,
}

impl Bedrock {
    /// IAM at `iam_url`, signed for the partition of `region`, and Bedrock at `verify_url`.
    pub fn new(
        http: Arc<HttpClient>,
        (iam_url, verify_url): (BaseUrl, BaseUrl),
        region: &str,
        signer: Arc<dyn AwsSigner>,
    ) -> Self {
        Self {
            iam: Iam::new(http.clone(), iam_url, region, signer),
            http,
            verify: verify_url,
        }
    }

    async fn page(&self, user: &IamUser, marker: Option<&str>) -> Result<Listed, ProviderError> {
        let mut parameters = vec![("UserName", user.as_str())];
        parameters.extend(marker.map(|marker| ("Marker", marker)));
        let answer = self
            .iam
            .call("ListServiceSpecificCredentials", &parameters, Repeat::Safe)
            .await
            .map_err(not_about_a_key)?;
        Listed::read(&answer.body, user)
            .filter(|page| page.marker.is_none() || page.marker.as_deref() != marker)
            .ok_or_else(|| unreadable(Repeat::Safe, "a page of the list of keys is unreadable"))
    }

    async fn change(
        &self,
        action: &'static str,
        handle: &KeyHandle,
        status: Option<&str>,
    ) -> Result<(), ProviderError> {
        let ids = Ids::of(handle)?;
        let mut parameters = vec![
            ("UserName", ids.user.as_str()),
            ("ServiceSpecificCredentialId", ids.key),
        ];
        parameters.extend(status.map(|status| ("Status", status)));
        let answer = self.iam.call(action, &parameters, Repeat::Safe).await?;
        if wire::is_done(&answer.body, action) {
            Ok(())
        } else {
            Err(unreadable(
                Repeat::Safe,
                "a change was answered, but not as done",
            ))
        }
    }
}

#[async_trait]
impl KeyProvider for Bedrock {
    fn abilities(&self) -> Abilities {
        Abilities {
            provider: ProviderName::Bedrock,
            format: KEY_FORMAT,
            suspension: Suspension::Refuses,
            expiry: true,
            names: Naming::Place,
            limits: Limits::default(),
        }
    }

    /// The keys of the one user. A user that IAM does not know is an error, never an empty list: the role may be one of
    /// another AWS account.
    async fn list(&self, scope: &Scope, page: Option<&PageToken>) -> Result<Page, ProviderError> {
        let user = user_of(scope)?;
        let listed = self.page(user, page.map(|page| page.0.as_str())).await?;
        Ok(Page {
            keys: listed.rows.into_iter().map(|row| row.record).collect(),
            next: listed.marker.map(PageToken),
        })
    }

    /// IAM has no call for one key, so it is looked for in the user's list.
    async fn get(&self, handle: &KeyHandle) -> Result<Option<KeyRecord>, ProviderError> {
        let ids = Ids::of(handle)?;
        let mut marker = None;
        loop {
            let page = self.page(&ids.user, marker.as_deref()).await?;
            let found = page.rows.into_iter().find(|r| r.record.handle == *handle);
            if let Some(row) = found {
                return Ok(Some(row.record));
            }
            marker = page.marker;
            if marker.is_none() {
                return Ok(None);
            }
        }
    }

    async fn verify(&self, key: &ApiKey) -> Verdict {
        let Ok(url) = self.verify.join(&["foundation-models"]) else {
            return Verdict::Unknown(OutsideText::new("the URL takes no path"));
        };
        let answer = ask_as(&self.http, (Scheme::Bearer, &[]), key, url).await;
        answer.map_or_else(Verdict::Unknown, |answer| verdict::of(&answer))
    }

    /// One call and no look beforehand: containment comes first. So it is always [`Disabled::Now`]; the answer does
    /// not tell what was before.
    async fn disable(&self, handle: &KeyHandle) -> Result<Disabled, ProviderError> {
        let status = Some("Inactive");
        self.change("UpdateServiceSpecificCredential", handle, status)
            .await
            .map(|()| Disabled::Now)
    }

    /// Refused for a key whose end has passed, which IAM takes and which changes nothing.
    async fn restore(&self, handle: &KeyHandle, _: &Scope) -> Result<(), ProviderError> {
        let status = Some("Active");
        self.change("UpdateServiceSpecificCredential", handle, status)
            .await?;
        let now = self.http.now();
        match self.get(handle).await? {
            Some(key) if key.expires.is_some_and(|end| end <= now) => Err(ProviderError::Refused {
                detail: OutsideText::new("the key has expired"),
            }),
            _ => Ok(()),
        }
    }

    async fn delete(&self, handle: &KeyHandle) -> Result<(), ProviderError> {
        self.change("DeleteServiceSpecificCredential", handle, None)
            .await
    }

    /// By the alias, which IAM lists and which the text begins with.
    fn fits(&self, listed: &KeyRecord, key: &ApiKey) -> bool {
        handle::head(listed.label.as_str()).is_some_and(|head| key.begins_with(&head))
    }

    fn issuer(&self) -> Option<&dyn KeyIssuer> {
        Some(self)
    }

    fn caps(&self) -> Option<&dyn SpendCaps> {
        None
    }
}

#[async_trait]
impl KeyIssuer for Bedrock {
    async fn issue(&self, request: &IssueRequest) -> Result<IssuedKey, ProviderError> {
        let user = user_of(&request.scope)?;
        let days = whole_days(self.http.now(), request.expires).to_string();
        let parameters = [
            ("UserName", user.as_str()),
            ("CredentialAgeDays", days.as_str()),
        ];
        let answer = self
            .iam
            .call(
                "CreateServiceSpecificCredential",
                &parameters,
                Repeat::Never,
            )
            .await
            .map_err(not_about_a_key)?;
        let Created { row, secret } = Created::read(&answer.body, user)
            .filter(|created| created.row.status == Status::Active)
            .ok_or_else(|| {
                unreadable(Repeat::Never, "a create was answered, but not with a key")
            })?;
        let key = ApiKey::new(&secret);
        if !key.looks_like(&KEY_FORMAT) {
            let what = "a key was made whose text does not begin as Bedrock's do";
            return Err(unreadable(Repeat::Never, what));
        }
        Ok(IssuedKey {
            key,
            handle: row.record.handle,
            expires: row.record.expires,
        })
    }
}

/// So many days that the key lives at least until `end`: IAM counts whole ones.
fn whole_days(now: Timestamp, end: Timestamp) -> i64 {
    let day = SignedDuration::from_hours(24).as_secs();
    let left = end.duration_since(now);
    let seconds = left.as_secs() + i64::from(left.subsec_nanos() > 0);
    (seconds.max(1) + day - 1).div_euclid(day).min(LONGEST_DAYS)
}

fn user_of(scope: &Scope) -> Result<&IamUser, ProviderError> {
    scope.user.as_ref().ok_or_else(|| ProviderError::Refused {
        detail: OutsideText::new("the scope names no IAM user"),
    })
}

/// "No such entity" where no key was named: there is no such user, under this role.
fn not_about_a_key(error: ProviderError) -> ProviderError {
    match error {
        ProviderError::NotFound => ProviderError::Refused {
            detail: OutsideText::new("HTTP 404: no such IAM user in the AWS account of this role"),
        },
        other => other,
    }
}
