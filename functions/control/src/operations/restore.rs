//! `/restore`: a person brings back what a kill took away.

use keyward_core::model::act::Subject;
use keyward_core::model::incident::OwnerId;
use keyward_core::model::names::SlotName;
use keyward_core::model::slot::{Asked, ProviderName};
use keyward_core::model::version::{Version, VersionState};
use keyward_core::ports::{ActOrderError, Advice, Deadline, ProviderError};
use keyward_core::usecases::kill::Invocation;
use keyward_core::usecases::restore::{
    AlarmCounts, CONSENT, Foreseen, NewKey, Refused, RestoreError, RestoreOrder, RestoreOutcome,
    Restored, Wanted, foresee, restore,
};
use keyward_lambda::diagnostic::chain;
use serde::Deserialize;
use serde_json::{Value, json};

use super::cap_parts;
use super::kill::unknown;
use crate::Deps;
use crate::record::{Recorded, Written};
use crate::request::{Request, reason};
use crate::response::Refusal;

/// What is certain of a key where it is not known whether it came back.
const CUT_OFF_LATER: &str = "A key that may have come back is cut off again, at the latest by retire when this call's time is over.";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(default)]
    reason: String,
    slot: SlotName,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    force: bool,
    #[serde(default)]
    dry_run: bool,
}

pub(super) async fn restore_slot(
    deps: &Deps,
    request: &Request,
    deadline: Deadline,
) -> Result<Value, Refusal> {
    let body: Body = request.body("{reason, slot, key?, force?, dry_run?}")?;
    let is_dry = body.dry_run;
    let why = match is_dry {
        true => None,
        false => Some(reason(&body.reason)?),
    };
    let order = order(deps, request, body)?;
    let invocation = Invocation {
        owner: OwnerId::new(&format!("control, request {}", request.id)),
        deadline,
    };
    let alarms = deps.alarms.as_ref();
    let foreseen = foresee(&deps.ports, alarms, &order, &invocation).await;
    let foreseen = foreseen.map_err(|error| refusal(&order, error))?;
    let Some(why) = why else {
        return Ok(would(&order, &foreseen));
    };
    let before = json!({
        "state": foreseen.slot.state,
        "epoch": foreseen.slot.epoch,
        "key": foreseen.key.as_ref().map(key),
        "becomes": foreseen.becomes,
        "alarm": match order.alarm {
            AlarmCounts::Yes => "counts",
            AlarmCounts::Forced => "forced",
        },
    });
    let subject = Subject::Slot(order.slot.clone());
    let act = Recorded::begin(deps, request, 0, &why, subject, before).await?;
    match restore(&deps.ports, &*deps.orders, alarms, &order, &invocation).await {
        Ok(outcome) => {
            let answer = answer(&order, &outcome);
            let result = answer["result"].as_str().unwrap_or_default().to_owned();
            let written = act.end(&result, answer.clone()).await;
            let mut answer = answer;
            answer["unrecorded"] = json!(written == Written::BeginningOnly);
            Ok(answer)
        }
        Err(error) => {
            act.end(&chain(&error), Value::Null).await;
            Err(refusal(&order, error))
        }
    }
}

fn order(deps: &Deps, request: &Request, body: Body) -> Result<RestoreOrder, Refusal> {
    let key = match body.key.as_deref() {
        None => None,
        Some("newest") => Some(Wanted::Newest),
        Some(id) => match id.parse() {
            Ok(id) => Some(Wanted::Version(id)),
            Err(_) => return Err(Refusal::bad("`key` must be `newest` or a version's id")),
        },
    };
    Ok(RestoreOrder {
        slot: body.slot,
        key,
        alarm: match body.force {
            true => AlarmCounts::Forced,
            false => AlarmCounts::Yes,
        },
        by: request.caller.clone(),
        second: deps.restore_second,
    })
}

fn key(version: &Version) -> Value {
    json!({
        "version": version.id,
        "key": version.shown(),
        "state": version.state,
        "until": version.retire_after.filter(|_| version.state == VersionState::Retiring),
    })
}

fn would(order: &RestoreOrder, foreseen: &Foreseen) -> Value {
    json!({
        "slot": order.slot,
        "result": "would_restore",
        "was": foreseen.slot.state,
        "key": foreseen.key.as_ref().map(key),
        "becomes": foreseen.becomes,
    })
}

fn answer(order: &RestoreOrder, outcome: &RestoreOutcome) -> Value {
    match outcome {
        RestoreOutcome::Asked(asked) => asked_for(order, asked),
        RestoreOutcome::Restored(restored) => done(order, restored),
    }
}

fn asked_for(order: &RestoreOrder, asked: &Asked) -> Value {
    json!({
        "slot": order.slot,
        "result": "asked",
        "by": asked.by,
        "until": asked.at + CONSENT,
    })
}

