//! The functions' binaries, built by cargo: each package by itself, with the features that are deployed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// How a function is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Quickly.
    Dev,
    /// As it is deployed.
    Release,
}

/// Builds the function in `functions/<name>` and says where its binary is. Builds that run at the same time wait for
/// each other, as cargo sees to it.
///
/// # Errors
/// It does not build, or has no binary. What the compiler says goes to standard error.
pub fn build(profile: Profile, name: &str) -> Result<PathBuf, String> {
    build_package(profile, &format!("keyward-{name}"), name)
}

/// Builds the `keyward` command, as [`build`] does a function.
///
/// # Errors
/// As [`build`].
pub fn build_command() -> Result<PathBuf, String> {
    build_package(Profile::Dev, "keyward", "cli")
}

fn build_package(profile: Profile, package: &str, folder: &str) -> Result<PathBuf, String> {
    let profile: &[&str] = match profile {
        Profile::Dev => &[],
        Profile::Release => &["--release"],
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new("cargo")
        .args(["build", "--locked", "--bins", "--package", package])
        .args(profile)
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(&root)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| format!("cargo cannot be run: {e}"))?;
    if !output.status.success() {
        return Err(format!("{package} does not build"));
    }
    let manifest = root.join("functions").join(folder).join("Cargo.toml");
    let manifest = manifest.canonicalize().map_err(|e| e.to_string())?;
    executable(&String::from_utf8_lossy(&output.stdout), &manifest)
        .ok_or_else(|| format!("{package} has no binary"))
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
}
