use super::*;
use crate::model::money::MicroDollars;
use crate::model::slot::Epoch;
use crate::model::told::ToldCell;
use crate::model::usage::TokenCounts;
use crate::model::usage_items::{OTHER_MODELS, UsageHour};
use crate::model::version::{Confirmation, Confirmed, VersionState};

use crate::rules::told::tests::{NOW, at, id};

fn version(secret: u32, attempt: u32, state: VersionState) -> Version {
    let slot = "chat".parse().unwrap();
    let mut version = Version::intended(&slot, id(secret, attempt), Epoch(1), at(NOW));
    version.state = state;
    version
}

fn counts(requests: u64, input: u64, cost: u64) -> Counts {
    Counts {
        cost: MicroDollars(cost),
        requests,
        tokens: TokenCounts {
            input,
            ..TokenCounts::default()
        },
    }
}

/// What was put together of one hour of a slot with one key.
fn fold(told: &[ToldHour]) -> (Vec<Cell>, Told) {
    fold_with(told, &[version(1, 1, VersionState::Current)])
}

fn fold_with(told: &[ToldHour], versions: &[Version]) -> (Vec<Cell>, Told) {
    let prices = PriceTable::shipped();
    let mut fold = Fold::new(&prices, ProviderName::OpenAi, at(NOW));
    let cells = fold.hour(told, versions).into_values().flatten().collect();
    (cells, fold.done())
}

/// A process of which this is the first hour.
fn process(name: &str) -> ToldHour {
    let hour = Bucket::of(at(NOW)).hour();
    ToldHour::empty("chat".parse().unwrap(), hour, name.parse().unwrap())
}

fn put(hour: &mut ToldHour, version: VersionId, later: u32, models: &[(&str, Counts)]) {
    let bucket = Bucket(hour.hour * Bucket::PER_HOUR + later);
    let models = models
        .iter()
        .map(|(name, counts)| ((*name).to_owned(), *counts));
    let models = models.collect();
    assert!(hour.put(ToldCell {
        version,
        bucket,
        models
    }));
}

fn hour_of(reporter: u32, ended: bool, cells: &[(u32, &str, Counts)]) -> ToldHour {
    let mut hour = process(&format!("EXAMPLE-process-{reporter}"));
    for (later, model, counts) in cells {
        put(&mut hour, id(1, 1), *later, &[(model, *counts)]);
    }
    let last = hour.cells.last().map(|cell| cell.bucket);
    hour.ends_with = last.filter(|_| ended);
    hour
}

#[test]
fn processes_add_up_and_the_dearer_of_table_and_word_counts() {
    let million = 1_000_000;
    // gpt-5: $1.25 for a million tokens read.
    let told = [
        hour_of(1, false, &[(0, "gpt-5", counts(1, million, 0))]),
        hour_of(2, false, &[(0, "gpt-5", counts(2, million, 9_000_000))]),
    ];
    let (cells, folded) = fold(&told);
    assert_eq!(cells.len(), 1);
    let sum = cells[0].counts();
    assert_eq!((sum.requests, sum.cost.0), (3, 1_250_000 + 9_000_000));
    assert_eq!(folded.unknown_models, BTreeSet::new());
    assert_eq!((folded.reporters, folded.ended), (2, false));
    let told = [hour_of(
        1,
        false,
        &[(0, "nobody-knows", counts(1, million, 1))],
    )];
    let (cells, folded) = fold(&told);
    assert!(cells[0].counts().cost.0 > 1_250_000, "{cells:?}");
    assert_eq!(folded.unknown_models.len(), 1);
}

#[test]
fn what_has_not_begun_waits_and_who_ended_is_known() {
    let one = counts(1, 1, 0);
    for (name, told, last, ended) in [
        ("nobody", vec![], None, false),
        (
            "the next bucket",
            vec![hour_of(1, false, &[(1, "gpt-5", one)])],
            None,
            false,
        ),
        (
            "runs",
            vec![hour_of(1, false, &[(0, "gpt-5", one)])],
            Some(0),
            false,
        ),
        (
            "ended",
            vec![hour_of(1, true, &[(0, "gpt-5", one)])],
            Some(0),
            true,
        ),
        (
            "one goes on",
            vec![
                hour_of(1, true, &[(0, "gpt-5", one)]),
                hour_of(2, false, &[(0, "gpt-5", one)]),
            ],
            Some(0),
            false,
        ),
    ] {
        let (_, folded) = fold(&told);
        let first = Bucket(Bucket::of(at(NOW)).hour() * Bucket::PER_HOUR);
        assert_eq!(folded.last, last.map(|later| first.plus(later)), "{name}");
        assert_eq!(folded.ended, ended, "{name}");
    }
}

#[test]
fn a_process_that_tells_of_a_later_bucket_goes_on_though_it_said_that_it_ends() {
    let one = counts(1, 1, 0);
    let hour = Bucket::of(at(NOW)).hour() - 1;
    let mut before = ToldHour {
        hour,
        ..process("EXAMPLE-process-1")
    };
    put(&mut before, id(1, 1), 11, &[("gpt-5", one)]);
    before.ends_with = Some(before.cells[0].bucket);
    let after = hour_of(1, false, &[(0, "gpt-5", one)]);
    let prices = PriceTable::shipped();
    for (name, hours, ended) in [
        ("it ends", vec![&before], true),
        ("it goes on", vec![&before, &after], false),
        ("told in another order", vec![&after, &before], false),
    ] {
        let mut fold = Fold::new(&prices, ProviderName::OpenAi, at(NOW));
        for hour in hours {
            fold.hour(std::slice::from_ref(hour), &[]);
        }
        assert_eq!(fold.done().ended, ended, "{name}");
    }
}

