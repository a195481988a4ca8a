//! `bench.json`: one object of flat keys that several benchmarks share.

use std::path::Path;

use serde_json::{Map, Value};

use crate::Result;

/// Writes `figures` into the file at `path` and leaves its other keys as they are.
pub(crate) fn merge_into(path: &Path, figures: Map<String, Value>) -> Result<()> {
    let before = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => "{}".to_owned(),
        Err(e) => return Err(e.into()),
    };
    let text = merged(&before, figures)?;
    let beside = path.with_extension("json.new");
    std::fs::write(&beside, text)?;
    Ok(std::fs::rename(beside, path)?)
}

fn merged(before: &str, figures: Map<String, Value>) -> Result<String> {
    let mut all: Map<String, Value> = serde_json::from_str(before)?;
    all.extend(figures);
    all.sort_keys();
    Ok(serde_json::to_string_pretty(&all)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn other_benchmarks_keep_their_keys() {
        let before = r#"{"soak.hours": 3, "start.ratio": 1}"#;
        let figures = [
            ("start.ratio".to_owned(), json!(80.5)),
            ("size.rotate.zip_bytes".to_owned(), json!(3)),
        ];
        let text = merged(before, figures.into_iter().collect()).unwrap();
        let expected = json!({"size.rotate.zip_bytes": 3, "soak.hours": 3, "start.ratio": 80.5});
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
    }

    #[test]
    fn a_file_of_something_else_is_not_overwritten() {
        assert!(merged("[]", Map::new()).is_err());
        assert!(merged("", Map::new()).is_err());
    }
}
