use super::*;
use proptest::prelude::*;

fn id() -> VersionId {
    "11111111-aaaa-4bbb-8ccc-000000000002.1".parse().unwrap()
}

#[test]
fn ids_and_labels_read_back() {
    assert_eq!(id().to_string().parse::<VersionId>().unwrap(), id());
    let slot = "support-bot".parse().unwrap();
    let label = KeyLabel::new(&slot, &id());
    assert_eq!(
        label.as_str(),
        "keyward-support-bot--11111111-aaaa-4bbb-8ccc-000000000002-1"
    );
    let id: VersionId = "y-11111111-aaaa-4bbb-8ccc-000000000002.1".parse().unwrap();
    let other = KeyLabel::new(&"support-bot-y".parse().unwrap(), &self::id());
    assert_ne!(KeyLabel::new(&slot, &id), other);
    for (text, is_one) in [
        (label.as_str(), true),
        ("keyward-support-bot", false),
        ("keyward-support-bot--1", false),
        (
            "keyward-support-bot--11111111-aaaa-4bbb-8ccc-000000000002-x",
            false,
        ),
        ("keyward-A B--11111111-aaaa-4bbb-8ccc-000000000002-1", false),
        ("made by hand", false),
    ] {
        assert_eq!(KeyLabel::is_one(text), is_one, "{text}");
    }
    for bad in [
        "",
        ".",
        "x.1",
        "11111111-aaaa-4bbb-8ccc-000000000002",
        "11111111-aaaa-4bbb-8ccc-000000000002.x",
    ] {
        assert!(bad.parse::<VersionId>().is_err(), "{bad}");
    }
}

proptest! {
    /// Whatever path a version takes: nothing returns from abandoned, revoking or revoked to life, and from contained
    /// only as what a person is bringing back.
    #[test]
    fn the_dead_stay_dead(path in proptest::collection::vec(0..VersionState::ALL.len(), 1..40)) {
        use VersionState::*;
        let mut version = Version::intended(&"s".parse().unwrap(), id(), Epoch(0), Timestamp::UNIX_EPOCH);
        let (mut ended, mut contained) = (false, false);
        for step in path {
            let next = VersionState::ALL[step];
            if version.state.may_become(next) {
                let before = version.state;
                version = version.become_state(next).unwrap();
                ended |= matches!(next, Abandoned | Revoking | Revoked);
                contained = next == Contained || contained && before != Restoring;
                prop_assert!(!(contained && matches!(next, Current | Retiring)));
                prop_assert!(!(ended && matches!(next, Intended | Pending | Promoting | Current | Retiring)));
            } else {
                prop_assert!(version.clone().become_state(next).is_err());
            }
        }
    }
}
