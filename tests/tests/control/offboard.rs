//! `/offboard`: the case is opened on record, whoever carries it on.

use keyward_core::model::slot::SlotState;

use super::*;

#[tokio::test]
async fn a_person_opens_a_case_on_record_and_a_dry_run_opens_none() {
    let world = world();
    apply(&world, &fleet()).await;
    let before = acts(&world).len();
    let agent = world.slot().await.agent;
    let dry = json!({"agent": agent, "dry_run": true});
    let (status, answer) = post(&deps(&world), "/offboard", dry).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["result"], "would_offboard");
    assert_eq!(answer["slots"].as_array().unwrap().len(), 1);
    assert_eq!(world.outside.inventory.all_offboardings(), []);
    assert_eq!(acts(&world).len(), before);

    let order = json!({"agent": agent, "reason": "given up"});
    let (status, answer) = post(&deps(&world), "/offboard", order).await;
    assert_eq!(
        (status, &answer["result"]),
        (200, &json!("opened")),
        "{answer}"
    );
    assert_eq!(
        answer["begun"], false,
        "told of no function: its schedule does it"
    );
    let cases = world.outside.inventory.all_offboardings();
    assert_eq!(cases.len(), 1);
    assert_eq!(cases[0].asked[0].by.as_str(), CALLER);
    assert_eq!(
        world.slot().await.state,
        SlotState::Active,
        "control itself ends nothing"
    );
    assert_eq!(acts(&world).len(), before + 2);
}

#[tokio::test]
async fn what_names_nobody_or_two_is_refused() {
    let world = world();
    apply(&world, &fleet()).await;
    for (body, expected) in [
        (json!({"reason": "x"}), 400),
        (
            json!({"reason": "x", "agent": "support-bot", "person": "ana"}),
            400,
        ),
        (
            json!({"reason": "x", "person": "ana", "also": vec!["a"; 9]}),
            400,
        ),
        (json!({"reason": "", "person": "ana"}), 400),
        (json!({"reason": "x", "agent": "suport-bot"}), 404),
    ] {
        let (status, answer) = post(&deps(&world), "/offboard", body.clone()).await;
        assert_eq!(status, expected, "{body}: {answer}");
    }
    assert_eq!(world.outside.inventory.all_offboardings(), []);
}
