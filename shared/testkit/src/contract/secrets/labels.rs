use super::*;

pub(super) async fn a_pending_value_leaves_the_current_one(subject: &dyn SecretSubject) {
    let arn = with_old(subject, "contract-pending").await;
    let token = RotationToken::new("EXAMPLE-rotation-token-of-the-contract-suite".to_owned());
    let id = version(2);
    let store = subject.store();
    let put = store.put_pending(&arn, &id, Some(&token), &text(NEW)).await;
    put.expect("stored");
    let labels = [
        (Stage::Current, Some(1)),
        (Stage::Pending, Some(2)),
        (Stage::Previous, None),
    ];
    assert_labels(subject, &arn, labels).await;
    assert_eq!(
        read(subject, &arn, VersionSelector::Current).await,
        Some((version(1), OLD.to_owned()))
    );
    assert_eq!(
        read(subject, &arn, VersionSelector::Id(&id)).await,
        Some((version(2), NEW.to_owned()))
    );
}

pub(super) async fn a_pending_value_takes_the_label_from_another(subject: &dyn SecretSubject) {
    let arn = with_old(subject, "contract-pending-twice").await;
    put(subject, &arn, 2, NEW).await;
    put(subject, &arn, 3, NEW).await;
    let labels = [
        (Stage::Current, Some(1)),
        (Stage::Pending, Some(3)),
        (Stage::Previous, None),
    ];
    assert_labels(subject, &arn, labels).await;
}

pub(super) async fn the_same_value_can_be_put_again(subject: &dyn SecretSubject) {
    let arn = with_old(subject, "contract-again").await;
    put(subject, &arn, 2, NEW).await;
    put(subject, &arn, 2, NEW).await;
    let labels = [
        (Stage::Current, Some(1)),
        (Stage::Pending, Some(2)),
        (Stage::Previous, None),
    ];
    assert_labels(subject, &arn, labels).await;
}

pub(super) async fn putting_again_what_was_promoted_moves_no_label(subject: &dyn SecretSubject) {
    let arn = with_old(subject, "contract-late-put").await;
    let store = subject.store();
    put(subject, &arn, 2, NEW).await;
    let promoted = store.promote(&arn, &version(2), Some(&version(1))).await;
    promoted.expect("moved");
    let cleared = store.unstage_pending(&arn, &version(2)).await;
    cleared.expect("taken off");
    put(subject, &arn, 2, NEW).await;
    let labels = [
        (Stage::Current, Some(2)),
        (Stage::Pending, None),
        (Stage::Previous, Some(1)),
    ];
    assert_labels(subject, &arn, labels).await;
}

