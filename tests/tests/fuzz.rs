//! The fuzzer finds what is wrong with parsers that are wrong, and nothing with one that is right.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::sync::Mutex;
use std::time::Duration;

use keyward_tests::fuzz::{
    Fault, Found, Fuzzer, Limits, Parsed, Parser, Seeds, Target, kill_switch,
};
use serde_json::{Value, json};

const KEY: &str = "sk-or-v1-EXAMPLE0123456789abcdef0123456789abcdef0123456789abcdef";

fn fuzzer(
    seed: u64,
    limits: Limits,
    parse: impl Fn(u16, &[u8]) -> Parsed + Send + 'static,
) -> Fuzzer {
    let mut seeds = Seeds::default();
    seeds.document(&json!({"at": 1_795_564_800, "name": "agent", "error": null, "data": []}));
    let secrets = vec![KEY.to_owned()];
    let target = Target {
        name: "bad".to_owned(),
        seeds: seeds.planted(&secrets),
        secrets,
        parsers: vec![Parser {
            name: "list",
            parse: Box::new(parse),
        }],
    };
    Fuzzer::new(target, seed, limits)
}

fn run(fuzzer: &mut Fuzzer, inputs: u64) -> Option<Found> {
    (0..inputs).find_map(|_| fuzzer.step().err())
}

/// However slow the machine is.
fn found(parse: impl Fn(&Value) -> String + Send + 'static) -> Option<Found> {
    found_within(Duration::from_secs(600), parse)
}

fn found_within(
    time: Duration,
    parse: impl Fn(&Value) -> String + Send + 'static,
) -> Option<Found> {
    let limits = Limits {
        time,
        ..Limits::default()
    };
    run(
        &mut fuzzer(1, limits, move |_, body| parsed(body, &parse)),
        50_000,
    )
}

fn parsed(body: &[u8], parse: impl Fn(&Value) -> String) -> Parsed {
    let read = serde_json::from_slice(body);
    let printed = read.map_or_else(|_| "unreadable".to_owned(), |value| parse(&value));
    Parsed {
        whole: printed.clone(),
        printed,
        wrong: None,
    }
}

#[test]
fn a_right_parser_passes() {
    let parse = |value: &Value| format!("{} keys", value["data"].as_array().map_or(0, Vec::len));
    assert!(
        run(
            &mut fuzzer(1, Limits::default(), move |_, body| parsed(body, parse)),
            3_000
        )
        .is_none()
    );
}

#[test]
fn a_panic_is_found() {
    let overflow = found(|v| (v["at"].as_i64().unwrap_or(0) + 100).to_string());
    let overflow = overflow.unwrap().what;
    assert!(
        matches!(&overflow, Fault::Panic(text) if text.contains("overflow")),
        "{overflow:?}"
    );
    let cut = found(|v| {
        v["name"]
            .as_str()
            .map_or("", |name| &name[..name.len().min(5)])
            .to_owned()
    });
    let cut = cut.unwrap().what;
    assert!(
        matches!(&cut, Fault::Panic(text) if text.contains("char boundary")),
        "{cut:?}"
    );
}

#[test]
fn a_key_in_an_error_is_found() {
    let whole = found(|v| format!("cannot read {}", v["name"]));
    assert_eq!(whole.unwrap().what, Fault::Leak);
    let only_in_errors = found(|v| match &v["error"] {
        Value::String(text) => format!("refused: {text}"),
        _ => String::new(),
    });
    assert_eq!(only_in_errors.unwrap().what, Fault::Leak);
}

#[test]
fn a_loop_that_grows_with_a_number_is_found() {
    let slow = found_within(Duration::from_millis(200), |v| {
        let n = v["at"].as_u64().unwrap_or(0);
        // Far more than the limit allows.
        let steps = if n > u64::from(u32::MAX) {
            100_000_000
        } else {
            0
        };
        (0..steps)
            .fold(0_u64, |sum, n| std::hint::black_box(sum ^ n))
            .to_string()
    });
    assert!(matches!(slow.unwrap().what, Fault::Slow(_)));
}

#[test]
fn memory_that_only_grows_is_found() {
    let kept = Mutex::new(Vec::new());
    let limits = Limits {
        memory: 32 << 20,
        ..Limits::default()
    };
    let mut fuzzer = fuzzer(1, limits, move |_, body| {
        kept.lock()
            .unwrap()
            .push(vec![1_u8; 16 * 1024 + body.len()]);
        Parsed::default()
    });
    let found = run(&mut fuzzer, 20_000).unwrap();
    assert!(matches!(found.what, Fault::Memory(_)), "{found:?}");
}

/// A failure is seen again with the same seed, and with its input alone.
#[test]
fn what_was_found_is_found_again() {
    let parse = |_: u16, body: &[u8]| {
        assert!(!body.starts_with(b"[["), "two lists");
        Parsed::default()
    };
    let limits = Limits::default();
    let first = run(&mut fuzzer(3, limits, parse), 200_000).unwrap();
    let again = run(&mut fuzzer(3, limits, parse), 200_000).unwrap();
    assert_eq!((first.number, &first.body), (again.number, &again.body));
    assert!(fuzzer(4, limits, parse).replay(200, &first.body).is_err());
}

#[test]
fn what_must_not_be_made_of_an_input_is_found() {
    let limits = Limits::default();
    let parse = |_: u16, body: &[u8]| Parsed {
        wrong: body.ends_with(b"]]").then(|| "two lists".to_owned()),
        ..Parsed::default()
    };
    let found = run(&mut fuzzer(1, limits, parse), 200_000).unwrap();
    assert_eq!(found.what, Fault::Wrong("two lists".to_owned()));
}

#[test]
fn no_mutation_of_a_message_kills_without_a_valid_order() {
    let cases = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cases");
    let mut fuzzer = Fuzzer::new(kill_switch(&cases).unwrap(), 1, Limits::default());
    let found = run(&mut fuzzer, 3_000);
    assert!(found.is_none(), "{found:?}");
}
