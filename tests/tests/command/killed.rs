//! `keyward kill`: a person cuts a slot off, with the real function.

use super::*;

const SLOT: &str = "support-bot-openrouter";

/// A deployment in which the slot is registered.
async fn registered(name: &str) -> Option<Local> {
    let local = local(name).await?;
    let register = format!(
        "keyward register {} {SLOT} --reason first",
        local.fleet.display()
    );
    assert!(shell(&local, &register, "").await.status.success());
    Some(local)
}

#[tokio::test]
async fn a_slot_is_cut_off_by_a_person_who_says_its_name() {
    let Some(local) = registered("killed").await else {
        return;
    };
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
    let plan = shell(&local, &format!("keyward kill {SLOT} --leak --dry-run"), "").await;
    let said = text(&plan.stdout);
    assert!(said.contains("suspended, then deleted"), "{said}");
    let down = format!("KEYWARD_CONTROL_URL=http://127.0.0.1:1/ {kill} --yes");
    let down = shell(&local, &down, "").await;
    let said = text(&down.stderr);
    assert_eq!(down.status.code(), Some(1), "{said}");
    let command = format!("keyward kill {SLOT} --offline --account ACCOUNT");
    assert!(said.contains(&command), "{said}");
    let silent = shell(&local, &format!("keyward kill {SLOT} --reason ' '"), "").await;
    let said = text(&silent.stderr);
    assert!(said.contains("the reason is empty"), "{said}");
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

    let restore = format!("keyward restore {SLOT} --key newest --reason 'a load test'");
    let done = shell(&local, &restore, "").await;
    let said = text(&done.stdout);
    assert!(done.status.success(), "{said}{}", text(&done.stderr));
    assert!(said.contains("works again"), "{said}");
    assert!(said.contains("active, it was restricted"), "{said}");
    deployment.assert_at_provider(&slot, &current, true).await;
    let again = shell(
        &local,
        &format!("keyward restore {SLOT} --key nobody --reason x"),
        "",
    )
    .await;
    assert_eq!(again.status.code(), Some(1));

    let json = shell(&local, &format!("{kill} --leak --yes --json"), "").await;
    let answer: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(answer["final"], true, "{answer}");
    assert_eq!(answer["result"], "contained", "{answer}");
    deployment.assert_no_key_text().await;
}

#[tokio::test]
async fn a_stolen_key_is_cut_off_and_the_slot_brought_back_as_readme_says() {
    let Some(local) = local("stolen").await else {
        return;
    };
    let apply = format!("keyward apply {} --reason first", local.fleet.display());
    assert!(shell(&local, &apply, "").await.status.success());
    let ran = says_what_readme_says(&local, "A key is stolen").await;
    assert!(ran >= 3, "README shows {ran} commands");
    let restore = format!("keyward restore {SLOT} --reason 'the leak is closed'");
    let lifted = shell(&local, &restore, "").await;
    let said = text(&lifted.stdout);
    assert!(said.contains("active, it was restricted"), "{said}");
    let again = shell(&local, &format!("keyward restore {SLOT} --dry-run"), "").await;
    let said = text(&again.stdout);
    assert!(said.contains("nothing would be"), "{said}");
    let status = shell(&local, &format!("keyward status {SLOT}"), "").await;
    let said = text(&status.stdout);
    assert!(
        said.contains("until ") && said.contains(" --key "),
        "{said}"
    );

    // The rehearsal of an offline kill, with the files that lie ready, finds the replacement and nothing that is dead.
    let slot = SLOT.parse().unwrap();
    local.deployment.until_replaced(&slot).await;
    let line = printed(&local, "keyward kill", "--offline");
    let rehearsed = shell(&local, &line, "").await;
    let said = text(&rehearsed.stdout);
    assert!(
        rehearsed.status.success(),
        "{said}{}",
        text(&rehearsed.stderr)
    );
    assert!(
        said.contains("1 key at openrouter would be cut off\n"),
        "{said}"
    );
    local.deployment.assert_no_key_text().await;
}

/// From a report on disk to a dead key, and the same report again, which ends nothing more.
#[tokio::test]
async fn a_leaked_key_is_dead_by_one_command_and_never_leaves_the_machine() {
    let Some(local) = registered("leaked").await else {
        return;
    };
    let deployment = &local.deployment;
    let slot = SLOT.parse().unwrap();
    let current = deployment.version(&slot, VersionState::Current).await;
    let leaked = deployment.text_of(&slot).await;
    let stranger = "sk-or-v1-EXAMPLEffff0000ffff0000ffff0000ffff0000";
    let find = |secret: &str| {
        serde_json::json!({
            "RuleID": "openrouter-api-key", "File": "src/app.py", "StartLine": 12, "Commit": "",
            "Match": format!("KEY = '{secret}'"), "Secret": secret,
        })
    };
    let folder = folder("leaked-report");
    std::fs::create_dir_all(&folder).unwrap();
    let report = folder.join("gitleaks.json");
    let both = serde_json::json!([find(&leaked), find(stranger)]);
    std::fs::write(&report, both.to_string()).unwrap();

    let leak = format!("keyward leak {}", report.display());
    let plan = shell(&local, &format!("{leak} --dry-run"), "").await;
    let said = text(&plan.stdout);
    assert_eq!(plan.status.code(), Some(1), "{said}{}", text(&plan.stderr));
    assert!(said.contains("it would be cut off for good"), "{said}");
    deployment.assert_at_provider(&slot, &current, true).await;

    let done = shell(&local, &format!("{leak} --yes --reason 'found in CI'"), "").await;
    let said = text(&done.stdout);
    assert_eq!(
        done.status.code(),
        Some(1),
        "the other key lives on: {said}"
    );
    assert!(said.contains("ALIVE"), "{said}{}", text(&done.stderr));
    assert!(said.contains("of nobody: end it at its provider"), "{said}");
    assert!(
        said.contains("src/app.py:12 (gitleaks: openrouter-api-key)"),
        "{said}"
    );
    assert!(said.contains("cut off for good, "), "{said}");
    assert!(said.contains(" s after this began"), "{said}");
    deployment.assert_at_provider(&slot, &current, false).await;

    std::fs::write(&report, serde_json::json!([find(&leaked)]).to_string()).unwrap();
    let again = shell(&local, &format!("{leak} --yes --reason 'found again'"), "").await;
    assert!(again.status.success(), "{}", text(&again.stderr));
    let piped = shell(&local, "keyward leak - --dry-run --json", &leaked).await;
    let answer: serde_json::Value = serde_json::from_slice(&piped.stdout).unwrap();
    assert_eq!(answer["answers"][0]["finds"][0]["slot"], SLOT, "{answer}");
    assert_eq!(answer["answers"][0]["would_cut_off"], serde_json::json!([]));
    let hidden = serde_json::json!([find("REDACTED")]);
    std::fs::write(&report, hidden.to_string()).unwrap();
    let unseen = shell(&local, &format!("{leak} --dry-run"), "").await;
    assert_eq!(unseen.status.code(), Some(3), "{}", text(&unseen.stderr));
    let wrong = shell(&local, "keyward leak Cargo.toml --dry-run", "").await;
    assert_eq!(wrong.status.code(), Some(1));
    std::fs::remove_dir_all(&folder).unwrap();
    for output in [plan, done, again, piped] {
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert!(
            !said.contains(&leaked) && !said.contains(stranger),
            "{said}"
        );
    }
    deployment.assert_no_key_text().await;
}
