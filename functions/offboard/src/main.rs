//! The Lambda function `offboard`.

use std::process::ExitCode;

use keyward_core::model::incident::OwnerId;
use keyward_core::usecases::kill::Invocation;
use keyward_lambda::deadline::{MARGIN, deadline};
use keyward_lambda::diagnostic::diagnostic;
use keyward_lambda::{config, deployment, run, start};
use keyward_offboard::{Deps, OffboardFailed, handle};
use lambda_runtime::LambdaEvent;
use serde_json::Value;

fn main() -> ExitCode {
    start::start_offboard(config::environment, async |config| {
        let deps = Deps {
            offboarder: deployment::offboard(&config).await?,
            senders: config.senders,
            own: config.own,
        };
        run::run(async |event: LambdaEvent<Value>| {
            let invocation = Invocation {
                owner: OwnerId::new(&event.context.request_id),
                deadline: deadline(&event.context, MARGIN),
            };
            let outcome = handle(&deps, &event.payload, &invocation).await;
            outcome.map_err(|error| diagnostic(&error, OffboardFailed::is_retryable))
        })
        .await
    })
}
