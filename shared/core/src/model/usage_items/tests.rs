use super::cell::MOST_MODELS;
use super::*;
use crate::model::usage::TokenCounts;

fn version(n: u32) -> VersionId {
    format!("11111111-aaaa-4bbb-8ccc-{n:012}.1")
        .parse()
        .unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_564_800 + second).unwrap()
}

fn bucket() -> Bucket {
    Bucket::of(at(0))
}

fn counts(cost: u64) -> Counts {
    Counts {
        cost: MicroDollars(cost),
        requests: 1,
        tokens: TokenCounts::default(),
    }
}

fn cell(n: u32, cost: u64, read: i64) -> Cell {
    let models = BTreeMap::from([("gpt-5".to_owned(), counts(cost))]);
    Cell::new(version(n), bucket(), at(read), models)
}

fn hour() -> UsageHour {
    UsageHour::empty("support-bot".parse().unwrap(), bucket().hour())
}

#[test]
fn absolute_values_overwrite_and_older_readings_do_not() {
    let mut hour = hour();
    assert!(hour.put(cell(2, 10, 0)));
    assert!(hour.put(cell(1, 7, 0)));
    assert!(!hour.put(cell(2, 10, 60)), "the same again is no change");
    assert!(hour.put(cell(2, 52, 120)));
    assert!(!hour.put(cell(2, 40, 60)), "a run that was held up");
    let costs: Vec<u64> = hour.cells.iter().map(|c| c.counts().cost.0).collect();
    assert_eq!(costs, [7, 52]);
    let mut elsewhere = cell(1, 9, 200);
    elsewhere.bucket = bucket().plus(Bucket::PER_HOUR);
    assert!(!hour.put(elsewhere));
}

#[test]
fn a_bill_takes_the_place_of_the_price_and_outlives_late_counts() {
    let mut hour = hour();
    hour.put(cell(1, 10, 0));
    assert!(hour.bill(&version(1), bucket(), MicroDollars(8), at(9)));
    assert!(!hour.bill(&version(1), bucket(), MicroDollars(8), at(9)));
    assert!(hour.put(cell(1, 20, 60)));
    assert_eq!(hour.cells[0].counts().cost, MicroDollars(8));
    assert_eq!(hour.cells[0].priced(), MicroDollars(20));
    assert!(hour.bill(&version(2), bucket(), MicroDollars(3), at(9)));
    assert!(!hour.bill(&version(3), bucket(), MicroDollars(0), at(9)));
    assert_eq!(hour.cells.len(), 2);
}

#[test]
fn models_beyond_the_most_stand_together_and_nothing_is_lost() {
    let models = (0..40).map(|n| (format!("model-{n:02}"), counts(n)));
    let cell = Cell::new(version(1), bucket(), at(0), models);
    assert_eq!(cell.models.len(), MOST_MODELS);
    assert_eq!(cell.priced(), MicroDollars((0..40).sum()));
    assert_eq!(cell.counts().requests, 40);
    let has = |name: &str| cell.models.iter().any(|(model, _)| model == name);
    assert!(has("model-39") && has(OTHER_MODELS));
}

fn told(n: u32, later: u32, cost: u64, read: i64) -> Cell {
    let models = [("gpt-5".to_owned(), counts(cost))];
    let models = models.into_iter().filter(|_| cost > 0);
    Cell::told(version(n), bucket().plus(later), at(read), models, 1)
}

#[test]
fn what_agents_told_of_a_bucket_is_replaced_whole_and_no_other_is() {
    let mut hour = hour();
    assert!(hour.put_told(bucket(), &[told(2, 0, 5, 0), told(9, 0, 7, 0)]));
    assert!(hour.put_told(bucket().plus(1), &[told(9, 1, 1, 0)]));
    let again = [told(2, 0, 5, 60), told(9, 0, 7, 60)];
    assert!(!hour.put_told(bucket(), &again), "the same again");
    // By now the second version is known, by another id.
    assert!(hour.put_told(bucket(), &[told(2, 0, 5, 60), told(3, 0, 7, 60)]));
    assert!(
        !hour.put_told(bucket(), &[told(2, 0, 4, 30)]),
        "a run that was held up"
    );
    assert!(!hour.put_told(bucket(), &[]), "nobody told");
    let cells = hour.cells.iter().map(|c| (c.bucket, c.counts().cost.0));
    let cells: Vec<(Bucket, u64)> = cells.collect();
    assert_eq!(cells, [(bucket(), 5), (bucket(), 7), (bucket().plus(1), 1)]);
    assert!(hour.put_told(bucket().plus(1), &[told(2, 1, 0, 60)]));
    assert_eq!(hour.cells.last(), Some(&told(2, 1, 0, 60)), "zero is known");
}

#[test]
fn where_the_provider_tells_no_agents_word_stands() {
    let mut hour = hour();
    assert!(hour.put_told(bucket(), &[told(1, 0, 5, 0), told(9, 0, 7, 0)]));
    assert!(hour.put(cell(1, 11, 60)));
    assert_eq!(hour.cells, [cell(1, 11, 60)]);
    assert!(!hour.put_told(bucket(), &[told(1, 0, 50, 120)]));
    assert_eq!(hour.cells, [cell(1, 11, 60)]);
}

#[test]
fn what_agents_tell_adds_to_what_the_provider_saw() {
    let span = |from: u32, until: u32| Span {
        from: bucket().plus(from),
        until: bucket().plus(until),
    };
    let mut account = AccountUsage::empty("main".parse().unwrap());
    account.seen = vec![span(0, 3)];
    let mut hour = hour();
    hour.put_told(bucket().plus(5), &[told(1, 5, 0, 0)]);
    hour.put_told(bucket().plus(3), &[told(1, 3, 9, 0)]);
    let as_told = account.as_told(&[hour.clone()]);
    assert_eq!(as_told.seen, [span(0, 4), span(5, 6)]);
    assert_eq!(last_told(&[hour]), Some(bucket().plus(5)));
}

#[test]
fn spans_merge_and_what_was_not_seen_is_not_zero() {
    let mut account = AccountUsage::empty("main".parse().unwrap());
    let span = |from: u32, until: u32| Span {
        from: bucket().plus(from),
        until: bucket().plus(until),
    };
    let now = at(3600);
    account.see(span(0, 3), now);
    account.see(span(6, 8), now);
    account.see(span(2, 4), now);
    account.see(span(9, 9), now);
    assert_eq!(account.seen, [span(0, 4), span(6, 8)]);
    assert_eq!(account.seen_until(), Some(bucket().plus(8)));
    let mut hour = hour();
    hour.put(cell(1, 7, 0));
    hour.put(cell(2, 5, 0));
    let read = readings(&account, &[hour], bucket(), bucket().plus(6));
    let known: Vec<Option<u64>> = read.values().map(|r| r.known().map(|c| c.cost.0)).collect();
    assert_eq!(known, [Some(12), Some(0), Some(0), Some(0), None, None]);
    account.see(span(9, 9), now + KEPT + KEPT);
    assert!(account.seen.is_empty(), "older than what is kept");
}
