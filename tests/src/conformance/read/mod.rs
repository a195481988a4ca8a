//! One reader for each format.

pub mod botocore;
pub mod discovery;
pub mod endpoints;
pub mod openapi;
mod types;

use serde_json::Value;

use super::description::Description;

/// Reads a document by what it looks like.
pub fn read(document: &Value) -> Option<Description> {
    if document.get("openapi").is_some() || document.get("swagger").is_some() {
        Some(openapi::read(document))
    } else if document.get("endpoints").is_some() {
        Some(endpoints::read(document))
    } else if document.get("discoveryVersion").is_some() {
        Some(discovery::read(document))
    } else if document["metadata"]["protocol"] == "query" {
        Some(botocore::read(document))
    } else {
        None
    }
}

/// Whose description this is and which, as its own note of where it comes from says.
fn name(document: &Value) -> String {
    let info = &document["info"];
    let notes = [
        &document["x-trimmed-from"],
        &document["x-derived-from"],
        &info["x-trimmed-from"],
        &info["x-derived-from"],
    ];
    let said = notes
        .iter()
        .filter_map(|note| note.as_str())
        .find_map(origin);
    said.unwrap_or_else(|| format!("{} {}", words(&info["title"]), words(&info["version"])))
}

fn words(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

/// `owner/name@commit`, or a name and a version, somewhere in a sentence.
fn origin(note: &str) -> Option<String> {
    const COMMIT: usize = 12;
    let bare = |word: &str| word.trim_matches([',', ';', ':', '(', ')', '.']).to_owned();
    let words: Vec<String> = note.split_whitespace().map(bare).collect();
    let commit = words.iter().find_map(|word| {
        let (repository, commit) = word.split_once('@')?;
        let is_commit = commit.len() >= COMMIT && commit.bytes().all(|b| b.is_ascii_hexdigit());
        is_commit.then(|| format!("{repository}@{}", &commit[..COMMIT]))
    });
    let is_version =
        |word: &str| word.contains('.') && word.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let version = || {
        let pair = words.windows(2).find(|pair| is_version(&pair[1]))?;
        Some(format!("{} {}", pair[0], pair[1]))
    };
    commit.or_else(version)
}

/// All methods that HTTP has a use for here.
const METHODS: [&str; 7] = ["get", "put", "post", "delete", "patch", "head", "options"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_named_as_its_note_says() {
        for (note, expected) in [
            (
                "acme/docs@0123456789abcdef0123 openapi.yaml",
                "acme/docs@0123456789ab",
            ),
            (
                "signatures of PyPI acme 3.4.1 (acme/acme-python; MIT)",
                "acme 3.4.1",
            ),
            ("acme-core 1.2.3 data/keys", "acme-core 1.2.3"),
        ] {
            assert_eq!(origin(note).as_deref(), Some(expected));
        }
        assert_eq!(origin("made by hand"), None);
    }
}
