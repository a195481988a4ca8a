//! Reports of secret scanners: what they found, and where. A report that cannot be read is an error, never an empty one; of
//! a find whose text it hides, the place is kept, so that somebody looks.

use serde_json::Value;

use crate::model::key::ApiKey;
use crate::model::key_like;
use crate::model::text::{OutsideText, without_keys};

/// Who wrote a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scanner {
    /// `gitleaks --report-format json`, a list of findings:
    /// <https://github.com/gitleaks/gitleaks/blob/master/report/finding.go>.
    Gitleaks,
    /// A baseline of `detect-secrets scan`: it has hashes only, by file and line:
    /// <https://github.com/Yelp/detect-secrets/blob/master/docs/design.md>.
    DetectSecrets,
    /// `trufflehog --json`, one object a line:
    /// <https://github.com/trufflesecurity/trufflehog/blob/main/pkg/output/json.go>.
    TruffleHog,
    /// SARIF 2.1.0: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>.
    Sarif,
    /// The notice that GitHub sends to partners whose keys it found:
    /// <https://docs.github.com/en/code-security/secret-scanning/secret-scanning-partnership-program/secret-scanning-partner-program>.
    GitHubNotice,
    /// No report: a text with keys in it.
    Text,
}

/// Something that was found.
#[derive(Debug)]
pub struct Leak {
    /// By which rule, and where, for people; without key text.
    pub place: OutsideText,
    /// What is known of its text.
    pub shown: Shown,
}

/// What a report says of the text that was found.
#[derive(Debug)]
pub enum Shown {
    /// The text. A key may be a piece of it.
    Text(ApiKey),
    /// It stands in this line of a file, as the scanner saw it.
    At {
        /// The file, as the report names it.
        file: String,
        /// The line, from 1 on.
        line: u64,
    },
    /// It is hidden, and stands nowhere that can be looked at.
    Hidden,
}

/// Why a report was not read. Nothing of it is quoted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// It has no form that is known.
    #[error(
        "this is no report of gitleaks (JSON), detect-secrets, trufflehog (JSON) or SARIF; a key alone goes to standard input: keyward leak -"
    )]
    Unknown,
    /// It is JSON and breaks off, or a part of it is not as its scanner writes it.
    #[error("the report of {scanner} is damaged at entry {at}: have it written again")]
    Damaged {
        /// Who wrote it.
        scanner: &'static str,
        /// Which entry, from 1 on.
        at: usize,
    },
}

/// Reads a report.
///
/// # Errors
/// [`ReportError`]; then nothing of it counts.
pub fn read(text: &str) -> Result<(Scanner, Vec<Leak>), ReportError> {
    let text = text.trim_start_matches('\u{feff}').trim();
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Array(entries)) => of_list(&entries),
        Ok(report @ Value::Object(_)) => of_object(&report),
        Ok(_) => Err(ReportError::Unknown),
        Err(_) => of_lines(text),
    }
}

/// A text that is no report: every key in it is one find.
pub fn of_text(text: &str) -> Vec<Leak> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let leaks = lines.enumerate().map(|(at, line)| Leak {
        place: OutsideText::new(&format!("line {} of the input", at + 1)),
        shown: Shown::Text(ApiKey::new(line)),
    });
    leaks.collect()
}

fn of_list(entries: &[Value]) -> Result<(Scanner, Vec<Leak>), ReportError> {
    let Some(first) = entries.first() else {
        // What gitleaks writes when it found nothing.
        return Ok((Scanner::Gitleaks, Vec::new()));
    };
    let (scanner, name, read): (_, _, fn(&Value) -> Option<Leak>) = match first {
        entry if entry.get("RuleID").is_some() => (Scanner::Gitleaks, "gitleaks", gitleaks),
        entry if entry.get("DetectorName").is_some() => {
            (Scanner::TruffleHog, "trufflehog", trufflehog)
        }
        entry if entry.get("token").is_some() => (Scanner::GitHubNotice, "GitHub", notice),
        _ => return Err(ReportError::Unknown),
    };
    Ok((scanner, each(entries, name, read)?))
}

