//! Putting keys into a pool.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::examine::{NotAdded, RefusedKey, before_asking, standby};
use super::{TextsError, read, texts};
use crate::model::key::{ApiKey, Fingerprint};
use crate::model::names::{AccountName, SecretVersionId};
use crate::model::pool::{Pool, StandbyKey};
use crate::model::pool_document::PoolDocumentError;
use crate::model::slot::Scope;
use crate::model::text::OutsideText;
use crate::model::version::{Version, VersionState};
use crate::ports::{
    Deadline, InventoryError, KeyProvider, PoolSettings, ProviderError, SecretError, Suspension,
};
use crate::usecases::{Ports, find};

/// What is left of the invocation when a key is looked at, at least: enough to store, record and suspend it.
const TIME_FOR_A_KEY: SignedDuration = SignedDuration::from_secs(60);

/// What is left of it when a key is suspended, at least: what is sent arrives while no other call can be at work.
const TIME_TO_SUSPEND: SignedDuration = SignedDuration::from_secs(30);

/// How often the pool is written anew when somebody else writes it meanwhile.
const TRIES: usize = 8;

/// What became of the keys that were given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddReport {
    /// Those that stand by now, whether or not they are ready yet.
    pub added: Vec<Fingerprint>,
    /// Those that do not, and why.
    pub refused: Vec<RefusedKey>,
    /// Those of the whole pool that could not be suspended, and so cannot be drawn until the next call does it.
    pub not_ready: Vec<(Fingerprint, ProviderError)>,
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
/// recorded, then suspended, and then it can be drawn. One call at a time: no other may suspend a key that was drawn
/// meanwhile. May be repeated with the same keys: what was recorded before is refused as being there, and what was not
/// suspended then is now.
///
/// # Errors
/// [`AddError`]: no key can be drawn that could not be before.
pub async fn add(
    ports: &Ports,
    account: &AccountName,
    keys: Vec<ApiKey>,
    deadline: Deadline,
) -> Result<AddReport, AddError> {
    let settings = ports.providers.pool(account);
    let settings = settings.ok_or_else(|| AddError::NoPool(account.clone()))?;
    let provider = ports.providers.open(account, settings.provider).await?;
    let pool = claim(ports, account, deadline).await?;
    let done = put_in(ports, &settings, provider.as_ref(), pool, keys, deadline).await;
    if done.is_err() {
        release(ports, account, deadline).await;
    }
    done
}

async fn put_in(
    ports: &Ports,
    settings: &PoolSettings,
    provider: &dyn KeyProvider,
    pool: Pool,
    keys: Vec<ApiKey>,
    deadline: Deadline,
) -> Result<AddReport, AddError> {
    let account = &pool.account;
    let (candidates, mut refused) = examine(ports, &pool, provider, keys, deadline).await?;
    let mut added: Vec<Fingerprint> = candidates.iter().map(|(k, _)| k.fingerprint).collect();
    if !candidates.is_empty() {
        record(ports, account, settings, candidates).await?;
    }
    let readied = make_ready(ports, account, provider, deadline).await?;
    added.retain(|print| !readied.leaving.iter().any(|key| key.fingerprint == *print));
    refused.extend(readied.leaving);
    Ok(AddReport {
        added,
        refused,
        not_ready: readied.failures,
        pool: readied.pool,
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

type Candidate = (StandbyKey, ApiKey);

async fn examine(
    ports: &Ports,
    pool: &Pool,
    provider: &dyn KeyProvider,
    keys: Vec<ApiKey>,
    deadline: Deadline,
) -> Result<(Vec<Candidate>, Vec<RefusedKey>), AddError> {
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
                    listed = Some(find::fitting(provider, &Scope::default(), &keys).await?);
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
    Ok((candidates, refused))
}

/// Stores the texts in a version of their own of the pool's secret, then names that version in the record. If a key is
/// drawn between, it begins again from there. Texts of keys that are in their slots by now go.
async fn record(
    ports: &Ports,
    account: &AccountName,
    settings: &PoolSettings,
    candidates: Vec<Candidate>,
) -> Result<(), AddError> {
    for _ in 0..TRIES {
        let mut pool = read(ports, account).await?;
        let mut document = texts(ports, settings, &pool).await?;
        forget_settled(ports, &mut pool).await?;
        for (standby, key) in &candidates {
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

/// What became of the standby keys that were not ready.
struct Readied {
    pool: Pool,
    failures: Vec<(Fingerprint, ProviderError)>,
    leaving: Vec<RefusedKey>,
}

/// Suspends every standby key that is not ready, where the provider can, lets it be drawn, and ends this call's claim.
/// A key that cannot be drawn yet is nobody's, so no agent is hit; one that became a slot's by another way, or that the
/// provider has no more, leaves the pool instead.
async fn make_ready(
    ports: &Ports,
    account: &AccountName,
    provider: &dyn KeyProvider,
    deadline: Deadline,
) -> Result<Readied, AddError> {
    let mut suspended = BTreeSet::new();
    let (mut failures, mut leaving) = (Vec::new(), Vec::new());
    let pool = read(ports, account).await?;
    for key in pool.standby.iter().filter(|key| key.ready.is_none()) {
        let leaves = |why| RefusedKey {
            hint: key.hint.clone(),
            fingerprint: key.fingerprint,
            why,
        };
        if let Some(slot) = ports.inventory.holder(&key.fingerprint).await? {
            leaving.push(leaves(NotAdded::InUse(slot)));
            continue;
        }
        match suspend(ports, provider, key, deadline).await {
            Ok(()) => drop(suspended.insert(key.fingerprint)),
            Err(ProviderError::NotFound) if is_gone(provider, key).await => {
                leaving.push(leaves(NotAdded::Gone));
            }
            Err(error) => failures.push((key.fingerprint, error)),
        }
    }
    for _ in 0..TRIES {
        let mut pool = read(ports, account).await?;
        let now = ports.clock.now();
        for key in &mut pool.standby {
            if suspended.contains(&key.fingerprint) {
                key.ready = key.ready.or(Some(now));
            }
        }
        let stays = |key: &StandbyKey| !leaving.iter().any(|l| l.fingerprint == key.fingerprint);
        pool.standby.retain(stays);
        pool.adding_until = pool.adding_until.filter(|until| *until != deadline.0);
        match ports.pools.save_pool(&pool).await {
            Ok(()) => {
                return Ok(Readied {
                    pool,
                    failures,
                    leaving,
                });
            }
            Err(InventoryError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(InventoryError::Conflict.into())
}

/// Whether the list agrees that there is no such key.
async fn is_gone(provider: &dyn KeyProvider, key: &StandbyKey) -> bool {
    let listed = find::is_listed(provider, &Scope::default(), &key.handle).await;
    matches!(listed, Ok(false))
}

/// Suspends one key, while this call's claim holds.
async fn suspend(
    ports: &Ports,
    provider: &dyn KeyProvider,
    key: &StandbyKey,
    deadline: Deadline,
) -> Result<(), ProviderError> {
    match provider.abilities().suspension {
        Suspension::Narrows | Suspension::None => Ok(()),
        Suspension::Refuses if !deadline.allows(ports.clock.as_ref(), TIME_TO_SUSPEND) => {
            Err(ProviderError::RetryAfter {
                after: None,
                detail: OutsideText::new("there was no time left"),
            })
        }
        Suspension::Refuses => provider.disable(&key.handle).await.map(drop),
    }
}
