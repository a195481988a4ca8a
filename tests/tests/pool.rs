//! The standby pool: what is put in and what is refused, what a crash or a second call leaves, who draws what.
#![allow(clippy::unwrap_used, reason = "test code")]

#[path = "pool/limits.rs"]
mod limits;

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use fastrand::Rng;
use jiff::SignedDuration;
use keyward_core::model::alert::AlertKind;
use keyward_core::model::fleet::Fleet;
use keyward_core::model::key::ApiKey;
use keyward_core::model::names::{AccountName, SecretArn, SlotName};
use keyward_core::model::pool::{Pool, StandbyKey};
use keyward_core::model::pool_document::PoolDocumentError;
use keyward_core::model::text::OutsideText;
use keyward_core::model::version::{Version, VersionState};
use keyward_core::ports::{Clock, Deadline, Inventory, KeyOwner, KeyRecord, StandbyPools, Verdict};
use keyward_core::usecases::pool::{AddError, AddReport, NotAdded, add};
use keyward_core::usecases::register::register;
use keyward_testkit::clock::ManualClock;
use keyward_testkit::drive::{
    Point, Scenario, Task, crash_at_every_call, disturb_before_every_call, interleave,
};
use keyward_testkit::gate::{Cut, Gate, Losses, gated};
use keyward_testkit::memory::MemoryProvider;
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
    let keys = texts.iter().map(|text| ApiKey::new(text)).collect();
    add(&world.open, &account(), keys, world.deadline()).await
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
        let keys = vec![ApiKey::new(&text)];
        let report = add(&ports, &account(), keys, world.deadline())
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
    let refused = add(&world.open, &other, keys(), world.deadline()).await;
    assert!(matches!(refused, Err(AddError::NoPool(name)) if name == other));
    let before = pool(&world).await;
    let ports = world.odd(Oddity::FailsOnPageTwo);
    let refused = add(&ports, &account(), keys(), world.deadline()).await;
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
    let keys = vec![ApiKey::new(&text)];
    let report = add(&ports, &account(), keys, world.deadline())
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

#[tokio::test]
async fn the_oldest_fresh_key_of_the_slots_workspace_is_drawn() {
    let (world, provider) = start().await;
    edit(&world, |pool| pool.standby.clear()).await;
    let mut made = Vec::new();
    for name in ["too old", "elsewhere", "oldest", "younger", "ends soon"] {
        let text = provider.seed(name);
        let now = world.outside.clock.now();
        provider.relist(&text, |key: &mut KeyRecord| match name {
            "too old" => key.created = Some(now - SignedDuration::from_hours(24 * 55)),
            "elsewhere" => key.workspace = Some("wrkspc_EXAMPLE".parse().unwrap()),
            "oldest" => key.created = Some(now - SignedDuration::from_hours(24)),
            "ends soon" => {
                key.created = Some(now - SignedDuration::from_hours(48));
                key.expires = Some(now + SignedDuration::from_hours(24 * 5));
            }
            _ => {}
        });
        made.push(text);
    }
    assert_eq!(put(&world, &made).await.unwrap().added.len(), 5);
    for (number, expected) in [(2, 2), (3, 3)] {
        world.rotate(&token(number)).await.unwrap();
        assert_eq!(world.current_key(), made[expected]);
        world.pass(SignedDuration::from_mins(11));
    }
    world.rotate(&token(4)).await.unwrap_err();
    assert_eq!(pool(&world).await.standby.len(), 3, "the rest is left");
    let sent = world.outside.alerts.sent();
    let told: Vec<_> = sent
        .iter()
        .filter(|a| a.kind == AlertKind::PoolEmpty)
        .collect();
    assert_eq!(told.len(), 1);
    assert!(
        told[0]
            .left
            .as_str()
            .contains("keyward pool add anthropic-main")
    );
    put(&world, &[provider.seed("made for it")]).await.unwrap();
    world
        .rotate(&token(5))
        .await
        .expect("the rotation that the alert asks for is accepted at once");
}

#[tokio::test]
async fn people_are_told_once_it_falls_below_the_mark() {
    let (world, _) = start().await;
    let low = || {
        let sent = world.outside.alerts.sent();
        sent.iter().filter(|a| a.kind == AlertKind::PoolLow).count()
    };
    // Six stand by, the mark is two.
    for number in 2..6 {
        world.rotate(&token(number)).await.unwrap();
        world.pass(SignedDuration::from_mins(11));
        assert_eq!(low(), 0, "rotation {number}");
    }
    world.rotate(&token(6)).await.unwrap();
    assert_eq!(low(), 1, "one is left");
}

