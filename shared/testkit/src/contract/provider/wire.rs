//! Answers that are lost, late, cut or somebody else's.

use jiff::SignedDuration;
use keyward_core::ports::{Disabled, Naming, ProviderError, Verdict};

use super::{Fixture, ProviderCall, Times, label, unreadable};
use crate::simulator::{Body, Fault, RetryAfter};

/// A create that goes on after its answer, lost or not, has ended by then.
const LATE: SignedDuration = SignedDuration::from_secs(30);

/// A create that worked, but whose answer did not arrive: the driver says so, asks once, and leaves one key that can
/// be found under its label.
pub async fn a_lost_create_is_ambiguous_and_found_by_its_label(fixture: &Fixture) {
    if fixture.provider.issuer().is_none() {
        return;
    }
    for (n, fault) in (1..).zip(unreadable()) {
        let fault = fault.after_effect();
        let shown = format!("{fault:?}");
        fixture.make_room().await;
        let before = fixture.before().await;
        let sent = fixture.world.sent(ProviderCall::Create);
        fixture
            .world
            .spoil(ProviderCall::Create, Times::Once, fault);
        let refused = fixture.issuer().issue(&fixture.request(n)).await;
        assert!(
            matches!(refused, Err(ProviderError::Ambiguous { .. })),
            "{shown}: {refused:?}"
        );
        assert_eq!(
            fixture.world.sent(ProviderCall::Create) - sent,
            1,
            "{shown}: sent once"
        );
        assert_eq!(fixture.made(&label(n), &before), 1, "{shown}");
        fixture.world.pass(LATE).await;
        assert_eq!(fixture.found(&label(n), &before).await.len(), 1, "{shown}");
    }
}

/// Whatever a lost create left is found and deleted before another key is made, as a rotation does: one key is left at
/// the provider, the one that is known.
pub async fn a_lost_create_ends_with_one_live_key(fixture: &Fixture) {
    if fixture.provider.issuer().is_none() {
        return;
    }
    let lost = [Fault::lost_after(), Fault::half_sent(), Fault::truncated()];
    for (n, fault) in (1..).step_by(2).zip(lost) {
        let shown = format!("{fault:?}");
        let before = fixture.before().await;
        fixture
            .world
            .spoil(ProviderCall::Create, Times::Once, fault);
        let refused = fixture.issuer().issue(&fixture.request(n)).await;
        assert!(
            matches!(refused, Err(ProviderError::Ambiguous { .. })),
            "{shown}: {refused:?}"
        );
        fixture.world.pass(LATE).await;
        let left = match fixture.provider.abilities().names {
            Naming::Label | Naming::Place => fixture.found(&label(n), &before).await,
            // There is one text less, not one key more.
            Naming::Nothing => Vec::new(),
        };
        for key in left {
            let deleted = fixture.provider.delete(&key.handle).await;
            assert_eq!(deleted, Ok(()), "{shown}");
        }
        let issued = fixture.issue(n + 1).await;
        assert!(fixture.world.is_accepted(&issued.key), "{shown}");
        if fixture.provider.abilities().names != Naming::Nothing {
            let listed = fixture.listed().await;
            let handles: Vec<_> = listed.iter().map(|key| &key.handle).collect();
            assert_eq!(handles, [&issued.handle], "{shown}");
            assert_eq!(fixture.provider.delete(&issued.handle).await, Ok(()));
        }
    }
}

/// Neither an error, nor a rate limit, nor silence of the network makes a driver create again; and no error but a
/// rate limit is taken for proof that nothing was made.
pub async fn a_create_is_sent_once_whatever_comes_back(fixture: &Fixture) {
    if fixture.provider.issuer().is_none() {
        return;
    }
    for (n, fault) in (1..).zip(unreadable()) {
        let shown = format!("{fault:?}");
        fixture.make_room().await;
        let before = fixture.world.sent(ProviderCall::Create);
        fixture
            .world
            .spoil(ProviderCall::Create, Times::Once, fault);
        let refused = fixture.issuer().issue(&fixture.request(n)).await;
        assert!(
            matches!(refused, Err(ProviderError::Ambiguous { .. })),
            "{shown}: {refused:?}"
        );
        assert_eq!(
            fixture.world.sent(ProviderCall::Create) - before,
            1,
            "{shown}"
        );
    }
}

/// A 429 made nothing; the provider's wish is passed on, whatever form it has.
pub async fn a_rate_limited_create_says_when_to_come_back(fixture: &Fixture) {
    if fixture.provider.issuer().is_none() {
        return;
    }
    for (n, retry_after, expected) in [
        (1, RetryAfter::Absent, None),
        (2, RetryAfter::Seconds(7), Some(7)),
        (3, RetryAfter::Date(90), Some(90)),
    ] {
        let before = fixture.world.sent(ProviderCall::Create);
        let fault = Fault::rate_limited(retry_after);
        fixture
            .world
            .spoil(ProviderCall::Create, Times::Once, fault);
        let refused = fixture.issuer().issue(&fixture.request(n)).await;
        let expected = expected.map(SignedDuration::from_secs);
        assert!(
            matches!(&refused, Err(ProviderError::RetryAfter { after, .. }) if *after == expected),
            "{retry_after:?}: {refused:?}"
        );
        assert_eq!(fixture.world.sent(ProviderCall::Create) - before, 1);
    }
}

