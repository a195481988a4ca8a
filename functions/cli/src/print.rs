//! Writing to people.

use std::io::{ErrorKind, Write};

use keyward_core::model::text::OutsideText;

/// How a command ended that came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything was done.
    Done,
    /// Something of it was refused or failed, and said.
    NotAll,
}

/// One line on standard output. Whoever stops reading, as `head` does, has enough: the command ends well. A full disk
/// is a failure.
pub(crate) fn line(text: &str) {
    let Err(error) = writeln!(std::io::stdout(), "{text}") else {
        return;
    };
    if error.kind() == ErrorKind::BrokenPipe {
        std::process::exit(0);
    }
    complain(&format!("keyward: the results cannot be written: {error}"));
    std::process::exit(1);
}

/// One line on standard error.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Text from outside on one line, without anything that steers a terminal; long text is kept whole.
pub(crate) fn clean(text: &str) -> String {
    let chars: Vec<char> = text.trim().chars().collect();
    chars
        .chunks(OutsideText::MAX_CHARS)
        .map(|part| String::from(OutsideText::new(&String::from_iter(part))))
        .collect()
}

/// An error and its causes on one line.
pub(crate) fn chain(error: &anyhow::Error) -> String {
    clean(&keyward_lambda::diagnostic::chain(error.as_ref()))
}

/// Rows under a heading, columns aligned.
pub(crate) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([heading[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let print = |cells: [&str; N]| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| {
            let gap = width.saturating_sub(cell.chars().count());
            format!("{cell}{}", " ".repeat(gap))
        });
        line(padded.collect::<Vec<_>>().join("  ").trim_end());
    };
    print(heading);
    for row in rows {
        print(row.each_ref().map(String::as_str));
    }
}
