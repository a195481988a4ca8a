//! Each command of the runbook and of the page on deploying, given to a deployment in their order.

use secrecy::ExposeSecret as _;

use super::*;

const SLOT: &str = "support-bot-openrouter";

/// How often a command may ask to be given again.
const AGAIN: usize = 10;

/// What a command says that could not do anything, given all of them in a row.
const NOTHING_TO_DO: [&str; 3] = [
    // What runs here is no stack that could be stopped, or given a credential: tests/lockdown.rs plays both.
    "KEYWARD_STACK is not set",
    // The same keys twice.
    "NOT added",
    // An offline kill of a slot whose keys are cut off.
    "0 of 0 keys",
];

/// The commands of the pages for operators, with what a reader puts in.
fn commands(local: &Local, folder: &Path) -> Vec<String> {
    let pages = [
        include_str!("../../../infra/README.md"),
        include_str!("../../../infra/RUNBOOK.md"),
    ];
    let blocks = pages.iter().flat_map(|page| page.split("```sh\n").skip(1));
    let lines = blocks.flat_map(|block| block.split("```").next().unwrap().lines());
    let lines = lines.map(str::trim_start);
    let lines = lines.filter(|line| line.starts_with("keyward "));
    let file = |name: &str| folder.join(name).display().to_string();
    let soon = "$(date -u -d +1day +%FT%TZ)";
    let put = |line: &str| {
        let mut line = line
            .replace("search-bot ", &format!("{SLOT} "))
            .replace("drill canary", &format!("drill {SLOT}"))
            .replace("2026-12-01T00:00:00Z", soon)
            .replace(
                "keyward plan ",
                &format!("keyward plan {} ", local.fleet.display()),
            )
            .replace(
                "keyward apply ",
                &format!("keyward apply {} ", local.fleet.display()),
            )
            .replace(" keys.txt", &format!(" {}", local.standby.display()));
        for name in [
            "accounts.json",
            "admin-key.txt",
            "break-glass.txt",
            "prices.json",
        ] {
            line = line.replace(&format!(" {name}"), &format!(" {}", file(name)));
        }
        // No function carries a case on here: what is begun is seen, not its end.
        line = line.replace(
            " --wait --evidence ana.json",
            &format!(" --evidence {}", file("ana.json")),
        );
        match line.starts_with("keyward kill") && !line.contains("--yes") {
            // A person types the slot's name instead.
            true => line + " --yes",
            false => line,
        }
    };
    lines.map(|line| put(&format!("{line} "))).collect()
}

/// Gives a command, and again as long as it asks for that: a kill is still at work when the next command comes.
async fn given(local: &Local, line: &str) -> (Output, String) {
    for _ in 0..AGAIN {
        let output = shell(local, line, "").await;
        let said = text(&output.stdout) + &text(&output.stderr);
        if output.status.success() || !said.contains("Send it again in a moment") {
            return (output, said);
        }
    }
    panic!("{line}: it asked to be given again {AGAIN} times");
}

#[tokio::test]
async fn every_command_for_operators_is_carried_out_or_says_what_is_in_its_way() {
    let Some(local) = local("runbook").await else {
        return;
    };
    let folder = folder("runbook-files");
    std::fs::create_dir_all(&folder).unwrap();
    let admin = local.deployment.simulator.management_key();
    let prices = include_str!("../../../shared/core/prices/prices.json");
    for (name, text) in [
        ("accounts.json", local.deployment.accounts.as_str()),
        ("admin-key.txt", admin.expose_secret()),
        ("break-glass.txt", admin.expose_secret()),
        ("prices.json", prices),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let apply = format!("keyward apply {} --reason first", local.fleet.display());
    let applied = shell(&local, &apply, "").await;
    assert!(applied.status.success(), "{}", text(&applied.stderr));

    let mut lines = commands(&local, &folder);
    // A leak is for good: nothing could be restored after it.
    lines.sort_by_key(|line| line.contains("--leak"));
    let mut done = 0;
    let mut failed = String::new();
    for line in &lines {
        let (output, said) = given(&local, line).await;
        let lower = said.to_lowercase();
        let is_refused = lower.contains("nothing was changed")
            || NOTHING_TO_DO.iter().any(|known| said.contains(known));
        match output.status.code() {
            Some(0) => done += 1,
            // Something differs, or was not seen.
            Some(2) if line.starts_with("keyward plan ") => done += 1,
            // No monitor runs here, and doctor says so of an installation that it could look at.
            Some(1) if line.starts_with("keyward doctor") && said.contains("it answers") => {
                done += 1;
            }
            // A key that people made is left, and named.
            Some(3) if line.contains("--offline") => done += 1,
            Some(1) if is_refused => {}
            code => failed += &format!("{line}: {code:?}\n{said}\n"),
        }
    }
    assert!(failed.is_empty(), "{failed}");
    assert!(
        lines.len() > 40 && done > 28,
        "{done} of {} were done",
        lines.len()
    );
    local.deployment.assert_no_key_text().await;
}
