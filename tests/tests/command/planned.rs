//! The fleet file as people write it: planned, applied, planned again.

use super::*;

/// The sample fleet as TOML, with one owner and what holds for prod.
fn toml(local: &Local, owner: &str) -> String {
    let fleet = std::fs::read_to_string(&local.fleet).unwrap();
    let fleet: serde_json::Value = serde_json::from_str(&fleet).unwrap();
    let mut text =
        "version = 1\n\n[environments.prod]\npolicy = { max_age_days = 45 }\n".to_owned();
    for (name, account) in fleet["accounts"].as_object().unwrap() {
        text += &format!("\n[accounts.{name}]\nprovider = {}\n", account["provider"]);
    }
    for (name, agent) in fleet["agents"].as_object().unwrap() {
        let environment = &agent["environment"];
        text += &format!("\n[agents.{name}]\nowner = \"{owner}\"\nenvironment = {environment}\n");
    }
    for (name, slot) in fleet["slots"].as_object().unwrap() {
        let (agent, account, secret) = (&slot["agent"], &slot["account"], &slot["secret"]);
        text +=
            &format!("\n[slots.{name}]\nagent = {agent}\naccount = {account}\nsecret = {secret}\n");
        if let Some(scope) = slot["scope"].as_object() {
            let fields = scope
                .iter()
                .map(|(field, value)| format!("{field} = {value}"));
            text += &format!("scope = {{ {} }}\n", fields.collect::<Vec<_>>().join(", "));
        }
    }
    text
}

#[tokio::test]
async fn a_fleet_in_toml_is_planned_and_applied_as_shown() {
    let Some(mut local) = local("planned").await else {
        return;
    };
    let _guard = local.with_drills().await;
    let folder = local.fleet.parent().unwrap().display().to_string();
    let file = format!("{folder}/keyward.toml");
    let run = async |line: &str| {
        let output = shell(&local, &format!("cd {folder}; {line}"), "").await;
        let (said, complained) = (text(&output.stdout), text(&output.stderr));
        (output.status.code(), said, complained)
    };
    std::fs::write(&file, toml(&local, "ana@example.com")).unwrap();
    let (code, said, complained) = run("keyward plan").await;
    assert_eq!(code, Some(2), "{complained}");
    assert!(
        said.ends_with("Plan: 3 to register, 0 to change, 0 as the file says.\n"),
        "{said}"
    );
    let (code, said, complained) = run("keyward apply --reason first").await;
    assert_eq!(code, Some(0), "{said}{complained}");
    let (code, said, complained) = run("keyward plan --out today.plan").await;
    assert_eq!(code, Some(0), "{said}{complained}");
    assert!(said.contains("= alarm: there is none"), "{said}");
    assert!(said.contains("Nothing is left for you to do."), "{said}");

    std::fs::write(&file, toml(&local, "cleo@example.com")).unwrap();
    let (code, said, _) = run("keyward plan").await;
    assert_eq!(code, Some(2));
    let change = "    ~ owner: \"ana@example.com\" → \"cleo@example.com\"\n";
    assert_eq!(said.matches(change).count(), 3, "{said}");
    let (code, said, _) = run("keyward apply --planned today.plan --reason x").await;
    assert_eq!(code, Some(1), "the file moved since: {said}");
    assert_eq!(said.matches("NOT AS PLANNED").count(), 3, "{said}");
    assert_eq!(run("keyward plan --out today.plan").await.0, Some(2));
    let (code, said, complained) = run("keyward apply --planned today.plan --reason x").await;
    assert_eq!(code, Some(0), "{said}{complained}");
    assert_eq!(said.matches(": changed: owner\n").count(), 3, "{said}");
    let (code, said, _) = run("keyward plan --json").await;
    let answer: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (code, &answer["counts"]["unchanged"]),
        (Some(0), &3.into()),
        "{answer}"
    );

    let broken = toml(&local, "cleo@example.com").replace("[agents.", "[agent.");
    std::fs::write(&file, broken).unwrap();
    let (code, said, complained) = run("keyward plan").await;
    assert_eq!((code, said.as_str()), (Some(1), ""));
    assert!(complained.starts_with("keyward.toml:"), "{complained}");
    assert!(complained.contains("nothing was sent"), "{complained}");
}
