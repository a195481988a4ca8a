//! The simulator as the other side.

use std::fmt::Debug;
use std::pin::Pin;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use keyward_core::model::key::ApiKey;
use keyward_core::model::money::MicroDollars;
use keyward_core::model::slot::Scope;
use keyward_core::model::version::KeyLabel;
use keyward_core::ports::{IssueRequest, IssuedKey, Limits};

use super::{ProviderCall, ProviderWorld, Times};
use crate::simulator::{Booking, Fault, FaultRule, Management, Simulator, UnknownFields};

impl ProviderWorld for Simulator {
    fn now(&self) -> Timestamp {
        self.time()
    }

    fn pass(&self, time: SignedDuration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(Simulator::pass(self, time))
    }

    fn is_accepted(&self, key: &ApiKey) -> bool {
        Simulator::is_accepted(self, key)
    }

    fn made(&self, label: &KeyLabel) -> usize {
        let named = |key: &&crate::simulator::KeyView| key.name == label.as_str();
        self.keys().iter().filter(named).count()
    }

    fn ever_made(&self) -> usize {
        self.keys().len()
    }

    fn spend(&self, key: &ApiKey, amount: MicroDollars) {
        Simulator::spend(self, key, amount);
    }

    fn book(&self, key: Option<&ApiKey>, booking: &Booking) {
        Simulator::book(self, key, booking);
    }

    fn set_page_size(&self, size: usize) {
        self.configure(|settings| settings.page_size = size);
    }

    fn scope(&self) -> Scope {
        self.scope_of(0)
    }

    fn other_scope(&self) -> Option<Scope> {
        if self.has_places() {
            return None;
        }
        self.add_workspace();
        Some(self.scope_of(1))
    }

    fn limited_scope(&self, limits: Limits) -> Scope {
        fn one<T: FromStr<Err: Debug>>(text: &str) -> Vec<T> {
            vec![text.parse().expect("a valid name")]
        }
        let mut scope = self.scope_of(0);
        if limits.models {
            scope.models = one("example-model");
        }
        if limits.endpoints {
            scope.endpoints = one(self.endpoint());
        }
        if limits.addresses {
            scope.addresses = one("192.0.2.0/24");
        }
        scope
    }

    fn add_unknown_fields(&self) {
        self.configure(|settings| settings.unknown_fields = UnknownFields::Everywhere);
    }

    fn make(&self, request: &IssueRequest) -> IssuedKey {
        self.make_key(request)
    }

    fn refuse_admin(&self) {
        self.configure(|settings| settings.management = Management::Refused);
    }

    fn spoil(&self, call: ProviderCall, times: Times, fault: Fault) {
        let (method, path) = self.route(call);
        let rule = FaultRule::on(method, path, fault);
        self.inject(match times {
            Times::Once => rule,
            Times::Always => rule.always(),
        });
    }

    fn mend(&self) {
        self.clear_faults();
    }

    fn sent(&self, call: ProviderCall) -> usize {
        let (method, path) = self.route(call);
        self.requests_to(method, path).len()
    }
}
