//! Whom a secret's resource policy lets read its value.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html>

use std::collections::BTreeSet;

use serde_json::Value;

use crate::model::names::{Reader, SecretArn};
use crate::model::text::OutsideText;

/// The call that reads a secret's value.
const READ: &str = "secretsmanager:getsecretvalue";

/// Somebody who may read the secret and is none of its readers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wide {
    /// Everybody, in every account.
    Everybody,
    /// Everybody who is not named.
    EverybodyBut(OutsideText),
    /// Everybody for whom a condition holds.
    Unless(OutsideText),
    /// One who is named.
    Other(OutsideText),
    /// The policy, or a statement of it, says nothing that is known here.
    Unreadable,
}

impl Wide {
    /// What tells it from the others of the same secret.
    pub(super) fn part(&self) -> String {
        match self {
            Self::Everybody => "*".to_owned(),
            Self::EverybodyBut(_) => "not".to_owned(),
            Self::Unless(condition) => format!("if {condition}"),
            Self::Other(principal) => principal.to_string(),
            Self::Unreadable => "?".to_owned(),
        }
    }
}

/// All that a policy lets read the secret beside its readers. What is denied elsewhere in it is not taken into account:
/// a policy that needs that is wide by itself. The account's own root stands for what IAM allows there, as without a policy.
pub(super) fn wide(policy: &str, secret: &SecretArn, readers: &[Reader]) -> BTreeSet<Wide> {
    let Ok(policy) = serde_json::from_str::<Value>(policy) else {
        return BTreeSet::from([Wide::Unreadable]);
    };
    let statements = match &policy["Statement"] {
        Value::Array(statements) => statements.iter().collect(),
        statement @ Value::Object(_) => vec![statement],
        _ => return BTreeSet::from([Wide::Unreadable]),
    };
    let account = secret.as_str().split(':').nth(4).unwrap_or_default();
    let readers: BTreeSet<&str> = readers.iter().map(Reader::as_str).collect();
    let allowing = statements.into_iter().filter(|s| s["Effect"] != "Deny");
    allowing
        .flat_map(|statement| of_statement(statement, account, &readers))
        .collect()
}

fn of_statement(statement: &Value, account: &str, readers: &BTreeSet<&str>) -> Vec<Wide> {
    if statement["Effect"] != "Allow" {
        return vec![Wide::Unreadable];
    }
    match reads(statement) {
        Some(true) => {}
        Some(false) => return Vec::new(),
        None => return vec![Wide::Unreadable],
    }
    if let Some(named) = statement.get("NotPrincipal") {
        let named = named.to_string();
        return vec![Wide::EverybodyBut(OutsideText::new(&named))];
    }
    let Some(named) = principals(&statement["Principal"]) else {
        return vec![Wide::Unreadable];
    };
    let condition = statement.get("Condition");
    let wide = named.into_iter().filter_map(|named| {
        if named == "*" {
            return Some(match condition {
                None => Wide::Everybody,
                Some(condition) => Wide::Unless(OutsideText::new(&condition.to_string())),
            });
        }
        let is_root = named == account || named.ends_with(&format!(":iam::{account}:root"));
        (!is_root && !readers.contains(named)).then(|| Wide::Other(OutsideText::new(named)))
    });
    wide.collect()
}

/// Whether a statement is about reading a value; `None` if that cannot be told.
fn reads(statement: &Value) -> Option<bool> {
    let names = |patterns: &Value| {
        let patterns = strings(patterns)?;
        let matching = |pattern: &&str| matches(&pattern.to_ascii_lowercase(), READ);
        Some(patterns.iter().any(matching))
    };
    match (statement.get("Action"), statement.get("NotAction")) {
        (Some(actions), None) => names(actions),
        (None, Some(actions)) => names(actions).map(|is_named| !is_named),
        _ => None,
    }
}

/// Everybody whom a `Principal` names.
fn principals(principal: &Value) -> Option<Vec<&str>> {
    match principal {
        Value::String(_) => strings(principal),
        Value::Object(kinds) => {
            let all: Option<Vec<Vec<&str>>> = kinds.values().map(strings).collect();
            all.map(|all| all.concat())
        }
        _ => None,
    }
}

