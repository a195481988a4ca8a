//! Shows that the tests bite: puts one deliberate fault at a time into a copy of the sources and sees that each of the
//! named tests fails. `bites [FAULT]`; exit 1 if a fault goes unnoticed.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command")]

mod faults;
mod sources;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};

use faults::{Catch, FAULTS, Fault};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let faults: Vec<&Fault> = match arguments.as_slice() {
        [] => FAULTS.iter().collect(),
        [name] => FAULTS.iter().filter(|f| f.name == name).collect(),
        _ => Vec::new(),
    };
    if faults.is_empty() {
        let names: Vec<&str> = FAULTS.iter().map(|f| f.name).collect();
        eprintln!(
            "usage: bites [FAULT], where FAULT is one of:\n  {}",
            names.join("\n  ")
        );
        return ExitCode::from(2);
    }
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let copy = root.join("target/bites");
    let mut missed = 0;
    for fault in &faults {
        match try_fault(&root, &copy, fault) {
            Ok(catches) => {
                for catch in catches {
                    println!("caught: {:<24} by {catch}", fault.name);
                }
            }
            Err(why) => {
                missed += 1;
                eprintln!("MISSED: {:<24} {why}", fault.name);
            }
        }
    }
    println!("{} passed, {missed} failed", faults.len() - missed);
    if missed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Puts the fault into a fresh copy and sees that its tests fail, rather than the build. Returns which did, and how.
fn try_fault(root: &Path, copy: &Path, fault: &Fault) -> Result<Vec<String>, String> {
    sources::copy(root, copy)?;
    for (file, find, replace) in fault.edits {
        sources::edit(&copy.join(file), find, replace).map_err(|why| format!("{file}: {why}"))?;
    }
    let mut build = vec!["--no-run"];
    for catch in fault.caught_by {
        build.extend(["--test", catch.target]);
    }
    let built = cargo_test(root, copy, &build)?;
    if !built.status.success() {
        let log = String::from_utf8_lossy(&built.stderr);
        let errors: Vec<&str> = log
            .lines()
            .filter(|l| l.starts_with("error"))
            .take(5)
            .collect();
        return Err(format!("the build failed: {}", errors.join(" | ")));
    }
    let tries = fault.caught_by.iter();
    tries.map(|catch| try_catch(root, copy, catch)).collect()
}

/// Sees that one test fails. Returns its name, and the seed under which it failed if it has seeds.
fn try_catch(root: &Path, copy: &Path, catch: &Catch) -> Result<String, String> {
    let Catch { target, test } = catch;
    let run = cargo_test(root, copy, &["--test", target, "--", "--exact", test])?;
    let log = String::from_utf8_lossy(&run.stdout);
    if log.contains(&format!("test {test} ... FAILED")) {
        let seed = log.lines().find(|line| line.starts_with("seed "));
        Ok(seed.map_or_else(|| (*test).to_owned(), |seed| format!("{test}: {seed}")))
    } else if log.contains(&format!("test {test} ... ok")) {
        Err(format!("{test} passed all the same"))
    } else {
        Err(format!("there is no test {test} in {target}"))
    }
}

fn cargo_test(root: &Path, copy: &Path, arguments: &[&str]) -> Result<Output, String> {
    Command::new("cargo")
        .args(["test", "--locked", "-p", "keyward-tests"])
        .args(arguments)
        .current_dir(copy)
        // Never the folder of the sources themselves: cargo takes packages of the same name and place within their
        // workspace for the same, and would run the faulty ones there.
        .env("CARGO_TARGET_DIR", root.join("target/bites-build"))
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("cargo test: {e}"))
}
