//! How the keys of LLM providers look: the one table that hints, the audit, `keyward scan` and the rules for other scanners
//! are made of.

mod table;
#[cfg(test)]
mod tests;

use std::fmt::Write;

use super::discovery::Power;
use super::key::KeyFormat;
use super::slot::ProviderName;

pub use table::{
    ANTHROPIC, AZURE, BEDROCK, GEMINI, GEMINI_BOUND, LITELLM, OPENAI, OPENROUTER, SHAPES,
};

/// What random parts of keys are drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alphabet {
    /// `0-9a-f`.
    Hex,
    /// `0-9a-z`.
    LowerAlnum,
    /// `0-9A-Za-z`.
    Alnum,
    /// `0-9A-Za-z_`.
    Word,
    /// URL-safe base 64, `0-9A-Za-z_-`.
    Base64Url,
    /// Base 64, `0-9A-Za-z+/`.
    Base64,
    /// `A-L`, as Azure's marked keys tell their year and month.
    AToL,
}

impl Alphabet {
    /// Its characters, in the order of a character class.
    pub const fn chars(self) -> &'static str {
        match self {
            Self::Hex => "0123456789abcdef",
            Self::LowerAlnum => "0123456789abcdefghijklmnopqrstuvwxyz",
            Self::Alnum => "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            Self::Word => "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_",
            Self::Base64Url => "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-",
            Self::Base64 => "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+/",
            Self::AToL => "ABCDEFGHIJKL",
        }
    }

    const fn class(self) -> &'static str {
        match self {
            Self::Hex => "[0-9a-f]",
            Self::LowerAlnum => "[0-9a-z]",
            Self::Alnum => "[0-9A-Za-z]",
            Self::Word => "[0-9A-Za-z_]",
            Self::Base64Url => "[0-9A-Za-z_-]",
            Self::Base64 => "[0-9A-Za-z+/]",
            Self::AToL => "[A-L]",
        }
    }
}

/// No bound: expressions that count further than this are refused by RE2 and Go.
/// <https://github.com/google/re2/wiki/Syntax>
pub const MANY: u16 = 1000;

/// A piece of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The same in every key.
    Text(&'static str),
    /// Random characters, so many of them at least and at most; at most [`MANY`] is any number.
    Chars(Alphabet, u16, u16),
    /// Base 64 is filled up with so many `=` at most.
    Padding(u16),
}

/// One kind of key, as narrowly as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyShape {
    /// Its name in reports and rules, such as `openai-project-key`.
    pub id: &'static str,
    /// Whose it is, as people say it.
    pub provider: &'static str,
    /// The driver that rotates such keys, if there is one.
    pub driver: Option<ProviderName>,
    /// What it can do.
    pub power: Power,
    /// The text that tells whose it is, by which an audit goes that sees a key in its place; empty where keys have no
    /// beginning of their own.
    pub begins: &'static str,
    /// What comes after it.
    pub rest: &'static [Part],
    /// Lower-case words, of which one has to stand before it in its line: keys that begin in no way of their own are told
    /// from other numbers by nothing else. Empty where the text tells.
    pub named: &'static [&'static str],
    /// Whether a text counts only with a small and a capital letter in its random part: the shape alone is that of many a
    /// name with hyphens.
    pub mixed: Mixed,
}

/// Whether what comes after the beginning has to be mixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mixed {
    /// The shape tells enough.
    Either,
    /// A small and a capital letter are in it.
    Needed,
}

/// What stands before a key: no part of a word; or what a JSON text or a URL writes for another character.
const BEFORE: &str = r"(?:\b|\\[nrtbf]|%[0-9A-Fa-f]{2})";

/// What stands between a name and the key that is given to it: the rest of the name; a call that takes it, or its type;
/// what assigns; quotes, also those inside other quotes.
const ASSIGNED: &str = concat!(
    r"[0-9A-Za-z_.\[\]-]{0,40}",
    r#"(?:\([^"'`\n]{0,40})?"#,
    r#"(?:\\?["'`\]]){0,3}"#,
    r"(?:[ \t]{0,8}:[ \t]{0,4}[&A-Za-z_<>' \[\]]{1,24})?",
    r"[ \t]{0,8}(?:=>|:=|=|:|,|>|\(|[ \t])[ \t]{0,8}",
    r#"(?:\\?["'`]){0,3}"#,
);

