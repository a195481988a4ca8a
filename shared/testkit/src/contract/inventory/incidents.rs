use keyward_core::model::incident::{
    Containment, Evidence, HowCut, KillStep, OwnerId, StepResult, TriggerId, Triggered, Undo,
};

use super::*;

fn trigger(name: &str) -> Triggered {
    Triggered {
        id: TriggerId::new(&format!("{name}@2026-12-01T08:59:59.123Z")),
        evidence: Evidence::Leak,
        cause: OutsideText::new("an alarm"),
        at: at("2026-12-01T09:00:00.25Z"),
        seen: Some(at("2026-12-01T08:59:59.123Z")),
    }
}

/// An incident with every field set.
fn full_incident(slot: &Slot) -> Incident {
    let time = at("2026-12-01T09:00:01.5Z");
    let mut incident = Incident::open(&slot.name, slot.epoch, OutsideText::new("an alarm"), time);
    incident.attach(trigger(slot.name.as_str()));
    incident.lease(&OwnerId::new("one"), at("2030-01-01T00:00:00Z"));
    incident.take(KillStep::Contain, time, StepResult::Done);
    let why = OutsideText::new("no answer");
    incident.take(KillStep::TellContained, time, StepResult::Failed(why));
    incident.undo.push(Undo {
        cut: Some((HowCut::Suspended, time)),
        ..Undo::of(&full(&slot.name, 1))
    });
    incident
}

async fn open(inventory: &dyn Inventory, name: &str) -> Incident {
    let slot = create(inventory, name).await;
    let incident = full_incident(&slot);
    let opened = inventory.open_incident(&incident, &slot, &[]).await;
    opened.expect("opened");
    let found = inventory.incident_of_slot(&slot.name).await.expect("read");
    found.expect("it is open")
}

pub(super) async fn an_open_incident_reads_back(inventory: &dyn Inventory) {
    let name = "contract-incident-read".parse().expect("a valid name");
    let none = inventory.incident_of_slot(&name).await.expect("read");
    assert_eq!(none, None);
    let stored = open(inventory, name.as_str()).await;
    let expected = Incident {
        revision: Revision(1),
        ..full_incident(&slot(name.as_str()))
    };
    assert_eq!(stored, expected);
    assert_eq!(stored.containment, Containment::Final);
    let by_id = inventory.incident(&stored.id).await.expect("read");
    assert_eq!(by_id.as_ref(), Some(&stored));
    let trigger = &stored.triggers[0].id;
    let by_trigger = inventory.incident_of_trigger(trigger).await.expect("read");
    assert_eq!(by_trigger.as_ref(), Some(&stored));
    let other = TriggerId::new("contract-no-trigger");
    let none = inventory.incident_of_trigger(&other).await.expect("read");
    assert_eq!(none, None);
    let none = inventory.incident("contract-no-incident").await;
    assert_eq!(none.expect("read"), None);
}

pub(super) async fn an_incident_is_saved_by_revision(inventory: &dyn Inventory) {
    let first = open(inventory, "contract-incident-save").await;
    let mut changed = first.clone();
    changed.take(
        KillStep::TellLate,
        at("2026-12-01T09:05:00Z"),
        StepResult::Done,
    );
    inventory.save_incident(&changed).await.expect("saved");
    assert_conflict(inventory.save_incident(&first).await);
    let expected = Incident {
        revision: first.revision.next(),
        ..changed
    };
    let by_slot = inventory.incident_of_slot(&first.slot).await.expect("read");
    assert_eq!(by_slot.as_ref(), Some(&expected));
    let by_id = inventory.incident(&first.id).await.expect("read");
    assert_eq!(by_id.as_ref(), Some(&expected));
}

pub(super) async fn a_closed_incident_makes_room_and_is_still_known(inventory: &dyn Inventory) {
    let first = open(inventory, "contract-incident-closed").await;
    let closed = Incident {
        closed: Some(at("2026-12-01T09:06:00Z")),
        due_at: None,
        ..first.clone()
    };
    inventory.save_incident(&closed).await.expect("closed");
    let none = inventory.incident_of_slot(&first.slot).await.expect("read");
    assert_eq!(none, None);
    let trigger = &first.triggers[0].id;
    let late = inventory.incident_of_trigger(trigger).await.expect("read");
    assert_eq!(late.and_then(|late| late.closed), closed.closed);
    let again = Incident {
        revision: closed.revision.next(),
        ..closed.clone()
    };
    assert_conflict(inventory.save_incident(&again).await);
    let slot = stored(inventory, &first.slot).await;
    let second = Incident::open(
        &slot.name,
        slot.epoch,
        OutsideText::new("another"),
        closed.opened,
    );
    let opened = inventory.open_incident(&second, &slot, &[]).await;
    opened.expect("another is opened");
}

