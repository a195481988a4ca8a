//! The Lambda function `retire`.

use std::process::ExitCode;

use keyward_lambda::deadline::{MARGIN, deadline};
use keyward_lambda::diagnostic::diagnostic;
use keyward_lambda::{config, deployment, run, start};
use keyward_retire::{RetireError, handle};
use lambda_runtime::LambdaEvent;
use serde_json::Value;

fn main() -> ExitCode {
    start::start(config::environment, async |config| {
        let ports = deployment::ports(&config).await?;
        run::run(async |event: LambdaEvent<Value>| {
            let deadline = deadline(&event.context, MARGIN);
            let outcome = handle(&ports, &config.confirm, deadline).await;
            outcome.map_err(|error| diagnostic(&error, RetireError::is_retryable))
        })
        .await
    })
}
