//! `replay [--seed FLEET.json] [--hours N] FILE`: plays a case file on embedded parts and prints one JSON object.
//! Exit 0 if it ran, whatever came of it; 2 if the file cannot be read or is not supported.
#![expect(clippy::print_stderr, reason = "a command")]

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use keyward_tests::replay::{MAX_BYTES, Options, replay};

const USAGE: &str = "usage: replay [--seed FLEET.json] [--hours N] FILE, with N from 0 to 2000; for example: make replay FILE=tests/fixtures/cases/rotation/R-28-grace-timeline.json HOURS=3";

fn main() -> ExitCode {
    match run(std::env::args_os().skip(1).map(PathBuf::from).collect()) {
        Ok(line) => {
            // That nobody reads it any more changes nothing.
            let _ = writeln!(std::io::stdout(), "{line}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: Vec<PathBuf>) -> Result<String, String> {
    let mut options = Options::default();
    let mut file = None;
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--seed") => {
                let path = arguments.next().ok_or(USAGE)?;
                options.fleet = Some(content(&path)?);
            }
            Some("--hours") => {
                let hours = arguments.next().ok_or(USAGE)?;
                let hours = hours.to_str().and_then(|h| h.parse().ok());
                options.hours = hours.filter(|h| *h <= 2000).ok_or(USAGE)?;
            }
            Some(option) if option.starts_with('-') => return Err(USAGE.to_owned()),
            _ if file.is_some() => return Err(USAGE.to_owned()),
            _ => file = Some(argument),
        }
    }
    let path = file.ok_or(USAGE)?;
    let text = content(&path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let runtime = tokio::runtime::Runtime::new().map_err(|e| e.to_string())?;
    let played = runtime.block_on(replay(&name, &text, &options));
    let stage = played.map_err(|e| e.to_string())?;
    serde_json::to_string_pretty(&stage.report).map_err(|e| e.to_string())
}

/// The file's text, one byte more than is accepted at most.
fn content(path: &Path) -> Result<String, String> {
    let unreadable = |e: std::io::Error| format!("{} cannot be read: {e}", path.display());
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    let limit = MAX_BYTES as u64 + 1;
    file.take(limit)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|_| format!("{} is not text in UTF-8", path.display()))
}