#[tokio::test]
async fn a_key_that_a_slot_has_is_dropped_and_the_next_is_drawn() {
    let (world, provider) = start().await;
    let own = ApiKey::new(&world.current_key());
    edit(&world, |pool| {
        let mut wrong = pool.standby[0].clone();
        wrong.fingerprint = own.fingerprint();
        wrong.created -= SignedDuration::from_hours(1);
        pool.standby.push(wrong);
    })
    .await;
    // Its text is in no version of the secret: the pool is not what Keyward wrote.
    world.rotate(&token(2)).await.unwrap_err();
    edit(&world, |pool| drop(pool.standby.pop())).await;
    // Its handle is a slot's.
    let handle = provider.record(&world.current_key()).unwrap().handle;
    edit(&world, |pool| pool.standby[0].handle = handle).await;
    let oldest = pool(&world).await.standby[0].fingerprint;
    edit(&world, |pool| {
        pool.standby[0].created -= SignedDuration::from_hours(1)
    })
    .await;
    world.pass(SignedDuration::from_mins(6));
    world.rotate(&token(2)).await.unwrap();
    let left = pool(&world).await;
    assert_eq!(left.standby.len(), 4);
    assert!(left.standby.iter().all(|key| key.fingerprint != oldest));
    assert_ne!(ApiKey::new(&world.current_key()).fingerprint(), oldest);
}

/// A rotation that stopped right after it drew a key: the key's text is in the pool's secret alone.
async fn stopped_after_the_draw() -> (World, Arc<MemoryProvider>, Version) {
    let gate = Arc::new(Gate::default());
    let (world, _) = start_with(gate.clone()).await;
    let secrets = &world.outside.secrets;
    secrets.begin_rotation(&world.secret, &token(2));
    gate.record();
    world.step(STEPS[0], &token(2)).await.unwrap();
    let (calls, _) = gate.disarm();
    let draw = calls.iter().position(|call| *call == "pools.draw").unwrap();

    let (world, provider) = start_with(gate.clone()).await;
    let secrets = &world.outside.secrets;
    secrets.begin_rotation(&world.secret, &token(2));
    gate.arm(draw, Cut::After);
    let token = token(2);
    let create = world.step(STEPS[0], &token);
    assert!(gate.until_stopped(create).await.is_none());
    gate.disarm();
    let drawn = world.versions().await.pop().unwrap();
    assert_eq!(drawn.state, VersionState::Intended);
    (world, provider, drawn)
}

#[tokio::test]
async fn a_drawn_keys_text_stays_in_the_pool_until_it_is_stored() {
    let (world, provider, drawn) = stopped_after_the_draw().await;
    assert_eq!(pool(&world).await.drawn.len(), 1);
    world.pass(SignedDuration::from_mins(6));
    let report = put(&world, &[provider.seed("new")]).await.unwrap();
    assert_eq!(report.pool.drawn.len(), 1, "it waits to be stored");
    world.rotate(&token(2)).await.unwrap();
    let current = ApiKey::new(&world.current_key());
    assert_eq!(Some(current.fingerprint()), drawn.fingerprint);

    let report = put(&world, &[provider.seed("newer")]).await.unwrap();
    assert_eq!(report.pool.drawn, [], "its slot's secret has it now");
    let kept = world.outside.secrets.current_text(&pool_secret()).unwrap();
    assert!(!kept.contains(&world.current_key()), "its text is gone");
    assert_eq!(report.pool.standby.len(), 7);
}

/// Putting two new keys into a pool of six.
struct Adding;

struct AddWorld {
    world: World,
    provider: Arc<MemoryProvider>,
    new: Vec<String>,
}

impl Scenario for Adding {
    type World = AddWorld;

    async fn world(&self, gate: &Arc<Gate>) -> AddWorld {
        let (world, provider) = start_with(gate.clone()).await;
        let new = (0..2).map(|n| provider.seed(&format!("new {n}"))).collect();
        AddWorld {
            world,
            provider,
            new,
        }
    }

