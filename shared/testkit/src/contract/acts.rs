//! What every record of acts promises.

use keyward_core::model::SCHEMA;
use keyward_core::model::act::{Act, ActId, CallerArn, Phase, Subject};
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{Acts, InventoryError};
use serde_json::json;

use super::inventory::at;
use super::{Check, checks};

/// The suite. It may run against a record that holds other entries.
pub const CHECKS: &[Check<dyn Acts>] = checks![dyn Acts:
    an_entry_is_kept_once,
    both_entries_of_an_act_are_kept,
    an_entry_is_never_changed,
    a_month_tells_its_own_entries,
];

fn act(id: &str, phase: Phase) -> Act {
    Act {
        schema: SCHEMA,
        id: ActId::new(id),
        phase,
        at: at("2026-11-25T12:00:00.123Z"),
        caller: CallerArn::new("arn:aws:sts::111122223333:assumed-role/ops/ana"),
        operation: OutsideText::new("pool add"),
        reason: OutsideText::new("three more keys"),
        subject: Subject::Pool("contract-acts".parse().expect("a valid name")),
        state: json!({"standby": 3}),
        outcome: None,
    }
}

async fn an_entry_is_kept_once(acts: &dyn Acts) {
    let begun = act("contract-act-once", Phase::Begun);
    for _ in 0..2 {
        acts.append(&begun).await.expect("the same entry is one");
    }
}

async fn both_entries_of_an_act_are_kept(acts: &dyn Acts) {
    let ended = Act {
        outcome: Some(OutsideText::new("3 added")),
        ..act("contract-act-both", Phase::Ended)
    };
    let begun = act("contract-act-both", Phase::Begun);
    for entry in [&begun, &ended, &begun, &ended] {
        acts.append(entry).await.expect("neither hides the other");
    }
}

async fn an_entry_is_never_changed(acts: &dyn Acts) {
    let begun = act("contract-act-kept", Phase::Begun);
    acts.append(&begun).await.expect("added");
    let changed = Act {
        reason: OutsideText::new("another reason"),
        ..begun.clone()
    };
    let refused = acts.append(&changed).await;
    assert!(
        matches!(refused, Err(InventoryError::Conflict)),
        "{refused:?}"
    );
    acts.append(&begun).await.expect("it is what it was");
}

async fn a_month_tells_its_own_entries(acts: &dyn Acts) {
    let entry = |id: &str, at_: &str| Act {
        at: at(at_),
        ..act(id, Phase::Begun)
    };
    let first = entry("contract-act-month-1", "2027-02-01T00:00:00Z");
    let last = entry("contract-act-month-2", "2027-02-28T23:59:59.999Z");
    let other = entry("contract-act-month-3", "2027-03-01T00:00:00Z");
    for entry in [&last, &other, &first] {
        acts.append(entry).await.expect("added");
    }
    let month = "2027-02".parse().expect("a month");
    let told = acts.of_month(month).await.expect("told");
    assert_eq!(told, [first, last]);
    let none = acts.of_month("1999-01".parse().expect("a month"));
    assert_eq!(none.await.expect("told"), []);
}
