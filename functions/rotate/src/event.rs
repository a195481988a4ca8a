//! The rotation event: `Step`, `SecretId`, `ClientRequestToken`, and for rotation across accounts `RotationToken`.
//! <https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html>

use keyward_core::model::names::NameError;
use keyward_core::ports::{Deadline, RotationToken};
use keyward_core::rules::rotation::UnknownStep;
use keyward_core::usecases::rotate::StepRequest;
use serde_json::Value;

/// Why an event is no rotation event. Nothing of its values is in it but what was to be a step or a token.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// A field is missing, or not a text.
    #[error("field `{0}` is missing or not a text")]
    Field(&'static str),
    /// A field is longer than it may be.
    #[error("field `{0}` is longer than {1} characters")]
    TooLong(&'static str, usize),
    /// The step is none of the four.
    #[error(transparent)]
    Step(#[from] UnknownStep),
    /// The token is no version id.
    #[error("field `ClientRequestToken`: {0}")]
    Token(NameError),
}

/// The longest secret ARN or name that Secrets Manager takes.
const MAX_SECRET_ID: usize = 2048;

/// Reads the fields that are known; others are ignored.
pub(crate) fn parse(event: &Value, deadline: Deadline) -> Result<StepRequest, EventError> {
    let step = text(event, "Step")?.parse()?;
    let secret_id = text(event, "SecretId")?;
    if secret_id.chars().count() > MAX_SECRET_ID {
        return Err(EventError::TooLong("SecretId", MAX_SECRET_ID));
    }
    let token = text(event, "ClientRequestToken")?
        .parse()
        .map_err(EventError::Token)?;
    let rotation_token = match event.get("RotationToken") {
        None | Some(Value::Null) => None,
        Some(_) => Some(RotationToken::new(text(event, "RotationToken")?.to_owned())),
    };
    Ok(StepRequest {
        step,
        secret_id: secret_id.to_owned(),
        token,
        rotation_token,
        deadline,
    })
}

fn text<'a>(event: &'a Value, field: &'static str) -> Result<&'a str, EventError> {
    let found = event
        .get(field)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty());
    found.ok_or(EventError::Field(field))
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyward_core::rules::rotation::RotationStep;
    use serde_json::json;

    const DEADLINE: Deadline = Deadline(jiff::Timestamp::UNIX_EPOCH);

    fn event() -> Value {
        json!({
            "Step": "createSecret",
            "SecretId": "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/a-b1C2d3",
            "ClientRequestToken": "11111111-aaaa-4bbb-8ccc-000000000002",
        })
    }

    #[test]
    fn both_spellings_of_a_step_and_unknown_fields_are_read() {
        for (spelled, step) in [
            ("createSecret", RotationStep::Create),
            ("create_secret", RotationStep::Create),
            ("setSecret", RotationStep::Set),
            ("set_secret", RotationStep::Set),
            ("testSecret", RotationStep::Test),
            ("test_secret", RotationStep::Test),
            ("finishSecret", RotationStep::Finish),
            ("finish_secret", RotationStep::Finish),
        ] {
            let mut event = event();
            event["Step"] = spelled.into();
            event["NewField"] = json!([1]);
            assert_eq!(parse(&event, DEADLINE).unwrap().step, step, "{spelled}");
        }
    }

    #[test]
    fn a_rotation_token_is_carried_and_cannot_be_printed() {
        let mut event = event();
        event["RotationToken"] = "EXAMPLE-rotation-token".into();
        let request = parse(&event, DEADLINE).unwrap();
        assert!(request.rotation_token.is_some());
        assert!(!format!("{request:?}").contains("EXAMPLE"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        type Change = fn(&mut Value);
        let cases: [(Change, &str); 8] = [
            (|e| *e = json!(null), "field `Step`"),
            (|e| *e = json!([]), "field `Step`"),
            (
                |e| e["Step"] = "rotateSecret".into(),
                "`rotateSecret` is no rotation step",
            ),
            (|e| e["Step"] = 4.into(), "field `Step`"),
            (|e| e["SecretId"] = "".into(), "field `SecretId`"),
            (
                |e| e["SecretId"] = "x".repeat(3000).into(),
                "longer than 2048",
            ),
            (
                |e| e["ClientRequestToken"] = "short".into(),
                "field `ClientRequestToken`",
            ),
            (|e| e["RotationToken"] = 1.into(), "field `RotationToken`"),
        ];
        for (change, expected) in cases {
            let mut event = event();
            change(&mut event);
            let error = parse(&event, DEADLINE).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
