//! Putting keys into a pool.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::examine::{NotAdded, RefusedKey, before_asking, standby};
use super::{TRIES, TextsError, read, texts, update};
use crate::model::key::{ApiKey, Fingerprint};
use crate::model::names::{AccountName, SecretVersionId};
use crate::model::pool::{Pool, StandbyKey};
use crate::model::pool_document::PoolDocumentError;
use crate::model::slot::Scope;
use crate::model::text::OutsideText;
use crate::model::version::{Version, VersionState};
use crate::ports::{
    ActOrderError, ActOrders, Deadline, InventoryError, KeyProvider, KeyRecord, PoolSettings,
    ProviderError, Readied, SecretError,
};
use crate::usecases::{Ports, find, orders};

/// What is left of the invocation when a key is looked at, at least: enough to store, record and suspend it.
const TIME_FOR_A_KEY: SignedDuration = SignedDuration::from_secs(60);

/// What became of the keys that were given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddReport {
    /// Those that stand by now, whether or not they are ready yet.
    pub added: Vec<Fingerprint>,
    /// Those that do not, and why.
    pub refused: Vec<RefusedKey>,
    /// Those of the whole pool that could not be suspended, and so cannot be drawn until the next call does it.
    pub not_ready: Vec<(Fingerprint, ProviderError)>,
    /// Those that stood by, that the provider has no more, and that are out of the pool.
    pub gone: Vec<StandbyKey>,
    /// The pool afterwards.
    pub pool: Pool,
}

/// Why no key was put into the pool.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// The deployment configures no pool for the account.
    #[error("no standby pool is configured for provider account `{0}`; nothing was changed")]
    NoPool(AccountName),
    /// Another call that puts keys in may be at work.
    #[error(
        "another call may be putting keys into the pool until {0}; nothing was changed, try again then"
    )]
    Busy(Timestamp),
    /// The provider's list cannot be read.
    #[error("the provider's list of keys cannot be read; nothing was changed")]
    Provider(#[from] ProviderError),
    /// The keys are in the pool, but the kill switch could not suspend them for now: they cannot be drawn.
    #[error(
        "the keys are in the pool, but none can be drawn until it is suspended; the kill switch could not do that ({0})"
    )]
    NotReadied(OutsideText),
    /// The same; what the kill switch did is not known.
    #[error("the keys are in the pool, but none can be drawn until it is suspended")]
    KillSwitch(#[from] ActOrderError),
    /// The inventory.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// The pool's secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// What the pool's secret holds, or would hold.
    #[error(transparent)]
    Document(#[from] PoolDocumentError),
}

impl From<TextsError> for AddError {
    fn from(error: TextsError) -> Self {
        match error {
            TextsError::Secret(error) => error.into(),
            TextsError::Document(error) => error.into(),
        }
    }
}

/// Puts keys into the account's pool: each is looked up at the provider and verified, its text is stored, then it is
/// recorded, then suspended, and then it can be drawn. Where one is put in, those leave that stood by and that the provider
/// has no more: its list is the account's, since it shows the new one. One call at a time: no other may suspend a key that was
/// drawn meanwhile. May be repeated with the same keys: what was recorded before is refused as being there, and what was not
/// suspended then is now.
///
/// # Errors
/// [`AddError`]: no key can be drawn that could not be before.
pub async fn add(
    ports: &Ports,
    orders: &dyn ActOrders,
    account: &AccountName,
    keys: Vec<ApiKey>,
    deadline: Deadline,
) -> Result<AddReport, AddError> {
    let settings = ports.providers.pool(account);
    let settings = settings.ok_or_else(|| AddError::NoPool(account.clone()))?;
    let provider = ports.providers.open(account, settings.provider).await?;
    let pool = claim(ports, account, deadline).await?;
    let readied = match put_in(ports, &settings, provider.as_ref(), pool, keys, deadline).await {
        Ok(put) => make_ready(ports, orders, put, deadline).await,
        Err(error) => Err(error),
    };
    match readied {
        // The kill switch may be at work until the claim is over.
        Ok(_) | Err(AddError::KillSwitch(_)) => {}
        Err(_) => release(ports, account, deadline).await,
    }
    readied
}

/// What putting keys in would come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddForeseen {
    /// Those that would stand by.
    pub fit: Vec<StandbyKey>,
    /// Those that would not, and why.
    pub refused: Vec<RefusedKey>,
    /// Those that stand by, and that the provider has no more: they would leave.
    pub gone: Vec<StandbyKey>,
    /// The pool as it is.
    pub pool: Pool,
}

