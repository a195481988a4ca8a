//! The functions' binaries, built by cargo.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// How a function is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Quickly, of dependencies that are compiled for the tests and the demo anyway: cargo gives what it builds together the
    /// features that any of it asks for.
    Dev,
    /// As it is deployed: by itself, with the features that it asks for.
    Release,
}

impl Profile {
    /// What cargo is told beside the package. With two packages it takes the features of both and builds the one binary.
    /// <https://doc.rust-lang.org/cargo/reference/resolver.html#features>
    fn arguments(self, binary: &str) -> Vec<&str> {
        match self {
            Self::Dev => vec!["--package", env!("CARGO_PKG_NAME"), "--bin", binary],
            Self::Release => vec!["--bins", "--release"],
        }
    }
}

/// Builds the function in `functions/<name>` and says where its binary is. Builds that run at the same time wait for
/// each other, as cargo sees to it.
///
/// # Errors
/// It does not build, or has no binary. What the compiler says goes to standard error.
pub fn build(profile: Profile, name: &str) -> Result<PathBuf, String> {
    build_package(profile, &format!("keyward-{name}"), name, name)
}

/// Builds the `keyward` command, as [`build`] does a function.
///
/// # Errors
/// As [`build`].
pub fn build_command() -> Result<PathBuf, String> {
    build_package(Profile::Dev, "keyward", "cli", "keyward")
}

/// The same as it is released.
///
/// # Errors
/// As [`build`].
pub fn build_released_command() -> Result<PathBuf, String> {
    build_package(Profile::Release, "keyward", "cli", "keyward")
}

fn build_package(
    profile: Profile,
    package: &str,
    folder: &str,
    binary: &str,
) -> Result<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new("cargo")
        .args(["build", "--locked", "--package", package])
        .args(profile.arguments(binary))
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
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// Each package of a build with the sets of features that it is compiled with.
    /// <https://doc.rust-lang.org/cargo/commands/cargo-tree.html>
    fn compiled(packages: &[&str]) -> BTreeMap<String, BTreeSet<String>> {
        let mut tree = Command::new("cargo");
        tree.args(["tree", "--locked", "--offline", "--edges", "normal,build"])
            .args(["--prefix", "none", "--format", "{p}|{f}|"])
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        for package in packages {
            tree.args(["--package", package]);
        }
        let output = tree.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            if let [package, features, _] = line.splitn(3, '|').collect::<Vec<_>>()[..] {
                let of_package = all.entry(package.to_owned()).or_default();
                of_package.insert(features.to_owned());
            }
        }
        all
    }

    /// Else a newcomer's machine compiles all of it for the demo, again for the functions, and again for the command.
    #[test]
    fn a_quick_build_compiles_no_dependency_otherwise_than_the_demo_does() {
        let shared = Profile::Dev.arguments("rotate")[1].to_owned();
        let demo = compiled(&[&shared]);
        assert!(demo.len() > 100, "{demo:?}");
        let alone = compiled(&["keyward-rotate"]);
        let differs = |built: &BTreeMap<String, BTreeSet<String>>| -> Vec<String> {
            let in_demo = built
                .iter()
                .filter_map(|(package, features)| Some((package, features, demo.get(package)?)));
            let differing = in_demo.filter(|(_, features, demo)| !features.is_subset(demo));
            differing.map(|(package, ..)| package.clone()).collect()
        };
        assert_ne!(differs(&alone), [""; 0], "by itself it has other features");
        let names = crate::template::FUNCTIONS.map(|(name, _)| crate::template::program(name));
        let functions = names.map(|name| format!("keyward-{name}"));
        for package in functions.iter().map(String::as_str).chain(["keyward"]) {
            let together = compiled(&[&shared, package]);
            assert_eq!(differs(&together), [""; 0], "{package}");
        }
    }

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
