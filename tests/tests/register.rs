//! Registering a slot: what is refused, by name, before anything is changed.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::sync::Arc;
use std::time::Duration;

use keyward_core::model::alert::{AlertKind, Severity};
use keyward_core::model::fleet::PlannedSlot;
use keyward_core::model::secret_document::DocumentError;
use keyward_core::ports::{InventoryError, SecretError, SecretStore, TAG_SLOT, UniqueItem};
use keyward_core::usecases::apply::{Applied, Plan, carry_out};
use keyward_core::usecases::register::{RegisterError, Registered, register};
use keyward_testkit::clock::ManualClock;
use keyward_testkit::gate::Gate;
use keyward_testkit::memory::MemoryProvider;
use keyward_tests::support::{Backend, Oddity, World, fleet, token};
use tokio::time::timeout;

/// No test takes so long.
const LONG: Duration = Duration::from_secs(10);

/// A deployment in which nothing is registered, and a key that a person made.
fn world() -> (World, String) {
    let clock = Arc::new(ManualClock::start());
    let provider = Arc::new(MemoryProvider::new(clock.clone()));
    let key = Backend::seed(&provider, "made by hand");
    (
        World::unregistered(&Arc::new(Gate::default()), clock, Box::new(provider)),
        key,
    )
}

/// A second slot, with its own agent and secret.
fn second() -> PlannedSlot {
    let mut planned = fleet().remove(0);
    planned.name = "other-bot-openrouter".parse().unwrap();
    planned.agent = "other-bot".parse().unwrap();
    planned.entry.agent = planned.agent.clone();
    planned.entry.secret = "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/other-a1B2c3"
        .parse()
        .unwrap();
    planned
}

#[tokio::test]
async fn a_list_that_does_not_end_is_given_up() {
    for way in [Oddity::ListsInCircles, Oddity::ListsNothingForEver] {
        let (world, key) = world();
        let current = Some((&token(1), key.as_str()));
        world.outside.secrets.create(&world.secret, current);
        let (ports, planned) = (world.odd(way.clone()), fleet().remove(0));
        let refused = timeout(LONG, register(&ports, &planned)).await;
        let refused = refused.expect("it ends").unwrap_err();
        assert!(matches!(refused, RegisterError::Provider(_)), "{way:?}");
        assert!(refused.is_retryable(), "{way:?}");
        assert_eq!(world.outside.inventory.all_slots(), []);
    }
}

#[tokio::test]
async fn what_the_provider_lacks_is_said_once() {
    let (world, key) = world();
    let current = Some((&token(1), key.as_str()));
    world.outside.secrets.create(&world.secret, current);
    let planned = fleet().remove(0);
    register(&world.open, &planned).await.unwrap();
    let said = world.outside.alerts.take();
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0].kind, AlertKind::ProtectionMissing);
    assert_eq!(said[0].severity, Severity::Notice);
    let what = "Slot support-bot-openrouter was registered at openrouter, whose API cannot tell a key's usage or tell a key's cost.";
    assert_eq!(said[0].what.as_str(), what);
    register(&world.open, &planned).await.unwrap();
    assert_eq!(world.outside.alerts.take(), []);
}

#[tokio::test]
async fn a_key_that_is_listed_twice_is_one_key() {
    let (world, key) = world();
    let current = Some((&token(1), key.as_str()));
    world.outside.secrets.create(&world.secret, current);
    let done = register(&world.odd(Oddity::ListsTwice), &fleet()[0]).await;
    assert_eq!(done.unwrap(), Registered::WithKey { handle_known: true });
}

#[tokio::test]
async fn what_cannot_be_registered_is_refused_and_changes_nothing() {
    type Prepare = fn(&World, &str);
    type Expect = fn(&RegisterError) -> bool;
    let cases: [(&str, Prepare, Expect); 8] = [
        (
            "no secret",
            |_, _| {},
            |e| matches!(e, RegisterError::Secret(SecretError::NotFound(_))),
        ),
        (
            "binary",
            |w, key| {
                w.outside.secrets.create(&w.secret, Some((&token(1), key)));
                w.outside.secrets.make_binary(&w.secret);
            },
            |e| matches!(e, RegisterError::Secret(SecretError::Binary)),
        ),
        (
            "low entropy",
            |w, _| {
                w.outside.secrets.create(
                    &w.secret,
                    Some((&token(1), "sk-or-v1-0123456789abcdef0123456789abcde")),
                )
            },
            |e| matches!(e, RegisterError::LowEntropy(124)),
        ),
        (
            "wrong provider",
            |w, _| {
                w.outside
                    .secrets
                    .create(&w.secret, Some((&token(1), "sk-ant-EXAMPLE")))
            },
            |e| matches!(e, RegisterError::WrongProvider(_)),
        ),
        (
            "broken JSON",
            |w, key| {
                w.outside.secrets.create(
                    &w.secret,
                    Some((&token(1), &format!("{{\"api_key\": \"{key}\""))),
                )
            },
            |e| matches!(e, RegisterError::Document(DocumentError::BrokenJson { .. })),
        ),
        (
            "two keys",
            |w, key| {
                w.outside.secrets.create(
                    &w.secret,
                    Some((
                        &token(1),
                        &format!("{{\"a\": \"{key}\", \"b\": \"{key}\"}}"),
                    )),
                )
            },
            |e| {
                matches!(
                    e,
                    RegisterError::Document(DocumentError::SeveralKeyFields { count: 2 })
                )
            },
        ),
        (
            "empty",
            |w, _| w.outside.secrets.create(&w.secret, Some((&token(1), "\n"))),
            |e| matches!(e, RegisterError::Document(DocumentError::Empty)),
        ),
        (
            "no key in it",
            |w, _| {
                w.outside
                    .secrets
                    .create(&w.secret, Some((&token(1), "{\"user\":\"x\"}")))
            },
            |e| matches!(e, RegisterError::Document(DocumentError::NoKeyField)),
        ),
    ];
    for (name, prepare, expected) in cases {
        let (world, key) = world();
        prepare(&world, &key);
        let error = register(&world.open, &fleet()[0]).await.unwrap_err();
        assert!(expected(&error), "{name}: {error:?}");
        assert!(!error.to_string().contains("EXAMPLE"), "{name}: {error}");
        assert_eq!(world.outside.inventory.all_slots(), [], "{name}");
        if let Ok(secret) = world.outside.secrets.describe(world.secret.as_str()).await {
            assert!(secret.tags.is_empty(), "{name}: {:?}", secret.tags);
        }
    }
}

