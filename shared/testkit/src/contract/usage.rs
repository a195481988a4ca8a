//! What every store of usage promises, and every keeper of leases.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use keyward_core::model::SCHEMA;
use keyward_core::model::money::MicroDollars;
use keyward_core::model::names::{AccountName, ReporterId, SlotName};
use keyward_core::model::slot::Revision;
use keyward_core::model::told::{ToldCell, ToldHour};
use keyward_core::model::usage::{Bucket, Counts, TokenCounts};
use keyward_core::model::usage_items::{AccountUsage, Cell, Figure, Span, StoredWatch, UsageHour};
use keyward_core::ports::{Held, InventoryError, Leases, UsageStore};

use super::{Check, checks};

/// One store that does both.
pub trait UsageSubject: UsageStore + Leases {}

impl<T: UsageStore + Leases> UsageSubject for T {}

/// The suite. It may run against a store that holds other items.
pub const CHECKS: &[Check<dyn UsageSubject>] = checks![dyn UsageSubject:
    an_hour_reads_back_whole,
    hours_are_read_by_time_and_slot,
    an_hour_is_written_by_revision,
    what_is_told_reads_back_by_time_and_process,
    an_account_reads_back_and_is_written_by_revision,
    a_baseline_reads_back_and_is_written_by_revision,
    prices_are_put_whatever_was_there,
    a_lease_has_one_holder_until_it_is_over,
    a_lease_is_renewed_and_given_back_by_its_holder_alone,
];

fn slot(name: &str) -> SlotName {
    name.parse().expect("a valid name")
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_564_800 + second).expect("a valid time")
}

/// An hour with every field set, also with numbers that no float holds.
fn hour(name: &str, hours_later: u32) -> UsageHour {
    let bucket = Bucket::of(at(0)).plus(hours_later * Bucket::PER_HOUR);
    let cell = |n: u32, later: u32| {
        let counts = Counts {
            cost: MicroDollars(9_007_199_254_740_993),
            requests: u64::from(n),
            tokens: TokenCounts {
                input: 1,
                output: 2,
                cache_read: 3,
                cache_write: u64::MAX,
            },
        };
        let version = format!("11111111-aaaa-4bbb-8ccc-{n:012}.1");
        let models = BTreeMap::from([
            ("openai/gpt-5.4:free #x".to_owned(), counts),
            ("(untold)".to_owned(), counts),
        ]);
        let version = version.parse().expect("an id");
        let mut cell = Cell::new(version, bucket.plus(later), at(7), models);
        cell.billed = (n == 2).then_some(MicroDollars(5));
        cell
    };
    let mut hour = UsageHour::empty(slot(name), bucket.hour());
    for (n, later) in [(1, 0), (2, 0), (1, 11)] {
        assert!(hour.put(cell(n, later)));
    }
    hour
}

async fn read(subject: &dyn UsageSubject, hour: &UsageHour) -> Option<UsageHour> {
    let read = subject.hours(&hour.slot, hour.hour, hour.hour + 1).await;
    read.expect("read").pop()
}

async fn save(subject: &dyn UsageSubject, hour: &UsageHour) {
    subject.save_hour(hour).await.expect("saved");
}

async fn an_hour_reads_back_whole(subject: &dyn UsageSubject) {
    let hour = hour("usage-whole", 0);
    assert_eq!(read(subject, &hour).await, None);
    save(subject, &hour).await;
    let revision = Revision(1);
    assert_eq!(
        read(subject, &hour).await,
        Some(UsageHour { revision, ..hour })
    );
}

async fn hours_are_read_by_time_and_slot(subject: &dyn UsageSubject) {
    let all: Vec<UsageHour> = (0..26).map(|later| hour("usage-range", later)).collect();
    for hour in all.iter().rev() {
        save(subject, hour).await;
    }
    save(subject, &hour("usage-range-2", 3)).await;
    let of = slot("usage-range");
    let first = all[0].hour;
    for (from, until) in [(0, 26), (3, 4), (23, 25), (4, 4), (30, 40)] {
        let read = subject.hours(&of, first + from, first + until).await;
        let read: Vec<u32> = read.expect("read").iter().map(|hour| hour.hour).collect();
        let expected: Vec<u32> = (from..until.min(26)).map(|n| first + n).collect();
        assert_eq!(read, expected, "{from}..{until}");
    }
}

