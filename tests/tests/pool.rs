//! The standby pool: what is put in and what is refused, what a crash or a second call leaves, who draws what.
#![allow(clippy::unwrap_used, reason = "test code")]

#[path = "pool/crashes.rs"]
mod crashes;
#[path = "pool/drawing.rs"]
mod drawing;
#[path = "pool/leaked.rs"]
mod leaked;
#[path = "pool/limits.rs"]
mod limits;
#[path = "pool/side_by_side.rs"]
mod side_by_side;

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use async_trait::async_trait;
use fastrand::Rng;
use jiff::SignedDuration;
use keyward_core::model::act_order::ActOrder;
use keyward_core::model::alert::AlertKind;
use keyward_core::model::fleet::Fleet;
use keyward_core::model::key::ApiKey;
use keyward_core::model::names::{AccountName, SecretArn, SlotName};
use keyward_core::model::pool::{Pool, StandbyKey};
use keyward_core::model::pool_document::PoolDocumentError;
use keyward_core::model::text::OutsideText;
use keyward_core::model::version::{Version, VersionState};
use keyward_core::ports::{
    ActOrderError, ActOrders, ActOutcome, Clock, Deadline, Inventory, KeyOwner, KeyRecord, Readied,
    StandbyPools, Verdict,
};
use keyward_core::usecases::Ports;
use keyward_core::usecases::pool::{AddError, AddReport, NotAdded, add, foresee_add};
use keyward_core::usecases::register::register;
use keyward_testkit::clock::ManualClock;
use keyward_testkit::drive::{
    Point, Scenario, Task, crash_at_every_call, disturb_before_every_call, interleave,
};
use keyward_testkit::gate::{Cut, Gate, Losses, gated};
use keyward_testkit::memory::{KillSwitchHere, MemoryProvider};
use keyward_tests::support::{
    Oddity, RetireScenario, STEPS, StepScenario, World, check_rules, say, token,
};
use serde_json::json;

fn account() -> AccountName {
    "anthropic-main".parse().unwrap()
}

fn pool_secret() -> SecretArn {
    "arn:aws:secretsmanager:us-east-1:111122223333:secret:keyward/pool-a1B2c3"
        .parse()
        .unwrap()
}

/// A slot and six keys that stand by, on parts in memory.
async fn start_with(gate: Arc<Gate>) -> (World, Arc<MemoryProvider>) {
    let clock = Arc::new(ManualClock::start());
    let provider = Arc::new(MemoryProvider::with_pool(clock.clone()));
    let world = World::with(&gate, clock, Box::new(provider.clone())).await;
    (world, provider)
}

async fn start() -> (World, Arc<MemoryProvider>) {
    start_with(Arc::default()).await
}

fn make(gate: Arc<Gate>) -> Pin<Box<dyn Future<Output = World>>> {
    Box::pin(async { start_with(gate).await.0 })
}

/// Puts keys in, not through the gate.
async fn put(world: &World, texts: &[String]) -> Result<AddReport, AddError> {
    put_on(world, &world.open, texts).await
}

/// The same on the given ports.
async fn put_on(world: &World, ports: &Ports, texts: &[String]) -> Result<AddReport, AddError> {
    let keys = texts.iter().map(|text| ApiKey::new(text)).collect();
    let orders = KillSwitchHere::on(ports);
    add(ports, &orders, &account(), keys, world.deadline()).await
}

async fn pool(world: &World) -> Pool {
    let found = world.outside.inventory.pool(&account()).await;
    found.unwrap().unwrap()
}

/// Changes the pool's record as nothing but a test does.
async fn edit(world: &World, change: impl FnOnce(&mut Pool)) {
    let mut pool = pool(world).await;
    change(&mut pool);
    world.outside.inventory.save_pool(&pool).await.unwrap();
}

fn standing<'a>(pool: &'a Pool, text: &str) -> Option<&'a StandbyKey> {
    let print = ApiKey::new(text).fingerprint();
    pool.standby.iter().find(|key| key.fingerprint == print)
}

/// What every pool at rest keeps: no key twice, none that a slot has, and what is ready is suspended at the provider.
async fn check_pool(world: &World, provider: &MemoryProvider, context: &str) {
    let pool = pool(world).await;
    let prints: BTreeSet<_> = pool.standby.iter().map(|key| key.fingerprint).collect();
    let handles: BTreeSet<_> = pool.standby.iter().map(|key| &key.handle).collect();
    assert_eq!(prints.len(), pool.standby.len(), "{context}");
    assert_eq!(handles.len(), pool.standby.len(), "{context}");
    for version in world.outside.inventory.all_versions() {
        let taken = version.fingerprint.is_some_and(|p| prints.contains(&p));
        assert!(!taken, "{} stands by still; {context}", version.id);
    }
    for (text, _) in provider.live() {
        let ready = standing(&pool, &text).is_some_and(|key| key.ready.is_some());
        assert!(!ready, "rule 2: a key that is ready works; {context}");
    }
}

