//! `POST /token`: an assertion that a service account's key has signed, for an access token.
//! <https://developers.google.com/identity/protocols/oauth2/service-account#httprest>

use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::SignedDuration;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::super::account::Account;
use super::super::api::{Call, Reply, read_query};
use super::super::settings::Management;
use super::{Gemini, MARKER};

/// Made for this file. It opens nothing.
const PRIVATE_KEY: &str = include_str!("fixtures/EXAMPLE-private-key.pem");

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// How long assertions and tokens are good.
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Clocks may be so far apart.
const APART: SignedDuration = SignedDuration::from_mins(5);

/// The file that Google gives out for a service account's key. Where it says to send it, nobody should.
pub(super) fn service_account(random: &str) -> String {
    json!({
        "type": "service_account",
        "project_id": "keyward-example-0",
        "private_key_id": format!("{MARKER}{}", &random[..33]),
        "private_key": PRIVATE_KEY,
        "client_email": "keyward@keyward-example-0.iam.gserviceaccount.com",
        "client_id": "100000000000000000000",
        "auth_uri": "https://accounts.example.com/o/oauth2/auth",
        "token_uri": "https://token-uri.example.com/token",
    })
    .to_string()
}

/// The lines of the private key in such a file.
pub(super) fn private_key_in(file: &str) -> Vec<String> {
    let file: Value = serde_json::from_str(file).unwrap_or_default();
    let pem = file["private_key"].as_str().unwrap_or_default();
    let lines = pem
        .lines()
        .filter(|line| line.len() == 64 && !line.contains(' '));
    lines.map(str::to_owned).collect()
}

impl Gemini {
    pub(super) fn token(&self, account: &mut Account, call: &Call) -> Reply {
        let now = account.now();
        let form = read_query(std::str::from_utf8(&call.body).unwrap_or_default());
        let assertion = match &form[..] {
            [(grant, value), (name, assertion)]
                if grant == "grant_type" && value == GRANT && name == "assertion" =>
            {
                assertion
            }
            _ => return refused("unsupported_grant_type", "Invalid grant_type"),
        };
        let management = account.management.expose_secret();
        let file: Value = serde_json::from_str(management).unwrap_or_default();
        if account.settings.management == Management::Refused {
            return refused("invalid_grant", "Invalid JWT Signature.");
        }
        let Some((header, claims)) = signed(assertion, &file) else {
            return refused("invalid_grant", "Invalid JWT Signature.");
        };
        let at = |claim: &str| claims[claim].as_i64().unwrap_or_default();
        let is_now = (now - APART).as_second() <= at("iat")
            && at("iat") <= (now + APART).as_second()
            && at("exp") - at("iat") <= HOUR.as_secs()
            && now.as_second() < at("exp");
        if header["alg"] != "RS256" || header["kid"] != file["private_key_id"] {
            return refused("invalid_grant", "Invalid JWT header.");
        }
        if claims["iss"] != file["client_email"] || claims["scope"] != SCOPE {
            return refused("invalid_scope", "Invalid issuer or scope.");
        }
        let audience = claims["aud"].as_str().unwrap_or_default();
        if !is_now || !audience.ends_with("/token") || audience.contains("example.com") {
            return refused(
                "invalid_grant",
                "Invalid JWT: check its times and audience.",
            );
        }
        let token = format!("ya29.{MARKER}{}", account.random());
        self.state().tokens.insert(token.clone(), now + HOUR);
        Reply::json(
            200,
            &json!({ "access_token": token, "expires_in": HOUR.as_secs() - 1, "token_type": "Bearer" }),
        )
    }
}

/// Header and claims of an assertion, if the key in the file has signed it.
fn signed(assertion: &str, file: &Value) -> Option<(Value, Value)> {
    let (signed, signature) = assertion.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let read = |part: &str| -> Option<Value> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
    };
    let pem = file["private_key"].as_str()?;
    let (_, inside) = pem.split_once("-----BEGIN PRIVATE KEY-----")?;
    let (inside, _) = inside.split_once("-----END")?;
    let text: String = inside.split_whitespace().collect();
    let pair = RsaKeyPair::from_pkcs8(&STANDARD.decode(text).ok()?).ok()?;
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref())
        .verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).ok()?)
        .ok()?;
    Some((read(header)?, read(claims)?))
}

fn refused(error: &str, description: &str) -> Reply {
    Reply::json(
        400,
        &json!({ "error": error, "error_description": description }),
    )
}
