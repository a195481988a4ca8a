//! Drills that are over.

use keyward_core::model::drill::{Drill, DrillOutcome, DrillStage, DrillUnderWay};
use keyward_core::model::incident::Stage;

use super::*;

fn drill(slot: &Slot, started: &str) -> (Slot, Drill) {
    let under_way = slot.drill.clone().expect("a slot with every field set");
    let under_way = DrillUnderWay {
        started: at(started),
        ..under_way
    };
    let now = at("2026-12-01T09:10:00.5Z");
    let mut over = Drill::over(&slot.name, &under_way, DrillOutcome::Passed, None, now);
    over.incident = under_way.incident;
    over.stages = vec![DrillStage {
        stage: Stage::Seen,
        millis: 1234,
    }];
    let slot = Slot {
        drill: None,
        ..slot.clone()
    };
    (slot, over)
}

pub(super) async fn a_drill_ends_with_its_slot_or_not_at_all(inventory: &dyn Inventory) {
    let before = create(inventory, "contract-drill").await;
    let (slot, over) = drill(&before, "2026-12-01T09:00:00.25Z");
    inventory.end_drill(&slot, &over).await.expect("ended");
    let after = stored(inventory, &slot.name).await;
    assert_eq!(
        (after.drill.as_ref(), after.revision),
        (None, before.revision.next())
    );
    let (_, later) = drill(&before, "2026-12-01T09:30:00Z");
    let stale = inventory.end_drill(&slot, &later).await;
    assert!(matches!(stale, Err(InventoryError::Conflict)), "{stale:?}");
    let again = inventory.end_drill(&after, &over).await;
    assert!(matches!(again, Err(InventoryError::Conflict)), "{again:?}");
    assert_eq!(stored(inventory, &slot.name).await, after);
    let kept = inventory.drills(&slot.name).await.expect("read");
    assert_eq!(kept, [over]);
}

pub(super) async fn drills_are_listed_oldest_first_and_by_slot(inventory: &dyn Inventory) {
    let before = create(inventory, "contract-drills").await;
    let other = create(inventory, "contract-drills-2").await;
    let none = inventory.drills(&other.name).await.expect("read");
    assert_eq!(none, []);
    let (slot, second) = drill(&before, "2026-12-01T09:00:00.5Z");
    inventory.end_drill(&slot, &second).await.expect("ended");
    let (_, first) = drill(&before, "2026-12-01T09:00:00Z");
    let slot = stored(inventory, &slot.name).await;
    inventory.end_drill(&slot, &first).await.expect("ended");
    let (other, elsewhere) = drill(&other, "2026-12-01T09:00:00Z");
    inventory
        .end_drill(&other, &elsewhere)
        .await
        .expect("ended");
    let kept = inventory.drills(&slot.name).await.expect("read");
    assert_eq!(kept, [first, second]);
    let kept = inventory.drills(&other.name).await.expect("read");
    assert_eq!(kept, [elsewhere]);
}