    async fn operation(&self, it: &AddWorld) {
        let keys = it.new.iter().map(|text| ApiKey::new(text)).collect();
        let _ = add(&it.world.ports, &account(), keys, it.world.deadline()).await;
    }

    async fn recover_and_check(&self, it: &AddWorld, point: Option<Point>) {
        let (world, context) = (&it.world, format!("add {point:?}"));
        check_pool(world, &it.provider, &context).await;
        world.pass(SignedDuration::from_mins(11));
        let again = put(world, &it.new).await;
        let again = again.unwrap_or_else(|e| panic!("{context}: {e:?}"));
        assert_eq!(again.not_ready, [], "{context}");
        let drawn = u32::from(world.current_key() != it.first()) as usize;
        assert_eq!(again.pool.standby.len() + drawn, 8, "{context}");
        for key in &again.pool.standby {
            assert!(key.ready.is_some(), "{context}");
        }
        for text in &it.new {
            let stands = standing(&again.pool, text).is_some();
            assert!(stands && !it.provider.accepts(text), "{context}");
        }
        check_pool(world, &it.provider, &context).await;
        let mut seen = BTreeSet::from([world.current_key()]);
        for number in 20..20 + again.pool.standby.len() as u32 {
            let rotated = world.rotate(&token(number)).await;
            rotated.unwrap_or_else(|e| panic!("{context}: {e:?}"));
            assert!(seen.insert(world.current_key()), "drawn twice; {context}");
            world.pass(SignedDuration::from_mins(11));
        }
        check_rules(world, &context).await;
    }
}

impl AddWorld {
    /// The key that the slot was registered with.
    fn first(&self) -> String {
        let secrets = &self.world.outside.secrets;
        let texts = secrets.all_texts();
        let first = texts.iter().find_map(|text| {
            let value: serde_json::Value = serde_json::from_str(text).ok()?;
            Some(value.get("api_key")?.as_str()?.to_owned())
        });
        first.unwrap()
    }
}

#[tokio::test]
async fn crash_at_every_call_of_add() {
    let ran = crash_at_every_call(&Adding).await;
    say(format_args!("add: {ran} points"));
    assert!(ran >= 3 * 15);
}

/// A whole rotation of the slot, to happen when it is awaited.
fn rotation(world: &World) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    let (ports, secret, deadline) = (world.open.clone(), world.secret.clone(), world.deadline());
    world.outside.secrets.begin_rotation(&secret, &token(2));
    Box::pin(async move {
        for step in STEPS {
            let event = json!({"Step": step, "SecretId": secret, "ClientRequestToken": token(2)});
            let done = keyward_rotate::handle(&ports, &event, deadline).await;
            done.unwrap();
        }
    })
}

#[tokio::test]
async fn a_key_that_is_drawn_while_others_are_put_in_stays_alive() {
    let ran = disturb_before_every_call(&Adding, |it: &AddWorld| rotation(&it.world)).await;
    say(format_args!(
        "add, a rotation before each call: {ran} points"
    ));
}

#[tokio::test]
async fn crash_at_every_call_of_a_rotation_that_draws() {
    for (i, step) in STEPS.iter().enumerate() {
        let ran = crash_at_every_call(&StepScenario { step: i, make }).await;
        say(format_args!("{step} with a pool: {ran} points"));
    }
}

#[tokio::test]
async fn a_kill_between_any_two_calls_of_a_rotation_that_draws() {
    for (i, step) in STEPS.iter().enumerate() {
        let scenario = StepScenario { step: i, make };
        let ran = disturb_before_every_call(&scenario, World::kill).await;
        say(format_args!(
            "{step} with a pool, a kill before each call: {ran} points"
        ));
    }
}

#[tokio::test]
async fn crash_at_every_call_of_retire() {
    let ran = crash_at_every_call(&RetireScenario { make }).await;
    say(format_args!("retire with a pool: {ran} points"));
}

/// The names of the calls that putting one key into a fresh pool makes.
async fn calls_of_add() -> Vec<&'static str> {
    let gate = Arc::new(Gate::default());
    let (world, provider) = start_with(gate.clone()).await;
    let keys = vec![ApiKey::new(&provider.seed("new"))];
    gate.record();
    let added = add(&world.ports, &account(), keys, world.deadline()).await;
    added.unwrap();
    gate.disarm().0
}

