//! What IAM would say to a request, as far as Keyward's policies go:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What conditions look at: the values of each context key of a request.
pub type Context = BTreeMap<String, Vec<String>>;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Request {
    /// Service and operation.
    pub action: String,
    /// The resource, or the end of its ARN after the account.
    pub resource: String,
    /// What conditions look at.
    #[serde(default)]
    pub context: Context,
}

/// Whether a statement allows or denies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It allows.
    Allow,
    /// It denies, whatever others allow.
    Deny,
}

/// One statement of a policy.
#[derive(Debug, Clone)]
pub struct Statement {
    /// Its name.
    pub sid: String,
    /// What it is for.
    pub effect: Effect,
    /// Its actions.
    pub actions: Vec<String>,
    /// Patterns of its resources.
    pub resources: Vec<String>,
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone)]
struct Condition {
    operator: String,
    key: String,
    values: Vec<String>,
}

/// A policy's statements.
#[derive(Debug, Clone)]
pub struct Policy(pub Vec<Statement>);

impl Policy {
    /// Reads a policy document.
    ///
    /// # Panics
    /// If it is none.
    pub fn read(document: &Value) -> Self {
        let statements = document["Statement"].as_array().unwrap();
        Self(statements.iter().map(statement).collect())
    }

    /// Whether a request is let through: some statement allows it, and none denies it.
    pub fn allows(&self, request: &Request) -> bool {
        let applies = |effect| {
            let mut statements = self.0.iter();
            statements.any(|s| s.effect == effect && s.is_about(request))
        };
        applies(Effect::Allow) && !applies(Effect::Deny)
    }
}

impl Statement {
    /// Whether a request is one of those that the statement is about.
    pub fn is_about(&self, request: &Request) -> bool {
        self.actions.iter().any(|a| matches(a, &request.action))
            && self.resources.iter().any(|r| names(r, &request.resource))
            && self.conditions.iter().all(|c| c.holds(&request.context))
    }
}

impl Condition {
    /// An absent key fails what it must equal, and passes what it must not equal.
    fn holds(&self, context: &Context) -> bool {
        let found = context.get(&self.key);
        let given = found.map_or(&[][..], Vec::as_slice);
        let equal = |value: &String| self.values.contains(value);
        let like = |value: &String| self.values.iter().any(|pattern| matches(pattern, value));
        match self.operator.as_str() {
            "StringEquals" | "Bool" | "ArnEquals" => given.iter().any(equal),
            "StringNotEquals" => !given.iter().any(equal),
            "ArnLike" | "StringLike" => given.iter().any(like),
            "ForAllValues:StringLike" => given.iter().all(like),
            other => panic!("{other} is not known here"),
        }
    }
}

fn statement(statement: &Value) -> Statement {
    let conditions = statement["Condition"].as_object().into_iter().flatten();
    let conditions = conditions.flat_map(|(operator, keys)| {
        let keys = keys.as_object().unwrap().iter();
        keys.map(|(key, values)| Condition {
            operator: operator.clone(),
            key: key.clone(),
            values: texts(values),
        })
    });
    Statement {
        sid: statement["Sid"].as_str().unwrap().to_owned(),
        effect: match statement["Effect"].as_str() {
            Some("Allow") => Effect::Allow,
            _ => Effect::Deny,
        },
        actions: texts(&statement["Action"]),
        resources: texts(&statement["Resource"]),
        conditions: conditions.collect(),
    }
}

/// One text, or several.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}

/// Whether a pattern of ARNs names a resource. Region and account are not compared: emulators have accounts of their own.
fn names(pattern: &str, resource: &str) -> bool {
    pattern == "*" || matches(after_account(pattern), after_account(resource))
}

/// `arn:partition:service:region:account:` is cut off.
fn after_account(arn: &str) -> &str {
    match arn.starts_with("arn:") {
        true => arn.splitn(6, ':').last().unwrap_or(arn),
        false => arn,
    }
}

/// `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(text) = text.strip_prefix(first) else {
        return false;
    };
    let mut begins = (0..=text.len()).filter(|at| text.is_char_boundary(*at));
    begins.any(|at| matches(rest, &text[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*b", "ab", true),
            ("a*c*", "abcd", true),
            ("a*d", "abc", false),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
