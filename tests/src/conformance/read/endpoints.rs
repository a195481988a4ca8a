//! Lists of endpoints with the names and types of what they take, as they were drawn from an SDK's signatures.
//!
//! Nothing says there what must be given, nor which model is the answer of which endpoint.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::description::{Body, Description, Need, Operation, Parameter, Place, Template};
use super::types;

/// Reads a document.
pub fn read(document: &Value) -> Description {
    let nothing = Map::new();
    let models = document["models"].as_object().unwrap_or(&nothing);
    let schemas: Map<String, Value> = models
        .iter()
        .map(|(name, fields)| (name.clone(), model(fields, models)))
        .collect();
    let mut definitions = Map::new();
    definitions.insert("models".to_owned(), Value::Object(schemas));
    let headers = document["headers"].as_object().unwrap_or(&nothing);
    let endpoints = document["endpoints"].as_array().into_iter().flatten();
    Description {
        name: super::name(document),
        base: document["base_url"].as_str().map(str::to_owned),
        operations: endpoints
            .filter_map(|endpoint| operation(endpoint, headers, models))
            .collect(),
        definitions,
    }
}

/// A field that may be null may also be left out.
fn model(fields: &Value, models: &Map<String, Value>) -> Value {
    let annotations = annotations(fields);
    let required = annotations.iter().filter(|(_, of)| !types::is_optional(of));
    let required: Vec<&str> = required.map(|(name, _)| *name).collect();
    json!({ "type": "object", "properties": properties(&annotations, models), "required": required })
}

fn annotations(fields: &Value) -> Vec<(&str, &str)> {
    let fields = fields.as_object().into_iter().flatten();
    fields
        .filter_map(|(name, annotation)| Some((name.as_str(), annotation.as_str()?)))
        .collect()
}

fn properties(annotations: &[(&str, &str)], models: &Map<String, Value>) -> Map<String, Value> {
    let property = |(name, of): &(&str, &str)| ((*name).to_owned(), types::schema(of, models));
    annotations.iter().map(property).collect()
}

fn operation(
    endpoint: &Value,
    headers: &Map<String, Value>,
    models: &Map<String, Value>,
) -> Option<Operation> {
    let query = annotations(&endpoint["query"]);
    let query = query.iter().map(|(name, of)| Parameter {
        place: Place::Query,
        name: (*name).to_owned(),
        need: Need::Optional,
        schema: types::schema(of, models),
    });
    let headers = headers.keys().map(|name| Parameter {
        place: Place::Header,
        name: name.to_lowercase(),
        need: Need::Required,
        schema: json!({}),
    });
    Some(Operation {
        method: endpoint["method"].as_str()?.to_owned(),
        path: Template::new(endpoint["path"].as_str()?),
        parameters: query.chain(headers).collect(),
        body: endpoint.get("body").map(|fields| Body {
            schema: json!({
                "type": "object",
                "properties": properties(&annotations(fields), models),
                "additionalProperties": false,
            }),
            need: Need::Optional,
        }),
        answers: BTreeMap::new(),
    })
}
