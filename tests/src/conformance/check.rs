//! One exchange against what descriptions say of its operation.

use std::collections::BTreeMap;

use keyward_testkit::simulator::{Answered, Exchange};
use serde_json::Value;

use super::description::{Body, Description, Extent, Need, Operation, Parameter, Place};
use super::schema::{Broken, Schema, Validators, shown, unknown};
use super::texts;

/// An operation, and the description that it is in.
pub struct Described<'a> {
    /// The description.
    pub description: &'a Description,
    /// The operation.
    pub operation: &'a Operation,
    /// What the names in its path stand for in this exchange.
    pub captured: BTreeMap<String, String>,
}

/// What of an exchange is not as it is described. Holds no value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failure {
    /// `path`, `query`, `header`, `request`, or the answer's status.
    pub part: String,
    /// The parameter, or a JSON pointer into the body.
    pub pointer: String,
    /// The rule that is broken.
    pub rule: String,
}

impl Failure {
    /// The same for every entry of a list.
    pub fn kind(&self) -> Self {
        let segment = |segment: &str| match segment.parse::<usize>() {
            Ok(_) => "*".to_owned(),
            Err(_) => segment.to_owned(),
        };
        let segments: Vec<String> = self.pointer.split('/').map(segment).collect();
        Self {
            pointer: segments.join("/"),
            ..self.clone()
        }
    }
}

/// How much of an answer was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seen {
    /// Nothing says what it looks like.
    Nothing,
    /// A part.
    Part,
    /// All of it.
    Whole,
}

fn failure(part: &str, pointer: &str, rule: &str) -> Failure {
    Failure {
        part: part.to_owned(),
        pointer: pointer.to_owned(),
        rule: rule.to_owned(),
    }
}

fn failures(part: &str, broken: Vec<Broken>) -> impl Iterator<Item = Failure> {
    broken
        .into_iter()
        .map(move |broken| failure(part, &broken.pointer, &broken.rule))
}

impl<'a> Described<'a> {
    fn schema(&self, schema: &'a Value) -> Schema<'a> {
        Schema {
            schema,
            definitions: &self.description.definitions,
        }
    }
}

/// The action of AWS's query protocol.
pub fn action(exchange: &Exchange) -> Option<String> {
    is_form(exchange)
        .then(|| {
            texts::form(&exchange.body)["Action"]
                .as_str()
                .map(str::to_owned)
        })
        .flatten()
}

fn is_form(exchange: &Exchange) -> bool {
    let kind = exchange.content_type.as_deref().unwrap_or_default();
    kind.starts_with("application/x-www-form-urlencoded")
}

/// What of a request is not as all of `described` say. What one of them does not know another may.
pub fn request(
    exchange: &Exchange,
    described: &[Described<'_>],
    validators: &Validators,
) -> Vec<Failure> {
    let mut found = query(exchange, described, validators);
    for one in described {
        found.extend(path(one, validators));
        for parameter in parameters(one, Place::Header) {
            let is_there = exchange.headers.contains(&parameter.name.to_lowercase());
            if parameter.need == Need::Required && !is_there {
                found.push(failure("header", &parameter.name, "required"));
            }
        }
    }
    found.extend(body(exchange, described, validators));
    found
}

fn parameters<'a>(described: &Described<'a>, place: Place) -> impl Iterator<Item = &'a Parameter> {
    let all = described.operation.parameters.iter();
    all.filter(move |parameter| parameter.place == place)
}

fn path(described: &Described<'_>, validators: &Validators) -> Vec<Failure> {
    let mut found = Vec::new();
    for parameter in parameters(described, Place::Path) {
        if let Some(value) = described.captured.get(&parameter.name) {
            let schema = described.schema(&parameter.schema);
            let value = schema.typed(&Value::from(value.as_str()));
            let broken = validators.broken(schema, &value).into_iter();
            found.extend(broken.map(|broken| failure("path", &parameter.name, &broken.rule)));
        }
    }
    found
}

