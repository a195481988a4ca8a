//! Validated names. What has one of these types may be printed in a command.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::text::OutsideText;

/// A name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} `{shown}` is refused: {rule}")]
pub struct NameError {
    /// What kind of name it was to be.
    pub what: &'static str,
    /// The name as given, cleaned and cut.
    pub shown: String,
    /// What such a name looks like.
    pub rule: &'static str,
}

/// Characters of a refused name that are shown: a key that was put in its place gives nothing away.
const MAX_SHOWN: usize = 11;

impl NameError {
    pub(crate) fn new(what: &'static str, given: &str, rule: &'static str) -> Self {
        let clean = OutsideText::new(given);
        let mut shown: String = clean.as_str().chars().take(MAX_SHOWN).collect();
        if shown.len() < clean.as_str().len() {
            shown.push('…');
        }
        Self { what, shown, rule }
    }
}

/// Whether it is the ARN of a role or a user: 12 digits of account, and a name of up to 64 characters behind a path of up
/// to 512.
fn is_iam_identity(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let [arn, partition, iam, region, account, resource] = parts[..] else {
        return false;
    };
    let named = ["role/", "user/"]
        .iter()
        .find_map(|kind| resource.strip_prefix(kind));
    arn == "arn"
        && partition.starts_with("aws")
        && partition
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b == b'-')
        && iam == "iam"
        && region.is_empty()
        && account.len() == 12
        && account.bytes().all(|b| b.is_ascii_digit())
        && named.is_some_and(|name| {
            let own = name.rsplit('/').next().unwrap_or_default();
            (1..=64).contains(&own.len())
                && name.len() <= 576
                && name.bytes().all(|b| b.is_ascii_graphic() && b != b'*')
        })
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $rule:literal, $pattern:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(with = "String", extend("pattern" = $pattern))]
        pub struct $type(String);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) { Ok(Self(text.to_owned())) } else { Err(NameError::new($what, text, $rule)) }
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }
    };
}

