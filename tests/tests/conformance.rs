//! The checking of drivers against descriptions: readers, rules, results. On small descriptions of an API that there is
//! not; the providers' own are checked by `make conformance`.
#![allow(clippy::unwrap_used, reason = "test code")]

#[path = "conformance/drivers.rs"]
mod drivers_and_table;
#[path = "conformance/forms.rs"]
mod forms;
#[path = "conformance/several.rs"]
mod several;

use std::path::{Path, PathBuf};

use keyward_core::model::slot::ProviderName;
use keyward_providers::conformance::Verified;
use keyward_testkit::simulator::{Answered, Exchange, RequestKind};
use keyward_tests::conformance::description::Description;
use keyward_tests::conformance::drivers::Driver;
use keyward_tests::conformance::{Outcome, judge};
use serde_json::{Value, json};

const ACME: Driver = Driver {
    provider: ProviderName::OpenRouter,
    base: "https://keys.acme.example/v1",
    sources: &[],
    settings: Vec::new,
    operations: &[
        ("create", "POST", "/keys"),
        ("list", "GET", "/keys"),
        ("close", "POST", "/keys/{key}:close"),
        ("delete", "DELETE", "/keys/{key}"),
    ],
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/conformance")
}

fn described(file: &str) -> Description {
    Description::load(&folder().join(file)).unwrap()
}

fn ask(method: &str, path: &str) -> Exchange {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    Exchange {
        method: method.to_owned(),
        path: path.to_owned(),
        query: pairs.map(|(a, b)| (a.to_owned(), b.to_owned())).collect(),
        headers: ["authorization", "x-reason"].map(str::to_owned).into(),
        content_type: None,
        body: Vec::new(),
        kind: RequestKind::Admin,
        answer: None,
    }
}

fn with(body: &Value, exchange: Exchange) -> Exchange {
    Exchange {
        content_type: Some("application/json".to_owned()),
        body: body.to_string().into_bytes(),
        ..exchange
    }
}

fn answered(status: u16, body: &Value, exchange: Exchange) -> Exchange {
    let body = match body {
        Value::Null => Vec::new(),
        body => body.to_string().into_bytes(),
    };
    let answer = Answered {
        status,
        content_type: "application/json",
        body,
    };
    Exchange {
        answer: Some(answer),
        ..exchange
    }
}

fn key() -> Value {
    json!({ "id": "7", "name": "bot", "limit": 2.5, "state": "open" })
}

/// The four requests as they should be.
fn right() -> [Exchange; 4] {
    let page = json!({ "keys": [key()], "next": null });
    let create = json!({ "name": "bot", "limit": 2.5 });
    [
        answered(201, &key(), with(&create, ask("POST", "/keys"))),
        answered(200, &page, ask("GET", "/keys?size=20&state=open")),
        answered(200, &key(), ask("POST", "/keys/7:close")),
        answered(204, &Value::Null, ask("DELETE", "/keys/7")),
    ]
}

fn judged(file: &str, exchanges: &[Exchange]) -> Outcome {
    judge(&ACME, &[described(file)], exchanges)
}

/// What fails, without what was not played: operation, part, pointer, rule.
fn failures(file: &str, exchange: Exchange) -> Vec<String> {
    let found = judged(file, &[exchange]).failures.into_iter();
    let played = found.filter(|line| !line.ends_with("no success was seen"));
    let short = |line: String| line.split_once("): ").map(|(_, rest)| rest.to_owned());
    played
        .map(|line| short(line.clone()).unwrap_or(line))
        .collect()
}

fn states(outcome: &Outcome) -> Vec<Verified> {
    outcome.operations.iter().map(|row| row.verified).collect()
}

