//! How long looking for keys takes in source that has none, beside detect-secrets with the rules that `keyward init-repo`
//! writes, and how often something is taken for one.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use keyward_tests::functions::build_released_command;
use keyward_tests::scanners::{detect_secrets, hook_arguments, python_library};
use serde_json::Value;

use crate::monitor::clock;
use crate::stats::round;
use crate::{Bound, Report, Result, root};

/// How many times faster than detect-secrets.
const RATIO: f64 = 10.0;

/// A tree of source.
struct Tree {
    name: &'static str,
    folders: Vec<PathBuf>,
}

/// Looks through Python's own library with both, and through Rust sources with `keyward scan`.
pub(crate) fn scan(report: &mut Report) -> Result<()> {
    println!("\nlooking for keys in source that has none");
    let keyward = build_released_command()?;
    let trees = [python()?, rust()?];
    let mut false_alarms = 0;
    for Tree { name, folders } in &trees {
        let begun = clock();
        let told = scanned(&keyward, folders)?;
        let seconds = begun.elapsed().as_secs_f64();
        let megabytes = told["bytes"].as_f64().unwrap_or_default() / 1e6;
        let found = told["found"].as_array().map_or(usize::MAX, Vec::len);
        false_alarms += found;
        println!(
            "  keyward scan     {name:<8}{seconds:>7.2} s, {} files, {megabytes:.0} MB, {found} false alarms",
            told["files"]
        );
        report.figure(&format!("scan.{name}_s"), round(seconds));
        report.figure(&format!("scan.{name}_mb"), round(megabytes));
    }
    report.figure("scan.false_alarms", false_alarms);
    let alarms = u32::try_from(false_alarms)?.into();
    report.target("scan.false_alarms", alarms, Bound::AtMost, 0.0);
    beside(&keyward, &trees[0], report)
}

/// The same tree with both, in turn: the least of three each, as a busy machine only makes them slower.
fn beside(keyward: &Path, tree: &Tree, report: &mut Report) -> Result<()> {
    let folder = root().join("target/bench-scan");
    std::fs::create_dir_all(folder.join(".git"))?;
    let mut init = Command::new(keyward);
    init.args(["init-repo", "--force", "--json"]).arg(&folder);
    if !init.stdout(Stdio::null()).status()?.success() {
        return Err("keyward init-repo failed".into());
    }
    let hooks = std::fs::read_to_string(folder.join(".pre-commit-config.yaml"))?;
    let program = detect_secrets()?.join("detect-secrets");
    let (mut ours, mut theirs) = (f64::MAX, f64::MAX);
    for _ in 0..3 {
        let begun = clock();
        scanned(keyward, &tree.folders)?;
        ours = ours.min(begun.elapsed().as_secs_f64());
        let mut command = Command::new(&program);
        // Both on one processor; all files, as there is no repository to list them.
        command.args(["-c", "1", "scan", "--all-files"]);
        command.args(hook_arguments(&hooks)).args(&tree.folders);
        let begun = clock();
        let status = command
            .current_dir(&folder)
            .stdout(Stdio::null())
            .status()?;
        theirs = theirs.min(begun.elapsed().as_secs_f64());
        if !status.success() {
            return Err("detect-secrets failed".into());
        }
    }
    println!(
        "  detect-secrets   {:<8}{theirs:>7.2} s, beside {ours:.2} s",
        tree.name
    );
    report.figure("scan.detect_secrets_s", round(theirs));
    report.figure("scan.ratio", round(theirs / ours));
    report.target("scan.ratio", theirs / ours, Bound::AtLeast, RATIO);
    Ok(())
}

fn scanned(keyward: &Path, folders: &[PathBuf]) -> Result<Value> {
    let mut command = Command::new(keyward);
    command.args(["scan", "--ignored", "--json"]).args(folders);
    let output = command.stderr(Stdio::inherit()).output()?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Python's own library, without what was installed into it.
fn python() -> Result<Tree> {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(python_library()?)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name != "site-packages") {
            folders.push(path);
        }
    }
    folders.sort();
    let name = "python";
    Ok(Tree { name, folders })
}

/// Rust's own library where its sources are installed, and else what this project is built of.
fn rust() -> Result<Tree> {
    let output = Command::new("rustc")
        .args(["--print", "sysroot"])
        .output()?;
    let sysroot = PathBuf::from(String::from_utf8(output.stdout)?.trim());
    let library = sysroot.join("lib/rustlib/src/rust/library");
    let folders = match library.is_dir() {
        true => vec![library],
        false => dependencies()?,
    };
    let name = "rust";
    Ok(Tree { name, folders })
}

fn dependencies() -> Result<Vec<PathBuf>> {
    let mut cargo = Command::new("cargo");
    cargo.args(["metadata", "--format-version", "1", "--locked", "--offline"]);
    let output = cargo
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output()?;
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().ok_or("no packages")?;
    let outside = packages
        .iter()
        .filter(|package| !package["source"].is_null());
    let manifests = outside.filter_map(|package| package["manifest_path"].as_str());
    let folders = manifests.filter_map(|manifest| Path::new(manifest).parent());
    Ok(folders.map(Path::to_path_buf).collect())
}
