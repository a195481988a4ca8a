//! An account that is opened to be read: what would write is refused before anything is sent.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::SignedDuration;
use keyward_core::model::key::ApiKey;
use keyward_core::model::money::{DayLimit, SpendCap};
use keyward_core::model::names::{KeyHandle, OperationId};
use keyward_core::model::slot::Scope;
use keyward_core::model::version::KeyLabel;
use keyward_core::ports::{
    Abilities, Disabled, GonePage, IssueRequest, IssuedKey, KeyIssuer, KeyProvider, KeyRecord,
    LATE_CREATE, LookUp, Page, PageToken, ProviderError, SpendCaps, UsageReports, Verdict,
};

/// A driver that reads as `inner` does and writes nothing. What the provider can do is told as it is: a limit that cannot be
/// set from here is still one that the provider has.
pub(crate) struct ReadOnly {
    inner: Arc<dyn KeyProvider>,
}

impl ReadOnly {
    pub(crate) fn new(inner: Arc<dyn KeyProvider>) -> Self {
        Self { inner }
    }
}

const fn refused<T>(what: &'static str) -> Result<T, ProviderError> {
    Err(ProviderError::ReadOnly(what))
}

#[async_trait]
impl KeyProvider for ReadOnly {
    fn abilities(&self) -> Abilities {
        self.inner.abilities()
    }

    async fn list(&self, scope: &Scope, page: Option<&PageToken>) -> Result<Page, ProviderError> {
        self.inner.list(scope, page).await
    }

    async fn get(&self, handle: &KeyHandle) -> Result<Option<KeyRecord>, ProviderError> {
        self.inner.get(handle).await
    }

    async fn verify(&self, key: &ApiKey) -> Verdict {
        self.inner.verify(key).await
    }

    async fn disable(&self, _: &KeyHandle) -> Result<Disabled, ProviderError> {
        refused("suspend a key")
    }

    async fn restore(&self, _: &KeyHandle, _: &Scope) -> Result<(), ProviderError> {
        refused("resume a key")
    }

    async fn delete(&self, _: &KeyHandle) -> Result<(), ProviderError> {
        refused("delete a key")
    }

    fn fits(&self, listed: &KeyRecord, key: &ApiKey) -> bool {
        self.inner.fits(listed, key)
    }

    async fn look_up(&self, scope: &Scope, key: &ApiKey) -> Result<LookUp, ProviderError> {
        self.inner.look_up(scope, key).await
    }

    async fn restorable(
        &self,
        scope: &Scope,
        page: Option<&PageToken>,
    ) -> Result<GonePage, ProviderError> {
        self.inner.restorable(scope, page).await
    }

    fn issuer(&self) -> Option<&dyn KeyIssuer> {
        self.inner.issuer().map(|_| self as &dyn KeyIssuer)
    }

    fn caps(&self) -> Option<&dyn SpendCaps> {
        self.inner.caps().map(|_| self as &dyn SpendCaps)
    }

    fn reports(&self) -> Option<&dyn UsageReports> {
        self.inner.reports()
    }
}

#[async_trait]
impl KeyIssuer for ReadOnly {
    async fn issue(&self, _: &IssueRequest) -> Result<IssuedKey, ProviderError> {
        refused("create a key")
    }

    async fn resume(&self, _: &IssueRequest, _: &OperationId) -> Result<IssuedKey, ProviderError> {
        refused("go on with a create")
    }

    fn handle_of(&self, scope: &Scope, label: &KeyLabel) -> Option<KeyHandle> {
        self.inner.issuer()?.handle_of(scope, label)
    }

    fn latest(&self) -> SignedDuration {
        self.inner.issuer().map_or(LATE_CREATE, KeyIssuer::latest)
    }
}

#[async_trait]
impl SpendCaps for ReadOnly {
    async fn set_cap(&self, _: &KeyHandle, _: SpendCap) -> Result<(), ProviderError> {
        refused("limit a key")
    }