fn done(order: &RestoreOrder, restored: &Restored) -> Value {
    let slot = &restored.slot;
    let (cap, cap_failed) = cap_parts(&restored.cap);
    let (new_key, why) = match &restored.new_key {
        NewKey::NotNeeded => ("not_needed", None),
        NewKey::AskedFor => ("asked_for", None),
        NewKey::Later(why) => ("later", Some(why.clone())),
        NewKey::Refused(refusal) => ("refused", Some(refusal.to_string())),
    };
    let caveat = restored.key.as_ref().and(caveat(slot.provider));
    json!({
        "slot": order.slot,
        "result": "restored",
        "was": restored.was,
        "state": slot.state,
        "key": restored.key.as_ref().map(key),
        "caveat": caveat,
        "cap": cap,
        "cap_failed": cap_failed,
        "new_key": new_key,
        "why": why,
    })
}

/// What a person should know of keys that come back at a provider.
const fn caveat(provider: ProviderName) -> Option<&'static str> {
    match provider {
        ProviderName::Bedrock => Some(
            "a key whose end has passed does not come back: IAM takes the call, and changes nothing",
        ),
        ProviderName::OpenRouter
        | ProviderName::OpenAi
        | ProviderName::Gemini
        | ProviderName::Anthropic
        | ProviderName::LiteLlm
        | ProviderName::Azure => None,
    }
}

fn refusal(order: &RestoreOrder, error: RestoreError) -> Refusal {
    let slot = &order.slot;
    let cut_off_again = "The key is cut off again; nothing else was changed.";
    match error {
        RestoreError::Unknown(slot) => unknown(&slot),
        RestoreError::Refused(refused) => {
            let next = next(&refused, &order.slot);
            Refusal::new(409, refused.to_string(), next)
        }
        RestoreError::KilledMeanwhile => Refusal::new(
            409,
            error.to_string(),
            format!("Look at the new incident: keyward status {slot}. Then decide anew."),
        )
        .safe(cut_off_again),
        RestoreError::NotAccepted(_) | RestoreError::Wider(_) => Refusal::new(
            409,
            error.to_string(),
            format!(
                "Let a new key be made instead: keyward restore {slot} --reason TEXT, then keyward rotate {slot} --wait"
            ),
        )
        .safe(cut_off_again),
        RestoreError::Provider(ref cause) => {
            let refusal = provider(order, &error, cause);
            refusal.safe(CUT_OFF_LATER)
        }
        RestoreError::NotResumed(_) => Refusal::of(&error, true).safe(cut_off_again),
        RestoreError::KillSwitch(ref cause) => {
            let retryable = matches!(cause, ActOrderError::Unknown(_));
            Refusal::of(&error, retryable).safe(CUT_OFF_LATER)
        }
        RestoreError::Secret(ref cause) => {
            let retryable = cause.is_retryable();
            Refusal::of(&error, retryable).unsure()
        }
        RestoreError::Inventory(cause) => Refusal::from(cause).unsure(),
        RestoreError::Transition(_) => Refusal::of(&error, false),
    }
}

fn provider(order: &RestoreOrder, error: &RestoreError, cause: &ProviderError) -> Refusal {
    if *cause == ProviderError::NotFound {
        return Refusal::new(
            409,
            format!(
                "the key of slot `{}` is not at its provider any more: it cannot be brought back by anybody",
                order.slot
            ),
            format!(
                "Let a new key be made instead: keyward restore {} --reason TEXT",
                order.slot
            ),
        );
    }
    Refusal::of(error, cause.advice() == Advice::RetryLater)
}

/// What to do about a refusal.
fn next(refused: &Refused, slot: &SlotName) -> String {
    let fixed = match refused {
        Refused::NothingToRestore(_) | Refused::Deleted(_) | Refused::TextGone(_) => {
            return format!("Let a new key be made instead: keyward restore {slot} --reason TEXT");
        }
        Refused::NoSuchVersion { .. } | Refused::NotContained { .. } => {
            return format!("Look at its keys: keyward status {slot}; or say --key newest");
        }
        Refused::Leaked | Refused::CannotResume(_) => {
            return format!(
                "Agents go on with the replacement. Lift its limit: keyward restore {slot} --reason TEXT"
            );
        }
        Refused::NotContainedYet(_) => {
            return format!("Wait until it is cut off: keyward status {slot}");
        }
        Refused::CutOffAgain(_) => {
            return format!("Look at that incident first: keyward status {slot}");
        }
        Refused::PoolEmpty { account, .. } => {
            return format!(
                "Make keys at the provider and put them in: keyward pool add {account} --reason TEXT < keys.txt. Then send this again: keyward restore {slot} --reason TEXT"
            );
        }
        Refused::Decommissioned(_) => "Register a new slot for a new agent.",
        Refused::Busy(_) => "Send it again after that.",
        Refused::StillInAlarm(_) => {
            "Find out what uses the key, and wait until the alarm is OK; or say --force if you know better."
        }
        Refused::AlarmUnknown(_) => "Look at the alarm in CloudWatch; if it is OK, say --force.",
        Refused::NotFetched => "Say --key newest.",
        Refused::SamePerson(_) => "Let a second person run the same command.",
    };
    fixed.to_owned()
}