impl KeyShape {
    /// The expression that finds it in source, its text as the only group. It is read alike by Rust's `regex`, by RE2, which
    /// gitleaks uses, and by Python's `re`, as it looks neither ahead nor behind.
    pub fn expression(&self) -> String {
        let (key, end) = (self.key(), self.end());
        match self.named {
            [] => format!(r"{BEFORE}({key}){end}"),
            named => format!(r"(?i:{}){ASSIGNED}({key}){end}", named.join("|")),
        }
    }

    /// What may stand behind a key: nothing that could be a part of one.
    fn end(&self) -> &'static str {
        let is_base64 = |part: &Part| matches!(part, Part::Chars(Alphabet::Base64, ..));
        match self.rest.iter().any(is_base64) {
            true => "(?:[^0-9A-Za-z_+/=-]|$)",
            false => "(?:[^0-9A-Za-z_-]|$)",
        }
    }

    fn key(&self) -> String {
        let mut key = escaped(self.begins);
        for part in self.rest {
            match part {
                Part::Text(text) => key.push_str(&escaped(text)),
                Part::Chars(alphabet, least, most) => {
                    let class = alphabet.class();
                    let _ = match (least, most) {
                        (least, most) if least == most => write!(key, "{class}{{{least}}}"),
                        (least, &MANY) => write!(key, "{class}{{{least},}}"),
                        (least, most) => write!(key, "{class}{{{least},{most}}}"),
                    };
                }
                Part::Padding(most) => {
                    let _ = write!(key, "={{0,{most}}}");
                }
            }
        }
        key
    }

    /// Texts of which each place that it stands at has one, in small letters: what a scanner looks for first.
    pub fn keywords(&self) -> Vec<String> {
        match self.named {
            [] => vec![self.first_text().to_lowercase()],
            named => named.iter().map(|&word| word.to_owned()).collect(),
        }
    }

    /// The first text that is the same in every key.
    fn first_text(&self) -> &'static str {
        let texts = self.rest.iter().find_map(|part| match part {
            Part::Text(text) => Some(*text),
            _ => None,
        });
        match self.begins {
            "" => texts.unwrap_or_default(),
            begins => begins,
        }
    }

    /// Where its first random part begins, and how long that is at least. Numbers of a few characters are none.
    pub fn random(&self) -> (usize, usize) {
        let mut begins = self.begins.len();
        for part in self.rest {
            match part {
                Part::Chars(_, least, _) if *least > 4 => return (begins, usize::from(*least)),
                Part::Chars(_, least, _) | Part::Padding(least) => begins += usize::from(*least),
                Part::Text(text) => begins += text.len(),
            }
        }
        (begins, 0)
    }

    /// Whether a text that the expression found counts: a placeholder is the same all along, and a name is not mixed.
    pub fn counts(&self, found: &[u8]) -> bool {
        let (begins, least) = self.random();
        let random = found.get(begins..).unwrap_or_default();
        let random = match self.mixed {
            Mixed::Either => &random[..least.min(random.len())],
            Mixed::Needed => random,
        };
        let has = |is: fn(&u8) -> bool| random.iter().any(is);
        match self.mixed {
            Mixed::Either => random.iter().any(|byte| Some(byte) != random.first()),
            Mixed::Needed => has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase),
        }
    }

    /// A text of this shape that is nobody's key: `EXAMPLE` and its name again and again, as far as those can be written.
    /// For tests of what finds keys.
    pub fn made_up(&self) -> String {
        let mut text = self.begins.to_owned();
        for part in self.rest {
            match part {
                Part::Text(same) => text.push_str(same),
                Part::Chars(alphabet, least, _) => {
                    let drawn = format!("EXAMPLE0a{}1b2c3d4e5f", self.id.replace('-', ""));
                    let drawn = drawn.chars().filter(|c| alphabet.chars().contains(*c));
                    let drawn = drawn.collect::<Vec<_>>().into_iter().cycle();
                    text.extend(drawn.take((*least).into()));
                }
                Part::Padding(_) => {}
            }
        }
        text
    }
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut all, c| {
        if !(c.is_ascii_alphanumeric() || c == '-' || c == '_') {
            all.push('\\');
        }
        all.push(c);
        all
    })
}

/// Whose key a text is by its beginning: the shape with the longest beginning that it has, the first of them where several
/// have the same.
pub fn by_beginning(begins_with: impl Fn(&str) -> bool) -> Option<&'static KeyShape> {
    let mut found: Option<&KeyShape> = None;
    for shape in SHAPES {
        let is_longer = found.is_none_or(|other| other.begins.len() < shape.begins.len());
        if !shape.begins.is_empty() && is_longer && begins_with(shape.begins) {
            found = Some(shape);
        }
    }
    found
}
