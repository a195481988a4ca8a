//! A stack made from the template: what its functions come to.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Template;
use super::policy::Policy;

/// Where the stack is.
const PLACE: [(&str, &str); 5] = [
    ("AWS::Partition", "aws"),
    ("AWS::Region", "us-east-1"),
    ("AWS::AccountId", "111122223333"),
    ("AWS::URLSuffix", "amazonaws.com"),
    ("AWS::StackName", "e2e"),
];

/// What stands for a value that is left out.
const NO_VALUE: &str = "AWS::NoValue";

/// A stack of the template with certain parameters.
#[derive(Debug)]
pub struct Stack<'a> {
    template: &'a Value,
    parameters: &'a [(&'a str, &'a str)],
}

impl<'a> Stack<'a> {
    /// With these parameters, and the defaults of the others.
    pub const fn of(template: &'a Template, parameters: &'a [(&'a str, &'a str)]) -> Self {
        Self {
            template: &template.0,
            parameters,
        }
    }

    /// The resources by their names in the template, those that are made.
    pub fn resources(&self) -> BTreeMap<&'a str, Value> {
        let all = self.template["Resources"].as_object().unwrap().iter();
        let made = all.filter(|(_, resource)| {
            let condition = resource["Condition"].as_str();
            condition.is_none_or(|name| self.holds(name))
        });
        made.map(|(name, resource)| (name.as_str(), self.value(resource)))
            .collect()
    }

    /// The properties of one resource.
    ///
    /// # Panics
    /// If there is none of that name.
    pub fn properties(&self, name: &str) -> Value {
        let resource = &self.template["Resources"][name];
        assert!(resource.is_object(), "the template has no {name}");
        self.value(&resource["Properties"])
    }

    /// What a function of the template finds in its environment.
    pub fn variables(&self, name: &str) -> BTreeMap<String, String> {
        let of_all = self.value(&self.template["Globals"]["Function"]["Environment"]["Variables"]);
        let own = self.properties(name)["Environment"]["Variables"].clone();
        let all = [of_all, own];
        let variables = all.iter().filter_map(Value::as_object).flatten();
        variables
            .map(|(name, value)| (name.clone(), text(value)))
            .collect()
    }

    /// What an output of the stack says.
    ///
    /// # Panics
    /// If there is none of that name.
    pub fn output(&self, name: &str) -> String {
        let output = &self.template["Outputs"][name];
        assert!(output.is_object(), "the template has no output {name}");
        text(&self.value(&output["Value"]))
    }

    /// What a role, or a policy for people, allows.
    pub fn policy(&self, name: &str) -> Policy {
        let properties = self.properties(name);
        let document = match &properties["PolicyDocument"] {
            Value::Null => &properties["Policies"][0]["PolicyDocument"],
            document => document,
        };
        Policy::read(document)
    }

    /// A value with CloudFormation's functions worked out:
    /// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html>.
    pub fn value(&self, value: &Value) -> Value {
        match value {
            Value::Object(fields) if fields.len() == 1 => {
                let (name, argument) = fields.iter().next().unwrap();
                self.function(name, argument)
                    .unwrap_or_else(|| Value::Object(self.fields(fields)))
            }
            Value::Object(fields) => Value::Object(self.fields(fields)),
            Value::Array(items) => {
                let values = items.iter().map(|item| self.value(item));
                Value::Array(values.filter(|v| *v != json!(NO_VALUE)).collect())
            }
            other => other.clone(),
        }
    }

    fn fields(&self, fields: &Map<String, Value>) -> Map<String, Value> {
        let values = fields.iter().map(|(n, v)| (n.clone(), self.value(v)));
        values.filter(|(_, v)| *v != json!(NO_VALUE)).collect()
    }

    fn function(&self, name: &str, argument: &Value) -> Option<Value> {
        Some(match name {
            "Ref" => self.reference(argument.as_str()?),
            "Fn::GetAtt" => json!(self.attribute(argument[0].as_str()?, argument[1].as_str()?)),
            "Fn::Sub" => match argument {
                Value::Array(parts) => {
                    let mut text = parts[0].as_str()?.to_owned();
                    for (name, value) in parts[1].as_object()? {
                        let value = self.value(value);
                        text = text.replace(&format!("${{{name}}}"), value.as_str()?);
                    }
                    json!(self.substituted(&text))
                }
                _ => json!(self.substituted(argument.as_str()?)),
            },
            "Fn::If" => {
                let branch = if self.holds(argument[0].as_str()?) {
                    1
                } else {
                    2
                };
                self.value(&argument[branch])
            }
            "Fn::Join" => {
                let parts = self.value(&argument[1]);
                let parts: Vec<String> = parts.as_array()?.iter().map(text).collect();
                json!(parts.join(argument[0].as_str()?))
            }
            "Fn::Equals" => {
                let [one, other] = [0, 1].map(|n| text(&self.value(&argument[n])));
                json!(one == other)
            }
            "Fn::Not" => json!(self.value(&argument[0]) == json!(false)),
            other => {
                assert!(!other.starts_with("Fn::"), "{other} is not known here");
                return None;
            }
        })
    }

    fn holds(&self, condition: &str) -> bool {
        let condition = &self.template["Conditions"][condition];
        self.value(condition) == json!(true)
    }

    fn reference(&self, name: &str) -> Value {
        let of_place = PLACE.iter().find(|(known, _)| *known == name);
        if let Some((_, value)) = of_place {
            return json!(value);
        }
        let parameter = &self.template["Parameters"][name];
        if parameter.is_object() {
            let given = self.parameters.iter().find(|(known, _)| *known == name);
            let value = given.map_or_else(|| text(&parameter["Default"]), |(_, v)| (*v).to_owned());
            return match parameter["Type"].as_str() {
                Some("CommaDelimitedList") => json!(value.split(',').collect::<Vec<_>>()),
                _ => json!(value),
            };
        }
        if name == NO_VALUE {
            return json!(NO_VALUE);
        }
        match self.kind(name) {
            "AWS::SNS::Topic" => json!(self.attribute(name, "Arn")),
            "AWS::Serverless::Function" => self.properties(name)["FunctionName"].clone(),
            "AWS::S3::Bucket" => json!(bucket(name)),
            // https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-lambda-alias.html#aws-resource-lambda-alias-return-values
            "AWS::Lambda::Alias" => json!(self.attribute(name, "Arn")),
            _ => json!(name),
        }
    }

    fn kind(&self, name: &str) -> &str {
        let kind = self.template["Resources"][name]["Type"].as_str();
        kind.unwrap_or_else(|| panic!("the template has no {name}"))
    }

    /// An attribute of a resource. What CloudFormation makes up is called as the resource is.
    fn attribute(&self, name: &str, attribute: &str) -> String {
        if attribute != "Arn" {
            return format!("{name}.{attribute}");
        }
        if self.kind(name) == "AWS::S3::Bucket" {
            return format!("arn:aws:s3:::{}", bucket(name));
        }
        let named = |property: &str| text(&self.properties(name)[property]);
        let (service, resource) = match self.kind(name) {
            "AWS::SNS::Topic" => ("sns", named("TopicName")),
            "AWS::Serverless::Function" => {
                ("lambda", format!("function:{}", named("FunctionName")))
            }
            "AWS::Lambda::Alias" => {
                let (function, alias) = (named("FunctionName"), named("Name"));
                ("lambda", format!("function:{function}:{alias}"))
            }
            "AWS::SQS::Queue" => ("sqs", named("QueueName")),
            "AWS::DynamoDB::Table" => ("dynamodb", format!("table/{name}")),
            "AWS::Logs::LogGroup" => ("logs", format!("log-group:{}:*", named("LogGroupName"))),
            "AWS::KMS::Key" => ("kms", format!("key/{name}")),
            _ => ("iam", name.to_owned()),
        };
        format!("arn:aws:{service}:us-east-1:111122223333:{resource}")
    }

    /// `${Name}` and `${Name.Attribute}`; `${!Name}` stays `${Name}`.
    fn substituted(&self, text_with_names: &str) -> String {
        let mut parts = text_with_names.split("${");
        let mut result = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').unwrap();
            let value = match (name.strip_prefix('!'), name.split_once('.')) {
                (Some(literal), _) => format!("${{{literal}}}"),
                (None, Some((resource, attribute))) => self.attribute(resource, attribute),
                (None, None) => text(&self.reference(name)),
            };
            result.push_str(&value);
            result.push_str(rest);
        }
        result
    }
}

/// The name that CloudFormation makes up for a bucket begins so.
fn bucket(name: &str) -> String {
    format!("e2e-{}", name.to_ascii_lowercase())
}

/// A scalar as CloudFormation hands it on.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
