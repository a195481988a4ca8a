//! Who may answer for what an audit finds, and for how long.

use jiff::{SignedDuration, Timestamp};

use crate::model::SCHEMA;
use crate::model::act::CallerArn;
use crate::model::audit::AcceptedRisk;
use crate::model::finding::FindingId;
use crate::model::names::Principal;
use crate::model::text::OutsideText;

/// For so long at most: a risk that may stay for ever is a rule that should not be there.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 366);

/// Why a risk cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAccepted {
    /// In the past, or too far ahead.
    #[error("a risk is accepted until a day within the next year")]
    OutOfTime,
    /// The caller's ARN ends with no name.
    #[error("nobody can answer for it: the caller's ARN ends with no name")]
    Nameless,
}

/// What is written down where `caller` answers for a finding.
///
/// # Errors
/// [`NotAccepted`].
pub fn risk(
    finding: FindingId,
    caller: &CallerArn,
    reason: OutsideText,
    until: Timestamp,
    now: Timestamp,
) -> Result<AcceptedRisk, NotAccepted> {
    if until <= now || until > now + LONGEST {
        return Err(NotAccepted::OutOfTime);
    }
    Ok(AcceptedRisk {
        schema: SCHEMA,
        finding,
        owner: name_of(caller).ok_or(NotAccepted::Nameless)?,
        reason,
        until,
    })
}

/// Who a caller is, by the last part of its ARN: a user's name, or that of a role's session. What can stand there and in no
/// name of ours, `=` and `,`, becomes a dash:
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>. The record of acts has the ARN whole.
fn name_of(caller: &CallerArn) -> Option<Principal> {
    let last = caller.as_str().rsplit(['/', ':']).next()?;
    last.replace(['=', ','], "-").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_795_600_000, 0);

    fn accepted(caller: &str, hours: i64) -> Result<AcceptedRisk, NotAccepted> {
        let finding = "0f".repeat(16).parse().unwrap();
        let until = NOW + SignedDuration::from_hours(hours);
        let reason = OutsideText::new("moves");
        risk(finding, &CallerArn::new(caller), reason, until, NOW)
    }

    #[test]
    fn somebody_answers_for_a_year_at_most() {
        let ana = "arn:aws:sts::111122223333:assumed-role/operators/ana";
        for (hours, may) in [
            (-1, false),
            (0, false),
            (1, true),
            (24 * 366, true),
            (24 * 366 + 1, false),
        ] {
            let is_accepted = accepted(ana, hours).is_ok();
            assert_eq!(is_accepted, may, "{hours}");
        }
    }

    #[test]
    fn who_answers_is_the_caller_by_the_last_part_of_its_arn() {
        for (arn, owner) in [
            (
                "arn:aws:sts::111122223333:assumed-role/operators/ana",
                Some("ana"),
            ),
            (
                "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_x_0123/ana@example.com",
                Some("ana@example.com"),
            ),
            ("arn:aws:iam::111122223333:user/team/a=b,c", Some("a-b-c")),
            ("arn:aws:iam::111122223333:root", Some("root")),
            ("arn:aws:iam::111122223333:user/", None),
            ("arn:aws:iam::111122223333:user/a b", None),
        ] {
            let found = accepted(arn, 1).map(|risk| risk.owner.to_string());
            match owner {
                Some(owner) => assert_eq!(found.as_deref(), Ok(owner)),
                None => assert_eq!(found, Err(NotAccepted::Nameless), "{arn}"),
            }
        }
    }
}
