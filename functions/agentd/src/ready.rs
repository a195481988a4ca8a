//! A secret's value as the body of an answer, made once for each fetch.

use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use keyward_client::{Content, SecretValue};
use secrecy::ExposeSecret;
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

/// The body of an answer. Wiped when the last that sends it has.
#[derive(Clone)]
pub(crate) struct Ready(Arc<Zeroizing<Vec<u8>>>);

impl AsRef<[u8]> for Ready {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// What AWS's agent answers: the answer of GetSecretValue, dates as seconds in a text.
/// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    #[serde(rename = "ARN")]
    arn: &'a str,
    name: &'a str,
    version_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_string: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "base64")]
    secret_binary: Option<&'a [u8]>,
    version_stages: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    created_date: Option<String>,
}

fn base64<S: Serializer>(bytes: &Option<&[u8]>, serializer: S) -> Result<S::Ok, S::Error> {
    let text = Zeroizing::new(STANDARD.encode(bytes.unwrap_or_default()));
    serializer.serialize_str(&text)
}

fn date(at: SystemTime) -> Option<String> {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(format!("{}.{:03}", since.as_secs(), since.subsec_millis()))
}

impl Ready {
    /// Of a value.
    pub(crate) fn of(value: &SecretValue) -> Self {
        let (text, bytes) = match &value.content {
            Content::Text(text) => (Some(text.expose_secret()), None),
            Content::Binary(bytes) => (None, Some(bytes.expose_secret())),
        };
        let body = Body {
            arn: &value.arn,
            name: &value.name,
            version_id: value.version.as_str(),
            secret_string: text,
            secret_binary: bytes,
            version_stages: &value.stages,
            created_date: value.created.and_then(date),
        };
        let all = serde_json::to_vec(&body).map(Zeroizing::new);
        let all = all.expect("texts and numbers");
        // Exactly as long as it must be: it is kept.
        Self(Arc::new(Zeroizing::new(all.as_slice().to_vec())))
    }

    /// To be sent, without a copy.
    pub(crate) fn bytes(&self) -> Bytes {
        Bytes::from_owner(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyward_client::VersionId;
    use secrecy::SecretString;
    use std::time::Duration;

    #[test]
    fn a_body_is_what_awss_agent_answers() {
        let value = |content| SecretValue {
            arn: "arn:aws:secretsmanager:us-west-2:123456789012:secret:MyTest-aBcDeF".to_owned(),
            name: "MyTest".to_owned(),
            version: VersionId::new("v"),
            content,
            stages: vec!["AWSCURRENT".to_owned()],
            created: Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1_569_534_789_046)),
        };
        let text = value(Content::Text(SecretString::from("a\"b")));
        assert_eq!(
            String::from_utf8_lossy(&Ready::of(&text).bytes()),
            r#"{"ARN":"arn:aws:secretsmanager:us-west-2:123456789012:secret:MyTest-aBcDeF","Name":"MyTest","VersionId":"v","SecretString":"a\"b","VersionStages":["AWSCURRENT"],"CreatedDate":"1569534789.046"}"#
        );
        let bytes = value(Content::Binary(vec![1, 2].into()));
        let body = Ready::of(&bytes).bytes();
        let body = String::from_utf8_lossy(&body);
        assert!(body.contains(r#""SecretBinary":"AQI=""#) && !body.contains("SecretString"));
    }
}
