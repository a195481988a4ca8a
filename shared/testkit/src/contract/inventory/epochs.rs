use super::*;

pub(super) async fn a_write_in_an_old_epoch_is_fenced(inventory: &dyn Inventory) {
    let slot = create(inventory, "contract-fence").await;
    let fence = Fence::Epoch(slot.epoch);
    let one = bare(&slot.name, 1);
    let added = inventory.add_version(&one, fence).await;
    added.expect("added in the present epoch");
    let one = read(inventory, &one).await;
    let raised = Slot {
        epoch: slot.epoch.next(),
        ..slot.clone()
    };
    inventory.save_slot(&raised).await.expect("saved");
    let two = Version {
        fingerprint: Some(print("contract-fence")),
        ..bare(&slot.name, 2)
    };
    assert_fenced(inventory.add_version(&two, fence).await, slot.epoch);
    let changed = [Version {
        state: VersionState::Pending,
        ..one.clone()
    }];
    let refused = inventory.save_versions(&changed, fence).await;
    assert_fenced(refused, slot.epoch);
    let found = inventory.versions(&slot.name).await.expect("read");
    assert_eq!(found, [one]);
    let saved = inventory
        .save_versions(&changed, Fence::Epoch(raised.epoch))
        .await;
    saved.expect("saved in the present epoch");
    let added = inventory
        .add_version(&two, Fence::Epoch(raised.epoch))
        .await;
    added.expect("what was fenced claimed nothing");
}

pub(super) async fn a_write_without_a_fence_goes_through(inventory: &dyn Inventory) {
    let slot = create(inventory, "contract-no-fence").await;
    let version = add(inventory, &bare(&slot.name, 1)).await;
    let raised = Slot {
        epoch: slot.epoch.next(),
        ..slot.clone()
    };
    inventory.save_slot(&raised).await.expect("saved");
    let contained = [Version {
        state: VersionState::Contained,
        ..version.clone()
    }];
    let saved = inventory.save_versions(&contained, Fence::None).await;
    saved.expect("saved");
    assert_eq!(
        read(inventory, &version).await.state,
        VersionState::Contained
    );
}

fn incident(slot: &Slot) -> Incident {
    let trigger = OutsideText::new("an alarm");
    Incident::open(&slot.name, slot.epoch, trigger, at("2026-12-01T09:00:00Z"))
}

fn raised(slot: &Slot, incident: &Incident) -> Slot {
    Slot {
        epoch: incident.epoch,
        ..slot.clone()
    }
}

pub(super) async fn an_incident_opens_once_and_raises_the_epoch(inventory: &dyn Inventory) {
    let slot = create(inventory, "contract-incident").await;
    let first = incident(&slot);
    let opened = inventory
        .open_incident(&first, &raised(&slot, &first), &[])
        .await;
    opened.expect("opened");
    let after = stored(inventory, &slot.name).await;
    let expected = Slot {
        epoch: slot.epoch.next(),
        revision: slot.revision.next(),
        ..slot.clone()
    };
    assert_eq!(after, expected);
    let late = bare(&slot.name, 1);
    let refused = inventory.add_version(&late, Fence::Epoch(slot.epoch)).await;
    assert_fenced(refused, slot.epoch);
    let again = inventory
        .open_incident(&first, &raised(&slot, &first), &[])
        .await;
    assert_conflict(again);
    let second = incident(&after);
    let refused = inventory
        .open_incident(&second, &raised(&after, &second), &[])
        .await;
    assert_conflict(refused);
    assert_eq!(stored(inventory, &slot.name).await, after);
}

pub(super) async fn an_incident_on_a_slot_that_changed_is_refused(inventory: &dyn Inventory) {
    let slot = create(inventory, "contract-incident-stale").await;
    inventory.save_slot(&slot).await.expect("saved");
    let incident = incident(&slot);
    let refused = inventory
        .open_incident(&incident, &raised(&slot, &incident), &[])
        .await;
    assert_conflict(refused);
    let now = stored(inventory, &slot.name).await;
    assert_eq!(now.epoch, slot.epoch);
    let opened = inventory
        .open_incident(&incident, &raised(&now, &incident), &[])
        .await;
    opened.expect("the refused one left nothing behind");
}

pub(super) async fn an_incident_on_versions_that_changed_is_refused(inventory: &dyn Inventory) {
    let slot = create(inventory, "contract-incident-promoted").await;
    let one = add(inventory, &bare(&slot.name, 1)).await;
    let two = add(inventory, &bare(&slot.name, 2)).await;
    let pending = Version {
        state: VersionState::Pending,
        ..two.clone()
    };
    let saved = inventory.save_versions(&[pending], Fence::None).await;
    saved.expect("saved");
    let incident = incident(&slot);
    let raised = raised(&slot, &incident);
    let absent = bare(&slot.name, 3);
    for changed in [two.clone(), absent] {
        let read = [one.clone(), changed];
        let refused = inventory.open_incident(&incident, &raised, &read).await;
        assert_conflict(refused);
    }
    assert_eq!(stored(inventory, &slot.name).await, slot);
    let none = inventory.incident(&incident.id).await.expect("read");
    assert_eq!(none, None, "nothing was written");
    let now = [one, read(inventory, &two).await];
    let opened = inventory.open_incident(&incident, &raised, &now).await;
    opened.expect("the refused ones left nothing behind");
    let after = inventory.versions(&slot.name).await.expect("read");
    assert_eq!(after, now, "what is checked is not written");
}
