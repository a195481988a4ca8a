//! What a call that puts keys in leaves alone: keys of slots, and whatever it has no time for.

use keyward_core::ports::KeyProvider;

use super::side_by_side::slot_with;
use super::*;

/// Puts a key in that cannot be suspended: it stands by and is not ready.
async fn put_unready(world: &World, text: &str) {
    let gate = Arc::new(Gate::default());
    let ports = gated(&world.open, &gate);
    gate.silence(&["provider.disable"]);
    let report = add(
        &ports,
        &KillSwitchHere::on(&ports),
        &account(),
        vec![ApiKey::new(text)],
        world.deadline(),
    )
    .await;
    assert_eq!(report.unwrap().not_ready.len(), 1);
}

/// Else agents would lose the key that they work with.
#[tokio::test]
async fn a_key_that_became_a_slots_meanwhile_is_not_suspended() {
    let (world, provider) = start().await;
    let text = provider.seed("new");
    put_unready(&world, &text).await;
    let (slot, _) = slot_with(&world, &text).await;
    let report = put(&world, &[]).await.unwrap();
    assert!(provider.accepts(&text), "rule 1: it is in use");
    assert_eq!(standing(&report.pool, &text), None);
    let refused = report.refused.first().map(|key| key.why.clone());
    assert_eq!(refused, Some(NotAdded::InUse(slot)));
    assert_eq!(report.not_ready, []);
    check_pool(&world, &provider, "").await;
}

#[tokio::test]
async fn keys_for_which_there_is_no_time_are_left_as_they_are() {
    let (world, provider) = start().await;
    let unready = provider.seed("not ready");
    put_unready(&world, &unready).await;
    let text = provider.seed("new");
    let late = Deadline(world.outside.clock.now() + SignedDuration::from_secs(20));
    let report = add(
        &world.open,
        &KillSwitchHere::on(&world.open),
        &account(),
        vec![ApiKey::new(&text)],
        late,
    )
    .await;
    let report = report.unwrap();
    assert_eq!(report.refused[0].why, NotAdded::NoTime);
    assert_eq!(report.not_ready.len(), 1);
    assert!(provider.accepts(&text) && provider.accepts(&unready));
    assert_eq!(report.pool.adding_until, None);
    let report = put(&world, &[text]).await.unwrap();
    assert_eq!((report.added.len(), report.not_ready.len()), (1, 0));
    assert!(!provider.accepts(&unready));
}

/// The claim ends with the call's time: what is suspended after it may be a key that was drawn by then.
#[tokio::test]
async fn nothing_is_suspended_once_the_claim_runs_out() {
    let (world, provider) = start().await;
    let texts: Vec<String> = (0..2).map(|n| provider.seed(&format!("new {n}"))).collect();
    let keys = || texts.iter().map(|text| ApiKey::new(text)).collect();
    let gate = Arc::new(Gate::default());
    let ports = gated(&world.open, &gate);
    gate.record();
    let (probe, other) = start().await;
    let counted = gated(&probe.open, &gate);
    let same: Vec<ApiKey> = (0..2)
        .map(|n| ApiKey::new(&other.seed(&format!("new {n}"))))
        .collect();
    add(
        &counted,
        &KillSwitchHere::on(&counted),
        &account(),
        same,
        probe.deadline(),
    )
    .await
    .unwrap();
    let calls = gate.disarm().0;
    let first = calls
        .iter()
        .position(|call| *call == "provider.disable")
        .unwrap();

    let clock = world.outside.clock.clone();
    let time = world.deadline().0.duration_since(clock.now());
    gate.before(first, async move { clock.advance(time) });
    let report = add(
        &ports,
        &KillSwitchHere::on(&ports),
        &account(),
        keys(),
        world.deadline(),
    )
    .await
    .unwrap();
    assert_eq!(gate.disarm().1, Some("provider.disable"));
    assert_eq!((report.added.len(), report.not_ready.len()), (2, 1));
    let alive = texts.iter().filter(|text| provider.accepts(text));
    assert_eq!(alive.count(), 1);
}

/// A person archived it meanwhile: that rotation fails, and the next draws another key.
#[tokio::test]
async fn a_key_that_ended_while_it_stood_by_costs_one_rotation() {
    let (world, provider) = start().await;
    let before = world.current_key();
    let standby = pool(&world).await.standby;
    let oldest = standby
        .iter()
        .min_by_key(|key| (key.created, key.fingerprint));
    provider.delete(&oldest.unwrap().handle).await.unwrap();
    world.rotate(&token(2)).await.unwrap_err();
    assert_eq!(world.current_key(), before);
    world.live_through(SignedDuration::from_hours(2)).await;
    world.rotate(&token(3)).await.unwrap();
    assert!(provider.accepts(&world.current_key()));
    check_pool(&world, &provider, "").await;
}

/// A person deletes an old one at the provider and puts a new one in: that is all that has to be done.
#[tokio::test]
async fn a_key_that_is_gone_leaves_the_pool_when_another_is_put_in() {
    let (world, provider) = start().await;
    let before = pool(&world).await;
    let old = before.standby[0].clone();
    provider.delete(&old.handle).await.unwrap();
    // Its list is not known to be the account's while it shows none of the keys that are given.
    for keys in [&[] as &[String], &["no key".to_owned()]] {
        let report = put(&world, keys).await.unwrap();
        assert_eq!(report.gone, []);
        assert!(report.pool.standby.contains(&old));
    }
    let text = provider.seed("new");
    let (account, keys) = (account(), vec![ApiKey::new(&text)]);
    let foreseen = foresee_add(&world.ports, &account, keys, world.deadline());
    let gone = std::slice::from_ref(&old);
    assert_eq!(foreseen.await.unwrap().gone, gone);
    assert!(pool(&world).await.standby.contains(&old));
    let report = put(&world, &[text]).await.unwrap();
    assert_eq!(report.gone, gone);
    assert_eq!((report.added.len(), report.refused.len()), (1, 0));
    let after = pool(&world).await;
    assert_eq!(after.standby.len(), before.standby.len());
    assert!(!after.standby.contains(&old));
    check_pool(&world, &provider, "").await;
}

/// Else it would stand there for ever, and every call that puts keys in would end as not all done.
#[tokio::test]
async fn a_key_that_ended_before_it_was_ready_leaves_the_pool() {
    let (world, provider) = start().await;
    let text = provider.seed("new");
    put_unready(&world, &text).await;
    let handle = standing(&pool(&world).await, &text).unwrap().handle.clone();
    let ports = world.odd(Oddity::KnowsNoKey);
    let report = add(
        &ports,
        &KillSwitchHere::on(&ports),
        &account(),
        Vec::new(),
        world.deadline(),
    )
    .await;
    let report = report.unwrap();
    assert_eq!(report.not_ready.len(), 1, "404, but the list has it");
    assert!(standing(&report.pool, &text).is_some());
    provider.delete(&handle).await.unwrap();
    let report = put(&world, &[]).await.unwrap();
    assert_eq!(report.refused[0].why, NotAdded::Gone);
    assert_eq!((report.not_ready.len(), report.pool.standby.len()), (0, 6));
}
