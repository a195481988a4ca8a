//! Which key a rotation draws, and what people are told of it.

use super::*;

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