pub(super) async fn a_trigger_belongs_to_one_incident(inventory: &dyn Inventory) {
    let first = open(inventory, "contract-trigger-one").await;
    let second = open(inventory, "contract-trigger-two").await;
    let mut joined = first.clone();
    joined.attach(trigger("contract-trigger-more"));
    let more = &joined.triggers[1].id;
    inventory
        .attach_trigger(&joined, more)
        .await
        .expect("attached");
    let found = inventory.incident_of_trigger(more).await.expect("read");
    assert_eq!(found.map(|incident| incident.id), Some(first.id.clone()));
    assert_conflict(inventory.attach_trigger(&first, more).await);
    assert_conflict(inventory.attach_trigger(&second, more).await);
    inventory
        .save_incident(&second)
        .await
        .expect("the refused one left nothing behind");
    let slot = create(inventory, "contract-trigger-three").await;
    let mut third = full_incident(&slot);
    third.triggers.extend(joined.triggers);
    assert_conflict(inventory.open_incident(&third, &slot, &[]).await);
    assert_eq!(stored(inventory, &slot.name).await, slot);
}

pub(super) async fn an_incident_is_due_work(inventory: &dyn Inventory) {
    let first = open(inventory, "contract-incident-due").await;
    let due = Incident {
        due_at: Some(at("1998-01-01T00:00:00Z")),
        ..first.clone()
    };
    inventory.save_incident(&due).await.expect("saved");
    let found = inventory.due(at("1998-06-01T00:00:00Z"), 10).await;
    assert_eq!(found.expect("read"), [Due::Incident(first.id.clone())]);
    let closed = Incident {
        closed: due.due_at,
        due_at: None,
        revision: due.revision.next(),
        ..due
    };
    inventory.save_incident(&closed).await.expect("closed");
    let found = inventory.due(at("1998-06-01T00:00:00Z"), 10).await;
    assert_eq!(found.expect("read"), []);
}

pub(super) async fn a_closed_incident_is_followed_up(inventory: &dyn Inventory) {
    let first = open(inventory, "contract-incident-follow").await;
    assert_conflict(inventory.follow_up(&first).await);
    let pretended = Incident {
        closed: Some(at("1997-01-01T00:00:00Z")),
        ..first.clone()
    };
    assert_conflict(inventory.follow_up(&pretended).await);
    let closed = Incident {
        due_at: Some(at("1997-01-01T00:00:00Z")),
        ..pretended
    };
    inventory.save_incident(&closed).await.expect("closed");
    let found = inventory.due(at("1997-06-01T00:00:00Z"), 10).await;
    assert_eq!(found.expect("read"), [Due::Incident(first.id.clone())]);
    let slot = stored(inventory, &first.slot).await;
    let why = OutsideText::new("another");
    let second = Incident::open(&slot.name, slot.epoch, why, closed.opened);
    let opened = inventory.open_incident(&second, &slot, &[]).await;
    opened.expect("another is opened meanwhile");
    let mut done = Incident {
        revision: closed.revision.next(),
        due_at: None,
        ..closed.clone()
    };
    done.take(KillStep::TellDone, closed.opened, StepResult::Done);
    inventory.follow_up(&done).await.expect("followed up");
    assert_conflict(inventory.follow_up(&done).await);
    let found = inventory.incident(&first.id).await.expect("read");
    let expected = Incident {
        revision: done.revision.next(),
        ..done
    };
    assert_eq!(found.as_ref(), Some(&expected));
    let found = inventory.incident_of_slot(&first.slot).await.expect("read");
    assert_eq!(found.map(|i| i.id), Some(second.id), "the open one stays");
    let found = inventory.due(at("1997-06-01T00:00:00Z"), 10).await;
    assert_eq!(found.expect("read"), []);
}
