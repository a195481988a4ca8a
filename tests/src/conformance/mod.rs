//! What drivers send, and their simulators answer, against the providers' published descriptions.
//!
//! [`life`] plays the suite of every driver and keeps what was said on the wire; the readers of [`read`] bring each
//! description into one form; [`check`] compares them; [`table`] holds the results against those in the repository.
//! Nothing that is printed holds a value from the wire: it names the provider, the operation, a pointer and a rule.

pub mod check;
pub mod description;
pub mod drivers;
mod judge;
pub mod life;
pub mod read;
pub mod schema;
pub mod survey;
pub mod table;
mod texts;

use std::collections::BTreeSet;
use std::path::Path;

use keyward_providers::conformance::Operation;
use serde_json::json;

use description::{Answer, Description, Extent};
use drivers::{Driver, Model, Source};

pub use judge::judge;

/// What came of one driver.
#[derive(Debug)]
pub struct Outcome {
    /// Its operations.
    pub operations: Vec<Operation>,
    /// What is not as described, one line each.
    pub failures: BTreeSet<String>,
    /// How many requests were checked.
    pub requests: usize,
    /// How many answers.
    pub answers: usize,
}

/// Plays a driver's life, and checks it against the descriptions in the folder `specs`.
///
/// # Errors
/// A description cannot be read.
pub async fn run(driver: &Driver, specs: &Path) -> Result<Outcome, String> {
    let load = |source| load(specs, source);
    let descriptions: Vec<Description> =
        driver.sources.iter().map(load).collect::<Result<_, _>>()?;
    let mut exchanges = Vec::new();
    for settings in (driver.settings)() {
        exchanges.extend(life::play(&settings).await);
    }
    Ok(judge(driver, &descriptions, &exchanges))
}

fn load(specs: &Path, source: &Source) -> Result<Description, String> {
    let named = |error| format!("{}: {error}", source.file);
    let mut description = Description::load(&specs.join(source.file)).map_err(named)?;
    for (method, path, model) in source.models {
        let (name, extent) = match model {
            Model::One(name) => (name, Extent::Whole),
            Model::Page(name) => (name, Extent::Part),
        };
        let one = json!({ "$ref": format!("#/models/{name}") });
        let schema = match extent {
            Extent::Whole => one,
            Extent::Part => json!({
                "type": "object",
                "properties": { "data": { "type": "array", "items": one } },
                "required": ["data"],
            }),
        };
        let schema = Some(schema);
        let operations = description.operations.iter_mut();
        let mut named = operations.filter(|o| o.method == *method && o.path.as_str() == *path);
        let operation = named
            .next()
            .ok_or_else(|| format!("{}: no {method} {path}", source.file))?;
        let answer = Answer { schema, extent };
        operation.answers.insert("2XX".to_owned(), answer);
    }
    Ok(description)
}
