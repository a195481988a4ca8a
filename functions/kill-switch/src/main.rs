//! The Lambda function `kill-switch`.

use std::process::ExitCode;

use keyward_core::model::incident::OwnerId;
use keyward_core::usecases::kill::Invocation;
use keyward_kill_switch::{KillSwitchError, handle};
use keyward_lambda::deadline::{MARGIN, deadline};
use keyward_lambda::diagnostic::diagnostic;
use keyward_lambda::{config, deployment, run, start};
use lambda_runtime::LambdaEvent;
use serde_json::Value;

fn main() -> ExitCode {
    start::start_kill_switch(config::environment, async |config| {
        let switch = deployment::kill_switch(&config).await?;
        run::run(async |event: LambdaEvent<Value>| {
            let invocation = Invocation {
                owner: OwnerId::new(&event.context.request_id),
                deadline: deadline(&event.context, MARGIN),
            };
            let outcome = handle(&switch, &event.payload, &invocation).await;
            outcome.map_err(|error| diagnostic(&error, KillSwitchError::is_retryable))
        })
        .await
    })
}
