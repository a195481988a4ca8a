//! The scripts that build and deploy refuse what must not be deployed: their own tests, on this machine's Python.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::path::Path;
use std::process::Command;

#[test]
fn what_must_not_be_deployed_is_refused() {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/release");
    let mut python = Command::new("python3");
    python.args(["-B", "-m", "unittest", "discover", "--pattern", "*_test.py"]);
    let output = python.current_dir(scripts).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("Ran 13 tests"), "{said}");
}
