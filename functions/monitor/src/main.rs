//! The Lambda function `monitor`.

use std::process::ExitCode;

use keyward_core::model::incident::OwnerId;
use keyward_core::usecases::kill::Invocation;
use keyward_lambda::deadline::{MARGIN, deadline};
use keyward_lambda::diagnostic::diagnostic;
use keyward_lambda::{config, deployment, run, start};
use keyward_monitor::{Monitor, MonitorFailed, handle};
use lambda_runtime::LambdaEvent;
use serde_json::Value;

fn main() -> ExitCode {
    start::start_monitor(config::environment, async |config| {
        let ports = deployment::monitor(&config).await?;
        let monitor = Monitor::new(ports, config.settings);
        run::run(async |event: LambdaEvent<Value>| {
            let invocation = Invocation {
                owner: OwnerId::new(&event.context.request_id),
                deadline: deadline(&event.context, MARGIN),
            };
            let outcome = handle(&monitor, &invocation).await;
            outcome.map_err(|error| diagnostic(&error, MonitorFailed::is_retryable))
        })
        .await
    })
}
