//! `keyward init-repo`: what keeps keys out of a repository.

mod made;
#[cfg(test)]
mod tests;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;

use crate::print::{Outcome, line};

/// What is written, and where.
#[derive(Args)]
pub(crate) struct InitRepo {
    /// The repository's folder.
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Write over files that are there and differ.
    #[arg(long)]
    force: bool,
    /// Change nothing: say what would be written.
    #[arg(long, conflicts_with = "force")]
    dry_run: bool,
    /// Change nothing: end with 2 if a file is missing or differs, for CI.
    #[arg(long, conflicts_with_all = ["force", "dry_run"])]
    check: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// A file of the repository.
struct Planned {
    path: &'static str,
    text: String,
    state: State,
}

/// How a file stands before anything is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Missing,
    Same,
    Differs,
}

pub(super) fn init_repo(wanted: &InitRepo) -> Result<Outcome> {
    let shown = wanted.folder.display();
    if !wanted.folder.join(".git").exists() {
        bail!("{shown} is no Git repository, and nothing was written: name its topmost folder");
    }
    let planned = planned(&wanted.folder)?;
    let writes = !wanted.check && !wanted.dry_run;
    let is_written = |file: &Planned| match file.state {
        State::Missing => true,
        State::Same => false,
        State::Differs => wanted.force,
    };
    if writes {
        for file in planned.iter().filter(|file| is_written(file)) {
            write(&wanted.folder.join(file.path), &file.text)?;
        }
    }
    let rows = planned.iter().map(|file| {
        let done = match (file.state, is_written(file), writes) {
            (State::Same, ..) => "as it should be",
            (State::Missing, _, true) => "written",
            (State::Differs, true, true) => "written over",
            (State::Missing, _, false) => "missing",
            (State::Differs, ..) => "differs",
        };
        (file.path, done)
    });
    let rows: Vec<(&str, &str)> = rows.collect();
    let is_left = |file: &Planned| match writes {
        true => file.state == State::Differs && !wanted.force,
        false => file.state != State::Same,
    };
    let left = planned.iter().any(is_left);
    if wanted.json {
        let files = rows
            .iter()
            .map(|(path, done)| json!({ "path": path, "is": done }));
        line(&json!({ "files": files.collect::<Vec<_>>() }).to_string());
    } else {
        say(&rows, writes, left);
    }
    Ok(match (left, wanted.check) {
        (true, true) => Outcome::Differs,
        // What differs is somebody's: it is told, and left.
        (true, false) if writes => Outcome::NotAll,
        _ => Outcome::Done,
    })
}

fn say(rows: &[(&str, &str)], writes: bool, left: bool) {
    for (path, done) in rows {
        line(&format!("{done:<16}{path}"));
    }
    if left && writes {
        line(
            "\nWhat differs was left as it is. See what would stand there, and take over what you want:",
        );
        line("  keyward init-repo NEW-FOLDER      in an empty repository, to compare");
        line("  keyward init-repo --force         writes over it; Git has what was there");
    } else if writes {
        line(
            "\nNext: pre-commit install, in each clone; then commit these files. What people are to do: .keyward/README.md",
        );
    }
}

fn planned(folder: &Path) -> Result<Vec<Planned>> {
    let files = made::files().into_iter().map(|(path, text)| {
        let there = folder.join(path);
        let state = match fs::read_to_string(&there) {
            Ok(found) if found == text => State::Same,
            Ok(_) => State::Differs,
            Err(error) if error.kind() == ErrorKind::NotFound => State::Missing,
            Err(error) if error.kind() == ErrorKind::InvalidData => State::Differs,
            Err(error) => {
                let there = there.display();
                return Err(error)
                    .with_context(|| format!("{there} cannot be read, and nothing was written"));
            }
        };
        Ok(Planned { path, text, state })
    });
    files.collect()
}

fn write(path: &Path, text: &str) -> Result<()> {
    let failed = || {
        let path = path.display();
        format!("{path} cannot be written; files before it were: run it again when that is mended")
    };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(failed)?;
    }
    fs::write(path, text).with_context(failed)
}
