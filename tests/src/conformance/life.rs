//! Plays the suite of every driver, and keeps what was said on the wire.

use std::pin::Pin;
use std::sync::Arc;

use jiff::SignedDuration;
use keyward_core::ports::{KeyProvider, Width, Window};
use keyward_testkit::clock::ManualClock;
use keyward_testkit::contract;
use keyward_testkit::contract::admins::{self, AdminSubject};
use keyward_testkit::contract::provider::{
    Fixture, ProviderCall, Repeats, Times, life, reports, wire,
};
use keyward_testkit::simulator::{Body, Exchange, Fault, RequestKind, Settings, Simulator};

use crate::support::{Admins, Backend, Simulated};

type Playing<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// A case of the suite.
pub struct Case {
    /// Its name there.
    pub name: &'static str,
    play: for<'a> fn(&'a Fixture) -> Playing<'a>,
}

macro_rules! cases {
    ($($suite:ident: $($case:ident)*;)*) => {
        &[$($(Case {
            name: stringify!($case),
            play: |fixture| Box::pin($suite::$case(fixture)),
        },)*)*]
    };
}

/// All cases of the suite, those with lost and broken answers too: what a driver repeats is a request as well.
pub const CASES: &[Case] = cases! {
    life:
        a_new_key_is_live_and_listed_as_asked
        a_suspended_key_is_refused_until_resumed
        suspending_twice_is_no_error
        a_deleted_key_is_dead_and_gone
        a_cap_reads_back
        deleting_twice_is_no_error
        an_empty_scope_list_never_widens
        every_page_is_read_disabled_keys_too
        a_full_last_page_is_read
        scopes_are_listed_apart
        spending_reads_back
        a_key_without_money_is_not_dead
        what_was_never_made_is_dead_and_not_found
        a_full_place_takes_no_more;
    reports:
        what_is_not_told_is_named
        usage_is_told_by_key_model_and_bucket_across_pages
        costs_are_told_by_key_and_bucket_across_pages
        late_bookings_appear
        a_window_without_a_bucket_is_empty
        an_unreadable_report_is_never_an_empty_page
        what_other_places_used_is_theirs;
    wire:
        a_lost_create_is_ambiguous_and_found_by_its_label
        a_lost_create_ends_with_one_live_key
        a_create_is_sent_once_whatever_comes_back
        a_rate_limited_create_says_when_to_come_back
        an_unreadable_list_is_never_an_empty_page
        a_passing_fault_on_a_list_is_waited_out
        an_unreadable_key_is_never_absent
        changes_survive_a_lost_answer
        a_delete_survives_a_lost_answer
        a_refused_credential_is_told_apart
        unknown_fields_are_ignored
        a_verdict_without_a_readable_answer_is_unknown;
};

/// Statuses of errors that the simulators have words for.
const ERRORS: [u16; 11] = [400, 401, 402, 403, 404, 405, 409, 422, 429, 500, 503];

const CALLS: [ProviderCall; 8] = [
    ProviderCall::Create,
    ProviderCall::List,
    ProviderCall::Get,
    ProviderCall::Change,
    ProviderCall::Verify,
    ProviderCall::Usage,
    ProviderCall::Costs,
    ProviderCall::Delete,
];

/// Every exchange between a driver and its provider in this way of behaving, agents' calls left out.
///
/// # Panics
/// If the driver fails the suite.
pub async fn play(settings: &Settings) -> Vec<Exchange> {
    let mut said = Vec::new();
    for case in CASES {
        let (simulator, fixture) = stage(settings).await;
        (case.play)(&fixture).await;
        said.extend(simulator.recorded());
    }
    let (simulator, fixture) = stage(settings).await;
    every_error(&fixture).await;
    said.extend(simulator.recorded());
    said.extend(administered(settings).await);
    said.retain(|exchange| exchange.kind != RequestKind::Agent);
    said
}

/// The suite of admin credentials, where the driver makes them.
async fn administered(settings: &Settings) -> Vec<Exchange> {
    let Some(subject) = Admins::start(settings).await else {
        return Vec::new();
    };
    subject.simulator.record();
    contract::run(admins::CHECKS, &subject as &dyn AdminSubject, &[]).await;
    subject.simulator.recorded()
}

async fn stage(settings: &Settings) -> (Simulator, Fixture) {
    let clock = Arc::new(ManualClock::start());
    let simulated = Simulated::start(clock, settings.clone()).await;
    let simulator = simulated.simulator.clone();
    simulator.record();
    let fixture = Fixture {
        provider: simulated.driver(),
        world: Arc::new(simulator.clone()),
        repeats: Repeats::Untold,
    };
    (simulator, fixture)
}

/// Each error of the provider for each kind of call. What the driver makes of it the suite has tested.
async fn every_error(fixture: &Fixture) {
    for (n, status) in (1..).zip(ERRORS) {
        let issued = fixture.issue(2 * n).await;
        for call in CALLS {
            let fault = Fault::status(status, Body::Json);
            fixture.world.spoil(call, Times::Once, fault);
            let provider = fixture.provider.as_ref();
            let world = fixture.world.as_ref();
            match call {
                ProviderCall::Create => create(fixture, provider, 2 * n + 1).await,
                ProviderCall::List => drop(provider.list(&world.scope(), None).await),
                ProviderCall::Get => drop(provider.get(&issued.handle).await),
                ProviderCall::Change => drop(provider.disable(&issued.handle).await),
                ProviderCall::Verify => drop(provider.verify(&issued.key).await),
                ProviderCall::Delete => drop(provider.delete(&issued.handle).await),
                ProviderCall::Usage | ProviderCall::Costs => report(fixture, provider, call).await,
            }
            world.mend();
        }
        empty(fixture).await;
    }
}

/// One page of the report of the last two days.
async fn report(fixture: &Fixture, provider: &dyn KeyProvider, call: ProviderCall) {
    let Some(reports) = provider.reports() else {
        return;
    };
    let now = fixture.world.now();
    let (scope, window) = (
        fixture.world.scope(),
        Window {
            from: now - SignedDuration::from_hours(48),
            until: now,
            width: Width::Day,
        },
    );
    match call {
        ProviderCall::Usage => drop(reports.usage(&scope, &window, None).await),
        _ => drop(reports.costs(&scope, &window, None).await),
    }
}

/// Ends every key: a place may take no more than two.
async fn empty(fixture: &Fixture) {
    let listed = fixture.provider.list(&fixture.world.scope(), None).await;
    for key in listed.expect("the list is answered").keys {
        drop(fixture.provider.delete(&key.handle).await);
    }
}

async fn create(fixture: &Fixture, provider: &dyn KeyProvider, n: u32) {
    if let Some(issuer) = provider.issuer() {
        drop(issuer.issue(&fixture.request(n)).await);
    }
}
