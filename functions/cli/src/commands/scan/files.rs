//! What is looked at: files as they stand, or as the next commit has them.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use ignore::WalkBuilder;
use keyward_core::model::key_like::{begins_as_keys_do, words};
use keyward_core::model::text::without_keys;

use super::finder::{Finder, Found};
use crate::print::clean;

/// A file larger than this is data: it is told as not seen.
const MAX_FILE: u64 = 64 * 1024 * 1024;

/// Git's own folder: objects are compressed.
const GIT: &str = ".git";

/// Which files of a folder count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    /// Those that Git does not ignore, which is what a commit may take in.
    Committed,
    /// All.
    Ignored,
}

/// What is to be looked at.
pub(super) struct Files {
    files: Vec<Content>,
    unseen: Vec<(String, String)>,
}

enum Content {
    OnDisk(PathBuf),
    Staged(String),
}

/// What there was to see.
#[derive(Default)]
pub(super) struct Looked {
    /// Files that were read.
    pub(super) files: usize,
    /// Bytes of them.
    pub(super) bytes: u64,
    /// Each key, with its file.
    pub(super) found: Vec<(String, Found)>,
    /// What was not read, and why.
    pub(super) unseen: Vec<(String, String)>,
}

impl Files {
    /// The files under folders, and files themselves.
    pub(super) fn of(paths: &[PathBuf], width: Width) -> Result<Self> {
        let here = [PathBuf::from(".")];
        let paths = if paths.is_empty() { &here } else { paths };
        for path in paths {
            if !path.exists() {
                bail!("{} is not there; nothing was looked at", path.display());
            }
        }
        let (mut files, mut unseen) = (Vec::new(), Vec::new());
        for path in paths {
            let mut walk = WalkBuilder::new(path);
            // Hidden files are committed like others; and what is ignored here is so whether or not this is a repository yet.
            walk.standard_filters(width == Width::Committed)
                .hidden(false)
                .require_git(false)
                .filter_entry(|entry| entry.file_name() != GIT)
                .sort_by_file_name(Ord::cmp);
            for entry in walk.build() {
                match entry {
                    Ok(entry) if entry.file_type().is_some_and(|kind| kind.is_file()) => {
                        files.push(Content::OnDisk(entry.into_path()));
                    }
                    Ok(_) => {}
                    Err(error) => unseen.push(("a folder".to_owned(), clean(&error.to_string()))),
                }
            }
        }
        Ok(Self { files, unseen })
    }

    /// What the next commit adds or changes.
    pub(super) fn staged() -> Result<Self> {
        let names = git(&[
            "diff",
            "--cached",
            "--name-only",
            "--no-renames",
            "--diff-filter=AMT",
            "-z",
        ])?;
        let names = String::from_utf8_lossy(&names);
        let names = names.split('\0').filter(|name| !name.is_empty());
        Ok(Self {
            files: names.map(|name| Content::Staged(name.to_owned())).collect(),
            unseen: Vec::new(),
        })
    }

    /// Reads each and looks for keys in it.
    pub(super) fn looked_at(self, finder: &Finder) -> Looked {
        let mut looked = Looked {
            unseen: self.unseen,
            ..Looked::default()
        };
        for file in self.files {
            let name = file.name();
            match file.read() {
                Ok(bytes) => {
                    looked.files += 1;
                    looked.bytes += bytes.len() as u64;
                    let found = finder.find(&bytes).into_iter();
                    looked
                        .found
                        .extend(found.map(|found| (name.clone(), found)));
                }
                Err(error) => looked.unseen.push((name, clean(&format!("{error:#}")))),
            }
        }
        looked
    }
}

impl Content {
    /// As it is shown: whole, unless the file is called by a key.
    fn name(&self) -> String {
        let name = match self {
            Self::OnDisk(path) => path.strip_prefix(".").unwrap_or(path).display().to_string(),
            Self::Staged(name) => name.clone(),
        };
        match words(&name).any(begins_as_keys_do) {
            true => without_keys(&name),
            false => clean(&name),
        }
    }

    fn read(&self) -> Result<Vec<u8>> {
        match self {
            Self::OnDisk(path) => on_disk(path),
            // A colon and nothing before it: as it is staged. https://git-scm.com/docs/gitrevisions
            Self::Staged(name) => git(&["cat-file", "blob", &format!(":{name}")]),
        }
    }
}

fn on_disk(path: &Path) -> Result<Vec<u8>> {
    let file = std::fs::File::open(path)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        bail!("larger than 64 MB");
    }
    Ok(bytes)
}

fn git(arguments: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new("git")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .context("git cannot be run")?;
    if !output.status.success() {
        let said = clean(&String::from_utf8_lossy(&output.stderr));
        bail!("git {}: {said}", arguments[0]);
    }
    Ok(output.stdout)
}