fn of_object(report: &Value) -> Result<(Scanner, Vec<Leak>), ReportError> {
    if let Some(runs) = report.get("runs").and_then(Value::as_array) {
        let results = runs.iter().flat_map(|run| list(run, "results"));
        return Ok((Scanner::Sarif, each(results, "SARIF", sarif)?));
    }
    if report.get("DetectorName").is_some() {
        let leaks = each([report], "trufflehog", trufflehog)?;
        return Ok((Scanner::TruffleHog, leaks));
    }
    let results = report.get("results").and_then(Value::as_object);
    let is_baseline = report.get("plugins_used").is_some();
    let Some(results) = results.filter(|_| is_baseline) else {
        return Err(ReportError::Unknown);
    };
    let mut leaks = Vec::new();
    for (file, found) in results {
        let found = found.as_array().ok_or(damaged("detect-secrets", 1))?;
        for entry in found {
            let leak = detect_secrets(file, entry);
            leaks.push(leak.ok_or(damaged("detect-secrets", leaks.len() + 1))?);
        }
    }
    Ok((Scanner::DetectSecrets, leaks))
}

/// trufflehog's objects, one a line; lines of its log stand between them where both went to one file.
fn of_lines(text: &str) -> Result<(Scanner, Vec<Leak>), ReportError> {
    let mut leaks = Vec::new();
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    for (at, line) in lines.enumerate() {
        let entry: Option<Value> = serde_json::from_str(line).ok();
        let Some(entry) = entry.filter(Value::is_object) else {
            return Err(match at {
                0 => ReportError::Unknown,
                _ => damaged("trufflehog", at + 1),
            });
        };
        if entry.get("DetectorName").is_some() {
            leaks.push(trufflehog(&entry).ok_or(damaged("trufflehog", at + 1))?);
        } else if entry.get("level").is_none() {
            return Err(ReportError::Unknown);
        }
    }
    match text.is_empty() {
        true => Err(ReportError::Unknown),
        false => Ok((Scanner::TruffleHog, leaks)),
    }
}

fn each<'a>(
    entries: impl IntoIterator<Item = &'a Value>,
    scanner: &'static str,
    read: impl Fn(&Value) -> Option<Leak>,
) -> Result<Vec<Leak>, ReportError> {
    let entries = entries.into_iter().enumerate();
    entries
        .map(|(at, entry)| read(entry).ok_or(damaged(scanner, at + 1)))
        .collect()
}

const fn damaged(scanner: &'static str, at: usize) -> ReportError {
    ReportError::Damaged { scanner, at }
}

/// `--redact` puts a word in the place of the secret, or cuts it.
fn gitleaks(entry: &Value) -> Option<Leak> {
    let (rule, file) = (text(entry, "RuleID")?, text(entry, "File")?);
    let secret = text(entry, "Secret")?;
    let found = text(entry, "Match").unwrap_or_default();
    let line = entry.get("StartLine").and_then(Value::as_u64);
    let commit = text(entry, "Commit").unwrap_or_default();
    let shown = match is_hidden(secret) {
        false => Shown::Text(ApiKey::new(&format!("{secret}\n{found}"))),
        // What an older commit holds need not be what stands in the file.
        true if commit.is_empty() => at(file, line),
        true => Shown::Hidden,
    };
    Some(Leak {
        place: place("gitleaks", rule, file, line, commit),
        shown,
    })
}

fn detect_secrets(file: &str, entry: &Value) -> Option<Leak> {
    let kind = text(entry, "type")?;
    let line = entry.get("line_number").and_then(Value::as_u64);
    Some(Leak {
        place: place("detect-secrets", kind, file, line, ""),
        shown: at(file, line),
    })
}

/// `RawV2` has all parts of a find that has several.
fn trufflehog(entry: &Value) -> Option<Leak> {
    let detector = text(entry, "DetectorName")?;
    let raw = text(entry, "Raw").unwrap_or_default();
    let more = text(entry, "RawV2").unwrap_or_default();
    let sources = entry.pointer("/SourceMetadata/Data");
    let source = sources.and_then(Value::as_object)?.values().next();
    let of_source = |name| source.and_then(|source| text(source, name));
    let file = of_source("file")
        .or(of_source("link"))
        .unwrap_or("somewhere");
    let line = source.and_then(|s| s.get("line")).and_then(Value::as_u64);
    let commit = of_source("commit").unwrap_or_default();
    Some(Leak {
        place: place("trufflehog", detector, file, line, commit),
        shown: match (raw, more) {
            ("", "") => Shown::Hidden,
            (raw, more) => Shown::Text(ApiKey::new(&format!("{raw}\n{more}"))),
        },
    })
}

