//! `/offboard`: an agent is given up, or a person has left. The case is written here; the offboarding function carries it on,
//! at once if it can be reached, else by its schedule.

use keyward_core::model::act::Subject;
use keyward_core::model::incident::TriggerId;
use keyward_core::model::names::{AgentName, Reader};
use keyward_core::model::offboarding::{AskedFor, Leaver, Offboarding, Person};
use keyward_core::model::text::OutsideText;
use keyward_core::rules::offboard::OffboardOrder;
use keyward_core::usecases::offboard::{Foreseen, Opened, foresee, open};
use keyward_lambda::diagnostic::chain;
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
    agent: Option<AgentName>,
    #[serde(default)]
    person: Option<Reader>,
    #[serde(default)]
    also: Vec<Reader>,
    #[serde(default)]
    dry_run: bool,
}

const TAKES: &str =
    "{reason, agent or person, also?: at most 8 further names of the person, dry_run?}";

pub(super) async fn offboard(deps: &Deps, request: &Request) -> Result<Value, Refusal> {
    let body: Body = request.body(TAKES)?;
    let leaver = leaver(body.agent, body.person, body.also)?;
    if body.dry_run {
        let order = order(deps, request, leaver, OutsideText::default());
        let foreseen = foreseen(deps, &order).await?;
        return Ok(would(&order.leaver, &foreseen));
    }
    let why = reason(&body.reason)?;
    let order = order(deps, request, leaver, why.clone());
    // A name that is mistyped is refused before anything is opened, where nothing could tell it from a person who only read.
    if order.leaver.ends_slots() && foreseen(deps, &order).await?.is_empty() {
        return Err(Refusal::new(
            404,
            format!("no slot is of {}", order.leaver),
            "Look at the names: keyward status.",
        ));
    }
    let before = json!({ "leaver": order.leaver });
    let act = Recorded::begin(deps, request, 0, &why, Subject::Fleet, before).await?;
    let opened = open(deps.cases.as_ref(), deps.ports.clock.as_ref(), &order).await;
    let opened = match opened {
        Ok(opened) => opened,
        Err(error) => {
            act.end(&chain(&error), Value::Null).await;
            return Err(Refusal::from(error).unsure());
        }
    };
    let case = opened.case();
    let begun = begin(deps, case).await;
    let word = match &opened {
        Opened::New(_) => "opened",
        Opened::Attached(_) => "joined",
        Opened::Known(_) => "known",
    };
    let after = json!({ "case": case.id, "deadline": case.deadline });
    let unrecorded = act.end(word, after).await == Written::BeginningOnly;
    Ok(json!({
        "case": case.id,
        "result": word,
        "deadline": case.deadline,
        "closed": case.closed,
        "begun": begun,
        "unrecorded": unrecorded,
    }))
}

fn leaver(
    agent: Option<AgentName>,
    person: Option<Reader>,
    also: Vec<Reader>,
) -> Result<Leaver, Refusal> {
    match (agent, person) {
        (Some(agent), None) if also.is_empty() => Ok(Leaver::Agent(agent)),
        (None, Some(name)) if also.len() <= Person::MAX_OTHERS => {
            Ok(Leaver::Person(Person { name, also }))
        }
        _ => Err(Refusal::bad(format!("it takes {TAKES}"))),
    }
}

/// The order of the person who sent the request. The request's id makes it one, however often it arrives.
fn order(deps: &Deps, request: &Request, leaver: Leaver, reason: OutsideText) -> OffboardOrder {
    OffboardOrder {
        leaver,
        asked: AskedFor {
            request: TriggerId::new(&format!("act {}", request.id)),
            by: request.caller.clone(),
            reason,
            at: deps.ports.clock.now(),
        },
    }
}

async fn foreseen(deps: &Deps, order: &OffboardOrder) -> Result<Vec<Foreseen>, Refusal> {
    let inventory = deps.ports.inventory.as_ref();
    Ok(foresee(inventory, deps.ports.clock.as_ref(), order).await?)
}

/// Has the case gone on with at once. Where that fails, the schedule does it within five minutes.
async fn begin(deps: &Deps, case: &Offboarding) -> bool {
    if case.closed.is_some() {
        return true;
    }
    let begun = deps.offboard.go_on(&case.id).await;
    if let Err(error) = &begun {
        tracing::warn!(case = %case.id, error = chain(error), "an offboarding is left to its schedule");
    }
    begun.is_ok()
}

fn would(leaver: &Leaver, foreseen: &[Foreseen]) -> Value {
    let slots = foreseen.iter().map(|found| {
        let keys = found.keys.iter().map(|version| {
            json!({
                "version": version.id,
                "key": OutsideText::new(&version.shown()),
                "state": version.state,
            })
        });
        json!({
            "slot": found.slot.name,
            "owner": found.slot.owner,
            "backup_owner": found.slot.backup_owner,
            "environment": found.slot.environment,
            "state": found.slot.state,
            "ties": found.task.ties,
            "keys": keys.collect::<Vec<_>>(),
        })
    });
    json!({
        "leaver": leaver,
        "result": "would_offboard",
        "slots": slots.collect::<Vec<_>>(),
        "reads_not_looked_up": !leaver.ends_slots(),
    })
}
