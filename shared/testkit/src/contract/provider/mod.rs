//! The suite for [`KeyProvider`].
//!
//! Each case is a function over a fresh [`Fixture`]. [`provider_contract!`](crate::provider_contract) makes a named
//! test of each: those of [`life`] and [`reports`] for anything, those of [`wire`] for whatever talks HTTP.

pub mod life;
pub mod reports;
mod simulated;
pub mod wire;

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use keyward_core::model::key::ApiKey;
use keyward_core::model::money::{CapPeriod, MicroDollars, SpendCap};
use keyward_core::model::names::KeyHandle;
use keyward_core::model::slot::{CredentialKind, Scope};
use keyward_core::model::version::{KeyLabel, VersionId};
use keyward_core::ports::{
    Disabled, IssueRequest, IssuedKey, KeyIssuer, KeyProvider, KeyRecord, Limits, Naming, Page,
    ProviderError, SpendCaps, Suspension,
};

use crate::simulator::{Body, Booking, Fault};

/// More pages than any case fills: a list that goes on beyond has no end.
const MAX_PAGES: usize = 20;

/// A create that goes on for longer than this goes on for ever.
const MAX_LOOKS: usize = 20;

/// A driver, and the provider at its other side, fresh for each case.
#[derive(Clone)]
pub struct Fixture {
    /// What is tested. Its waiting must not be real: give it a clock that is moved by hand.
    pub provider: Arc<dyn KeyProvider>,
    /// The other side.
    pub world: Arc<dyn ProviderWorld>,
    /// Whether the driver can tell that a key was suspended before.
    pub repeats: Repeats,
}

/// What a driver says of suspending a key that is suspended already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeats {
    /// [`Disabled::Already`].
    Told,
    /// Success either way: the provider's answer does not tell, and a look beforehand would delay containment.
    Untold,
}

/// The other side of a provider's API, without propagation delay.
pub trait ProviderWorld: Send + Sync {
    /// Now, by the provider's clock, which is the driver's too.
    fn now(&self) -> Timestamp;

    /// Lets time pass, where anything goes by it.
    fn pass(&self, _time: SignedDuration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }

    /// Whether an agent's call with this key is accepted.
    fn is_accepted(&self, key: &ApiKey) -> bool;

    /// How many keys were ever made under this name.
    fn made(&self, label: &KeyLabel) -> usize;

    /// How many keys were ever made, under whatever name.
    fn ever_made(&self) -> usize;

    /// An agent spends with this key; no limit is looked at.
    fn spend(&self, key: &ApiKey, amount: MicroDollars);

    /// The provider books what a key used, or what it names no key for; no limit is looked at.
    fn book(&self, key: Option<&ApiKey>, booking: &Booking);

    /// Keys on a page of the list, and rows or buckets on one of a report.
    fn set_page_size(&self, size: usize);

    /// Where keys of the suite live.
    fn scope(&self) -> Scope;

    /// Another such place, where there is such a thing.
    fn other_scope(&self) -> Option<Scope>;

    /// [`scope`](Self::scope) with one entry in each list that `limits` has.
    fn limited_scope(&self, limits: Limits) -> Scope;

    /// Every answer carries fields from now on that no release of Keyward knows.
    fn add_unknown_fields(&self);

    /// Makes a key as a person would, where the API has no call for it.
    fn make(&self, request: &IssueRequest) -> IssuedKey;

    /// The driver's admin credential is refused from now on.
    fn refuse_admin(&self);

    /// Makes calls go wrong: the next one, or all of that kind.
    fn spoil(&self, call: ProviderCall, times: Times, fault: Fault);

    /// Nothing goes wrong any more.
    fn mend(&self);

    /// How many requests of this kind came.
    fn sent(&self, call: ProviderCall) -> usize;
}

/// The kinds of requests that a driver sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderCall {
    /// Creating a key.
    Create,
    /// One page of the list.
    List,
    /// One key.
    Get,
    /// Suspending, resuming, setting a limit.
    Change,
    /// Deleting a key.
    Delete,
    /// A key asking about itself.
    Verify,
    /// One page of a report of usage.
    Usage,
    /// One page of a report of costs.
    Costs,
}

/// How often a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// The next one.
    Once,
    /// Until it is mended.
    Always,
}

/// What there was before a create.
struct Before {
    listed: BTreeSet<KeyHandle>,
    ever_made: usize,
}

impl Fixture {
    fn issuer(&self) -> &dyn KeyIssuer {
        self.provider.issuer().expect("a provider that mints keys")
    }

    fn caps(&self) -> &dyn SpendCaps {
        self.provider.caps().expect("a provider with limits")
    }

    /// What the suite asks for as its nth key.
    pub fn request(&self, n: u32) -> IssueRequest {
        IssueRequest {
            label: label(n),
            scope: self.world.scope(),
            cap: SpendCap {
                amount: MicroDollars(12_340_000),
                period: CapPeriod::Monthly,
            },
            expires: self.world.now() + SignedDuration::from_hours(24 * 70),
            keep: Vec::new(),
        }
    }

    /// What a second suspension may say.
    fn is_repeat(&self, said: &Result<Disabled, ProviderError>) -> bool {
        match self.repeats {
            Repeats::Told => *said == Ok(Disabled::Already),
            Repeats::Untold => said.is_ok(),
        }
    }

    /// The suite's nth key, made by whoever makes keys there. Of a pair it is the first and the second one by turns.
    pub async fn issue(&self, n: u32) -> IssuedKey {
        let mut request = self.request(n);
        if self.is_pair() {
            let mut pair = self.listed().await;
            request.keep = vec![pair.swap_remove(n as usize % 2).handle];
        }
        self.issue_as(&request).await
    }

