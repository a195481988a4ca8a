//! The first pass: which slots there are, and where their keys live.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};

use super::pages::Reader;
use super::{AuditPorts, Read};
use crate::model::audit::{Seen, Source};
use crate::model::names::{AccountName, IamUser, Principal, SlotName};
use crate::model::slot::{ProviderName, Scope, Slot};
use crate::ports::{Damaged, Named, ReadingStage};
use crate::rules::audit::facts::RowFacts;
use crate::rules::audit::of_row;
use crate::usecases::monitor::read::places;

/// What is not known while an item is not read whose slot nobody knows.
const NAMELESS: &str = "an item cannot be read, and whose it is nobody knows";

/// Slots that are read at once.
pub(super) const AT_ONCE: usize = 16;

/// What is known of the fleet before any key is looked at.
#[derive(Debug, Default)]
pub(super) struct Outline {
    /// Every slot that there is.
    pub(super) names: BTreeSet<SlotName>,
    /// Where the keys of each account's slots live.
    pub(super) places: BTreeMap<(AccountName, ProviderName), Vec<Scope>>,
    /// The shortest of the greatest ages of each account's slots, in days.
    pub(super) max_age: BTreeMap<AccountName, i64>,
    /// Whose slots use an IAM user of their own.
    pub(super) users: BTreeMap<IamUser, SlotName>,
    /// Everybody who answers for a slot.
    pub(super) people: BTreeSet<Principal>,
    /// Items that cannot be read.
    pub(super) damaged: usize,
}

impl Outline {
    fn add(&mut self, slot: &Slot) {
        let account = (slot.account.clone(), slot.provider);
        let known = self.places.entry(account).or_default();
        for place in places([slot]) {
            if !known.contains(&place) {
                known.push(place);
            }
        }
        let days = slot.policy.max_age.as_hours() / 24;
        let least = self.max_age.entry(slot.account.clone()).or_insert(days);
        *least = days.min(*least);
        if let Some(user) = &slot.scope.user {
            self.users.insert(user.clone(), slot.name.clone());
        }
        self.people.insert(slot.owner.clone());
        self.people.extend(slot.backup_owner.clone());
    }
}

/// Reads the names of all slots, and of each the slot itself.
pub(super) async fn outline(ports: &AuditPorts, reader: &Reader<'_>, read: &mut Read) -> Outline {
    let mut outline = Outline::default();
    let mut damaged = BTreeSet::new();
    let page = |after: Option<crate::ports::PageToken>| async move {
        ports.census.names(after.as_ref()).await
    };
    let seen = reader
        .all(page, |named| match named {
            Named::Slot(name) => {
                outline.names.insert(name);
            }
            Named::Damaged(row) => {
                damaged.insert(row);
            }
        })
        .await;
    read.put(Source::Inventory, seen);
    for row in &damaged {
        say_damaged(row, read);
    }
    outline.damaged = damaged.len();
    if !damaged.is_empty() {
        read.unread.get_or_insert(NAMELESS);
    }
    let names: Vec<SlotName> = outline.names.iter().cloned().collect();
    let slots = names
        .iter()
        .map(|name| reader.ask(move || ports.census.slot(name)));
    let mut slots = stream::iter(slots).buffered(AT_ONCE);
    let mut done = 0;
    while let Some(slot) = slots.next().await {
        done += 1;
        reader.progress.at(ReadingStage::Slots, done, names.len());
        match slot {
            Ok(Some(slot)) => outline.add(&slot),
            Ok(None) => {}
            Err(why) => read.put(Source::Inventory, Seen::part(&why)),
        }
    }
    outline
}

/// A damaged item is a finding of its own, and hides no other. What was found of its slot before may still be so.
pub(super) fn say_damaged(row: &Damaged, read: &mut Read) {
    if let Some(slot) = &row.slot {
        read.put(Source::Slot(slot.clone()), Seen::part(row.why.as_str()));
    }
    let facts = RowFacts {
        key: &row.key,
        slot: row.slot.as_ref(),
        why: row.why.as_str(),
    };
    read.findings.extend(of_row(&facts));
}
