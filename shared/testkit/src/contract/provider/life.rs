//! A key's life, with nothing going wrong.

use std::collections::BTreeSet;

use keyward_core::model::key::ApiKey;
use keyward_core::model::money::{CapPeriod, MicroDollars, SpendCap};
use keyward_core::model::slot::Scope;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{
    Disabled, Extent, IssueRequest, IssuedKey, Limits, LookUp, Naming, ProviderError, Reach,
    Suspension, Verdict,
};
use keyward_core::rules::scope::wider;

use super::{Fixture, label};

/// A new key works, and both list and look-up show it as it was asked for.
pub async fn a_new_key_is_live_and_listed_as_asked(fixture: &Fixture) {
    let before = fixture.before().await;
    let asked = fixture.request(1);
    let issued = fixture.issue(1).await;
    let abilities = fixture.provider.abilities();
    assert!(fixture.world.is_accepted(&issued.key));
    assert_eq!(fixture.provider.verify(&issued.key).await, Verdict::Live);
    let bits = issued.key.entropy_bits(&abilities.format);
    assert!(bits.is_some_and(|bits| bits >= 128.0), "entropy {bits:?}");
    let expires = abilities.expiry.then_some(asked.expires);
    assert_eq!(issued.expires, expires);

    let found = fixture.found(&asked.label, &before).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].handle, issued.handle);
    assert_eq!(found[0].expires, expires);
    assert_ne!(found[0].suspended, Some(true));
    if fixture.provider.caps().is_some() {
        assert_eq!(found[0].cap, Some(asked.cap));
    }
    let looked_up = fixture.provider.look_up(&asked.scope, &issued.key).await;
    match looked_up.expect("a look-up is answered") {
        LookUp::Is(is) => assert_eq!(is.as_deref(), Some(&found[0])),
        LookUp::ByTheList => {
            assert!(fixture.provider.fits(&found[0], &issued.key));
            if fixture.names() == Naming::Label {
                assert!(found[0].may_be(&issued.key.hint(&abilities.format)));
            }
        }
    }
    let named = fixture.provider.issuer();
    let named = named.and_then(|issuer| issuer.handle_of(&asked.scope, &asked.label));
    assert!(named.is_none_or(|named| named == issued.handle));
    assert!(
        found[0]
            .created
            .is_none_or(|created| created <= fixture.world.now())
    );
    let got = fixture.provider.get(&issued.handle).await;
    assert_eq!(got, Ok(Some(found[0].clone())));
}

/// Suspending is reversible where the provider says that it can suspend.
pub async fn a_suspended_key_is_refused_until_resumed(fixture: &Fixture) {
    let (provider, issued) = (&fixture.provider, fixture.issue(1).await);
    if !fixture.suspends() {
        let refused = provider.disable(&issued.handle).await;
        assert!(
            matches!(refused, Err(ProviderError::Unsupported(_))),
            "{refused:?}"
        );
        return;
    }
    assert_eq!(provider.disable(&issued.handle).await, Ok(Disabled::Now));
    assert!(!fixture.world.is_accepted(&issued.key));
    let verdict = provider.verify(&issued.key).await;
    let expected = match provider.abilities().suspension {
        Suspension::Narrows => matches!(verdict, Verdict::BlockedForScope(_)),
        Suspension::Refuses | Suspension::None => matches!(verdict, Verdict::Dead(_)),
    };
    assert!(expected, "{verdict:?}");
    let got = provider.get(&issued.handle).await;
    assert!(
        matches!(&got, Ok(Some(key)) if key.suspended != Some(false)),
        "still there: {got:?}"
    );
    assert_eq!(
        provider
            .restore(&issued.handle, &fixture.world.scope())
            .await,
        Ok(())
    );
    assert!(fixture.world.is_accepted(&issued.key));
    assert_eq!(provider.verify(&issued.key).await, Verdict::Live);
    let got = provider.get(&issued.handle).await;
    assert!(
        matches!(&got, Ok(Some(key)) if key.suspended != Some(true)),
        "{got:?}"
    );
}