async fn why_refused(world: &World, text: &str) -> NotAdded {
    let before = pool(world).await;
    let report = put(world, &[text.to_owned()]).await.unwrap();
    assert_eq!(report.added, []);
    assert_eq!(report.pool.standby, before.standby);
    assert_eq!(report.pool.adding_until, None, "the claim has ended");
    assert_eq!(report.refused.len(), 1);
    assert_eq!(
        report.refused[0].fingerprint,
        ApiKey::new(text).fingerprint()
    );
    report.refused[0].why.clone()
}

#[tokio::test]
async fn what_would_be_put_in_is_said_and_nothing_changed() {
    let (world, provider) = start().await;
    let (fit, unknown) = (provider.seed("new"), "sk-ant-EXAMPLE".to_owned());
    let before = world.outside.inventory.dump();
    let keys = [&fit, &unknown].map(|text| ApiKey::new(text)).to_vec();
    let foreseen = foresee_add(&world.open, &account(), keys, world.deadline()).await;
    let foreseen = foreseen.unwrap();
    let prints: Vec<_> = foreseen.fit.iter().map(|key| key.fingerprint).collect();
    assert_eq!(prints, [ApiKey::new(&fit).fingerprint()]);
    assert_eq!(foreseen.refused.len(), 1, "{:?}", foreseen.refused);
    assert_eq!(world.outside.inventory.dump(), before);
    let added = put(&world, &[fit.clone(), unknown]).await.unwrap();
    assert_eq!(added.added, prints);
    assert_eq!(added.refused, foreseen.refused);
}

/// What the kill switch did is not known: the claim holds until it can be at work no more, and the same call goes on then.
#[tokio::test]
async fn a_call_whose_suspending_was_not_answered_goes_on_when_its_claim_is_over() {
    let (world, provider) = start().await;
    let text = provider.seed("new");
    let keys = vec![ApiKey::new(&text)];
    let claim = world.deadline();
    let failed = add(&world.open, &NoAnswer, &account(), keys, claim).await;
    assert!(matches!(failed, Err(AddError::KillSwitch(_))), "{failed:?}");
    let kept = pool(&world).await;
    assert_eq!(kept.adding_until, Some(claim.0));
    assert!(standing(&kept, &text).is_some_and(|key| key.ready.is_none()));
    let busy = put(&world, std::slice::from_ref(&text)).await;
    assert!(matches!(busy, Err(AddError::Busy(_))), "{busy:?}");

    world.pass(SignedDuration::from_mins(6));
    // An order that comes so late suspends nobody: the key may be a slot's by now.
    let late = ActOrder::ReadyPool {
        account: account(),
        until: claim.0,
    };
    let outcome = KillSwitchHere::on(&world.open)
        .carry_out(&late)
        .await
        .unwrap();
    let ActOutcome::Standby(readied) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(
        readied
            .iter()
            .all(|(_, became)| matches!(became, Readied::Failed(_)))
    );
    let again = put(&world, std::slice::from_ref(&text)).await.unwrap();
    assert!(standing(&again.pool, &text).is_some_and(|key| key.ready.is_some()));
    check_pool(&world, &provider, "after all").await;
}

/// A kill switch that is never heard of.
struct NoAnswer;

#[async_trait]
impl ActOrders for NoAnswer {
    async fn carry_out(&self, _: &ActOrder) -> Result<ActOutcome, ActOrderError> {
        Err(ActOrderError::Unknown("no answer".into()))
    }
}

#[tokio::test]
async fn keys_are_suspended_before_they_can_be_drawn() {
    let (world, provider) = start().await;
    let texts: Vec<String> = (0..3)
        .map(|n| provider.seed(&format!("more {n}")))
        .collect();
    let report = put(&world, &texts).await.unwrap();
    assert_eq!((report.added.len(), report.pool.standby.len()), (3, 9));
    assert_eq!((report.refused.len(), report.not_ready.len()), (0, 0));
    for text in &texts {
        assert!(!provider.accepts(text));
        let key = standing(&report.pool, text).unwrap();
        let listed = provider.record(text).unwrap();
        assert_eq!(
            (&key.handle, key.workspace.as_ref()),
            (&listed.handle, listed.workspace.as_ref())
        );
        assert_eq!(Some(key.created), listed.created);
        assert_eq!(key.ready, Some(key.added));
    }
    check_pool(&world, &provider, "").await;
}