#[test]
fn versions_that_nobody_knows_are_one_and_what_is_known_later_counts_once() {
    let (current, gone) = (VersionState::Current, VersionState::Revoked);
    let dead = |ago: i64| Version {
        revoke_confirmed: Some(Confirmed {
            at: at(NOW) - jiff::SignedDuration::from_hours(ago),
            by: Confirmation::Refused,
        }),
        ..version(3, 1, gone)
    };
    let mut told = process("EXAMPLE-process-1");
    for (version, requests) in [(id(1, 1), 1), (id(2, 0), 2), (id(3, 1), 4), (id(4, 0), 8)] {
        put(&mut told, version, 0, &[("gpt-5", counts(requests, 0, 0))]);
    }
    // The same use, told of before and after the inventory knew the version.
    let mut again = process("EXAMPLE-process-2");
    put(&mut again, id(2, 0), 0, &[("gpt-5", counts(16, 0, 0))]);
    put(&mut again, id(2, 3), 0, &[("gpt-5", counts(32, 0, 0))]);
    let own = version(1, 1, current);
    for (name, versions, expected, strange) in [
        (
            "one is known",
            vec![own.clone()],
            vec![(id(1, 1), 1), (not_in_inventory(), 2 + 4 + 8 + 32)],
            3,
        ),
        (
            "another is by now",
            vec![own.clone(), version(2, 3, current)],
            vec![
                (id(1, 1), 1),
                (id(2, 3), 2 + 32),
                (not_in_inventory(), 4 + 8),
            ],
            2,
        ),
        (
            "one died today",
            vec![own.clone(), dead(23)],
            vec![
                (id(1, 1), 1),
                (id(3, 1), 4),
                (not_in_inventory(), 2 + 8 + 32),
            ],
            2,
        ),
        (
            "one is long dead",
            vec![own, dead(25)],
            vec![(id(1, 1), 1), (not_in_inventory(), 2 + 4 + 8 + 32)],
            3,
        ),
    ] {
        let (cells, found) = fold_with(&[told.clone(), again.clone()], &versions);
        let cells = cells.iter();
        let cells = cells.map(|cell| (cell.version.clone(), cell.counts().requests));
        let mut cells: Vec<(VersionId, u64)> = cells.collect();
        cells.sort_by_key(|(id, _)| *id == not_in_inventory());
        assert_eq!(cells, expected, "{name}");
        assert_eq!(found.strange.len(), strange, "{name}");
    }
}

/// A hundred processes that each tell all that one may, of other versions and models.
fn flood() -> Vec<ToldHour> {
    let process = |n: u32| {
        let mut told = process(&format!("EXAMPLE-process-{n}"));
        for later in 0..Bucket::PER_HOUR {
            for v in 0..2 {
                let name = |m: u32| format!("{n:03}{m:02}{}", "m".repeat(195));
                let names: Vec<String> = (0..16).map(name).collect();
                let all: Vec<(&str, Counts)> = names
                    .iter()
                    .map(|name| (name.as_str(), counts(1 << 29, 1 << 39, 1 << 39)))
                    .collect();
                put(&mut told, id(n * 2 + v, 1), later, &all);
            }
        }
        told
    };
    (0..100).map(process).collect()
}

#[test]
fn whatever_agents_tell_an_item_of_an_hour_stays_small_and_nothing_is_lost() {
    let told = flood();
    // The first twenty secret versions are real.
    let versions: Vec<Version> = (0..20)
        .map(|secret| version(secret, 1, VersionState::Retiring))
        .collect();
    let prices = PriceTable::shipped();
    let later = at("2026-12-20T12:59:00Z");
    let mut fold = Fold::new(&prices, ProviderName::OpenAi, later);
    let cells = fold.hour(&told, &versions);
    let mut item = UsageHour::empty("chat".parse().unwrap(), told[0].hour);
    for (bucket, cells) in &cells {
        let of_known = cells
            .iter()
            .filter(|cell| cell.version != not_in_inventory());
        assert_eq!((cells.len(), of_known.count()), (5, 4));
        assert!(item.put_told(*bucket, cells));
        assert!(!item.put_told(*bucket, cells), "the same again");
        let requests: u64 = cells.iter().map(|cell| cell.counts().requests).sum();
        assert!(requests > 0);
        let of_cell = |cell: &Cell| cell.counts().cost.0;
        assert!(cells.iter().map(of_cell).all(|cost| cost <= 1 << 44));
        let names = cells.iter().flat_map(|cell| cell.models.iter());
        let names: Vec<&str> = names.map(|(name, _)| name).collect();
        assert!(names.iter().all(|name| name.len() <= 64));
        assert!(names.contains(&OTHER_MODELS));
    }
    assert_eq!(cells.len(), 12);
    let size = serde_json::to_string(&item).unwrap().len();
    assert!(size < 60_000, "{size}");
    let found = fold.done();
    assert_eq!((found.unknown_models.len(), found.strange.len()), (16, 16));
}
