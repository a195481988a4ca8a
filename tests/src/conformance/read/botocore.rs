//! botocore's `service-2` models of APIs that speak AWS's query protocol: forms in, XML out.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::description::{Answer, Body, Description, Need, Operation, Template};

/// Reads a document.
pub fn read(document: &Value) -> Description {
    let shapes = document["shapes"].as_object().into_iter().flatten();
    let shapes: Map<String, Value> = shapes
        .map(|(name, shape)| (name.clone(), schema(shape)))
        .collect();
    let mut definitions = Map::new();
    definitions.insert("shapes".to_owned(), Value::Object(shapes));
    let host = document["metadata"]["globalEndpoint"].as_str();
    let operations = document["operations"].as_object().into_iter().flatten();
    Description {
        name: super::name(document),
        base: host.map(|host| format!("https://{host}")),
        operations: operations
            .filter_map(|(name, found)| operation(document, name, found))
            .collect(),
        definitions,
    }
}

fn to_shape(name: &Value) -> Value {
    json!({ "$ref": format!("#/shapes/{}", name.as_str().unwrap_or_default()) })
}

fn operation(document: &Value, name: &str, found: &Value) -> Option<Operation> {
    let path = found["http"]["requestUri"].as_str()?;
    Some(Operation {
        method: found["http"]["method"].as_str()?.to_owned(),
        path: Template::new(&format!("{path}?Action={name}")),
        parameters: Vec::new(),
        body: Some(Body {
            schema: form(document, name, found),
            need: Need::Required,
        }),
        answers: answers(document, name, found),
    })
}

/// A form holds the action, the API's version, and the members of the input.
fn form(document: &Value, name: &str, found: &Value) -> Value {
    let version = &document["metadata"]["apiVersion"];
    let call = json!({
        "type": "object",
        "properties": { "Action": { "const": name }, "Version": { "const": version } },
        "required": ["Action", "Version"],
    });
    match found["input"].get("shape") {
        Some(input) => json!({ "allOf": [call, to_shape(input)] }),
        None => call,
    }
}

fn answers(document: &Value, name: &str, found: &Value) -> BTreeMap<String, Answer> {
    let element = |name: &str, inner: Value| {
        let mut properties = Map::new();
        properties.insert(name.to_owned(), inner);
        json!({ "type": "object", "properties": properties, "required": [name] })
    };
    let output = match (&found["output"]["shape"], &found["output"]["resultWrapper"]) {
        (output, Value::String(wrapper)) => element(wrapper, to_shape(output)),
        _ => json!({ "type": "object" }),
    };
    let success = element(&format!("{name}Response"), output);
    let mut codes: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for error in found["errors"].as_array().into_iter().flatten() {
        let shape = &document["shapes"][error["shape"].as_str().unwrap_or_default()];
        let error = &shape["error"];
        let of_status = codes.entry(error["httpStatusCode"].to_string());
        of_status.or_default().push(&error["code"]);
    }
    let failures = codes.into_iter().map(|(status, codes)| {
        let error = element("Code", json!({ "enum": codes }));
        (status, element("ErrorResponse", element("Error", error)))
    });
    [("200".to_owned(), success)]
        .into_iter()
        .chain(failures)
        .map(|(status, schema)| (status, Answer::new(Some(schema))))
        .collect()
}

fn schema(shape: &Value) -> Value {
    let plain = |kind: &str, [least, most]: [&str; 2]| {
        let mut schema = Map::new();
        schema.insert("type".to_owned(), json!(kind));
        for (bound, name) in [("min", least), ("max", most)] {
            if let Some(limit) = shape.get(bound) {
                schema.insert(name.to_owned(), limit.clone());
            }
        }
        if let Some(options) = shape.get("enum") {
            schema.insert("enum".to_owned(), options.clone());
        }
        if let Some(pattern) = shape["pattern"].as_str() {
            schema.insert("pattern".to_owned(), json!(format!("^(?:{pattern})$")));
        }
        schema
    };
    match shape["type"].as_str() {
        Some("structure") => {
            let members = shape["members"].as_object().into_iter().flatten();
            let members = members.map(|(name, member)| (name.clone(), to_shape(&member["shape"])));
            let members: Map<String, Value> = members.collect();
            let required = shape.get("required").cloned().unwrap_or_else(|| json!([]));
            json!({ "type": "object", "properties": members, "required": required })
        }
        Some("list") => {
            let mut list = plain("array", ["minItems", "maxItems"]);
            list.insert("items".to_owned(), to_shape(&shape["member"]["shape"]));
            Value::Object(list)
        }
        Some("string") => Value::Object(plain("string", ["minLength", "maxLength"])),
        Some("integer" | "long") => Value::Object(plain("integer", ["minimum", "maximum"])),
        Some("boolean") => json!({ "type": "boolean" }),
        Some("timestamp") => json!({ "type": "string", "format": "date-time" }),
        _ => json!({}),
    }
}