/// A second suspension is told apart from the first where the provider tells, and never fails.
pub async fn suspending_twice_is_no_error(fixture: &Fixture) {
    let (provider, issued) = (&fixture.provider, fixture.issue(1).await);
    if fixture.suspends() {
        assert_eq!(provider.disable(&issued.handle).await, Ok(Disabled::Now));
        let second = provider.disable(&issued.handle).await;
        assert!(fixture.is_repeat(&second), "{second:?}");
        assert!(!fixture.world.is_accepted(&issued.key));
    }
}

/// After a delete the key is refused, absent, and cannot be deleted, suspended or resumed again.
pub async fn a_deleted_key_is_dead_and_gone(fixture: &Fixture) {
    let (provider, issued) = (&fixture.provider, fixture.issue(1).await);
    let kept = fixture.issue(2).await;
    assert_eq!(provider.delete(&issued.handle).await, Ok(()));
    assert!(!fixture.world.is_accepted(&issued.key));
    let verdict = provider.verify(&issued.key).await;
    assert!(matches!(verdict, Verdict::Dead(_)), "{verdict:?}");
    let again = provider.delete(&issued.handle).await;
    assert!(
        matches!(again, Ok(()) | Err(ProviderError::NotFound)),
        "{again:?}"
    );
    assert!(!fixture.is_listed(&issued.handle).await);
    assert_eq!(provider.get(&issued.handle).await, Ok(None));
    if fixture.suspends() {
        assert_eq!(
            provider.disable(&issued.handle).await,
            Err(ProviderError::NotFound)
        );
        assert_eq!(
            provider
                .restore(&issued.handle, &fixture.world.scope())
                .await,
            Err(ProviderError::NotFound)
        );
    }
    assert!(
        fixture.world.is_accepted(&kept.key),
        "another key is left alone"
    );
}

/// A key that is gone can be deleted again, suspended or not, and once more: whatever has come since is left alone.
pub async fn deleting_twice_is_no_error(fixture: &Fixture) {
    let provider = &fixture.provider;
    let mut gone = Vec::new();
    for n in 1..=2 {
        let before = fixture.before().await;
        let issued = fixture.issue(n).await;
        if fixture.suspends() && n == 2 {
            assert_eq!(provider.disable(&issued.handle).await, Ok(Disabled::Now));
        }
        assert_eq!(provider.delete(&issued.handle).await, Ok(()));
        for _ in 0..2 {
            let again = provider.delete(&issued.handle).await;
            assert!(
                matches!(again, Ok(()) | Err(ProviderError::NotFound)),
                "{again:?}"
            );
        }
        assert!(!fixture.world.is_accepted(&issued.key));
        let mut left = fixture.found(&label(n), &before).await;
        // Of a pair the text has changed once more.
        left.retain(|key| !fixture.is_pair() || key.handle == issued.handle);
        assert_eq!(left, []);
        gone.push(issued.handle);
    }
    let next = fixture.issue(3).await;
    for handle in &gone {
        let again = provider.delete(handle).await;
        assert!(
            matches!(again, Ok(()) | Err(ProviderError::NotFound)),
            "{again:?}"
        );
    }
    assert!(fixture.world.is_accepted(&next.key), "another key");
}

/// A key without limits of its own works and never reads back as one that reaches nothing; one with limits reads back
/// with exactly these, after being suspended and resumed too, and is told apart from one without.
pub async fn an_empty_scope_list_never_widens(fixture: &Fixture) {
    let limits = fixture.provider.abilities().limits;
    let free = fixture.issue(1).await;
    assert!(fixture.world.is_accepted(&free.key));
    assert_eq!(fixture.provider.verify(&free.key).await, Verdict::Live);
    let free = reach(fixture, &free).await;
    for extent in [&free.models, &free.endpoints, &free.addresses] {
        let reaches_nothing = matches!(extent, Extent::Only(list) if list.is_empty());
        assert!(!reaches_nothing, "{free:?}");
    }
    if limits == Limits::default() {
        return;
    }
    let request = IssueRequest {
        scope: fixture.world.limited_scope(limits),
        ..fixture.request(2)
    };
    assert!(wider(&request.scope, &free).is_some(), "{free:?}");
    let limited = fixture.issue_as(&request).await;
    reaches_what_was_asked(fixture, &limited, &request.scope).await;
    if fixture.suspends() {
        let disabled = fixture.provider.disable(&limited.handle).await;
        assert_eq!(disabled, Ok(Disabled::Now));
        let restored = fixture.provider.restore(&limited.handle, &request.scope);
        assert_eq!(restored.await, Ok(()));
        reaches_what_was_asked(fixture, &limited, &request.scope).await;
    }
}