#[test]
fn the_same_requests_pass_in_each_format_as_far_as_it_says_something() {
    use Verified::{Exact, RequestOnly, Unverified};
    for (file, name, expected) in [
        (
            "acme.openapi.json",
            "acme/docs@0123456789ab",
            [Exact, Exact, Exact, RequestOnly],
        ),
        (
            "acme.swagger.json",
            "Acme keys 2",
            [Exact, Exact, Unverified, Unverified],
        ),
        (
            "acme.endpoints.json",
            "acme 3.4.1",
            [RequestOnly, RequestOnly, Unverified, Unverified],
        ),
    ] {
        let outcome = judged(file, &right());
        assert_eq!(
            outcome.failures.into_iter().collect::<Vec<_>>(),
            [""; 0],
            "{file}"
        );
        assert_eq!(outcome.operations[0].against, [name]);
        let states: Vec<_> = outcome.operations.iter().map(|row| row.verified).collect();
        assert_eq!(states, expected, "{file}");
    }
    let mut with_200 = right();
    with_200[0].answer.as_mut().unwrap().status = 200;
    let outcome = judged("acme.discovery.json", &with_200);
    assert_eq!(states(&outcome), [Exact, Exact, Exact, Unverified]);
    assert_eq!(outcome.operations[0].against, ["acmekeys v1 20260102"]);
    assert_eq!(outcome.failures.into_iter().collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn a_request_that_is_not_as_described_fails_by_pointer_and_rule() {
    let create = |body: Value| with(&body, ask("POST", "/keys"));
    let list = |query: &str| ask("GET", &format!("/keys?{query}"));
    let not_json = Exchange {
        content_type: Some("text/plain".to_owned()),
        ..create(json!({ "name": "bot" }))
    };
    let without_reason = Exchange {
        headers: ["authorization".to_owned()].into(),
        ..ask("POST", "/keys/7:close")
    };
    for (exchange, expected) in [
        (
            create(json!({ "limit": 1 })),
            "request (all): required `name`",
        ),
        (create(json!({ "name": "" })), "request /name: minLength"),
        (create(json!({ "name": 7 })), "request /name: type"),
        (
            create(json!({ "name": "a", "colour": 1 })),
            "request /colour: unknown property",
        ),
        (
            create(json!({ "name": "a", "owner": { "x/y": 1 } })),
            "request /owner/x~1y: unknown property",
        ),
        (
            create(json!({ "name": "a", "limit": -1 })),
            "request /limit: anyOf",
        ),
        (
            create(json!({ "name": "a", "places": ["a", 1] })),
            "request /places/1: type",
        ),
        (ask("POST", "/keys"), "request (all): a body is required"),
        (
            not_json,
            "request (all): neither JSON nor a form, or not said to be",
        ),
        (
            with(&json!({}), list("size=1")),
            "request (all): no body is described",
        ),
        (list("state=open"), "query size: required"),
        (list("size=many"), "query size: type"),
        (list("size=101"), "query size: maximum"),
        (list("size=1&state=ajar"), "query state: enum"),
        (list("size=1&offset=2"), "query offset: unknown parameter"),
        (list("size=1&size=2"), "query size: type"),
        (ask("DELETE", "/keys/seven"), "path id: type"),
        (without_reason, "header X-Reason: required"),
        (
            ask("GET", "/key"),
            "openrouter: a GET that its table does not name",
        ),
    ] {
        assert_eq!(failures("acme.openapi.json", exchange), [expected]);
    }
    for query in ["size=1&tag=a", "size=1&tag=a&tag=b", "size=1&tag[]=a"] {
        assert_eq!(
            failures("acme.openapi.json", list(query)),
            [""; 0],
            "{query}"
        );
    }
}

#[test]
fn lists_of_endpoints_and_discovery_documents_know_their_names_too() {
    let create = |body: Value| with(&body, ask("POST", "/keys"));
    for (file, exchange, expected) in [
        (
            "acme.endpoints.json",
            create(json!({ "colour": 1 })),
            "request /colour: unknown property",
        ),
        (
            "acme.endpoints.json",
            create(json!({ "owner": { "team": 7 } })),
            "request /owner/team: type",
        ),
        (
            "acme.endpoints.json",
            ask("GET", "/keys?size=x"),
            "query size: type",
        ),
        (
            "acme.endpoints.json",
            ask("GET", "/keys?state=ajar"),
            "query state: anyOf",
        ),
        (
            "acme.endpoints.json",
            ask("GET", "/keys?page=1"),
            "query page: unknown parameter",
        ),
        (
            "acme.discovery.json",
            create(json!({ "colour": 1 })),
            "request /colour: unknown property",
        ),
        (
            "acme.discovery.json",
            ask("GET", "/keys?fields=a"),
            "query size: required",
        ),
        (
            "acme.discovery.json",
            ask("GET", "/keys?size=1&page=1"),
            "query page: unknown parameter",
        ),
        (
            "acme.swagger.json",
            create(json!({ "limit": null })),
            "request (all): required `name`",
        ),
        (
            "acme.swagger.json",
            ask("GET", "/keys?size=101"),
            "query size: maximum",
        ),
    ] {
        assert_eq!(failures(file, exchange), [expected], "{file}");
    }
    let bare = Exchange {
        headers: [].into(),
        ..ask("GET", "/keys")
    };
    let found = failures("acme.endpoints.json", bare);
    assert_eq!(found, ["header authorization: required"]);
}

#[test]
fn an_answer_that_is_not_as_described_fails_by_pointer_and_rule() {
    let create = || with(&json!({ "name": "bot" }), ask("POST", "/keys"));
    let without = |field: &str| {
        let mut key = key();
        key.as_object_mut().unwrap().remove(field);
        key
    };
    let set = |field: &str, value: Value| {
        let mut key = key();
        key[field] = value;
        key
    };
    let page = json!({ "keys": [key(), without("id")], "next": null });
    for (exchange, expected) in [
        (
            answered(201, &without("limit"), create()),
            "answer 201 (all): required `limit`",
        ),
        (
            answered(201, &set("id", json!(7)), create()),
            "answer 201 /id: type",
        ),
        (
            answered(201, &set("state", json!("ajar")), create()),
            "answer 201 /state: enum",
        ),
        (
            answered(201, &set("made", json!("today")), create()),
            "answer 201 /made: format `date-time`",
        ),
        (
            answered(201, &Value::Null, create()),
            "answer 201 (all): unreadable",
        ),
        (
            answered(202, &key(), create()),
            "answer 202 (all): this status is not described",
        ),
        (
            answered(404, &json!({ "error": {} }), create()),
            "answer 404 /error: required `code`",
        ),
        (
            answered(200, &page, ask("GET", "/keys?size=1")),
            "answer 200 /keys/1: required `id`",
        ),
        (
            answered(500, &json!({}), ask("GET", "/keys?size=1")),
            "answer 500 (all): required `error`",
        ),
    ] {
        assert_eq!(failures("acme.openapi.json", exchange), [expected]);
    }
    for exchange in [
        answered(201, &set("limit", Value::Null), create()),
        answered(201, &set("colour", json!(1)), create()),
        answered(500, &json!("not described"), create()),
    ] {
        assert_eq!(failures("acme.openapi.json", exchange), [""; 0]);
    }
}
