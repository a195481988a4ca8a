//! What keys used and cost, as the provider tells it. Providers that tell neither pass.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use keyward_core::model::money::MicroDollars;
use keyward_core::model::slot::Scope;
use keyward_core::ports::{
    ByKey, Cost, IssueRequest, IssuedKey, ProviderError, Reporting, Usage, UsageReports, Width,
    Window,
};

use super::{Fixture, ProviderCall, Times, unreadable};
use crate::simulator::{Booking, Fault, RetryAfter, Used};

/// More pages than any case fills.
const MAX_PAGES: usize = 200;

const DAY: SignedDuration = SignedDuration::from_hours(24);

impl Fixture {
    fn reporting(&self) -> Reporting {
        let reports = self.provider.reports();
        reports.map_or_else(Reporting::default, UsageReports::reporting)
    }

    fn reports(&self) -> &dyn UsageReports {
        self.provider.reports().expect("a provider with reports")
    }

    /// All pages.
    async fn usage(&self, scope: &Scope, window: &Window) -> Result<Vec<Usage>, ProviderError> {
        let (mut rows, mut next) = (Vec::new(), None);
        for _ in 0..MAX_PAGES {
            let page = self.reports().usage(scope, window, next.as_ref()).await?;
            rows.extend(page.rows);
            next = page.next;
            if next.is_none() {
                return Ok(rows);
            }
        }
        panic!("the report has no last page");
    }

    /// All pages.
    async fn costs(&self, scope: &Scope, window: &Window) -> Result<Vec<Cost>, ProviderError> {
        let (mut rows, mut next) = (Vec::new(), None);
        for _ in 0..MAX_PAGES {
            let page = self.reports().costs(scope, window, next.as_ref()).await?;
            rows.extend(page.rows);
            next = page.next;
            if next.is_none() {
                return Ok(rows);
            }
        }
        panic!("the report has no last page");
    }

    /// The midnight three days ago: all of it is complete, however wide a bucket is.
    fn begin(&self) -> Timestamp {
        let today = self.world.now().as_second().div_euclid(DAY.as_secs());
        Timestamp::from_second((today - 3) * DAY.as_secs()).expect("a time near now")
    }

    /// Three buckets from [`begin`](Self::begin) on.
    fn window(&self, width: Width) -> Window {
        Window {
            from: self.begin(),
            until: self.begin() + width.duration() * 3,
            width,
        }
    }

    /// `n` calls in the bucket, the counts all different. Costs have fractions of a cent.
    fn book(&self, key: Option<&IssuedKey>, bucket: i32, width: Width, model: &str, n: u64) {
        let used = Used {
            requests: n,
            input: 100 * n,
            output: 10 * n,
            cache_read: 1000 * n,
            cache_write: 7 * n,
            cost: MicroDollars(1_234_567 * n),
        };
        let booking = Booking {
            // Somewhere inside.
            at: self.begin() + width.duration() * bucket + SignedDuration::from_secs(59),
            model: model.to_owned(),
            used,
        };
        self.world.book(key.map(|key| &key.key), &booking);
    }
}

/// A report's name of a key, for sums.
fn name(key: &ByKey) -> Option<String> {
    match key {
        ByKey::Id(id) => Some(id.as_str().to_owned()),
        ByKey::Unnamed => None,
    }
}

fn id(key: &IssuedKey) -> Option<String> {
    let last = key.handle.as_str().rsplit('/').next();
    last.map(str::to_owned)
}

/// What is wanted of one key, model and bucket.
type Sums = BTreeMap<(Option<String>, String, Timestamp), Sum>;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    requests: Option<u64>,
    output: Option<u64>,
    /// Whichever kinds are told.
    input: [Option<u64>; 3],
}

fn sums(rows: &[Usage]) -> Sums {
    fn add(to: &mut Option<u64>, more: Option<u64>) {
        if let Some(more) = more {
            *to = Some(to.unwrap_or(0) + more);
        }
    }
    let mut sums = Sums::new();
    for row in rows {
        let model = row.model.as_ref().map_or("", |model| model.as_str());
        let at = (name(&row.key), model.to_owned(), row.from);
        let sum = sums.entry(at).or_default();
        add(&mut sum.requests, row.requests);
        add(&mut sum.output, row.tokens.output);
        let kinds = [
            row.tokens.input,
            row.tokens.cache_read,
            row.tokens.cache_write,
        ];
        for (to, more) in sum.input.iter_mut().zip(kinds) {
            add(to, more);
        }
    }
    sums
}

/// What was booked with [`Fixture::book`] `n` times is told: exactly, or as unknown.
fn tells(sum: &Sum, n: u64) -> bool {
    let is = |told: Option<u64>, each: u64| told.is_none_or(|told| told == each * n);
    let [input, cache_read, cache_write] = sum.input;
    is(sum.requests, 1)
        && sum.output == Some(10 * n)
        && input == Some(100 * n)
        && is(cache_read, 1000)
        && is(cache_write, 7)
}

