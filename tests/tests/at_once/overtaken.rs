//! Steps that something else overtakes: other tries, kills, new epochs.

use super::*;

/// finishSecret, cut off before it moved the label and tried again later: it has its whole time again.
#[tokio::test]
async fn each_try_of_finish_has_its_own_lease() {
    let (world, gate, _) = begun("provider.issue").await;
    for step in &STEPS[..3] {
        world.step(step, &token(2)).await.unwrap();
    }
    gate.silence(&["secrets.promote"]);
    world.pass(SignedDuration::from_mins(10));
    for _ in 0..2 {
        let error = error_of(world.step(STEPS[3], &token(2)).await);
        assert!(matches!(error, RotationError::Secret(_)), "{error}");
        let version = world.versions().await.pop().unwrap();
        assert_eq!(version.state, VersionState::Promoting);
        assert_eq!(version.lease_until, Some(world.deadline().0));
        world.pass(SignedDuration::from_mins(50));
    }
    gate.disarm();
    world.live_through(SignedDuration::from_mins(10)).await;
    world.step(STEPS[3], &token(2)).await.unwrap();
}

/// Retire takes a version back while testSecret is at work on it: the step does not go on with it.
#[tokio::test]
async fn a_version_that_was_taken_out_meanwhile_is_not_gone_on_with() {
    let (world, gate, _) = begun("provider.issue").await;
    for step in &STEPS[..2] {
        world.step(step, &token(2)).await.unwrap();
    }
    let (inventory, slot) = (world.outside.inventory.clone(), world.slot.clone());
    let save = 6;
    gate.before(save, async move {
        let version = inventory.versions(&slot).await.unwrap().pop().unwrap();
        let abandoned = version.become_state(VersionState::Abandoned).unwrap();
        let fence = keyward_core::ports::Fence::None;
        inventory.save_versions(&[abandoned], fence).await.unwrap();
    });
    let error = error_of(world.step(STEPS[2], &token(2)).await);
    let (calls, _) = gate.disarm();
    assert_eq!(calls[save], "inventory.save_versions", "{calls:?}");
    assert!(matches!(error, RotationError::CutOff { .. }), "{error}");
    assert_eq!(live(&world), 1);
}

/// Only the epoch is raised, at any call of a step: a step that fails over it has revoked its key.
#[tokio::test]
async fn a_step_that_is_overtaken_by_a_new_epoch_leaves_no_live_key() {
    for (number, step) in STEPS.iter().enumerate() {
        let mut overtaken = 0;
        for at in 0.. {
            let (world, gate, _) = begun("provider.issue").await;
            for earlier in &STEPS[..number] {
                world.step(earlier, &token(2)).await.unwrap();
            }
            let (inventory, name) = (world.outside.inventory.clone(), world.slot.clone());
            let now = world.outside.clock.now();
            gate.before(at, async move {
                let slot = inventory.slot(&name).await.unwrap().unwrap();
                let trigger = OutsideText::new("test");
                let incident = Incident::open(&name, slot.epoch, trigger, now);
                inventory
                    .open_incident(&incident, &slot, &[])
                    .await
                    .unwrap();
            });
            let outcome = world.step(step, &token(2)).await;
            if gate.disarm().1.is_none() {
                break;
            }
            if outcome.is_err() {
                overtaken += 1;
                assert_eq!(live(&world), 1, "{step}, before call {at}");
            }
        }
        let least = if *step == STEPS[1] { 1 } else { 4 };
        assert!(overtaken >= least, "{step}: {overtaken}");
    }
}

/// A kill and the whole rotation that replaces what it cut off, to happen when it is awaited.
fn killed_and_replaced(world: &World) -> impl Future<Output = ()> + Send + 'static {
    let (outside, open) = (world.outside.clone(), world.open.clone());
    let (slot, secret) = (world.slot.clone(), world.secret.clone());
    let deadline = world.deadline();
    async move {
        outside.contain(&slot).await;
        outside.secrets.begin_rotation(&secret, &token(3));
        for step in STEPS {
            let event = json!({"Step": step, "SecretId": secret, "ClientRequestToken": token(3)});
            keyward_rotate::handle(&open, &event, deadline)
                .await
                .unwrap();
        }
    }
}

#[tokio::test]
async fn a_finish_that_a_kill_and_its_rotation_overtook_leaves_the_replacement_current() {
    let tested = async |gate: &Arc<Gate>| {
        let world = World::in_memory(gate).await;
        let secrets = &world.outside.secrets;
        secrets.begin_rotation(&world.secret, &token(2));
        for step in &STEPS[..3] {
            world.step_on(&world.open, step, &token(2)).await.unwrap();
        }
        world
    };
    let gate = Arc::new(Gate::default());
    let world = tested(&gate).await;
    gate.record();
    world.step(STEPS[3], &token(2)).await.unwrap();
    let (calls, _) = gate.disarm();
    assert!(calls.contains(&"secrets.promote"), "{calls:?}");
    for (number, call) in calls.iter().enumerate() {
        let world = tested(&gate).await;
        gate.before(number, killed_and_replaced(&world));
        let _ = world.step(STEPS[3], &token(2)).await;
        assert_eq!(gate.disarm().1, Some(*call));
        let key = world.current_key();
        assert!(world.outside.provider.accepts(&key), "rule 5: {call}");
        assert_eq!(
            world.outside.secrets.holder(&world.secret, &Stage::Current),
            Some(token(3)),
            "rule 5: {call}"
        );
    }
}
