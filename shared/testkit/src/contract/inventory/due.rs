use super::*;

pub(super) async fn work_is_due_in_order_of_time(inventory: &dyn Inventory) {
    let slot = Slot {
        due_at: at("2000-01-02T00:00:00.5Z"),
        ..slot("contract-due")
    };
    inventory.create_slot(&slot, None).await.expect("created");
    let due = |n: u32, due_at: Option<Timestamp>| Version {
        due_at,
        ..bare(&slot.name, n)
    };
    let versions = [
        due(1, Some(at("2000-01-03T00:00:00Z"))),
        due(2, Some(at("2000-01-02T00:00:00Z"))),
        due(3, None),
        due(4, Some(at("2000-01-02T00:00:01Z"))),
    ];
    for version in &versions {
        add(inventory, version).await;
    }
    let work = |n: u32| Due::Version(slot.name.clone(), version_id(n));
    let expected = [work(2), Due::Slot(slot.name.clone()), work(4), work(1)];
    for (now, limit, count) in [
        ("2000-01-01T23:59:59Z", 10, 0),
        ("2000-01-02T00:00:00Z", 10, 1),
        ("2000-01-02T00:00:00.6Z", 10, 2),
        ("2000-01-04T00:00:00Z", 10, 4),
        ("2000-01-04T00:00:00Z", 3, 3),
        ("2000-01-04T00:00:00Z", 1, 1),
        ("2000-01-04T00:00:00Z", 0, 0),
    ] {
        let found = inventory.due(at(now), limit).await.expect("read");
        assert_eq!(found, expected[..count], "{now}, {limit}");
    }
}

pub(super) async fn work_that_is_done_is_not_due(inventory: &dyn Inventory) {
    let slot = create(inventory, "contract-done").await;
    let due = Version {
        due_at: Some(at("1999-01-01T00:00:00Z")),
        ..bare(&slot.name, 1)
    };
    let due = add(inventory, &due).await;
    let done = [Version {
        due_at: None,
        ..due
    }];
    let saved = inventory.save_versions(&done, Fence::None).await;
    saved.expect("saved");
    let found = inventory.due(at("1999-12-31T00:00:00Z"), 10).await;
    assert_eq!(found.expect("read"), []);
}
