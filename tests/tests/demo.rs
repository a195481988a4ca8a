//! The demo passes, and notices each fault that is put into it.

use keyward_tests::demo::{Break, run};

#[tokio::test]
async fn a_day_without_a_fault_breaks_no_rule() {
    let mut lines = Vec::new();
    let totals = run(None, &mut |line| lines.push(line.to_owned())).await;
    assert_eq!(totals.broken, Vec::<String>::new());
    assert!(totals.agent_calls >= 1000 && totals.failed_agent_calls == 0);
    lines.push(totals.to_json());
    let end = lines[lines.len() - 9..].join(
        "
",
    );
    let readme = include_str!("../../README.md");
    assert!(
        readme.contains(&end),
        "the README's sample is not what the demo says:
{end}"
    );
    let json: serde_json::Value = serde_json::from_str(&totals.to_json()).expect("JSON");
    assert_eq!(json["old_keys_confirmed_dead"], 6);
}

#[tokio::test]
async fn without_an_overlap_agents_fail() {
    let totals = run(Some(Break::Overlap), &mut |_| {}).await;
    assert!(totals.failed_agent_calls > 0);
    assert!(
        totals.broken.iter().any(|rule| rule.starts_with("rule 3")),
        "{:?}",
        totals.broken
    );
}

#[tokio::test]
async fn without_the_intent_a_live_key_is_unrecorded() {
    let totals = run(Some(Break::Intent), &mut |_| {}).await;
    assert_eq!(totals.unrecorded_live_keys, 1);
    assert!(
        totals.broken.iter().any(|rule| rule.starts_with("rule 2")),
        "{:?}",
        totals.broken
    );
}
