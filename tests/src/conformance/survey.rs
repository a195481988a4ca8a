//! Whether all descriptions of a folder can be read, those without a driver too.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::description::{Description, Operation};
use super::schema::{Schema, Validators};

/// How many operations each description of a folder has, by file name.
///
/// # Errors
/// The folder, a file or a schema in one cannot be read.
pub fn survey(specs: &Path) -> Result<Vec<(String, String, usize)>, String> {
    let entries = std::fs::read_dir(specs).map_err(|error| format!("the folder: {error}"))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_json = |path: &PathBuf| path.extension().is_some_and(|end| end == "json");
    let mut files: Vec<PathBuf> = paths.filter(is_json).collect();
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let description = Description::load(&file).map_err(|error| format!("{name}: {error}"))?;
        build_all(&description).map_err(|error| format!("{name}: {error}"))?;
        let operations = description.operations.len();
        found.push((name.into_owned(), description.name, operations));
    }
    Ok(found)
}

fn build_all(description: &Description) -> Result<(), String> {
    let validators = Validators::default();
    for operation in &description.operations {
        for schema in schemas(operation) {
            let schema = Schema {
                schema,
                definitions: &description.definitions,
            };
            let path = operation.path.as_str();
            let built = validators.build(schema);
            built.map_err(|error| format!("{} {path}: {error}", operation.method))?;
        }
    }
    Ok(())
}

fn schemas(operation: &Operation) -> impl Iterator<Item = &Value> {
    let parameters = operation.parameters.iter().map(|one| &one.schema);
    let body = operation.body.iter().map(|body| &body.schema);
    let answers = operation.answers.values();
    let answers = answers.filter_map(|answer| answer.schema.as_ref());
    parameters.chain(body).chain(answers)
}
