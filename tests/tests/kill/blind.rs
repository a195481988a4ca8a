//! The inventory is down, or slow: keys are cut off without it, and recorded later.

use std::collections::BTreeSet;

use keyward_core::model::incident::Containment;
use keyward_core::model::money::DayLimit;
use keyward_core::model::slot::{ProviderName, Slot};
use keyward_core::ports::{IssueRequest, SecretStore, Stage, TAG_ACCOUNT, TAG_PLACE};
use keyward_core::rules::{birth, caps};
use keyward_core::usecases::kill::{Whereabouts, contain_found};
use keyward_testkit::gate::Cut;

use super::*;

const READS: [&str; 4] = [
    "inventory.slot",
    "inventory.versions",
    "inventory.incident_of_slot",
    "inventory.incident_of_trigger",
];

async fn is_recorded_when_ordered_again(world: &World, order: &KillOrder) {
    let outcome = kill_on(&world.ports, order, "two").await.unwrap();
    assert!(matches!(outcome, KillOutcome::Contained(_)), "{outcome:?}");
    assert_eq!(states(world).await, [VersionState::Contained; 3]);
    assert_eq!(incidents(world).len(), 1);
    assert_eq!(world.slot().await.epoch, Epoch(1));
}

#[tokio::test]
async fn without_the_inventory_keys_are_cut_off_and_recorded_later() {
    for down in [&READS[..], &["inventory.open_incident"]] {
        let gate = Arc::new(Gate::default());
        let world = busy_world(&gate).await;
        gate.silence(down);
        let order = order(&world, "alarm", Evidence::Alarm);
        let outcome = kill_on(&world.ports, &order, "one").await.unwrap();
        assert_eq!(outcome, KillOutcome::Unrecorded(3), "{down:?}");
        assert!(world.outside.provider.live().is_empty(), "{down:?}");
        assert_eq!(incidents(&world), [], "{down:?}");
        let [told] = &alerts(&world, AlertKind::Contained)[..] else {
            panic!("one alert");
        };
        assert_eq!(told.severity, Severity::Page);
        assert!(told.what.as_str().contains("without the inventory"));
        let command = told.command.as_ref().unwrap().as_str();
        assert!(command.starts_with("keyward kill support-bot"), "{command}");
        gate.disarm();
        is_recorded_when_ordered_again(&world, &order).await;
    }
}

#[tokio::test]
async fn an_inventory_that_takes_too_long_is_not_waited_for() {
    let gate = Arc::new(Gate::default());
    let world = busy_world(&gate).await;
    let before = world.outside.clock.now();
    gate.arm(0, Cut::Before);
    let order = order(&world, "alarm", Evidence::Alarm);
    let outcome = kill_on(&world.ports, &order, "one").await.unwrap();
    let (calls, _) = gate.disarm();
    let place = |call| calls.iter().position(|made| *made == call).unwrap();
    assert!(place("provider.disable") < place("inventory.open_incident"));
    assert!(matches!(outcome, KillOutcome::Contained(_)), "{outcome:?}");
    let waited = world.outside.clock.now().duration_since(before);
    assert!(waited <= SignedDuration::from_secs(4), "{waited}");
    assert!(world.outside.provider.live().is_empty());
    assert_eq!(states(&world).await, [VersionState::Contained; 3]);
}

#[tokio::test]
async fn where_the_secret_says_nothing_either_a_person_is_paged() {
    let gate = Arc::new(Gate::default());
    let world = busy_world(&gate).await;
    gate.silence(&READS);
    let secrets = &world.outside.secrets;
    secrets.untag(&world.secret, TAG_ACCOUNT).await.unwrap();
    let order = order(&world, "alarm", Evidence::Alarm);
    let error = kill_on(&world.ports, &order, "one").await.unwrap_err();
    assert!(matches!(error, KillError::Inventory(_)), "{error:?}");
    let told = alerts(&world, AlertKind::NotContained);
    assert_eq!(told[0].severity, Severity::Page);
    gate.disarm();
    is_recorded_when_ordered_again(&world, &order).await;
}

