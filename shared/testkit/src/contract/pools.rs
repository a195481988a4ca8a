//! What every store of standby pools promises.

use keyward_core::model::names::AccountName;
use keyward_core::model::pool::{Pool, StandbyKey};
use keyward_core::model::slot::{Epoch, Slot};
use keyward_core::model::version::Version;
use keyward_core::ports::{Fence, Inventory, InventoryError, StandbyPools, UniqueItem};

use super::inventory::{at, bare, full, slot};
use super::{Check, checks};

/// One store that keeps both: a draw writes a pool and a version at once.
pub trait PoolSubject: Send + Sync {
    /// The pools.
    fn pools(&self) -> &dyn StandbyPools;
    /// The slots and versions.
    fn inventory(&self) -> &dyn Inventory;
}

impl<T: StandbyPools + Inventory> PoolSubject for T {
    fn pools(&self) -> &dyn StandbyPools {
        self
    }

    fn inventory(&self) -> &dyn Inventory {
        self
    }
}

/// The suite. It may run against a store that holds other items.
pub const CHECKS: &[Check<dyn PoolSubject>] = checks![dyn PoolSubject:
    a_pool_that_was_never_written_is_not_found,
    a_pool_reads_back,
    a_pool_is_begun_once,
    a_pool_is_saved_by_revision,
    pools_of_accounts_are_apart,
    a_draw_writes_pool_and_version,
    of_two_draws_of_one_revision_one_wins,
    a_draw_in_an_old_epoch_is_fenced,
    a_key_that_a_slot_has_is_not_drawn,
    a_draw_of_a_version_that_exists_is_refused,
    a_draw_claims_the_key,
];

fn account(name: &str) -> AccountName {
    name.parse().expect("a valid name")
}

/// Key number `n` of an account, with every field set.
fn standby(account: &AccountName, n: u32) -> StandbyKey {
    let version = full(&format!("contract-{account}").parse().expect("a name"), n);
    StandbyKey {
        fingerprint: version.fingerprint.expect("a full version"),
        hint: version.hint.expect("a full version"),
        handle: version.handle.expect("a full version"),
        workspace: version.scope.workspace,
        created: at("2026-11-01T00:00:00.25Z"),
        expires: Some(at("2027-11-01T00:00:00Z")),
        added: at("2026-11-02T00:00:00Z"),
        ready: Some(at("2026-11-02T00:01:00Z")),
    }
}

/// A pool of two keys that was written; as it is stored.
async fn begun(subject: &dyn PoolSubject, name: &str) -> Pool {
    let account = account(name);
    let mut pool = Pool::empty(&account);
    pool.secret_version = Some(
        "c0117ac7-aaaa-4bbb-8ccc-000000000001"
            .parse()
            .expect("an id"),
    );
    pool.standby = vec![standby(&account, 1), standby(&account, 2)];
    let saved = subject.pools().save_pool(&pool).await;
    saved.expect("saved");
    stored(subject, &account).await
}

async fn stored(subject: &dyn PoolSubject, account: &AccountName) -> Pool {
    let found = subject.pools().pool(account).await.expect("read");
    found.expect("the pool is there")
}

/// A slot of the pool's account.
async fn slot_of(subject: &dyn PoolSubject, pool: &Pool, name: &str) -> Slot {
    let slot = Slot {
        account: pool.account.clone(),
        ..slot(name)
    };
    let created = subject.inventory().create_slot(&slot, None).await;
    created.expect("created");
    let found = subject.inventory().slot(&slot.name).await.expect("read");
    found.expect("the slot is there")
}

/// What the slot's version number 1 would be with the key, and the pool without it.
fn drawn(pool: &Pool, slot: &Slot, key: &StandbyKey) -> (Pool, Version) {
    let version = Version {
        fingerprint: Some(key.fingerprint),
        hint: Some(key.hint.clone()),
        handle: Some(key.handle.clone()),
        ..bare(&slot.name, 1)
    };
    let after = pool
        .clone()
        .without(key.fingerprint, &slot.name, &version.id);
    (after, version)
}

async fn versions(subject: &dyn PoolSubject, slot: &Slot) -> Vec<Version> {
    let found = subject.inventory().versions(&slot.name).await;
    found.expect("read")
}

