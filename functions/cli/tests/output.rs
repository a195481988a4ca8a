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
