use jiff::{SignedDuration, Timestamp};

use super::super::{Containment, CutMade, KEPT_FOR_RESTORE, contained_as, is_to_be_cut};
use crate::model::incident::HowCut;
use crate::model::slot::Epoch;
use crate::model::version::{Version, VersionState};

fn now() -> Timestamp {
    "2026-12-01T09:00:00Z".parse().unwrap()
}

fn version(state: VersionState) -> Version {
    let id = "11111111-aaaa-4bbb-8ccc-000000000001.1".parse().unwrap();
    let slot = "chat-eu".parse().unwrap();
    Version {
        state,
        ..Version::intended(&slot, id, Epoch(0), now())
    }
}

/// What a version in each state ends as, for each way of cutting it off.
#[test]
fn a_version_ends_as_what_was_done_to_it() {
    use Containment::{Final, Reversible};
    use HowCut::{Deleted, NothingFound, Suspended};
    use VersionState::{
        Abandoned, Contained, Current, Intended, Pending, Promoting, Retiring, Revoked, Revoking,
    };
    let kept = Some(now() + KEPT_FOR_RESTORE);
    let lease = now() + SignedDuration::from_mins(5);
    for (state, containment, how, expected) in [
        (
            Current,
            Reversible,
            Suspended,
            Some((Contained, kept, false)),
        ),
        (
            Retiring,
            Reversible,
            Suspended,
            Some((Contained, kept, false)),
        ),
        (
            Promoting,
            Reversible,
            Suspended,
            Some((Contained, kept, false)),
        ),
        (
            Pending,
            Reversible,
            Suspended,
            Some((Contained, Some(lease), false)),
        ),
        (
            Intended,
            Reversible,
            NothingFound,
            Some((Contained, Some(lease), false)),
        ),
        (
            Current,
            Reversible,
            Deleted,
            Some((Revoking, Some(lease), false)),
        ),
        (
            Current,
            Final,
            Suspended,
            Some((Revoking, Some(lease), false)),
        ),
        (
            Contained,
            Final,
            Suspended,
            Some((Revoking, Some(lease), false)),
        ),
        (Contained, Reversible, Suspended, None),
        (
            Abandoned,
            Reversible,
            Suspended,
            Some((Revoking, Some(lease), false)),
        ),
        (
            Revoking,
            Reversible,
            Suspended,
            Some((Revoking, Some(lease), false)),
        ),
        (Revoked, Final, Deleted, None),
    ] {
        let context = format!("{state:?} {containment:?} {how:?}");
        let mut before = version(state);
        before.lease_until = Some(lease);
        assert_eq!(
            is_to_be_cut(&before, containment),
            expected.is_some(),
            "{context}"
        );
        let made = CutMade {
            how,
            handle: Some("key-1".parse().unwrap()),
        };
        let after = contained_as(before, &made, containment, now()).unwrap();
        let seen = after.map(|v| (v.state, v.due_at, v.revoke_accepted.is_some()));
        assert_eq!(seen, expected, "{context}");
    }
}

/// A revoke counts as accepted once nobody can bring the key back to life any more.
#[test]
fn what_nobody_works_on_is_revoked_at_once() {
    let made = CutMade {
        how: HowCut::Deleted,
        handle: None,
    };
    let before = version(VersionState::Current);
    let after = contained_as(before, &made, Containment::Reversible, now()).unwrap();
    let after = after.unwrap();
    assert_eq!(after.state, VersionState::Revoking);
    assert_eq!(
        (after.due_at, after.revoke_accepted),
        (Some(now()), Some(now()))
    );
    assert!(!is_to_be_cut(&after, Containment::Final));
}
