//! What each provider's folder implements: one API over the shared account.

use http::HeaderMap;
use jiff::Timestamp;
use keyward_core::model::key::ApiKey;
use keyward_core::model::names::KeyHandle;
use keyward_core::model::slot::ProviderName;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::account::Account;
use super::anthropic::Anthropic;
use super::azure::Azure;
use super::bedrock::Bedrock;
use super::gemini::Gemini;
use super::litellm::LiteLlm;
use super::log::{Caller, RequestKind};
use super::openai::OpenAi;
use super::openrouter::OpenRouter;
use crate::contract::provider::ProviderCall;

/// One provider's API. A new provider is a folder with one of these and a line in [`api_of`].
pub(super) trait Api: Send + Sync {
    /// Where the API begins, as in the provider's real base URL.
    fn base_path(&self) -> &'static str;

    /// The text of the management key, from 64 random hex digits.
    fn management_text(&self, random: &str) -> String;

    /// The text of a new key, from 64 random hex digits. Carries `EXAMPLE`.
    fn key_text(&self, random: &str) -> String;

    /// A new key's handle, from 64 other random hex digits.
    fn handle(&self, random: &str) -> String;

    /// The handle of a key with this name and text, where it is made of them.
    fn handle_of(&self, random: &str, _name: &str, _text: &ApiKey) -> String {
        self.handle(random)
    }

    /// The names of the keys that are there from the start, where there are always the same: what is made takes the
    /// place of the one of its name, else of the first.
    fn places(&self) -> &'static [&'static str] {
        &[]
    }

    /// The provider's redacted form of a text.
    fn redact(&self, text: &str) -> String;

    /// The id of the nth workspace; 0 is the default.
    fn workspace_id(&self, n: usize) -> String;

    /// The credential in a request's headers.
    fn credential<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str>;

    /// Whether a request with that credential is the administrator's, whose own is the first.
    fn administers(&self, management: &str, credential: &str, _now: Timestamp) -> bool {
        credential == management
    }

    /// What of the administrator's credentials is secret.
    fn admin_secrets(&self, management: &str) -> Vec<String> {
        vec![management.to_owned()]
    }

    /// The path that faults and the log know a request by, where its own does not say what it is for.
    fn operation(&self, path: &str, _body: &[u8]) -> String {
        path.to_owned()
    }

    /// What a request is for.
    fn kind(&self, method: &str, path: &str) -> RequestKind;

    /// Method and path pattern of a kind of request.
    fn route(&self, call: ProviderCall) -> (&'static str, &'static str);

    /// The names of the service accounts that there are, where there is such a thing.
    fn service_accounts(&self) -> Vec<String> {
        Vec::new()
    }

    /// The owner of a key loses access to its workspace, where keys have owners.
    fn end_owners_access(&self, _key: &KeyHandle) {}

    /// A part of the API that a key can be limited to, where there is such a limit.
    fn endpoint(&self) -> &'static str {
        "example"
    }

    /// The name that a create asks for.
    fn label(&self, method: &str, path: &str, body: &[u8]) -> Option<String>;

    /// Does what is asked.
    fn answer(&self, account: &mut Account, call: &Call) -> Reply;

    /// An error in the provider's own form.
    fn error(&self, status: u16, message: &str) -> Reply;
}

pub(super) fn api_of(provider: ProviderName) -> Box<dyn Api> {
    match provider {
        ProviderName::OpenRouter => Box::new(OpenRouter),
        ProviderName::Anthropic => Box::new(Anthropic),
        ProviderName::OpenAi => Box::<OpenAi>::default(),
        ProviderName::Bedrock => Box::new(Bedrock),
        ProviderName::LiteLlm => Box::<LiteLlm>::default(),
        ProviderName::Gemini => Box::<Gemini>::default(),
        ProviderName::Azure => Box::<Azure>::default(),
    }
}

/// A request.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: String,
    /// Below the API's base.
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) caller: Caller,
    /// The header `anthropic-beta`.
    pub(super) beta: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Call {
    pub(super) fn segments(&self) -> Vec<&str> {
        self.path.trim_matches('/').split('/').collect()
    }
}

pub(super) fn read_query(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect()
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) retry_after: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Reply {
    /// What no release of Keyward knows.
    pub(crate) const UNKNOWN_FIELD: &'static str = "x_example_later";

    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            content_type: "application/json",
            retry_after: None,
            body: body.to_string().into_bytes(),
        }
    }

    /// The same, with something unknown in every JSON object.
    pub(super) fn with_unknown_fields(self) -> Self {
        match serde_json::from_slice::<Value>(&self.body) {
            Ok(mut body) => {
                add_unknown_fields(&mut body);
                Self {
                    body: body.to_string().into_bytes(),
                    ..self
                }
            }
            Err(_) => self,
        }
    }

    pub(super) fn html(status: u16) -> Self {
        let page = format!(
            "<!doctype html><html><head><title>{status}</title></head><body><center>proxy</center></body></html>"
        );
        Self {
            status,
            content_type: "text/html",
            retry_after: None,
            body: page.into_bytes(),
        }
    }

    pub(super) fn empty(status: u16) -> Self {
        Self {
            status,
            content_type: "text/plain",
            retry_after: None,
            body: Vec::new(),
        }
    }
}

fn add_unknown_fields(value: &mut Value) {
    /// Whatever people put there themselves, as text.
    const OF_PEOPLE: &str = "annotations";
    match value {
        Value::Object(fields) => {
            let fields_of_api = fields.iter_mut().filter(|(name, _)| *name != OF_PEOPLE);
            fields_of_api.for_each(|(_, value)| add_unknown_fields(value));
            let unknown = json!({ "kind": "later", "list": [1, null, {}] });
            fields.insert(Reply::UNKNOWN_FIELD.to_owned(), unknown);
        }
        Value::Array(list) => list.iter_mut().for_each(add_unknown_fields),
        _ => {}
    }
}
