//! `keyward drill`: a canary is cut off through emulated CloudWatch and SNS and the built kill switch.

use keyward_core::model::admin::BreakGlassResult;
use secrecy::ExposeSecret as _;

use super::*;

const SLOT: &str = "support-bot-openrouter";

/// What was recorded of the sealed credential of the slot's account.
async fn tried(local: &Local) -> Option<BreakGlassResult> {
    let account = "openrouter-main".parse().unwrap();
    let inventory = &local.deployment.ports.inventory;
    let record = inventory.admin(&account).await.unwrap()?;
    record.break_glass.map(|tried| tried.result)
}

#[tokio::test]
async fn a_canary_is_drilled_by_a_person_who_waits_and_sees_each_stage() {
    let Some(mut local) = local("drilled").await else {
        return;
    };
    let fleet = local.fleet.display().to_string();
    let register = format!("keyward register {fleet} {SLOT} --reason first");
    assert!(shell(&local, &register, "").await.status.success());
    let drill = format!("keyward drill {SLOT} --reason 'monthly drill'");
    // What speaks against the slot is said even where no slot can be drilled.
    for (line, expected) in [
        (format!("{drill} --yes"), "it is no canary"),
        (
            "keyward drill nobody --reason x --yes".to_owned(),
            "no slot `nobody`",
        ),
        (
            format!("keyward drill {SLOT} --reason ' '"),
            "the reason is empty",
        ),
    ] {
        let refused = shell(&local, &line, "").await;
        assert_eq!(refused.status.code(), Some(1));
        let said = text(&refused.stderr);
        assert!(said.contains(expected), "{line}: {said}");
    }

    // The sealed credential is tried first, and that it is refused stands on record; the slot is no canary all the same.
    let tries = format!("{drill} --yes --break-glass");
    let refused = shell(&local, &tries, "sk-or-v1-EXAMPLEwrong").await;
    assert_eq!(refused.status.code(), Some(1));
    let (said, complained) = (text(&refused.stdout), text(&refused.stderr));
    assert!(said.contains("is REFUSED by openrouter"), "{said}");
    assert!(complained.contains("it is no canary"), "{complained}");
    assert_eq!(tried(&local).await, Some(BreakGlassResult::Refused));

    let guard = local.with_drills().await;
    let slot = SLOT.parse().unwrap();
    guard.watch(&slot).await;
    guard.recovers(&slot).await;
    let refused = shell(&local, &format!("{drill} --yes"), "").await;
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stderr);
    assert!(said.contains("it is no canary"), "{said}");
    let mut entries: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&local.fleet).unwrap()).unwrap();
    entries["slots"][SLOT]["canary"] = true.into();
    std::fs::write(&local.fleet, entries.to_string()).unwrap();
    for line in [
        format!("keyward register {fleet} {SLOT} --reason canary"),
        format!("keyward enforce {SLOT} --reason canary"),
        format!("keyward drill {SLOT} --dry-run"),
    ] {
        let done = shell(&local, &line, "").await;
        assert!(done.status.success(), "{line}: {}", text(&done.stderr));
    }
    let unsaid = shell(&local, &drill, SLOT).await;
    assert_eq!(unsaid.status.code(), Some(1));
    let said = text(&unsaid.stderr);
    assert!(said.contains("nothing was changed: say --yes"), "{said}");

    let deployment = &local.deployment;
    let current = deployment.version(&slot, VersionState::Current).await;
    let waits = format!("{tries} --wait --timeout 240");
    let sealed = deployment.simulator.management_key();
    let (done, ()) = tokio::join!(
        shell(&local, &waits, sealed.expose_secret()),
        deployment.until_drilled(&slot)
    );
    let said = text(&done.stdout);
    assert!(done.status.success(), "{said}{}", text(&done.stderr));
    assert_eq!(tried(&local).await, Some(BreakGlassResult::Works));
    for stage in [
        "the break-glass credential works",
        "score put",
        "alarm changed",
        "claimed",
        "cut off",
        "people told",
        "replacement in use",
        "confirmed dead",
        "done",
    ] {
        assert!(said.contains(stage), "{stage}: {said}");
    }
    deployment.assert_at_provider(&slot, &current, false).await;
    deployment.assert_no_key_text().await;
}
