//! What is looked at: files as they stand, or as the next commit has them.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use ignore::WalkBuilder;
use keyward_core::model::key_like::{begins_as_keys_do, words};
use keyward_core::rules::leaks::place_without_keys;

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
        let (mut files, mut unseen) = (BTreeSet::new(), Vec::new());
        for path in paths {
            let mut walk = WalkBuilder::new(path);
            // Hidden files are committed like others; and what is ignored here is so whether or not this is a repository yet.
            walk.standard_filters(width == Width::Committed)
                .hidden(false)
                .ignore(false)
                .require_git(false)
                .filter_entry(|entry| entry.file_name() != GIT)
                .sort_by_file_name(Ord::cmp);
            for entry in walk.build() {
                match entry {
                    Ok(entry) if entry.file_type().is_some_and(|kind| kind.is_file()) => {
                        files.insert(entry.into_path());
                    }
                    Ok(_) => {}
                    Err(error) => unseen.push(("a folder".to_owned(), clean(&error.to_string()))),
                }
            }
            files.extend(tracked(path));
        }
        let files = files.into_iter().map(Content::OnDisk).collect();
        Ok(Self { files, unseen })
    }

    /// What the next commit adds or changes.
    pub(super) fn staged() -> Result<Self> {
        let names = git(&[
            "diff",
            "--cached",
            "--ignore-submodules=all",
            "--no-relative",
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
            let name = file.name(finder);
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
    fn name(&self, finder: &Finder) -> String {
        let name = match self {
            Self::OnDisk(path) => path.strip_prefix(".").unwrap_or(path).display().to_string(),
            Self::Staged(name) => name.clone(),
        };
        let is_key = !finder.find(name.as_bytes()).is_empty();
        match is_key || words(&name).any(begins_as_keys_do) {
            true => place_without_keys(&clean(&name)),
            false => clean(&name),
        }
    }

    fn read(&self) -> Result<Vec<u8>> {
        let bytes = match self {
            Self::OnDisk(path) => on_disk(path)?,
            // A colon and nothing before it: as it is staged. https://git-scm.com/docs/gitrevisions
            Self::Staged(name) => git(&["cat-file", "blob", &format!(":{name}")])?,
        };
        Ok(decoded(bytes))
    }
}

/// Files of a folder that Git has although it would ignore them now.
fn tracked(folder: &Path) -> Vec<PathBuf> {
    let shown = folder.display().to_string();
    let listed = git(&["-C", &shown, "ls-files", "--cached", "-z"]);
    // Outside a repository there are none.
    let listed = String::from_utf8_lossy(&listed.unwrap_or_default()).into_owned();
    let names = listed.split('\0').filter(|name| !name.is_empty());
    let files = names.map(|name| folder.join(name));
    // Not what was deleted, nor a submodule, nor what a link leads to.
    let is_file = |path: &PathBuf| path.symlink_metadata().is_ok_and(|file| file.is_file());
    files.filter(is_file).collect()
}

/// As UTF-8, where the text says that it is UTF-16, as some editors and shells of Windows write it.
fn decoded(bytes: Vec<u8>) -> Vec<u8> {
    let read: fn([u8; 2]) -> u16 = match bytes.get(..2) {
        Some([0xff, 0xfe]) => u16::from_le_bytes,
        Some([0xfe, 0xff]) => u16::from_be_bytes,
        _ => return bytes,
    };
    let pairs = bytes[2..].chunks_exact(2);
    let units: Vec<u16> = pairs.map(|pair| read([pair[0], pair[1]])).collect();
    String::from_utf16_lossy(&units).into_bytes()
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