async fn reach(fixture: &Fixture, key: &IssuedKey) -> Reach {
    let got = fixture.provider.get(&key.handle).await;
    got.expect("an answer").expect("the key").reach
}

/// The key reaches what the scope's lists name, and nothing else.
async fn reaches_what_was_asked(fixture: &Fixture, key: &IssuedKey, scope: &Scope) {
    fn is_it<T: AsRef<str>>(asked: &[T], kept: &Extent) -> bool {
        let only = asked.iter().map(|one| OutsideText::new(one.as_ref()));
        asked.is_empty() || *kept == Extent::Only(only.collect())
    }
    let reach = reach(fixture, key).await;
    assert!(
        is_it(&scope.models, &reach.models)
            && is_it(&scope.endpoints, &reach.endpoints)
            && is_it(&scope.addresses, &reach.addresses),
        "{scope:?}: {reach:?}"
    );
}

/// Each period of a limit comes back as it was set, and setting it twice is setting it.
pub async fn a_cap_reads_back(fixture: &Fixture) {
    if fixture.provider.caps().is_none() {
        return;
    }
    let issued = fixture.issue(1).await;
    for (micro, period) in [
        (7_770_000, CapPeriod::Daily),
        (1_000_000, CapPeriod::Monthly),
        (250_500_000, CapPeriod::Lifetime),
    ] {
        let cap = SpendCap {
            amount: MicroDollars(micro),
            period,
        };
        for _ in 0..2 {
            assert_eq!(fixture.caps().set_cap(&issued.handle, cap).await, Ok(()));
            let got = fixture.provider.get(&issued.handle).await;
            assert!(
                matches!(&got, Ok(Some(key)) if key.cap == Some(cap)),
                "{cap:?}: {got:?}"
            );
        }
    }
    assert!(
        fixture.world.is_accepted(&issued.key),
        "nothing else changed"
    );
}

/// Five keys on pages of two, or as many as there can be: all are read, once, the last page and the suspended ones
/// included.
pub async fn every_page_is_read_disabled_keys_too(fixture: &Fixture) {
    let (keys, on_a_page) = fixture.keys_at_a_time().map_or((5, 2), |most| (most, 1));
    fixture.world.set_page_size(on_a_page);
    let mut handles = BTreeSet::new();
    for n in 1..=keys as u32 {
        let issued = fixture.issue(n).await;
        if fixture.suspends() && n as usize != keys / 2 + 1 {
            let disabled = fixture.provider.disable(&issued.handle).await;
            assert_eq!(disabled, Ok(Disabled::Now));
        }
        handles.insert(issued.handle);
    }
    let listed = fixture.listed().await;
    assert_eq!(listed.len(), keys, "no key is listed twice");
    let listed: BTreeSet<_> = listed.into_iter().map(|key| key.handle).collect();
    assert_eq!(listed, handles);
}

/// A list whose last page has no room left is read to the end all the same, and does not go on. A pair is one page.
pub async fn a_full_last_page_is_read(fixture: &Fixture) {
    if fixture.is_pair() {
        return;
    }
    let (keys, on_a_page) = fixture.keys_at_a_time().map_or((4, 2), |most| (most, 1));
    fixture.world.set_page_size(on_a_page);
    let mut handles = BTreeSet::new();
    for n in 1..=keys as u32 {
        handles.insert(fixture.issue(n).await.handle);
        let listed = fixture.listed().await;
        assert_eq!(listed.len(), handles.len(), "no key is listed twice");
        let listed: BTreeSet<_> = listed.into_iter().map(|key| key.handle).collect();
        assert_eq!(listed, handles);
    }
}

