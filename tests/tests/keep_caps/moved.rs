//! A daily limit at a provider whose limits begin again each month only.

use super::*;

pub(super) fn monthly(dollars: u64) -> Option<SpendCap> {
    Some(SpendCap {
        amount: MicroDollars::from_dollars(dollars),
        period: CapPeriod::Monthly,
    })
}

/// A run each hour, as one of `retire`'s every five minutes.
async fn day(kept: &Kept, ports: &Ports) -> (usize, Vec<Alert>) {
    let mut set = 0;
    for _ in 0..24 {
        let slots = kept.watched().await;
        set += kept.keep_on(ports, &slots).await.unwrap().set;
        kept.world.pass(SignedDuration::from_hours(1));
    }
    (set, kept.told())
}

#[tokio::test]
async fn the_limit_is_moved_once_a_day_to_what_was_spent_before_and_a_day() {
    let kept = kept().await;
    let ports = kept.world.odd(Oddity::LimitsByTheMonth);
    let midnight = |kept: &Kept| {
        let now = Bucket::of(kept.world.outside.clock.now());
        Bucket((now.day() + 1) * Bucket::PER_DAY)
    };
    // The first run replaces the limit by the day.
    kept.sees(40).await;
    let slots = kept.watched().await;
    kept.keep_on(&ports, &slots).await.unwrap();
    assert_eq!(kept.at_provider(), monthly(25));
    for (spent, limit) in [(20, 45), (25, 70), (0, 70), (10, 80)] {
        let now = kept.world.outside.clock.now();
        kept.world
            .pass(midnight(&kept).begins().duration_since(now));
        kept.spends(spent, 1).await;
        kept.sees(40).await;
        let (set, told) = day(&kept, &ports).await;
        assert_eq!((set, kept.at_provider()), (1, monthly(limit)), "{spent}");
        assert_eq!(told, []);
    }
}

#[tokio::test]
async fn the_limit_is_never_above_the_months_and_that_it_is_spent_is_said() {
    let kept = kept().await;
    let ports = kept.world.odd(Oddity::LimitsByTheMonth);
    kept.world.pass(SignedDuration::from_hours(24));
    kept.sees(40).await;
    kept.spends(500, 24).await;
    let slots = kept.watched().await;
    let report = kept.keep_on(&ports, &slots).await.unwrap();
    assert_eq!(kept.at_provider(), monthly(390));
    assert_eq!(report.below_spend.len(), 1);
    assert_eq!(kinds(&kept.told()), [AlertKind::CapBelowSpend]);
    let slots = kept.watched().await;
    let report = kept.keep_on(&ports, &slots).await.unwrap();
    assert_eq!((report.set, kept.told()), (0, vec![]));
}

#[tokio::test]
async fn what_was_not_seen_does_not_lower_it() {
    let kept = kept().await;
    let ports = kept.world.odd(Oddity::LimitsByTheMonth);
    kept.sees(40).await;
    let slots = kept.watched().await;
    kept.keep_on(&ports, &slots).await.unwrap();
    kept.world.pass(SignedDuration::from_hours(24));
    kept.spends(30, 24).await;
    kept.sees(40).await;
    let slots = kept.watched().await;
    kept.keep_on(&ports, &slots).await.unwrap();
    let before = kept.at_provider();
    // Two days later, one of them unseen.
    kept.world.pass(SignedDuration::from_hours(48));
    let slots = kept.watched().await;
    kept.keep_on(&ports, &slots).await.unwrap();
    assert_eq!((kept.at_provider(), kept.told()), (before, vec![]));
}
