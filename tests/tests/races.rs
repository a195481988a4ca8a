//! Rotations, retire, people and kills side by side, in orders drawn from seeds: the rules of the design hold.

use keyward_tests::interleavings::{MUST_HAPPEN, many, one};
use keyward_tests::support::say;

#[test]
fn whatever_happens_side_by_side_the_rules_hold() {
    let totals = many(0..3000).unwrap_or_else(|broken| panic!("{broken}"));
    say(format_args!("{totals}"));
    assert!(totals.are_various(), "{totals}");
    let seldom: Vec<(&str, u64)> = MUST_HAPPEN
        .into_iter()
        .map(|what| (what, totals.seen.get(what).copied().unwrap_or(0)))
        .filter(|(_, seeds)| *seeds < 3)
        .collect();
    assert_eq!(seldom, [], "under how few seeds what happened");
}

#[test]
fn a_seed_is_played_the_same_way_each_time() {
    let schedule = |seed| one(seed, &mut |_| {}).map(|played| played.schedule.digest());
    for seed in 0..20 {
        assert_eq!(schedule(seed), schedule(seed), "seed {seed}");
    }
}
