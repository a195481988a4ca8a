//! How far something is, on a terminal's standard error.

use std::io::{IsTerminal, Write};

/// How long the bar is.
const WIDTH: usize = 30;

/// Shows that so many of so many are done; wiped off once all are. Where nobody looks on, nothing is written.
pub(crate) fn bar(done: usize, all: usize, what: &str) {
    let mut out = std::io::stderr();
    if !out.is_terminal() {
        return;
    }
    let filled = WIDTH * done.min(all) / all.max(1);
    let end = if done >= all { "\r\x1b[K" } else { "" };
    let bar = format!("{}{}", "#".repeat(filled), "-".repeat(WIDTH - filled));
    let _ = write!(out, "\r\x1b[K[{bar}] {done} of {all} {what}{end}");
    let _ = out.flush();
}
