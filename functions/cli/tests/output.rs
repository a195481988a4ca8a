//! What becomes of results that cannot be written.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

use std::fs::OpenOptions;
use std::process::{Command, Stdio};

/// `keyward providers`, which calls nobody.
fn providers(output: Stdio) -> (Option<i32>, String) {
    let run = Command::new(env!("CARGO_BIN_EXE_keyward"))
        .arg("providers")
        .env_clear()
        .env("AWS_REGION", "us-east-1")
        .env("KEYWARD_EXTRA_ROOTS", "")
        .env("AWS_EC2_METADATA_DISABLED", "true")
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
