use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use jiff::Timestamp;
use keyward_core::model::key::{ApiKey, KeyFormat};
use keyward_core::model::money::MicroDollars;
use keyward_core::model::names::{AccountName, KeyHandle};
use keyward_core::model::slot::{ProviderName, Scope};
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{
    Abilities, Clock, Cost, CostPage, Disabled, KeyIssuer, KeyOwner, KeyProvider, KeyRecord,
    Limits, Naming, Page, PageToken, PoolSettings, ProviderError, Providers, Reach, Reporting,
    SpendCaps, Suspension, Usage, UsagePage, UsageReports, Verdict, Width, Window,
};

const FORMAT: KeyFormat = KeyFormat {
    prefix: "sk-svcacct-",
    also: &[],
    not: &[],
    alphabet: "0123456789abcdef",
};

/// Rows on one page of a report: few, so that every test reads more than one.
const PAGE: usize = 3;

/// A provider that tells what its keys used, row by row as they become known. Beside that it lists and deletes them.
pub struct MemoryReports {
    clock: Arc<dyn Clock>,
    reporting: Reporting,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    usage: Vec<(Timestamp, Usage)>,
    costs: Vec<Cost>,
    keys: Vec<KeyRecord>,
    failure: Option<(usize, ProviderError)>,
    costs_failure: Option<ProviderError>,
    windows: Vec<Window>,
    no_reports: bool,
}

impl MemoryReports {
    /// One that has nothing to tell yet, and tells usage in buckets of this width.
    pub fn new(clock: Arc<dyn Clock>, usage: Width) -> Self {
        Self {
            clock,
            reporting: Reporting {
                usage: Some(usage),
                costs: Some(Width::Day),
            },
            told: Mutex::default(),
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().expect("not poisoned")
    }

    /// A row that reports have from `known` on.
    pub fn use_key(&self, known: Timestamp, row: Usage) {
        self.told().usage.push((known, row));
    }

    /// A row of costs.
    pub fn bill(&self, row: Cost) {
        self.told().costs.push(row);
    }

    /// The keys that are listed from now on.
    pub fn list_keys(&self, keys: Vec<KeyRecord>) {
        self.told().keys = keys;
    }

    /// From now on page number `at` of every report of usage, from zero, fails; with `None`, none does.
    pub fn fail(&self, failure: Option<(usize, ProviderError)>) {
        self.told().failure = failure;
    }

    /// From now on every report of costs fails; with `None`, none does.
    pub fn fail_costs(&self, failure: Option<ProviderError>) {
        self.told().costs_failure = failure;
    }

    /// From now on the provider has no report at all.
    pub fn tell_nothing(&self) {
        self.told().no_reports = true;
    }

    /// From now on it has.
    pub fn tell_usage(&self) {
        self.told().no_reports = false;
    }

    /// Forgets all rows of usage, as a report does that is told anew.
    pub fn forget_usage(&self) {
        self.told().usage.clear();
    }

    /// The windows of usage that were asked for so far, page by page.
    pub fn windows(&self) -> Vec<Window> {
        self.told().windows.clone()
    }
}

/// One page of `rows`, and the next.
fn page<T>(rows: Vec<T>, token: Option<&PageToken>) -> (Vec<T>, Option<PageToken>) {
    let number: usize = token.map_or(0, |token| token.0.parse().expect("a page of this report"));
    let more = rows.len() > (number + 1) * PAGE;
    let rows = rows.into_iter().skip(number * PAGE).take(PAGE).collect();
    (rows, more.then(|| PageToken((number + 1).to_string())))
}

#[async_trait]
impl UsageReports for MemoryReports {
    fn reporting(&self) -> Reporting {
        self.reporting
    }

