//! Azure Resource Manager's calls about the keys of an account.

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::super::account::Account;
use super::super::api::{Call, Reply};
use super::super::key::Birth;
use super::super::log::Caller;
use super::{Azure, GROUP, PLACES, RESOURCE, SUBSCRIPTION, error, is_version};

const VERSION: &str = "2025-09-01";

impl Azure {
    /// `resource` is its subscription, its group and its name.
    pub(super) fn arm(
        &self,
        account: &mut Account,
        call: &Call,
        method: &str,
        resource: [&str; 3],
        action: &str,
    ) -> Reply {
        if call.caller != Caller::Management {
            let message = "The access token is invalid.";
            return error(401, "InvalidAuthenticationToken", message);
        }
        let [subscription, group, name] = resource;
        if subscription != SUBSCRIPTION || group != GROUP || name != RESOURCE {
            let message = format!(
                "The Resource 'Microsoft.CognitiveServices/accounts/{name}' under resource group '{group}' was not found."
            );
            return error(404, "ResourceNotFound", &message);
        }
        if !is_version(call, VERSION) {
            let message = format!("The supported api-version is '{VERSION}'.");
            return error(400, "InvalidResourceType", &message);
        }
        match (method, action) {
            ("POST", "listKeys") if call.body.is_empty() => both(account),
            ("POST", "listKeys") => error(400, "BadRequest", "no body is expected"),
            ("POST", "regenerateKey") => self.regenerate(account, &call.body),
            _ => error(405, "MethodNotAllowed", "no such action"),
        }
    }

    fn regenerate(&self, account: &mut Account, body: &[u8]) -> Reply {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let asked = body.as_object().filter(|body| body.len() == 1);
        let asked = asked.and_then(|body| body.get("keyName")?.as_str());
        let Some(asked) = asked else {
            return error(400, "InvalidRequestContent", "keyName is missing");
        };
        if !PLACES.contains(&asked) {
            let message =
                format!("The key name '{asked}' is invalid. Valid values are 'Key1' and 'Key2'.");
            return error(400, "BadRequest", &message);
        }
        let workspace = account.default_workspace().to_owned();
        account.mint(self, Birth::lasting(asked, &workspace));
        both(account)
    }
}

fn both(account: &Account) -> Reply {
    let text = |place: &str| {
        let mut keys = account.keys.iter();
        let key = keys.find(|key| !key.deleted && key.name == place);
        key.map(|key| key.text.expose_secret().to_owned())
    };
    let [one, two] = PLACES.map(text);
    Reply::json(200, &json!({ "key1": one, "key2": two }))
}
