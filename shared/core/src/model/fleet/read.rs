//! Reading a fleet file. What is quoted of it holds no key that somebody wrote there.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Fleet, FleetError, Problem};
use crate::model::key_like::line_with_a_key;
use crate::model::text::{OutsideText, without_keys};

const A_KEY: &str = "holds what looks like a key. A key that stands in a file counts as leaked: take it out, \
     revoke it at its provider, and store the next one in the slot's secret, where it belongs";

impl Fleet {
    /// Reads a fleet from JSON. Unknown fields, missing ones, bad names and keys are refused with their place.
    ///
    /// # Errors
    /// [`FleetError`] with one problem: reading stops at the first.
    pub fn from_json(text: &str) -> Result<Self, FleetError> {
        refuse_keys(text)?;
        serde_json::from_str(text).map_err(|error| {
            let place = format!("column {}", error.column());
            one(Some(error.line()), place, &without_place(&error))
        })
    }

    /// Reads a fleet from TOML and checks it, as [`check`](Self::check) does: each fault is told with its line.
    ///
    /// # Errors
    /// [`FleetError`]. Reading stops at the first fault; what is checked is told together.
    pub fn read_toml(text: &str) -> Result<Self, FleetError> {
        refuse_keys(text)?;
        let of_toml = |error: toml::de::Error| {
            let span = error.span().unwrap_or_default();
            let column = column_at(text, span.start);
            let line = Some(line_at(text, span.start));
            one(line, format!("column {column}"), error.message())
        };
        let fleet: Self = toml::from_str(text).map_err(of_toml)?;
        let table = DeTable::parse(text).map_err(of_toml)?;
        match fleet.check() {
            Ok(_) => Ok(fleet),
            Err(FleetError(mut problems)) => {
                for problem in &mut problems {
                    problem.line = Some(line_at(text, found_at(&table, &problem.place)));
                }
                problems.sort_by_key(|problem| problem.line);
                Err(FleetError(problems))
            }
        }
    }

    /// The JSON Schema of the format, for editors: of the TOML file as of the JSON one.
    pub fn json_schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }
}

fn refuse_keys(text: &str) -> Result<(), FleetError> {
    match line_with_a_key(text) {
        None => Ok(()),
        Some(line) => Err(FleetError(vec![Problem {
            line: Some(line),
            place: "this line".to_owned(),
            problem: A_KEY.to_owned(),
        }])),
    }
}

fn one(line: Option<usize>, place: String, problem: &str) -> FleetError {
    FleetError(vec![Problem {
        line,
        place,
        problem: OutsideText::new(&without_keys(problem)).to_string(),
    }])
}

/// What is wrong, without the place that stands before it already.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let what = text.strip_suffix(&place).unwrap_or(&text);
    match error.classify() {
        serde_json::error::Category::Data => what.to_owned(),
        _ => format!("not JSON: {what}"),
    }
}

/// The line that a byte is in, from 1 on.
fn line_at(text: &str, byte: usize) -> usize {
    let before = text.as_bytes().iter().take(byte);
    1 + before.filter(|byte| **byte == b'\n').count()
}

/// The place of a byte in its line, in characters from 1 on.
fn column_at(text: &str, byte: usize) -> usize {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    1 + line.chars().count()
}

/// Where what `place` names begins, or the nearest thing around it that is written down.
fn found_at(table: &Spanned<DeTable<'_>>, place: &str) -> usize {
    let (mut inside, mut at) = (table.get_ref(), 0);
    for name in place.split('.') {
        let Some((key, value)) = inside.get_key_value(name) else {
            break;
        };
        at = key.span().start;
        match value.get_ref() {
            DeValue::Table(table) => inside = table,
            _ => break,
        }
    }
    at
}
