//! Text that came from outside: names, messages, labels.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Text made fit for one line of a log or an alert: control characters become spaces, and what is longer than `MAX`
/// characters is cut. Escaping for where it goes is left to whoever writes there: [`escaped_for_html`].
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct CleanText<const MAX: usize>(String);

/// A piece of text that came from outside: a label, a provider's message.
pub type OutsideText = CleanText<256>;

/// A sentence for people, with pieces from outside in it.
pub type AlertText = CleanText<1024>;

impl<const MAX: usize> CleanText<MAX> {
    /// Characters kept at most.
    pub const MAX_CHARS: usize = MAX;

    /// Cleans and cuts `text`.
    pub fn new(text: &str) -> Self {
        let clean = |c: char| {
            if c.is_control() || is_unprintable(c) {
                ' '
            } else {
                c
            }
        };
        Self(text.chars().take(MAX).map(clean).collect())
    }

    /// The cleaned text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The cleaned text without the stops at its end: fit to stand before one.
    pub fn clause(&self) -> &str {
        self.0
            .trim_end_matches(|c: char| c == '.' || c.is_whitespace())
    }
}

/// Text that is safe in HTML, between tags and in a quoted attribute. Control characters become spaces.
pub fn escaped_for_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            control if control.is_control() => out.push(' '),
            other => out.push(other),
        }
    }
    out
}

impl<const MAX: usize> JsonSchema for CleanText<MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Text{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "maxLength": MAX})
    }
}

/// Words longer than this are shown in part: one may be a key that was put in the wrong place.
const MAX_WORD: usize = 24;

/// What is shown of such a word.
const SHOWN: usize = 11;

/// A message that quotes its input, as those of parsers do, with every word in it that may be a key cut.
pub fn without_keys(message: &str) -> String {
    let in_word = |c: char| c.is_alphanumeric() || "-_./+=~".contains(c);
    let mut rest = message;
    let mut shown = String::new();
    while let Some(first) = rest.chars().next() {
        let end = match in_word(first) {
            true => rest.find(|c| !in_word(c)).unwrap_or(rest.len()),
            false => first.len_utf8(),
        };
        let (word, after) = rest.split_at(end);
        if word.chars().count() > MAX_WORD {
            shown.extend(word.chars().take(SHOWN).chain(['…']));
        } else {
            shown.push_str(word);
        }
        rest = after;
    }
    shown
}

/// An error and what caused it, from one to the next.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// Line separators and the marks that reorder text on a screen.
fn is_unprintable(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{2028}' | '\u{2029}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

impl<const MAX: usize> From<String> for CleanText<MAX> {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl<const MAX: usize> From<CleanText<MAX>> for String {
    fn from(text: CleanText<MAX>) -> Self {
        text.0
    }
}

impl<const MAX: usize> fmt::Display for CleanText<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_of_bounded_length_remains() {
        let text = OutsideText::new(&format!("a\r\nb\u{202e}c\u{1b}[31m{}", "x".repeat(999)));
        assert!(text.as_str().starts_with("a  b c [31mx"));
        assert_eq!(text.as_str().chars().count(), OutsideText::MAX_CHARS);
        for mark in ['\u{61c}', '\u{200f}', '\u{2066}', '\u{9b}'] {
            assert_eq!(OutsideText::new(&mark.to_string()).as_str(), " ");
        }
    }

    #[test]
    fn a_clause_has_no_stop_of_its_own() {
        for (text, clause) in [
            ("over 2 points.", "over 2 points"),
            ("wait... ", "wait"),
            ("3.1 times", "3.1 times"),
            ("...", ""),
        ] {
            assert_eq!(OutsideText::new(text).clause(), clause);
        }
    }

    #[test]
    fn a_word_that_may_be_a_key_is_cut() {
        for (message, shown) in [
            ("", ""),
            (
                "unknown field `owner`, line 3",
                "unknown field `owner`, line 3",
            ),
            (
                "unknown variant `sk-ant-api03-EXAMPLE0123456789_-AA`, expected x",
                "unknown variant `sk-ant-api0…`, expected x",
            ),
            ("\"ключ0123456789012345678901\"", "\"ключ0123456…\""),
        ] {
            assert_eq!(without_keys(message), shown);
        }
    }
}