/// A list that cannot be read is an error, and one that may pass is asked for again first.
pub async fn an_unreadable_list_is_never_an_empty_page(fixture: &Fixture) {
    fixture.issue(1).await;
    let there = fixture.listed().await.len();
    for fault in unreadable()
        .into_iter()
        .chain([Fault::rate_limited(RetryAfter::Absent)])
    {
        let shown = format!("{fault:?}");
        fixture.world.mend();
        fixture
            .world
            .spoil(ProviderCall::List, Times::Always, fault);
        let refused = fixture.list(&fixture.world.scope()).await;
        assert!(
            matches!(refused, Err(ProviderError::RetryAfter { .. })),
            "{shown}: {refused:?}"
        );
    }
    fixture.world.mend();
    assert!(there > 0);
    assert_eq!(fixture.listed().await.len(), there);
}

/// One passing fault on a list is not the caller's business.
pub async fn a_passing_fault_on_a_list_is_waited_out(fixture: &Fixture) {
    fixture.issue(1).await;
    let there = fixture.listed().await.len();
    for fault in [
        Fault::status(503, Body::Html),
        Fault::lost_after(),
        Fault::rate_limited(RetryAfter::Seconds(1)),
    ] {
        let shown = format!("{fault:?}");
        let before = fixture.world.sent(ProviderCall::List);
        fixture.world.spoil(ProviderCall::List, Times::Once, fault);
        assert_eq!(fixture.listed().await.len(), there, "{shown}");
        assert!(
            fixture.world.sent(ProviderCall::List) - before >= 2,
            "{shown}"
        );
    }
}

/// A key that cannot be looked up is not thereby gone: only the provider's own words say that.
pub async fn an_unreadable_key_is_never_absent(fixture: &Fixture) {
    let issued = fixture.issue(1).await;
    for fault in unreadable()
        .into_iter()
        .chain([Fault::status(404, Body::Html)])
    {
        let shown = format!("{fault:?}");
        fixture.world.mend();
        fixture.world.spoil(ProviderCall::Get, Times::Always, fault);
        let got = fixture.provider.get(&issued.handle).await;
        assert!(got.is_err(), "{shown}: {got:?}");
    }
    fixture.world.mend();
    let got = fixture.provider.get(&issued.handle).await;
    assert!(matches!(got, Ok(Some(_))), "{got:?}");
}

/// Suspending, resuming and limiting may be repeated until they are answered: nothing is lost by a lost answer.
pub async fn changes_survive_a_lost_answer(fixture: &Fixture) {
    let (provider, issued) = (&fixture.provider, fixture.issue(1).await);
    let lose = || {
        fixture
            .world
            .spoil(ProviderCall::Change, Times::Once, Fault::lost_after());
    };
    if fixture.suspends() {
        lose();
        let first = provider.disable(&issued.handle).await;
        assert!(
            matches!(first, Ok(_) | Err(ProviderError::RetryAfter { .. })),
            "{first:?}"
        );
        let second = provider.disable(&issued.handle).await;
        assert!(fixture.is_repeat(&second), "{second:?}");
        assert!(!fixture.world.is_accepted(&issued.key));
        lose();
        let first = provider
            .restore(&issued.handle, &fixture.world.scope())
            .await;
        assert!(
            matches!(first, Ok(()) | Err(ProviderError::RetryAfter { .. })),
            "{first:?}"
        );
        assert_eq!(
            provider
                .restore(&issued.handle, &fixture.world.scope())
                .await,
            Ok(())
        );
        assert!(fixture.world.is_accepted(&issued.key));
    }
    if let Some(caps) = provider.caps() {
        let cap = fixture.request(1).cap;
        lose();
        let first = caps.set_cap(&issued.handle, cap).await;
        assert!(
            matches!(first, Ok(()) | Err(ProviderError::RetryAfter { .. })),
            "{first:?}"
        );
        assert_eq!(caps.set_cap(&issued.handle, cap).await, Ok(()));
    }
}

