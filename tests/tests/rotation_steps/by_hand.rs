//! Keys and labels that people moved, and answers that were lost.

use keyward_core::model::key::ApiKey;

use super::*;

/// A person stores a key by hand while a rotation is under way: it is replaced, retired like any other, and reported.
#[tokio::test]
async fn a_key_put_by_hand_is_taken_in_and_retired() {
    let world = begun().await;
    for step in &STEPS[..3] {
        world.step(step, &token(2)).await.unwrap();
    }
    let by_hand = world.outside.provider.seed("by hand");
    world
        .outside
        .secrets
        .put_current(&world.secret, &token(9), &by_hand);
    world.step("finishSecret", &token(2)).await.unwrap();
    assert!(world.outside.provider.accepts(&by_hand));
    let versions = world.versions().await;
    let taken_in = versions
        .iter()
        .find(|v| v.id.secret_version == token(9))
        .unwrap();
    assert_eq!(taken_in.state, VersionState::Retiring);
    assert!(taken_in.handle.is_some());
    let kinds: Vec<_> = world.outside.alerts.sent().iter().map(|a| a.kind).collect();
    assert_eq!(
        kinds,
        [keyward_core::model::alert::AlertKind::ForeignSecretChange]
    );
    world
        .live_through(jiff::SignedDuration::from_hours(27))
        .await;
    assert!(!world.outside.provider.accepts(&by_hand));
    check_rules(&world, "put by hand").await;
}

/// Somebody stores a key that another slot has: it stays that one's, and the rotation parts the two.
#[tokio::test]
async fn a_key_of_another_slot_is_replaced_and_not_taken_in() {
    let world = begun().await;
    let theirs = world.outside.provider.seed("theirs");
    let mut other = world.slot().await;
    other.name = "other".parse().unwrap();
    other.agent = "other".parse().unwrap();
    other.secret = format!("{}-theirs-a1B2c3", world.secret).parse().unwrap();
    let mut version = world.versions().await.remove(0);
    version.slot = other.name.clone();
    version.fingerprint = Some(ApiKey::new(&theirs).fingerprint());
    version.handle = Some("theirs".parse().unwrap());
    let inventory = &world.outside.inventory;
    let created = inventory.create_slot(&other, Some(&version));
    created.await.unwrap();
    world
        .outside
        .secrets
        .put_current(&world.secret, &token(9), &theirs);
    world.rotate(&token(2)).await.unwrap();
    assert_ne!(world.current_key(), theirs);
    world
        .live_through(jiff::SignedDuration::from_hours(27))
        .await;
    assert!(world.outside.provider.accepts(&theirs));
    let versions = world.versions().await;
    assert!(
        versions
            .iter()
            .all(|v| v.fingerprint != version.fingerprint)
    );
    let current = versions.iter().filter(|v| v.state == VersionState::Current);
    assert_eq!(current.count(), 1);
}

/// A person moves AWSCURRENT back, and a step of the key's own rotation comes late: the key that agents fetch stays.
#[tokio::test]
async fn a_late_step_does_not_revoke_a_key_that_was_promoted() {
    let world = world().await;
    world.rotate(&token(2)).await.unwrap();
    let back = world.current_key();
    world.pass(jiff::SignedDuration::from_mins(11));
    world.rotate(&token(3)).await.unwrap();
    world
        .outside
        .secrets
        .put_current(&world.secret, &token(2), &back);
    for step in STEPS {
        let outcome = world.step(step, &token(2)).await.unwrap();
        assert_eq!(outcome, StepOutcome::AlreadyDone, "{step}");
    }
    assert!(world.outside.provider.accepts(&back));
}

