use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use keyward_core::model::admin::AdminLabel;
use keyward_core::model::key::{AdminKey, ApiKey};
use keyward_core::model::money::{DayLimit, SpendCap};
use keyward_core::model::names::{KeyHandle, OperationId};
use keyward_core::model::slot::Scope;
use keyward_core::model::text::OutsideText;
use keyward_core::model::version::KeyLabel;
use keyward_core::ports::{
    Abilities, AdminCredentials, CostPage, Disabled, IssueRequest, IssuedKey, KeyIssuer,
    KeyProvider, KeyRecord, LATE_CREATE, ListedAdmin, LookUp, MintedAdmin, Page, PageToken,
    ProviderError, Reporting, SpendCaps, UsagePage, UsageReports, Verdict, Window,
};

use super::ports::no_answer;
use super::{Gate, ISSUE};

pub(crate) struct GatedProvider {
    pub(crate) gate: Arc<Gate>,
    pub(crate) inner: Arc<dyn KeyProvider>,
}

fn lost<T>() -> Result<T, ProviderError> {
    Err(no_answer())
}

#[async_trait]
impl KeyProvider for GatedProvider {
    fn abilities(&self) -> Abilities {
        self.inner.abilities()
    }

    async fn list(&self, scope: &Scope, page: Option<&PageToken>) -> Result<Page, ProviderError> {
        self.gate
            .pass("provider.list", lost, self.inner.list(scope, page))
            .await
    }

    async fn get(&self, handle: &KeyHandle) -> Result<Option<KeyRecord>, ProviderError> {
        self.gate
            .pass("provider.get", lost, self.inner.get(handle))
            .await
    }

    async fn verify(&self, key: &ApiKey) -> Verdict {
        let lost = || Verdict::Unknown(OutsideText::new("the answer was lost"));
        self.gate
            .pass("provider.verify", lost, self.inner.verify(key))
            .await
    }

    async fn disable(&self, handle: &KeyHandle) -> Result<Disabled, ProviderError> {
        self.gate
            .pass("provider.disable", lost, self.inner.disable(handle))
            .await
    }

    async fn restore(&self, handle: &KeyHandle, scope: &Scope) -> Result<(), ProviderError> {
        self.gate
            .pass("provider.restore", lost, self.inner.restore(handle, scope))
            .await
    }

    async fn delete(&self, handle: &KeyHandle) -> Result<(), ProviderError> {
        self.gate
            .pass("provider.delete", lost, self.inner.delete(handle))
            .await
    }

    fn fits(&self, listed: &KeyRecord, key: &ApiKey) -> bool {
        self.inner.fits(listed, key)
    }

    async fn look_up(&self, scope: &Scope, key: &ApiKey) -> Result<LookUp, ProviderError> {
        self.gate
            .pass("provider.look_up", lost, self.inner.look_up(scope, key))
            .await
    }

    fn issuer(&self) -> Option<&dyn KeyIssuer> {
        self.inner
            .issuer()
            .is_some()
            .then_some(self as &dyn KeyIssuer)
    }

    fn caps(&self) -> Option<&dyn SpendCaps> {
        self.inner
            .caps()
            .is_some()
            .then_some(self as &dyn SpendCaps)
    }

    fn reports(&self) -> Option<&dyn UsageReports> {
        self.inner.reports().is_some().then_some(self)
    }

    fn admin(&self) -> Option<&dyn AdminCredentials> {
        self.inner.admin().is_some().then_some(self)
    }
}

#[async_trait]
impl AdminCredentials for GatedProvider {
    async fn mint(
        &self,
        by: &AdminKey,
        label: &AdminLabel,
        expires: Timestamp,
    ) -> Result<MintedAdmin, ProviderError> {
        let Some(admin) = self.inner.admin() else {
            return Err(ProviderError::Unsupported("make admin credentials"));
        };
        let detail = OutsideText::new("the answer was lost");
        let lost = || Err(ProviderError::Ambiguous { detail });
        let call = admin.mint(by, label, expires);
        self.gate.pass("admin.mint", lost, call).await
    }

