//! The Python environment that emulators run in.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where scripts and pins are.
pub(crate) fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("emulators")
}

/// Where the environment and the logs are.
pub(super) fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/emulators")
}

/// The environment's interpreter, set up if it is not there yet; `None` where it cannot be had.
///
/// # Panics
/// If it cannot be had and `CI` is set.
#[expect(clippy::disallowed_methods, reason = "whether this is CI")]
pub(crate) fn python() -> Option<PathBuf> {
    match set_up() {
        Ok(python) => Some(python),
        Err(why) if std::env::var_os("CI").is_some() => panic!("no emulators: {why}"),
        Err(why) => {
            crate::support::say(format_args!("ignored: no emulators: {why}"));
            None
        }
    }
}

fn set_up() -> Result<PathBuf, String> {
    let folder = target();
    fs::create_dir_all(folder.join("logs")).map_err(|e| e.to_string())?;
    let lock = File::create(folder.join("lock")).map_err(|e| e.to_string())?;
    lock.lock().map_err(|e| e.to_string())?;
    let pins = scripts().join("requirements.txt");
    let wanted = fs::read_to_string(&pins).map_err(|e| e.to_string())?;
    let environment = folder.join("python");
    let python = environment.join("bin/python");
    let installed = environment.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|present| present == wanted) {
        return Ok(python);
    }
    let _ = fs::remove_dir_all(&environment);
    run(Command::new("python3")
        .args(["-m", "venv"])
        .arg(&environment))?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--requirement"]);
    run(pip.arg(&pins))?;
    fs::write(&installed, wanted).map_err(|e| e.to_string())?;
    Ok(python)
}

fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|e| format!("{program} (Python 3 with venv and pip) cannot be run: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim().lines().last().unwrap_or_default();
    Err(format!("{program} ended with {}: {said}", output.status))
}
