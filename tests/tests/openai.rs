//! OpenAI's driver against its provider over HTTP: the suite of every driver, the flows, and faults in between. In both
//! modes: keys in one stable service account, and each key with an account of its own.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::sync::Arc;

use keyward_core::model::slot::ProviderName;
use keyward_testkit::clock::ManualClock;
use keyward_testkit::contract::provider::{Fixture, Repeats};
use keyward_testkit::simulator::{KeyDelete, OpenAiSettings, Owners, Settings};
use keyward_tests::support::{Backend, Simulated};

fn settings(owners: Owners, key_delete: KeyDelete) -> Settings {
    Settings {
        provider: ProviderName::OpenAi,
        openai: OpenAiSettings {
            owners,
            key_delete,
            ..OpenAiSettings::default()
        },
        ..Settings::default()
    }
}

async fn fixture(owners: Owners, key_delete: KeyDelete) -> Fixture {
    let clock = Arc::new(ManualClock::start());
    let simulated = Simulated::start(clock, settings(owners, key_delete)).await;
    Fixture {
        provider: simulated.driver(),
        world: Arc::new(simulated.simulator.clone()),
        repeats: Repeats::Untold,
    }
}

/// The suite of every driver, for one way in which OpenAI may behave.
macro_rules! contract {
    ($name:ident: $owners:ident, $delete:ident) => {
        mod $name {
            use keyward_testkit::contract::provider::Fixture;
            use keyward_testkit::simulator::{KeyDelete, Owners};

            async fn fixture() -> Fixture {
                super::fixture(Owners::$owners, KeyDelete::$delete).await
            }

            keyward_testkit::provider_contract!(fixture);
        }
    };
}

contract!(in_a_stable_account: Stable, Allowed);
contract!(each_with_an_account: EachItsOwn, Allowed);
contract!(in_a_stable_account_without_delete: Stable, Refused);
contract!(each_with_an_account_without_delete: EachItsOwn, Refused);
contract!(each_with_an_account_without_delete_or_end: EachItsOwn, RefusedLikeEnds);
