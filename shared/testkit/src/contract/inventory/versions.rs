use super::*;

pub(super) async fn a_version_reads_back(inventory: &dyn Inventory) {
    let slot = create(inventory, "contract-version").await;
    for version in [full(&slot.name, 3), bare(&slot.name, 4)] {
        let expected = Version {
            revision: version.revision.next(),
            ..version.clone()
        };
        assert_eq!(add(inventory, &version).await, expected);
    }
}

pub(super) async fn a_version_is_added_once(inventory: &dyn Inventory) {
    let slot = create(inventory, "contract-add").await;
    let version = bare(&slot.name, 1);
    let added = add(inventory, &version).await;
    let again = Version {
        state: VersionState::Abandoned,
        ..version.clone()
    };
    for again in [&version, &again, &added] {
        assert_conflict(inventory.add_version(again, Fence::None).await);
    }
    assert_eq!(read(inventory, &version).await, added);
}

pub(super) async fn a_version_of_no_slot_is_refused(inventory: &dyn Inventory) {
    let version = bare(&slot("contract-no-slot").name, 1);
    assert_conflict(inventory.add_version(&version, Fence::None).await);
    assert_fenced(
        inventory
            .add_version(&version, Fence::Epoch(Epoch(0)))
            .await,
        Epoch(0),
    );
    assert_conflict(
        inventory
            .save_versions(std::slice::from_ref(&version), Fence::None)
            .await,
    );
    assert_eq!(inventory.versions(&version.slot).await.expect("read"), []);
}

pub(super) async fn versions_are_listed_oldest_first(inventory: &dyn Inventory) {
    let slot = create(inventory, "contract-order").await;
    let born = |n: u32, created: &str| Version {
        created: at(created),
        ..bare(&slot.name, n)
    };
    let (late, early) = ("2026-11-02T00:00:00Z", "2026-11-01T23:59:59.5Z");
    for version in [born(4, late), born(2, late), born(9, early)] {
        add(inventory, &version).await;
    }
    let found = inventory.versions(&slot.name).await.expect("read");
    let ids: Vec<_> = found.into_iter().map(|v| v.id).collect();
    assert_eq!(ids, [9, 2, 4].map(version_id));
}

pub(super) async fn versions_of_other_slots_are_not_listed(inventory: &dyn Inventory) {
    let short = create(inventory, "contract-prefix").await;
    let long = create(inventory, "contract-prefix-longer").await;
    add(inventory, &bare(&long.name, 1)).await;
    assert_eq!(inventory.versions(&short.name).await.expect("read"), []);
}

pub(super) async fn versions_are_saved_by_revision(inventory: &dyn Inventory) {
    let slot = create(inventory, "contract-save-version").await;
    let version = add(inventory, &full(&slot.name, 5)).await;
    let changed = Version {
        state: VersionState::Retiring,
        due_at: None,
        ..version.clone()
    };
    let changed = [changed];
    let saved = inventory.save_versions(&changed, Fence::None).await;
    saved.expect("saved, with the fingerprint and handle that it has already");
    let expected = Version {
        revision: version.revision.next(),
        ..changed[0].clone()
    };
    assert_eq!(read(inventory, &version).await, expected);
    assert_conflict(inventory.save_versions(&changed, Fence::None).await);
    assert_eq!(read(inventory, &version).await, expected);
}

pub(super) async fn versions_are_saved_together_or_not_at_all(inventory: &dyn Inventory) {
    let slot = create(inventory, "contract-together").await;
    let one = add(inventory, &full(&slot.name, 6)).await;
    let two = add(inventory, &bare(&slot.name, 7)).await;
    let stale = Version {
        revision: Revision(0),
        ..two.clone()
    };
    let changed = |version: &Version| Version {
        state: VersionState::Contained,
        ..version.clone()
    };
    let write = [changed(&one), changed(&stale)];
    assert_conflict(inventory.save_versions(&write, Fence::None).await);
    assert_eq!(read(inventory, &one).await, one);
    let thief = Version {
        fingerprint: one.fingerprint,
        ..changed(&two)
    };
    let result = inventory
        .save_versions(&[changed(&one), thief], Fence::None)
        .await;
    assert_taken(result, UniqueItem::Fingerprint, &slot.name);
    assert_eq!(read(inventory, &one).await, one);
    let write = [changed(&one), changed(&two)];
    let saved = inventory.save_versions(&write, Fence::None).await;
    saved.expect("saved");
    for version in [&one, &two] {
        let found = read(inventory, version).await;
        assert_eq!(found.state, VersionState::Contained);
        assert_eq!(found.revision, version.revision.next());
    }
}

pub(super) async fn fingerprints_and_handles_are_taken_once(inventory: &dyn Inventory) {
    let owner = create(inventory, "contract-key").await;
    let other = create(inventory, "contract-key-2").await;
    let key = add(inventory, &full(&owner.name, 8)).await;
    let same_print = Version {
        handle: None,
        fingerprint: key.fingerprint,
        ..bare(&other.name, 1)
    };
    let same_handle = Version {
        handle: key.handle.clone(),
        ..bare(&other.name, 1)
    };
    let thieves = [
        (same_print, UniqueItem::Fingerprint),
        (same_handle, UniqueItem::Handle),
    ];
    for (thief, what) in &thieves {
        let result = inventory.add_version(thief, Fence::None).await;
        assert_taken(result, *what, &owner.name);
    }
    assert_eq!(inventory.versions(&other.name).await.expect("read"), []);
    let honest = add(inventory, &bare(&other.name, 1)).await;
    for (thief, what) in thieves {
        let thief = Version {
            revision: honest.revision,
            ..thief
        };
        let result = inventory.save_versions(&[thief], Fence::None).await;
        assert_taken(result, what, &owner.name);
    }
    assert_eq!(read(inventory, &honest).await, honest);
}

pub(super) async fn handles_are_unique_within_an_account_only(inventory: &dyn Inventory) {
    let first = create(inventory, "contract-account").await;
    let second = Slot {
        account: "another-account".parse().expect("a valid name"),
        ..slot("contract-account-2")
    };
    inventory.create_slot(&second, None).await.expect("created");
    let key = add(inventory, &full(&first.name, 10)).await;
    let same_handle = Version {
        handle: key.handle,
        ..bare(&second.name, 1)
    };
    add(inventory, &same_handle).await;
}

pub(super) async fn one_slot_has_a_key_once(inventory: &dyn Inventory) {
    let slot = create(inventory, "contract-once").await;
    let key = add(inventory, &full(&slot.name, 11)).await;
    let again = Version {
        fingerprint: key.fingerprint,
        ..bare(&slot.name, 12)
    };
    assert_taken(
        inventory.add_version(&again, Fence::None).await,
        UniqueItem::Fingerprint,
        &slot.name,
    );
}

/// Whatever became of the key since.
pub(super) async fn the_holder_of_a_key_is_found(inventory: &dyn Inventory) {
    let slot = create(inventory, "contract-holder").await;
    let version = full(&slot.name, 1);
    let print = version.fingerprint.expect("a full version");
    assert_eq!(inventory.holder(&print).await.expect("read"), None);
    let version = add(inventory, &version).await;
    let revoked = Version {
        state: VersionState::Revoked,
        ..version
    };
    let saved = inventory.save_versions(&[revoked], Fence::None).await;
    saved.expect("saved");
    let holder = inventory.holder(&print).await.expect("read");
    assert_eq!(holder, Some(slot.name));
}
