//! The loop that takes events.

use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::diagnostic::NON_RETRYABLE;

/// Names of an event's fields that are shown at most.
const MAX_FIELDS_SHOWN: usize = 12;

/// Hands each event to `handle` until Lambda ends the process.
///
/// An event that is no `E` does not reach `handle` and is answered as not retryable. A function that must see
/// everything takes a [`Value`]. What `handle` returns as an error is logged here, once.
///
/// # Errors
/// The Runtime API cannot be reached or does not behave.
pub async fn run<E, R, F>(handle: F) -> Result<(), Error>
where
    E: DeserializeOwned,
    R: Serialize,
    F: AsyncFn(LambdaEvent<E>) -> Result<R, Diagnostic>,
{
    lambda_runtime::run(service_fn(|event| answer(&handle, event))).await
}

async fn answer<E, R, F>(handle: &F, event: LambdaEvent<Value>) -> Result<R, Diagnostic>
where
    E: DeserializeOwned,
    F: AsyncFn(LambdaEvent<E>) -> Result<R, Diagnostic>,
{
    let LambdaEvent {
        payload, context, ..
    } = event;
    let result = match parse(payload) {
        Ok(payload) => handle(LambdaEvent::new(payload, context)).await,
        Err(refused) => Err(refused),
    };
    if let Err(error) = &result {
        tracing::error!(
            error_type = error.error_type,
            error = error.error_message,
            "the invocation failed"
        );
    }
    result
}

/// The event as an `E`. What is said about one of another shape holds names of its fields and none of their values.
fn parse<E: DeserializeOwned>(payload: Value) -> Result<E, Diagnostic> {
    let shape = shape(&payload);
    serde_json::from_value(payload).map_err(|_| Diagnostic {
        error_type: NON_RETRYABLE.to_owned(),
        error_message: format!("the event is not one that this function takes: {shape}"),
    })
}

fn shape(payload: &Value) -> String {
    match payload {
        Value::Object(fields) => {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
            let names: Vec<String> = fields
                .keys()
                .take(MAX_FIELDS_SHOWN)
                .map(|name| name.chars().filter(|c| plain(*c)).take(40).collect())
                .collect();
            format!("an object with the fields [{}]", names.join(", "))
        }
        Value::Array(_) => "a list".to_owned(),
        Value::String(_) => "a string".to_owned(),
        Value::Number(_) => "a number".to_owned(),
        Value::Bool(_) => "true or false".to_owned(),
        Value::Null => "null".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lambda_runtime::Context;
    use serde_json::json;

    #[derive(Debug, serde::Deserialize)]
    struct Event {
        step: u32,
    }

    async fn answer_to(payload: Value) -> Result<u32, Diagnostic> {
        let handle = async |event: LambdaEvent<Event>| match event.payload.step {
            0 => Err(Diagnostic {
                error_type: "Retryable".to_owned(),
                error_message: "no step".to_owned(),
            }),
            step => Ok(step * 2),
        };
        answer(&handle, LambdaEvent::new(payload, Context::default())).await
    }

    #[tokio::test]
    async fn a_good_event_reaches_the_handler_and_its_error_comes_back_whole() {
        assert_eq!(answer_to(json!({"step": 4})).await.unwrap(), 8);
        let error = answer_to(json!({"step": 0})).await.unwrap_err();
        assert_eq!(error.error_type, "Retryable");
        assert_eq!(error.error_message, "no step");
    }

    #[tokio::test]
    async fn an_event_of_another_shape_is_refused_without_quoting_it() {
        for (payload, shape) in [
            (
                json!({"step": "sk-EXAMPLE", "Rotation\nToken": "sk-EXAMPLE"}),
                "an object with the fields [step, RotationToken]",
            ),
            (json!(["sk-EXAMPLE"]), "a list"),
            (json!("sk-EXAMPLE"), "a string"),
            (json!(null), "null"),
        ] {
            let error = answer_to(payload).await.unwrap_err();
            assert_eq!(error.error_type, "NonRetryable");
            assert!(error.error_message.ends_with(shape), "{error:?}");
            assert!(!error.error_message.contains("EXAMPLE"), "{error:?}");
        }
    }
}
