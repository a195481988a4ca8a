//! Rotations, retire, people and kills side by side, in orders drawn from seeds: the rules of the design hold.

use keyward_tests::interleavings::many;
use keyward_tests::support::say;

#[test]
fn whatever_happens_side_by_side_the_rules_hold() {
    let totals = many(0..1000).unwrap_or_else(|broken| panic!("{broken}"));
    say(format_args!("{totals}"));
    assert!(totals.are_various(), "{totals}");
}
