use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::model::slot::Epoch;
use crate::ports::Tokens;

fn version(slot: &str, n: u32, handle: &str) -> Version {
    let id = format!("11111111-aaaa-4bbb-8ccc-{n:012}.1")
        .parse()
        .unwrap();
    let slot = slot.parse().unwrap();
    Version {
        handle: Some(handle.parse().unwrap()),
        state: VersionState::Current,
        ..Version::intended(&slot, id, Epoch(1), Timestamp::UNIX_EPOCH)
    }
}

fn named(id: &str) -> ByKey {
    ByKey::Id(OutsideText::new(id))
}

#[test]
fn a_key_is_its_versions_and_an_id_of_two_is_nobodys() {
    let versions = [
        version("one", 1, "proj/-/key_EXAMPLEa"),
        version("two", 2, "key_EXAMPLEb"),
        version("one", 3, "p/key_EXAMPLEc"),
        version("two", 4, "q/key_EXAMPLEc"),
        version("two", 5, "r/key_EXAMPLEc"),
    ];
    let owners = Owners::of(&versions);
    let slot = |key: &ByKey| owners.owner(key).map(|(slot, _)| slot.to_string());
    assert_eq!(slot(&named("key_EXAMPLEa")).as_deref(), Some("one"));
    assert_eq!(slot(&named("key_EXAMPLEb")).as_deref(), Some("two"));
    for key in [named("key_EXAMPLEc"), named("key_EXAMPLE"), ByKey::Unnamed] {
        assert_eq!(slot(&key), None, "{key:?}");
    }
}

#[test]
fn rows_add_up_by_model_and_those_of_nobody_stand_apart() {
    let owners = Owners::of(&[version("one", 1, "key_EXAMPLEa")]);
    let prices = PriceTable::shipped();
    let row = |key, model: &str, second: i64, input| Usage {
        key,
        model: Some(OutsideText::new(model)),
        from: Timestamp::from_second(second).unwrap(),
        requests: None,
        tokens: Tokens {
            input: Some(input),
            ..Tokens::default()
        },
    };
    let mut folded = Folded::default();
    for row in [
        row(named("key_EXAMPLEa"), "gpt-5", 0, 800),
        row(named("key_EXAMPLEa"), "gpt-5", 60, 800),
        row(named("key_EXAMPLEa"), "gpt-4o", 299, 400),
        row(named("key_EXAMPLEa"), "gpt-from-tomorrow", 300, 1),
        row(named("key_EXAMPLEa"), "gpt-idle", 300, 0),
        row(ByKey::Unnamed, "gpt-5", 0, 1_000_000),
    ] {
        folded.add(&owners, &prices, ProviderName::OpenAi, &row);
    }
    let costs: Vec<(u32, &str, u64)> = folded
        .cells
        .iter()
        .flat_map(|((_, _, bucket), models)| {
            models
                .iter()
                .map(|(model, c)| (bucket.0, model.as_str(), c.cost.0))
        })
        .collect();
    let expected = [
        (0, "gpt-4o", 1000),
        (0, "gpt-5", 2000),
        (1, "gpt-from-tomorrow", 30),
    ];
    assert_eq!(costs, expected);
    assert_eq!(folded.unattributed[&Bucket(0)].cost.0, 1_250_000);
    assert_eq!(
        folded.unknown_models,
        BTreeSet::from(["gpt-from-tomorrow".to_owned()])
    );
}

