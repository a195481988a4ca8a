//! The list of cases.

use std::collections::BTreeSet;
use std::path::Path;

use crate::{files, folder, folder_of};

/// The sources of all tests that `CASES.md` can name.
fn test_sources() -> String {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut sources = String::new();
    let folders = [
        "",
        "audit",
        "cases",
        "azure",
        "bedrock",
        "kill_messages",
        "kill_switch",
        "monitor",
        "template",
        "usage",
    ];
    for folder in folders.map(|folder| tests.join(folder)) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    sources
}

/// The files that are played, those of usage and of audits among them.
fn all_files() -> Vec<String> {
    let others = ["usage", "audit"].into_iter().flat_map(|kind| {
        let entries = std::fs::read_dir(folder_of(kind)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap())
    });
    files().into_iter().chain(others).collect()
}

#[test]
fn every_case_has_a_line_and_every_named_test_is_there() {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("CASES.md");
    let list = std::fs::read_to_string(list).unwrap();
    let sources = test_sources();
    let ids = std::fs::read_to_string(folder().join("ids.txt")).unwrap();
    let ids: BTreeSet<&str> = ids.lines().collect();
    assert!(ids.len() > 70, "{}", ids.len());
    let mut listed = BTreeSet::new();
    for line in list.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let Some(id) = cells.get(1).filter(|id| ids.contains(*id)) else {
            continue;
        };
        assert!(listed.insert(*id), "{id} has two lines");
        let [_, _, what, shown, _] = cells[..] else {
            panic!("{id}: three columns are needed");
        };
        assert!(!what.is_empty() && !shown.is_empty(), "{id} says nothing");
        let names = shown.split('`').skip(1).step_by(2);
        let tests: Vec<&str> = names
            .filter(|name| name.starts_with(&id.to_lowercase().replace('-', "_")))
            .collect();
        for test in &tests {
            assert!(
                sources.contains(&format!("fn {test}(")),
                "{id}: there is no test {test}"
            );
        }
        let is_played = all_files().iter().any(|file| file.starts_with(*id));
        assert!(!is_played || !tests.is_empty(), "{id} is shown by no test");
        assert!(
            is_played || shown.contains("Later:") || shown.contains("Shown:"),
            "{id}: neither shown nor later"
        );
    }
    assert_eq!(listed, ids);
}

#[test]
fn every_file_is_played() {
    let source = test_sources();
    for file in all_files() {
        assert!(
            source.contains(&format!("\"{file}\"")),
            "{file} is played by no test"
        );
    }
}
