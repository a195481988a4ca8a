//! IAM's calls about service-specific credentials, in the Query protocol.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;

use super::super::account::Account;
use super::super::api::{Call, Reply, read_query};
use super::super::key::{Birth, Key, KeyState, Reset};
use super::super::log::Caller;
use super::Bedrock;

const NAMESPACE: &str = "https://iam.amazonaws.com/doc/2010-05-08/";
const VERSION: &str = "2010-05-08";
const SERVICE: &str = "bedrock.amazonaws.com";

/// Of one user, for one service.
const QUOTA: usize = 2;

/// Status, code and message.
type Refusal = (u16, &'static str, String);

/// The parameters of a call, `Action` and `Version` left out.
struct Parameters(BTreeMap<String, String>);

impl Parameters {
    fn read(body: &[u8], known: &[&str]) -> Result<Self, Refusal> {
        let form = read_query(std::str::from_utf8(body).unwrap_or_default());
        let mut parameters = BTreeMap::new();
        for (name, value) in form {
            match name.as_str() {
                "Action" => {}
                "Version" if value == VERSION => {}
                name if known.contains(&name) => drop(parameters.insert(name.to_owned(), value)),
                name => return Err(invalid(&format!("unknown parameter {name}"))),
            }
        }
        Ok(Self(parameters))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name)
            .ok_or_else(|| invalid(&format!("{name} is missing")))
    }
}

fn invalid(message: &str) -> Refusal {
    (400, "ValidationError", message.to_owned())
}

fn no_such(what: &str) -> Refusal {
    (404, "NoSuchEntity", format!("{what} cannot be found."))
}

impl Bedrock {
    pub(super) fn iam(&self, account: &mut Account, call: &Call, action: &str) -> Reply {
        if call.caller != Caller::Management {
            let message = "The security token included in the request is invalid.";
            return error(403, "InvalidClientTokenId", message);
        }
        let done = match action {
            "CreateServiceSpecificCredential" => self.create(account, &call.body),
            "ListServiceSpecificCredentials" => list(account, &call.body),
            "UpdateServiceSpecificCredential" => update(account, &call.body),
            "DeleteServiceSpecificCredential" => delete(account, &call.body),
            _ => Err((400, "InvalidAction", "no such action".to_owned())),
        };
        match done {
            Ok(result) => done_with(action, &result),
            Err((status, code, message)) => error(status, code, &message),
        }
    }

    fn create(&self, account: &mut Account, body: &[u8]) -> Result<String, Refusal> {
        let known = ["UserName", "ServiceName", "CredentialAgeDays"];
        let asked = Parameters::read(body, &known)?;
        let user = known_user(account, asked.required("UserName")?)?;
        bedrock(asked.required("ServiceName")?)?;
        let days = asked.get("CredentialAgeDays").map(|days| {
            let days = days.parse().ok().filter(|days| (1..=36_600).contains(days));
            days.ok_or_else(|| invalid("CredentialAgeDays is from 1 to 36600"))
        });
        let there = account.keys.iter();
        let there = there.filter(|key| !key.deleted && key.workspace == user);
        if there.count() >= QUOTA {
            let message =
                format!("Cannot exceed quota for ServiceSpecificCredentialsPerUser: {QUOTA}");
            return Err((409, "LimitExceeded", message));
        }
        let now = account.now();
        let days: Option<i64> = days.transpose()?;
        let birth = Birth {
            name: String::new(),
            workspace: user,
            limit: None,
            reset: Reset::Never,
            expires: days.map(|days| whole(now) + SignedDuration::from_hours(24 * days)),
        };
        let ahead = account.settings.clock_ahead;
        let key = account.mint(self, birth);
        let secret = element("ServiceCredentialSecret", key.text.expose_secret());
        let row = format!("{}{secret}", row(key, ahead, now));
        Ok(element_of("ServiceSpecificCredential", &row))
    }
}

fn list(account: &Account, body: &[u8]) -> Result<String, Refusal> {
    let known = ["UserName", "ServiceName", "AllUsers", "Marker", "MaxItems"];
    let asked = Parameters::read(body, &known)?;
    let user = match (asked.get("AllUsers"), asked.get("UserName")) {
        (Some("true"), None) => None,
        (Some("true"), Some(_)) => {
            return Err(invalid("AllUsers and UserName exclude each other"));
        }
        _ => Some(known_user(account, asked.required("UserName")?)?),
    };
    let is_asked_for = |key: &&Key| user.as_ref().is_none_or(|user| key.workspace == *user);
    bedrock(asked.required("ServiceName")?)?;
    let marker = asked.get("Marker").map(|marker| {
        let start = marker.strip_prefix("from-").and_then(|n| n.parse().ok());
        start.ok_or_else(|| invalid("Marker is none of this list"))
    });
    let start: usize = marker.transpose()?.unwrap_or_default();
    let (size, ahead) = (account.settings.page_size, account.settings.clock_ahead);
    let there = account.keys.iter();
    let mut rest = there
        .filter(|key| !key.deleted)
        .filter(is_asked_for)
        .skip(start);
    let rows: String = (rest.by_ref().take(size))
        .map(|key| element_of("member", &row(key, ahead, account.now())))
        .collect();
    let is_truncated = rest.next().is_some();
    let marker = if is_truncated {
        element("Marker", &format!("from-{}", start + size))
    } else {
        String::new()
    };
    let rows = element_of("ServiceSpecificCredentials", &rows);
    Ok(format!(
        "{rows}{}{marker}",
        element("IsTruncated", &is_truncated.to_string())
    ))
}

