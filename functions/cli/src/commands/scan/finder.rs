//! Finding keys in one file's bytes.

use keyward_core::model::key::{ApiKey, Fingerprint};
use keyward_core::model::key_formats::{KeyShape, SHAPES};
use keyward_core::model::key_like::candidates;
use regex::bytes::{Captures, Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use super::known::{Holder, Known};

/// Words that say, in the line of a key, that it is none: those of gitleaks and detect-secrets, and Keyward's own.
const ALLOWED: [&str; 3] = [
    "keyward:allow",
    "gitleaks:allow",
    "pragma: allowlist secret",
];

/// A key that was found. Its text is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// From 1 on.
    pub(super) line: usize,
    /// The character of the line that it begins at, from 1 on.
    pub(super) column: usize,
    /// What it looks like; `None` for a key that only the list of known ones tells.
    pub(super) shape: Option<&'static KeyShape>,
    pub(super) fingerprint: Fingerprint,
    pub(super) holder: Option<Holder>,
}

/// Where a key begins and ends, and what it looks like.
type Span = (usize, usize, Option<&'static KeyShape>);

/// What is looked for.
pub(super) struct Finder {
    any: RegexSet,
    each: Vec<(&'static KeyShape, Regex)>,
    /// What could be a key whatever it looks like; only where a list says which are.
    pieces: Option<Regex>,
    known: Known,
}

impl Finder {
    pub(super) fn new(known: Known) -> Self {
        let expressions: Vec<String> = SHAPES.iter().map(KeyShape::expression).collect();
        #[expect(clippy::expect_used, reason = "a test builds each")]
        let each = |(shape, text): (&'static KeyShape, &String)| {
            let built = RegexBuilder::new(text).unicode(false).build();
            (shape, built.expect("an expression of the table"))
        };
        #[expect(clippy::expect_used, reason = "a test builds it")]
        let any = RegexSetBuilder::new(&expressions)
            .unicode(false)
            .build()
            .expect("the expressions of the table");
        Self {
            any,
            each: SHAPES.iter().zip(&expressions).map(each).collect(),
            pieces: (!known.is_empty()).then(pieces),
            known,
        }
    }

    /// The keys in a file, from its top.
    pub(super) fn find(&self, bytes: &[u8]) -> Vec<Found> {
        let mut spans: Vec<Span> = Vec::new();
        for at in self.any.matches(bytes) {
            let (shape, expression) = &self.each[at];
            let texts = expression.captures_iter(bytes).filter_map(text_of);
            let texts = texts.filter(|(start, end)| shape.counts(&bytes[*start..*end]));
            spans.extend(texts.map(|(start, end)| (start, end, Some(*shape))));
        }
        if let Some(pieces) = &self.pieces {
            for piece in pieces.find_iter(bytes) {
                spans.extend(self.known_in(piece.as_bytes(), piece.start()));
            }
        }
        // Of two that overlap the one that is told by its shape, and of those the longer.
        spans.sort_by_key(|(start, end, shape)| (*start, shape.is_none(), std::cmp::Reverse(*end)));
        let mut found: Vec<Found> = Vec::new();
        let mut lines = Lines::of(bytes);
        let mut after = 0;
        for (start, end, shape) in spans {
            if start < after {
                continue;
            }
            let key = ApiKey::new(&String::from_utf8_lossy(&bytes[start..end]));
            let fingerprint = key.fingerprint();
            let holder = self.known.holder(&fingerprint).cloned();
            after = end;
            let (line, column, text) = lines.at(start);
            if holder.is_none() && is_allowed(text) {
                continue;
            }
            found.push(Found {
                line,
                column,
                shape,
                fingerprint,
                holder,
            });
        }
        found
    }
}

impl Finder {
    /// The keys of the list in a piece of a file that begins at an offset.
    fn known_in(&self, piece: &[u8], offset: usize) -> Vec<Span> {
        let Ok(piece) = std::str::from_utf8(piece) else {
            return Vec::new();
        };
        let keys = candidates(piece).into_iter().filter(|text| {
            let print = ApiKey::new(text).fingerprint();
            self.known.holder(&print).is_some()
        });
        let spans = keys.filter_map(|text| {
            let start = offset + piece.find(text)?;
            Some((start, start + text.len(), None))
        });
        spans.collect()
    }
}

/// Runs of characters of keys that are as long as keys.
fn pieces() -> Regex {
    #[expect(clippy::expect_used, reason = "a test builds it")]
    RegexBuilder::new("[0-9A-Za-z_.+/=~-]{24,}")
        .unicode(false)
        .build()
        .expect("a class and a number")
}

/// Where the key itself stands in what its expression found.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape of an iterator's function"
)]
fn text_of(found: Captures<'_>) -> Option<(usize, usize)> {
    found.get(1).map(|text| (text.start(), text.end()))
}

fn is_allowed(line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(line);
    ALLOWED.iter().any(|word| line.contains(word))
}

/// Counts lines on the way down.
struct Lines<'a> {
    bytes: &'a [u8],
    /// Where the line begins that was counted last, and its number.
    begins: usize,
    number: usize,
}

impl<'a> Lines<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            begins: 0,
            number: 1,
        }
    }

    /// The line and column of a byte that is not above the one before, and the line's text.
    fn at(&mut self, offset: usize) -> (usize, usize, &'a [u8]) {
        while let Some(end) = self.bytes[self.begins..offset]
            .iter()
            .position(|b| *b == b'\n')
        {
            self.begins += end + 1;
            self.number += 1;
        }
        let rest = &self.bytes[self.begins..];
        let end = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
        let before = String::from_utf8_lossy(&self.bytes[self.begins..offset]);
        (self.number, before.chars().count() + 1, &rest[..end])
    }
}
