//! Values against JSON Schema, and what a schema knows of.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, ValidationError, Validator};
use serde_json::{Map, Value};

/// A schema, and what its `$ref` point into.
#[derive(Debug, Clone, Copy)]
pub struct Schema<'a> {
    /// The schema.
    pub schema: &'a Value,
    /// What its `$ref` point into.
    pub definitions: &'a Map<String, Value>,
}

/// A rule that a value breaks. Holds names of properties, and nothing of their values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Where in the value, as a JSON pointer; empty for all of it.
    pub pointer: String,
    /// The rule.
    pub rule: String,
}

/// References that lead back to themselves end here.
const DEEPEST: usize = 16;

/// Validators that were built once. Nothing is fetched for them.
#[derive(Default)]
pub struct Validators(RefCell<HashMap<String, Rc<Validator>>>);

impl Validators {
    /// The rules of `schema` that `value` breaks.
    pub fn broken(&self, schema: Schema<'_>, value: &Value) -> Vec<Broken> {
        match self.validator(schema) {
            Ok(validator) => validator.iter_errors(value).map(|e| broken(&e)).collect(),
            Err(rule) => vec![Broken {
                pointer: String::new(),
                rule,
            }],
        }
    }

    /// Builds the validator of a schema.
    ///
    /// # Errors
    /// It is none, or a reference of it leads nowhere.
    pub fn build(&self, schema: Schema<'_>) -> Result<(), String> {
        self.validator(schema).map(drop)
    }

    fn validator(&self, schema: Schema<'_>) -> Result<Rc<Validator>, String> {
        let mut whole = schema.definitions.clone();
        whole.insert(
            "allOf".to_owned(),
            Value::Array(vec![schema.schema.clone()]),
        );
        // Definitions are told apart by where they lie: their text is long.
        let key = format!("{:p} {}", schema.definitions, schema.schema);
        if let Some(known) = self.0.borrow().get(&key) {
            return Ok(known.clone());
        }
        let built = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(true)
            .offline()
            .build(&Value::Object(whole))
            .map_err(|error| format!("the description is no schema: {error}"))?;
        let built = Rc::new(built);
        self.0.borrow_mut().insert(key, built.clone());
        Ok(built)
    }
}

/// Names longer than this that have a digit are not shown whole: one may be a key.
const MAX_SHOWN: usize = 24;
const SHOWN: usize = 11;

/// A name from the wire, or a pointer made of such.
pub fn shown(pointer: &str) -> String {
    let segment = |name: &str| match name.len() > MAX_SHOWN && name.contains(char::is_numeric) {
        true => format!("{}…", name.chars().take(SHOWN).collect::<String>()),
        false => name.to_owned(),
    };
    let segments: Vec<String> = pointer.split('/').map(segment).collect();
    segments.join("/")
}

/// An error without the value that it is about.
fn broken(error: &ValidationError<'_>) -> Broken {
    let names = match error.kind() {
        ValidationErrorKind::Required { property } => property.as_str().map(str::to_owned),
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            let names: Vec<String> = unexpected.iter().map(|name| shown(name)).collect();
            Some(names.join(", "))
        }
        ValidationErrorKind::Format { format } => Some(format.clone()),
        _ => None,
    };
    let names = names.map(|names| format!(" `{names}`"));
    Broken {
        pointer: shown(error.instance_path().as_str()),
        rule: format!("{}{}", error.kind().keyword(), names.unwrap_or_default()),
    }
}

