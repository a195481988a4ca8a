//! Google's discovery documents.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::description::{
    Answer, Body, Description, Need, Operation, Parameter, Place, Template,
};

/// Reads a document.
pub fn read(document: &Value) -> Description {
    let text = |field: &str| document[field].as_str().unwrap_or_default();
    let mut operations = Vec::new();
    methods_of(document, &document["parameters"], &mut operations);
    let mut definitions = Map::new();
    definitions.insert("schemas".to_owned(), schema(&document["schemas"]));
    Description {
        name: format!("{} {} {}", text("name"), text("version"), text("revision")),
        base: Some(format!("{}{}", text("rootUrl"), text("servicePath"))),
        operations,
        definitions,
    }
}

/// The methods of a resource and of all resources in it.
fn methods_of(resource: &Value, common: &Value, found: &mut Vec<Operation>) {
    let methods = resource["methods"].as_object().into_iter().flatten();
    found.extend(methods.filter_map(|(_, method)| operation(method, common)));
    for (_, inner) in resource["resources"].as_object().into_iter().flatten() {
        methods_of(inner, common, found);
    }
}

fn operation(method: &Value, common: &Value) -> Option<Operation> {
    let path = method["flatPath"].as_str().or(method["path"].as_str())?;
    let named = [&method["parameters"], common].into_iter();
    let named = named.flat_map(|of| of.as_object().into_iter().flatten());
    // Paths in parameters are of the other form of the path, `v2/{+name}`.
    let parameters = named.filter(|(_, entry)| entry["location"] == "query");
    let answer = method.get("response").map(schema);
    Some(Operation {
        method: method["httpMethod"].as_str()?.to_owned(),
        path: Template::new(path),
        parameters: parameters.map(parameter).collect(),
        body: method.get("request").map(|request| Body {
            schema: schema(request),
            need: Need::Optional,
        }),
        answers: BTreeMap::from([("200".to_owned(), Answer::new(answer))]),
    })
}

fn parameter((name, entry): (&String, &Value)) -> Parameter {
    let one = schema(entry);
    Parameter {
        place: Place::Query,
        name: name.clone(),
        need: Need::from(entry["required"] == true),
        schema: match entry["repeated"] == true {
            true => json!({ "type": "array", "items": one }),
            false => one,
        },
    }
}

/// The JSON Schema that is meant: references are bare names there, `any` is a type, and `required` stands on the
/// property.
fn schema(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(schema).collect(),
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, value)| {
                !(*name == "required" && value.is_boolean() || *name == "type" && *value == "any")
            })
            .map(|(name, value)| match value.as_str() {
                Some(target) if name == "$ref" => {
                    (name.clone(), json!(format!("#/schemas/{target}")))
                }
                // A schema's name, which JSON Schema would take for an address.
                Some(_) if name == "id" => ("title".to_owned(), value.clone()),
                _ => (name.clone(), schema(value)),
            })
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}