#[tokio::test]
async fn each_refusal_says_why_and_leaves_the_key_alone() {
    let (world, provider) = start().await;
    let prefix = "sk-ant-api03-";
    let foreign = "sk-or-v1-EXAMPLE0123456789abcdef0123456789abcdef0123456789abcdef";
    assert_eq!(why_refused(&world, foreign).await, NotAdded::WrongFormat);
    let low = why_refused(&world, &format!("{prefix}EXAMPLE")).await;
    assert!(
        matches!(low, NotAdded::LowEntropy(bits) if bits < 128),
        "{low}"
    );
    let own = world.current_key();
    let slot = world.slot.clone();
    assert_eq!(why_refused(&world, &own).await, NotAdded::InUse(slot));
    assert!(provider.accepts(&own));

    let unlisted = format!("{prefix}EXAMPLE{}", "0123456789abcdef".repeat(4));
    assert_eq!(why_refused(&world, &unlisted).await, NotAdded::NotListed);
    let personal = provider.seed("ana's");
    provider.relist(&personal, |key| key.owner = KeyOwner::Person);
    assert_eq!(why_refused(&world, &personal).await, NotAdded::Personal);
    assert!(provider.accepts(&personal));
    provider.relist(&personal, |key| key.owner = KeyOwner::Unknown);
    assert_eq!(why_refused(&world, &personal).await, NotAdded::OwnerUntold);
    let everywhere = provider.seed("of the organization");
    provider.relist(&everywhere, |key| key.workspace = None);
    assert_eq!(
        why_refused(&world, &everywhere).await,
        NotAdded::NoWorkspace
    );
    assert!(provider.accepts(&everywhere));
    let one = provider.seed("one");
    let twin = provider.seed_twin("two", &one);
    for text in [&one, &twin] {
        assert_eq!(why_refused(&world, text).await, NotAdded::Ambiguous(2));
        assert!(provider.accepts(text));
    }
    let dead = provider.seed("dead");
    provider.relist(&dead, |key| key.suspended = Some(true));
    let why = why_refused(&world, &dead).await;
    assert!(matches!(why, NotAdded::Dead(_)), "{why}");
    check_pool(&world, &provider, "").await;
}

#[tokio::test]
async fn what_the_provider_says_of_a_key_decides() {
    let detail = OutsideText::new("detail");
    for (verdict, expected) in [
        (
            Verdict::Dead(detail.clone()),
            Some(NotAdded::Dead(detail.clone())),
        ),
        (
            Verdict::Unknown(detail.clone()),
            Some(NotAdded::Unknown(detail.clone())),
        ),
        (
            Verdict::BlockedForScope(detail.clone()),
            Some(NotAdded::OutOfScope(detail.clone())),
        ),
        (Verdict::BlockedForMoney(detail), None),
        (Verdict::Live, None),
    ] {
        let (world, provider) = start().await;
        let text = provider.seed("new");
        let ports = world.odd(Oddity::Says(verdict.clone()));
        let report = put_on(&world, &ports, std::slice::from_ref(&text))
            .await
            .unwrap();
        let why = report.refused.first().map(|refused| refused.why.clone());
        assert_eq!(why, expected, "{verdict:?}");
        let stands = standing(&report.pool, &text).is_some();
        assert_eq!(stands, expected.is_none(), "{verdict:?}");
        assert_eq!(provider.accepts(&text), expected.is_some(), "{verdict:?}");
    }
}

#[tokio::test]
async fn a_key_is_taken_once_however_often_it_is_given() {
    let (world, provider) = start().await;
    let (text, next) = (provider.seed("new"), provider.seed("next"));
    let given = [text.clone(), text.clone()];
    let report = put(&world, &given).await.unwrap();
    assert_eq!(report.added, [ApiKey::new(&text).fingerprint()]);
    assert_eq!(report.refused[0].why, NotAdded::Repeated);
    let report = put(&world, &[text.clone(), next]).await.unwrap();
    assert_eq!((report.added.len(), report.refused.len()), (1, 1));
    assert_eq!(report.refused[0].why, NotAdded::InPool);
    assert_eq!(report.pool.standby.len(), 8);
}

#[tokio::test]
async fn one_call_at_a_time_puts_keys_in() {
    let (world, provider) = start().await;
    let until = world.deadline().0;
    edit(&world, |pool| pool.adding_until = Some(until)).await;
    let before = pool(&world).await;
    let text = provider.seed("new");
    let busy = put(&world, std::slice::from_ref(&text)).await.unwrap_err();
    assert!(matches!(busy, AddError::Busy(at) if at == until), "{busy}");
    assert_eq!(pool(&world).await, before);
    assert!(provider.accepts(&text), "nothing was done");
    world.pass(SignedDuration::from_mins(6));
    let report = put(&world, &[text]).await.unwrap();
    assert_eq!(report.added.len(), 1, "a dead call's claim ends by itself");
}

