//! The command as a process: what it reads, and what becomes of results that cannot be written.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

use std::fs::OpenOptions;
use std::io::Write;
use std::process::{Command, Stdio};

fn keyward() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
    command
        .env_clear()
        .env("AWS_REGION", "us-east-1")
        .env("KEYWARD_EXTRA_ROOTS", "")
        .env("AWS_EC2_METADATA_DISABLED", "true");
    command
}

/// `keyward providers`, which calls nobody.
fn providers(output: Stdio) -> (Option<i32>, String) {
    let run = keyward()
        .arg("providers")
        .stdout(output)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let complaint = String::from_utf8(run.stderr).unwrap();
    (run.status.code(), complaint)
}

#[test]
fn results_that_cannot_be_written_are_a_failure() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (code, complaint) = providers(full.into());
    assert_eq!(code, Some(1));
    assert!(complaint.contains("cannot be written"), "{complaint}");
    assert_eq!(providers(Stdio::null()), (Some(0), String::new()));
}

/// `keyward pool add` with this input and no control function: what it complains of.
fn pool_add(input: &str) -> String {
    let mut command = keyward();
    let mut child = command
        .args(["pool", "add", "anthropic-main", "--reason", "x"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may stop reading before the end.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let run = child.wait_with_output().unwrap();
    assert_eq!(run.status.code(), Some(1));
    String::from_utf8(run.stderr).unwrap()
}

#[test]
fn keys_are_read_whole_or_not_at_all() {
    let comments = "# no key\n".repeat(600_000);
    for (input, expected) in [
        ("", "no key on standard input"),
        ("# no key\r\n\r\n", "no key on standard input"),
        ("\u{feff}", "no key on standard input"),
        (&format!("{comments}key\n"), "longer than 4 MB"),
        ("key\n", "KEYWARD_CONTROL_URL is not set"),
    ] {
        let said = pool_add(input);
        let shown = input.get(..12).unwrap_or(input);
        assert!(said.contains(expected), "{shown:?}: {said}");
    }
}

/// Eleven days and a half of one request in each five minutes.
fn steady_trace(folder: &std::path::Path) {
    let mut text = "time,requests\n".to_owned();
    for bucket in 0..11 * 288 + 144 {
        let (day, minute) = (bucket / 288 + 1, bucket % 288 * 5);
        let (hour, minute) = (minute / 60, minute % 60);
        text += &format!("2026-01-{day:02} {hour:02}:{minute:02}:00,1\n");
    }
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("nab_steady.csv"), text).unwrap();
}

#[test]
fn a_backtest_prints_figures_and_writes_a_page() {
    let folder = std::env::temp_dir().join(format!("keyward-backtest-{}", std::process::id()));
    steady_trace(&folder);
    let html = folder.join("report.html");
    let mut command = keyward();
    command
        .arg("backtest")
        .arg(&folder)
        .args(["--json", "--seeds", "2", "--html"]);
    let run = command.arg(&html).output().unwrap();
    assert_eq!(
        run.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
    let json: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(json["targets"][0]["must_reached"], true);
    assert_eq!(json["pooled"]["keys"], 2, "one key, played with two seeds");
    assert_eq!(json["seeds"][0]["keys"], 1);
    let page = std::fs::read_to_string(&html).unwrap();
    assert!(
        page.contains("<h2>nab_steady</h2>") && page.contains("<svg"),
        "{page}"
    );
    std::fs::remove_dir_all(&folder).unwrap();
    let gone = keyward().arg("backtest").arg(&folder).output().unwrap();
    assert_eq!(gone.status.code(), Some(1));
}

#[test]
fn a_backtest_is_of_traces_or_of_slots() {
    for words in [
        &["backtest"][..],
        &["backtest", "traces", "--slots"],
        &["backtest", "--slot", "a", "--slots"],
        &["backtest", "--slot", "a", "--inject"],
    ] {
        let run = keyward().args(words).output().unwrap();
        assert_eq!(run.status.code(), Some(2), "{words:?}");
    }
    let run = keyward().args(["backtest", "--slots"]).output().unwrap();
    let complaint = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(1));
    assert!(complaint.contains("KEYWARD_TABLE"), "{complaint}");
}

/// What the command says of a fleet file, without a control function: standard output and error.
fn plan(file: &std::path::Path) -> (Option<i32>, String) {
    let run = keyward().arg("plan").arg(file).output().unwrap();
    assert_eq!(String::from_utf8(run.stdout).unwrap(), "");
    (run.status.code(), String::from_utf8(run.stderr).unwrap())
}

#[test]
fn a_faulty_fleet_file_is_told_by_line_and_never_sent() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join(format!("keyward-{}.toml", std::process::id()));
    let shown = file.display().to_string();
    let key = "sk-or-v1-EXAMPLE0123456789abcdef0123456789abcdef";
    for (text, line, what) in [
        (
            "version = 1\n[agents.a]\nboss = \"ana\"\n".to_owned(),
            3,
            "unknown field `boss`",
        ),
        (
            format!("version = 1\n# the key is {key}\n"),
            2,
            "looks like a key",
        ),
    ] {
        std::fs::write(&file, text).unwrap();
        let (code, complaint) = plan(&file);
        assert_eq!(code, Some(1), "{complaint}");
        assert!(
            complaint.starts_with(&format!("{shown}:{line}: ")),
            "{complaint}"
        );
        assert!(
            complaint.contains(what) && complaint.contains("nothing was sent"),
            "{complaint}"
        );
        assert!(!complaint.contains("EXAMPLE"), "{complaint}");
    }
    std::fs::write(&file, "version = 1\n").unwrap();
    let (code, complaint) = plan(&file);
    assert_eq!(code, Some(1));
    assert!(
        complaint.contains("KEYWARD_CONTROL_URL is not set"),
        "{complaint}"
    );
}

/// Two says that something differs; a wrong word must not look like that.
#[test]
fn a_wrong_command_line_is_no_difference() {
    for (words, code) in [(&["plan", "--nope"][..], 1), (&["apply", "--nope"], 2)] {
        let run = keyward().args(words).output().unwrap();
        assert_eq!(run.status.code(), Some(code), "{words:?}");
    }
}

#[test]
fn shells_get_what_they_need_to_complete_words() {
    for shell in ["bash", "zsh", "fish"] {
        let run = keyward().args(["completions", shell]).output().unwrap();
        let script = String::from_utf8(run.stdout).unwrap();
        assert!(run.status.success(), "{shell}");
        assert!(
            script.contains("apply") && script.contains("planned"),
            "{shell}"
        );
    }
}
