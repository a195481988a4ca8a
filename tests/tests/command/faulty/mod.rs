//! Faults in a fleet on emulators, as an audit over the wire finds them: one of each rule, and exactly those; each mended by the
//! command that is printed with it or, where a person mends it elsewhere, there; and no more of it after.
//!
//! Not as it comes about are a credential's age (emulators date what is put into a secret by the day itself: one of which nobody
//! knows the age stands for it), and what takes weeks, which is written into the records. Each rule with its fault made in memory,
//! and what is said where a source was not read, is in the suite `audit`.

mod mends;
mod seeds;
mod stage;
mod unread;

use std::collections::BTreeSet;

use keyward_core::model::audit::Standing;
use keyward_core::rules::audit::RULES;

use super::*;
use stage::{Stage, standing};

/// Rules whose faults are made elsewhere, and why.
const ELSEWHERE: [(&str, &str); 1] = [(
    "secret-shared",
    "it is mended by offboarding, which the suite `offboard_end_to_end` plays; found and fixed it is in the suite `audit`",
)];

/// As printed, or as said: each is mended, and the next audit shows it.
#[tokio::test]
async fn one_fault_of_each_rule_is_found_exactly_and_mended_as_printed() {
    let Some(mut stage) = Stage::start().await else {
        return;
    };
    // What some slots are there for comes with their keys: made by hand, a month ago, in a form that ends.
    let before = stage.report().await;
    for (rule, about) in standing(&before, Standing::is_open) {
        let is_faulty = ["old-format", "persons", "deployment"].contains(&about.as_str());
        let is_sealed = rule == "break-glass-untried";
        assert!(is_faulty || is_sealed, "{rule}: {about}");
    }

    let made = stage.seed().await;
    let seeded = stage.report().await;
    let found = standing(&seeded, Standing::is_open);
    let missing: Vec<_> = made.expected.difference(&found).collect();
    let surplus: Vec<_> = found.difference(&made.expected).collect();
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "not found: {missing:#?}; found as well: {surplus:#?}"
    );
    let rules: BTreeSet<&str> = found.iter().map(|(rule, _)| rule.as_str()).collect();
    let elsewhere: BTreeSet<&str> = ELSEWHERE.iter().map(|(rule, _)| *rule).collect();
    let every: BTreeSet<&str> = RULES.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(&rules | &elsewhere, every, "a rule is in neither list");
    assert!(rules.is_disjoint(&elsewhere));
    stage.remember(seeded.clone()).await;

    stage.mend(&seeded, &made).await;
    let after = stage.report().await;
    let open = standing(&after, Standing::is_open);
    let fixed = standing(&after, |standing| standing == Standing::Fixed);
    assert!(open.is_empty(), "{open:#?}");
    assert_eq!(fixed, made.expected);
    stage.deployment().assert_no_key_text().await;
}
