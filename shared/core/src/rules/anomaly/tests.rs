//! Tables computed by hand, for what money alone does not show.

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::model::baseline::Place;
use crate::model::money::MicroDollars;
use crate::model::slot::{AcceptedLoss, Expectation, ExpectedSpend};
use crate::model::text::OutsideText;
use crate::model::usage::{Bucket, Counts, Reading, TokenCounts};

/// Midnight, 1 March 2026.
const START: u32 = 20_513 * Bucket::PER_DAY;
const DAY: u32 = Bucket::PER_DAY;
const HOUR: u32 = Bucket::PER_HOUR;

fn limits(daily_dollars: u64, monthly_dollars: u64) -> Limits {
    Limits::of(ExpectedSpend {
        daily: MicroDollars::from_dollars(daily_dollars),
        monthly: MicroDollars::from_dollars(monthly_dollars),
    })
}

fn used(cost: u64, requests: u64, tokens: u64) -> Reading {
    Reading::Known(Counts {
        cost: MicroDollars(cost),
        requests,
        tokens: TokenCounts {
            input: tokens,
            ..TokenCounts::default()
        },
    })
}

/// A slot that did the same in every bucket for so many days, and the bucket after them.
fn steady(days: u32, reading: Reading) -> (Watch, Bucket) {
    let mut watch = Watch::default();
    for at in 0..days * DAY {
        watch.advance(Bucket(START + at), reading);
    }
    (watch, Bucket(START + days * DAY))
}

/// The findings of `buckets` more, each with the number of buckets until then.
fn play(
    watch: &mut Watch,
    from: Bucket,
    buckets: u32,
    reading: Reading,
    limits: &Limits,
) -> Vec<(u32, Finding)> {
    let mut all = Vec::new();
    for at in 0..buckets {
        watch.advance(from.plus(at), reading);
        let findings = watch.assess(limits).findings;
        all.extend(findings.into_iter().map(|finding| (at + 1, finding)));
    }
    all
}

fn first(findings: &[(u32, Finding)], rule: Rule) -> Option<(u32, &Finding)> {
    let found = findings.iter().find(|(_, finding)| finding.rule == rule);
    found.map(|(after, finding)| (*after, finding))
}

/// 204 requests an hour at $0.002 each become 2,004: $4 an hour, below every limit of money.
#[test]
fn ten_times_the_requests_of_a_cheap_model_are_heard_within_a_quarter_of_an_hour() {
    let limits = limits(10, 300);
    let (mut watch, now) = steady(15, used(34_000, 17, 1_700));
    let busy = used(334_000, 167, 16_700);
    let found = play(&mut watch, now, 12, busy, &limits);
    let (after, finding) = first(&found, Rule::RequestRate).unwrap();
    // 17 x 11 + 167 = 354 in the first hour that has one such bucket; the limit is 1.5 x 204.
    assert_eq!(after, 1);
    let expected = Measured::Requests {
        value: 354,
        limit: 306,
    };
    assert_eq!(finding.measured, expected);
    assert_eq!(finding.act, Act::Alert);
    assert_eq!(
        finding.to_string(),
        "more requests than normal, and than in any hour on record: 354 requests in 1 hour, limit 306"
    );
    assert_eq!(found.iter().filter(|(_, f)| f.act == Act::Kill).count(), 0);
}

#[test]
fn few_requests_say_nothing_of_a_rate() {
    let limits = limits(10, 300);
    let (mut watch, now) = steady(15, used(34_000, 1, 100));
    // 12 an hour become 192: sixteen times as many, and below 200.
    let found = play(&mut watch, now, 24, used(34_000, 16, 1_600), &limits);
    assert_eq!(found, []);
}