/// The text of a find is a snippet of the region, where the tool kept it.
fn sarif(entry: &Value) -> Option<Leak> {
    let rule = text(entry, "ruleId").unwrap_or("a rule");
    let physical = entry.pointer("/locations/0/physicalLocation");
    let of_place = |pointer: &str| physical.and_then(|physical| physical.pointer(pointer));
    let file = of_place("/artifactLocation/uri").and_then(Value::as_str);
    let file = file.map(|file| unescaped(file.trim_start_matches("file://")));
    let file = file.as_deref();
    let line = of_place("/region/startLine").and_then(Value::as_u64);
    let snippet = of_place("/region/snippet/text").and_then(Value::as_str);
    let shown = match (snippet, file) {
        (Some(snippet), _) if !is_hidden(snippet) => Shown::Text(ApiKey::new(snippet)),
        (_, Some(file)) => at(file, line),
        (_, None) => Shown::Hidden,
    };
    let file = file.unwrap_or("somewhere");
    Some(Leak {
        place: place("SARIF", rule, file, line, ""),
        shown,
    })
}

/// A path as files have it: a URI writes some bytes as `%` and two digits. <https://www.rfc-editor.org/rfc/rfc3986#section-2.1>
fn unescaped(uri: &str) -> String {
    let (mut bytes, mut rest) = (Vec::with_capacity(uri.len()), uri.as_bytes());
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).filter(|_| *first == b'%');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn notice(entry: &Value) -> Option<Leak> {
    let token = text(entry, "token")?;
    let url = text(entry, "url").unwrap_or("somewhere");
    let kind = text(entry, "type").unwrap_or("a key");
    Some(Leak {
        place: place("GitHub", kind, url, None, ""),
        shown: Shown::Text(ApiKey::new(token)),
    })
}

fn text<'a>(entry: &'a Value, name: &str) -> Option<&'a str> {
    entry.get(name).and_then(Value::as_str)
}

fn list<'a>(entry: &'a Value, name: &str) -> &'a [Value] {
    entry
        .get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn at(file: &str, line: Option<u64>) -> Shown {
    match line {
        Some(line) if line > 0 => Shown::At {
            file: file.to_owned(),
            line,
        },
        _ => Shown::Hidden,
    }
}

/// Whether a scanner was told to hide what it found: by a word, by stars, or by cutting it.
fn is_hidden(text: &str) -> bool {
    let text = text.trim();
    text.is_empty() || text.contains("REDACTED") || text.contains("***") || text.ends_with("...")
}

/// File names and rules are words of others, and may hold keys.
fn place(by: &str, rule: &str, file: &str, line: Option<u64>, commit: &str) -> OutsideText {
    let line = line.map_or(String::new(), |line| format!(":{line}"));
    let commit = match commit {
        "" => String::new(),
        commit => format!(", commit {}", commit.get(..12).unwrap_or(commit)),
    };
    let (file, rule) = (place_without_keys(file), without_keys(rule));
    OutsideText::new(&format!("{file}{line}{commit} ({by}: {rule})"))
}

/// What is shown of a part of a place that may be a key.
const SHOWN: usize = 11;

/// A place, with every key in it cut: from the first part of a path that may be one, the rest of the path. A path is long
/// without being a key, so its length alone says nothing.
pub fn place_without_keys(place: &str) -> String {
    place
        .split(' ')
        .map(path_without_keys)
        .collect::<Vec<_>>()
        .join(" ")
}

fn path_without_keys(path: &str) -> String {
    let mut before = 0;
    for part in path.split('/') {
        let may_be_one = |word| key_like::may_be_a_key(word) || key_like::begins_as_keys_do(word);
        if key_like::words(part).any(may_be_one) || key_like::pieces(part).any(may_be_one) {
            let shown = part.chars().take(SHOWN);
            return path[..before].chars().chain(shown).chain(['…']).collect();
        }
        before += part.len() + 1;
    }
    path.to_owned()
}

#[cfg(test)]
mod tests;