/// A refused draw has left nothing behind: pool, versions, and no claim on the key.
async fn nothing_was_written(subject: &dyn PoolSubject, pool: &Pool, slot: &Slot) {
    assert_eq!(stored(subject, &pool.account).await, *pool);
    assert_eq!(versions(subject, slot).await, []);
}

#[track_caller]
fn assert_conflict(result: Result<(), InventoryError>) {
    assert!(
        matches!(result, Err(InventoryError::Conflict)),
        "{result:?}"
    );
}

async fn a_pool_that_was_never_written_is_not_found(subject: &dyn PoolSubject) {
    let found = subject.pools().pool(&account("contract-no-pool")).await;
    assert_eq!(found.expect("read"), None);
}

async fn a_pool_reads_back(subject: &dyn PoolSubject) {
    let pool = begun(subject, "contract-pool-reads").await;
    let slot = "contract-pool-reads".parse().expect("a name");
    let mut full = pool.clone();
    full = full.without(pool.standby[0].fingerprint, &slot, &bare(&slot, 1).id);
    full.adding_until = Some(at("2026-12-01T00:00:00.5Z"));
    let saved = subject.pools().save_pool(&full).await;
    saved.expect("saved");
    full.revision = full.revision.next();
    assert_eq!(stored(subject, &pool.account).await, full);
}

async fn a_pool_is_begun_once(subject: &dyn PoolSubject) {
    let pool = begun(subject, "contract-pool-begun").await;
    let empty = Pool::empty(&pool.account);
    assert_conflict(subject.pools().save_pool(&empty).await);
    assert_eq!(stored(subject, &pool.account).await, pool);
    let mut unknown = Pool::empty(&account("contract-pool-unknown"));
    unknown.revision = pool.revision;
    assert_conflict(subject.pools().save_pool(&unknown).await);
    let found = subject.pools().pool(&unknown.account).await;
    assert_eq!(found.expect("read"), None);
}

async fn a_pool_is_saved_by_revision(subject: &dyn PoolSubject) {
    let pool = begun(subject, "contract-pool-revision").await;
    let mut first = pool.clone();
    first.standby.truncate(1);
    subject.pools().save_pool(&first).await.expect("saved");
    assert_conflict(subject.pools().save_pool(&pool).await);
    first.revision = first.revision.next();
    assert_eq!(stored(subject, &pool.account).await, first);
}

async fn pools_of_accounts_are_apart(subject: &dyn PoolSubject) {
    let one = begun(subject, "contract-pool-one").await;
    let two = begun(subject, "contract-pool-two").await;
    let mut emptied = one.clone();
    emptied.standby.clear();
    subject.pools().save_pool(&emptied).await.expect("saved");
    assert_eq!(stored(subject, &two.account).await, two);
}

async fn a_draw_writes_pool_and_version(subject: &dyn PoolSubject) {
    let pool = begun(subject, "contract-draw").await;
    let slot = slot_of(subject, &pool, "contract-draw").await;
    let (mut after, version) = drawn(&pool, &slot, &pool.standby[0]);
    let done = subject
        .pools()
        .draw(&after, &version, Fence::Epoch(slot.epoch))
        .await;
    done.expect("drawn");
    after.revision = after.revision.next();
    assert_eq!(stored(subject, &pool.account).await, after);
    let kept = Version {
        revision: version.revision.next(),
        ..version
    };
    assert_eq!(versions(subject, &slot).await, [kept]);
}

async fn of_two_draws_of_one_revision_one_wins(subject: &dyn PoolSubject) {
    let pool = begun(subject, "contract-draw-race").await;
    let first = slot_of(subject, &pool, "contract-draw-race-a").await;
    let second = slot_of(subject, &pool, "contract-draw-race-b").await;
    let (one, version) = drawn(&pool, &first, &pool.standby[0]);
    // The second wants the same key, then another one of the revision that is gone.
    let draw = subject.pools().draw(&one, &version, Fence::None).await;
    draw.expect("drawn");
    for key in &pool.standby {
        let (two, version) = drawn(&pool, &second, key);
        assert_conflict(subject.pools().draw(&two, &version, Fence::None).await);
    }
    assert_eq!(versions(subject, &second).await, []);
    let now = stored(subject, &pool.account).await;
    assert_eq!(now.standby, pool.standby[1..]);
    let (two, version) = drawn(&now, &second, &now.standby[0]);
    let draw = subject.pools().draw(&two, &version, Fence::None).await;
    draw.expect("what was refused claimed nothing");
}