/// What the provider does not tell, or not so finely, is refused by name.
pub async fn what_is_not_told_is_named(fixture: &Fixture) {
    let Some(reports) = fixture.provider.reports() else {
        return;
    };
    let told = reports.reporting();
    let scope = fixture.world.scope();
    for width in [Width::Minute, Width::Hour, Width::Day] {
        let window = fixture.window(width);
        for (what, told, answer) in [
            (
                "usage",
                told.usage,
                reports.usage(&scope, &window, None).await.err(),
            ),
            (
                "costs",
                told.costs,
                reports.costs(&scope, &window, None).await.err(),
            ),
        ] {
            let is_told = told.is_some_and(|finest| finest <= width);
            let is_named = matches!(answer, Some(ProviderError::Unsupported(_)));
            let is_right = if is_told { answer.is_none() } else { is_named };
            assert!(is_right, "{what} by the {width:?}: {answer:?}");
        }
    }
}

/// Two keys, two models, three buckets, and something that no key is named for, on pages of one: each is told once,
/// under its own key, model and bucket, and nothing else is. Buckets before and after are left out.
pub async fn usage_is_told_by_key_model_and_bucket_across_pages(fixture: &Fixture) {
    let Some(width) = fixture.reporting().usage else {
        return;
    };
    let (first, second) = (fixture.issue(1).await, fixture.issue(2).await);
    let quiet = fixture.issue(3).await;
    let mut wanted = BTreeMap::new();
    for (key, bucket, model, n) in [
        (&first, 0, "model-a", 1),
        (&first, 1, "model-a", 2),
        (&first, 1, "model-b", 3),
        (&second, 1, "model-a", 4),
        (&second, 2, "model-a", 5),
    ] {
        fixture.book(Some(key), bucket, width, model, n);
        let from = fixture.begin() + width.duration() * bucket;
        wanted.insert((id(key), model.to_owned(), from), n);
    }
    fixture.book(None, 1, width, "model-a", 9);
    for outside in [-1, 3] {
        fixture.book(Some(&first), outside, width, "model-a", 100);
    }
    for size in [1, 2, 100] {
        fixture.world.set_page_size(size);
        let window = fixture.window(width);
        let rows = fixture.usage(&fixture.world.scope(), &window).await;
        let mut sums = sums(&rows.expect("the report is answered"));
        let unnamed: Vec<_> = sums.extract_if(.., |(key, ..), _| key.is_none()).collect();
        assert!(
            unnamed.iter().all(|(_, sum)| tells(sum, 9)),
            "pages of {size}: {unnamed:?}"
        );
        let told: Vec<_> = sums.keys().collect();
        let expected: Vec<_> = wanted.keys().collect();
        assert_eq!(told, expected, "pages of {size}");
        for (at, n) in &wanted {
            assert!(tells(&sums[at], *n), "pages of {size}: {at:?}: {sums:?}");
        }
        assert!(sums.keys().all(|(key, ..)| *key != id(&quiet)));
    }
}

/// As for usage: to the micro-dollar.
pub async fn costs_are_told_by_key_and_bucket_across_pages(fixture: &Fixture) {
    let Some(width) = fixture.reporting().costs else {
        return;
    };
    let (first, second) = (fixture.issue(1).await, fixture.issue(2).await);
    let mut wanted = BTreeMap::new();
    for (key, bucket, model, n) in [
        (&first, 0, "model-a", 1),
        (&first, 1, "model-a", 2),
        (&first, 1, "model-b", 3),
        (&second, 1, "model-a", 4),
        (&second, 2, "model-a", 5),
    ] {
        fixture.book(Some(key), bucket, width, model, n);
        let from = fixture.begin() + width.duration() * bucket;
        *wanted.entry((id(key), from)).or_default() += 1_234_567 * n;
    }
    for outside in [-1, 3] {
        fixture.book(Some(&first), outside, width, "model-a", 100);
    }
    for size in [1, 2, 100] {
        fixture.world.set_page_size(size);
        let window = fixture.window(width);
        let rows = fixture.costs(&fixture.world.scope(), &window).await;
        let mut told: BTreeMap<_, u64> = BTreeMap::new();
        for row in rows.expect("the report is answered") {
            *told.entry((name(&row.key), row.from)).or_default() += row.amount.0;
        }
        assert_eq!(told, wanted, "pages of {size}");
    }
}