impl<'a> Schema<'a> {
    /// Itself and every schema that it is made of, references followed.
    fn parts(self) -> Vec<&'a Value> {
        let mut found = Vec::new();
        self.gather(self.schema, DEEPEST, &mut found);
        found
    }

    fn gather(self, schema: &'a Value, depth: usize, found: &mut Vec<&'a Value>) {
        if depth == 0 {
            return;
        }
        found.push(schema);
        if let Some(target) = schema["$ref"].as_str().and_then(|to| self.target(to)) {
            self.gather(target, depth - 1, found);
        }
        for word in ["allOf", "anyOf", "oneOf"] {
            for part in schema[word].as_array().into_iter().flatten() {
                self.gather(part, depth - 1, found);
            }
        }
    }

    fn target(self, reference: &str) -> Option<&'a Value> {
        let (holder, rest) = reference.strip_prefix("#/")?.split_once('/')?;
        self.definitions.get(holder)?.pointer(&format!("/{rest}"))
    }

    fn of(self, schema: &'a Value) -> Self {
        Self { schema, ..self }
    }

    /// Whether a value may be of this type.
    pub fn takes(self, kind: &str) -> bool {
        let is_kind = |of: &Value| match of {
            Value::String(of) => of == kind,
            Value::Array(of) => of.iter().any(|of| of == kind),
            _ => false,
        };
        self.parts().iter().any(|part| is_kind(&part["type"]))
    }

    /// What it says of a property.
    fn property(self, name: &str) -> Vec<Self> {
        let parts = self.parts().into_iter();
        let said = parts.filter_map(|part| part.get("properties")?.get(name));
        said.map(|schema| self.of(schema)).collect()
    }

    fn items(self) -> Vec<Self> {
        let parts = self.parts().into_iter();
        let said = parts.filter_map(|part| part.get("items"));
        said.map(|schema| self.of(schema)).collect()
    }

    /// A value of texts only, as forms, queries and XML have them, in the types that are meant.
    pub fn typed(self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.typed_text(text),
            Value::Object(fields) if self.takes("array") => {
                self.typed_list(fields.values().next().unwrap_or(&Value::Null))
            }
            Value::Object(fields) => {
                let typed = |(name, value): (&String, &Value)| {
                    let said = self.property(name);
                    let value = said
                        .first()
                        .map_or_else(|| value.clone(), |s| s.typed(value));
                    (name.clone(), value)
                };
                fields.iter().map(typed).collect::<Map<_, _>>().into()
            }
            Value::Array(_) => self.typed_list(value),
            other => other.clone(),
        }
    }

    fn typed_text(self, text: &str) -> Value {
        if self.takes("string") {
            return text.into();
        }
        let number = || match text.parse::<i64>() {
            Ok(whole) => Some(Value::from(whole)),
            Err(_) => text.parse::<f64>().ok().map(Value::from),
        };
        match text {
            "true" | "false" if self.takes("boolean") => Value::Bool(text == "true"),
            "" if self.takes("array") => Value::Array(Vec::new()),
            "" if self.takes("object") => Value::Object(Map::new()),
            _ if self.takes("array") => self.typed_list(&Value::from(text)),
            _ if self.takes("integer") || self.takes("number") => {
                number().unwrap_or_else(|| text.into())
            }
            _ => text.into(),
        }
    }

    /// One entry or several, or several with numbers for names.
    fn typed_list(self, entries: &Value) -> Value {
        let entries: Vec<&Value> = match entries {
            Value::Array(several) => several.iter().collect(),
            Value::Object(of) if of.keys().all(|name| name.parse::<u32>().is_ok()) => {
                of.values().collect()
            }
            one => vec![one],
        };
        let items = self.items();
        let typed = |entry: &Value| {
            let said = items.first();
            said.map_or_else(|| entry.clone(), |schema| schema.typed(entry))
        };
        entries.into_iter().map(typed).collect()
    }
}

/// Where in a value properties stand that none of `schemas` knows, whether or not it says that there are no others.
pub fn unknown(schemas: &[Schema<'_>], value: &Value, pointer: &str) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let is_free = is_free(schemas);
            let unknown_in = |(name, value): (&String, &Value)| {
                let said: Vec<_> = schemas.iter().flat_map(|s| s.property(name)).collect();
                let name = name.replace('~', "~0").replace('/', "~1");
                let pointer = format!("{pointer}/{name}");
                match said.is_empty() {
                    true if is_free => Vec::new(),
                    true => vec![pointer],
                    false => unknown(&said, value, &pointer),
                }
            };
            fields.iter().flat_map(unknown_in).collect()
        }
        Value::Array(entries) => {
            let items: Vec<_> = schemas.iter().flat_map(|schema| schema.items()).collect();
            let unknown_in = |(n, value)| match items.is_empty() {
                true => Vec::new(),
                false => unknown(&items, value, &format!("{pointer}/{n}")),
            };
            entries.iter().enumerate().flat_map(unknown_in).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether an object may have properties of any name.
fn is_free(schemas: &[Schema<'_>]) -> bool {
    let parts: Vec<&Value> = schemas.iter().flat_map(|schema| schema.parts()).collect();
    let others = |part: &Value| part.get("additionalProperties").cloned();
    let takes_others = |part: &&Value| others(part).is_some_and(|others| others != false);
    let names_some = |part: &&Value| part.get("properties").is_some() || others(part).is_some();
    parts.iter().any(takes_others) || !parts.iter().any(names_some)
}