    async fn listed(&self, by: &AdminKey) -> Result<Vec<ListedAdmin>, ProviderError> {
        let Some(admin) = self.inner.admin() else {
            return Err(ProviderError::Unsupported("list admin credentials"));
        };
        self.gate.pass("admin.listed", lost, admin.listed(by)).await
    }

    async fn accepts(&self, credential: &AdminKey) -> Verdict {
        let lost = || Verdict::Unknown(OutsideText::new("the answer was lost"));
        let Some(admin) = self.inner.admin() else {
            return lost();
        };
        let call = admin.accepts(credential);
        self.gate.pass("admin.accepts", lost, call).await
    }

    async fn revoke(&self, by: &AdminKey, handle: &KeyHandle) -> Result<(), ProviderError> {
        let Some(admin) = self.inner.admin() else {
            return Err(ProviderError::Unsupported("end admin credentials"));
        };
        let call = admin.revoke(by, handle);
        self.gate.pass("admin.revoke", lost, call).await
    }
}

#[async_trait]
impl KeyIssuer for GatedProvider {
    async fn issue(&self, request: &IssueRequest) -> Result<IssuedKey, ProviderError> {
        let Some(issuer) = self.inner.issuer() else {
            return Err(ProviderError::Unsupported("create keys"));
        };
        let detail = OutsideText::new("the answer was lost");
        let lost = || Err(ProviderError::Ambiguous { detail });
        let (inner, request_again) = (self.inner.clone(), request.clone());
        let arrival = async move {
            if let Some(issuer) = inner.issuer() {
                let _ = issuer.issue(&request_again).await;
            }
        };
        self.gate
            .pass_or_delay(ISSUE, lost, issuer.issue(request), arrival)
            .await
    }

    async fn resume(
        &self,
        request: &IssueRequest,
        operation: &OperationId,
    ) -> Result<IssuedKey, ProviderError> {
        let Some(issuer) = self.inner.issuer() else {
            return Err(ProviderError::Unsupported("create keys"));
        };
        self.gate
            .pass("provider.resume", lost, issuer.resume(request, operation))
            .await
    }

    fn handle_of(&self, scope: &Scope, label: &KeyLabel) -> Option<KeyHandle> {
        self.inner.issuer()?.handle_of(scope, label)
    }

    fn latest(&self) -> SignedDuration {
        self.inner.issuer().map_or(LATE_CREATE, |i| i.latest())
    }
}

#[async_trait]
impl SpendCaps for GatedProvider {
    async fn set_cap(&self, handle: &KeyHandle, cap: SpendCap) -> Result<(), ProviderError> {
        let Some(caps) = self.inner.caps() else {
            return Err(ProviderError::Unsupported("cap a key"));
        };
        self.gate
            .pass("provider.set_cap", lost, caps.set_cap(handle, cap))
            .await
    }

    fn day_limit(&self) -> DayLimit {
        let caps = self.inner.caps();
        caps.map_or(DayLimit::ItsOwn, |caps| caps.day_limit())
    }
}

#[async_trait]
impl UsageReports for GatedProvider {
    fn reporting(&self) -> Reporting {
        let reports = self.inner.reports();
        reports
            .map(|reports| reports.reporting())
            .unwrap_or_default()
    }

    async fn usage(
        &self,
        scope: &Scope,
        window: &Window,
        page: Option<&PageToken>,
    ) -> Result<UsagePage, ProviderError> {
        let Some(reports) = self.inner.reports() else {
            return Err(ProviderError::Unsupported("tell usage"));
        };
        let call = reports.usage(scope, window, page);
        self.gate.pass("provider.usage", lost, call).await
    }

    async fn costs(
        &self,
        scope: &Scope,
        window: &Window,
        page: Option<&PageToken>,
    ) -> Result<CostPage, ProviderError> {
        let Some(reports) = self.inner.reports() else {
            return Err(ProviderError::Unsupported("tell costs"));
        };
        let call = reports.costs(scope, window, page);
        self.gate.pass("provider.costs", lost, call).await
    }
}
