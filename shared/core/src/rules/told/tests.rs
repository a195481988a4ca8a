use super::*;
use crate::model::money::MicroDollars;
use crate::model::slot::Epoch;

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) const NOW: &str = "2026-12-20T12:02:00Z";

pub(super) fn id(secret: u32, attempt: u32) -> VersionId {
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
    let hour = |versions: u32, buckets: u32, models: u32, names: u32| {
        let reporter = "EXAMPLE-process-1".parse().unwrap();
        let mut hour = ToldHour::empty("chat".parse().unwrap(), 0, reporter);
        for version in 0..versions {
            for bucket in 0..buckets {
                let all = (0..models).map(|m| {
                    (
                        format!("m{}", (m + bucket * models) % names),
                        counts(1, 0, 0),
                    )
                });
                hour.put(ToldCell {
                    version: id(version, 1),
                    bucket: Bucket(bucket),
                    models: all.collect(),
                });
            }
        }
        fits(&hour)
    };
    let first = Bucket(0).begins();
    for (name, versions, buckets, models, names, expected) in [
        ("four versions", 4, 1, 16, 16, Ok(())),
        ("five", 5, 1, 1, 1, Err(Refused::TooManyVersions)),
        (
            "17 models",
            1,
            1,
            17,
            17,
            Err(Refused::TooManyModels(first)),
        ),
        ("a rotation", 2, 12, 16, 16, Ok(())),
        ("other models", 1, 12, 16, 32, Ok(())),
        (
            "too many names",
            1,
            12,
            16,
            33,
            Err(Refused::TooMuchInAnHour(first)),
        ),
        (
            "too many rows",
            3,
            12,
            16,
            16,
            Err(Refused::TooMuchInAnHour(first)),
        ),
    ] {
        assert_eq!(hour(versions, buckets, models, names), expected, "{name}");
    }
}

#[test]
fn what_a_process_tells_of_an_hour_stays_far_below_an_items_size() {
    let reporter = "x".repeat(64).parse().unwrap();
    let mut hour = ToldHour::empty("a".repeat(63).parse().unwrap(), 500_000, reporter);
    for version in 0..2 {
        for bucket in 6_000_000..6_000_012 {
            let all = (0..16).map(|m| (format!("{}{m:02}", "m".repeat(198)), most()));
            hour.put(ToldCell {
                version: id(version, 1),
                bucket: Bucket(bucket),
                models: all.collect(),
            });
        }
    }
    assert_eq!(fits(&hour), Ok(()));
    let size = serde_json::to_string(&hour).unwrap().len();
    assert!(size < 60_000, "{size}");
}

fn most() -> Counts {
    let tokens = TokenCounts {
        input: MOST_TOKENS,
        output: MOST_TOKENS,
        cache_read: MOST_TOKENS,
        cache_write: MOST_TOKENS,
    };
    Counts {
        cost: MicroDollars(MOST_COST),
        requests: MOST_REQUESTS,
        tokens,
    }
}

#[test]
fn what_looks_like_a_key_is_no_version_and_what_secrets_manager_makes_is() {
    for (text, expected) in [
        ("0b7f2c1e-9a3d-4c1b-8e2f-1a2b3c4d5e6f", Ok(())),
        ("EXAMPLE-terraform-2026-11-27-first", Ok(())),
        (
            "sk-EXAMPLE0123456789abcdef012345678",
            Err(Refused::KeyForVersion),
        ),
        (
            "0123456789abcdef0123456789abcdef",
            Err(Refused::KeyForVersion),
        ),
        (
            "EXAMPLEaB3aB3aB3aB3aB3aB3aB3aB3aB3",
            Err(Refused::KeyForVersion),
        ),
    ] {
        assert_eq!(is_no_key(&text.parse().unwrap()), expected, "{text}");
    }
    let refused = Refused::KeyForVersion.to_string();
    assert!(!refused.contains("EXAMPLE"), "{refused}");
}

#[test]
fn new_processes_tell_of_lately_and_a_hundred_of_an_hour() {
    // It is 12:02.
    let hour = Bucket::of(at(NOW)).hour();
    for (ago, expected) in [
        (0, Ok(())),
        (2, Ok(())),
        (3, Err(Refused::TooLateForNew(at("2026-12-20T09:00:00Z")))),
        (24, Err(Refused::TooLateForNew(at("2026-12-19T12:00:00Z")))),
    ] {
        assert_eq!(may_begin(hour - ago, at(NOW)), expected, "{ago}");
    }
    assert_eq!(may_begin(hour + 1, at(NOW)), Ok(()));
    assert_eq!(has_room(hour, 99), Ok(()));
    let full = Refused::TooManyReporters(at("2026-12-20T12:00:00Z"));
    assert_eq!(has_room(hour, 100), Err(full));
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
