//! OpenAPI 3.0 and 3.1, and Swagger 2.0.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::description::{
    Answer, Body, Description, Need, Operation, Parameter, Place, Template,
};
use super::METHODS;

/// Reads a document.
pub fn read(document: &Value) -> Description {
    let document = &as_json_schema(document);
    let mut definitions = Map::new();
    for part in ["components", "definitions"] {
        if let Some(found) = document.get(part) {
            definitions.insert(part.to_owned(), found.clone());
        }
    }
    let paths = document["paths"].as_object().into_iter().flatten();
    let operations = paths.flat_map(|(path, item)| {
        let methods = METHODS.iter().filter_map(move |m| Some((m, item.get(*m)?)));
        methods.map(move |(method, found)| operation(document, method, path, item, found))
    });
    Description {
        name: super::name(document),
        base: base(document),
        operations: operations.collect(),
        definitions,
    }
}

fn base(document: &Value) -> Option<String> {
    if let Some(host) = document["host"].as_str() {
        let path = document["basePath"].as_str().unwrap_or_default();
        return Some(format!("https://{host}{path}"));
    }
    Some(document["servers"][0]["url"].as_str()?.to_owned())
}

/// What a `$ref` points to.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let target = value["$ref"].as_str().and_then(|to| to.strip_prefix('#'));
    target.and_then(|to| document.pointer(to)).unwrap_or(value)
}

fn operation(document: &Value, method: &str, path: &str, item: &Value, found: &Value) -> Operation {
    let listed = [item, found].into_iter();
    let listed = listed.flat_map(|holder| holder["parameters"].as_array().into_iter().flatten());
    let listed: Vec<&Value> = listed.map(|entry| resolved(document, entry)).collect();
    let responses = found["responses"].as_object().into_iter().flatten();
    let answers: BTreeMap<String, Answer> = responses
        .map(|(status, response)| (status.clone(), answer(resolved(document, response))))
        .collect();
    Operation {
        method: method.to_uppercase(),
        path: Template::new(path),
        parameters: listed.iter().filter_map(|entry| parameter(entry)).collect(),
        body: match found.get("requestBody") {
            Some(body) => body_of_3(resolved(document, body)),
            None => listed.iter().find_map(|entry| body_of_2(entry)),
        },
        answers,
    }
}

fn parameter(entry: &Value) -> Option<Parameter> {
    let place = match entry["in"].as_str()? {
        "path" => Place::Path,
        "query" => Place::Query,
        "header" => Place::Header,
        _ => return None,
    };
    Some(Parameter {
        place,
        name: entry["name"].as_str()?.to_owned(),
        need: Need::from(entry["required"] == true),
        schema: match entry.get("schema") {
            Some(schema) => schema.clone(),
            None => inline(entry),
        },
    })
}

/// Swagger 2.0 has the type beside the name.
fn inline(entry: &Value) -> Value {
    let mut schema = entry.as_object().cloned().unwrap_or_default();
    schema.retain(|word, _| !["in", "name", "required"].contains(&word.as_str()));
    Value::Object(schema)
}

fn body_of_3(body: &Value) -> Option<Body> {
    Some(Body {
        schema: content(body)?,
        need: Need::from(body["required"] == true),
    })
}

fn body_of_2(entry: &Value) -> Option<Body> {
    (entry["in"] == "body").then(|| Body {
        schema: entry["schema"].clone(),
        need: Need::from(entry["required"] == true),
    })
}

fn answer(response: &Value) -> Answer {
    Answer::new(content(response).or_else(|| response.get("schema").cloned()))
}

fn content(holder: &Value) -> Option<Value> {
    let kinds = holder["content"].as_object()?;
    let mut kinds = kinds.iter().filter(|(kind, _)| kind.contains("json"));
    kinds.next()?.1.get("schema").cloned()
}

/// The words of OpenAPI before 3.1 that JSON Schema has others for.
fn as_json_schema(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(as_json_schema).collect(),
        Value::Object(fields) => {
            let mut fields: Map<String, Value> = fields
                .iter()
                .map(|(name, value)| (name.clone(), as_json_schema(value)))
                .collect();
            for (bound, limit) in [
                ("exclusiveMinimum", "minimum"),
                ("exclusiveMaximum", "maximum"),
            ] {
                match fields.get(bound).and_then(Value::as_bool) {
                    Some(true) => {
                        let limit = fields.remove(limit).unwrap_or_default();
                        fields.insert(bound.to_owned(), limit);
                    }
                    Some(false) => drop(fields.remove(bound)),
                    None => {}
                }
            }
            let words = ["nullable", "x-nullable"];
            let said = words.map(|word| fields.get(word) == Some(&json!(true)));
            if said.contains(&true) {
                words.iter().for_each(|word| drop(fields.remove(*word)));
                return json!({ "anyOf": [fields, { "type": "null" }] });
            }
            Value::Object(fields)
        }
        other => other.clone(),
    }
}
