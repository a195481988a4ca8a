//! Every command that a page shows is one that this program takes.

use std::path::Path;

use clap::{CommandFactory as _, Parser as _};

use crate::args::Args;

/// The pages that show commands, with how many lines of commands each has at least.
const PAGES: [(&str, usize); 11] = [
    ("README.md", 7),
    ("CHANGELOG.md", 0),
    ("infra/README.md", 3),
    ("infra/RUNBOOK.md", 30),
    ("functions/cli/README.md", 1),
    ("functions/control/README.md", 0),
    ("functions/kill-switch/README.md", 0),
    ("shared/aws/README.md", 0),
    ("shared/backtest/README.md", 0),
    ("shared/core/README.md", 0),
    ("shared/core/AUDIT.md", 30),
];

/// A page and its text.
fn pages() -> impl Iterator<Item = (&'static str, String, usize)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    PAGES.into_iter().map(move |(page, least)| {
        let text = std::fs::read_to_string(root.join(page));
        (page, text.unwrap_or_else(|e| panic!("{page}: {e}")), least)
    })
}

/// A page cut into what stands outside and inside of blocks, in turn.
fn cut(page: &str) -> impl Iterator<Item = (usize, &str)> {
    page.split("```").enumerate()
}

/// The words of a line as a shell takes them, up to what it does itself: redirections, pipes, comments.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for letter in line.chars().chain([' ']) {
        match letter {
            '"' => quoted = !quoted,
            '<' | '>' | '|' | '#' if !quoted => break,
            ' ' if !quoted => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            letter => word.push(letter),
        }
    }
    words
}

#[test]
fn every_line_of_commands_is_taken() {
    for (page, text, least) in pages() {
        let blocks = cut(&text).filter(|(at, block)| at % 2 == 1 && block.starts_with("sh\n"));
        let lines = blocks.flat_map(|(_, block)| block.lines().map(str::trim_start));
        let lines: Vec<&str> = lines.filter(|line| line.starts_with("keyward ")).collect();
        assert!(
            lines.len() >= least,
            "{page} shows {} commands",
            lines.len()
        );
        for line in lines {
            if let Err(refused) = Args::try_parse_from(words(line)) {
                panic!("{page}: {line}\n{refused}");
            }
        }
    }
}

#[test]
fn every_command_that_a_sentence_names_exists() {
    let program = Args::command();
    let mut named = 0;
    for (page, text, _) in pages() {
        let sentences = cut(&text).filter(|(at, _)| at % 2 == 0);
        let codes = sentences.flat_map(|(_, text)| text.split('`').skip(1).step_by(2));
        for code in codes.filter(|code| code.starts_with("keyward ")) {
            let mut command = &program;
            let mut words = code.split_whitespace().skip(1).peekable();
            while let Some(word) = words.next_if(|_| command.has_subcommands()) {
                if word.starts_with('-') {
                    break;
                }
                let found = command.find_subcommand(word);
                command = found.unwrap_or_else(|| panic!("{page}: `{code}`: no `{word}`"));
                named += 1;
            }
        }
    }
    assert!(named > 20, "the search found too little: {named}");
}

#[test]
fn a_line_is_cut_as_a_shell_cuts_it() {
    assert_eq!(
        words("keyward pool add a --reason \"two words\" < keys.txt"),
        ["keyward", "pool", "add", "a", "--reason", "two words"]
    );
}
