use super::*;
use crate::model::slot::Epoch;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

const NOW: &str = "2026-12-20T12:02:00Z";

fn id(secret: u32, attempt: u32) -> VersionId {
    let text = format!("11111111-aaaa-4bbb-8ccc-{secret:012}.{attempt}");
    text.parse().unwrap()
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

fn told(from: &str, models: &[(&str, Counts)]) -> ReportedBucket {
    let models = models.iter();
    ReportedBucket {
        from: at(from),
        models: models
            .map(|(name, counts)| (name.parse().unwrap(), *counts))
            .collect(),
    }
}

fn report(buckets: Vec<ReportedBucket>) -> Report {
    Report {
        slot: "chat".parse().unwrap(),
        reporter: "EXAMPLE-process-1".parse().unwrap(),
        version: id(1, 1).secret_version,
        ends: false,
        buckets,
    }
}

#[test]
fn only_a_reader_or_a_session_of_its_role_may_tell() {
    let readers: Vec<Reader> = [
        "team-audit",
        "arn:aws:iam::111122223333:role/agents/eu/chat",
        "arn:aws:iam::111122223333:user/ci",
    ]
    .map(|reader| reader.parse().unwrap())
    .into();
    for (caller, may) in [
        ("arn:aws:sts::111122223333:assumed-role/chat/i-0123", true),
        ("arn:aws:iam::111122223333:user/ci", true),
        ("arn:aws:sts::111122223333:assumed-role/chat/", false),
        ("arn:aws:sts::111122223333:assumed-role/chat", false),
        ("arn:aws:sts::111122223333:assumed-role/chat2/s", false),
        ("arn:aws:sts::111122223333:assumed-role/eu/chat", false),
        ("arn:aws:sts::444455556666:assumed-role/chat/s", false),
        ("arn:aws-cn:sts::111122223333:assumed-role/chat/s", false),
        ("arn:aws:iam::111122223333:assumed-role/chat/s", false),
        ("arn:aws:iam::111122223333:user/chat", false),
        ("arn:aws:iam::111122223333:user/ci2", false),
        ("arn:aws:sts::111122223333:federated-user/ci", false),
        ("arn:aws:sts::111122223333:assumed-role/ci/s", false),
        ("team-audit", false),
        ("", false),
    ] {
        let caller_arn = CallerArn::new(caller);
        assert_eq!(may_tell(&readers, &caller_arn), may, "{caller}");
        assert!(!may_tell(&[], &caller_arn), "{caller}");
    }
}

#[test]
fn a_secret_version_is_the_last_key_that_was_made_under_it() {
    let version =
        |id: VersionId| Version::intended(&"chat".parse().unwrap(), id, Epoch(1), at(NOW));
    let versions = [version(id(1, 1)), version(id(1, 2)), version(id(2, 0))];
    for (secret, attempt) in [(1, 2), (2, 0), (3, 0)] {
        let named = version_of(&versions, &id(secret, 9).secret_version);
        assert_eq!(named, id(secret, attempt));
    }
}

#[test]
fn a_report_is_taken_whole_or_refused_by_name() {
    let one = counts(1, 1, 1);
    let many = |n: usize| -> Vec<ReportedBucket> {
        let first = Bucket::of(at(NOW)).minus(n as u32);
        let all = (0..n as u32).map(|n| ReportedBucket {
            from: first.plus(n).begins(),
            models: BTreeMap::new(),
        });
        all.collect()
    };
    let models: Vec<String> = (0..17).map(|n| format!("m{n}")).collect();
    let models: Vec<(&str, Counts)> = models.iter().map(|m| (m.as_str(), one)).collect();
    let from = "2026-12-20T12:00:00Z";
    for (name, buckets, refused) in [
        ("nothing", vec![], Some(Refused::Empty)),
        ("now", vec![told(from, &[("m", one)])], None),
        ("a day", many(288), None),
        ("too many", many(291), Some(Refused::TooManyBuckets)),
        (
            "a clock that is ahead",
            vec![told("2026-12-20T12:05:00Z", &[])],
            None,
        ),
        (
            "the future",
            vec![told("2026-12-20T12:10:00Z", &[])],
            Some(Refused::InFuture(at("2026-12-20T12:10:00Z"))),
        ),
        ("a day ago", vec![told("2026-12-19T12:00:00Z", &[])], None),
        (
            "older",
            vec![told("2026-12-19T11:55:00Z", &[])],
            Some(Refused::TooOld(at("2026-12-19T11:55:00Z"))),
        ),
        (
            "between",
            vec![told("2026-12-20T12:01:00Z", &[])],
            Some(Refused::NotABucket(at("2026-12-20T12:01:00Z"))),
        ),
        (
            "before all time",
            vec![told("-000100-01-01T00:00:00Z", &[])],
            Some(Refused::NotABucket(at("-000100-01-01T00:00:00Z"))),
        ),
        (
            "twice",
            vec![told(from, &[]), told(from, &[])],
            Some(Refused::Twice(at(from))),
        ),
        (
            "17 models",
            vec![told(from, &models)],
            Some(Refused::TooManyModels(at(from))),
        ),
        (
            "requests",
            vec![told(from, &[("m", counts(u64::MAX, 0, 0))])],
            Some(Refused::TooMuch(at(from))),
        ),
        (
            "tokens",
            vec![told(from, &[("m", counts(0, u64::MAX, 0))])],
            Some(Refused::TooMuch(at(from))),
        ),
        (
            "cost",
            vec![told(from, &[("m", counts(0, 0, u64::MAX))])],
            Some(Refused::TooMuch(at(from))),
        ),
    ] {
        let taken = taken(&report(buckets), &id(1, 1), at(NOW));
        assert_eq!(taken.err(), refused, "{name}");
    }
}

#[test]
fn an_hour_of_a_process_holds_so_much_and_no_more() {
    let hour = |versions: u32, models: u32| {
        let reporter = "EXAMPLE-process-1".parse().unwrap();
        let mut hour = ToldHour::empty("chat".parse().unwrap(), 0, reporter);
        for version in 0..versions {
            let models = (0..models).map(|m| (format!("m{m}"), counts(1, 0, 0)));
            hour.put(ToldCell {
                version: id(version, 1),
                bucket: Bucket(1),
                models: models.collect(),
            });
        }
        fits(&hour)
    };
    assert_eq!(hour(4, 16), Ok(()));
    assert_eq!(hour(5, 1), Err(Refused::TooManyVersions));
    let first = Bucket(1).begins();
    assert_eq!(hour(1, 17), Err(Refused::TooManyModels(first)));
}

fn hour_of(reporter: u32, ended: bool, cells: &[(u32, &str, Counts)]) -> ToldHour {
    let reporter = format!("EXAMPLE-process-{reporter}").parse().unwrap();
    let now = Bucket::of(at(NOW));
    let mut hour = ToldHour::empty("chat".parse().unwrap(), now.hour(), reporter);
    hour.ended = ended;
    for (later, model, counts) in cells {
        let bucket = Bucket(now.hour() * Bucket::PER_HOUR + later);
        hour.put(ToldCell {
            version: id(1, 1),
            bucket,
            models: [((*model).to_owned(), *counts)].into(),
        });
    }
    hour
}

#[test]
fn processes_add_up_and_the_dearer_of_table_and_word_counts() {
    let prices = PriceTable::shipped();
    let million = 1_000_000;
    // gpt-5: $1.25 for a million tokens read.
    let told = [
        hour_of(1, false, &[(0, "gpt-5", counts(1, million, 0))]),
        hour_of(2, false, &[(0, "gpt-5", counts(2, million, 9_000_000))]),
    ];
    let folded = fold(&told, &prices, ProviderName::OpenAi, at(NOW));
    assert_eq!(folded.cells.len(), 1);
    let sum = folded.cells[0].counts();
    assert_eq!((sum.requests, sum.cost.0), (3, 1_250_000 + 9_000_000));
    assert_eq!(folded.unknown_models, BTreeSet::new());
    assert_eq!((folded.reporters, folded.ended), (2, false));
    let told = [hour_of(
        1,
        false,
        &[(0, "nobody-knows", counts(1, million, 1))],
    )];
    let folded = fold(&told, &prices, ProviderName::OpenAi, at(NOW));
    assert!(folded.cells[0].counts().cost.0 > 1_250_000, "{folded:?}");
    assert_eq!(folded.unknown_models.len(), 1);
}

#[test]
fn what_has_not_begun_waits_and_who_ended_is_known() {
    let prices = PriceTable::shipped();
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
        let folded = fold(&told, &prices, ProviderName::OpenAi, at(NOW));
        let first = Bucket(Bucket::of(at(NOW)).hour() * Bucket::PER_HOUR);
        assert_eq!(folded.last, last.map(|later| first.plus(later)), "{name}");
        assert_eq!(folded.ended, ended, "{name}");
    }
}

#[test]
fn both_sides_may_be_a_tenth_and_a_dollar_apart() {
    let cents = |cents: u64| MicroDollars(cents * 10_000);
    for (told, seen, expected) in [
        (0, 100, None),
        (0, 101, Some(Apart::ProviderSaysMore)),
        (101, 0, Some(Apart::AgentsSayMore)),
        (1000, 1000, None),
        (9000, 10_000, None),
        (8999, 10_000, Some(Apart::ProviderSaysMore)),
        (10_000, 8999, Some(Apart::AgentsSayMore)),
        (1, 2, None),
    ] {
        assert_eq!(apart(cents(told), cents(seen)), expected, "{told} {seen}");
    }
}

#[test]
fn what_is_not_told_of_yet_is_waited_for_and_then_unknown() {
    let now = at(NOW);
    let open = Bucket::of(now);
    for (name, last, until) in [
        ("never", None, open),
        ("now", Some(open), open),
        ("the last one", Some(open.minus(1)), open),
        ("one before", Some(open.minus(3)), open.minus(2)),
        ("15 minutes ago", Some(open.minus(4)), open),
    ] {
        assert_eq!(known_until(last, now), until, "{name}");
    }
}
