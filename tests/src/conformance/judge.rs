//! All exchanges of a driver, sorted by operation and checked.

use std::collections::BTreeSet;

use keyward_providers::conformance::{Operation, Verified};
use keyward_testkit::simulator::Exchange;

use super::Outcome;
use super::check::{self, Described, Failure, Seen};
use super::description::{Description, Template};
use super::drivers::Driver;
use super::schema::Validators;

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
    let mut rows: Vec<Row<'_>> = driver.operations.iter().map(Row::new).collect();
    let validators = Validators::default();
    let mut failures = bases(driver, descriptions);
    for exchange in exchanges {
        let action = check::action(exchange);
        let action = action.as_deref();
        match find(&mut rows, exchange, action) {
            Some(row) => {
                let described = described(driver, descriptions, exchange, action);
                let found = row.take(exchange, described, &validators);
                failures.extend(found.iter().map(|failure| row.say(driver, failure)));
            }
            None => {
                let (provider, method) = (driver.provider, &exchange.method);
                failures.insert(format!(
                    "{provider}: a {method} that its table does not name"
                ));
            }
        }
    }
    let unseen = rows.iter().filter(|row| row.least.is_none());
    failures.extend(unseen.map(|row| format!("{}: no success was seen", row.name(driver))));
    let answered = exchanges
        .iter()
        .filter(|exchange| exchange.answer.is_some());
    Outcome {
        operations: rows.iter().map(|row| row.result(descriptions)).collect(),
        failures,
        requests: exchanges.len(),
        answers: answered.count(),
    }
}

/// The row that an exchange is of.
fn find<'a, 'b>(
    rows: &'b mut [Row<'a>],
    exchange: &Exchange,
    action: Option<&str>,
) -> Option<&'b mut Row<'a>> {
    let is_it = |row: &&mut Row<'_>| {
        row.operation.1 == exchange.method && row.path.captures(&exchange.path, action).is_some()
    };
    let found = rows.iter_mut().filter(is_it);
    found.max_by_key(|row| row.path.literal())
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

impl<'a> Row<'a> {
    fn new(operation: &(&'a str, &'a str, &'a str)) -> Self {
        Self {
            operation: *operation,
            path: Template::new(operation.2),
            least: None,
            against: BTreeSet::new(),
            told: BTreeSet::new(),
        }
    }

    /// Takes one exchange in; the failures of kinds that were not told before.
    fn take(
        &mut self,
        exchange: &Exchange,
        described: Vec<(usize, Described<'_>)>,
        validators: &Validators,
    ) -> Vec<Failure> {
        self.against.extend(described.iter().map(|(n, _)| n));
        let described: Vec<_> = described.into_iter().map(|(_, one)| one).collect();
        let mut found = match described.as_slice() {
            [] => Vec::new(),
            described => check::request(exchange, described, validators),
        };
        if let Some(answered) = &exchange.answer {
            let (broken, seen) = check::answer(answered, &described, validators);
            found.extend(broken);
            if answered.status < 300 {
                self.least = Some(self.least.map_or(seen, |least| least.min(seen)));
            }
        }
        found.retain(|failure| self.told.insert(failure.kind()));
        found
    }

    fn name(&self, driver: &Driver) -> String {
        let (what, method, path) = self.operation;
        format!("{}: {what} ({method} {path})", driver.provider)
    }

    fn say(&self, driver: &Driver, failure: &Failure) -> String {
        let Failure {
            part,
            pointer,
            rule,
        } = failure;
        let pointer = if pointer.is_empty() { "(all)" } else { pointer };
        format!("{}: {part} {pointer}: {rule}", self.name(driver))
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
