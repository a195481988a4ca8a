//! Until when an invocation may work.

use jiff::{SignedDuration, Timestamp};
use keyward_core::ports::Deadline;
use lambda_runtime::Context;

/// What is kept back of an invocation's time for saving, alerting and answering.
pub const MARGIN: SignedDuration = SignedDuration::from_secs(2);

/// When work must have ended: Lambda's own deadline less `margin`.
///
/// Lambda gives it in milliseconds since 1970 in the header `Lambda-Runtime-Deadline-Ms`:
/// <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>. One that is not a time leaves no time at all.
pub fn deadline(context: &Context, margin: SignedDuration) -> Deadline {
    let at = i64::try_from(context.deadline)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .and_then(|end| end.checked_sub(margin).ok());
    Deadline(at.unwrap_or(Timestamp::UNIX_EPOCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_margin_is_taken_off_and_nonsense_leaves_no_time() {
        for (name, ms, expected) in [
            ("usual", 1_796_115_600_500, "2026-12-01T08:59:58.5Z"),
            ("absent", 0, "1969-12-31T23:59:58Z"),
            ("beyond the calendar", u64::MAX, "1970-01-01T00:00:00Z"),
        ] {
            let mut context = Context::default();
            context.deadline = ms;
            let expected: Timestamp = expected.parse().unwrap();
            assert_eq!(deadline(&context, MARGIN), Deadline(expected), "{name}");
        }
    }
}