/// A lost answer at the end of a call that puts keys in does not end the claim of the call after it: else a third
/// could suspend a key that was drawn by then.
#[tokio::test]
async fn a_failed_call_ends_no_other_calls_claim() {
    let calls = calls_of_add().await;
    let saves = calls.iter().filter(|call| **call == "pools.save_pool");
    assert_eq!(saves.count(), 3, "claim, record, end: {calls:?}");
    let end = calls.len() - 1;
    assert_eq!(calls[end], "pools.save_pool");

    // The end is written, its answer lost; before the call looks at the pool again, the next one begins.
    let (inner, outer) = (Arc::new(Gate::default()), Arc::new(Gate::default()));
    let (world, provider) = start_with(inner.clone()).await;
    let ports = gated(&world.ports, &outer);
    let keys = vec![ApiKey::new(&provider.seed("new"))];
    let until = world.deadline().0 + SignedDuration::from_secs(7);
    let inventory = world.outside.inventory.clone();
    inner.arm(end, Cut::AnswerLost);
    outer.before(end + 1, async move {
        let mut pool = inventory.pool(&account()).await.unwrap().unwrap();
        assert_eq!(pool.adding_until, None, "the call had ended its own claim");
        pool.adding_until = Some(until);
        inventory.save_pool(&pool).await.unwrap();
    });
    let failed = add(&ports, &account(), keys, world.deadline()).await;
    assert!(matches!(failed, Err(AddError::Inventory(_))), "{failed:?}");
    assert_eq!(outer.disarm().1, Some("pools.pool"));
    assert_eq!(pool(&world).await.adding_until, Some(until));
}

/// A draw that comes between a call's look at the pool and its write is not another call that puts keys in.
#[tokio::test]
async fn a_draw_beside_a_call_does_not_turn_it_away() {
    let calls = calls_of_add().await;
    for (at, _) in calls
        .iter()
        .enumerate()
        .filter(|(_, call)| **call == "pools.save_pool")
    {
        let gate = Arc::new(Gate::default());
        let (world, provider) = start_with(gate.clone()).await;
        let new = provider.seed("new");
        gate.before(at, rotation(&world));
        let keys = vec![ApiKey::new(&new)];
        let report = add(&world.ports, &account(), keys, world.deadline()).await;
        let report = report.unwrap_or_else(|e| panic!("before call {at}: {e}"));
        assert_eq!((report.added.len(), report.pool.standby.len()), (1, 6));
        assert_eq!(gate.disarm().1, Some("pools.save_pool"));
        assert!(provider.accepts(&world.current_key()), "before call {at}");
    }
}

/// A second slot at the same account, with this key in a secret of its own.
async fn slot_with(world: &World, key: &str) -> (SlotName, SecretArn) {
    let secret: SecretArn =
        "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/sales-bot-a1B2c3"
            .parse()
            .unwrap();
    let text = json!({
        "version": 1,
        "accounts": {"anthropic-main": {"provider": "anthropic"}},
        "agents": {"sales-bot": {
            "owner": "ana@example.com", "backup_owner": "platform-team", "environment": "prod",
        }},
        "slots": {"sales-bot-anthropic": {
            "agent": "sales-bot", "account": "anthropic-main", "secret": secret,
            "scope": {"workspace": "wrkspc_EXAMPLE0000"},
            "expected_spend": {"daily_cents": 1000, "monthly_cents": 30000},
        }},
    });
    let fleet = Fleet::from_json(&text.to_string())
        .unwrap()
        .check()
        .unwrap();
    world
        .outside
        .secrets
        .create(&secret, Some((&token(1), key)));
    register(&world.open, &fleet[0]).await.unwrap();
    ("sales-bot-anthropic".parse().unwrap(), secret)
}

/// Secrets Manager: the four steps, the whole again if one fails.
async fn rotate(world: &World, secret: &SecretArn, number: u32) {
    for _ in 0..3 {
        let mut done = true;
        for step in STEPS {
            let event =
                json!({"Step": step, "SecretId": secret, "ClientRequestToken": token(number)});
            let deadline = world.deadline();
            done = done
                && keyward_rotate::handle(&world.ports, &event, deadline)
                    .await
                    .is_ok();
        }
        if done {
            return;
        }
        world.pass(SignedDuration::from_mins(6));
    }
}