#[tokio::test]
async fn without_a_pool_or_the_providers_list_nothing_is_changed() {
    let (world, provider) = start().await;
    let keys = || vec![ApiKey::new(&provider.seed("new"))];
    let other: AccountName = "other".parse().unwrap();
    let refused = add(
        &world.open,
        &KillSwitchHere::on(&world.open),
        &other,
        keys(),
        world.deadline(),
    )
    .await;
    assert!(matches!(refused, Err(AddError::NoPool(name)) if name == other));
    let before = pool(&world).await;
    let ports = world.odd(Oddity::FailsOnPageTwo);
    let refused = add(
        &ports,
        &KillSwitchHere::on(&ports),
        &account(),
        keys(),
        world.deadline(),
    )
    .await;
    assert!(matches!(refused, Err(AddError::Provider(_))), "{refused:?}");
    let after = pool(&world).await;
    assert_eq!((after.standby, after.adding_until), (before.standby, None));
    assert!(
        provider
            .live()
            .iter()
            .any(|(_, key)| key.label.as_str() == "new")
    );
}

#[tokio::test]
async fn a_key_that_cannot_be_suspended_is_not_drawn_until_it_is() {
    let (world, provider) = start().await;
    edit(&world, |pool| pool.standby.clear()).await;
    let text = provider.seed("new");
    let gate = Arc::new(Gate::default());
    let ports = gated(&world.open, &gate);
    gate.silence(&["provider.disable"]);
    let report = put_on(&world, &ports, std::slice::from_ref(&text))
        .await
        .unwrap();
    assert_eq!((report.added.len(), report.not_ready.len()), (1, 1));
    let refused = world.rotate(&token(2)).await.unwrap_err();
    assert!(!refused.is_retryable(), "{refused}");
    assert!(provider.accepts(&text));
    let again = put(&world, &[]).await.unwrap();
    assert_eq!((again.added.len(), again.not_ready.len()), (0, 0));
    assert!(!provider.accepts(&text));
    world.rotate(&token(2)).await.unwrap();
    assert_eq!(world.current_key(), text);
}

#[tokio::test]
async fn a_full_secret_takes_no_more_and_loses_nothing() {
    let (world, provider) = start().await;
    let before = pool(&world).await;
    let many: Vec<String> = (0..450)
        .map(|n| provider.seed(&format!("more {n}")))
        .collect();
    // Many keys share their last four characters: only those that can be told apart are taken.
    let refused = put(&world, &many).await.unwrap_err();
    let full = matches!(refused, AddError::Document(PoolDocumentError::Full));
    assert!(full, "{refused}");
    let after = pool(&world).await;
    assert_eq!(after.standby, before.standby);
    assert_eq!(
        (after.secret_version, after.adding_until),
        (before.secret_version, None)
    );
    assert!(provider.accepts(&many[0]));
    world.rotate(&token(2)).await.unwrap();
}

#[tokio::test]
async fn what_somebody_else_puts_into_the_secret_counts_for_nothing() {
    let (world, provider) = start().await;
    let own = provider.seed("pasted");
    let secrets = &world.outside.secrets;
    secrets.put_current(&pool_secret(), &token(50), &own);
    let texts = vec![provider.seed("new")];
    let report = put(&world, &texts).await.unwrap();
    assert_eq!(report.pool.standby.len(), 7);
    world.rotate(&token(2)).await.unwrap();
    assert!(standing(&pool(&world).await, &own).is_none());

    // The version that the record names holds something else: nothing is drawn, put in or lost.
    secrets.put_current(&pool_secret(), &token(51), "{\"a\":1}");
    edit(&world, |pool| pool.secret_version = Some(token(51))).await;
    let before = pool(&world).await;
    let refused = put(&world, &[provider.seed("newer")]).await.unwrap_err();
    let unreadable = matches!(refused, AddError::Document(PoolDocumentError::Unreadable));
    assert!(unreadable, "{refused}");
    assert_eq!(pool(&world).await.standby, before.standby);
    let key = world.current_key();
    world.pass(SignedDuration::from_mins(11));
    let refused = world.rotate(&token(3)).await.unwrap_err();
    assert!(!refused.is_retryable(), "{refused}");
    assert_eq!(pool(&world).await.standby, before.standby);
    assert!(world.current_key() == key && provider.accepts(&key));
}
