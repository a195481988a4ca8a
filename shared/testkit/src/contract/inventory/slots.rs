use keyward_core::model::slot::{ProviderName, Scope};

use super::*;

pub(super) async fn what_is_not_there_is_not_found(inventory: &dyn Inventory) {
    let name = "contract-nobody".parse().expect("a valid name");
    assert_eq!(inventory.slot(&name).await.expect("read"), None);
    assert_eq!(inventory.versions(&name).await.expect("read"), []);
    let nothing = inventory.save_versions(&[], Fence::None).await;
    nothing.expect("nothing to write");
}

pub(super) async fn a_slot_reads_back(inventory: &dyn Inventory) {
    let slot = Slot {
        due_at: "2031-01-01T00:00:00.123456789Z".parse().expect("a time"),
        ..slot("contract-reads-back")
    };
    inventory.create_slot(&slot, None).await.expect("created");
    let expected = Slot {
        revision: slot.revision.next(),
        ..slot.clone()
    };
    assert_eq!(stored(inventory, &slot.name).await, expected);
}

pub(super) async fn a_slot_is_created_with_its_first_version(inventory: &dyn Inventory) {
    let slot = slot("contract-with-version");
    let version = full(&slot.name, 1);
    let created = inventory.create_slot(&slot, Some(&version)).await;
    created.expect("created");
    let expected = Version {
        revision: version.revision.next(),
        ..version.clone()
    };
    let found = inventory.versions(&slot.name).await.expect("read");
    assert_eq!(found, [expected]);
    let twin = self::slot("contract-with-version-2");
    let thief = Version {
        handle: None,
        ..Version {
            fingerprint: version.fingerprint,
            ..full(&twin.name, 1)
        }
    };
    assert_taken(
        inventory.create_slot(&twin, Some(&thief)).await,
        UniqueItem::Fingerprint,
        &slot.name,
    );
    assert_eq!(inventory.slot(&twin.name).await.expect("read"), None);
}

pub(super) async fn a_name_is_taken_once(inventory: &dyn Inventory) {
    let first = create(inventory, "contract-name").await;
    let again = Slot {
        owner: "somebody-else".parse().expect("a valid name"),
        secret: slot("contract-name-other").secret,
        agent: slot("contract-name-other").agent,
        ..slot("contract-name")
    };
    assert_taken(
        inventory.create_slot(&again, None).await,
        UniqueItem::Name,
        &first.name,
    );
    assert_eq!(stored(inventory, &first.name).await, first);
}

pub(super) async fn a_secret_and_a_place_are_taken_once(inventory: &dyn Inventory) {
    let first = create(inventory, "contract-unique").await;
    let same_secret = Slot {
        secret: first.secret.clone(),
        ..slot("contract-unique-secret")
    };
    assert_taken(
        inventory.create_slot(&same_secret, None).await,
        UniqueItem::Secret,
        &first.name,
    );
    let same_place = Slot {
        agent: first.agent.clone(),
        ..slot("contract-unique-place")
    };
    assert_taken(
        inventory.create_slot(&same_place, None).await,
        UniqueItem::Place,
        &first.name,
    );
    let elsewhere = Slot {
        environment: Environment::Dev,
        ..same_place
    };
    let created = inventory.create_slot(&elsewhere, None).await;
    created.expect("another environment is another place");
}

pub(super) async fn what_keys_live_in_is_taken_once(inventory: &dyn Inventory) {
    let at_user = |name: &str, user: &str| Slot {
        provider: ProviderName::Bedrock,
        scope: Scope {
            user: user.parse().ok(),
            ..Scope::default()
        },
        ..slot(name)
    };
    let first = at_user("contract-home", "contract-user");
    inventory.create_slot(&first, None).await.expect("created");
    let same_user = at_user("contract-home-2", "Contract-User");
    assert_taken(
        inventory.create_slot(&same_user, None).await,
        UniqueItem::Home,
        &first.name,
    );
    let other_user = at_user("contract-home-2", "contract-user-2");
    let created = inventory.create_slot(&other_user, None).await;
    created.expect("another user is another place");
}

pub(super) async fn what_is_refused_leaves_nothing_behind(inventory: &dyn Inventory) {
    let first = create(inventory, "contract-refused").await;
    let refused = Slot {
        agent: first.agent.clone(),
        ..slot("contract-refused-2")
    };
    let version = full(&refused.name, 2);
    let result = inventory.create_slot(&refused, Some(&version)).await;
    assert_taken(result, UniqueItem::Place, &first.name);
    assert_eq!(inventory.slot(&refused.name).await.expect("read"), None);
    assert_eq!(inventory.versions(&refused.name).await.expect("read"), []);
    let other = Slot {
        secret: refused.secret.clone(),
        ..slot("contract-refused-3")
    };
    let version = Version {
        slot: other.name.clone(),
        ..version
    };
    let created = inventory.create_slot(&other, Some(&version)).await;
    created.expect("secret, fingerprint and handle are still free");
}

pub(super) async fn a_slot_is_saved_by_revision(inventory: &dyn Inventory) {
    let read = create(inventory, "contract-save").await;
    let changed = Slot {
        backup_owner: Some("backup".parse().expect("a valid name")),
        ..read.clone()
    };
    inventory.save_slot(&changed).await.expect("saved");
    let expected = Slot {
        revision: read.revision.next(),
        ..changed.clone()
    };
    assert_eq!(stored(inventory, &read.name).await, expected);
    assert_conflict(inventory.save_slot(&changed).await);
    assert_eq!(stored(inventory, &read.name).await, expected);
}

pub(super) async fn a_slot_that_is_not_there_is_not_saved(inventory: &dyn Inventory) {
    let slot = slot("contract-unsaved");
    assert_conflict(inventory.save_slot(&slot).await);
    assert_eq!(inventory.slot(&slot.name).await.expect("read"), None);
}

pub(super) async fn of_two_writers_one_wins(inventory: &dyn Inventory) {
    let read = create(inventory, "contract-two").await;
    let [one, two] = ["one", "two"].map(|owner| Slot {
        owner: owner.parse().expect("a valid name"),
        ..read.clone()
    });
    let (a, b) = futures::join!(inventory.save_slot(&one), inventory.save_slot(&two));
    assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
    let winner = if a.is_ok() { one } else { two };
    assert_eq!(stored(inventory, &read.name).await.owner, winner.owner);
}

/// In order and each once, due or not. Other checks' slots may be there.
pub(super) async fn every_slot_is_named(inventory: &dyn Inventory) {
    let names = ["contract-named-b", "contract-named-a"];
    for name in names {
        create(inventory, name).await;
    }
    let found = inventory.slot_names().await.expect("read");
    assert!(found.is_sorted(), "{found:?}");
    for name in names {
        let times = found.iter().filter(|n| n.as_str() == name).count();
        assert_eq!(times, 1, "{name} in {found:?}");
    }
}
