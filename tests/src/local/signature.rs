//! Checks a request's signature by the documented steps, with a hash function and nothing else:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.

use axum::http::request::Parts;
use sha2::{Digest, Sha256};

use super::{ACCESS_KEY, SECRET_KEY};
use crate::emulators::REGION;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "lambda";

/// Whether the request is signed with the known credentials, its host, its time and its body included.
pub(super) fn is_signed(parts: &Parts, body: &[u8]) -> bool {
    signed(parts, body).unwrap_or(false)
}

fn signed(parts: &Parts, body: &[u8]) -> Option<bool> {
    let header = |name: &str| parts.headers.get(name)?.to_str().ok();
    let fields = header("authorization")?.strip_prefix(ALGORITHM)?;
    let field = |name: &str| {
        let mut found = fields.split(',').map(str::trim);
        found.find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
    };
    let time = header("x-amz-date")?;
    let date = time.get(..8)?;
    let scope = format!("{date}/{REGION}/{SERVICE}/aws4_request");
    if field("Credential")? != format!("{ACCESS_KEY}/{scope}") {
        return None;
    }
    let names = field("SignedHeaders")?;
    let covers = |name| names.split(';').any(|signed| signed == name);
    if !covers("host") || !covers("x-amz-date") {
        return None;
    }
    let mut canonical = format!("{}\n{}\n\n", parts.method, parts.uri.path());
    for name in names.split(';') {
        canonical += &format!("{name}:{}\n", header(name)?.trim());
    }
    canonical += &format!("\n{names}\n{}", hex(&Sha256::digest(body)));
    let to_sign = format!(
        "{ALGORITHM}\n{time}\n{scope}\n{}",
        hex(&Sha256::digest(canonical.as_bytes()))
    );
    let mut key = format!("AWS4{SECRET_KEY}").into_bytes();
    for part in [date, REGION, SERVICE, "aws4_request"] {
        key = hmac(&key, part.as_bytes());
    }
    Some(hex(&hmac(&key, to_sign.as_bytes())) == field("Signature")?)
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let padded = |with: u8| block.iter().map(|b| b ^ with).collect::<Vec<u8>>();
    let inner = Sha256::digest([padded(0x36), message.to_vec()].concat());
    Sha256::digest([padded(0x5c), inner.to_vec()].concat()).to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