/// Over HTTP, where lists need a workspace, a project or a user: the secret's tags say which.
#[tokio::test]
async fn without_the_inventory_the_place_of_the_keys_is_known_at_every_provider() {
    for provider in ProviderName::ALL {
        let gate = Arc::new(Gate::default());
        let world = providers::rotated_at(provider, &gate).await;
        let key = world.current_key();
        gate.silence(&READS);
        let order = order(&world, "alarm", Evidence::Alarm);
        let outcome = kill_on(&world.ports, &order, "one").await.unwrap();
        let KillOutcome::Unrecorded(cut) = outcome else {
            panic!("{provider}: {outcome:?}");
        };
        assert!(cut >= 2, "{provider}: {cut}");
        assert!(!world.outside.provider.accepts(&key), "{provider}");
        assert_eq!(outdated_and_old(&world).await, [""; 0], "{provider}");
        let [told] = &alerts(&world, AlertKind::Contained)[..] else {
            panic!("{provider}: one alert, that it is whole");
        };
        assert!(!told.done.as_str().contains("may be more"), "{}", told.done);
        gate.disarm();
        let outcome = kill_on(&world.ports, &order, "two").await.unwrap();
        assert!(matches!(outcome, KillOutcome::Contained(_)), "{outcome:?}");
        assert_eq!(incidents(&world).len(), 1, "{provider}");
    }
}

/// Over HTTP, beside keys in the same workspace or project whose names are like the slot's, or that people made.
#[tokio::test]
async fn without_the_inventory_nothing_beyond_the_slot_is_cut_off() {
    for provider in ProviderName::ALL {
        let gate = Arc::new(Gate::default());
        let world = providers::rotated_at(provider, &gate).await;
        let Slot { account, scope, .. } = world.slot().await;
        if provider.home(&account, &scope).is_some() {
            // Whatever is in there is the slot's.
            continue;
        }
        let slot = &world.slot;
        let token = "11111111-aaaa-4bbb-8ccc-000000000001-1";
        let others = [
            format!("keyward-{slot}-eu--{token}"),
            format!("keyward-eu-{slot}--{token}"),
            format!("{slot}--{token}"),
            slot.to_string(),
        ]
        .map(|name| world.outside.provider.seed(&name));
        let key = world.current_key();
        gate.silence(&READS);
        let order = order(&world, "leak", Evidence::Leak);
        let outcome = kill_on(&world.ports, &order, "one").await.unwrap();
        assert!(
            matches!(outcome, KillOutcome::Unrecorded(cut) if cut >= 2),
            "{provider}: {outcome:?}"
        );
        assert!(!world.outside.provider.accepts(&key), "{provider}");
        for (n, other) in others.iter().enumerate() {
            assert!(world.outside.provider.accepts(other), "{provider}: {n}");
        }
    }
}

/// Keys of the slot's versions that work, whatever their epoch.
async fn outdated_and_old(world: &World) -> Vec<String> {
    let versions = world.versions().await;
    let live = world.outside.provider.live().into_iter();
    live.map(|key| key.text)
        .filter(|text| {
            let print = Some(ApiKey::new(text).fingerprint());
            versions.iter().any(|v| v.fingerprint == print)
        })
        .collect()
}

/// A slot that was registered by an earlier release: people are told that there may be more.
#[tokio::test]
async fn where_no_tag_says_the_place_people_are_told_that_there_may_be_more() {
    let gate = Arc::new(Gate::default());
    let world = busy_world(&gate).await;
    let secrets = &world.outside.secrets;
    secrets.untag(&world.secret, TAG_PLACE).await.unwrap();
    gate.silence(&READS);
    let order = order(&world, "alarm", Evidence::Alarm);
    kill_on(&world.ports, &order, "one").await.unwrap();
    let [told] = &alerts(&world, AlertKind::NotContained)[..] else {
        panic!("one alert");
    };
    assert!(told.done.as_str().contains("may be more"), "{}", told.done);
    gate.disarm();
    world.pass(SignedDuration::from_mins(15));
    world.rotate(&token(7)).await.unwrap();
    let secret = secrets.describe(world.secret.as_str()).await.unwrap();
    assert!(
        secret.tags.contains_key(TAG_PLACE),
        "a rotation makes up for it"
    );
}