/// What [`add`] would do with these keys. Nothing is changed.
///
/// # Errors
/// [`AddError`].
pub async fn foresee_add(
    ports: &Ports,
    account: &AccountName,
    keys: Vec<ApiKey>,
    deadline: Deadline,
) -> Result<AddForeseen, AddError> {
    let settings = ports.providers.pool(account);
    let settings = settings.ok_or_else(|| AddError::NoPool(account.clone()))?;
    let provider = ports.providers.open(account, settings.provider).await?;
    let pool = read(ports, account).await?;
    let examined = examine(ports, &pool, provider.as_ref(), keys, deadline).await?;
    Ok(AddForeseen {
        fit: examined
            .candidates
            .into_iter()
            .map(|(key, _)| key)
            .collect(),
        refused: examined.refused,
        gone: examined.gone,
        pool,
    })
}

/// What is recorded of the keys that were given; they cannot be drawn yet.
struct Put {
    account: AccountName,
    added: Vec<Fingerprint>,
    refused: Vec<RefusedKey>,
    gone: Vec<StandbyKey>,
}

async fn put_in(
    ports: &Ports,
    settings: &PoolSettings,
    provider: &dyn KeyProvider,
    pool: Pool,
    keys: Vec<ApiKey>,
    deadline: Deadline,
) -> Result<Put, AddError> {
    let examined = examine(ports, &pool, provider, keys, deadline).await?;
    let account = pool.account;
    if !examined.candidates.is_empty() {
        record(ports, &account, settings, &examined).await?;
    }
    Ok(Put {
        account,
        added: examined
            .candidates
            .iter()
            .map(|(key, _)| key.fingerprint)
            .collect(),
        refused: examined.refused,
        gone: examined.gone,
    })
}

/// Ends this call's claim before its time, so that the next need not wait. Another call's claim stays: while it is at
/// work, no third may suspend keys beside it.
async fn release(ports: &Ports, account: &AccountName, deadline: Deadline) {
    let Ok(mut pool) = read(ports, account).await else {
        return;
    };
    if pool.adding_until != Some(deadline.0) {
        return;
    }
    pool.adding_until = None;
    if let Err(error) = ports.pools.save_pool(&pool).await {
        tracing::warn!(%account, %error, "the next call that puts keys in waits for the end of this one");
    }
}

