//! The Lambda function `control`.

use std::process::ExitCode;
use std::sync::Arc;

use keyward_control::{Deps, handle};
use keyward_core::ports::NoAlarmStates;
use keyward_lambda::deadline::{MARGIN, deadline};
use keyward_lambda::{config, deployment, run, start};
use lambda_runtime::LambdaEvent;
use serde_json::Value;

fn main() -> ExitCode {
    start::start(config::environment, async |config| {
        let (ports, acts) = deployment::ports_and_acts(&config).await?;
        let deps = Deps {
            ports,
            acts,
            alarms: Arc::new(NoAlarmStates),
            restore_second: config.restore_second,
        };
        run::run(async |event: LambdaEvent<Value>| {
            let deadline = deadline(&event.context, MARGIN);
            Ok(handle(&deps, event.payload, deadline).await)
        })
        .await
    })
}