async fn a_draw_in_an_old_epoch_is_fenced(subject: &dyn PoolSubject) {
    let pool = begun(subject, "contract-draw-fence").await;
    let slot = slot_of(subject, &pool, "contract-draw-fence").await;
    let raised = Slot {
        epoch: slot.epoch.next(),
        ..slot.clone()
    };
    let saved = subject.inventory().save_slot(&raised).await;
    saved.expect("saved");
    let (after, version) = drawn(&pool, &slot, &pool.standby[0]);
    let refused = subject
        .pools()
        .draw(&after, &version, Fence::Epoch(slot.epoch))
        .await;
    assert!(
        matches!(refused, Err(InventoryError::Fenced(Epoch(epoch))) if epoch == slot.epoch.0),
        "{refused:?}"
    );
    nothing_was_written(subject, &pool, &slot).await;
    let drawn = subject
        .pools()
        .draw(&after, &version, Fence::Epoch(raised.epoch))
        .await;
    drawn.expect("what was fenced claimed nothing");
}

async fn a_key_that_a_slot_has_is_not_drawn(subject: &dyn PoolSubject) {
    let pool = begun(subject, "contract-draw-taken").await;
    let holder = slot_of(subject, &pool, "contract-draw-taken-a").await;
    let slot = slot_of(subject, &pool, "contract-draw-taken-b").await;
    let by_print = Version {
        fingerprint: Some(pool.standby[0].fingerprint),
        ..bare(&holder.name, 1)
    };
    let by_handle = Version {
        handle: Some(pool.standby[1].handle.clone()),
        ..bare(&holder.name, 2)
    };
    for version in [&by_print, &by_handle] {
        let added = subject.inventory().add_version(version, Fence::None).await;
        added.expect("added");
    }
    for (key, expected) in pool
        .standby
        .iter()
        .zip([UniqueItem::Fingerprint, UniqueItem::Handle])
    {
        let (after, version) = drawn(&pool, &slot, key);
        match subject.pools().draw(&after, &version, Fence::None).await {
            Err(InventoryError::Taken { what, by }) => {
                assert_eq!((what, by.as_ref()), (expected, Some(&holder.name)));
            }
            other => panic!("{other:?}"),
        }
        nothing_was_written(subject, &pool, &slot).await;
    }
}

async fn a_draw_of_a_version_that_exists_is_refused(subject: &dyn PoolSubject) {
    let pool = begun(subject, "contract-draw-twice").await;
    let slot = slot_of(subject, &pool, "contract-draw-twice").await;
    let there = bare(&slot.name, 1);
    let added = subject.inventory().add_version(&there, Fence::None).await;
    added.expect("added");
    let (after, version) = drawn(&pool, &slot, &pool.standby[0]);
    assert_conflict(subject.pools().draw(&after, &version, Fence::None).await);
    assert_eq!(stored(subject, &pool.account).await, pool);
    assert_eq!(versions(subject, &slot).await[0].fingerprint, None);
}

async fn a_draw_claims_the_key(subject: &dyn PoolSubject) {
    let pool = begun(subject, "contract-draw-claims").await;
    let slot = slot_of(subject, &pool, "contract-draw-claims-a").await;
    let other = slot_of(subject, &pool, "contract-draw-claims-b").await;
    let key = &pool.standby[0];
    let (after, version) = drawn(&pool, &slot, key);
    let draw = subject.pools().draw(&after, &version, Fence::None).await;
    draw.expect("drawn");
    let holder = subject.inventory().holder(&key.fingerprint).await;
    assert_eq!(holder.expect("read"), Some(slot.name));
    for version in [
        Version {
            fingerprint: Some(key.fingerprint),
            ..bare(&other.name, 1)
        },
        Version {
            handle: Some(key.handle.clone()),
            ..bare(&other.name, 2)
        },
    ] {
        let refused = subject.inventory().add_version(&version, Fence::None).await;
        assert!(
            matches!(refused, Err(InventoryError::Taken { .. })),
            "{refused:?}"
        );
    }
}
