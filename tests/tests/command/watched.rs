//! `make local` watches what its agents use: a run of the monitor later, `keyward status` shows it.

use super::*;

#[tokio::test]
async fn what_agents_spent_is_shown_after_the_monitor_ran() {
    let Some(mut local) = local("watched").await else {
        return;
    };
    let fleet = local.fleet.display().to_string();
    let apply = format!("keyward apply {fleet} --reason first");
    assert!(shell(&local, &apply, "").await.status.success());
    let guard = local.with_drills().await;
    local.deployment.watch(&guard).await;
    local.agents_work().await;
    let ran = local.deployment.monitor().await.unwrap();
    assert_eq!(ran["unseen"], serde_json::json!([]), "{ran}");
    let shown = shell(&local, "keyward status --json", "").await;
    assert!(shown.status.success(), "{}", text(&shown.stderr));
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    for slot in shown["slots"].as_array().unwrap() {
        assert_eq!(slot["usage"]["seen"], true, "{slot}");
    }
    assert_eq!(guard.alarms().await.len(), 3, "an alarm for each slot");
}
