//! What every format of description is read into.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::read;

/// One published description of an API.
#[derive(Debug, Clone)]
pub struct Description {
    /// Whose it is and which: `owner/name@commit`, or a name and a version.
    pub name: String,
    /// The URL that its paths are below, where it says one.
    pub base: Option<String>,
    /// What can be asked for.
    pub operations: Vec<Operation>,
    /// What `$ref` in its schemas points into.
    pub definitions: Map<String, Value>,
}

/// One kind of request, and its answers.
#[derive(Debug, Clone)]
pub struct Operation {
    /// HTTP method.
    pub method: String,
    /// Its path.
    pub path: Template,
    /// What may stand in the path, the query and the headers.
    pub parameters: Vec<Parameter>,
    /// The request's body; absent if there is none.
    pub body: Option<Body>,
    /// By status: three digits, a class as `4XX`, or `default`.
    pub answers: BTreeMap<String, Answer>,
}

/// What stands in a path, a query or a header.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Where.
    pub place: Place,
    /// Its name.
    pub name: String,
    /// Whether it may be left out.
    pub need: Need,
    /// JSON Schema of its value.
    pub schema: Value,
}

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the path.
    Path,
    /// In the query.
    Query,
    /// In a header.
    Header,
}

/// Whether something may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It may not.
    Required,
    /// It may.
    Optional,
}

impl From<bool> for Need {
    fn from(required: bool) -> Self {
        if required {
            Self::Required
        } else {
            Self::Optional
        }
    }
}

/// A request's body.
#[derive(Debug, Clone)]
pub struct Body {
    /// JSON Schema of it.
    pub schema: Value,
    /// Whether it may be left out.
    pub need: Need,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// JSON Schema of its body, where the description has one that says something.
    pub schema: Option<Value>,
    /// How much of the body the schema is about.
    pub extent: Extent,
}

/// How much of a body a schema is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// A part.
    Part,
}

impl Answer {
    /// An answer whose body is as `schema` says; one that says nothing is none.
    pub fn new(schema: Option<Value>) -> Self {
        const SAYING: [&str; 9] = [
            "$ref",
            "allOf",
            "anyOf",
            "const",
            "enum",
            "items",
            "oneOf",
            "properties",
            "type",
        ];
        let says = |schema: &Value| SAYING.iter().any(|keyword| schema.get(keyword).is_some());
        Self {
            schema: schema.filter(says),
            extent: Extent::Whole,
        }
    }
}

/// A path with names in it, as `/keys/{id}:undelete`; `?Action=…` behind it names the action of AWS's query protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    segments: Vec<String>,
    action: Option<String>,
}

impl Template {
    /// Reads it.
    pub fn new(text: &str) -> Self {
        let (path, action) = match text.split_once("?Action=") {
            Some((path, action)) => (path, Some(action.to_owned())),
            None => (text, None),
        };
        Self {
            text: text.to_owned(),
            segments: segments(path).map(str::to_owned).collect(),
            action,
        }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What the names stand for in `path`; `None` if it is another path, or another action.
    pub fn captures(&self, path: &str, action: Option<&str>) -> Option<Vec<(String, String)>> {
        let given: Vec<&str> = segments(path).collect();
        if given.len() != self.segments.len() || self.action.as_deref() != action {
            return None;
        }
        let mut captured = Vec::new();
        for (template, given) in self.segments.iter().zip(given) {
            match parts(template) {
                None if template == given => {}
                None => return None,
                Some((before, name, after)) => {
                    let value = given.strip_prefix(before)?.strip_suffix(after)?;
                    captured.push((name.to_owned(), decoded(value)));
                    if value.is_empty() {
                        return None;
                    }
                }
            }
        }
        Some(captured)
    }

    /// How much of it is no name: of two templates of one path, the greater is meant.
    pub fn literal(&self) -> usize {
        let literal = |segment: &String| match parts(segment) {
            Some((before, _, after)) => before.len() + after.len(),
            None => segment.len() + 1,
        };
        self.segments.iter().map(literal).sum()
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.trim_matches('/').split('/')
}

/// What stands before the name, the name, and what stands behind it.
fn parts(segment: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = segment.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}

fn decoded(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment)
        .decode_utf8_lossy()
        .into_owned()
}

impl Description {
    /// Reads a file, whichever format it has.
    ///
    /// # Errors
    /// It cannot be read, or is in none of the formats.
    pub fn load(file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
        let document: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        read::read(&document).ok_or_else(|| "it is in no format that is known here".to_owned())
    }

    /// A path below `base` as it stands here; `None` if that is another API.
    pub fn path_of(&self, base: &str, path: &str) -> Option<String> {
        let Some(own) = &self.base else {
            return Some(path.to_owned());
        };
        let whole = format!("{}{path}", base.trim_end_matches('/'));
        let rest = whole.strip_prefix(own.trim_end_matches('/'))?;
        rest.starts_with('/').then(|| rest.to_owned())
    }

    /// The operation that a request is one of.
    pub fn find(&self, method: &str, path: &str, action: Option<&str>) -> Option<&Operation> {
        let is_it = |operation: &&Operation| {
            operation.method == method && operation.path.captures(path, action).is_some()
        };
        let found = self.operations.iter().filter(is_it);
        found.max_by_key(|operation| operation.path.literal())
    }
}

impl Operation {
    /// What it says about an answer of this status.
    pub fn answer(&self, status: u16) -> Option<&Answer> {
        let class = format!("{}XX", status / 100);
        let answers = &self.answers;
        let named = answers
            .get(&status.to_string())
            .or_else(|| answers.get(&class));
        named.or_else(|| answers.get("default").filter(|_| status >= 400))
    }
}
