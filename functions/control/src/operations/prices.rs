//! `/prices`: a table of prices in place of the one in use.

use keyward_core::model::act::Subject;
use keyward_core::usecases::prices::{NotUsed, check, in_use, put};
use serde::Deserialize;
use serde_json::value::RawValue;
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
    table: Box<RawValue>,
    #[serde(default)]
    dry_run: bool,
}

pub(super) async fn put_prices(deps: &Deps, request: &Request) -> Result<Value, Refusal> {
    let body: Body = request.body("{reason, table: a table of prices, dry_run?}")?;
    let why = match body.dry_run {
        true => None,
        false => Some(reason(&body.reason)?),
    };
    let (usage, clock) = (&*deps.usage, &*deps.ports.clock);
    let (before, _) = in_use(usage, clock).await;
    let table = body.table.get();
    let checked = check(usage, clock, table).await.map_err(refusal)?;
    let Some(why) = why else {
        return Ok(json!({
            "before": before.as_of(), "as_of": checked.as_of(), "dry_run": true,
        }));
    };
    let state = json!({ "as_of": before.as_of() });
    let act = Recorded::begin(deps, request, 0, &why, Subject::Fleet, state).await?;
    let after = json!({ "as_of": checked.as_of() });
    if let Err(error) = put(usage, table).await {
        let unknown = json!({ "as_of": Value::Null });
        act.end(&error.to_string(), unknown).await;
        return Err(Refusal::from(error).unsure());
    }
    let unrecorded = act.end("put", after).await == Written::BeginningOnly;
    Ok(json!({
        "before": before.as_of(), "as_of": checked.as_of(), "unrecorded": unrecorded,
    }))
}

fn refusal(why: NotUsed) -> Refusal {
    match why {
        NotUsed::Refused(why) => Refusal::bad(format!("the table is refused: {why}")),
        NotUsed::Store(error) => error.into(),
    }
}
