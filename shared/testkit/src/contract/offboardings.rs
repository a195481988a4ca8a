//! What every store of offboarding's cases promises.

use keyward_core::model::act::CallerArn;
use keyward_core::model::incident::{OwnerId, TriggerId};
use keyward_core::model::offboarding::{
    AskedFor, Leaver, Offboarding, Person, SecretEnd, SlotTask, Tie,
};
use keyward_core::model::slot::Revision;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{Due, Inventory, InventoryError, Offboardings};
use keyward_core::rules::offboard::{Admitted, OffboardOrder, admit};

use super::inventory::at;
use super::{Check, checks};

/// A store of cases that is an inventory too.
pub trait CaseSubject: Send + Sync {
    /// The cases.
    fn cases(&self) -> &dyn Offboardings;
    /// The inventory.
    fn inventory(&self) -> &dyn Inventory;
}

impl<T: Offboardings + Inventory> CaseSubject for T {
    fn cases(&self) -> &dyn Offboardings {
        self
    }

    fn inventory(&self) -> &dyn Inventory {
        self
    }
}

/// The suite. It may run against a store that holds other items.
pub const CHECKS: &[Check<dyn CaseSubject>] = checks![dyn CaseSubject:
    what_was_never_opened_is_not_there,
    a_case_reads_back,
    a_case_is_opened_once,
    a_case_is_changed_by_revision,
    due_cases_are_listed_and_stand_in_nobodys_way,
];

/// A case of the suite, of a person of this name.
fn case(name: &str) -> Offboarding {
    let now = at("2026-12-01T09:00:00.25Z");
    let order = OffboardOrder {
        leaver: Leaver::Person(Person {
            name: format!("{name}@example.com").parse().expect("a name"),
            also: vec!["arn:aws:iam::111122223333:user/x".parse().expect("an ARN")],
        }),
        asked: AskedFor {
            request: TriggerId::new("event 1"),
            by: CallerArn::new("keyward.offboard of account 111122223333"),
            reason: OutsideText::new("ticket 7"),
            at: now,
        },
    };
    match admit(&[], &order, now) {
        Admitted::Open(case) => *case,
        other => panic!("{other:?}"),
    }
}

async fn what_was_never_opened_is_not_there(subject: &dyn CaseSubject) {
    let never = case("contract-never").id;
    assert_eq!(
        subject.cases().offboarding(&never).await.expect("read"),
        None
    );
}

async fn a_case_reads_back(subject: &dyn CaseSubject) {
    let mut case = case("contract-read");
    let now = case.opened;
    case.lease(&OwnerId::new("run 1"), now);
    let mut task = SlotTask::new("contract-slot".parse().expect("a name"), now);
    task.ties = vec![Tie::Owner, Tie::HasRead];
    task.secret_end = Some(SecretEnd {
        at: now,
        until: None,
    });
    task.done = Some(now);
    case.take_in(task);
    case.told.half = Some(now);
    subject.cases().save_offboarding(&case).await.expect("new");
    case.revision = Revision(1);
    let read = subject.cases().offboarding(&case.id).await.expect("read");
    assert_eq!(read, Some(case));
}

async fn a_case_is_opened_once(subject: &dyn CaseSubject) {
    let case = case("contract-once");
    subject.cases().save_offboarding(&case).await.expect("new");
    let again = subject.cases().save_offboarding(&case).await;
    assert!(matches!(again, Err(InventoryError::Conflict)), "{again:?}");
}

async fn a_case_is_changed_by_revision(subject: &dyn CaseSubject) {
    let mut case = case("contract-revision");
    let cases = subject.cases();
    let mut unknown = case.clone();
    unknown.revision = Revision(1);
    let early = cases.save_offboarding(&unknown).await;
    assert!(matches!(early, Err(InventoryError::Conflict)), "{early:?}");
    cases.save_offboarding(&case).await.expect("new");
    case.revision = Revision(1);
    case.listed = Some(case.opened);
    cases.save_offboarding(&case).await.expect("as read");
    let late = cases.save_offboarding(&case).await;
    assert!(matches!(late, Err(InventoryError::Conflict)), "{late:?}");
}

async fn due_cases_are_listed_and_stand_in_nobodys_way(subject: &dyn CaseSubject) {
    let cases = subject.cases();
    let due = |name: &str, at| Offboarding {
        due_at: at,
        ..case(name)
    };
    // Long before anything else in the store is due.
    let first = due("contract-due-1", Some(at("2001-01-01T00:00:00Z")));
    let second = due("contract-due-2", Some(at("2001-01-01T00:00:00.5Z")));
    let later = due("contract-due-3", Some(at("2001-01-01T00:00:02Z")));
    let never = due("contract-due-4", None);
    for case in [&second, &later, &never, &first] {
        cases.save_offboarding(case).await.expect("new");
    }
    let now = at("2001-01-01T00:00:01Z");
    let found = cases.due_offboardings(now, 10).await.expect("due");
    assert_eq!(found, [first.id.clone(), second.id]);
    let one = cases.due_offboardings(now, 1).await.expect("due");
    assert_eq!(one, [first.id]);
    let other = subject.inventory().due(now, 10).await.expect("due");
    assert_eq!(
        other,
        Vec::<Due>::new(),
        "those who look for other work do not see them"
    );
}
