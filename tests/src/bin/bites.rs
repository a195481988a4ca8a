//! Shows that the tests bite: puts one deliberate fault at a time into a copy of the sources and sees that the named
//! test fails. `bites [FAULT]`; exit 1 if a fault goes unnoticed.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// One deliberate fault.
struct Fault {
    name: &'static str,
    /// File, text in it, what stands there instead.
    edits: &'static [(&'static str, &'static str, &'static str)],
    /// Package and name of the test that must fail.
    caught_by: (&'static str, &'static str),
}

const CREATE: &str = "shared/core/src/usecases/rotate/create.rs";
const FINISH: &str = "shared/core/src/usecases/rotate/finish.rs";
const ROTATE: &str = "shared/core/src/usecases/rotate/mod.rs";
const REVOKE: &str = "shared/core/src/rules/revoke.rs";

const FAULTS: [Fault; 7] = [
    Fault {
        name: "skip the intent",
        edits: &[
            (
                CREATE,
                ".add_version(&version, Fence::Epoch(self.slot.epoch))",
                ".slot(&self.slot.name)",
            ),
            (
                CREATE,
                "Ok(Self::written(version))\n    }\n\n    async fn issue",
                "Ok(version)\n    }\n\n    async fn issue",
            ),
            (
                CREATE,
                ".save_versions(std::slice::from_ref(&version), fence)",
                ".add_version(&version, fence)",
            ),
        ],
        caught_by: ("keyward-tests", "crash_at_every_call_of_a_rotation"),
    },
    Fault {
        name: "drop the epoch check",
        edits: &[
            (CREATE, "Fence::Epoch(self.slot.epoch)", "Fence::None"),
            (FINISH, "Fence::Epoch(self.slot.epoch)", "Fence::None"),
            (FINISH, "Fence::Epoch(promoting.epoch)", "Fence::None"),
            (
                ROTATE,
                "version.epoch == self.slot.epoch && version.state",
                "version.state",
            ),
        ],
        caught_by: (
            "keyward-tests",
            "a_kill_between_any_two_calls_of_a_rotation",
        ),
    },
    Fault {
        name: "revoke before promote",
        edits: &[(
            FINISH,
            "        self.move_current(provider).await?;",
            "        for old in &self.versions {
                 if let (VersionState::Current, Some(handle)) = (old.state, &old.handle) {
                     let _ = provider.disable(handle).await;
                 }
             }
             self.move_current(provider).await?;",
        )],
        caught_by: ("keyward-tests", "crash_at_every_call_of_a_rotation"),
    },
    Fault {
        name: "promote without a test",
        edits: &[(
            FINISH,
            "is_none_or(|tested| tested.epoch != self.slot.epoch)",
            "is_some_and(|_| false)",
        )],
        caught_by: ("keyward-tests", "finish_without_a_test_promotes_nothing"),
    },
    Fault {
        name: "retry a create",
        edits: &[(
            CREATE,
            "        match issuer.issue(&request).await {",
            "        let mut issued = issuer.issue(&request).await;
             if matches!(issued, Err(ProviderError::Ambiguous { .. })) {
                 issued = issuer.issue(&request).await;
             }
             match issued {",
        )],
        caught_by: ("keyward-tests", "crash_at_every_call_of_a_rotation"),
    },
    Fault {
        name: "take accepted for done",
        edits: &[(
            REVOKE,
            "refusals.count >= policy.refusals && long_enough",
            "refusals.count > 0",
        )],
        caught_by: ("keyward-tests", "a_key_is_rotated_and_the_old_one_dies"),
    },
    Fault {
        name: "read a 5xx as dead",
        edits: &[(
            "shared/providers/src/openrouter/verdict.rs",
            "_ => Verdict::Unknown(detail),",
            "_ => Verdict::Dead(detail),",
        )],
        caught_by: ("keyward-tests", "a_provider_in_trouble_confirms_nothing"),
    },
];

fn main() -> ExitCode {
    let only = std::env::args().nth(1);
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let copy = root.join("target/bites");
    let mut missed = 0;
    let mut caught = 0;
    for fault in FAULTS
        .iter()
        .filter(|f| only.as_deref().is_none_or(|name| name == f.name))
    {
        match try_fault(&root, &copy, fault) {
            Ok(()) => {
                caught += 1;
                println!("caught: {:<24} by {}", fault.name, fault.caught_by.1);
            }
            Err(why) => {
                missed += 1;
                eprintln!("MISSED: {:<24} {why}", fault.name);
            }
        }
    }
    println!("{caught} passed, {missed} failed");
    if missed == 0 && caught > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Puts the fault into a fresh copy and sees that its test fails, rather than the build.
fn try_fault(root: &Path, copy: &Path, fault: &Fault) -> Result<(), String> {
    copy_sources(root, copy)?;
    for (file, find, replace) in fault.edits {
        let path = copy.join(file);
        let text = fs::read_to_string(&path).map_err(|e| format!("{file}: {e}"))?;
        if !text.contains(find) {
            return Err(format!(
                "{file} has no `{find}` any more: bring the fault up to date"
            ));
        }
        fs::write(&path, text.replace(find, replace)).map_err(|e| format!("{file}: {e}"))?;
    }
    let (package, test) = fault.caught_by;
    let cargo = |arguments: &[&str]| {
        Command::new("cargo")
            .args(["test", "--locked", "-p", package])
            .args(arguments)
            .current_dir(copy)
            // Never the folder of the sources themselves: cargo takes packages of the same name and place within their
            // workspace for the same, and would run the faulty ones there.
            .env("CARGO_TARGET_DIR", root.join("target/bites-build"))
            .stdin(Stdio::null())
            .output()
            .map_err(|e| format!("cargo test: {e}"))
    };
    let built = cargo(&["--no-run"])?;
    if !built.status.success() {
        let log = String::from_utf8_lossy(&built.stderr);
        let errors: Vec<&str> = log
            .lines()
            .filter(|l| l.starts_with("error"))
            .take(5)
            .collect();
        return Err(format!("the build failed: {}", errors.join(" | ")));
    }
    let run = cargo(&["--no-fail-fast", "--", "--exact", test])?;
    let log = String::from_utf8_lossy(&run.stdout);
    if log.contains(&format!("test {test} ... FAILED")) {
        Ok(())
    } else if log.contains(&format!("test {test} ... ok")) {
        Err(format!("{test} passed all the same"))
    } else {
        Err(format!("there is no test {test}"))
    }
}

/// Brings the copy up to the sources, touching only files that differ, so that little is built again.
fn copy_sources(root: &Path, copy: &Path) -> Result<(), String> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .map_err(|e| format!("git ls-files: {e}"))?;
    for file in String::from_utf8_lossy(&listed.stdout).lines() {
        let Ok(text) = fs::read(root.join(file)) else {
            continue;
        };
        let to = copy.join(file);
        if fs::read(&to).is_ok_and(|there| there == text) {
            continue;
        }
        let folder = to.parent().unwrap_or(copy);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&to, text))
            .map_err(|e| format!("{file}: {e}"))?;
    }
    Ok(())
}
