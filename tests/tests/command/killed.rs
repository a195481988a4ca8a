//! `keyward kill`: a person cuts a slot off, with the real function.

use super::*;

const SLOT: &str = "support-bot-openrouter";

#[tokio::test]
async fn a_slot_is_cut_off_by_a_person_who_says_its_name() {
    let Some(local) = local("killed").await else {
        return;
    };
    let register = format!(
        "keyward register {} {SLOT} --reason first",
        local.fleet.display()
    );
    assert!(shell(&local, &register, "").await.status.success());
    let deployment = &local.deployment;
    let slot = SLOT.parse().unwrap();
    let current = deployment.version(&slot, VersionState::Current).await;

    let kill = format!("keyward kill {SLOT} --reason 'calls at night'");
    let unsaid = shell(&local, &kill, SLOT).await;
    assert_eq!(unsaid.status.code(), Some(1));
    let said = text(&unsaid.stderr);
    assert!(said.contains("nothing was changed: say --yes"), "{said}");
    let plan = shell(&local, &format!("keyward kill {SLOT} --dry-run"), "").await;
    let said = text(&plan.stdout);
    assert!(plan.status.success(), "{}", text(&plan.stderr));
    assert!(said.contains("1 key would be cut off"), "{said}");
    deployment.assert_at_provider(&slot, &current, true).await;

    let done = shell(&local, &format!("{kill} --yes"), "").await;
    let said = text(&done.stdout);
    assert!(done.status.success(), "{said}{}", text(&done.stderr));
    let first: Vec<&str> = said.lines().take(2).collect();
    assert!(first[0].starts_with("KEY"), "{said}");
    assert!(first[1].contains("current") && first[1].contains("suspended"));
    assert!(said.contains(&format!("{SLOT}: cut off")), "{said}");
    assert!(said.contains("--key newest"), "{said}");
    deployment.assert_at_provider(&slot, &current, false).await;
    let acts = deployment.acts().await;
    let kills: Vec<_> = acts
        .iter()
        .filter(|a| a.operation.as_str() == "/kill")
        .collect();
    assert_eq!(kills.len(), 2);
    assert_eq!(kills[0].reason.as_str(), "calls at night");
    let status = shell(&local, "keyward status", "").await;
    assert!(text(&status.stdout).contains("RESTRICTED"));

    let json = shell(&local, &format!("{kill} --leak --yes --json"), "").await;
    let answer: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(answer["final"], true, "{answer}");
    assert_eq!(answer["result"], "contained", "{answer}");
    deployment.assert_no_key_text().await;
}
