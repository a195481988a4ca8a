//! What becomes of keys and their accounts, and how keys that were there before come in.

use super::*;

/// What is left of the accounts that were made for one key: one for the key in use.
#[tokio::test]
async fn accounts_end_with_their_keys() {
    for key_end in [
        KeyEnd::Deletable,
        KeyEnd::Expires,
        KeyEnd::WithItsAccountOnly,
    ] {
        let settings = settings(Home::OwnAccount, key_end);
        let (world, simulator) = world_with(Arc::default(), settings).await;
        for n in 2..5 {
            world.rotate(&token(n)).await.unwrap();
            world.live_through(SignedDuration::from_hours(27)).await;
        }
        let mut names = simulator.service_accounts();
        names.retain(|name| name.starts_with("keyward-"));
        let current = format!("keyward-support-bot-openai--{}-1", token(4));
        assert_eq!(names, [current], "{key_end:?}");
        check_rules(&world, "accounts").await;
    }
}

/// What cannot be ended without others is for a person, and the current key works on.
#[tokio::test]
async fn a_key_that_cannot_be_ended_alone_is_told() {
    for (home, others) in [(Home::StandingAccount, true), (Home::OwnAccount, false)] {
        let settings = settings(home, KeyEnd::WithItsAccountOnly);
        let (world, _) = world_with(Arc::default(), settings).await;
        for n in 2..4 {
            world.rotate(&token(n)).await.unwrap();
            world.live_through(SignedDuration::from_hours(27)).await;
        }
        let old = world.versions().await.remove(1);
        let revoked = old.state == VersionState::Revoked;
        assert_eq!(revoked, !others, "{home:?}: {:?}", old.state);
        let told = world.outside.alerts.count(AlertKind::WorkFailed);
        assert_eq!(told > 0, others, "{home:?}");
        assert!(world.outside.provider.accepts(&world.current_key()));
    }
}

/// A narrowed key is known, does no work, and gets back exactly what its scope permits.
#[tokio::test]
async fn a_suspended_key_is_blocked_until_it_gets_its_permissions_back() {
    for (mode, _) in MODES {
        let (world, simulator) = world(mode).await;
        world.rotate(&token(2)).await.unwrap();
        let key = ApiKey::new(&world.current_key());
        let handle = world.versions().await[1].handle.clone().unwrap();
        let driver = world.outside.provider.driver();
        driver.disable(&handle).await.unwrap();
        let verdict = driver.verify(&key).await;
        assert!(
            matches!(verdict, Verdict::BlockedForScope(_)),
            "{verdict:?}"
        );
        assert!(!simulator.is_accepted(&key));
        let scope = world.outside.provider.scope();
        driver.restore(&handle, &scope).await.unwrap();
        assert_eq!(driver.verify(&key).await, Verdict::Live);
        let alone = Scope {
            permissions: vec!["model.request".parse().unwrap()],
            ..scope
        };
        driver.restore(&handle, &alone).await.unwrap();
        let verdict = driver.verify(&key).await;
        let blind = matches!(verdict, Verdict::BlockedForScope(_));
        assert!(blind, "without the permission to see models: {verdict:?}");
        assert!(simulator.is_accepted(&key));
    }
}

/// A key is deleted alone: not with an account that others live in, not even as the last resort.
#[tokio::test]
async fn a_delete_takes_no_other_key_with_it() {
    let settings = settings(Home::StandingAccount, KeyEnd::WithItsAccountOnly);
    let (world, simulator) = world_with(Arc::default(), settings).await;
    world.rotate(&token(2)).await.unwrap();
    world.pass(SignedDuration::from_mins(11));
    world.rotate(&token(3)).await.unwrap();
    let driver = world.outside.provider.driver();
    let handles: Vec<_> = world
        .versions()
        .await
        .iter()
        .map(|v| v.handle.clone())
        .collect();
    let [_, Some(first), Some(second)] = &handles[..] else {
        panic!("{handles:?}");
    };
    let error = driver.delete(first).await.unwrap_err();
    assert!(error.to_string().contains("other keys live"), "{error}");
    assert!(world.outside.provider.accepts(&world.current_key()));
    assert!(driver.get(first).await.unwrap().is_some());
    simulator.configure(|s| s.key_end = KeyEnd::Deletable);
    driver.delete(first).await.unwrap();
    assert_eq!(simulator.service_accounts(), ["agents"], "it stays");
    simulator.configure(|s| s.key_end = KeyEnd::WithItsAccountOnly);
    driver.delete(second).await.unwrap();
    assert_eq!(simulator.service_accounts(), [""; 0], "with its last key");
}