/// Lower-case letters, digits and single dashes between them, `max` characters at most.
fn is_slug(text: &str, max: usize) -> bool {
    !text.is_empty()
        && text.len() <= max
        && !text.contains("--")
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

name!(
    /// A slot's name: stable for as long as the slot exists, and part of key names, tags, alarms and commands.
    SlotName, "slot name", "1 to 63 lower-case letters and digits, with single dashes between",
    r"^(?=.{1,63}$)[a-z0-9]+(-[a-z0-9]+)*$", |t| is_slug(t, 63)
);
name!(
    /// The workload that uses a slot's key.
    AgentName, "agent name", "1 to 63 lower-case letters and digits, with single dashes between",
    r"^(?=.{1,63}$)[a-z0-9]+(-[a-z0-9]+)*$", |t| is_slug(t, 63)
);
name!(
    /// A provider account as the deployment configuration names it; host and admin credential are found under it.
    AccountName, "provider account", "1 to 63 lower-case letters and digits, with single dashes between",
    r"^(?=.{1,63}$)[a-z0-9]+(-[a-z0-9]+)*$", |t| is_slug(t, 63)
);
name!(
    /// One deployment of Keyward: part of the names of its alarms and a dimension of its metrics.
    StackName, "stack", "1 to 63 lower-case letters and digits, with single dashes between",
    r"^(?=.{1,63}$)[a-z0-9]+(-[a-z0-9]+)*$", |t| is_slug(t, 63)
);
name!(
    /// A person or team: an e-mail address or a team's name.
    Principal, "person or team", "1 to 128 of a-z A-Z 0-9 . _ @ + -", r"^[A-Za-z0-9._@+-]{1,128}$", |t| (1..=128).contains(&t.len())
        && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"._@+-".contains(&b))
);
name!(
    /// Who may read a slot's secret: a person or team, or an IAM role or user, which may also tell what the slot uses.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-arns>
    Reader, "reader", "a person or team (1 to 128 of a-z A-Z 0-9 . _ @ + -), or arn:<partition>:iam::<account>:role/<name> or user/<name>",
    r"^([A-Za-z0-9._@+-]{1,128}|arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/[!-~]{1,576})$",
    |t| t.parse::<Principal>().is_ok() || is_iam_identity(t)
);
name!(
    /// The ARN of a Secrets Manager secret.
    SecretArn, "secret ARN", "arn:<partition>:secretsmanager:<region>:<account>:secret:<name>",
    r"^(?=[!-~]{1,2048}$)arn:[^:]*:secretsmanager:[^:]*:[^:]*:secret:.+$", |t| {
        let parts: Vec<&str> = t.splitn(7, ':').collect();
        t.len() <= 2048
            && parts.len() == 7
            && parts[0] == "arn"
            && parts[2] == "secretsmanager"
            && parts[5] == "secret"
            && !parts[6].is_empty()
            && t.bytes().all(|b| b.is_ascii_graphic())
    }
);
name!(
    /// The id of one version of a secret: the ClientRequestToken that made it.
    /// 32 to 64 characters: <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html>.
    SecretVersionId, "secret version id", "32 to 64 letters, digits and dashes", r"^[A-Za-z0-9-]{32,64}$", |t| (32..=64).contains(&t.len())
        && t.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
);
name!(
    /// One process that tells what it uses: it makes the id up when it starts, at random.
    ReporterId, "reporter", "16 to 64 letters, digits and dashes", r"^[A-Za-z0-9-]{16,64}$", |t| (16..=64).contains(&t.len())
        && t.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
);
name!(
    /// The provider's id of a workspace, project or service account, or the latter's e-mail address.
    ScopeId, "workspace, project or account id", "1 to 128 of a-z A-Z 0-9 _ . @ -, not dots alone", r"^(?=.*[^.])[A-Za-z0-9_.@-]{1,128}$", |t| (1..=128).contains(&t.len())
        && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.@-".contains(&b))
        && t.bytes().any(|b| b != b'.')
);
name!(
    /// The name of an IAM user: <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateUser.html>.
    IamUser, "IAM user", "1 to 64 of a-z A-Z 0-9 _ + = , . @ -", r"^[A-Za-z0-9_+=,.@-]{1,64}$", |t| (1..=64).contains(&t.len())
        && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
);
name!(
    /// What a provider calls a permission of a key.
    Permission, "permission", "1 to 128 of a-z A-Z 0-9 . _ : -", r"^[A-Za-z0-9._:-]{1,128}$", |t| (1..=128).contains(&t.len())
        && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b))
);
name!(
    /// What a provider calls a model.
    ModelName, "model", "1 to 200 of a-z A-Z 0-9 . _ : / @ * -", r"^[A-Za-z0-9._:/@*-]{1,200}$", |t| (1..=200).contains(&t.len())
        && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:/@*-".contains(&b))
);
name!(
    /// What a provider calls a part of its API: a path, a route or a method.
    Endpoint, "endpoint", "1 to 200 of a-z A-Z 0-9 . _ : / * -", r"^[A-Za-z0-9._:/*-]{1,200}$", |t| (1..=200).contains(&t.len())
        && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:/*-".contains(&b))
);
name!(
    /// An address, or a network as `address/bits`, IPv4 or IPv6.
    Network, "address or network", "an IP address, alone or with /bits", r"^[0-9A-Fa-f.:]{2,45}(/[0-9]{1,3})?$", |t| {
        let (address, bits) = t.split_once('/').map_or((t, None), |(a, b)| (a, Some(b)));
        let Ok(address) = address.parse::<std::net::IpAddr>() else { return false };
        let most = if address.is_ipv4() { 32 } else { 128 };
        bits.is_none_or(|bits| bits.bytes().all(|b| b.is_ascii_digit()) && bits.parse().is_ok_and(|bits: u8| bits <= most))
    }
);
name!(
    /// What must be named at the provider to suspend or delete a key, unique within a provider account. Where that
    /// takes several ids they are a path, the key's own id last: `<project>/<service account>/<key>`.
    KeyHandle, "key handle", "1 to 256 printable characters without spaces", r"^[!-~]{1,256}$", |t| (1..=256).contains(&t.len())
        && t.bytes().all(|b| b.is_ascii_graphic())
);
name!(
    /// The provider's name of work that goes on after its answer.
    OperationId, "operation", "1 to 256 printable characters without spaces", r"^[!-~]{1,256}$", |t| (1..=256).contains(&t.len())
        && t.bytes().all(|b| b.is_ascii_graphic())
);

impl SecretVersionId {
    /// Made from a text: the same text gives the same id, so that what is asked for under it twice is done once.
    pub fn from_seed(seed: &str) -> Self {
        let digest = Sha256::digest(seed.as_bytes());
        let half = digest.iter().take(16);
        Self(half.map(|byte| format!("{byte:02x}")).collect())
    }
}

impl KeyHandle {
    /// The ids that it is made of, the key's own last.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.as_str().split('/')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_refused_by_rule() {
        for (text, good) in [
            ("support-bot-openrouter-prod", true),
            ("a", true),
            ("", false),
            ("-a", false),
            ("a--b", false),
            ("Upper", false),
            ("a;rm -rf", false),
            (&"x".repeat(64), false),
        ] {
            assert_eq!(text.parse::<SlotName>().is_ok(), good, "{text}");
        }
    }

    #[test]
    fn a_refusal_names_what_was_wrong_on_one_line() {
        let error = "a\nb\u{202e}c".parse::<SlotName>().unwrap_err();
        let error = error.to_string();
        assert!(error.contains("slot name `a b c` is refused"), "{error}");
        let key = "sk-or-v1-EXAMPLE0123456789abcdef0123456789abcdef";
        let error = key.parse::<SecretArn>().unwrap_err().to_string();
        assert!(error.contains("secret ARN `sk-or-v1-EX…`"), "{error}");
    }

    #[test]
    fn networks_are_addresses_with_or_without_bits() {
        for (text, good) in [
            ("203.0.113.7", true),
            ("198.51.100.0/24", true),
            ("2001:db8::/32", true),
            ("198.51.100.0/33", false),
            ("198.51.100.0/+8", false),
            ("198.51.100.0/", false),
            ("example.com", false),
        ] {
            assert_eq!(text.parse::<Network>().is_ok(), good, "{text}");
        }
    }

    #[test]
    fn readers_are_people_teams_roles_and_users() {
        let long = format!("arn:aws:iam::111122223333:role/{}", "x".repeat(65));
        for (text, good) in [
            ("team-audit", true),
            ("ana@example.com", true),
            ("arn:aws:iam::111122223333:role/chat", true),
            ("arn:aws-us-gov:iam::111122223333:role/agents/eu/chat", true),
            ("arn:aws:iam::111122223333:user/ci", true),
            ("arn:aws:iam::111122223333:root", false),
            ("arn:aws:iam::1111:role/chat", false),
            ("arn:aws:iam::111122223333:role/", false),
            ("arn:aws:iam::111122223333:role/a b", false),
            ("arn:aws:sts::111122223333:assumed-role/chat/s", false),
            ("arn:aws:iam::111122223333:role/*", false),
            (&long, false),
            ("", false),
        ] {
            assert_eq!(text.parse::<Reader>().is_ok(), good, "{text}");
        }
    }

    #[test]
    fn ids_of_places_lead_nowhere_else() {
        for (text, good) in [
            ("proj_EXAMPLE-1", true),
            ("agent@example-1.iam.gserviceaccount.com", true),
            ("..", false),
            (".", false),
            ("a/b", false),
            ("", false),
        ] {
            assert_eq!(text.parse::<ScopeId>().is_ok(), good, "{text}");
        }
    }

    #[test]
    fn a_version_id_from_a_seed_is_one_and_always_the_same() {
        let id = SecretVersionId::from_seed("support-bot/0/1");
        assert_eq!(id, SecretVersionId::from_seed("support-bot/0/1"));
        assert_ne!(id, SecretVersionId::from_seed("support-bot/0/2"));
        assert_eq!(id.as_str().parse(), Ok(id));
    }

    #[test]
    fn iam_users_have_the_names_that_iam_gives() {
        for (text, good) in [
            ("bedrock-agent_billing", true),
            ("a+b=c,d.e@f", true),
            ("path/user", false),
            ("", false),
            ("a b", false),
            (&"x".repeat(65), false),
        ] {
            assert_eq!(text.parse::<IamUser>().is_ok(), good, "{text}");
        }
    }

    #[test]
    fn arns_of_any_partition_are_read() {
        for (text, good) in [
            (
                "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/a-b1C2d3",
                true,
            ),
            (
                "arn:aws-us-gov:secretsmanager:us-gov-west-1:111122223333:secret:x",
                true,
            ),
            ("llm/agent-billing", false),
            ("arn:aws:s3:::bucket", false),
        ] {
            assert_eq!(text.parse::<SecretArn>().is_ok(), good, "{text}");
        }
    }
}
