//! `/migrate`: every item of the inventory as this release writes it.

use keyward_core::model::act::Subject;
use keyward_core::ports::{Deadline, MigrationError, PageToken, Pass};
use keyward_core::usecases::migrate::{Migrated, migrate};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Deps;
use crate::record::{Recorded, Written};
use crate::request::{Request, reason};
use crate::response::Refusal;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(default)]
    reason: String,
    #[serde(default)]
    from: Option<PageToken>,
    #[serde(default)]
    dry_run: bool,
}

pub(super) async fn migrate_items(
    deps: &Deps,
    request: &Request,
    deadline: Deadline,
) -> Result<Value, Refusal> {
    let body: Body = request.body("{reason, from?, dry_run?}")?;
    if body.dry_run {
        let seen = pass(deps, body.from, Pass::Look, deadline).await?;
        return Ok(json!(seen));
    }
    let why = reason(&body.reason)?;
    let before = json!({ "from": body.from });
    let act = Recorded::begin(deps, request, 0, &why, Subject::Fleet, before).await?;
    match pass(deps, body.from, Pass::Write, deadline).await {
        Ok(done) => {
            let after = json!({ "written": done.written, "next": done.next });
            let written = act.end("written anew", after).await;
            let mut answer = json!(done);
            answer["unrecorded"] = json!(written == Written::BeginningOnly);
            Ok(answer)
        }
        Err(refusal) => {
            act.end(&refusal.what, Value::Null).await;
            Err(refusal)
        }
    }
}

async fn pass(
    deps: &Deps,
    from: Option<PageToken>,
    pass: Pass,
    deadline: Deadline,
) -> Result<Migrated, Refusal> {
    let clock = deps.ports.clock.as_ref();
    let done = migrate(deps.items.as_ref(), clock, from, pass, deadline).await;
    done.map_err(|error| match error {
        MigrationError::WritesBefore { own, .. } => Refusal::new(
            409,
            error.to_string(),
            format!("Deploy the stack with Schema={own}, once you will not go back to the release before. Then send it again."),
        )
        .safe("Nothing was written."),
        MigrationError::Inventory(error) => Refusal::from(error),
    })
}
