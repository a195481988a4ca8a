//! What a function URL hands on: <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyward_core::model::act::CallerArn;
use keyward_core::model::key_like::{may_be_a_key, words};
use keyward_core::model::text::OutsideText;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::response::Refusal;

/// A larger body is refused: the largest fleet has some thousand slots. A function URL takes 6 MB.
const MAX_BODY: usize = 4 * 1024 * 1024;

const MAX_REASON: usize = OutsideText::MAX_CHARS;

/// One request. No `Debug`: its body can hold keys.
pub(crate) struct Request {
    /// The ARN that AWS authenticated.
    pub(crate) caller: CallerArn,
    /// AWS's id of the request.
    pub(crate) id: String,
    /// What is asked for.
    pub(crate) path: String,
    body: Vec<u8>,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "requestContext")]
    context: Context,
    #[serde(default)]
    body: Option<String>,
    #[serde(default, rename = "isBase64Encoded")]
    base64: bool,
}

#[derive(Deserialize)]
struct Context {
    #[serde(default)]
    authorizer: Option<Authorizer>,
    http: Http,
    #[serde(rename = "requestId")]
    id: String,
}

#[derive(Deserialize)]
struct Authorizer {
    #[serde(default)]
    iam: Option<Iam>,
}

#[derive(Deserialize)]
struct Iam {
    #[serde(rename = "userArn")]
    user_arn: String,
}

#[derive(Deserialize)]
struct Http {
    method: String,
    path: String,
}

impl Request {
    /// Takes the request apart. Who does not come authenticated by IAM is refused before anything is looked at: a URL
    /// that was opened to everybody does nothing.
    pub(crate) fn read(event: Value) -> Result<Self, Refusal> {
        let event: Event = serde_json::from_value(event).map_err(|_| {
            Refusal::bad("the event is not one of a function URL (payload format 2.0)")
        })?;
        let iam = event.context.authorizer.and_then(|a| a.iam);
        let caller = iam.map(|iam| iam.user_arn).unwrap_or_default();
        if !caller.starts_with("arn:") || caller.len() > CallerArn::MAX_CHARS {
            return Err(Refusal::new(
                403,
                "the caller is not authenticated by IAM",
                "Set the function URL's authentication to AWS_IAM, and sign the request.",
            ));
        }
        if event.context.http.method != "POST" {
            return Err(Refusal::new(405, "only POST is taken", "Send it as POST."));
        }
        let body = event.body.unwrap_or_default();
        if body.len() > MAX_BODY {
            return Err(Refusal::new(
                413,
                "the body is larger than 4 MB",
                "Split the fleet.",
            ));
        }
        let body = match event.base64 {
            false => body.into_bytes(),
            true => STANDARD
                .decode(body)
                .map_err(|_| Refusal::bad("the body is not base64, although it says so"))?,
        };
        Ok(Self {
            caller: CallerArn::new(&caller),
            id: event.context.id,
            path: event.context.http.path,
            body,
        })
    }

    /// The caller's name: the last part of their ARN.
    pub(crate) fn name(&self) -> &str {
        let caller = self.caller.as_str();
        caller.rsplit('/').next().unwrap_or(caller)
    }

    /// How long the body is, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.body.len()
    }

    /// The body. What is said about one that cannot be read quotes nothing of it but the place: it may hold keys.
    pub(crate) fn body<T: DeserializeOwned>(&self, takes: &str) -> Result<T, Refusal> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let what = match error.classify() {
                serde_json::error::Category::Data => {
                    format!("the body is not what {} takes", self.path)
                }
                _ => "the body is not JSON".to_owned(),
            };
            Refusal::bad(format!(
                "{what} (line {line}, column {column}); it takes {takes}"
            ))
        })
    }
}

/// Whether a text has a word in it that may be a key.
pub(crate) fn holds_a_key(text: &str) -> bool {
    words(text).any(may_be_a_key)
}

/// Why an act is asked for, as it goes into the record: required, so that the record says it. What looks like a key is
/// refused: nothing is ever taken out of the record.
pub(crate) fn reason(text: &str) -> Result<OutsideText, Refusal> {
    if holds_a_key(text) {
        return Err(Refusal::bad(
            "`reason` holds what looks like a key; keys stand in no record",
        ));
    }
    let clean = OutsideText::new(text.trim());
    if clean.as_str().trim().is_empty() || text.chars().count() > MAX_REASON {
        return Err(Refusal::bad(format!(
            "`reason` must have 1 to {MAX_REASON} characters"
        )));
    }
    Ok(clean)
}