    /// Whether there is a fixed pair of keys, whose texts change.
    fn is_pair(&self) -> bool {
        self.provider.abilities().provider.kind() == CredentialKind::Slots
    }

    async fn issue_as(&self, request: &IssueRequest) -> IssuedKey {
        match self.create(request).await {
            Some(made) => made.expect("a create is answered"),
            None => self.world.make(request),
        }
    }

    /// A create, and its end where it goes on after its answer. `None` where people make keys.
    async fn create(&self, request: &IssueRequest) -> Option<Result<IssuedKey, ProviderError>> {
        let issuer = self.provider.issuer()?;
        let mut made = issuer.issue(request).await;
        for _ in 0..MAX_LOOKS {
            let Err(ProviderError::UnderWay(operation)) = &made else {
                break;
            };
            let operation = operation.clone();
            self.world.pass(SignedDuration::from_secs(2)).await;
            made = issuer.resume(request, &operation).await;
        }
        Some(made)
    }

    fn suspends(&self) -> bool {
        self.provider.abilities().suspension != Suspension::None
    }

    /// All pages.
    async fn list(&self, scope: &Scope) -> Result<Vec<KeyRecord>, ProviderError> {
        let mut keys = Vec::new();
        let mut page = Page {
            keys: Vec::new(),
            next: None,
        };
        for _ in 0..MAX_PAGES {
            page = self.provider.list(scope, page.next.as_ref()).await?;
            keys.append(&mut page.keys);
            if page.next.is_none() {
                return Ok(keys);
            }
        }
        panic!("the list has no last page");
    }

    async fn listed(&self) -> Vec<KeyRecord> {
        self.list(&self.world.scope())
            .await
            .expect("the list is answered")
    }

    async fn before(&self) -> Before {
        let listed = self.listed().await.into_iter();
        Before {
            listed: listed.map(|key| key.handle).collect(),
            ever_made: self.world.ever_made(),
        }
    }

    /// The listed keys of a create: by its label, or what is new where keys have no names.
    async fn found(&self, label: &KeyLabel, before: &Before) -> Vec<KeyRecord> {
        let mut keys = self.listed().await;
        keys.retain(|key| match self.names() {
            Naming::Label => key.label.as_str() == label.as_str(),
            Naming::Place | Naming::Nothing => !before.listed.contains(&key.handle),
        });
        keys
    }

    /// How many keys a create has made.
    fn made(&self, label: &KeyLabel, before: &Before) -> usize {
        match self.names() {
            Naming::Label => self.world.made(label),
            Naming::Place | Naming::Nothing => self.world.ever_made() - before.ever_made,
        }
    }

    fn names(&self) -> Naming {
        self.provider.abilities().names
    }

    fn keys_at_a_time(&self) -> Option<usize> {
        self.provider.abilities().provider.keys_at_a_time()
    }

    async fn is_listed(&self, handle: &KeyHandle) -> bool {
        self.listed().await.iter().any(|key| key.handle == *handle)
    }

    /// Deletes every key where there can be few at a time, so that the next create finds a place.
    async fn make_room(&self) {
        if self.keys_at_a_time().is_none() {
            return;
        }
        for key in self.listed().await {
            let deleted = self.provider.delete(&key.handle).await;
            deleted.expect("a delete is answered");
        }
    }
}

/// What can come back for a request besides an answer.
fn unreadable() -> [Fault; 8] {
    [
        Fault::status(500, Body::Json),
        Fault::status(503, Body::Html),
        Fault::status(502, Body::Empty),
        Fault::lost_before(),
        Fault::half_sent(),
        Fault::truncated(),
        Fault::error_object(),
        Fault::status(200, Body::Html),
    ]
}

/// The name of the nth attempt of the suite's slot.
fn label(n: u32) -> KeyLabel {
    let id = VersionId {
        secret_version: "11111111-aaaa-4bbb-8ccc-000000000001"
            .parse()
            .expect("a valid id"),
        attempt: n,
    };
    KeyLabel::new(&"contract".parse().expect("a valid name"), &id)
}

/// Makes a named test of each case of the suite. `$make` is an `async fn() -> Fixture`; the first form takes all
/// cases, the second only those that need no HTTP.
///
/// ```ignore
/// keyward_testkit::provider_contract!(crate::tests::fixture);
/// keyward_testkit::provider_contract!(crate::tests::memory, life);
/// ```
#[macro_export]
macro_rules! provider_contract {
    ($make:path) => {
        $crate::provider_contract!($make, life);
        $crate::provider_contract!($make, reports);
        $crate::provider_contract!($make, wire);
    };
    ($make:path, life) => {
        $crate::provider_contract!(@each $make, life:
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
            a_full_place_takes_no_more
        );
    };
    ($make:path, reports) => {
        $crate::provider_contract!(@each $make, reports:
            what_is_not_told_is_named
            usage_is_told_by_key_model_and_bucket_across_pages
            costs_are_told_by_key_and_bucket_across_pages
            late_bookings_appear
            a_window_without_a_bucket_is_empty
            an_unreadable_report_is_never_an_empty_page
            what_other_places_used_is_theirs
        );
    };
    ($make:path, wire) => {
        $crate::provider_contract!(@each $make, wire:
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
            a_verdict_without_a_readable_answer_is_unknown
        );
    };
    (@each $make:path, $suite:ident: $($case:ident)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                $crate::contract::provider::$suite::$case(&$make().await).await;
            }
        )*
    };
}

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
