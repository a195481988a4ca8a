//! Types as Python's annotations say them, as `Optional[Literal['a', 'b']]`.

use serde_json::{Map, Value, json};

/// JSON Schema of an annotation. A name of `models` becomes a reference into `#/models`; what is not known may be
/// anything.
pub(super) fn schema(annotation: &str, models: &Map<String, Value>) -> Value {
    let annotation = annotation.trim();
    let Some((name, arguments)) = generic(annotation) else {
        return plain(annotation, models);
    };
    let inner = || schema(arguments, models);
    let each = || split(arguments).map(|part| schema(part, models));
    match name {
        "Optional" => json!({ "anyOf": [inner(), { "type": "null" }] }),
        "Union" => json!({ "anyOf": each().collect::<Vec<_>>() }),
        "List" | "Iterable" | "Sequence" | "SequenceNotStr" => {
            json!({ "type": "array", "items": inner() })
        }
        "Dict" | "Mapping" => {
            json!({ "type": "object", "additionalProperties": each().last() })
        }
        "Literal" => json!({ "enum": split(arguments).map(literal).collect::<Vec<_>>() }),
        _ => json!({}),
    }
}

/// Whether a field with this annotation may be left out of an answer.
pub(super) fn is_optional(annotation: &str) -> bool {
    annotation.trim().starts_with("Optional[")
}

fn plain(name: &str, models: &Map<String, Value>) -> Value {
    match name {
        "str" => json!({ "type": "string" }),
        "int" => json!({ "type": "integer" }),
        "float" => json!({ "type": "number" }),
        "bool" => json!({ "type": "boolean" }),
        "datetime" => json!({ "type": "string", "format": "date-time" }),
        "None" => json!({ "type": "null" }),
        _ if models.contains_key(name) => json!({ "$ref": format!("#/models/{name}") }),
        _ => json!({}),
    }
}

fn literal(text: &str) -> Value {
    let text = text.trim();
    match text
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''))
    {
        Some(quoted) => json!(quoted),
        None => match text {
            "True" => json!(true),
            "False" => json!(false),
            _ => text
                .parse::<i64>()
                .map_or(Value::Null, |number| json!(number)),
        },
    }
}

/// Name and arguments of `Name[arguments]`.
fn generic(annotation: &str) -> Option<(&str, &str)> {
    annotation.strip_suffix(']')?.split_once('[')
}

/// The arguments, split where a comma is in no bracket of its own.
fn split(arguments: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_i32;
    arguments.split(move |sign| {
        match sign {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        sign == ',' && depth == 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_become_schemas() {
        let models = json!({ "Owner": {} });
        let models = models.as_object().unwrap();
        for (annotation, expected) in [
            ("str", json!({ "type": "string" })),
            ("Owner", json!({ "$ref": "#/models/Owner" })),
            ("other.Scope", json!({})),
            (
                "Optional[Literal['a', 'b']]",
                json!({ "anyOf": [{ "enum": ["a", "b"] }, { "type": "null" }] }),
            ),
            (
                "Union[List[int], Dict[str, bool]]",
                json!({ "anyOf": [
                    { "type": "array", "items": { "type": "integer" } },
                    { "type": "object", "additionalProperties": { "type": "boolean" } },
                ] }),
            ),
        ] {
            assert_eq!(schema(annotation, models), expected, "{annotation}");
        }
    }
}
