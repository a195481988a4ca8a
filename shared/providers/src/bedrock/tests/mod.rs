//! The driver against canned answers over real HTTP.

mod admin;
mod issue;
mod users;
mod verify;

use std::sync::Mutex;

use http::{HeaderName, HeaderValue};
use keyward_core::model::key::ApiKey;

use super::*;
use crate::aws::ToSign;
use crate::http::HttpSettings;
use crate::http::testing::{Reply, TestClock, TestServer, http, patient};

/// `ABSK` and the base64 of `bedrock-agent-at-111122223333:` and more.
const KEY: &str =
    "ABSKYmVkcm9jay1hZ2VudC1hdC0xMTExMjIyMjMzMzM6EXAMPLEEXAMPLE0123456789abcdef0123456789abcdef";
const ALIAS: &str = "bedrock-agent-at-111122223333";
const ID: &str = "ACCAEXAMPLE0000000002";

fn key() -> ApiKey {
    ApiKey::new(KEY)
}

fn handle() -> KeyHandle {
    format!("bedrock-agent/{ID}").parse().unwrap()
}

fn scope() -> Scope {
    Scope {
        user: Some("bedrock-agent".parse().unwrap()),
        ..Scope::default()
    }
}

/// Signs with the body's length, and remembers what it signed.
#[derive(Default)]
struct Signer(Mutex<Vec<(String, String)>>);

#[async_trait]
impl AwsSigner for Signer {
    async fn sign(
        &self,
        request: &ToSign<'_>,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, ProviderError> {
        let scope = format!("{}/{}", request.region, request.service);
        self.0.lock().unwrap().push((scope, request.at.to_string()));
        let header = |name: &'static str, value: String| {
            let value = HeaderValue::try_from(value).unwrap();
            (HeaderName::from_static(name), value)
        };
        Ok(vec![
            header("x-amz-security-token", "EXAMPLE-session-token".to_owned()),
            header(
                "authorization",
                format!("AWS4-HMAC-SHA256 Signature={}", request.body.len()),
            ),
        ])
    }
}

struct Account {
    driver: Bedrock,
    signer: Arc<Signer>,
    clock: Arc<TestClock>,
}

fn account_with(server: &TestServer, settings: HttpSettings) -> Account {
    let clock = TestClock::new();
    let signer = Arc::new(Signer::default());
    let client = Arc::new(http(&clock, settings));
    let urls = (server.base(), server.base());
    let driver = Bedrock::new(client, urls, "eu-central-1", signer.clone());
    Account {
        driver,
        signer,
        clock,
    }
}

fn account(server: &TestServer) -> Account {
    account_with(server, patient())
}

/// IAM's error XML.
fn error(status: u16, code: &str, message: &str) -> Reply {
    Reply::new(
        status,
        format!(
            "<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>{message}</Message></Error><RequestId>EXAMPLE</RequestId></ErrorResponse>"
        ),
    )
}

fn html(status: u16) -> Reply {
    Reply::new(status, "<html><body>Forbidden</body></html>")
}

/// A credential's elements, `more` at their end.
fn row(id: &str, status: &str, more: &str) -> String {
    format!(
        "<UserName>bedrock-agent</UserName><Status>{status}</Status><ServiceCredentialAlias>{ALIAS}</ServiceCredentialAlias>\
         <CreateDate>2026-11-25T14:00:00Z</CreateDate><ServiceSpecificCredentialId>{id}</ServiceSpecificCredentialId>\
         <ServiceName>bedrock.amazonaws.com</ServiceName>{more}"
    )
}

/// A whole answer to `action`; without a result where `result` is empty.
fn answer(action: &str, result: &str) -> String {
    let result = match result {
        "" => String::new(),
        result => format!("<{action}Result>{result}</{action}Result>"),
    };
    format!(
        "<{action}Response xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\">{result}<ResponseMetadata>\
         <RequestId>EXAMPLE</RequestId></ResponseMetadata></{action}Response>"
    )
}

fn listed(rows: &[String], end: &str) -> String {
    let rows: String = rows
        .iter()
        .map(|row| format!("<member>{row}</member>"))
        .collect();
    let result = format!("<ServiceSpecificCredentials>{rows}</ServiceSpecificCredentials>{end}");
    answer("ListServiceSpecificCredentials", &result)
}

const LAST: &str = "<IsTruncated>false</IsTruncated>";