#[test]
fn requests_that_grow_are_heard_by_their_size() {
    let limits = limits(10, 300);
    let (mut watch, now) = steady(15, used(34_000, 20, 20 * 500));
    let found = play(&mut watch, now, 12, used(34_000, 20, 20 * 5_000), &limits);
    // After two buckets: 220 x 500 + ... = (200 x 500 + 40 x 5,000) / 240 = 1,250 tokens a request, above 1.5 x 500.
    let (after, finding) = first(&found, Rule::RequestSize).unwrap();
    assert_eq!(after, 1);
    let expected = Measured::Tokens {
        value: (220 * 500 + 20 * 5_000) / 240,
        limit: 750,
    };
    assert_eq!(finding.measured, expected);
    assert!(first(&found, Rule::LargeRequests).is_some());
    assert!(first(&found, Rule::RequestRate).is_none());
}

/// $6 an hour and $144 a day; a theft of $120 an hour on top. 1 hour: $6 + $10 n must exceed normal by half a day, $72: by
/// the eighth bucket. In large requests by a quarter, $36: by the fourth.
#[test]
fn large_requests_halve_what_may_be_spent_above_normal() {
    let limits = limits(144, 4_320);
    for (requests, tokens, rate_kill, size_is_told) in [
        (10_000, 10_000_000, 8, false),
        (30, 10_500_000, 4, true),
        // Nothing is told of the stolen requests.
        (0, 0, 8, false),
    ] {
        let (mut watch, now) = steady(15, used(500_000, 10, 10_000));
        let stolen = used(10_500_000, 10 + requests, 10_000 + tokens);
        let found = play(&mut watch, now, 12, stolen, &limits);
        let kill = found.iter().find(|(_, finding)| finding.act == Act::Kill);
        let (after, finding) = kill.unwrap();
        assert_eq!(*after, rate_kill, "{requests} requests");
        assert_eq!(finding.rule, Rule::AboveBaseline);
        assert_eq!(
            first(&found, Rule::LargeRequests).is_some(),
            size_is_told,
            "{requests} requests"
        );
        let before = |finding: &&(u32, Finding)| finding.0 < rate_kill;
        let alerts = found.iter().filter(before);
        assert!(alerts.count() > 0, "an alert comes first");
    }
}

#[test]
fn large_requests_alone_kill_nobody() {
    let limits = limits(144, 4_320);
    let (mut watch, now) = steady(15, used(500_000, 10, 10_000));
    let found = play(&mut watch, now, DAY, used(700_000, 10, 3_500_000), &limits);
    assert!(first(&found, Rule::LargeRequests).is_some());
    assert!(
        found.iter().all(|(_, finding)| finding.act != Act::Kill),
        "{found:?}"
    );
}

#[test]
fn a_month_is_restricted_when_its_cap_is_spent_and_told_when_it_will_be() {
    let limits = limits(100, 100);
    // $10 a day: $310 in March, the cap is $130; the third day is over after 864 buckets.
    let daily = used(10_000_000 / u64::from(DAY) + 1, 1, 100);
    let mut watch = Watch::default();
    let found = play(&mut watch, Bucket(START), 20 * DAY, daily, &limits);
    let (after, finding) = first(&found, Rule::MonthProjected).unwrap();
    assert_eq!((after, finding.act), (3 * DAY, Act::Alert));
    let (after, finding) = first(&found, Rule::MonthSpent).unwrap();
    assert_eq!(finding.act, Act::Restrict);
    // 130,000,000 / 34,723 = 3,743.9 buckets.
    assert_eq!(after, 3_744);
    let Measured::Month { value, limit } = finding.measured else {
        panic!("{finding:?}");
    };
    assert_eq!(limit, MicroDollars::from_dollars(130));
    assert_eq!(value, MicroDollars(3_744 * 34_723));
}

#[test]
fn the_first_use_after_a_week_is_told_and_after_six_days_not() {
    let limits = limits(10, 300);
    for (days, expected) in [(6, None), (8, Some(SignedDuration::from_hours(8 * 24)))] {
        let (mut watch, now) = steady(10, used(1_000, 1, 100));
        let asleep = play(&mut watch, now, days * DAY, used(0, 0, 0), &limits);
        assert_eq!(asleep, []);
        let found = play(
            &mut watch,
            now.plus(days * DAY),
            2,
            used(1_000, 1, 100),
            &limits,
        );
        let silence = first(&found, Rule::FirstUse).map(|(_, finding)| &finding.measured);
        let expected = expected.map(Measured::Silence);
        assert_eq!(silence, expected.as_ref(), "{days} days");
    }
}