/// A key is listed in its own scope only, and found by its handle from anywhere.
pub async fn scopes_are_listed_apart(fixture: &Fixture) {
    let Some(scope) = fixture.world.other_scope() else {
        return;
    };
    if scope == fixture.world.scope() {
        return;
    }
    let here = fixture.issue(1).await;
    let request = IssueRequest {
        scope: scope.clone(),
        ..fixture.request(2)
    };
    let there = fixture.issue_as(&request).await;
    for (scope, expected) in [
        (fixture.world.scope(), &here.handle),
        (scope.clone(), &there.handle),
    ] {
        let listed = fixture.list(&scope).await.expect("the list is answered");
        let handles: Vec<_> = listed.iter().map(|key| &key.handle).collect();
        assert_eq!(handles, [expected], "{scope:?}");
    }
    let got = fixture.provider.get(&there.handle).await;
    assert!(matches!(got, Ok(Some(_))), "{got:?}");
}

/// What a key spent is told exactly, or as unknown.
pub async fn spending_reads_back(fixture: &Fixture) {
    let issued = fixture.issue(1).await;
    for (amount, total) in [(0, 0), (1, 1), (2_500_000, 2_500_001)] {
        fixture.world.spend(&issued.key, MicroDollars(amount));
        let got = fixture.provider.get(&issued.handle).await;
        let spent = got.expect("an answer").expect("the key").spent;
        assert!(
            spent.is_none_or(|spent| spent == MicroDollars(total)),
            "{spent:?} of {total}"
        );
    }
}

/// A key that used up its limit is a key all the same.
pub async fn a_key_without_money_is_not_dead(fixture: &Fixture) {
    let issued = fixture.issue(1).await;
    let all = fixture.request(1).cap.amount;
    fixture.world.spend(&issued.key, all);
    let verdict = fixture.provider.verify(&issued.key).await;
    assert!(
        matches!(verdict, Verdict::Live | Verdict::BlockedForMoney(_)),
        "{verdict:?}"
    );
}

/// A text and a handle that the provider never gave out.
pub async fn what_was_never_made_is_dead_and_not_found(fixture: &Fixture) {
    let (provider, issued) = (&fixture.provider, fixture.issue(1).await);
    let prefix = provider.abilities().format.prefix;
    let never = ApiKey::new(&format!("{prefix}EXAMPLE{}", "ab12cd34".repeat(7)));
    let verdict = provider.verify(&never).await;
    assert!(matches!(verdict, Verdict::Dead(_)), "{verdict:?}");
    assert_eq!(provider.delete(&issued.handle).await, Ok(()));
    let gone = issued.handle;
    assert_eq!(provider.get(&gone).await, Ok(None));
    if fixture.provider.caps().is_some() {
        let refused = fixture.caps().set_cap(&gone, fixture.request(1).cap).await;
        assert_eq!(refused, Err(ProviderError::NotFound));
    }
}

/// Where there can be few keys at a time, one more is refused as such, and taken once one was deleted. A suspended key
/// takes a place too. Of a pair, those that are to be kept do, and they are left alone.
pub async fn a_full_place_takes_no_more(fixture: &Fixture) {
    let Some(most) = fixture.keys_at_a_time() else {
        return;
    };
    let Some(issuer) = fixture.provider.issuer() else {
        return;
    };
    let first = fixture.issue(1).await;
    let mut keep = Vec::new();
    let mut kept = Vec::new();
    for n in 2..=most as u32 {
        let issued = fixture.issue(n).await;
        keep.push(issued.handle.clone());
        kept.push(issued.key);
    }
    if fixture.suspends() {
        assert_eq!(
            fixture.provider.disable(&first.handle).await,
            Ok(Disabled::Now)
        );
    }
    let before = fixture.before().await;
    let mut request = fixture.request(most as u32 + 1);
    request.keep = keep.clone();
    request.keep.push(first.handle.clone());
    let refused = issuer.issue(&request).await;
    assert!(
        matches!(refused, Err(ProviderError::LimitReached { .. })),
        "{refused:?}"
    );
    assert_eq!(fixture.made(&request.label, &before), 0);
    assert_eq!(fixture.provider.delete(&first.handle).await, Ok(()));
    let request = IssueRequest {
        keep,
        ..fixture.request(most as u32 + 2)
    };
    let made = issuer.issue(&request).await;
    assert!(made.is_ok(), "{made:?}");
    for key in &kept {
        assert!(fixture.world.is_accepted(key), "a key was kept");
    }
}