/// A message that comes again while the inventory is down cuts off the replacement, which its incident knows nothing of.
#[tokio::test]
async fn a_replacement_that_is_cut_off_without_the_inventory_is_replaced_too() {
    for mode in [Mode::Enforce, Mode::Observe] {
        let gate = Arc::new(Gate::default());
        let world = busy_world(&gate).await;
        let order = order(&world, "alarm", Evidence::Alarm);
        kill_on(&world.ports, &order, "one").await.unwrap();
        world.rotate_as_asked().await;
        world.live_through(SignedDuration::from_mins(30)).await;
        set_mode(&world, mode).await;
        let replacement = world.current_key();

        gate.silence(&READS);
        let outcome = kill_on(&world.ports, &order, "two").await.unwrap();
        assert!(matches!(outcome, KillOutcome::Unrecorded(_)), "{outcome:?}");
        assert!(!world.outside.provider.accepts(&replacement));
        gate.disarm();
        let outcome = kill_on(&world.ports, &order, "three").await.unwrap();
        assert!(matches!(outcome, KillOutcome::Contained(_)), "{outcome:?}");
        world.rotate_as_asked().await;
        assert!(world.outside.provider.accepts(&world.current_key()));
        let [_, second] = &incidents(&world)[..] else {
            panic!("two incidents");
        };
        assert_eq!(second.triggers[0].evidence, Evidence::CutUnrecorded);
        assert_eq!(
            (second.suspends, world.slot().await.epoch),
            (None, Epoch(2))
        );

        let outcome = kill_on(&world.ports, &order, "four").await.unwrap();
        assert_eq!(outcome, KillOutcome::Over);
        assert!(world.outside.provider.accepts(&world.current_key()));
    }
}

/// A slot whose replacement a message that came again has cut off without the inventory. The order is returned, with the
/// replacement.
async fn replacement_cut_off(gate: &Arc<Gate>, rest: SignedDuration) -> (World, KillOrder, String) {
    let world = busy_world(gate).await;
    let order = order(&world, "alarm", Evidence::Alarm);
    kill_on(&world.ports, &order, "one").await.unwrap();
    world.rotate_as_asked().await;
    world.live_through(rest).await;
    let replacement = world.current_key();
    gate.silence(&READS);
    kill_on(&world.ports, &order, "two").await.unwrap();
    gate.disarm();
    assert!(!world.outside.provider.accepts(&replacement));
    (world, order, replacement)
}

#[tokio::test]
async fn what_a_kill_cannot_look_at_is_looked_at_by_whoever_goes_on_with_its_incident() {
    let gate = Arc::new(Gate::default());
    let (world, order, replacement) = replacement_cut_off(&gate, SignedDuration::ZERO).await;
    gate.silence(&["provider.get"]);
    let outcome = kill_on(&world.ports, &order, "three").await.unwrap();
    assert!(matches!(outcome, KillOutcome::Contained(_)), "{outcome:?}");
    assert_eq!(incidents(&world).len(), 1);
    gate.disarm();
    world.live_through(SignedDuration::from_mins(30)).await;
    let [_, second] = &incidents(&world)[..] else {
        panic!("two incidents");
    };
    assert_eq!(second.triggers[0].evidence, Evidence::CutUnrecorded);
    let current = world.current_key();
    assert!(world.outside.provider.accepts(&current) && current != replacement);
}

#[tokio::test]
async fn what_cannot_be_looked_at_is_needed_again_where_no_incident_is_due() {
    let gate = Arc::new(Gate::default());
    let rest = SignedDuration::from_mins(30);
    let (world, order, _) = replacement_cut_off(&gate, rest).await;
    gate.silence(&["provider.get"]);
    let outcome = kill_on(&world.ports, &order, "three").await.unwrap();
    assert_eq!(outcome, KillOutcome::Unrecorded(0));
    gate.disarm();
    let outcome = kill_on(&world.ports, &order, "four").await.unwrap();
    assert!(matches!(outcome, KillOutcome::Contained(_)), "{outcome:?}");
}