#[test]
fn a_model_is_new_once_and_the_first_of_all_is_not() {
    let limits = limits(10, 300);
    let (mut watch, now) = steady(1, used(1_000, 1, 100));
    let mut seen = |at: Bucket, model: &str| {
        watch.advance(at, used(1_000, 1, 100));
        watch.model_seen(at, &OutsideText::new(model));
        watch.assess(&limits).findings
    };
    assert_eq!(seen(now, "small"), []);
    let [finding] = &seen(now.plus(1), "dear")[..] else {
        panic!("one finding");
    };
    assert_eq!(finding.rule, Rule::NewModel);
    assert_eq!(finding.measured, Measured::Model(OutsideText::new("dear")));
    assert_eq!(seen(now.plus(2), "dear"), []);
}

#[test]
fn blindness_is_told_and_pages_and_never_kills() {
    let known: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
    for (minutes, other, expected) in [
        (14, OtherCalls::Answered, None),
        (15, OtherCalls::Answered, Some(Act::Alert)),
        (59, OtherCalls::Answered, Some(Act::Alert)),
        (60, OtherCalls::Answered, Some(Act::Page)),
        (60, OtherCalls::Failing, Some(Act::Alert)),
        (24 * 60, OtherCalls::Failing, Some(Act::Alert)),
    ] {
        let now = known + SignedDuration::from_mins(minutes);
        let act = blind(known, now, other).map(|finding| finding.act);
        assert_eq!(act, expected, "{minutes} minutes, {other:?}");
    }
}

/// $24 a day becomes $240 an hour.
#[test]
fn what_was_contained_fires_nothing_again_and_what_goes_on_does() {
    let limits = limits(24, 720);
    let normal = used(24_000_000 / u64::from(DAY), 10, 1_000);
    let stolen = used(20_000_000, 10, 1_000);
    let (mut watch, now) = steady(15, normal);
    let found = play(&mut watch, now, 6, stolen, &limits);
    let kill = |found: &[(u32, Finding)]| {
        let kills = found.iter().find(|(_, f)| f.act == Act::Kill);
        kills.map(|(after, _)| *after)
    };
    // The busiest hour had $1: 3 x $1 and the floor of $25 above normal; $40 after ten minutes.
    assert_eq!(kill(&found), Some(2));
    let last = now.plus(5);
    assert_eq!(watch.contained(last), Settled::Kept);
    assert_eq!(watch.assess(&limits).score, Score::default());
    let after = play(&mut watch, last.plus(1), 2 * DAY, normal, &limits);
    assert_eq!(kill(&after), None);
    let again = play(&mut watch, last.plus(1 + 2 * DAY), 6, stolen, &limits);
    assert_eq!(kill(&again), Some(2), "the theft has not become normal");
    assert_eq!(watch.memory().place(now.plus(2)), Place::Apart);
}

#[test]
fn an_incident_that_a_person_calls_rightful_is_a_measure_for_later() {
    let limits = limits(24, 720);
    let normal = used(24_000_000 / u64::from(DAY), 10, 1_000);
    let busy = used(20_000_000, 10, 1_000);
    for said in [false, true] {
        let (mut watch, now) = steady(15, normal);
        play(&mut watch, now, 6, busy, &limits);
        let last = now.plus(5);
        watch.contained(last);
        if said {
            assert_eq!(watch.rightful(last.plus(1)), Settled::Kept, "another one");
            assert_eq!(watch.memory().place(last), Place::Apart);
            assert_eq!(watch.rightful(last), Settled::Kept);
            assert_eq!(watch.memory().place(last), Place::Normal);
        }
        assert_eq!(watch.assess(&limits).score, Score::default(), "{said}");
        play(&mut watch, last.plus(1), 2 * DAY, normal, &limits);
        let again = play(&mut watch, last.plus(1 + 2 * DAY), 6, busy, &limits);
        let kills = again.iter().any(|(_, found)| found.act == Act::Kill);
        assert_eq!(kills, !said, "{said}");
    }
}

