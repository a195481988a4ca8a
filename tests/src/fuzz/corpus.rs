//! What mutations start from: everything that was recorded, each string in turn replaced by a key.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

/// Longer documents are left whole, not cut into what is in them.
const LONG: usize = 64 * 1024;

/// A set of answers.
#[derive(Debug, Default)]
pub struct Seeds(BTreeSet<String>);

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
        let is_more = matches!(value, Value::Object(_) | Value::Array(_)) && self.0.insert(text);
        if is_more && !is_long {
            match value {
                Value::Object(fields) => fields.values().for_each(|v| self.document(v)),
                Value::Array(list) => list.iter().for_each(|v| self.document(v)),
                _ => {}
            }
        }
    }

    /// The documents, and each of them with each secret in place of each of its strings, and in the middle of it.
    pub fn planted(&self, secrets: &[String]) -> Vec<Vec<u8>> {
        let mut seeds: Vec<Vec<u8>> = self
            .0
            .iter()
            .map(|text| text.clone().into_bytes())
            .collect();
        for text in &self.0 {
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
}