fn query(
    exchange: &Exchange,
    described: &[Described<'_>],
    validators: &Validators,
) -> Vec<Failure> {
    let mut given: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for (name, value) in &exchange.query {
        let name = name.strip_suffix("[]").unwrap_or(name);
        given.entry(name).or_default().push(value.as_str().into());
    }
    let mut found = Vec::new();
    let is_known = |name: &str| {
        let mut known = described
            .iter()
            .flat_map(|one| parameters(one, Place::Query));
        known.any(|parameter| parameter.name == name)
    };
    let unknown = given.keys().filter(|name| !is_known(name));
    found.extend(unknown.map(|name| failure("query", &shown(name), "unknown parameter")));
    for one in described {
        for parameter in parameters(one, Place::Query) {
            let schema = one.schema(&parameter.schema);
            let broken = match given.get(parameter.name.as_str()).map(Vec::as_slice) {
                None if parameter.need == Need::Required => {
                    found.push(failure("query", &parameter.name, "required"));
                    continue;
                }
                None => continue,
                Some([value]) => validators.broken(schema, &schema.typed(value)),
                Some(several) => {
                    validators.broken(schema, &schema.typed(&Value::from(several.to_vec())))
                }
            };
            let broken = broken.into_iter();
            found.extend(broken.map(|broken| failure("query", &parameter.name, &broken.rule)));
        }
    }
    found
}

fn body(exchange: &Exchange, described: &[Described<'_>], validators: &Validators) -> Vec<Failure> {
    let bodies: Vec<(&Described<'_>, &Body)> = described
        .iter()
        .filter_map(|one| Some((one, one.operation.body.as_ref()?)))
        .collect();
    if exchange.body.is_empty() {
        let is_needed = bodies.iter().any(|(_, body)| body.need == Need::Required);
        let missing = failure("request", "", "a body is required");
        return if is_needed { vec![missing] } else { Vec::new() };
    }
    if bodies.is_empty() {
        return vec![failure("request", "", "no body is described")];
    }
    let Some(read) = read_body(exchange) else {
        return vec![failure(
            "request",
            "",
            "neither JSON nor a form, or not said to be",
        )];
    };
    let schemas: Vec<Schema<'_>> = bodies
        .iter()
        .map(|(one, body)| one.schema(&body.schema))
        .collect();
    let mut found = Vec::new();
    for schema in &schemas {
        let typed = match is_form(exchange) {
            true => schema.typed(&read),
            false => read.clone(),
        };
        // What nobody knows is found below: what one of several does not know another may.
        let told = validators
            .broken(*schema, &typed)
            .into_iter()
            .filter(|broken| {
                !["additionalProperties", "unevaluatedProperties"]
                    .iter()
                    .any(|rule| broken.rule.starts_with(rule))
            });
        found.extend(failures("request", told.collect()));
    }
    let unknown = unknown(&schemas, &read, "");
    found.extend(
        unknown
            .iter()
            .map(|at| failure("request", &shown(at), "unknown property")),
    );
    found
}

fn read_body(exchange: &Exchange) -> Option<Value> {
    let kind = exchange.content_type.as_deref().unwrap_or_default();
    if is_form(exchange) {
        Some(texts::form(&exchange.body))
    } else if kind.starts_with("application/json") {
        serde_json::from_slice(&exchange.body).ok()
    } else {
        None
    }
}

/// What of an answer is not as it is described, and how much of it could be checked.
pub fn answer(
    answered: &Answered,
    described: &[Described<'_>],
    validators: &Validators,
) -> (Vec<Failure>, Seen) {
    let part = format!("answer {}", answered.status);
    let says = |one: &Described<'_>| !one.operation.answers.is_empty();
    let is_error = answered.status >= 400;
    let mut found = Vec::new();
    let mut seen = Seen::Nothing;
    for one in described.iter().filter(|one| says(one)) {
        let Some(described) = one.operation.answer(answered.status) else {
            if !is_error {
                found.push(failure(&part, "", "this status is not described"));
            }
            continue;
        };
        let Some(schema) = &described.schema else {
            continue;
        };
        let schema = one.schema(schema);
        match read_answer(answered, schema) {
            None => found.push(failure(&part, "", "unreadable")),
            Some(value) => found.extend(failures(&part, validators.broken(schema, &value))),
        }
        seen = seen.max(match described.extent {
            Extent::Whole => Seen::Whole,
            Extent::Part => Seen::Part,
        });
    }
    (found, seen)
}

fn read_answer(answered: &Answered, schema: Schema<'_>) -> Option<Value> {
    if answered.content_type.contains("xml") {
        Some(schema.typed(&texts::xml(&answered.body)?))
    } else if answered.content_type.starts_with("application/json") {
        serde_json::from_slice(&answered.body).ok()
    } else {
        None
    }
}