async fn add_late(world: &World, texts: &[String], late: i64) {
    for _ in 0..2 {
        let keys = texts.iter().map(|text| ApiKey::new(text)).collect();
        let deadline = Deadline(world.deadline().0 + SignedDuration::from_secs(late));
        let _ = add(&world.ports, &account(), keys, deadline).await;
    }
}

type Work<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Does the work until it ends, or is stopped for good as by a crash: at one in `stop_one_in` of its turns, 0 never.
async fn mortal(mut chance: Rng, stop_one_in: u32, mut work: Work<'_>) {
    poll_fn(|cx| {
        let stop = stop_one_in > 0 && chance.u32(..stop_one_in) == 0;
        if stop {
            Poll::Ready(())
        } else {
            work.as_mut().poll(cx)
        }
    })
    .await;
}

/// Two slots rotate, twice each, while two calls put keys in; answers are lost and tasks end anywhere.
async fn side_by_side(seed: u64) {
    let mut chance = Rng::with_seed(seed);
    let gate = Arc::new(Gate::default());
    let (world, provider) = start_with(gate.clone()).await;
    let (other, secret) = slot_with(&world, &provider.seed("sales, by hand")).await;
    let new: Vec<String> = (0..3).map(|n| provider.seed(&format!("new {n}"))).collect();
    for secret in [&world.secret, &secret] {
        world.outside.secrets.begin_rotation(secret, &token(3));
    }
    let (stop_one_in, lose_one_in) = [(0, 0), (0, 30), (150, 0), (150, 30)][chance.usize(..4)];
    let losses = Losses {
        making_one_in: lose_one_in,
        other_one_in: lose_one_in,
    };
    gate.take_turns(chance.u64(..), losses);
    let mut mortal = |work| mortal(chance.fork(), stop_one_in, work);
    let tasks = vec![
        Task::new("rotate", mortal(Box::pin(rotate(&world, &world.secret, 3)))),
        Task::new(
            "rotate again",
            mortal(Box::pin(rotate(&world, &world.secret, 3))),
        ),
        Task::new(
            "rotate the other",
            mortal(Box::pin(rotate(&world, &secret, 3))),
        ),
        Task::new(
            "rotate the other again",
            mortal(Box::pin(rotate(&world, &secret, 3))),
        ),
        Task::new("add", mortal(Box::pin(add_late(&world, &new, 1)))),
        Task::new(
            "add again",
            mortal(Box::pin(add_late(&world, &new[1..], 2))),
        ),
    ];
    interleave(&gate, &mut chance, 1, tasks, |_| {}).await;
    gate.disarm();
    let context = format!("seed {seed}");
    nothing_is_drawn_twice(&world, &context).await;

    world.pass(SignedDuration::from_mins(30));
    let report = put(&world, &new).await;
    let report = report.unwrap_or_else(|e| panic!("{context}: {e:?}"));
    assert_eq!(report.not_ready, [], "{context}");
    world.live_through(SignedDuration::from_hours(3)).await;
    check_pool(&world, &provider, &context).await;
    for (slot, secret, number) in [(&world.slot, &world.secret, 4), (&other, &secret, 4)] {
        world.outside.secrets.begin_rotation(secret, &token(number));
        rotate(&world, secret, number).await;
        let versions = world.outside.inventory.versions(slot).await.unwrap();
        let current: Vec<&Version> = versions
            .iter()
            .filter(|v| v.state == VersionState::Current)
            .collect();
        assert_eq!(current.len(), 1, "{slot}; {context}");
        assert_eq!(current[0].id.secret_version, token(number), "{context}");
        let alive = provider
            .live()
            .into_iter()
            .any(|(text, _)| Some(ApiKey::new(&text).fingerprint()) == current[0].fingerprint);
        assert!(alive, "rule 1: {slot}'s key does not work; {context}");
    }
    nothing_is_drawn_twice(&world, &context).await;
}

async fn nothing_is_drawn_twice(world: &World, context: &str) {
    let mut prints = BTreeSet::new();
    let mut handles = BTreeSet::new();
    for version in world.outside.inventory.all_versions() {
        let print = version.fingerprint.is_none_or(|print| prints.insert(print));
        let handle = version.handle.clone().is_none_or(|h| handles.insert(h));
        assert!(
            print && handle,
            "{} has a key of another; {context}",
            version.id
        );
    }
}

#[tokio::test]
async fn slots_side_by_side_never_draw_the_same_key() {
    for seed in 0..300 {
        side_by_side(seed).await;
    }
}