fn update(account: &mut Account, body: &[u8]) -> Result<String, Refusal> {
    let known = ["UserName", "ServiceSpecificCredentialId", "Status"];
    let asked = Parameters::read(body, &known)?;
    let now = account.now();
    let key = named(account, &asked)?;
    match asked.required("Status")? {
        "Active" => key.resume(now),
        "Inactive" => key.suspend(now),
        _ => return Err(invalid("Status is Active or Inactive")),
    }
    Ok(String::new())
}

fn delete(account: &mut Account, body: &[u8]) -> Result<String, Refusal> {
    let asked = Parameters::read(body, &["UserName", "ServiceSpecificCredentialId"])?;
    let now = account.now();
    named(account, &asked)?.delete(now);
    Ok(String::new())
}

/// The credential that a call names, if it is one of the user that it names.
fn named<'a>(account: &'a mut Account, asked: &Parameters) -> Result<&'a mut Key, Refusal> {
    let user = known_user(account, asked.required("UserName")?)?;
    let id = asked.required("ServiceSpecificCredentialId")?;
    let key = account.present(id).filter(|key| key.workspace == user);
    key.ok_or_else(|| no_such(&format!("Service Specific Credential {id}")))
}

fn known_user(account: &Account, name: &str) -> Result<String, Refusal> {
    let mut users = account.workspaces.iter();
    let user = users.find(|user| user.eq_ignore_ascii_case(name)).cloned();
    user.ok_or_else(|| no_such(&format!("The user with name {name}")))
}

fn bedrock(service: &str) -> Result<(), Refusal> {
    match service {
        SERVICE => Ok(()),
        _ => Err((
            404,
            "NotSupportedService",
            format!("{service} is not supported"),
        )),
    }
}

/// Times are written in whole seconds.
fn whole(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

fn row(key: &Key, ahead: SignedDuration, now: Timestamp) -> String {
    let status = match key.state(now) {
        KeyState::Enabled => "Active",
        KeyState::Disabled | KeyState::Deleted => "Inactive",
        KeyState::Expired => "Expired",
    };
    let end = key.expires.map(|end| whole(end + ahead).to_string());
    let end = end.map(|end| element("ExpirationDate", &end));
    [
        element("UserName", &key.workspace),
        element("Status", status),
        element("ServiceCredentialAlias", &key.redacted),
        element("CreateDate", &whole(key.created + ahead).to_string()),
        end.unwrap_or_default(),
        element("ServiceSpecificCredentialId", key.handle.as_str()),
        element("ServiceName", SERVICE),
    ]
    .concat()
}

fn element(name: &str, text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    element_of(name, &text)
}

fn element_of(name: &str, inside: &str) -> String {
    format!("<{name}>{inside}</{name}>")
}

/// A call without a result has no element for it.
fn done_with(action: &str, result: &str) -> Reply {
    let result = match result {
        "" => String::new(),
        result => element_of(&format!("{action}Result"), result),
    };
    let request = element_of("ResponseMetadata", &element("RequestId", "request-EXAMPLE"));
    let body =
        format!("<{action}Response xmlns=\"{NAMESPACE}\">{result}{request}</{action}Response>");
    xml(200, body)
}

/// <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#operation-error-serialization>
pub(super) fn error(status: u16, code: &str, message: &str) -> Reply {
    let whose = if status < 500 { "Sender" } else { "Receiver" };
    let error = [
        element("Type", whose),
        element("Code", code),
        element("Message", message),
    ];
    let error = element_of("Error", &error.concat());
    let request = element("RequestId", "request-EXAMPLE");
    let body = format!("<ErrorResponse xmlns=\"{NAMESPACE}\">{error}{request}</ErrorResponse>");
    xml(status, body)
}

fn xml(status: u16, body: String) -> Reply {
    Reply {
        status,
        content_type: "text/xml",
        retry_after: None,
        body: body.into_bytes(),
    }
}