    async fn usage(
        &self,
        _scope: &Scope,
        window: &Window,
        token: Option<&PageToken>,
    ) -> Result<UsagePage, ProviderError> {
        let now = self.clock.now();
        let mut told = self.told();
        told.windows.push(*window);
        let number = token.map_or("0", |token| &token.0);
        if let Some((at, failure)) = &told.failure
            && at.to_string() == number
        {
            return Err(failure.clone());
        }
        let rows = told.usage.iter();
        let rows = rows.filter(|(known, row)| {
            *known <= now && (window.from..window.until).contains(&row.from)
        });
        let rows = rows.map(|(_, row)| row.clone()).collect();
        let (rows, next) = page(rows, token);
        Ok(UsagePage { rows, next })
    }

    async fn costs(
        &self,
        _scope: &Scope,
        window: &Window,
        token: Option<&PageToken>,
    ) -> Result<CostPage, ProviderError> {
        let costs = {
            let told = self.told();
            if let Some(failure) = &told.costs_failure {
                return Err(failure.clone());
            }
            told.costs.clone()
        };
        let inside = |row: &Cost| (window.from..window.until).contains(&row.from);
        let (rows, next) = page(costs.into_iter().filter(inside).collect(), token);
        Ok(CostPage { rows, next })
    }
}

#[async_trait]
impl KeyProvider for MemoryReports {
    fn abilities(&self) -> Abilities {
        Abilities {
            provider: ProviderName::OpenAi,
            format: FORMAT,
            suspension: Suspension::None,
            expiry: false,
            names: Naming::Label,
            limits: Limits::default(),
        }
    }

    async fn list(&self, _scope: &Scope, token: Option<&PageToken>) -> Result<Page, ProviderError> {
        let (keys, next) = page(self.told().keys.clone(), token);
        Ok(Page { keys, next })
    }

    async fn get(&self, handle: &KeyHandle) -> Result<Option<KeyRecord>, ProviderError> {
        let told = self.told();
        let found = told.keys.iter().find(|key| key.handle == *handle);
        Ok(found.cloned())
    }

    async fn verify(&self, _key: &ApiKey) -> Verdict {
        panic!("nothing verifies a key to learn what it used")
    }

    async fn disable(&self, _handle: &KeyHandle) -> Result<Disabled, ProviderError> {
        Err(ProviderError::Unsupported("do more than report"))
    }

    async fn restore(&self, _handle: &KeyHandle, _scope: &Scope) -> Result<(), ProviderError> {
        Err(ProviderError::Unsupported("do more than report"))
    }

    async fn delete(&self, handle: &KeyHandle) -> Result<(), ProviderError> {
        self.told().keys.retain(|key| key.handle != *handle);
        Ok(())
    }

    fn issuer(&self) -> Option<&dyn KeyIssuer> {
        None
    }

    fn caps(&self) -> Option<&dyn SpendCaps> {
        None
    }

    fn reports(&self) -> Option<&dyn UsageReports> {
        (!self.told().no_reports).then_some(self)
    }
}

/// Accounts by name, each a provider that reports.
pub struct ReportingAccounts(pub Vec<(AccountName, Arc<MemoryReports>)>);

#[async_trait]
impl Providers for ReportingAccounts {
    async fn open(
        &self,
        account: &AccountName,
        _provider: ProviderName,
    ) -> Result<Arc<dyn KeyProvider>, ProviderError> {
        let mut all = self.0.iter();
        match all.find(|(name, _)| name == account) {
            Some((_, reports)) => Ok(reports.clone()),
            None => Err(ProviderError::AdminCredential {
                detail: OutsideText::new("no such account"),
            }),
        }
    }

    fn pool(&self, _account: &AccountName) -> Option<PoolSettings> {
        None
    }
}

/// A key that is listed, with what it spent so far.
pub fn listed_key(handle: &str, spent: Option<MicroDollars>) -> KeyRecord {
    KeyRecord {
        handle: handle.parse().expect("a valid handle"),
        label: OutsideText::default(),
        redacted: OutsideText::default(),
        suspended: Some(false),
        workspace: None,
        owner: KeyOwner::Unknown,
        created: None,
        expires: None,
        last_used: None,
        spent,
        cap: None,
        reach: Reach::default(),
    }
}
