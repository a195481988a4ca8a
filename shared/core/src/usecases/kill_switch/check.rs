//! Whether an alarm is ours and its history holds the change that a message tells of.

use std::pin::pin;

use futures::future::{Either, select};
use futures::try_join;
use jiff::SignedDuration;

use super::KillSwitch;
use crate::model::alarm::Transition;
use crate::ports::AlarmError;
use crate::rules::kill::{AROUND, AlarmCheck, History, holds, slot_in_tags};

/// So long containment waits for CloudWatch.
const CHECK_TIME: SignedDuration = SignedDuration::from_secs(2);

/// How far a history may be behind the message: one that is read so long after it and lacks the change lacks it.
const BEHIND: SignedDuration = SignedDuration::from_millis(1500);

/// How long is waited before it is read again.
const AGAIN: SignedDuration = SignedDuration::from_millis(250);

/// Asks for tags and history at once.
pub(super) async fn check(switch: &KillSwitch, transition: &Transition) -> AlarmCheck {
    let asked = pin!(ask(switch, transition));
    let late = switch.ports.clock.sleep(CHECK_TIME);
    let asked = match select(asked, late).await {
        Either::Left((asked, _)) => asked,
        Either::Right(((), _)) => {
            tracing::warn!(alarm = %transition.alarm(), "CloudWatch did not answer in time");
            return AlarmCheck::CouldNotAsk;
        }
    };
    asked.unwrap_or_else(|error| match error {
        AlarmError::NotThere => AlarmCheck::NotThere,
        AlarmError::CouldNotAsk(cause) => {
            tracing::warn!(alarm = %transition.alarm(), error = %cause, "CloudWatch could not be asked");
            AlarmCheck::CouldNotAsk
        }
    })
}

/// An alarm that is not there is known at once; a history that could not be read does not hide that.
async fn ask(switch: &KillSwitch, transition: &Transition) -> Result<AlarmCheck, AlarmError> {
    let history = async { Ok(history(switch, transition).await) };
    let (tags, history) = try_join!(switch.alarms.tags(transition.alarm()), history)?;
    let history = history?;
    let slot = slot_in_tags(&tags, &switch.deployment.stack);
    Ok(match slot {
        Some(slot) => AlarmCheck::Ours { slot, history },
        None => AlarmCheck::NotOurs { history },
    })
}

async fn history(switch: &KillSwitch, transition: &Transition) -> Result<History, AlarmError> {
    let (clock, changed) = (&switch.ports.clock, transition.changed());
    let asked = clock.now();
    loop {
        let begun = clock.now();
        let (from, to) = (changed - AROUND, changed + AROUND);
        let changes = switch.alarms.changes(transition.alarm(), from, to).await?;
        if holds(&changes, transition) {
            return Ok(History::HoldsTransition);
        }
        if begun.duration_since(asked) >= BEHIND {
            return Ok(History::LacksTransition);
        }
        clock.sleep(AGAIN).await;
    }
}