/// What is booked after a report was read is in the next one, in the bucket of its time.
pub async fn late_bookings_appear(fixture: &Fixture) {
    let (usage, costs) = (fixture.reporting().usage, fixture.reporting().costs);
    let Some(width) = usage.or(costs) else {
        return;
    };
    let scope = fixture.world.scope();
    let issued = fixture.issue(1).await;
    for n in 1..=3_u64 {
        fixture.book(Some(&issued), 1, width, "model-a", 1);
        if usage.is_some() {
            let rows = fixture.usage(&scope, &fixture.window(width)).await;
            let sums = sums(&rows.expect("the report is answered"));
            let at = fixture.begin() + width.duration();
            let sum = sums.get(&(id(&issued), "model-a".to_owned(), at));
            assert!(sum.is_some_and(|sum| tells(sum, n)), "{n}: {sums:?}");
        }
        if let Some(width) = costs {
            let rows = fixture.costs(&scope, &fixture.window(width)).await;
            let rows = rows.expect("the report is answered");
            let cost: u64 = rows.iter().map(|row| row.amount.0).sum();
            assert_eq!(cost, 1_234_567 * n, "{rows:?}");
        }
    }
}

/// Backwards, in the future, or between two starts of a bucket: nothing is there, and nothing is asked that the
/// provider would refuse.
pub async fn a_window_without_a_bucket_is_empty(fixture: &Fixture) {
    let (usage, costs) = (fixture.reporting().usage, fixture.reporting().costs);
    let issued = fixture.issue(1).await;
    for width in [usage, costs].into_iter().flatten() {
        fixture.book(Some(&issued), 0, width, "model-a", 1);
    }
    let (scope, now, second) = (
        fixture.world.scope(),
        fixture.world.now(),
        SignedDuration::from_secs(1),
    );
    let windows = |width: Width| {
        let begin = fixture.begin();
        [
            (begin + width.duration(), begin),
            (begin, begin),
            (begin + second, begin + second * 2),
            (now + width.duration(), now + width.duration() * 3),
        ]
        .map(|(from, until)| Window { from, until, width })
    };
    for window in usage.map(windows).into_iter().flatten() {
        let rows = fixture.usage(&scope, &window).await;
        assert_eq!(rows, Ok(Vec::new()), "{window:?}");
    }
    for window in costs.map(windows).into_iter().flatten() {
        let rows = fixture.costs(&scope, &window).await;
        assert_eq!(rows, Ok(Vec::new()), "{window:?}");
    }
}

/// Not seen is not zero. A rate limit says when to come back.
pub async fn an_unreadable_report_is_never_an_empty_page(fixture: &Fixture) {
    let (usage, costs) = (fixture.reporting().usage, fixture.reporting().costs);
    let scope = fixture.world.scope();
    let issued = fixture.issue(1).await;
    for width in [usage, costs].into_iter().flatten() {
        fixture.book(Some(&issued), 0, width, "model-a", 1);
    }
    let spoil = |call, fault: &Fault| {
        fixture.world.mend();
        fixture.world.spoil(call, Times::Always, fault.clone());
    };
    for fault in unreadable()
        .into_iter()
        .chain([Fault::rate_limited(RetryAfter::Seconds(7))])
    {
        if let Some(width) = usage {
            spoil(ProviderCall::Usage, &fault);
            let refused = fixture.usage(&scope, &fixture.window(width)).await;
            assert!(is_retry(refused.as_ref().err(), &fault), "{refused:?}");
        }
        if let Some(width) = costs {
            spoil(ProviderCall::Costs, &fault);
            let refused = fixture.costs(&scope, &fixture.window(width)).await;
            assert!(is_retry(refused.as_ref().err(), &fault), "{refused:?}");
        }
    }
    fixture.world.mend();
    fixture.world.refuse_admin();
    if let Some(width) = usage {
        let refused = fixture.usage(&scope, &fixture.window(width)).await;
        let is_told = matches!(refused, Err(ProviderError::AdminCredential { .. }));
        assert!(is_told, "{refused:?}");
    }
}

fn is_retry(error: Option<&ProviderError>, fault: &Fault) -> bool {
    let limited = *fault == Fault::rate_limited(RetryAfter::Seconds(7));
    let expected = limited.then(|| SignedDuration::from_secs(7));
    matches!(error, Some(ProviderError::RetryAfter { after, .. }) if *after == expected)
}

/// The report of one place has what its key used, and nothing of a key in another, but for the default place: a
/// provider may not name it, and then its keys are in every report, under their own names.
pub async fn what_other_places_used_is_theirs(fixture: &Fixture) {
    let Some(width) = fixture.reporting().usage else {
        return;
    };
    let Some(there) = fixture.world.other_scope() else {
        return;
    };
    let here = fixture.world.scope();
    let mine = fixture.issue(1).await;
    let request = IssueRequest {
        scope: there.clone(),
        ..fixture.request(2)
    };
    let other = fixture.issue_as(&request).await;
    for key in [&mine, &other] {
        fixture.book(Some(key), 1, width, "model-a", 1);
    }
    for (scope, own, also) in [(here, &mine, None), (there, &other, Some(&mine))] {
        let rows = fixture.usage(&scope, &fixture.window(width)).await;
        let mut rows = rows.expect("the report is answered");
        rows.retain(|row| !also.is_some_and(|also| row.key.is(&also.handle)));
        assert!(
            !rows.is_empty() && rows.iter().all(|row| row.key.is(&own.handle)),
            "{scope:?}: {rows:?}"
        );
    }
}
