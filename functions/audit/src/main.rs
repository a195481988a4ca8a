//! The Lambda function `audit`.

use std::process::ExitCode;

use keyward_audit::{AuditFailed, handle};
use keyward_core::model::incident::OwnerId;
use keyward_core::usecases::kill::Invocation;
use keyward_lambda::deadline::{MARGIN, deadline};
use keyward_lambda::diagnostic::diagnostic;
use keyward_lambda::{config, deployment, run, start};
use keyward_reports::{Place, renders, security_hub};
use lambda_runtime::LambdaEvent;
use serde_json::Value;

fn main() -> ExitCode {
    start::start_audit(config::environment, async |config| {
        let place = Place::of(&config.deployment);
        let auditor = deployment::audit(&config, renders(&place), security_hub(&place)).await?;
        run::run(async |event: LambdaEvent<Value>| {
            let invocation = Invocation {
                owner: OwnerId::new(&event.context.request_id),
                deadline: deadline(&event.context, MARGIN),
            };
            let outcome = handle(&auditor, &event.payload, &invocation).await;
            outcome.map_err(|error| diagnostic(&error, AuditFailed::is_retryable))
        })
        .await
    })
}