/// One text, or a list of them.
fn strings(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(text) => Some(vec![text]),
        Value::Array(all) => all.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

/// Whether a pattern with `*` and `?` is of the whole text.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    // For each place in the text, whether the pattern so far can end there.
    let mut ends = vec![false; text.len() + 1];
    ends[0] = true;
    for letter in pattern {
        match letter {
            b'*' => {
                let first = ends.iter().position(|end| *end).unwrap_or(ends.len());
                ends.iter_mut().skip(first).for_each(|end| *end = true);
            }
            _ => {
                for at in (1..ends.len()).rev() {
                    ends[at] = ends[at - 1] && (*letter == b'?' || *letter == text[at - 1]);
                }
                ends[0] = false;
            }
        }
    }
    ends[text.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(statement: &Value) -> BTreeSet<Wide> {
        let secret = "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm-a1B2c3";
        let reader = "arn:aws:iam::111122223333:role/bot".parse().unwrap();
        let policy = json!({"Version": "2012-10-17", "Statement": statement});
        wide(&policy.to_string(), &secret.parse().unwrap(), &[reader])
    }

    #[test]
    fn a_policy_lets_its_readers_read_and_nobody_else() {
        let text = OutsideText::new;
        let role = |name: &str| format!("arn:aws:iam::111122223333:role/{name}");
        let stranger = "arn:aws:iam::444455556666:root";
        let get = "secretsmanager:GetSecretValue";
        for (name, statement, expected) in [
            (
                "a reader",
                json!({"Effect": "Allow", "Action": get, "Principal": {"AWS": role("bot")}}),
                None,
            ),
            (
                "the account",
                json!({"Effect": "Allow", "Action": get, "Principal": {"AWS": ["111122223333", "arn:aws:iam::111122223333:root"]}}),
                None,
            ),
            (
                "everybody",
                json!([{"Effect": "Allow", "Action": "secretsmanager:*", "Principal": "*"}]),
                Some(Wide::Everybody),
            ),
            (
                "everybody in a list",
                json!({"Effect": "Allow", "Action": ["secretsmanager:Describe*", "secretsmanager:Get*Value"], "Principal": {"AWS": [role("bot"), "*"]}}),
                Some(Wide::Everybody),
            ),
            (
                "another call",
                json!({"Effect": "Allow", "Action": "secretsmanager:DescribeSecret", "Principal": "*"}),
                None,
            ),
            (
                "all but another call",
                json!({"Effect": "Allow", "NotAction": "secretsmanager:DeleteSecret", "Principal": "*"}),
                Some(Wide::Everybody),
            ),
            (
                "all but this call",
                json!({"Effect": "Allow", "NotAction": get, "Principal": "*"}),
                None,
            ),
            (
                "denied",
                json!({"Effect": "Deny", "Action": "*", "Principal": "*"}),
                None,
            ),
            (
                "a condition",
                json!({"Effect": "Allow", "Action": "*", "Principal": "*", "Condition": {"Bool": {"a": "b"}}}),
                Some(Wide::Unless(text(r#"{"Bool":{"a":"b"}}"#))),
            ),
            (
                "another account",
                json!({"Effect": "Allow", "Action": get, "Principal": {"AWS": stranger}}),
                Some(Wide::Other(text(stranger))),
            ),
            (
                "another role",
                json!({"Effect": "Allow", "Action": "secretsmanager:?etSecretValue", "Principal": {"AWS": role("other")}}),
                Some(Wide::Other(text(&role("other")))),
            ),
            (
                "all but one",
                json!({"Effect": "Allow", "Action": get, "NotPrincipal": {"AWS": role("x")}}),
                Some(Wide::EverybodyBut(text(&format!(
                    r#"{{"AWS":"{}"}}"#,
                    role("x")
                )))),
            ),
            (
                "no principal",
                json!({"Effect": "Allow", "Action": get}),
                Some(Wide::Unreadable),
            ),
            (
                "no action",
                json!({"Effect": "Allow", "Principal": "*"}),
                Some(Wide::Unreadable),
            ),
            (
                "no effect",
                json!({"Action": get, "Principal": "*"}),
                Some(Wide::Unreadable),
            ),
            ("no statement", json!("x"), Some(Wide::Unreadable)),
        ] {
            assert_eq!(found(&statement), expected.into_iter().collect(), "{name}");
        }
    }

    #[test]
    fn what_is_no_json_is_not_clean() {
        let secret = "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm-a1B2c3";
        let found = wide("{", &secret.parse().unwrap(), &[]);
        assert_eq!(found, BTreeSet::from([Wide::Unreadable]));
    }

    #[test]
    fn patterns_are_of_the_whole_text() {
        for (pattern, text, is_it) in [
            ("*", "", true),
            ("a*c", "abc", true),
            ("a*c", "abcd", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*b*", "abc", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, text), is_it, "{pattern} {text}");
        }
    }
}
