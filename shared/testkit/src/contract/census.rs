//! What every reading of the inventory from end to end promises.

use std::collections::BTreeSet;

use keyward_core::model::names::SlotName;
use keyward_core::ports::{Census, Inventory, Named};

use super::inventory::{full, slot};
use super::{Check, checks};

/// A store that is written by the one port and read by the other.
pub trait CensusSubject: Send + Sync {
    /// What is written.
    fn inventory(&self) -> &dyn Inventory;
    /// What is read.
    fn census(&self) -> &dyn Census;
}

impl<T: Inventory + Census> CensusSubject for T {
    fn inventory(&self) -> &dyn Inventory {
        self
    }

    fn census(&self) -> &dyn Census {
        self
    }
}

/// The suite. It may run against a store that holds other items.
pub const CHECKS: &[Check<dyn CensusSubject>] = checks![dyn CensusSubject:
    every_slot_is_named,
    a_slot_is_told_with_its_keys,
    a_slot_that_there_is_not_has_nothing,
];

async fn names(census: &dyn Census) -> BTreeSet<SlotName> {
    let (mut names, mut at) = (BTreeSet::new(), None);
    loop {
        let page = census.names(at.as_ref()).await.expect("a page");
        for named in page.items {
            if let Named::Slot(name) = named {
                names.insert(name);
            }
        }
        match page.next {
            Some(next) => at = Some(next),
            None => return names,
        }
    }
}

async fn every_slot_is_named(subject: &dyn CensusSubject) {
    for number in 1..=5 {
        let slot = slot(&format!("contract-census-{number}"));
        let created = subject.inventory().create_slot(&slot, None);
        created.await.expect("created");
    }
    let names = names(subject.census()).await;
    let ours = names
        .iter()
        .filter(|n| n.as_str().starts_with("contract-census-"));
    assert_eq!(ours.count(), 5);
}

async fn a_slot_is_told_with_its_keys(subject: &dyn CensusSubject) {
    let slot = slot("contract-census-keys");
    let version = full(&slot.name, 1);
    let created = subject.inventory().create_slot(&slot, Some(&version));
    created.await.expect("created");
    let rows = subject.census().rows(&slot.name).await.expect("told");
    let kept = subject.inventory().slot(&slot.name).await.expect("read");
    assert_eq!(rows.slot, kept);
    assert_eq!(subject.census().slot(&slot.name).await.expect("told"), kept);
    let versions = subject.inventory().versions(&slot.name).await;
    assert_eq!(rows.versions, versions.expect("read"));
    assert_eq!((rows.versions.len(), rows.damaged.len()), (1, 0));
}

async fn a_slot_that_there_is_not_has_nothing(subject: &dyn CensusSubject) {
    let name: SlotName = "contract-census-none".parse().expect("a name");
    assert_eq!(subject.census().slot(&name).await.expect("told"), None);
    let rows = subject.census().rows(&name).await.expect("told");
    assert_eq!(rows, keyward_core::ports::SlotRows::default());
}
