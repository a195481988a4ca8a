//! What drivers send, and their simulators answer, against the providers' published descriptions.
//!
//! [`life`] plays the suite of every driver and keeps what was said on the wire; the readers of [`read`] bring each
//! description into one form; [`check`] compares them; [`table`] holds the results against those in the repository.
//! Nothing that is printed holds a value from the wire: it names the provider, the operation, a pointer and a rule.

pub mod check;
pub mod description;
pub mod drivers;
pub mod life;
pub mod read;
pub mod schema;
pub mod survey;
pub mod table;
mod texts;

use std::collections::BTreeSet;
use std::path::Path;

use keyward_providers::conformance::{Operation, Verified};
use keyward_testkit::simulator::Exchange;
use serde_json::json;

use check::{Described, Failure, Seen};
use description::{Answer, Description, Extent, Template};
use drivers::{Driver, Model, Source};
use schema::Validators;

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

/// One operation of a driver while exchanges are looked at.
struct Row<'a> {
    operation: (&'a str, &'a str, &'a str),
    path: Template,
    /// The least that was seen of an answer that was a success.
    least: Option<Seen>,
    against: BTreeSet<usize>,
    /// What was said: of the entries of a list the first that fails is named.
    told: BTreeSet<Failure>,
}

/// Checks exchanges of a driver against descriptions.
pub fn judge(driver: &Driver, descriptions: &[Description], exchanges: &[Exchange]) -> Outcome {
    let mut rows: Vec<Row<'_>> = driver
        .operations
        .iter()
        .map(|operation| Row {
            operation: *operation,
            path: Template::new(operation.2),
            least: None,
            against: BTreeSet::new(),
            told: BTreeSet::new(),
        })
        .collect();
    let validators = Validators::default();
    let mut failures = bases(driver, descriptions);
    let mut answers = 0;
    for exchange in exchanges {
        let action = check::action(exchange);
        let path = (exchange.path.as_str(), action.as_deref());
        let is_it = |row: &&mut Row<'_>| {
            row.operation.1 == exchange.method && row.path.captures(path.0, path.1).is_some()
        };
        let Some(row) = rows
            .iter_mut()
            .filter(is_it)
            .max_by_key(|row| row.path.literal())
        else {
            let method = &exchange.method;
            failures.insert(format!(
                "{}: a {method} that its table does not name",
                driver.provider
            ));
            continue;
        };
        let action = action.as_deref();
        let described = described(driver, descriptions, exchange, action);
        row.against.extend(described.iter().map(|(n, _)| n));
        let described: Vec<_> = described.into_iter().map(|(_, one)| one).collect();
        answers += usize::from(exchange.answer.is_some());
        for failure in row.check(exchange, &described, &validators) {
            if row.told.insert(failure.kind()) {
                failures.insert(row.say(driver, &failure));
            }
        }
    }
    for row in rows.iter().filter(|row| row.least.is_none()) {
        let (what, method, path) = row.operation;
        let line = format!(
            "{}: {what} ({method} {path}): no success was seen",
            driver.provider
        );
        failures.insert(line);
    }
    Outcome {
        operations: rows.iter().map(|row| row.result(descriptions)).collect(),
        failures,
        requests: exchanges.len(),
        answers,
    }
}

/// What each description says of an exchange's operation, with the description's number.
fn described<'a>(
    driver: &Driver,
    descriptions: &'a [Description],
    exchange: &Exchange,
    action: Option<&str>,
) -> Vec<(usize, Described<'a>)> {
    let find = |(n, description): (usize, &'a Description)| {
        let path = description.path_of(driver.base, &exchange.path)?;
        let operation = description.find(&exchange.method, &path, action)?;
        let captured = operation.path.captures(&path, action)?;
        let one = Described {
            description,
            operation,
            captured: captured.into_iter().collect(),
        };
        Some((n, one))
    };
    descriptions.iter().enumerate().filter_map(find).collect()
}

/// Whether requests go where the descriptions say that the API is.
fn bases(driver: &Driver, descriptions: &[Description]) -> BTreeSet<String> {
    let is_other = |one: &&Description| {
        let (own, base) = (one.base.as_deref().unwrap_or_default(), driver.base);
        !own.starts_with(base) && !base.starts_with(own.trim_end_matches('/'))
    };
    let others = descriptions.iter().filter(is_other);
    others
        .map(|other| {
            format!(
                "{}: {} is about another base URL",
                driver.provider, other.name
            )
        })
        .collect()
}

impl Row<'_> {
    fn check(
        &mut self,
        exchange: &Exchange,
        described: &[Described<'_>],
        validators: &Validators,
    ) -> Vec<Failure> {
        let mut found = match described {
            [] => Vec::new(),
            described => check::request(exchange, described, validators),
        };
        if let Some(answered) = &exchange.answer {
            let (broken, seen) = check::answer(answered, described, validators);
            found.extend(broken);
            if answered.status < 300 {
                self.least = Some(self.least.map_or(seen, |least| least.min(seen)));
            }
        }
        found
    }

    fn say(&self, driver: &Driver, failure: &Failure) -> String {
        let (what, method, path) = self.operation;
        let Failure {
            part,
            pointer,
            rule,
        } = failure;
        let provider = driver.provider;
        let pointer = if pointer.is_empty() { "(all)" } else { pointer };
        format!("{provider}: {what} ({method} {path}): {part} {pointer}: {rule}")
    }

    fn result(&self, descriptions: &[Description]) -> Operation {
        let (operation, method, path) = self.operation;
        let verified = match self.least {
            _ if self.against.is_empty() => Verified::Unverified,
            Some(Seen::Whole) => Verified::Exact,
            Some(Seen::Part | Seen::Nothing) | None => Verified::RequestOnly,
        };
        let names = self.against.iter().map(|n| descriptions[*n].name.clone());
        Operation {
            operation: operation.to_owned(),
            method: method.to_owned(),
            path: path.to_owned(),
            verified,
            against: names.collect(),
        }
    }
}