/// The list shows whoever's key: a person's is found at registration, and one whose owner may enter no more.
#[tokio::test]
async fn keys_of_others_are_found() {
    let (world, simulator) = world(Home::StandingAccount).await;
    let by_hand = world.versions().await[0].handle.clone().unwrap();
    let driver = world.outside.provider.driver();
    let record = driver.get(&by_hand).await.unwrap().unwrap();
    assert_eq!(record.owner, KeyOwner::Person);
    assert_eq!(record.suspended, None);
    simulator.end_owners_access(&simulator.keys()[0].handle);
    let listed = driver
        .list(&world.outside.provider.scope(), None)
        .await
        .unwrap();
    assert_eq!(listed.keys.len(), 1, "hidden unless asked for");
    assert_eq!(listed.keys[0].suspended, Some(true));
    assert_eq!(listed.keys[0].handle, by_hand);
}

/// Registering a slot whose secret holds a key that a person made.
struct Register(Home);

impl Register {
    async fn unregistered(&self, gate: &Arc<Gate>) -> (World, Simulator) {
        let clock = Arc::new(ManualClock::start());
        let settings = settings(self.0, KeyEnd::Deletable);
        let simulated = Simulated::start(clock.clone(), settings).await;
        let simulator = simulated.simulator.clone();
        let world = World::unregistered(gate, clock, Box::new(simulated));
        let text = json!({"api_key": world.outside.provider.seed("by hand")}).to_string();
        let secrets = &world.outside.secrets;
        secrets.create(&world.secret, Some((&token(1), &text)));
        (world, simulator)
    }
}

fn planned(world: &World) -> PlannedSlot {
    fleet_at(ProviderName::OpenAi, &world.outside.provider.scope()).remove(0)
}

impl Scenario for Register {
    type World = World;

    async fn world(&self, gate: &Arc<Gate>) -> World {
        self.unregistered(gate).await.0
    }

    async fn operation(&self, world: &World) {
        let _ = register(&world.ports, &planned(world)).await;
    }

    async fn recover_and_check(&self, world: &World, point: Option<Point>) {
        let context = format!("register {:?} {point:?}", self.0);
        let registered = register(&world.open, &planned(world)).await;
        assert!(registered.is_ok(), "{context}: {registered:?}");
        let old = world.versions().await[0].handle.clone();
        assert!(old.is_some(), "{context}: found in the list");
        let rotated = world.rotate(&token(2)).await;
        assert!(rotated.is_ok(), "{context}: {rotated:?}");
        world.live_through(SignedDuration::from_hours(27)).await;
        check_rules(world, &context).await;
    }
}

#[tokio::test]
async fn crash_at_every_call_of_register_over_http() {
    for (mode, _) in MODES {
        let ran = crash_at_every_call(&Register(mode)).await;
        say(format_args!("register over HTTP, {mode:?}: {ran} points"));
        assert!(ran >= 3 * 7, "{ran}");
    }
}

/// A key is registered with its handle, or not at all while the list cannot be read.
#[tokio::test]
async fn a_slot_is_registered_once_its_key_is_found() {
    let (world, simulator) = Register(Home::StandingAccount)
        .unregistered(&Arc::default())
        .await;
    let (method, path) = simulator.route(ProviderCall::List);
    simulator.inject(FaultRule::on(method, path, Fault::truncated()).always());
    let refused = register(&world.open, &planned(&world)).await;
    assert!(refused.is_err(), "not seen is not the same as not there");
    simulator.clear_faults();
    let registered = register(&world.open, &planned(&world)).await.unwrap();
    assert_eq!(registered, Registered::WithKey { handle_known: true });
    let again = register(&world.open, &planned(&world)).await;
    assert!(again.is_ok(), "{again:?}");
    assert_eq!(world.versions().await.len(), 1);
    check_rules(&world, "register").await;
}
