//! Several descriptions of one API, other APIs, and what is said of failures.

use keyward_tests::conformance::drivers::Driver;
use keyward_tests::conformance::judge;
use keyward_tests::conformance::schema::shown;
use serde_json::{Value, json};

use super::{ACME, Verified, answered, ask, described, judged, key, right, states, with};

/// What one description does not know the other may; what both say must hold.
#[test]
fn two_descriptions_of_one_api_are_taken_together() {
    let both = [
        described("acme.openapi.json"),
        described("acme.swagger.json"),
    ];
    let mut older = both[1].clone();
    let body = older.operations.iter_mut().find_map(|o| o.body.as_mut());
    body.unwrap().schema = json!({
        "type": "object", "properties": { "name": {}, "colour": {} }, "additionalProperties": false,
    });
    let both = [both[0].clone(), older];
    let judged = |body: Value| {
        let exchange = answered(201, &key(), with(&body, ask("POST", "/keys")));
        let found = judge(&ACME, &both, &[exchange]).failures.into_iter();
        found
            .filter(|line| line.contains(" (POST /keys): "))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        judged(json!({ "name": "a", "colour": 1, "limit": 1 })),
        [""; 0]
    );
    let unknown = judged(json!({ "name": "a", "size": 1 }));
    assert_eq!(
        unknown,
        ["openrouter: create (POST /keys): request /size: unknown property"]
    );
}

/// Neither a key nor anything else from the wire is in what is said of it.
#[test]
fn failures_hold_no_value() {
    let secret = "sk-EXAMPLE-0123456789";
    let create = with(
        &json!({ "name": 1, "limit": secret, "places": secret }),
        ask("POST", "/keys"),
    );
    let mut wrong = key();
    wrong["state"] = json!(secret);
    wrong["limit"] = json!(secret);
    let create = answered(201, &wrong, create);
    let list = ask("GET", &format!("/keys?size={secret}&state={secret}"));
    let outcome = judged(
        "acme.openapi.json",
        &[create.clone(), list, ask("DELETE", "/keys/sk-EXAMPLE-1")],
    );
    assert!(outcome.failures.len() >= 7, "{:?}", outcome.failures);
    let said = format!("{:?} {create:?} {:?}", outcome.failures, create.answer);
    assert!(!said.contains("EXAMPLE"), "{said}");
}

/// A key may stand where a name should.
#[test]
fn a_name_that_may_be_a_key_is_not_shown_whole() {
    let secret = "sk-or-v1-0123456789EXAMPLE0123456789";
    let create = with(
        &json!({ "name": "a", secret: 1, "owner": { secret: 1 } }),
        ask("POST", "/keys"),
    );
    let list = ask("GET", &format!("/keys?size=1&{secret}=1"));
    let found = judged("acme.openapi.json", &[create, list]).failures;
    let short = |line: &&String| line.contains("sk-or-v1-01…");
    assert_eq!(found.iter().filter(short).count(), 3, "{found:?}");
    assert!(found.iter().all(|line| !line.contains("EXAMPLE")));
    assert_eq!(
        shown("/serviceSpecificCredentialId/0"),
        "/serviceSpecificCredentialId/0"
    );
}

#[test]
fn an_api_elsewhere_is_another_api() {
    let elsewhere = Driver {
        base: "https://keys.acme.example.net/v1",
        ..ACME
    };
    let outcome = judge(&elsewhere, &[described("acme.openapi.json")], &right());
    let said = "openrouter: acme/docs@0123456789ab is about another base URL";
    assert!(outcome.failures.contains(said), "{:?}", outcome.failures);
    assert!(
        states(&outcome)
            .iter()
            .all(|state| *state == Verified::Unverified)
    );
}
