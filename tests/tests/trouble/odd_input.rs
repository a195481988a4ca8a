//! Odd secrets, tags, times and hands.

use super::*;

/// A key that comes to the inventory in createSecret itself: the field that names its handle gets the new one.
#[tokio::test]
async fn a_handle_beside_a_key_put_by_hand_is_replaced_with_it() {
    let (world, _) = world().await;
    let by_hand = world.outside.provider.seed("by hand");
    let text = json!({"api_key": by_hand, "key_id": "handle-2"}).to_string();
    let secrets = &world.outside.secrets;
    secrets.put_current(&world.secret, &token(9), &text);
    world.rotate(&token(2)).await.unwrap();
    let current = secrets.current_text(&world.secret).unwrap();
    assert!(current.contains(r#""key_id":"handle-3""#));
}

/// A person stores a key at any moment of finishSecret: the step ends in the new key all the same.
#[tokio::test]
async fn a_key_put_by_hand_at_any_call_of_finish_is_taken_in() {
    for at in 0..40 {
        let (world, gate) = world().await;
        let secrets = world.outside.secrets.clone();
        secrets.begin_rotation(&world.secret, &token(2));
        for step in &STEPS[..3] {
            world.step(step, &token(2)).await.unwrap();
        }
        let by_hand = world.outside.provider.seed("by hand");
        let arn = world.secret.clone();
        gate.before(at, async move {
            secrets.put_current(&arn, &token(9), &by_hand);
        });
        let outcome = world.step("finishSecret", &token(2)).await;
        let (calls, fired) = gate.disarm();
        if fired.is_none() {
            assert!(at >= 8, "{calls:?}");
            return;
        }
        assert_eq!(outcome.unwrap(), StepOutcome::Done, "before call {at}");
    }
    panic!("finishSecret does not end");
}

/// The time that is needed to store a key is there when the key is asked for, however long the steps before took.
#[tokio::test]
async fn no_key_is_asked_for_with_too_little_time_left() {
    let (world, gate) = world().await;
    let clock = world.outside.clock.clone();
    let secrets = &world.outside.secrets;
    secrets.begin_rotation(&world.secret, &token(2));
    let event =
        json!({"Step": "createSecret", "SecretId": world.secret, "ClientRequestToken": token(2)});
    gate.before(5, async move { clock.advance(MINUTE) });
    let deadline = Deadline(world.outside.clock.now() + SignedDuration::from_secs(70));
    let outcome = keyward_rotate::handle(&world.ports, &event, deadline).await;
    let (calls, _) = gate.disarm();
    let Err(RotateError::Step(RotationError::OutOfTime)) = outcome else {
        panic!("{outcome:?} after {calls:?}");
    };
    assert_eq!(world.versions().await.len(), 1);
}

#[tokio::test]
async fn a_partial_arn_is_refused_with_the_full_one() {
    let clock = Arc::new(ManualClock::start());
    let provider = Arc::new(MemoryProvider::new(clock.clone()));
    let world = World::unregistered(&Arc::new(Gate::default()), clock, Box::new(provider));
    world.outside.secrets.create(&world.secret, None);
    let mut planned = fleet().remove(0);
    let (partial, _) = world.secret.as_str().rsplit_once('-').unwrap();
    planned.entry.secret = partial.parse().unwrap();
    let error = register(&world.open, &planned).await.unwrap_err();
    assert!(matches!(&error, RegisterError::PartialArn(full) if *full == world.secret));
    assert!(world.outside.inventory.all_slots().is_empty());
    let registered = register(&world.open, &fleet()[0]).await.unwrap();
    assert_eq!(registered, Registered::WithoutKey);
}

/// Times that a provider makes up, and the longest policy there is, stop nothing.
#[tokio::test]
async fn times_at_both_ends_of_the_calendar_are_borne() {
    for at in [jiff::Timestamp::MIN, jiff::Timestamp::MAX] {
        let (world, _) = world().await;
        let mut slot = world.slot().await;
        slot.policy = PolicyEntry {
            max_age_days: Some(365),
            ..PolicyEntry::default()
        }
        .into();
        world.outside.inventory.save_slot(&slot).await.unwrap();
        change(&world, |version| version.expires = Some(at)).await;
        world.retire().await.unwrap();
        world.rotate(&token(2)).await.unwrap();
        retire_for(&world, HOUR * 27).await;
        check_rules(&world, "odd times").await;
    }
}

/// Labels are moved by a person, and the tag with them, while a rotation is under way.
#[tokio::test]
async fn a_hostile_tag_is_refused_on_one_line() {
    let (world, _) = world().await;
    let secrets = &world.outside.secrets;
    secrets.begin_rotation(&world.secret, &token(2));
    let hostile = "a\r\nINFO forged\u{202e}\u{2028}";
    secrets.tag(&world.secret, TAG_SLOT, hostile).await.unwrap();
    let Err(RotateError::Step(error)) = world.step("createSecret", &token(2)).await else {
        panic!("refused");
    };
    assert!(matches!(error, RotationError::BadSlotTag(_)));
    let text = error.to_string() + &format!("{error:?}");
    assert!(
        !text.contains(['\r', '\n', '\u{202e}', '\u{2028}']),
        "{text:?}"
    );
    let labels = secrets.describe(world.secret.as_str()).await.unwrap();
    assert!(labels.has(&token(2), &Stage::Pending));
}
