//! Hunts for key texts in whatever came out of a run: logs, errors, tables, alerts, reports.

mod decode;
mod patterns;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use aho_corasick::AhoCorasick;
use secrecy::ExposeSecret;

use patterns::Pattern;

/// How many characters of a secret's random part in a row are a find.
pub const WINDOW: usize = 12;

/// How many bytes before a find are shown.
const SHOWN_BEFORE: usize = 60;

/// Finds secrets in any of the forms in which they get out by accident: as they are, in base64 at any offset, in hex,
/// as a list of bytes; each also in other case, percent-encoded, escaped as JSON or `Debug` does (wholly, partly, or
/// several times over), and broken over lines.
///
/// A find is any [`WINDOW`] characters of the random part. Prefix, marker and the last four are none: hints and
/// redacted forms may show them.
pub struct Canary {
    automaton: AhoCorasick,
    patterns: Vec<Pattern>,
}

/// A secret that got out. Carries nothing of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which of the secrets, counted from 0 in the order in which they were given.
    pub secret: usize,
    /// In which form.
    pub form: Form,
    /// How the haystack was read when it was seen.
    pub reading: Reading,
    /// Where, in bytes of that reading.
    pub at: usize,
    /// What stands before it there.
    pub before: String,
}

/// In which form a secret was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// As it is, in any case.
    Plain,
    /// Base64, standard or URL-safe.
    Base64,
    /// Two hex digits for each byte.
    Hex,
    /// The decimal values of its bytes, with commas between.
    ByteList,
}

/// How a haystack is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// As it is.
    AsIs,
    /// With percent-encoding and escapes resolved that many times.
    Decoded(u32),
    /// The last of these without white space.
    Joined,
}

impl Canary {
    /// Hunts for these texts. The random part of one begins after `EXAMPLE`, else after the dashes of a prefix `sk-…-`.
    ///
    /// # Panics
    /// If the random part of a text is shorter than [`WINDOW`]: not finding it would prove nothing.
    pub fn new<T: AsRef<str>>(secrets: impl IntoIterator<Item = T>) -> Self {
        let mut patterns = Vec::new();
        let mut texts = Vec::new();
        let mut known = BTreeSet::new();
        for (secret, text) in secrets.into_iter().enumerate() {
            for (form, bytes) in patterns::of(text.as_ref()) {
                if known.insert(bytes.clone()) {
                    patterns.push(Pattern { secret, form });
                    texts.push(bytes);
                }
            }
        }
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(&texts)
            .expect("patterns of a test fit in memory");
        Self {
            automaton,
            patterns,
        }
    }

    /// [`Canary::new`] for texts that are kept in types of their own.
    pub fn of<'a>(secrets: impl IntoIterator<Item = &'a (dyn ExposeSecret<str> + 'a)>) -> Self {
        Self::new(secrets.into_iter().map(ExposeSecret::expose_secret))
    }

    /// Every secret and form that the haystack holds, where it is first seen.
    pub fn find(&self, haystack: impl AsRef<[u8]>) -> Vec<Finding> {
        let mut findings = Vec::new();
        let haystack = haystack.as_ref();
        self.search(haystack, Reading::AsIs, &mut findings);
        let mut decoded = None;
        for times in 1..=decode::MAX_LAYERS {
            let Some(next) = decode::layer(decoded.as_deref().unwrap_or(haystack)) else {
                break;
            };
            self.search(&next, Reading::Decoded(times), &mut findings);
            decoded = Some(next);
        }
        let mut joined = decoded.unwrap_or_else(|| haystack.to_vec());
        joined.retain(|byte| !byte.is_ascii_whitespace());
        self.search(&joined, Reading::Joined, &mut findings);
        findings
    }

    /// Fails the test if the haystack holds any secret.
    ///
    /// # Panics
    /// With what was found in `what`, but nothing of the secrets.
    pub fn assert_absent(&self, what: &str, haystack: impl AsRef<[u8]>) {
        let findings = self.find(haystack);
        let list: String = findings.iter().map(|f| format!("\n  {f}")).collect();
        assert!(findings.is_empty(), "key text in {what}:{list}");
    }

    fn search(&self, haystack: &[u8], reading: Reading, findings: &mut Vec<Finding>) {
        for found in self.automaton.find_iter(haystack) {
            let pattern = &self.patterns[found.pattern().as_usize()];
            let is_new = |f: &Finding| (f.secret, f.form) != (pattern.secret, pattern.form);
            if findings.iter().all(is_new) {
                let before = &haystack[found.start().saturating_sub(SHOWN_BEFORE)..found.start()];
                findings.push(Finding {
                    secret: pattern.secret,
                    form: pattern.form,
                    reading,
                    at: found.start(),
                    before: String::from_utf8_lossy(before).into_owned(),
                });
            }
        }
    }
}

impl fmt::Debug for Canary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Canary({} patterns)", self.patterns.len())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "secret {} as {:?}, read {:?}, at byte {}, after {:?}",
            self.secret, self.form, self.reading, self.at, self.before
        )
    }
}
