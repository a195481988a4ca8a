//! `keyward scan`: keys of LLM providers in files, found without asking anybody.

mod files;
mod finder;
mod known;
mod say;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};

use self::files::{Files, Width};
use self::finder::Finder;
use self::known::Known;
use crate::print::{Outcome, complain};

pub(crate) use self::known::export;

/// Where is looked, and for what.
#[derive(Args)]
pub(crate) struct Scan {
    /// Folders and files; the current folder if none is named.
    #[arg(conflicts_with = "staged")]
    paths: Vec<PathBuf>,
    /// Look at what the next commit of this repository would add, as a pre-commit hook does.
    #[arg(long)]
    staged: bool,
    /// Look at files that Git ignores too.
    #[arg(long, conflicts_with = "staged")]
    ignored: bool,
    /// A list that keyward fingerprints wrote: whose key it is, and whether it lives, is told by it.
    #[arg(long, value_name = "FILE")]
    known: Option<PathBuf>,
    /// What is printed.
    #[arg(long, value_enum, default_value_t)]
    format: Printed,
    /// As JSON: the same as --format json.
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

/// What is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Printed {
    /// A line for each key.
    #[default]
    Table,
    /// For programs.
    Json,
    /// For code hosts, and for keyward leak.
    Sarif,
}

pub(super) fn scan(wanted: &Scan) -> Result<Outcome> {
    let known = match &wanted.known {
        Some(file) => Known::read(file)?,
        None => Known::default(),
    };
    let finder = Finder::new(known);
    let files = match wanted.staged {
        true => Files::staged()?,
        false => {
            let width = match wanted.ignored {
                true => Width::Ignored,
                false => Width::Committed,
            };
            Files::of(&wanted.paths, width)?
        }
    };
    let looked = files.looked_at(&finder);
    let printed = match wanted.json {
        true => Printed::Json,
        false => wanted.format,
    };
    say::say(&looked, printed);
    for (place, why) in &looked.unseen {
        complain(&format!("not seen: {place}: {why}"));
    }
    Ok(match (looked.found.is_empty(), looked.unseen.is_empty()) {
        (false, _) => Outcome::NotAll,
        (true, false) => Outcome::MaybeMore,
        (true, true) => Outcome::Done,
    })
}
