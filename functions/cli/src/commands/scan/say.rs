//! What is said of what was found. No text of a key is in it.

use serde_json::{Value, json};

use super::Printed;
use super::files::Looked;
use super::finder::Found;
use crate::print::{line, table};

pub(super) fn say(looked: &Looked, printed: Printed) {
    match printed {
        Printed::Table => for_people(looked),
        Printed::Json => line(&as_json(looked).to_string()),
        Printed::Sarif => line(&as_sarif(looked).to_string()),
    }
}

fn for_people(looked: &Looked) {
    let (files, keys) = (looked.files, looked.found.len());
    if keys == 0 {
        line(&format!(
            "No key of an LLM provider was found in {files} files."
        ));
        return;
    }
    let rows = looked.found.iter().map(|(file, found)| {
        [
            format!("{file}:{}:{}", found.line, found.column),
            kind(found).to_owned(),
            found.fingerprint.to_string(),
            whose(found),
        ]
    });
    let rows: Vec<[String; 4]> = rows.collect();
    table(["WHERE", "LOOKS LIKE", "FINGERPRINT", "WHOSE"], &rows);
    line(&format!(
        "\n{keys} in {files} files. A key that was ever committed or sent is leaked:"
    ));
    line(
        "  cut it off     keyward scan --format sarif > found.sarif; keyward leak found.sarif --reason \"found in a repository\"",
    );
    line("  keep it out    fetch it at run time by its slot's name; see keyward init-repo");
    line("  it is no key   put `keyward:allow` into a comment of its line");
}

fn kind(found: &Found) -> &'static str {
    found.shape.map_or("a key that is known", |shape| shape.id)
}

fn whose(found: &Found) -> String {
    match &found.holder {
        Some(holder) if holder.is_live() => format!("yours: slot {}, live", holder.slot),
        Some(holder) => format!("yours: slot {}, dead", holder.slot),
        None => String::new(),
    }
}

pub(super) fn as_json(looked: &Looked) -> Value {
    let found = looked.found.iter().map(|(file, found)| {
        let holder = found.holder.as_ref();
        json!({
            "file": file,
            "line": found.line,
            "column": found.column,
            "kind": found.shape.map(|shape| shape.id),
            "provider": found.shape.map(|shape| shape.provider),
            "sha256": found.fingerprint.to_hex(),
            "slot": holder.map(|holder| &holder.slot),
            "state": holder.map(|holder| holder.state),
            "live": holder.map(super::known::Holder::is_live),
        })
    });
    json!({
        "files": looked.files,
        "bytes": looked.bytes,
        "found": found.collect::<Vec<_>>(),
        "not_seen": looked.unseen,
    })
}

/// <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>
pub(super) fn as_sarif(looked: &Looked) -> Value {
    let results = looked.found.iter().map(|(file, found)| {
        let whose = whose(found);
        let whose = if whose.is_empty() {
            "whose it is was not told".to_owned()
        } else {
            whose
        };
        json!({
            "ruleId": kind(found).replace(' ', "-"),
            "level": "error",
            "message": { "text": format!("{} ({}); {whose}", kind(found), found.fingerprint) },
            "partialFingerprints": { "keySha256/v1": found.fingerprint.to_hex() },
            "locations": [{ "physicalLocation": {
                "artifactLocation": { "uri": uri(file) },
                "region": { "startLine": found.line, "startColumn": found.column },
            }}],
        })
    });
    json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "keyward", "version": env!("CARGO_PKG_VERSION") } },
            "columnKind": "unicodeCodePoints",
            "results": results.collect::<Vec<_>>(),
        }],
    })
}

/// A path as a relative reference: what a URI may not hold is escaped, byte by byte.
fn uri(path: &str) -> String {
    path.bytes().fold(String::new(), |mut uri, byte| {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
        uri
    })
}
