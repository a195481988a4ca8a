//! Text that came from outside: names, messages, labels.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Text made fit for one line of a log or an alert: control characters become spaces, and what is longer than `MAX`
/// characters is cut. Escaping for HTML or CSV is left to whoever writes those.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// Line separators and the marks that reorder text on a screen.
fn is_unprintable(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
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
    }
}