async fn an_hour_is_written_by_revision(subject: &dyn UsageSubject) {
    let new = hour("usage-revision", 0);
    save(subject, &new).await;
    let again = subject.save_hour(&new).await;
    assert!(matches!(again, Err(InventoryError::Conflict)), "{again:?}");
    let mut known = read(subject, &new).await.expect("written");
    known.cells.truncate(1);
    save(subject, &known).await;
    let stale = subject.save_hour(&known).await;
    assert!(matches!(stale, Err(InventoryError::Conflict)), "{stale:?}");
    let last = read(subject, &new).await.expect("written");
    assert_eq!((last.revision, last.cells.len()), (Revision(2), 1));
}

async fn what_is_told_reads_back_by_time_and_process(subject: &dyn UsageSubject) {
    let of = slot("usage-told");
    let first = Bucket::of(at(0)).hour();
    let told = |later: u32, process: u32| {
        let reporter = format!("EXAMPLE-process-{process}").parse();
        let hour = first + later;
        let mut told = ToldHour::empty(of.clone(), hour, reporter.expect("an id"));
        let version = "11111111-aaaa-4bbb-8ccc-000000000001.1".parse();
        let counts = Counts {
            requests: u64::from(process),
            ..Counts::default()
        };
        told.put(ToldCell {
            version: version.expect("an id"),
            bucket: Bucket(hour * Bucket::PER_HOUR),
            models: BTreeMap::from([("anthropic.claude:0/x".to_owned(), counts)]),
        });
        told.ends_with = (process == 2).then_some(Bucket(hour * Bucket::PER_HOUR));
        told
    };
    let written = [(0, 1), (0, 2), (1, 1), (25, 3)];
    for (later, process) in written.iter().rev() {
        let saved = subject.save_told(&told(*later, *process)).await;
        saved.expect("saved");
    }
    let again = subject.save_told(&told(0, 1)).await;
    assert!(matches!(again, Err(InventoryError::Conflict)), "{again:?}");
    for (from, until) in [(0, 26), (0, 1), (1, 25), (25, 26), (1, 1), (26, 30)] {
        let read = subject.told(&of, first + from, first + until, 100).await;
        let expected = written.iter().filter(|(at, _)| (from..until).contains(at));
        let expected = expected.map(|(later, process)| ToldHour {
            revision: Revision(1),
            ..told(*later, *process)
        });
        let expected: Vec<ToldHour> = expected.collect();
        assert_eq!(read.expect("read"), expected, "{from}..{until}");
    }
    for most in 0..4 {
        let read = subject.told(&of, first, first + 26, most).await;
        let read: Vec<u32> = read.expect("read").iter().map(|told| told.hour).collect();
        let expected = written.iter().map(|(later, _)| first + later).take(most);
        assert_eq!(read, expected.collect::<Vec<u32>>(), "the first {most}");
    }
    let one: ReporterId = "EXAMPLE-process-1".parse().expect("an id");
    let read = subject.told_by(&of, first + 1, &one).await.expect("read");
    assert_eq!(read.expect("told").cells, told(1, 1).cells);
    let read = subject.told_by(&of, first + 25, &one).await.expect("read");
    assert_eq!(read, None);
    let hours = subject.hours(&of, first, first + 26).await.expect("read");
    assert_eq!(hours, [], "usage is apart");
}

