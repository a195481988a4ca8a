//! From an exported list to the slot of a key that lies about, and on to what would be cut off.

use super::*;

const SLOT: &str = "support-bot-openrouter";

#[tokio::test]
async fn a_key_that_lies_about_is_told_with_its_slot_offline_and_what_is_told_is_what_leak_takes() {
    let Some(local) = local("scanned").await else {
        return;
    };
    let fleet = local.fleet.display();
    let register = format!("keyward register {fleet} {SLOT} --reason first");
    assert!(shell(&local, &register, "").await.status.success());
    let key = local.deployment.text_of(&SLOT.parse().unwrap()).await;

    let folder = folder("scanned-files");
    std::fs::create_dir_all(&folder).unwrap();
    let at = folder.display();
    let app = folder.join("an app.py");
    std::fs::write(&app, format!("import os\nclient = Client(\"{key}\")\n")).unwrap();
    let list = shell(
        &local,
        &format!("keyward fingerprints > {at}/known.json"),
        "",
    )
    .await;
    assert!(list.status.success(), "{}", text(&list.stderr));

    // Nothing is there that could be asked.
    let scan =
        format!("env -i $(command -v keyward) scan '{at}/an app.py' --known {at}/known.json");
    let told = shell(&local, &scan, "").await;
    let said = text(&told.stdout);
    assert_eq!(told.status.code(), Some(1), "{said}{}", text(&told.stderr));
    assert!(said.contains("an app.py:2:18"), "{said}");
    assert!(
        said.contains(&format!("yours: slot {SLOT}, live")),
        "{said}"
    );

    let sarif = format!("{scan} --format sarif > {at}/found.sarif");
    assert_eq!(shell(&local, &sarif, "").await.status.code(), Some(1));
    let leak = format!("keyward leak {at}/found.sarif --root / --dry-run");
    let plan = shell(&local, &leak, "").await;
    let said = text(&plan.stdout);
    assert!(said.contains(SLOT), "{said}{}", text(&plan.stderr));

    for file in ["known.json", "found.sarif"] {
        let written = std::fs::read_to_string(folder.join(file)).unwrap();
        assert!(!written.contains(&key), "{file}");
    }
    let refused = shell(&local, "KEYWARD_TABLE= keyward fingerprints", "").await;
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(text(&refused.stdout), "");
}
