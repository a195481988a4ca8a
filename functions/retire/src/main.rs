//! The Lambda function `retire`.

use std::process::ExitCode;

use keyward_core::model::incident::OwnerId;
use keyward_core::usecases::kill::Invocation;
use keyward_lambda::deadline::{MARGIN, deadline};
use keyward_lambda::diagnostic::diagnostic;
use keyward_lambda::{config, deployment, run, start};
use keyward_retire::{RetireError, handle};
use lambda_runtime::LambdaEvent;
use serde_json::Value;

fn main() -> ExitCode {
    start::start(config::environment, async |config| {
        let retire = deployment::retire(&config).await?;
        run::run(async |event: LambdaEvent<Value>| {
            let invocation = Invocation {
                owner: OwnerId::new(&event.context.request_id),
                deadline: deadline(&event.context, MARGIN),
            };
            let outcome = handle(&retire, &invocation).await;
            outcome.map_err(|error| diagnostic(&error, RetireError::is_retryable))
        })
        .await
    })
}