#[tokio::test]
async fn a_slot_is_registered_once_and_stays_as_it_is() {
    let (world, key) = world();
    world
        .outside
        .secrets
        .create(&world.secret, Some((&token(1), &key)));
    let planned = fleet().remove(0);
    let first = register(&world.open, &planned).await.unwrap();
    assert_eq!(first, Registered::WithKey { handle_known: true });
    let secret = world
        .outside
        .secrets
        .describe(world.secret.as_str())
        .await
        .unwrap();
    assert_eq!(
        secret.tags.get(TAG_SLOT).map(String::as_str),
        Some("support-bot-openrouter")
    );
    assert!(
        secret
            .tags
            .keys()
            .any(|tag| tag.starts_with("keyward:handle:"))
    );
    let before = world.outside.inventory.dump();
    assert_eq!(
        register(&world.open, &planned).await.unwrap(),
        Registered::Already
    );
    assert_eq!(world.outside.inventory.dump(), before);
    let mut moved = planned.clone();
    moved.entry.secret = second().entry.secret;
    world.outside.secrets.create(&moved.entry.secret, None);
    let error = register(&world.open, &moved).await.unwrap_err();
    assert!(matches!(error, RegisterError::Exists(_)), "{error}");
    let versions = world.open.inventory.versions(&world.slot).await.unwrap();
    assert_eq!(versions.len(), 1);
}

/// Keys are never shared: the second slot is told who has what it asks for.
#[tokio::test]
async fn what_another_slot_has_is_named() {
    let (world, key) = world();
    world
        .outside
        .secrets
        .create(&world.secret, Some((&token(1), &key)));
    register(&world.open, &fleet()[0]).await.unwrap();
    let taken = |error: RegisterError| match error {
        RegisterError::Inventory(InventoryError::Taken { what, by }) => {
            assert_eq!(by.unwrap().as_str(), "support-bot-openrouter");
            what
        }
        other => panic!("{other}"),
    };

    let same_key = second();
    world
        .outside
        .secrets
        .create(&same_key.entry.secret, Some((&token(1), &key)));
    let error = register(&world.open, &same_key).await.unwrap_err();
    assert_eq!(taken(error), UniqueItem::Fingerprint);

    let mut same_place = second();
    same_place.agent = fleet()[0].agent.clone();
    world.outside.secrets.create(&same_place.entry.secret, None);
    let error = register(&world.open, &same_place).await.unwrap_err();
    assert_eq!(taken(error), UniqueItem::Place);

    let mut same_secret = second();
    same_secret.entry.secret = world.secret.clone();
    let error = register(&world.open, &same_secret).await.unwrap_err();
    assert!(
        matches!(error, RegisterError::TaggedForAnother(_)),
        "{error}"
    );
    world.outside.secrets.forget_tag(&world.secret, TAG_SLOT);
    let error = register(&world.open, &same_secret).await.unwrap_err();
    assert_eq!(taken(error), UniqueItem::Secret);
    assert_eq!(world.outside.inventory.all_slots().len(), 1);
}

/// Both planned to register it; whoever comes second hears that the slot is not what they said of it.
#[tokio::test]
async fn a_name_that_somebody_else_registered_otherwise_meanwhile_is_a_surprise() {
    let (world, key) = world();
    let current = Some((&token(1), key.as_str()));
    world.outside.secrets.create(&world.secret, current);
    let planned = fleet().remove(0);
    register(&world.open, &planned).await.unwrap();
    let same = carry_out(&world.open, &planned, &Plan::Register).await;
    let already = Applied::Registered(Registered::Already);
    assert_eq!(same.unwrap(), already, "the same request, sent again");

    let mut other = planned.clone();
    other.people.owner = "cleo@example.com".parse().unwrap();
    let before = world.outside.inventory.dump();
    let refused = carry_out(&world.open, &other, &Plan::Register).await;
    let refused = refused.unwrap_err();
    assert!(refused.is_surprise(), "{refused}");
    assert_eq!(world.outside.inventory.dump(), before);
}
