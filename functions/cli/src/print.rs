//! Writing to people.

use std::io::{ErrorKind, IsTerminal, Write};

use keyward_core::model::text::OutsideText;

/// How a command ended that came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything was done.
    Done,
    /// Something of it was refused or failed, and said.
    NotAll,
    /// Nothing was to be done, and something differs, or was not seen.
    Differs,
    /// Everything that was found was done; whether that is all is not known, and was said.
    MaybeMore,
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

/// How much a cell asks for attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tint {
    /// None.
    Plain,
    /// Worth a look.
    Yellow,
    /// Look now.
    Red,
}

/// Whether colours are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Colours {
    On,
    Off,
}

/// One cell of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) tint: Tint,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        let tint = Tint::Plain;
        Self { text, tint }
    }
}

/// Rows under a heading, columns aligned.
pub(crate) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) {
    let rows: Vec<[Cell; N]> = rows.iter().map(|row| row.clone().map(Cell::from)).collect();
    tinted_table(heading, &rows);
}

/// The same, with colours where a person looks: on a terminal, unless `NO_COLOR` says otherwise
/// (<https://no-color.org>).
pub(crate) fn tinted_table<const N: usize>(heading: [&str; N], rows: &[[Cell; N]]) {
    for text in aligned(heading, rows, colours()) {
        line(&text);
    }
}

/// A piece of a line, with its colour where a person looks.
pub(crate) fn painted(text: &str, tint: Tint) -> String {
    let text = text.to_owned();
    tinted(&Cell { text, tint }, colours())
}

fn colours() -> Colours {
    let no_color = keyward_lambda::config::environment("NO_COLOR");
    let is_wanted = no_color.is_none_or(|value| value.is_empty());
    match is_wanted && std::io::stdout().is_terminal() {
        true => Colours::On,
        false => Colours::Off,
    }
}

fn aligned<const N: usize>(
    heading: [&str; N],
    rows: &[[Cell; N]],
    colours: Colours,
) -> Vec<String> {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].text.chars().count());
        cells.chain([heading[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let aligned = |cells: [&Cell; N]| {
        let mut text = String::new();
        for (cell, width) in cells.iter().zip(&widths) {
            let gap = width.saturating_sub(cell.text.chars().count());
            text += &tinted(cell, colours);
            text += &" ".repeat(gap + 2);
        }
        text.trim_end().to_owned()
    };
    let heading = heading.map(|text| Cell::from(text.to_owned()));
    let rows = rows.iter().map(<[Cell; N]>::each_ref);
    [heading.each_ref()]
        .into_iter()
        .chain(rows)
        .map(aligned)
        .collect()
}

fn tinted(cell: &Cell, colours: Colours) -> String {
    let colour = match cell.tint {
        Tint::Yellow if colours == Colours::On => 33,
        Tint::Red if colours == Colours::On => 31,
        Tint::Plain | Tint::Yellow | Tint::Red => return cell.text.clone(),
    };
    format!("\u{1b}[{colour}m{}\u{1b}[0m", cell.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other_with_and_without_colours() {
        let cell = |text: &str, tint| Cell {
            text: text.to_owned(),
            tint,
        };
        let rows = [
            [cell("a", Tint::Plain), cell("well", Tint::Plain)],
            [cell("longer", Tint::Red), cell("ill", Tint::Yellow)],
        ];
        let plain = aligned(["SLOT", "HOW"], &rows, Colours::Off);
        assert_eq!(plain, ["SLOT    HOW", "a       well", "longer  ill"]);
        let colourful = aligned(["SLOT", "HOW"], &rows, Colours::On);
        let ill = "\u{1b}[31mlonger\u{1b}[0m  \u{1b}[33mill\u{1b}[0m";
        assert_eq!(colourful, ["SLOT    HOW", "a       well", ill]);
    }
}
