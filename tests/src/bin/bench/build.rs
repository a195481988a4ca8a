//! What is measured: release builds of the functions, and the Python yardstick.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use keyward_tests::functions::{Profile, build};

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
    Ok(Function {
        name: name.to_owned(),
        binary: build(Profile::Release, name)?,
    })
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
    fn a_binary_that_is_named_is_not_built() {
        let given = functions(&["rotate=/t/bootstrap".to_owned()]).unwrap();
        let expected = Function {
            name: "rotate".to_owned(),
            binary: "/t/bootstrap".into(),
        };
        assert_eq!(given, [expected]);
    }
}
