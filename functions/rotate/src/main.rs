//! The Lambda function `rotate`.

use std::process::ExitCode;

use keyward_lambda::deadline::{MARGIN, deadline};
use keyward_lambda::diagnostic::diagnostic;
use keyward_lambda::{config, deployment, run, start};
use keyward_rotate::{RotateError, handle};
use lambda_runtime::LambdaEvent;
use serde_json::Value;

fn main() -> ExitCode {
    start::start(config::environment, async |config| {
        let ports = deployment::ports(&config).await?;
        run::run(async |event: LambdaEvent<Value>| {
            let deadline = deadline(&event.context, MARGIN);
            let outcome = handle(&ports, &event.payload, deadline).await;
            outcome.map_err(|error| diagnostic(&error, RotateError::is_retryable))
        })
        .await
    })
}
