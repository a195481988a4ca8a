//! What guards slots beside the monitor itself is kept in step with them: their alarms.

use super::MonitorPorts;
use super::run::Run;
use crate::usecases::keep_alarms::{AlarmPorts, keep_alarms};

/// Looks at alarms where that is due, or where slots came or went.
pub(super) async fn alarms(run: &mut Run<'_>, is_new: bool) {
    let now = run.now();
    let every = run.settings.alarms_every;
    let last = run.state.alarms_at;
    let is_due = last.is_none_or(|at| now.duration_since(at) >= every);
    if !is_due && !is_new {
        return;
    }
    let slots = run.state.fleet.iter().map(|watched| watched.slot.clone());
    let slots: Vec<_> = slots.collect();
    let at = AlarmPorts {
        source: run.monitor.alarm_source.as_ref(),
        alarms: run.monitor.alarms.as_ref(),
    };
    let MonitorPorts {
        ports, deployment, ..
    } = run.monitor;
    match keep_alarms(ports, at, deployment, &slots, run.deadline).await {
        Ok(kept) if kept.left == 0 => run.state.alarms_at = Some(now),
        Ok(kept) => {
            run.state.alarms_at = None;
            run.leave(format!("{} changes of alarms", kept.left));
        }
        Err(error) => {
            // A new slot's alarm does not wait for the next hour.
            run.state.alarms_at = None;
            tracing::error!(%error, "alarms were not looked at");
            run.leave("the alarms".to_owned());
        }
    }
}
