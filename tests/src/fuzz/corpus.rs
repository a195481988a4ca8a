//! What mutations start from: everything that was recorded, each string in turn replaced by a key.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

/// Longer documents are left whole, not cut into what is in them.
const LONG: usize = 64 * 1024;

/// A set of answers.
#[derive(Debug, Default)]
pub struct Seeds {
    json: BTreeSet<String>,
    markup: BTreeSet<String>,
}

impl Seeds {
    /// Takes in every JSON document in a folder, and every object and array in each.
    ///
    /// # Errors
    /// The folder cannot be read, or a document is none.
    pub fn folder(&mut self, folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == "json") {
                let text = std::fs::read_to_string(&path)?;
                let value: Value = serde_json::from_str(&text)
                    .map_err(|error| format!("{}: {error}", path.display()))?;
                self.document(&value);
            }
        }
        Ok(())
    }

    /// Takes in one document.
    pub fn document(&mut self, value: &Value) {
        let text = value.to_string();
        let is_long = text.len() > LONG;
        let is_more = matches!(value, Value::Object(_) | Value::Array(_)) && self.json.insert(text);
        if is_more && !is_long {
            match value {
                Value::Object(fields) => fields.values().for_each(|v| self.document(v)),
                Value::Array(list) => list.iter().for_each(|v| self.document(v)),
                _ => {}
            }
        }
    }

    /// Takes in one XML document, as it is.
    pub fn markup(&mut self, text: &str) {
        self.markup.insert(text.to_owned());
    }

    /// The documents, and each of them with each secret in place of each of its strings, and in the middle of it.
    pub fn planted(&self, secrets: &[String]) -> Vec<Vec<u8>> {
        let all = self.json.iter().chain(&self.markup);
        let mut seeds: Vec<Vec<u8>> = all.map(|text| text.clone().into_bytes()).collect();
        for text in &self.markup {
            seeds.extend(planted_between_tags(text, secrets));
        }
        for text in &self.json {
            let Ok(value) = serde_json::from_str::<Value>(text) else {
                continue;
            };
            for (n, secret) in (0..strings(&value)).zip(secrets.iter().cycle()) {
                let mut alone = value.clone();
                plant(&mut alone, &mut { n }, &|_| secret.clone());
                let mut inside = value.clone();
                plant(&mut inside, &mut { n }, &|old| {
                    format!("{old} {secret} {old}")
                });
                seeds.extend([alone, inside].map(|v| v.to_string().into_bytes()));
            }
        }
        seeds
    }
}

/// An XML document with a secret in place of each text between tags, and in the middle of it.
fn planted_between_tags(text: &str, secrets: &[String]) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let texts = text.match_indices('>').filter_map(|(tag, _)| {
        let begin = tag + 1;
        let end = begin + text[begin..].find('<')?;
        (begin < end).then_some((begin, end))
    });
    for ((begin, end), secret) in texts.zip(secrets.iter().cycle()) {
        let (before, old, after) = (&text[..begin], &text[begin..end], &text[end..]);
        seeds.push(format!("{before}{secret}{after}").into_bytes());
        seeds.push(format!("{before}{old} {secret} {old}{after}").into_bytes());
    }
    seeds
}

fn strings(value: &Value) -> usize {
    match value {
        Value::String(_) => 1,
        Value::Array(list) => list.iter().map(strings).sum(),
        Value::Object(fields) => fields.values().map(strings).sum(),
        _ => 0,
    }
}

/// Replaces the nth string.
fn plant(value: &mut Value, n: &mut usize, new: &dyn Fn(&str) -> String) {
    match value {
        Value::String(text) if *n == 0 => {
            *text = new(text);
            *n = usize::MAX;
        }
        Value::String(_) => *n = n.saturating_sub(1),
        Value::Array(list) => list.iter_mut().for_each(|v| plant(v, n, new)),
        Value::Object(fields) => fields.values_mut().for_each(|v| plant(v, n, new)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_string_is_planted_once() {
        let mut seeds = Seeds::default();
        seeds.document(&json!({"a": "x", "b": ["y", {"c": "z"}], "n": 1}));
        let secrets = ["KEY".to_owned()];
        let all: Vec<String> = seeds
            .planted(&secrets)
            .into_iter()
            .map(|seed| String::from_utf8(seed).unwrap())
            .collect();
        for expected in [
            r#"{"a":"x","b":["y",{"c":"z"}],"n":1}"#,
            r#"{"a":"KEY","b":["y",{"c":"z"}],"n":1}"#,
            r#"{"a":"x","b":["KEY",{"c":"z"}],"n":1}"#,
            r#"{"a":"x","b":["y",{"c":"z KEY z"}],"n":1}"#,
            r#"["y",{"c":"KEY"}]"#,
            r#"{"c":"z"}"#,
        ] {
            assert!(
                all.iter().any(|seed| seed == expected),
                "{expected}: {all:?}"
            );
        }
        assert_eq!(all.len(), 3 + 2 * (3 + 2 + 1));
    }

    #[test]
    fn every_text_between_tags_is_planted_once() {
        let mut seeds = Seeds::default();
        seeds.markup("<a><b>x</b><c>y</c></a>");
        let all = seeds.planted(&["KEY".to_owned()]);
        let all: Vec<&str> = all
            .iter()
            .map(|s| std::str::from_utf8(s).unwrap())
            .collect();
        let expected = [
            "<a><b>x</b><c>y</c></a>",
            "<a><b>KEY</b><c>y</c></a>",
            "<a><b>x KEY x</b><c>y</c></a>",
            "<a><b>x</b><c>KEY</c></a>",
            "<a><b>x</b><c>y KEY y</c></a>",
        ];
        assert_eq!(all, expected);
    }
}