async fn an_account_reads_back_and_is_written_by_revision(subject: &dyn UsageSubject) {
    let name: AccountName = "usage-account".parse().expect("a valid name");
    assert_eq!(subject.account(&name).await.expect("read"), None);
    let figure = Figure {
        spent: MicroDollars(1 << 60),
        bucket: Bucket(9),
    };
    let mut account = AccountUsage {
        read_at: Some(at(1)),
        reread_at: Some(at(2)),
        costs_at: Some(at(3)),
        wait_until: Some(at(4)),
        blind_since: Some(at(5)),
        failures: 3,
        figures: BTreeMap::from([("proj/-/key_EXAMPLE".to_owned(), figure)]),
        ..AccountUsage::empty(name.clone())
    };
    let (from, until) = (Bucket::of(at(0)), Bucket::of(at(900)));
    account.see(Span { from, until }, at(900));
    subject.save_account(&account).await.expect("saved");
    let again = subject.save_account(&account).await;
    assert!(matches!(again, Err(InventoryError::Conflict)), "{again:?}");
    account.revision = Revision(1);
    assert_eq!(subject.account(&name).await.expect("read"), Some(account));
}

async fn a_baseline_reads_back_and_is_written_by_revision(subject: &dyn UsageSubject) {
    let of = slot("usage-baseline");
    assert_eq!(subject.baseline(&of).await.expect("read"), None);
    let mut baseline = StoredWatch {
        schema: SCHEMA,
        revision: Revision(0),
        slot: of.clone(),
        memory: r#"{"p":[1,2,3]}"#.to_owned(),
    };
    subject.save_baseline(&baseline).await.expect("saved");
    let again = subject.save_baseline(&baseline).await;
    assert!(matches!(again, Err(InventoryError::Conflict)), "{again:?}");
    baseline.revision = Revision(1);
    assert_eq!(subject.baseline(&of).await.expect("read"), Some(baseline));
}

async fn prices_are_put_whatever_was_there(subject: &dyn UsageSubject) {
    for json in ["{\"a\": 1.0}", "{}"] {
        subject.save_prices(json).await.expect("saved");
        let read = subject.prices().await.expect("read");
        assert_eq!(read.as_deref(), Some(json));
    }
}

async fn a_lease_has_one_holder_until_it_is_over(subject: &dyn UsageSubject) {
    let minute = SignedDuration::from_mins(1);
    let take = async |owner: &str, now: i64| {
        let taken = subject.take("usage-lease", owner, at(now), at(now) + minute);
        taken.await.expect("asked")
    };
    assert_eq!(take("one", 0).await, Held::Yes);
    assert_eq!(take("two", 59).await, Held::No);
    assert_eq!(take("one", 30).await, Held::Yes, "its own");
    assert_eq!(take("two", 89).await, Held::No, "it was moved");
    assert_eq!(take("two", 90).await, Held::Yes, "it is over");
    assert_eq!(take("one", 91).await, Held::No);
    let other = subject.take("usage-lease-2", "one", at(91), at(99)).await;
    assert_eq!(other.expect("asked"), Held::Yes, "another lease");
}

async fn a_lease_is_renewed_and_given_back_by_its_holder_alone(subject: &dyn UsageSubject) {
    const NAME: &str = "usage-renewed";
    let nobodys = subject.renew(NAME, "one", at(60)).await;
    assert_eq!(nobodys.expect("asked"), Held::No);
    let taken = subject.take(NAME, "one", at(0), at(60)).await;
    assert_eq!(taken.expect("asked"), Held::Yes);
    for (owner, held) in [("two", Held::No), ("one", Held::Yes)] {
        let renewed = subject.renew(NAME, owner, at(120)).await;
        assert_eq!(renewed.expect("asked"), held, "{owner}");
    }
    subject.give_back(NAME, "two").await.expect("asked");
    let taken = subject.take(NAME, "two", at(90), at(150)).await;
    assert_eq!(
        taken.expect("asked"),
        Held::No,
        "renewed, and not given back"
    );
    subject.give_back(NAME, "one").await.expect("asked");
    subject.give_back(NAME, "one").await.expect("asked twice");
    let taken = subject.take(NAME, "two", at(90), at(150)).await;
    assert_eq!(taken.expect("asked"), Held::Yes);
}