/// Writes down that this call is at work until its end. That a key is drawn meanwhile is no reason to give up.
async fn claim(ports: &Ports, account: &AccountName, deadline: Deadline) -> Result<Pool, AddError> {
    for _ in 0..TRIES {
        let mut pool = read(ports, account).await?;
        if let Some(until) = pool.adding_until.filter(|until| *until > ports.clock.now()) {
            return Err(AddError::Busy(until));
        }
        pool.adding_until = Some(deadline.0);
        match ports.pools.save_pool(&pool).await {
            Ok(()) => return Ok(pool),
            Err(InventoryError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(InventoryError::Conflict.into())
}

/// What a look at the keys that were given, and at the provider's list, came to.
struct Examined {
    candidates: Vec<(StandbyKey, ApiKey)>,
    refused: Vec<RefusedKey>,
    /// Those that stand by and are not in the list.
    gone: Vec<StandbyKey>,
}

async fn examine(
    ports: &Ports,
    pool: &Pool,
    provider: &dyn KeyProvider,
    keys: Vec<ApiKey>,
    deadline: Deadline,
) -> Result<Examined, AddError> {
    let format = provider.abilities().format;
    let mut listed = None;
    let mut seen = BTreeSet::new();
    let (mut candidates, mut refused) = (Vec::new(), Vec::new());
    for key in &keys {
        let why = if !seen.insert(key.fingerprint()) {
            Some(NotAdded::Repeated)
        } else if !deadline.allows(ports.clock.as_ref(), TIME_FOR_A_KEY) {
            Some(NotAdded::NoTime)
        } else {
            before_asking(ports, pool, provider, key).await?
        };
        let why = match why {
            Some(why) => why,
            None => {
                if listed.is_none() {
                    listed = Some(list(provider, pool, &keys).await?);
                }
                let listed = listed.as_deref().unwrap_or_default();
                match standby(ports, provider, listed, key).await {
                    Ok(standby) => {
                        candidates.push((standby, key.clone()));
                        continue;
                    }
                    Err(why) => why,
                }
            }
        };
        refused.push(RefusedKey {
            hint: key.hint(&format),
            fingerprint: key.fingerprint(),
            why,
        });
    }
    // A list that shows none of the keys that work may be another account's.
    let listed = listed.filter(|_| !candidates.is_empty());
    let is_gone = |key: &&StandbyKey| {
        let list = listed.as_deref();
        list.is_some_and(|list: &[KeyRecord]| list.iter().all(|record| record.handle != key.handle))
    };
    let gone = pool.standby.iter().filter(is_gone).cloned().collect();
    Ok(Examined {
        candidates,
        refused,
        gone,
    })
}

/// Of the account's keys those that may be one of these, or stand by. The others are let go page by page: an account may
/// have more keys than memory holds.
async fn list(
    provider: &dyn KeyProvider,
    pool: &Pool,
    keys: &[ApiKey],
) -> Result<Vec<KeyRecord>, ProviderError> {
    let wanted = |record: &KeyRecord| {
        keys.iter().any(|key| record.may_be_key(key))
            || pool.standby.iter().any(|key| key.handle == record.handle)
    };
    find::keys(provider, &Scope::default(), wanted).await
}

/// Stores the texts in a version of their own of the pool's secret, then names that version in the record. If a key is
/// drawn between, it begins again from there. Texts of keys that are in their slots by now, or gone, go.
async fn record(
    ports: &Ports,
    account: &AccountName,
    settings: &PoolSettings,
    examined: &Examined,
) -> Result<(), AddError> {
    for _ in 0..TRIES {
        let mut pool = read(ports, account).await?;
        let mut document = texts(ports, settings, &pool).await?;
        forget_settled(ports, &mut pool).await?;
        let is_gone = |print| examined.gone.iter().any(|key| key.fingerprint == print);
        pool.standby.retain(|key| !is_gone(key.fingerprint));
        for (standby, key) in &examined.candidates {
            if !pool
                .standby
                .iter()
                .any(|k| k.fingerprint == standby.fingerprint)
            {
                pool.standby.push(standby.clone());
            }
            document.insert(key.clone());
        }
        document.retain(|print| {
            pool.standby.iter().any(|k| k.fingerprint == *print)
                || pool.drawn.iter().any(|k| k.fingerprint == *print)
        });
        let version = version_for(&pool)?;
        ports
            .secrets
            .store(&settings.secret, &version, &document.to_text()?)
            .await?;
        pool.secret_version = Some(version);
        match ports.pools.save_pool(&pool).await {
            Ok(()) => return Ok(()),
            Err(InventoryError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(InventoryError::Conflict.into())
}

/// A drawn key's text stays in the pool's secret until it is stored in its slot's.
async fn forget_settled(ports: &Ports, pool: &mut Pool) -> Result<(), InventoryError> {
    let mut unsettled = Vec::new();
    for drawn in std::mem::take(&mut pool.drawn) {
        let versions = ports.inventory.versions(&drawn.slot).await?;
        let waits = |v: &&Version| v.id == drawn.version && v.state == VersionState::Intended;
        if versions.iter().find(waits).is_some() {
            unsettled.push(drawn);
        }
    }
    pool.drawn = unsettled;
    Ok(())
}

/// The version of the pool's secret that a pool's texts are stored under: the same for the same keys on top of the
/// same record.
fn version_for(pool: &Pool) -> Result<SecretVersionId, PoolDocumentError> {
    let mut hash = Sha256::new();
    hash.update(format!("{}/{}", pool.account, pool.revision.0));
    let standby = pool.standby.iter().map(|key| key.fingerprint);
    let mut prints: Vec<_> = standby
        .chain(pool.drawn.iter().map(|k| k.fingerprint))
        .collect();
    prints.sort();
    for print in prints {
        hash.update(print.to_hex());
    }
    let hex: String = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    hex.parse().map_err(|_| PoolDocumentError::Unreadable)
}

/// Has every standby key suspended that is not ready, where the provider can, lets it be drawn, and ends this call's claim.
/// One that became a slot's by another way, or that the provider has no more, leaves the pool instead.
async fn make_ready(
    ports: &Ports,
    orders: &dyn ActOrders,
    put: Put,
    deadline: Deadline,
) -> Result<AddReport, AddError> {
    let mut readied = Vec::new();
    let pool = read(ports, &put.account).await?;
    if pool.standby.iter().any(|key| key.ready.is_none()) {
        readied = orders::ready_pool(orders, &put.account, deadline).await?;
    }
    let pool = record_ready(ports, &put.account, &readied, deadline).await?;
    let mut report = AddReport {
        added: put.added,
        refused: put.refused,
        not_ready: Vec::new(),
        gone: put.gone,
        pool: pool.after,
    };
    for (fingerprint, became) in readied {
        let why = match became {
            Readied::Suspended => continue,
            Readied::Failed(error) => {
                report.not_ready.push((fingerprint, error));
                continue;
            }
            Readied::InUse(slot) => NotAdded::InUse(slot),
            Readied::Gone => NotAdded::Gone,
        };
        report.added.retain(|print| *print != fingerprint);
        let left = pool.left.iter().find(|key| key.fingerprint == fingerprint);
        report.refused.extend(left.map(|key| RefusedKey {
            hint: key.hint.clone(),
            fingerprint,
            why,
        }));
    }
    Ok(report)
}

/// A pool as it was recorded.
struct Recorded {
    after: Pool,
    /// What is in it no more.
    left: Vec<StandbyKey>,
}

/// Records what became of the keys that were not ready, and ends this call's claim.
async fn record_ready(
    ports: &Ports,
    account: &AccountName,
    readied: &[(Fingerprint, Readied)],
    deadline: Deadline,
) -> Result<Recorded, InventoryError> {
    let became = |key: &StandbyKey| {
        let mut readied = readied
            .iter()
            .filter(|(print, _)| *print == key.fingerprint);
        readied.next().map(|(_, became)| became)
    };
    let now = ports.clock.now();
    let mut left = Vec::new();
    let after = update(ports, account, |pool| {
        left.clear();
        let mut stay = Vec::new();
        for mut key in std::mem::take(&mut pool.standby) {
            match became(&key) {
                Some(Readied::InUse(_) | Readied::Gone) => {
                    left.push(key);
                    continue;
                }
                Some(Readied::Suspended) => key.ready = key.ready.or(Some(now)),
                Some(Readied::Failed(_)) | None => {}
            }
            stay.push(key);
        }
        pool.standby = stay;
        pool.adding_until = pool.adding_until.filter(|until| *until != deadline.0);
        true
    });
    let after = after.await?;
    Ok(Recorded { after, left })
}
