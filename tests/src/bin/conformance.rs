//! `conformance [--write] [--only PROVIDER] FOLDER`: drivers and simulators against the providers' published descriptions in a folder.
//! Exit 1 if something is not as described, or not as the table in the repository says; 2 if nothing could be checked.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use keyward_core::model::slot::ProviderName;
use keyward_providers::conformance::{Operation, Table, table};
use keyward_tests::conformance::survey::survey;
use keyward_tests::conformance::table::{Changes, counts, written};
use keyward_tests::conformance::{drivers, run};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (then, arguments) = match arguments.as_slice() {
        ["--write", rest @ ..] => (Then::Write, rest),
        rest => (Then::Compare, rest),
    };
    let (only, arguments) = match arguments {
        ["--only", name, rest @ ..] => (Some(*name), rest),
        rest => (None, rest),
    };
    let named = |provider: &ProviderName| only.is_none_or(|only| only == provider.as_str());
    let providers: Vec<ProviderName> = ProviderName::ALL.into_iter().filter(named).collect();
    match arguments {
        [folder] if !folder.is_empty() && !providers.is_empty() => {
            check(&providers, Path::new(folder), then).await
        }
        _ => {
            eprintln!(
                "usage: conformance [--write] [--only PROVIDER] FOLDER, as make conformance SPECS=FOLDER"
            );
            ExitCode::from(2)
        }
    }
}

/// What becomes of the results.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Compare,
    Write,
}

async fn check(providers: &[ProviderName], specs: &Path, then: Then) -> ExitCode {
    match survey(specs) {
        Ok(found) => found.iter().for_each(|(file, name, operations)| {
            println!("{file}: {name}, {operations} operations");
        }),
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    }
    let mut results = match providers.len() == ProviderName::ALL.len() {
        true => Table::new(),
        false => table(),
    };
    let mut broken = 0;
    for &provider in providers {
        let outcome = match run(&drivers::of(provider), specs).await {
            Ok(outcome) => outcome,
            Err(error) => {
                eprintln!("{provider}: {error}");
                return ExitCode::from(2);
            }
        };
        for failure in &outcome.failures {
            eprintln!("FAILED {failure}");
        }
        broken += outcome.failures.len();
        let [exact, request_only, unverified] = counts(&outcome.operations);
        println!(
            "{provider}: {} requests, {} answers; operations: {exact} exact, {request_only} request only, {unverified} unverified",
            outcome.requests, outcome.answers
        );
        outcome.operations.iter().for_each(show);
        results.insert(provider.to_string(), outcome.operations);
    }
    if broken > 0 {
        eprintln!("{broken} failures");
        return ExitCode::FAILURE;
    }
    settle(&results, then)
}

fn show(operation: &Operation) {
    let Operation {
        operation: what,
        method,
        path,
        verified,
        against,
    } = operation;
    let against = against.join(", ");
    println!("  {verified:<12}  {what}: {method} {path}  {against}");
}

/// Compares with the table, or writes it. A worse result is never written.
fn settle(results: &Table, then: Then) -> ExitCode {
    let changes = Changes::between(&table(), results);
    for line in &changes.worse {
        eprintln!("WORSE {line}");
    }
    if !changes.worse.is_empty() {
        eprintln!("what is verified may not become unverified");
        return ExitCode::FAILURE;
    }
    for line in &changes.versions {
        println!("another description: {line}");
    }
    if then == Then::Write {
        return match std::fs::write(file(), written(results)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("the table cannot be written: {error}");
                ExitCode::from(2)
            }
        };
    }
    for line in &changes.other {
        eprintln!("CHANGED {line}");
    }
    if changes.other.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("write the table anew: make conformance SPECS=… WRITE=1");
    ExitCode::FAILURE
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/providers/src/conformance.json")
}
