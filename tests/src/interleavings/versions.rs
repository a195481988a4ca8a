//! How a version may begin, and what it may become.

use std::collections::BTreeSet;

use keyward_core::model::slot::Epoch;
use keyward_core::model::version::{Version, VersionState};

use super::restores::RESTORERS;

/// Whether the version's key is called `label` at the provider.
pub(super) fn has_label(version: &Version, label: &str) -> bool {
    version.label.as_ref().is_some_and(|l| l.as_str() == label)
}

/// Each key belongs to one version.
pub(super) fn no_two_own_one_key(versions: &[Version]) {
    let mut prints = BTreeSet::new();
    let mut handles = BTreeSet::new();
    for version in versions {
        if let Some(print) = version.fingerprint {
            assert!(
                prints.insert(print),
                "two versions own one key, {}",
                version.id
            );
        }
        if let Some(handle) = &version.handle {
            assert!(
                handles.insert(handle.clone()),
                "two versions own {handle}, {}",
                version.id
            );
        }
    }
}

/// A version is begun in the epoch that the slot is in, as an intent or as a key that was found.
pub(super) fn begins_rightly(version: &Version, epoch: Epoch) {
    let found = version.id.attempt == 0;
    let state = if found {
        VersionState::Current
    } else {
        VersionState::Intended
    };
    assert_eq!(version.state, state, "{} began so", version.id);
    assert_eq!(
        version.epoch, epoch,
        "rule 5: {} was begun under an outdated epoch",
        version.id
    );
}

/// What a version may become, and what of it stays as it is.
pub(super) fn goes_on_rightly(before: &Version, version: &Version, epoch: Epoch) {
    let id = &version.id;
    assert_eq!(
        before.revision.next(),
        version.revision,
        "{id}: an update was lost"
    );
    let (from, to) = (before.state, version.state);
    let is_cut_off_for_good =
        from.may_become(VersionState::Contained) && to == VersionState::Revoking;
    assert!(
        from == to || from.may_become(to) || is_cut_off_for_good,
        "{id} went from {from:?} to {to:?}"
    );
    let is_restored = to == VersionState::Restoring;
    assert!(
        before.epoch == version.epoch || is_restored,
        "{id}: its epoch changed"
    );
    assert_eq!(before.label, version.label, "{id}: its label changed");
    assert_eq!(before.created, version.created, "{id}: its birth changed");
    assert!(
        before.handle.is_none() || before.handle == version.handle,
        "{id}: its handle changed"
    );
    assert!(
        before.fingerprint.is_none() || before.fingerprint == version.fingerprint,
        "{id}: its key changed"
    );
    let comes_back = from == VersionState::Restoring && to == VersionState::Retiring;
    let nearer = from != to
        && (is_restored
            || comes_back
            || matches!(
                to,
                VersionState::Pending | VersionState::Promoting | VersionState::Current
            ));
    let tested = before.tested != version.tested;
    assert!(
        !(nearer || tested) || version.epoch == epoch,
        "rule 5: {id} went on to {to:?} under an outdated epoch"
    );
    if to == VersionState::Promoting || to == VersionState::Current {
        assert!(
            version.tested.is_some_and(|t| t.epoch == version.epoch)
                || version.restored.is_some()
                || id.attempt == 0,
            "rule 1: {id} is {to:?} without a test in its epoch"
        );
    }
}

/// What was cut off comes back by a restore alone.
pub(super) fn only_a_person_restores(before: &Version, version: &Version, task: &str) {
    let (from, to) = (before.state, version.state);
    let comes_back = from != to
        && (to == VersionState::Restoring || from == VersionState::Restoring && to.is_promoted());
    assert!(
        !comes_back || RESTORERS.contains(&task),
        "rule 5: `{task}` brought {} back, from {from:?} to {to:?}",
        version.id
    );
}
