//! Text that came from outside: names, messages, labels.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Outside text made fit for one line of a log or an alert: control characters become spaces, and what is longer
/// than [`OutsideText::MAX_CHARS`] is cut. Escaping for HTML or CSV is left to whoever writes those.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct OutsideText(String);

impl OutsideText {
    /// Characters kept at most.
    pub const MAX_CHARS: usize = 256;

    /// Cleans and cuts `text`.
    pub fn new(text: &str) -> Self {
        let clean = |c: char| {
            if c.is_control() || is_unprintable(c) {
                ' '
            } else {
                c
            }
        };
        Self(text.chars().take(Self::MAX_CHARS).map(clean).collect())
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

impl From<String> for OutsideText {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl From<OutsideText> for String {
    fn from(text: OutsideText) -> Self {
        text.0
    }
}

impl fmt::Display for OutsideText {
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
