//! The drivers that there are, and the table of what is verified.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use keyward_core::model::slot::ProviderName;
use keyward_providers::conformance::{Operation, Table, Verified, operations};
use keyward_testkit::clock::ManualClock;
use keyward_testkit::contract::provider::{ProviderCall, ProviderWorld as _, Times};
use keyward_testkit::simulator::{Body, Fault, RetryAfter, Settings};
use keyward_tests::conformance::drivers::{self, Driver, Model, Source};
use keyward_tests::conformance::table::{Changes, counts};
use keyward_tests::conformance::{life, run};
use keyward_tests::support::{Backend, Simulated};

use super::folder;

/// A part of OpenRouter's API, as a description has it that was made for this test.
fn small(file: &'static str) -> Driver {
    let sources: &'static [Source] = Box::leak(Box::new([Source { file, models: &[] }]));
    Driver {
        sources,
        ..drivers::of(ProviderName::OpenRouter)
    }
}

#[tokio::test]
async fn a_driver_is_played_and_found_as_described() {
    let outcome = run(&small("small-openrouter.openapi.json"), &folder())
        .await
        .unwrap();
    assert_eq!(outcome.failures.iter().collect::<Vec<_>>(), [""; 0]);
    assert!(
        outcome.requests > 200 && outcome.answers > 150,
        "{outcome:?}"
    );
    // Of the answer to a change this description says nothing; deleting and verifying it does not know.
    assert_eq!(counts(&outcome.operations), [3, 1, 3]);
}

#[tokio::test]
async fn a_driver_that_is_not_as_described_is_caught() {
    let text = std::fs::read_to_string(folder().join("small-openrouter.openapi.json")).unwrap();
    let mut description: serde_json::Value = serde_json::from_str(&text).unwrap();
    let keys = &mut description["paths"]["/keys"];
    keys["get"]["parameters"].as_array_mut().unwrap().remove(1);
    description["components"]["schemas"]["Row"]["required"] = ["colour"].into();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("keyward-conformance-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("changed.json"), description.to_string()).unwrap();
    let outcome = run(&small("changed.json"), &folder).await;
    let missing = run(&small("none.json"), &folder).await;
    std::fs::remove_dir_all(&folder).unwrap();
    let found: Vec<_> = outcome.unwrap().failures.into_iter().collect();
    assert_eq!(
        found,
        [
            "openrouter: create (POST /keys): answer 201 /data: required `colour`",
            "openrouter: get (GET /keys/{key}): answer 200 /data: required `colour`",
            "openrouter: list (GET /keys): answer 200 /data/0: required `colour`",
            "openrouter: list (GET /keys): query offset: unknown parameter",
        ]
    );
    assert!(missing.unwrap_err().starts_with("none.json: "));
}

/// What was lost, cut, or said by somebody else is no answer of the provider; its own errors are.
#[tokio::test]
async fn only_the_providers_own_answers_are_kept() {
    let simulated = Simulated::start(Arc::new(ManualClock::start()), Settings::default()).await;
    let simulator = &simulated.simulator;
    let scope = simulator.scope();
    let list = async || drop(simulated.driver().list(&scope, None).await);
    list().await;
    assert!(
        simulator.recorded().is_empty(),
        "nothing is kept unless asked for"
    );
    simulator.record();
    for (fault, expected) in [
        (Fault::lost_after(), None),
        (Fault::half_sent(), None),
        (Fault::truncated(), None),
        (Fault::error_object(), None),
        (Fault::status(503, Body::Html), None),
        (Fault::status(503, Body::Json), Some(503)),
        (Fault::rate_limited(RetryAfter::Absent), Some(429)),
    ] {
        simulator.spoil(ProviderCall::List, Times::Once, fault.clone());
        list().await;
        let said = simulator.recorded();
        let statuses = said
            .iter()
            .map(|one| one.answer.as_ref().map(|answer| answer.status));
        let statuses: Vec<_> = statuses.collect();
        assert_eq!(statuses.first(), Some(&expected), "{fault:?}");
        assert!(said[0].headers.contains("authorization"));
    }
}

/// Whatever is added to the suite of every driver is played here as well.
#[test]
fn every_case_of_the_suite_is_played() {
    let suite = include_str!("../../../shared/testkit/src/contract/provider/mod.rs");
    let lists = suite.split("@each $make, ").skip(1);
    let listed: BTreeSet<&str> = lists
        .filter_map(|list| list.split(");").next()?.split_once(':'))
        .flat_map(|(_, names)| names.split_whitespace())
        .collect();
    let played: BTreeSet<&str> = life::CASES.iter().map(|case| case.name).collect();
    assert!(listed.len() >= 20);
    assert_eq!(played, listed);
}

#[test]
fn the_table_has_the_operations_of_every_driver() {
    for provider in ProviderName::ALL {
        let driver = drivers::of(provider);
        assert_eq!(driver.provider, provider);
        let known = operations(provider);
        let known = known
            .iter()
            .map(|row| (&*row.operation, &*row.method, &*row.path));
        assert_eq!(
            known.collect::<Vec<_>>(),
            driver.operations,
            "write it anew: make conformance SPECS=… WRITE=1"
        );
        let models = driver.sources.iter().flat_map(|source| source.models);
        for (_, path, Model::One(name) | Model::Page(name)) in models {
            assert!(!path.is_empty() && !name.is_empty());
        }
    }
}

#[test]
fn what_is_verified_may_not_become_unverified() {
    let row = |name: &str, verified, against: &str| Operation {
        operation: name.to_owned(),
        method: "GET".to_owned(),
        path: format!("/{name}"),
        verified,
        against: vec![against.to_owned()],
    };
    let table = |rows: &[Operation]| Table::from([("acme".to_owned(), rows.to_vec())]);
    let before = table(&[
        row("a", Verified::Exact, "1"),
        row("b", Verified::RequestOnly, "1"),
        row("c", Verified::Exact, "1"),
        row("d", Verified::Exact, "1"),
    ]);
    let now = table(&[
        row("a", Verified::RequestOnly, "1"),
        row("b", Verified::Exact, "1"),
        row("c", Verified::Exact, "2"),
        row("e", Verified::Unverified, "1"),
    ]);
    let changes = Changes::between(&before, &now);
    assert_eq!(
        changes.worse,
        ["acme: a (GET /a): was exact, is request only"]
    );
    assert_eq!(
        changes.other,
        [
            "acme: b (GET /b): was request only, is exact",
            "acme: e (GET /e): is unverified, is new",
            "acme: d (GET /d): is not sent any more",
        ]
    );
    assert_eq!(changes.versions, ["acme: c (GET /c): 2"]);
    assert_eq!(Changes::between(&before, &before), Changes::default());
}
