//! What is asked for, in the words of AWS's agent:
//! <https://docs.aws.amazon.com/secretsmanager/latest/userguide/secrets-manager-agent.html>.

use http::Uri;
use keyward_client::{Query, SecretId};

/// The path of its own, for whoever knows the Lambda extension of AWS.
const BY_QUERY: &str = "/secretsmanager/get";

/// What stands before a secret's name in the other.
const BY_PATH: &str = "/v1/";

/// A request, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Whether the sidecar lives.
    Ping,
    /// A secret.
    Secret(Query, Freshness),
    /// Nothing that is known here.
    Unknown,
}

/// How fresh it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// Within its lease.
    Leased,
    /// As it is now (`refreshNow`).
    Now,
}

/// Whether an address asks for life and no more: it needs no token.
pub(crate) fn is_ping(uri: &Uri) -> bool {
    uri.path() == "/ping"
}

/// Understands an address.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn asked(uri: &Uri) -> Result<Asked, String> {
    if is_ping(uri) {
        return Ok(Asked::Ping);
    }
    let named = match (uri.path(), uri.path().strip_prefix(BY_PATH)) {
        (BY_QUERY, _) => None,
        (_, Some("")) => return Err("missing secret ID".to_owned()),
        (_, Some(name)) => Some(name.to_owned()),
        _ => return Ok(Asked::Unknown),
    };
    let mut secret = named.clone();
    let (mut version, mut stage, mut freshness) = (None, None, Freshness::Leased);
    for (name, value) in url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        match &*name {
            "secretId" if named.is_none() => secret = Some(value.into_owned()),
            "versionId" => version = Some(known(&value)?),
            "versionStage" => stage = Some(known(&value)?),
            "refreshNow" => freshness = refresh(&value)?,
            other => return Err(format!("unknown parameter: {}", shown(other))),
        }
    }
    let secret = secret.filter(|secret| !secret.is_empty());
    let secret = secret.ok_or("missing parameter secretId")?;
    let secret = SecretId::new(&secret).map_err(|error| error.to_string())?;
    let query = Query {
        secret,
        version,
        stage,
    };
    Ok(Asked::Secret(query, freshness))
}

/// A version or a label: as AWS takes them, up to 256 characters that can be seen.
fn known(value: &str) -> Result<String, String> {
    let can_be = (1..=256).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_graphic());
    match can_be {
        true => Ok(value.to_owned()),
        false => Err("versionId and versionStage have 1 to 256 printable characters".to_owned()),
    }
}

fn refresh(value: &str) -> Result<Freshness, String> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(Freshness::Now),
        "false" | "0" => Ok(Freshness::Leased),
        _ => Err("invalid refreshNow value".to_owned()),
    }
}

/// So much of a name that is not known.
fn shown(name: &str) -> String {
    let letters = name.chars().filter(|c| c.is_ascii_alphanumeric());
    letters.take(32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(
        name: &str,
        version: Option<&str>,
        stage: Option<&str>,
        freshness: Freshness,
    ) -> Asked {
        let query = Query {
            secret: SecretId::new(name).unwrap(),
            version: version.map(str::to_owned),
            stage: stage.map(str::to_owned),
        };
        Asked::Secret(query, freshness)
    }

    #[test]
    fn addresses_are_understood_as_awss_agent_does() {
        use Freshness::{Leased, Now};
        let arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:My/Test-aBcDeF";
        let by_arn = format!("/secretsmanager/get?secretId={}", arn.replace(':', "%3A"));
        for (address, expected) in [
            ("/ping", Asked::Ping),
            ("/pong", Asked::Unknown),
            ("/", Asked::Unknown),
            (
                "/secretsmanager/get?secretId=MyTest",
                secret("MyTest", None, None, Leased),
            ),
            (&by_arn, secret(arn, None, None, Leased)),
            (
                "/secretsmanager/get?secretId=MyTest&refreshNow=true",
                secret("MyTest", None, None, Now),
            ),
            (
                "/secretsmanager/get?secretId=MyTest&refreshNow=1",
                secret("MyTest", None, None, Now),
            ),
            (
                "/secretsmanager/get?secretId=MyTest&refreshNow=FALSE",
                secret("MyTest", None, None, Leased),
            ),
            (
                "/secretsmanager/get?secretId=MyTest&versionStage=AWSPENDING&versionId=000000000000&refreshNow=true",
                secret("MyTest", Some("000000000000"), Some("AWSPENDING"), Now),
            ),
            ("/v1/MyTest", secret("MyTest", None, None, Leased)),
            (
                "/v1/My/Test?versionStage=AWSPENDING&refreshNow=0",
                secret("My/Test", None, Some("AWSPENDING"), Leased),
            ),
            (
                "/v1/My/Test?versionId=11111",
                secret("My/Test", Some("11111"), None, Leased),
            ),
        ] {
            assert_eq!(asked(&address.parse().unwrap()), Ok(expected), "{address}");
        }
    }

    #[test]
    fn what_cannot_be_understood_is_said_without_repeating_it() {
        for (address, why) in [
            ("/secretsmanager/get", "missing parameter secretId"),
            (
                "/secretsmanager/get?secretId=",
                "missing parameter secretId",
            ),
            (
                "/secretsmanager/get?versionStage=AWSPENDING",
                "missing parameter secretId",
            ),
            ("/v1/", "missing secret ID"),
            (
                "/secretsmanager/get?secretId=MyTest&abc=X",
                "unknown parameter: abc",
            ),
            ("/v1/MyTest?secretId=Other", "unknown parameter: secretId"),
            ("/v1/MyTest?refreshNow=yes", "invalid refreshNow value"),
            (
                "/v1/MyTest?versionId=",
                "versionId and versionStage have 1 to 256 printable characters",
            ),
        ] {
            assert_eq!(
                asked(&address.parse().unwrap()),
                Err(why.to_owned()),
                "{address}"
            );
        }
        let odd = asked(&"/secretsmanager/get?secretId=a%0Ab".parse().unwrap());
        assert!(odd.unwrap_err().starts_with("a secret is named by"));
    }
}
