//! AWS's query protocol: forms in, XML out.

use keyward_testkit::simulator::{Answered, Exchange};
use keyward_tests::conformance::drivers::Driver;
use keyward_tests::conformance::judge;

use super::{ACME, Verified, ask, described, states};

const QUERY: Driver = Driver {
    base: "https://keys.acme.example/",
    operations: &[
        ("create", "POST", "/?Action=CreateKey"),
        ("delete", "POST", "/?Action=DeleteKey"),
        ("list", "POST", "/?Action=ListKeys"),
    ],
    ..ACME
};

const CREATED: &str =
    "<Key><Name>bot</Name><Made>2026-01-02T03:04:05Z</Made><Status>Active</Status></Key>";

fn form(fields: &str) -> Exchange {
    Exchange {
        content_type: Some("application/x-www-form-urlencoded; charset=utf-8".to_owned()),
        body: format!("Version=2020-01-01&{fields}").into_bytes(),
        ..ask("POST", "/")
    }
}

fn xml(status: u16, body: &str, exchange: Exchange) -> Exchange {
    let answer = Answered {
        status,
        content_type: "text/xml",
        body: body.as_bytes().to_vec(),
    };
    Exchange {
        answer: Some(answer),
        ..exchange
    }
}

/// An answer as the protocol wraps it.
fn result(action: &str, inner: &str) -> String {
    format!(
        "<{action}Response xmlns=\"urn:acme\"><{action}Result>{inner}</{action}Result>\
         <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{action}Response>"
    )
}

fn failures(exchange: Exchange) -> Vec<String> {
    let outcome = judge(&QUERY, &[described("acme.service-2.json")], &[exchange]);
    let found = outcome
        .failures
        .iter()
        .filter_map(|line| line.split_once("): "));
    let found = found.map(|(_, rest)| rest.to_owned());
    found.filter(|rest| rest != "no success was seen").collect()
}

#[test]
fn forms_and_xml_are_read_in_the_types_that_are_meant() {
    let create = form("Action=CreateKey&Name=bot&Days=30&Places.member.1=a&Places.member.2=b");
    let row = CREATED.replace("Key>", "member>");
    let list = format!("<Keys>{row}{row}</Keys><IsTruncated>false</IsTruncated>");
    let deleted = "<DeleteKeyResponse><ResponseMetadata/></DeleteKeyResponse>";
    let exchanges = [
        xml(200, &result("CreateKey", CREATED), create),
        xml(200, deleted, form("Action=DeleteKey&Name=bot")),
        xml(200, &result("ListKeys", &list), form("Action=ListKeys")),
        xml(200, &result("ListKeys", "<Keys/>"), form("Action=ListKeys")),
    ];
    let outcome = judge(&QUERY, &[described("acme.service-2.json")], &exchanges);
    assert_eq!(outcome.failures.iter().collect::<Vec<_>>(), [""; 0]);
    assert_eq!(states(&outcome), [Verified::Exact; 3]);
    assert_eq!(outcome.operations[0].against, ["acme-core 1.2.3"]);
}

#[test]
fn a_form_that_is_not_as_described_fails() {
    for (fields, expected) in [
        ("Action=CreateKey", "request (all): required `Name`"),
        (
            "Action=CreateKey&Name=bot&Days=31",
            "request /Days: maximum",
        ),
        ("Action=CreateKey&Name=bot&Days=few", "request /Days: type"),
        ("Action=CreateKey&Name=bot1", "request /Name: pattern"),
        (
            "Action=CreateKey&Name=bot&Colour=1",
            "request /Colour: unknown property",
        ),
        (
            "Action=CreateKey&Name=bot&Places.member.1=B",
            "request /Places/0: pattern",
        ),
    ] {
        assert_eq!(failures(form(fields)), [expected], "{fields}");
    }
    let other = Exchange {
        body: b"Action=ListKeys&Version=2010-01-01".to_vec(),
        ..form("")
    };
    assert_eq!(failures(other), ["request /Version: const"]);
}

#[test]
fn xml_that_is_not_as_described_fails() {
    let refused =
        |code| format!("<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>");
    for (status, body, expected) in [
        (
            200,
            "<CreateKeyResponse>".to_owned(),
            "answer 200 (all): unreadable",
        ),
        (
            200,
            result("ListKeys", CREATED),
            "answer 200 (all): required `CreateKeyResponse`",
        ),
        (
            200,
            result("CreateKey", &CREATED.replace("Active", "Ajar")),
            "answer 200 /CreateKeyResponse/CreateKeyResult/Key/Status: enum",
        ),
        (
            200,
            result(
                "CreateKey",
                "<Key><Name>bot</Name><Status>Active</Status></Key>",
            ),
            "answer 200 /CreateKeyResponse/CreateKeyResult/Key: required `Made`",
        ),
        (
            409,
            refused("Full"),
            "answer 409 /ErrorResponse/Error/Code: enum",
        ),
    ] {
        let exchange = xml(status, &body, form("Action=CreateKey&Name=bot"));
        assert_eq!(failures(exchange), [expected], "{body}");
    }
    for (status, code) in [(409, "LimitExceeded"), (403, "AccessDenied")] {
        let exchange = xml(status, &refused(code), form("Action=CreateKey&Name=bot"));
        assert_eq!(failures(exchange), [""; 0]);
    }
}