    fn day_limit(&self) -> DayLimit {
        let caps = self.inner.caps();
        caps.map_or(DayLimit::ItsOwn, SpendCaps::day_limit)
    }
}

#[cfg(test)]
mod tests {
    use keyward_core::model::money::{CapPeriod, MicroDollars};
    use keyward_core::model::version::VersionId;
    use keyward_core::ports::Advice;
    use serde_json::json;

    use super::*;
    use crate::AdminCredential;
    use crate::admin::testing::{CountingSource, arn};
    use crate::http::testing::{Reply, TestClock, TestServer, http, patient};
    use crate::openrouter::OpenRouter;

    async fn opened(reply: Reply) -> (TestServer, Arc<CountingSource>, ReadOnly) {
        let server = TestServer::always(reply).await;
        let source = Arc::new(CountingSource::default());
        let admin = AdminCredential::new(source.clone(), arn());
        let client = Arc::new(http(&TestClock::new(), patient()));
        let driver = OpenRouter::new(client, server.base(), admin);
        (server, source, ReadOnly::new(Arc::new(driver)))
    }

    fn request() -> IssueRequest {
        let id: VersionId = "00000000-0000-4000-8000-000000000001.1".parse().unwrap();
        IssueRequest {
            label: KeyLabel::new(&"support-bot".parse().unwrap(), &id),
            scope: Scope::default(),
            cap: cap(),
            expires: "2027-01-01T00:00:00Z".parse().unwrap(),
            keep: Vec::new(),
        }
    }

    fn cap() -> SpendCap {
        SpendCap {
            amount: MicroDollars::from_dollars(10),
            period: CapPeriod::Daily,
        }
    }

    #[tokio::test]
    async fn what_would_write_is_refused_and_nothing_is_sent() {
        let (server, source, driver) = opened(Reply::json(200, &json!({}))).await;
        let handle: KeyHandle = "abc123".parse().unwrap();
        let operation = "operations/EXAMPLE".parse().unwrap();
        let (issuer, caps) = (driver.issuer().unwrap(), driver.caps().unwrap());
        let refusals = [
            driver.disable(&handle).await.map(drop),
            driver.restore(&handle, &Scope::default()).await,
            driver.delete(&handle).await,
            issuer.issue(&request()).await.map(drop),
            issuer.resume(&request(), &operation).await.map(drop),
            caps.set_cap(&handle, cap()).await,
        ];
        for refused in refusals {
            let error = refused.unwrap_err();
            assert!(matches!(error, ProviderError::ReadOnly(_)), "{error:?}");
            assert_eq!(error.advice(), Advice::StopAndAlert);
            assert!(error.to_string().ends_with("nothing was sent"), "{error}");
        }
        assert_eq!(server.seen().len(), 0);
        assert_eq!(source.fetches(), 0, "no credential is fetched for it");
    }

    #[tokio::test]
    async fn what_reads_is_sent_and_the_provider_is_shown_as_it_is() {
        let (server, source, driver) = opened(Reply::json(200, &json!({"data": []}))).await;
        let page = driver.list(&Scope::default(), None).await.unwrap();
        assert_eq!((page.keys, page.next), (vec![], None));
        assert_eq!((server.seen().len(), source.fetches()), (1, 1));
        assert!(driver.reports().is_some());
        assert_eq!(driver.abilities(), driver.inner.abilities());
        let (caps, inner) = (driver.caps().unwrap(), driver.inner.caps().unwrap());
        assert_eq!(caps.day_limit(), inner.day_limit());
        let (issuer, inner) = (driver.issuer().unwrap(), driver.inner.issuer().unwrap());
        assert_eq!(issuer.latest(), inner.latest());
        let label = request().label;
        let scope = Scope::default();
        assert_eq!(
            issuer.handle_of(&scope, &label),
            inner.handle_of(&scope, &label)
        );
    }
}
