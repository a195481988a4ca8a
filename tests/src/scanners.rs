//! detect-secrets, as a developer has it: set up below `target/` when its pins change.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What prints the folder of its programs.
const SET_UP: &str = "import pathlib, sys, tools
pins = pathlib.Path(sys.argv[1])
tools.main(lambda: print(tools.environment('checkers/scan', pins)))";

/// The folder with its programs.
///
/// # Errors
/// It cannot be installed: Python 3 with venv and pip, and its package registry, are needed. Why goes to standard error.
pub fn detect_secrets() -> Result<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let root = root.canonicalize().map_err(|error| error.to_string())?;
    let output = Command::new("python3")
        .args(["-B", "-c", SET_UP])
        .arg(root.join("tests/scan/requirements.txt"))
        .current_dir(root.join("infra/release"))
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("python3 cannot be run: {error}"))?;
    if !output.status.success() {
        return Err("detect-secrets cannot be set up".to_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().into())
}

/// The arguments that the written hooks give to detect-secrets: the lines below `args:`.
pub fn hook_arguments(hooks: &str) -> Vec<String> {
    let below = hooks.split("args:\n").nth(1).unwrap_or_default();
    let arguments = below.lines().map(str::trim);
    let arguments = arguments.map_while(|line| line.strip_prefix("- "));
    arguments.map(str::to_owned).collect()
}

/// Where Python's own library lies.
///
/// # Errors
/// Python 3 cannot be run.
pub fn python_library() -> Result<PathBuf, String> {
    let script = "import sysconfig; print(sysconfig.get_paths()['stdlib'])";
    let output = Command::new("python3")
        .args(["-c", script])
        .output()
        .map_err(|error| format!("python3 cannot be run: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().into())
}