pub(super) async fn a_version_keeps_its_value(subject: &dyn SecretSubject) {
    let arn = with_old(subject, "contract-taken").await;
    put(subject, &arn, 2, NEW).await;
    let store = subject.store();
    let other = text(r#"{"api_key":"sk-or-v1-EXAMPLE-other"}"#);
    for n in [1, 2] {
        let id = version(n);
        let refused = store.put_pending(&arn, &id, None, &other).await;
        let Err(SecretError::TokenTaken(taken)) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(taken, id);
    }
    let (one, two) = (version(1), version(2));
    let texts = [
        read(subject, &arn, VersionSelector::Id(&one)).await,
        read(subject, &arn, VersionSelector::Id(&two)).await,
    ];
    let expected = [(one.clone(), OLD), (two.clone(), NEW)];
    assert_eq!(
        texts,
        expected.map(|(id, text)| Some((id, text.to_owned())))
    );
}

pub(super) async fn promotion_moves_current_and_previous(subject: &dyn SecretSubject) {
    let arn = with_old(subject, "contract-promote").await;
    let store = subject.store();
    for n in [2, 3] {
        put(subject, &arn, n, NEW).await;
        let promoted = store
            .promote(&arn, &version(n), Some(&version(n - 1)))
            .await;
        promoted.expect("moved");
        let labels = [
            (Stage::Current, Some(n)),
            (Stage::Pending, Some(n)),
            (Stage::Previous, Some(n - 1)),
        ];
        assert_labels(subject, &arn, labels).await;
    }
    assert_eq!(
        read(subject, &arn, VersionSelector::Current).await,
        Some((version(3), NEW.to_owned()))
    );
}

pub(super) async fn promotion_can_be_repeated(subject: &dyn SecretSubject) {
    let arn = with_old(subject, "contract-promote-again").await;
    let store = subject.store();
    put(subject, &arn, 2, NEW).await;
    let (one, two) = (version(1), version(2));
    for from in [Some(&one), Some(&one), Some(&two), None] {
        let promoted = store.promote(&arn, &two, from).await;
        promoted.unwrap_or_else(|e| panic!("from {from:?}: {e}"));
    }
    let labels = [
        (Stage::Current, Some(2)),
        (Stage::Pending, Some(2)),
        (Stage::Previous, Some(1)),
    ];
    assert_labels(subject, &arn, labels).await;
}

pub(super) async fn promotion_from_elsewhere_is_refused(subject: &dyn SecretSubject) {
    let arn = with_old(subject, "contract-moved").await;
    put(subject, &arn, 2, NEW).await;
    put(subject, &arn, 3, NEW).await;
    let store = subject.store();
    for from in [2, 9] {
        let refused = store.promote(&arn, &version(3), Some(&version(from))).await;
        assert!(matches!(refused, Err(SecretError::Moved)), "{refused:?}");
    }
    let labels = [
        (Stage::Current, Some(1)),
        (Stage::Pending, Some(3)),
        (Stage::Previous, None),
    ];
    assert_labels(subject, &arn, labels).await;
}

pub(super) async fn promotion_from_nowhere_is_refused_where_there_is_a_current_one(
    subject: &dyn SecretSubject,
) {
    let arn = with_old(subject, "contract-moved-none").await;
    put(subject, &arn, 2, NEW).await;
    let refused = subject.store().promote(&arn, &version(2), None).await;
    assert!(matches!(refused, Err(SecretError::Moved)), "{refused:?}");
    assert_eq!(
        read(subject, &arn, VersionSelector::Current).await,
        Some((version(1), OLD.to_owned()))
    );
}

/// AWS documents that the first value a secret gets becomes current by itself, so both ways there must work.
pub(super) async fn a_first_value_becomes_current(subject: &dyn SecretSubject) {
    let arn = subject.create("contract-first", First::Nothing).await;
    put(subject, &arn, 1, NEW).await;
    let promoted = subject.store().promote(&arn, &version(1), None).await;
    promoted.expect("current");
    let labels = [
        (Stage::Current, Some(1)),
        (Stage::Pending, Some(1)),
        (Stage::Previous, None),
    ];
    assert_labels(subject, &arn, labels).await;
}

pub(super) async fn pending_is_taken_off_one_version(subject: &dyn SecretSubject) {
    let arn = with_old(subject, "contract-unstage").await;
    put(subject, &arn, 2, NEW).await;
    let store = subject.store();
    let cleared = store.unstage_pending(&arn, &version(2)).await;
    cleared.expect("taken off");
    let labels = [
        (Stage::Current, Some(1)),
        (Stage::Pending, None),
        (Stage::Previous, None),
    ];
    assert_labels(subject, &arn, labels).await;
}

pub(super) async fn pending_is_taken_off_where_it_is_not(subject: &dyn SecretSubject) {
    let arn = with_old(subject, "contract-unstage-absent").await;
    put(subject, &arn, 2, NEW).await;
    for n in [1, 9] {
        let cleared = subject.store().unstage_pending(&arn, &version(n)).await;
        cleared.unwrap_or_else(|e| panic!("version {n}: {e}"));
    }
    let labels = [
        (Stage::Current, Some(1)),
        (Stage::Pending, Some(2)),
        (Stage::Previous, None),
    ];
    assert_labels(subject, &arn, labels).await;
}
