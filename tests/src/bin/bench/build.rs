//! What is measured: release builds of the functions, and the Python yardstick.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::{Result, root};

/// A function and its release binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) binary: PathBuf,
}

/// The functions that the arguments name: `rotate` is built, `rotate=/some/binary` is taken as it is.
pub(crate) fn functions(arguments: &[String]) -> Result<Vec<Function>> {
    arguments
        .iter()
        .map(|argument| match argument.split_once('=') {
            Some((name, path)) => Ok(Function {
                name: name.to_owned(),
                binary: path.into(),
            }),
            None => built(argument),
        })
        .collect()
}

fn built(name: &str) -> Result<Function> {
    let package = format!("keyward-{name}");
    let output = Command::new("cargo")
        .args(["build", "--release", "--bins", "--package", &package])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("{package} does not build").into());
    }
    let manifest = root().join("functions").join(name).join("Cargo.toml");
    let messages = String::from_utf8(output.stdout)?;
    let binary = executable(&messages, &manifest.canonicalize()?)
        .ok_or_else(|| format!("{package} has no binary"))?;
    Ok(Function {
        name: name.to_owned(),
        binary,
    })
}

/// The executable that cargo built for a manifest:
/// <https://doc.rust-lang.org/cargo/reference/external-tools.html#artifact-messages>.
fn executable(messages: &str, manifest: &Path) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["manifest_path"].as_str().map(Path::new) == Some(manifest))
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

/// A Python with what `requirements.txt` pins, set up under `target/` when that file has changed.
pub(crate) fn python() -> Result<PathBuf> {
    let venv = root().join("target/bench-venv");
    let python = venv.join("bin/python");
    let requirements = root().join("tests/bench/requirements.txt");
    let wanted = std::fs::read_to_string(&requirements)?;
    let stamp = venv.join("installed.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    succeed(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&venv),
    )?;
    let mut pip = Command::new(&python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--require-hashes",
    ]);
    succeed(
        pip.args(["--only-binary", ":all:", "-r"])
            .arg(&requirements),
    )?;
    std::fs::write(stamp, wanted)?;
    Ok(python)
}

/// Bytes of a function as the zip file that is deployed.
pub(crate) fn zip_bytes(python: &Path, binary: &Path) -> Result<u64> {
    let script = root().join("tests/bench/zip_size.py");
    let output = Command::new(python)
        .arg(script)
        .arg(binary)
        .stderr(Stdio::inherit())
        .output()?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

fn succeed(command: &mut Command) -> Result<()> {
    // What it prints is not part of the results.
    let status = command.stdout(Stdio::null()).status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{command:?} ended with {status}").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_that_of_the_function_itself() {
        let messages = concat!(
            "{\"reason\":\"compiler-artifact\",\"manifest_path\":\"/k/shared/lambda/Cargo.toml\",\"executable\":\"/t/no\"}\n",
            "{\"reason\":\"compiler-artifact\",\"manifest_path\":\"/k/functions/rotate/Cargo.toml\",\"executable\":null}\n",
            "not a message\n",
            "{\"reason\":\"compiler-artifact\",\"manifest_path\":\"/k/functions/rotate/Cargo.toml\",\"executable\":\"/t/yes\"}\n",
            "{\"reason\":\"build-finished\",\"success\":true}\n",
        );
        let found = |manifest: &str| executable(messages, Path::new(manifest));
        let rotate = found("/k/functions/rotate/Cargo.toml");
        assert_eq!(rotate, Some(PathBuf::from("/t/yes")));
        assert_eq!(found("/k/functions/retire/Cargo.toml"), None);
    }

    #[test]
    fn a_binary_that_is_named_is_not_built() {
        let given = functions(&["rotate=/t/bootstrap".to_owned()]).unwrap();
        let expected = Function {
            name: "rotate".to_owned(),
            binary: "/t/bootstrap".into(),
        };
        assert_eq!(given, [expected]);
    }
}
