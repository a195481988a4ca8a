//! What keeps keys out of a repository, as a developer meets it: real Git, the files that `keyward init-repo` writes, and
//! detect-secrets itself. gitleaks has no package that could be installed here: its rules are read in the command's own tests.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use keyward_core::model::key_formats::{KeyShape, SHAPES};
use keyward_tests::functions::build_command;
use keyward_tests::scanners::{detect_secrets, hook_arguments, python_library};
use serde_json::Value;

static KEYWARD: LazyLock<PathBuf> = LazyLock::new(|| build_command().unwrap());

/// A repository of one test's own.
struct Repository(PathBuf);

impl Repository {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("scan-{name}"));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let repository = Self(folder);
        repository.git(&["init", "--quiet"]);
        repository
    }

    fn git(&self, arguments: &[&str]) {
        let mut git = Command::new("git");
        let status = git.args(arguments).current_dir(&self.0).status();
        assert!(status.unwrap().success(), "{arguments:?}");
    }

    fn write(&self, file: &str, text: &str) {
        let file = self.0.join(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    fn keyward(&self, line: &str) -> Output {
        let mut command = Command::new(&*KEYWARD);
        command.args(line.split(' ')).current_dir(&self.0);
        // Whoever asked AWS would wait for nobody.
        command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
        command.output().unwrap()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A line of an `.env` file with a key in it.
fn assigned(shape: &KeyShape, key: &str) -> String {
    let word = shape.named.first().unwrap_or(&"llm").to_uppercase();
    format!("{word}_API_KEY=\"{key}\"")
}

#[test]
fn a_key_is_found_in_what_the_next_commit_adds() {
    let repository = Repository::new("staged");
    let key = SHAPES[0].made_up();
    let line = assigned(&SHAPES[0], &key);
    repository.write("src/a file.py", &format!("import os\n{line}\n"));
    let none = repository.keyward("scan --staged");
    assert!(none.status.success(), "{}", said(&none));
    repository.git(&["add", "src/a file.py"]);
    // What stands in the folder meanwhile is not what is committed.
    repository.write("src/a file.py", "import os\n");
    let found = repository.keyward("scan --staged");
    assert_eq!(found.status.code(), Some(1), "{}", said(&found));
    let told = said(&found);
    assert!(told.contains("src/a file.py:2:14"), "{told}");
    assert!(
        told.contains("openrouter-key") && told.contains("keyward leak"),
        "{told}"
    );
    assert!(!told.contains(&key[10..30]), "{told}");
    repository.git(&["add", "src/a file.py"]);
    assert!(repository.keyward("scan --staged").status.success());
}

/// As PowerShell writes it, and with letters of two bytes before it.
#[test]
fn a_key_is_found_in_utf_16_and_its_column_counts_characters() {
    let repository = Repository::new("wide");
    let key = SHAPES[0].made_up();
    let units = format!("\u{feff}é = \"{key}\"\r\n");
    let bytes: Vec<u8> = units.encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(repository.0.join("wide.env"), bytes).unwrap();
    let output = repository.keyward("scan --json");
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["found"][0]["column"], 6, "{json}");
    assert_eq!(json["found"][0]["kind"], "openrouter-key");
}

#[test]
fn what_git_ignores_is_looked_at_only_when_that_is_asked_for() {
    let repository = Repository::new("ignored");
    let line = assigned(&SHAPES[2], &SHAPES[2].made_up());
    repository.write(".gitignore", ".env\n");
    repository.write(".env", &line);
    repository.write(".hidden/settings", "nothing\n");
    let output = repository.keyward("scan --json");
    assert!(output.status.success(), "{}", said(&output));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["files"], 2);
    let output = repository.keyward("scan --ignored --json");
    assert_eq!(output.status.code(), Some(1));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["found"][0]["file"], ".env");
    assert_eq!(json["found"][0]["kind"], "anthropic-key");
    // What Git has, it ignores no more.
    repository.git(&["add", "--force", ".env"]);
    let output = repository.keyward("scan");
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let none = repository.keyward("scan nowhere");
    assert_eq!(none.status.code(), Some(1));
    assert!(said(&none).contains("nowhere is not there; nothing was looked at"));
}

#[test]
fn detect_secrets_finds_each_kind_of_key_by_the_written_rules_and_lets_go_near_misses() {
    let repository = Repository::new("hooks");
    let output = repository.keyward("init-repo");
    assert!(output.status.success(), "{}", said(&output));
    let hook = detect_secrets().unwrap().join("detect-secrets-hook");
    let hooks = std::fs::read_to_string(repository.0.join(".pre-commit-config.yaml")).unwrap();
    let arguments = hook_arguments(&hooks);
    assert!(arguments.contains(&"--plugin".to_owned()), "{arguments:?}");
    let finds = |text: &str| {
        repository.write("settings.txt", &format!("{text}\n"));
        repository.git(&["add", "settings.txt"]);
        let mut command = Command::new(&hook);
        command.args(&arguments).args(["--json", "settings.txt"]);
        let output = command.current_dir(&repository.0).output().unwrap();
        let told = said(&output);
        assert!(matches!(output.status.code(), Some(0 | 1)), "{told}");
        let found = !output.status.success();
        assert_eq!(found, told.contains("LLM provider key"), "{told}");
        found
    };
    // One file with all of them: its report has a line for each.
    let texts: Vec<String> = SHAPES
        .iter()
        .map(|shape| assigned(shape, &shape.made_up()))
        .collect();
    repository.write("settings.txt", &(texts.join("\n") + "\n"));
    repository.git(&["add", "settings.txt"]);
    let mut command = Command::new(&hook);
    command.args(&arguments).args(["--json", "settings.txt"]);
    let output = command.current_dir(&repository.0).output().unwrap();
    let told = said(&output);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{told}"));
    let found = report["results"]["settings.txt"].as_array().unwrap();
    for (at, shape) in SHAPES.iter().enumerate() {
        let is_it =
            |entry: &&Value| entry["line_number"] == at + 1 && entry["type"] == "LLM provider key";
        assert!(found.iter().any(|entry| is_it(&entry)), "{}", shape.id);
    }
    let misses: Vec<String> = SHAPES
        .iter()
        .map(|shape| {
            let key = shape.made_up();
            assigned(shape, &key[..key.len() - 2])
        })
        .collect();
    assert!(!finds(&misses.join("\n")));
}

#[test]
fn pythons_standard_library_holds_no_key() {
    let library = python_library().unwrap();
    // What was installed into it is not of it.
    let folders: Vec<String> = [
        "email",
        "http",
        "test",
        "unittest",
        "asyncio",
        "json",
        "ssl.py",
        "hashlib.py",
    ]
    .iter()
    .map(|name| library.join(name))
    .filter(|path| path.exists())
    .map(|path| path.display().to_string())
    .collect();
    assert!(!folders.is_empty(), "{}", library.display());
    let repository = Repository::new("library");
    let output = repository.keyward(&format!("scan --ignored --json {}", folders.join(" ")));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["found"], serde_json::json!([]));
    assert!(json["files"].as_u64() > Some(50), "{}", json["files"]);
}
