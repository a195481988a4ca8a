//! Which audit an event asks for. Any JSON is one: a schedule's event, a constant, what a person sends by hand, or nothing.

use jiff::Timestamp;
use keyward_core::model::audit::Period;
use keyward_core::model::text::OutsideText;
use keyward_core::usecases::audit::{RunOrder, Wanted};
use serde_json::Value;

/// What the schedule of the template sends: `{"audit": "monthly"}`.
const MONTHLY: &str = "monthly";

/// Why an event asks for no audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoOrder {
    /// It names a period that is none.
    #[error("the event's \"period\" names no month: it must be as \"2026-11\"")]
    NoMonth,
    /// The month that it names has not begun.
    #[error("the period {0} has not begun: there is nothing to audit yet")]
    NotYet(Period),
}

/// The audit that `event` asks for at `now`: of the month that it names as `period`, else of the month before its `time`, else of
/// the month before now, since a month is audited when it is over. A `time` that cannot be read counts for nothing.
///
/// # Errors
/// [`NoOrder`].
pub fn order(event: &Value, now: Timestamp) -> Result<RunOrder, NoOrder> {
    let wanted = match event["audit"].as_str() {
        Some(MONTHLY) => Wanted::UnlessDone,
        _ => Wanted::Anyway,
    };
    let period = match &event["period"] {
        Value::Null => Period::of(time(event).unwrap_or(now)).before(),
        Value::String(text) => text.parse().map_err(|_| NoOrder::NoMonth)?,
        _ => return Err(NoOrder::NoMonth),
    };
    match period.begins() > now {
        true => Err(NoOrder::NotYet(period)),
        false => Ok(RunOrder { period, wanted }),
    }
}

/// The event's own time, which stays the same when the event comes again. The month before it has begun as long as it is no
/// time to come.
fn time(event: &Value) -> Option<Timestamp> {
    let time = match &event["time"] {
        Value::Null => return None,
        time => time,
    };
    let read = time.as_str().and_then(|text| text.parse().ok());
    if read.is_none() {
        let shown = OutsideText::new(&time.to_string());
        tracing::warn!(time = %shown, "the event's time is none and is ignored: the clock's counts");
    }
    read
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_period_is_the_events_own_then_of_its_time_then_of_the_clock() {
        let now: Timestamp = "2026-12-20T09:00:00Z".parse().unwrap();
        let anyway = Wanted::Anyway;
        for (event, period, wanted) in [
            (json!({}), "2026-11", anyway),
            (json!(null), "2026-11", anyway),
            (json!([]), "2026-11", anyway),
            (json!("audit"), "2026-11", anyway),
            (json!(7), "2026-11", anyway),
            (json!({"audit": "monthly"}), "2026-11", Wanted::UnlessDone),
            (json!({"audit": true}), "2026-11", anyway),
            (json!({"period": "2026-12"}), "2026-12", anyway),
            (json!({"period": null}), "2026-11", anyway),
            (json!({"time": "2026-10-01T06:00:00Z"}), "2026-09", anyway),
            (
                json!({"time": "2026-10-01T01:00:00+02:00"}),
                "2026-08",
                anyway,
            ),
            (
                json!({"time": "2026-10-01T06:00:00Z", "period": "2026-10"}),
                "2026-10",
                anyway,
            ),
            (json!({"time": "yesterday"}), "2026-11", anyway),
            (json!({"time": 1_790_000_000}), "2026-11", anyway),
        ] {
            let order = order(&event, now).unwrap();
            let found = (order.period.to_string(), order.wanted);
            assert_eq!(found, (period.to_owned(), wanted), "{event}");
        }
    }

    #[test]
    fn a_period_that_is_no_month_or_has_not_begun_is_an_error() {
        let now: Timestamp = "2026-12-20T09:00:00Z".parse().unwrap();
        for period in [
            json!("November"),
            json!("2026-13"),
            json!(202_611),
            json!(""),
        ] {
            let refused = order(&json!({ "period": period }), now);
            assert_eq!(refused, Err(NoOrder::NoMonth), "{period}");
        }
        for event in [
            json!({"period": "2027-01"}),
            json!({"time": "2027-02-01T06:00:00Z"}),
        ] {
            let january = "2027-01".parse().unwrap();
            assert_eq!(order(&event, now), Err(NoOrder::NotYet(january)), "{event}");
        }
    }
}