/// A secret without a value gets its first key by its first rotation. Secrets Manager makes a first value current at
/// once, so the limits and the test must come all the same.
#[tokio::test]
async fn a_secret_without_a_value_gets_a_tested_key() {
    let clock = Arc::new(keyward_testkit::clock::ManualClock::start());
    let provider = keyward_testkit::memory::MemoryProvider::new(clock.clone());
    let world = World::unregistered(
        &Arc::new(Gate::default()),
        clock,
        Box::new(Arc::new(provider)),
    );
    world.outside.secrets.create(&world.secret, None);
    let fleet = keyward_tests::support::fleet();
    let registered = keyward_core::usecases::register::register(&world.open, &fleet[0]).await;
    assert_eq!(
        registered.unwrap(),
        keyward_core::usecases::register::Registered::WithoutKey
    );
    world
        .outside
        .secrets
        .begin_rotation(&world.secret, &token(2));
    for step in STEPS {
        let outcome = world.step(step, &token(2)).await;
        assert_eq!(outcome.unwrap(), StepOutcome::Done, "{step}");
    }
    let version = world.versions().await.pop().unwrap();
    assert_eq!(version.state, VersionState::Current);
    assert!(version.tested.is_some() && version.promoted.is_some());
    check_rules(&world, "first key").await;
    world.pass(jiff::SignedDuration::from_hours(1));
    world.rotate(&token(3)).await.unwrap();
    world
        .live_through(jiff::SignedDuration::from_hours(27))
        .await;
    check_rules(&world, "second key").await;
}

/// The answer to PutSecretValue is lost: the next call finds what was stored and keeps it, or finds nothing and makes
/// another key. Nothing waits for the first invocation's end.
#[tokio::test]
async fn a_lost_answer_to_storing_is_settled_by_the_next_call() {
    let gate = Arc::new(Gate::default());
    let world = World::in_memory(&gate).await;
    world
        .outside
        .secrets
        .begin_rotation(&world.secret, &token(2));
    let put = calls_of_create_secret()
        .await
        .iter()
        .position(|call| *call == "secrets.put_pending")
        .unwrap();
    gate.arm(put, keyward_testkit::gate::Cut::AnswerLost);
    let error = world.step("createSecret", &token(2)).await.unwrap_err();
    assert!(error.is_retryable());
    gate.disarm();
    assert_eq!(
        world.outside.provider.live().len(),
        2,
        "the stored key is kept"
    );
    world.rotate(&token(2)).await.unwrap();
    assert_eq!(world.versions().await.len(), 2, "no other key was made");
    check_rules(&world, "lost answer to storing").await;
}

async fn calls_of_create_secret() -> Vec<&'static str> {
    let gate = Arc::new(Gate::default());
    let world = World::in_memory(&gate).await;
    world
        .outside
        .secrets
        .begin_rotation(&world.secret, &token(2));
    gate.record();
    world.step("createSecret", &token(2)).await.unwrap();
    gate.disarm().0
}

#[tokio::test]
async fn what_was_taken_out_of_a_rotation_is_cut_off_before_it_makes_another_key() {
    for state in [VersionState::Abandoned, VersionState::Contained] {
        let world = begun().await;
        let id = "11111111-aaaa-4bbb-8ccc-000000000002.1".parse().unwrap();
        let slot = world.slot().await;
        let now = world.outside.clock.now();
        let intent = Version::intended(&slot.name, id, slot.epoch, now);
        let inventory = &world.outside.inventory;
        inventory.add_version(&intent, Fence::None).await.unwrap();
        let request = IssueRequest {
            label: intent.label.unwrap(),
            scope: intent.scope,
            cap: caps::of_new_key(&slot, DayLimit::ItsOwn, now),
            expires: birth::expires(&slot.policy, now),
            keep: Vec::new(),
        };
        let driver = world.outside.provider.driver();
        let issued = driver.issuer().unwrap().issue(&request).await.unwrap();
        // As retire or a kill writes it, before it asks the provider.
        let taken_out = world.versions().await.pop().unwrap();
        let taken_out = [taken_out.become_state(state).unwrap()];
        let saved = inventory.save_versions(&taken_out, Fence::None);
        saved.await.unwrap();

        world.step("createSecret", &token(2)).await.unwrap();
        let first = driver.get(&issued.handle).await.unwrap().unwrap();
        assert_eq!(first.suspended, Some(true), "rule 2: {state:?}");
        assert_eq!(world.outside.provider.live().len(), 2, "{state:?}");
    }
}