/// A delete whose answer is lost ends in success, "not found" or "try again", and the key is gone.
pub async fn a_delete_survives_a_lost_answer(fixture: &Fixture) {
    let (provider, issued) = (&fixture.provider, fixture.issue(1).await);
    fixture
        .world
        .spoil(ProviderCall::Delete, Times::Once, Fault::lost_after());
    let first = provider.delete(&issued.handle).await;
    assert!(
        matches!(
            first,
            Ok(()) | Err(ProviderError::NotFound | ProviderError::RetryAfter { .. })
        ),
        "{first:?}"
    );
    let again = provider.delete(&issued.handle).await;
    assert!(
        matches!(again, Ok(()) | Err(ProviderError::NotFound)),
        "{again:?}"
    );
    assert!(!fixture.world.is_accepted(&issued.key));
    assert!(!fixture.is_listed(&issued.handle).await);
    let kept = fixture.issue(2).await;
    for fault in [
        Fault::status(503, Body::Json),
        Fault::status(200, Body::Html),
        Fault::status(404, Body::Html),
    ] {
        let shown = format!("{fault:?}");
        fixture.world.mend();
        fixture
            .world
            .spoil(ProviderCall::Delete, Times::Always, fault);
        let refused = provider.delete(&kept.handle).await;
        assert!(
            matches!(refused, Err(ProviderError::RetryAfter { .. })),
            "{shown}: {refused:?}"
        );
        assert!(fixture.world.is_accepted(&kept.key), "{shown}");
    }
}

/// A refused admin credential is its own error, in every call, and makes nothing.
pub async fn a_refused_credential_is_told_apart(fixture: &Fixture) {
    let (provider, issued) = (&fixture.provider, fixture.issue(1).await);
    let before = fixture.before().await;
    fixture.world.refuse_admin();
    let handle = &issued.handle;
    let request = fixture.request(2);
    let mut errors = vec![
        ("list", fixture.list(&fixture.world.scope()).await.err()),
        ("get", provider.get(handle).await.err()),
        ("delete", provider.delete(handle).await.err()),
    ];
    if let Some(issuer) = provider.issuer() {
        errors.push(("issue", issuer.issue(&request).await.err()));
    }
    if fixture.suspends() {
        errors.push(("disable", provider.disable(handle).await.err()));
        errors.push((
            "restore",
            provider.restore(handle, &fixture.world.scope()).await.err(),
        ));
    }
    if let Some(caps) = provider.caps() {
        errors.push(("set_cap", caps.set_cap(handle, request.cap).await.err()));
    }
    for (call, error) in errors {
        assert!(
            matches!(error, Some(ProviderError::AdminCredential { .. })),
            "{call}: {error:?}"
        );
    }
    assert_eq!(fixture.made(&label(2), &before), 0);
    assert_eq!(
        provider.verify(&issued.key).await,
        Verdict::Live,
        "verifying needs no admin credential"
    );
}

/// A provider that has learned to say more says the same for all that: answers, refusals and verdicts.
pub async fn unknown_fields_are_ignored(fixture: &Fixture) {
    let (provider, world) = (&fixture.provider, &fixture.world);
    let issued = fixture.issue(1).await;
    let had = (fixture.listed().await, provider.get(&issued.handle).await);
    world.add_unknown_fields();
    let after = (fixture.listed().await, provider.get(&issued.handle).await);
    assert_eq!(after, had);
    assert_eq!(provider.verify(&issued.key).await, Verdict::Live);
    let before = fixture.before().await;
    let second = fixture.issue(2).await;
    assert!(world.is_accepted(&second.key));
    assert_eq!(fixture.found(&label(2), &before).await.len(), 1);
    if let Some(caps) = provider.caps() {
        let cap = fixture.request(1).cap;
        assert_eq!(caps.set_cap(&second.handle, cap).await, Ok(()));
    }
    if fixture.suspends() {
        assert_eq!(provider.disable(&second.handle).await, Ok(Disabled::Now));
        let restored = provider.restore(&second.handle, &world.scope()).await;
        assert_eq!(restored, Ok(()));
    }
    assert_eq!(provider.delete(&second.handle).await, Ok(()));
    let again = provider.delete(&second.handle).await;
    assert!(
        matches!(again, Ok(()) | Err(ProviderError::NotFound)),
        "{again:?}"
    );
    assert_eq!(provider.get(&second.handle).await, Ok(None));
    let verdict = provider.verify(&second.key).await;
    assert!(matches!(verdict, Verdict::Dead(_)), "{verdict:?}");
    world.refuse_admin();
    let refused = fixture.list(&world.scope()).await;
    assert!(
        matches!(refused, Err(ProviderError::AdminCredential { .. })),
        "{refused:?}"
    );
}

/// Only the provider's own words make a key live or dead: a proxy's 401 or 200 does not.
pub async fn a_verdict_without_a_readable_answer_is_unknown(fixture: &Fixture) {
    let issued = fixture.issue(1).await;
    let others = [
        Fault::rate_limited(RetryAfter::Seconds(1)),
        Fault::status(401, Body::Html),
        Fault::status(401, Body::Empty),
        Fault::status(403, Body::Html),
        Fault::status(404, Body::Html),
    ];
    for fault in unreadable().into_iter().chain(others) {
        let shown = format!("{fault:?}");
        fixture.world.mend();
        fixture
            .world
            .spoil(ProviderCall::Verify, Times::Always, fault);
        let verdict = fixture.provider.verify(&issued.key).await;
        assert!(
            matches!(verdict, Verdict::Unknown(_)),
            "{shown}: {verdict:?}"
        );
    }
    fixture.world.mend();
    assert_eq!(fixture.provider.verify(&issued.key).await, Verdict::Live);
}
