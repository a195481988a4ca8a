//! The Lambda function `control`.

use std::process::ExitCode;

use keyward_control::{Deps, handle};
use keyward_lambda::deadline::{MARGIN, deadline};
use keyward_lambda::{config, deployment, run, start};
use lambda_runtime::LambdaEvent;
use serde_json::Value;

fn main() -> ExitCode {
    start::start_control(config::environment, async |config| {
        let deps = deployment::control(&config).await?;
        let deps = Deps {
            ports: deps.ports,
            orders: deps.orders,
            cases: deps.cases,
            offboard: deps.offboard,
            acts: deps.acts,
            risks: deps.risks,
            items: deps.items,
            usage: deps.usage,
            alarms: deps.alarms,
            drills: deps.drills,
            callers: config.callers,
            guards: deps.guards,
            restore_second: config.common.restore_second,
            enforce_second: config.common.enforce_second,
        };
        run::run(async |event: LambdaEvent<Value>| {
            let deadline = deadline(&event.context, MARGIN);
            let served = config.urls.serve(&event.context.invoked_function_arn);
            Ok(handle(&deps, served, event.payload, deadline).await)
        })
        .await
    })
}
