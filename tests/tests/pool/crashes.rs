//! Every call cut off: of putting keys in, of drawing one, of retiring it.

use super::*;

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
        let _ = add(
            &it.world.ports,
            &KillSwitchHere::on(&it.world.ports),
            &account(),
            keys,
            it.world.deadline(),
        )
        .await;
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
pub(crate) fn rotation(world: &World) -> Pin<Box<dyn Future<Output = ()> + Send>> {
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
    let added = add(
        &world.ports,
        &KillSwitchHere::on(&world.ports),
        &account(),
        keys,
        world.deadline(),
    )
    .await;
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
    let failed = add(
        &ports,
        &KillSwitchHere::on(&ports),
        &account(),
        keys,
        world.deadline(),
    )
    .await;
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
        let report = add(
            &world.ports,
            &KillSwitchHere::on(&world.ports),
            &account(),
            keys,
            world.deadline(),
        )
        .await;
        let report = report.unwrap_or_else(|e| panic!("before call {at}: {e}"));
        assert_eq!((report.added.len(), report.pool.standby.len()), (1, 6));
        assert_eq!(gate.disarm().1, Some("pools.save_pool"));
        assert!(provider.accepts(&world.current_key()), "before call {at}");
    }
}