/// An old key is what agents fetch once a person has moved the label back to it.
#[tokio::test]
async fn an_old_key_under_awscurrent_that_is_cut_off_without_a_record_is_replaced_too() {
    let gate = Arc::new(Gate::default());
    let world = busy_world(&gate).await;
    let alarm = order(&world, "alarm", Evidence::Alarm);
    kill_on(&world.ports, &alarm, "one").await.unwrap();
    world.rotate_as_asked().await;
    let old = world.current_key();
    let secrets = &world.outside.secrets;
    let holder = secrets.holder(&world.secret, &Stage::Current).unwrap();
    world.pass(SignedDuration::from_mins(15));
    world.rotate(&token(8)).await.unwrap();
    secrets.move_current(&world.secret, &holder);
    let mut of_old = world.versions().await;
    of_old.retain(|v| v.id.secret_version == holder);
    let of_old = of_old.pop().unwrap();
    assert_eq!(of_old.state, VersionState::Retiring);
    let driver = world.outside.provider.driver();
    driver.disable(&of_old.handle.unwrap()).await.unwrap();

    let outcome = kill_on(&world.ports, &alarm, "two").await.unwrap();
    assert!(matches!(outcome, KillOutcome::Contained(_)), "{outcome:?}");
    let second = incidents(&world).pop().unwrap();
    assert_eq!(second.triggers[0].evidence, Evidence::CutUnrecorded);
    world.rotate_as_asked().await;
    let current = world.current_key();
    assert!(world.outside.provider.accepts(&current) && current != old);
}

/// Two messages, each of which finds the replacement cut off: the second's look may be older than the first's incident.
#[tokio::test]
async fn a_key_that_is_cut_off_without_a_record_becomes_one_incident_whoever_looks_meanwhile() {
    let mut ran = 0;
    for at in 0.. {
        let gate = Arc::new(Gate::default());
        let (world, alarm, _) = replacement_cut_off(&gate, SignedDuration::from_mins(30)).await;
        let opened = incidents(&world)[0].opened;
        let (open, again) = (
            world.open.clone(),
            order_for(&world.slot, "late alarm", Evidence::Alarm, opened),
        );
        gate.before(at, async move {
            kill_on(&open, &again, "three").await.unwrap();
        });
        kill_on(&world.ports, &alarm, "four").await.unwrap();
        if gate.disarm().1.is_none() {
            break;
        }
        ran += 1;
        let incidents = incidents(&world);
        let unrecorded = |i: &&Incident| i.triggers[0].evidence == Evidence::CutUnrecorded;
        assert_eq!(
            incidents.iter().filter(unrecorded).count(),
            1,
            "before call {at}"
        );
        assert_eq!(world.slot().await.epoch, Epoch(2), "before call {at}");
        world.rotate_as_asked().await;
        let current = world.current_key();
        assert!(world.outside.provider.accepts(&current), "before call {at}");
    }
    assert!(ran >= 10, "{ran}");
}

/// A create that was under way when the keys were listed ends while they are cut off.
#[tokio::test]
async fn what_is_found_without_the_inventory_is_listed_again_until_nothing_new_appears() {
    let gate = Arc::new(Gate::default());
    let world = busy_world(&gate).await;
    let slot = world.slot().await;
    let provider = world.ports.providers.open(&slot.account, slot.provider);
    let provider = provider.await.unwrap();
    let whereabouts = Whereabouts {
        slot: slot.name.clone(),
        account: slot.account.clone(),
        place: slot.scope.clone(),
        known: BTreeSet::default(),
    };
    gate.record();
    contain_found(provider.as_ref(), &whereabouts, Containment::Reversible).await;
    let (calls, _) = gate.disarm();
    let first_cut = calls.iter().position(|call| *call == "provider.disable");

    let now = world.outside.clock.now();
    let (ungated, account) = (world.open.clone(), slot.account.clone());
    let id = format!("{}.1", token(9)).parse().unwrap();
    let intended = Version::intended(&slot.name, id, slot.epoch, now);
    let label = intended.label.unwrap();
    let request = IssueRequest {
        label: label.clone(),
        scope: slot.scope.clone(),
        cap: caps::of_new_key(&slot, DayLimit::ItsOwn, now),
        expires: birth::expires(&slot.policy, now),
        keep: Vec::new(),
    };
    gate.before(first_cut.unwrap(), async move {
        let provider = ungated.providers.open(&account, ProviderName::OpenRouter);
        let provider = provider.await.unwrap();
        provider.issuer().unwrap().issue(&request).await.unwrap();
    });
    let found = contain_found(provider.as_ref(), &whereabouts, Containment::Reversible).await;
    let (_, fired) = gate.disarm();
    assert_eq!(fired, Some("provider.disable"));
    assert!(found.is_whole(), "{found:?}");
    let live = world.outside.provider.live().into_iter();
    let live: Vec<String> = live.map(|key| key.label).collect();
    assert!(!live.iter().any(|name| name == label.as_str()), "{live:?}");
}