#[test]
fn what_a_person_expects_is_not_far_above_normal() {
    let normal = used(1_000_000, 10, 1_000);
    let busy = used(5_000_000, 50, 5_000);
    let kills = |announced: Option<Expectation>| {
        let limits = Limits {
            announced,
            ..limits(288, 9_000)
        };
        let (mut watch, now) = steady(15, normal);
        let found = play(&mut watch, now, 8 * HOUR, busy, &limits);
        found.iter().any(|(_, finding)| finding.act == Act::Kill)
    };
    assert!(kills(None));
    let percent = 500;
    let until = Bucket(START + 16 * DAY).begins();
    assert!(!kills(Some(Expectation { percent, until })));
    let until = Bucket(START + 15 * DAY).begins();
    assert!(kills(Some(Expectation { percent, until })), "it is over");
}

/// A dollar in each bucket, of a slot without a baseline: what its owner accepts to lose decides when that ends.
#[test]
fn what_may_be_lost_is_the_owners_to_say() {
    for (name, daily, (floor, ceiling), killed_after) in [
        ("as it is", 5, (25, 250), 26),
        ("less than an alert needs", 1, (5, 250), 6),
        ("more", 5, (60, 250), 61),
        ("far above what is declared", 100, (25, 50), 151),
    ] {
        let limits = Limits {
            loss: AcceptedLoss {
                floor: MicroDollars::from_dollars(floor),
                ceiling: MicroDollars::from_dollars(ceiling),
            },
            ..limits(daily, 30 * daily)
        };
        let dollar = used(1_000_000, 1, 10);
        let found = play(&mut Watch::default(), Bucket(START), 200, dollar, &limits);
        let mut kills = found.iter().filter(|(_, found)| found.act == Act::Kill);
        assert_eq!(
            kills.next().map(|kill| kill.0),
            Some(killed_after),
            "{name}"
        );
    }
}

#[test]
fn people_are_told_once_a_day_and_a_kill_always() {
    let finding = |act, at| Finding {
        act,
        rule: Rule::AboveBaseline,
        at: Bucket(at),
        measured: Measured::Requests { value: 2, limit: 1 },
    };
    let mut memory = Memory::default();
    let mut told = |act, at| memory.untold(vec![finding(act, at)]).len();
    assert_eq!(told(Act::Alert, START), 1);
    assert_eq!(told(Act::Alert, START + 1), 0);
    assert_eq!(told(Act::Kill, START + 2), 1);
    assert_eq!(told(Act::Alert, START + DAY - 1), 0);
    assert_eq!(told(Act::Alert, START + DAY), 1);
}

/// A provider tells an hour late what a theft spent.
#[test]
fn what_is_told_late_fires_by_itself_if_it_is_much() {
    let limits = limits(24, 720);
    let normal = used(24_000_000 / u64::from(DAY), 10, 1_000);
    for (late, fires) in [(2_000_000, false), (60_000_000, true)] {
        let (mut watch, now) = steady(15, normal);
        let quiet = play(&mut watch, now, HOUR, normal, &limits);
        assert_eq!(quiet, []);
        watch.advance(now.plus(2), used(late, 10, 1_000));
        watch.advance(now.plus(HOUR), normal);
        let found = watch.assess(&limits);
        let kill = found.findings.iter().find(|f| f.rule == Rule::LateSpend);
        assert_eq!(kill.is_some(), fires, "{late}: {found:?}");
        assert_eq!(found.score >= Score::FIRES, fires, "{late}: {found:?}");
    }
}

#[test]
fn what_is_not_known_is_nothing_and_no_measure() {
    let limits = limits(24, 720);
    let normal = used(24_000_000 / u64::from(DAY), 10, 1_000);
    let (mut watch, now) = steady(15, normal);
    let day = |watch: &Watch| watch.baseline().mean().map(|mean| mean.times(DAY));
    let before = day(&watch);
    let found = play(&mut watch, now, 2 * DAY, Reading::Unknown, &limits);
    assert_eq!(found, []);
    assert_eq!(day(&watch), before);
    assert_eq!(before, Some(u64::from(DAY) * (24_000_000 / u64::from(DAY))));
}
