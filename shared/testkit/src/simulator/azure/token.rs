//! `POST /{tenant}/oauth2/v2.0/token`: a client secret for an access token.
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow#get-a-token>

use std::collections::BTreeMap;

use jiff::SignedDuration;
use secrecy::ExposeSecret;
use serde_json::json;

use super::super::account::Account;
use super::super::api::{Call, Reply, read_query};
use super::super::settings::Management;
use super::{Azure, CLIENT, MARKER, TENANT};

const SCOPE: &str = "https://management.azure.com/.default";

/// How long tokens are good.
const LIFE: SignedDuration = SignedDuration::from_secs(3599);

impl Azure {
    pub(super) fn token(&self, account: &mut Account, call: &Call, tenant: &str) -> Reply {
        let form = read_query(std::str::from_utf8(&call.body).unwrap_or_default());
        let pairs = form.len();
        let form: BTreeMap<String, String> = form.into_iter().collect();
        let given = |name: &str| form.get(name).map(String::as_str);
        if pairs != 4 || given("grant_type") != Some("client_credentials") {
            return refused(400, "unsupported_grant_type", "AADSTS70003");
        }
        if tenant != TENANT {
            return refused(400, "invalid_request", "AADSTS90002: Tenant not found.");
        }
        if given("client_id") != Some(CLIENT) {
            return refused(400, "unauthorized_client", "AADSTS700016");
        }
        if given("scope") != Some(SCOPE) {
            return refused(400, "invalid_scope", "AADSTS70011");
        }
        let is_refused = account.settings.management == Management::Refused;
        if is_refused || given("client_secret") != Some(account.management.expose_secret()) {
            let description = "AADSTS7000215: Invalid client secret provided.";
            return refused(401, "invalid_client", description);
        }
        let token = format!("eyJ{MARKER}.{}", account.random());
        self.tokens().insert(token.clone(), account.now() + LIFE);
        let life = LIFE.as_secs();
        Reply::json(
            200,
            &json!({
                "token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": token,
            }),
        )
    }
}

fn refused(status: u16, error: &str, description: &str) -> Reply {
    Reply::json(
        status,
        &json!({ "error": error, "error_description": description, "error_codes": [7_000_215] }),
    )
}
