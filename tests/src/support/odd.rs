use std::sync::Arc;

use async_trait::async_trait;
use keyward_core::model::key::ApiKey;
use keyward_core::model::money::{DayLimit, SpendCap};
use keyward_core::model::names::KeyHandle;
use keyward_core::model::slot::Scope;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{
    Abilities, Disabled, IssueRequest, IssuedKey, KeyIssuer, KeyProvider, KeyRecord, Page,
    PageToken, ProviderError, SpendCaps, Verdict,
};

/// A provider that behaves in one odd way, and as the real one otherwise.
pub struct Odd {
    /// The real one.
    pub inner: Arc<dyn KeyProvider>,
    /// What is odd.
    pub way: Oddity,
}

/// One odd way to behave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Oddity {
    /// Makes no keys: too many requests.
    Busy,
    /// Gives its keys no end.
    SetsNoExpiry,
    /// Takes a limit, and does not keep it.
    ForgetsCaps,
    /// Has no limits that begin again each day.
    LimitsByTheMonth,
    /// Answers 404 to whatever names a key, and does nothing.
    KnowsNoKey,
    /// The same, and its list is empty.
    KnowsNoKeyAndListsNone,
    /// Cannot read any page of its list but the first.
    FailsOnPageTwo,
    /// Its list leads from its second page back to its first.
    ListsInCircles,
    /// Its list has ever more pages, all of them empty.
    ListsNothingForEver,
    /// Shows the end of one page at the beginning of the next again, as when a key is made while pages are read.
    ListsTwice,
    /// Says this of every key.
    Says(Verdict),
}

fn busy() -> ProviderError {
    ProviderError::RetryAfter {
        after: None,
        detail: OutsideText::new("429"),
    }
}

impl Odd {
    fn knows_no_key(&self) -> bool {
        matches!(
            self.way,
            Oddity::KnowsNoKey | Oddity::KnowsNoKeyAndListsNone
        )
    }
}

#[async_trait]
impl KeyProvider for Odd {
    fn abilities(&self) -> Abilities {
        self.inner.abilities()
    }

    async fn list(&self, scope: &Scope, page: Option<&PageToken>) -> Result<Page, ProviderError> {
        // Whoever reads on for ever can be stopped here.
        tokio::task::yield_now().await;
        match (&self.way, page) {
            (Oddity::KnowsNoKeyAndListsNone, _) => Ok(Page {
                keys: Vec::new(),
                next: None,
            }),
            (Oddity::FailsOnPageTwo, Some(_)) => Err(busy()),
            (Oddity::ListsNothingForEver, _) => {
                let page = page.and_then(|page| page.0.parse().ok()).unwrap_or(0_u64);
                Ok(Page {
                    keys: Vec::new(),
                    next: Some(PageToken((page + 1).to_string())),
                })
            }
            (Oddity::ListsInCircles | Oddity::ListsTwice, _) => {
                let is_first = page.is_none_or(|page| page.0 == "one");
                let next = match (is_first, &self.way) {
                    (true, _) => Some("two"),
                    (false, Oddity::ListsInCircles) => Some("one"),
                    (false, _) => None,
                };
                Ok(Page {
                    keys: self.inner.list(scope, None).await?.keys,
                    next: next.map(|next| PageToken(next.to_owned())),
                })
            }
            _ => self.inner.list(scope, page).await,
        }
    }

    async fn get(&self, handle: &KeyHandle) -> Result<Option<KeyRecord>, ProviderError> {
        if self.knows_no_key() {
            return Ok(None);
        }
        self.inner.get(handle).await
    }

    async fn verify(&self, key: &ApiKey) -> Verdict {
        match &self.way {
            Oddity::Says(verdict) => verdict.clone(),
            _ => self.inner.verify(key).await,
        }
    }

    async fn disable(&self, handle: &KeyHandle) -> Result<Disabled, ProviderError> {
        if self.knows_no_key() {
            return Err(ProviderError::NotFound);
        }
        self.inner.disable(handle).await
    }

    async fn restore(&self, handle: &KeyHandle, scope: &Scope) -> Result<(), ProviderError> {
        self.inner.restore(handle, scope).await
    }

    async fn delete(&self, handle: &KeyHandle) -> Result<(), ProviderError> {
        if self.knows_no_key() {
            return Err(ProviderError::NotFound);
        }
        self.inner.delete(handle).await
    }

    fn fits(&self, listed: &KeyRecord, key: &ApiKey) -> bool {
        self.inner.fits(listed, key)
    }

    fn issuer(&self) -> Option<&dyn KeyIssuer> {
        Some(self)
    }

    fn caps(&self) -> Option<&dyn SpendCaps> {
        Some(self)
    }
}

#[async_trait]
impl KeyIssuer for Odd {
    async fn issue(&self, request: &IssueRequest) -> Result<IssuedKey, ProviderError> {
        let issuer = self.inner.issuer();
        let issuer = issuer.ok_or(ProviderError::Unsupported("create keys"))?;
        match self.way {
            Oddity::Busy => Err(busy()),
            Oddity::SetsNoExpiry => {
                let issued = issuer.issue(request).await?;
                Ok(IssuedKey {
                    expires: None,
                    ..issued
                })
            }
            _ => issuer.issue(request).await,
        }
    }
}

#[async_trait]
impl SpendCaps for Odd {
    async fn set_cap(&self, handle: &KeyHandle, cap: SpendCap) -> Result<(), ProviderError> {
        let caps = self.inner.caps();
        let caps = caps.ok_or(ProviderError::Unsupported("cap a key"))?;
        let kept = match self.way {
            Oddity::ForgetsCaps => SpendCap {
                amount: cap.amount.percent(200),
                ..cap
            },
            _ => cap,
        };
        caps.set_cap(handle, kept).await
    }

    fn day_limit(&self) -> DayLimit {
        match self.way {
            Oddity::LimitsByTheMonth => DayLimit::MovedEachDay,
            _ => DayLimit::ItsOwn,
        }
    }
}