#[test]
fn a_total_becomes_buckets() {
    let figure = |spent, bucket| Figure {
        spent: MicroDollars(spent),
        bucket: Bucket(bucket),
    };
    let look = |known, spent, now, born: Option<u32>| {
        let growth = growth(known, MicroDollars(spent), Bucket(now), born.map(Bucket));
        let closed: Vec<(u32, u64)> = growth.closed.iter().map(|(b, m)| (b.0, m.0)).collect();
        (closed, growth.open.0, growth.figure, growth.fell)
    };
    let known = Some(figure(100, 10));
    for (name, (known, spent, now, born), expected) in [
        (
            "first look",
            (None, 100, 10, None),
            (vec![], 0, figure(100, 10), false),
        ),
        (
            "same bucket",
            (known, 130, 10, None),
            (vec![], 30, figure(100, 10), false),
        ),
        (
            "next",
            (known, 130, 11, None),
            (vec![(10, 30)], 0, figure(130, 11), false),
        ),
        (
            "after a gap",
            (known, 110, 13, None),
            (vec![(10, 3), (11, 3), (12, 4)], 0, figure(110, 13), false),
        ),
        (
            "no growth",
            (known, 100, 11, None),
            (vec![(10, 0)], 0, figure(100, 11), false),
        ),
        (
            "it fell",
            (known, 99, 12, None),
            (vec![], 0, figure(99, 12), true),
        ),
        (
            "a new key",
            (None, 7, 11, Some(10)),
            (vec![(10, 7)], 0, figure(7, 11), false),
        ),
        (
            "a clock that went back",
            (known, 130, 9, None),
            (vec![], 30, figure(100, 10), false),
        ),
    ] {
        assert_eq!(look(known, spent, now, born), expected, "{name}");
    }
}

#[test]
fn table_and_bill_disagree_above_a_tenth_of_the_bill() {
    for (priced, billed, expected) in [
        (1_100_000, 1_000_000, false),
        (1_100_001, 1_000_000, true),
        (899_999, 1_000_000, true),
        (0, 100_000, false),
        (0, 100_001, true),
        (100_001, 0, true),
        (0, 0, false),
        (u64::MAX, 1, true),
    ] {
        let told = disagrees(MicroDollars(priced), MicroDollars(billed));
        assert_eq!(told, expected, "{priced} {billed}");
    }
}

#[test]
fn waits_are_as_asked_or_grow_to_a_limit() {
    let account: AccountName = "main".parse().unwrap();
    let error = |after| ProviderError::RetryAfter {
        after,
        detail: OutsideText::new(""),
    };
    let secs = |after, failures| wait(&account, &error(after), failures).as_secs();
    assert_eq!(secs(Some(SignedDuration::from_secs(20)), 9), 20);
    assert_eq!(secs(Some(SignedDuration::from_hours(9)), 1), 3600);
    assert_eq!(secs(Some(SignedDuration::from_secs(-5)), 1), 0);
    for (failures, least) in [
        (0, 30),
        (1, 30),
        (2, 60),
        (5, 480),
        (6, 600),
        (u32::MAX, 600),
    ] {
        let waited = secs(None, failures);
        assert!(
            (least..=least * 5 / 4).contains(&waited),
            "{failures}: {waited}"
        );
    }
}

proptest! {
    #[test]
    fn shares_add_up(whole: u64, weights in proptest::collection::vec(0_u64..1 << 40, 1..300)) {
        let parts = share(MicroDollars(whole), &weights);
        let sum: u128 = parts.iter().map(|part| u128::from(part.0)).sum();
        prop_assert_eq!(sum, u128::from(whole));
    }

    /// However the looks lie, nothing is counted twice and nothing is lost.
    #[test]
    fn growth_adds_up_over_any_looks(looks in proptest::collection::vec((0_u64..1000, 0_u32..4), 1..40)) {
        let mut figure = None;
        let mut buckets: BTreeMap<Bucket, u64> = BTreeMap::new();
        let (mut spent, mut now) = (5_000, 100);
        let mut open = 0;
        for (more, later) in looks {
            let look = growth(figure, MicroDollars(spent), Bucket(now), None);
            for (bucket, amount) in &look.closed {
                prop_assert!(buckets.insert(*bucket, amount.0).is_none());
            }
            (figure, open) = (Some(look.figure), look.open.0);
            prop_assert_eq!(buckets.values().sum::<u64>() + open, spent - 5_000);
            (spent, now) = (spent + more, now + later);
        }
        prop_assert!(open <= spent);
    }
}
