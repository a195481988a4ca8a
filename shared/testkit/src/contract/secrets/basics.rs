use super::*;

pub(super) async fn an_unknown_secret_is_not_found(subject: &dyn SecretSubject) {
    let store = subject.store();
    let arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:contract-unknown-aBcDeF";
    let arn: SecretArn = arn.parse().expect("a valid ARN");
    let (v, t) = (version(1), text(NEW));
    let errors = [
        store.describe(arn.as_str()).await.err(),
        store.value(&arn, VersionSelector::Current).await.err(),
        store.put_pending(&arn, &v, None, &t).await.err(),
        store.promote(&arn, &v, None).await.err(),
        store.unstage_pending(&arn, &v).await.err(),
        store.tag(&arn, TAG_SLOT, "x").await.err(),
        store.rotate_now(&arn, &v).await.err(),
    ];
    for (n, error) in errors.into_iter().enumerate() {
        assert!(
            matches!(&error, Some(SecretError::NotFound(id)) if id == arn.as_str()),
            "call {n}: {error:?}"
        );
    }
}

pub(super) async fn a_secret_is_described_by_arn_and_by_name(subject: &dyn SecretSubject) {
    let arn = with_old(subject, "contract-describe").await;
    for id in [arn.as_str(), "contract-describe"] {
        let found = subject.store().describe(id).await.expect("read");
        assert_eq!(found.arn, arn);
        assert!(found.has(&version(1), &Stage::Current), "{found:?}");
        assert_eq!(found.stages.len(), 1);
    }
}

pub(super) async fn rotation_is_seen_on_and_off(subject: &dyn SecretSubject) {
    let arn = with_old(subject, "contract-rotation").await;
    let is_on = async || {
        let now = subject.store().describe(arn.as_str()).await.expect("read");
        now.rotation_enabled
    };
    subject.turn_rotation_on(&arn).await;
    assert!(is_on().await);
    subject.turn_rotation_off(&arn).await;
    assert!(!is_on().await);
}

pub(super) async fn the_current_value_is_read_with_its_version(subject: &dyn SecretSubject) {
    let arn = with_old(subject, "contract-current").await;
    let expected = Some((version(1), OLD.to_owned()));
    let id = version(1);
    assert_eq!(
        read(subject, &arn, VersionSelector::Current).await,
        expected
    );
    assert_eq!(
        read(subject, &arn, VersionSelector::Id(&id)).await,
        expected
    );
}

pub(super) async fn a_secret_without_a_value_has_none(subject: &dyn SecretSubject) {
    let arn = subject.create("contract-empty", First::Nothing).await;
    assert_eq!(read(subject, &arn, VersionSelector::Current).await, None);
}

pub(super) async fn a_version_without_a_value_has_none(subject: &dyn SecretSubject) {
    let arn = with_old(subject, "contract-no-version").await;
    let id = version(7);
    assert_eq!(read(subject, &arn, VersionSelector::Id(&id)).await, None);
}

pub(super) async fn a_binary_secret_is_refused(subject: &dyn SecretSubject) {
    let arn = subject.create("contract-binary", First::Bytes).await;
    let refused = subject.store().value(&arn, VersionSelector::Current).await;
    assert!(matches!(refused, Err(SecretError::Binary)), "{refused:?}");
}

pub(super) async fn tags_are_set_replaced_and_removed(subject: &dyn SecretSubject) {
    let arn = with_old(subject, "contract-tags").await;
    let store = subject.store();
    let tag = async |key, value| store.tag(&arn, key, value).await.expect("tagged");
    tag(TAG_SLOT, "one").await;
    tag("keyward:handle:a", "x").await;
    tag(TAG_SLOT, "two").await;
    for _ in 0..2 {
        let removed = store.untag(&arn, "keyward:handle:a").await;
        removed.expect("removed, or not there");
    }
    let tags = store.describe(arn.as_str()).await.expect("read").tags;
    assert_eq!(tags.get(TAG_SLOT).map(String::as_str), Some("two"));
    for (slot, expected) in [("two", &[arn.clone()][..]), ("one", &[]), ("tw", &[])] {
        let slot = slot.parse().expect("a valid name");
        let found = store.tagged(&slot).await.expect("listed");
        assert_eq!(found, expected, "{slot}");
    }
    assert!(!tags.contains_key("keyward:handle:a"), "{tags:?}");
}

pub(super) async fn a_rotation_is_refused_while_another_is_unfinished(subject: &dyn SecretSubject) {
    let arn = with_old(subject, "contract-unfinished").await;
    subject.turn_rotation_on(&arn).await;
    put(subject, &arn, 2, NEW).await;
    let store = subject.store();
    let refused = store.rotate_now(&arn, &version(3)).await;
    assert!(
        matches!(refused, Err(SecretError::RotationUnfinished)),
        "{refused:?}"
    );
    let labels = [
        (Stage::Current, Some(1)),
        (Stage::Pending, Some(2)),
        (Stage::Previous, None),
    ];
    assert_labels(subject, &arn, labels).await;
    let cleared = store.unstage_pending(&arn, &version(2)).await;
    cleared.expect("taken off");
    let started = store.rotate_now(&arn, &version(3)).await;
    started.expect("nothing is unfinished any more");
}

pub(super) async fn a_rotation_starts_once_for_a_token(subject: &dyn SecretSubject) {
    let arn = with_old(subject, "contract-rotate-now").await;
    subject.turn_rotation_on(&arn).await;
    let store = subject.store();
    for _ in 0..2 {
        let started = store.rotate_now(&arn, &version(2)).await;
        started.expect("started, or already");
    }
    let now = store.describe(arn.as_str()).await.expect("read");
    assert!(now.stages.contains_key(&version(2)), "{now:?}");
    assert_eq!(
        read(subject, &arn, VersionSelector::Current).await,
        Some((version(1), OLD.to_owned()))
    );
}
