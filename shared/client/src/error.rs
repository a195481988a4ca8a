//! Why there is no key, for programs and for people.

use std::sync::Arc;
use std::time::Duration;

use crate::settings::Environment;
use crate::source::VersionId;

/// Why one fetch brought no key. Nothing of a secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Secrets Manager answers with an error that passes, a throttle among them.
    #[error("Secrets Manager cannot answer now ({code})")]
    Busy {
        /// AWS's code.
        code: String,
    },
    /// It did not answer in time, or could not be reached.
    #[error("Secrets Manager was not reached: {0}")]
    Unreachable(String),
    /// It answered nothing that can be read.
    #[error("Secrets Manager's answer could not be read")]
    NoAnswer,
    /// It refuses. A person must mend what stands in the way.
    #[error("Secrets Manager refuses ({code}): {message}")]
    Refused {
        /// AWS's code: `AccessDeniedException`, `ResourceNotFoundException` and others.
        code: String,
        /// AWS's words, cleaned and cut.
        message: String,
    },
    /// There are no AWS credentials.
    #[error("there are no AWS credentials that Secrets Manager could be asked with")]
    NoCredentials,
    /// A key of production was asked for outside of it.
    #[error(
        "the secret is one of production, and this process runs in {0}; if it is not, its tag keyward:environment must say dev or staging"
    )]
    Production(Environment),
    /// The secret is not the slot's.
    #[error("no one secret has the tag keyward:slot of this slot: {0} have")]
    NotOne(usize),
    /// What the secret holds cannot be used.
    #[error(transparent)]
    Unusable(#[from] Unusable),
}

/// Why a secret's value cannot be used. Nothing of the value is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Bytes.
    #[error("the secret is binary; a key stands there as text, or in a JSON object")]
    Binary,
    /// Nothing.
    #[error("the secret is empty")]
    Empty,
    /// Broken JSON.
    #[error("the secret begins like JSON and is none (line {line}, column {column})")]
    BrokenJson {
        /// Line of the first fault, from 1.
        line: usize,
        /// Column of the first fault, from 1.
        column: usize,
    },
    /// JSON, and no object.
    #[error("the secret is JSON and no object")]
    NotAnObject,
    /// The field is not there, or no text.
    #[error("the secret has no text in its field `{0}`; which field holds the key can be told")]
    NoField(String),
    /// The field is there twice.
    #[error("the secret has its field `{0}` more than once")]
    Twice(String),
}

impl FetchError {
    /// Whether the same fetch can succeed later without anybody's doing. Exhaustive on purpose.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Busy { .. } | Self::Unreachable(_) | Self::NoAnswer => true,
            Self::Refused { .. }
            | Self::NoCredentials
            | Self::Production(_)
            | Self::NotOne(_)
            | Self::Unusable(_) => false,
        }
    }

    /// What whoever reads it does next.
    pub fn next(&self) -> &'static str {
        match self {
            Self::Busy { .. } | Self::Unreachable(_) | Self::NoAnswer => {
                "it is tried again by itself; if it lasts, look at the network and at AWS's health page"
            }
            Self::Refused { code, .. } if code == "ResourceNotFoundException" => {
                "look at the secret's name, region and account, and whether it was deleted: keyward status"
            }
            Self::Refused { .. } => {
                "look at the role of this process: it needs the stack's AgentPolicy, and the tag keyward:slot of its slot"
            }
            Self::NoCredentials => "give this process an IAM role",
            Self::Production(_) => "use a slot of this environment, or run where production runs",
            Self::NotOne(_) => {
                "look at the slot's secret: keyward status; or name the secret itself"
            }
            Self::Unusable(_) => "look at what the slot's secret holds: keyward doctor",
        }
    }
}

/// There is no key. None that is older than its lease is ever given out instead.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeyError {
    /// None was fetched since this process began, or since the last one was wiped.
    #[error("{of}: no key could be fetched ({cause}); none was used; {}", .cause.next())]
    None {
        /// The slot or the secret.
        of: Arc<str>,
        /// What the last fetch ended with.
        cause: FetchError,
    },
    /// The last one is past its lease.
    #[error(
        "{of}: the key of version {version} was fetched {age:?} ago, its lease of {lease:?} is over, and no other could be fetched ({cause}); it is used no more, since it may be revoked; {}",
        .cause.next()
    )]
    LeaseOver {
        /// The slot or the secret.
        of: Arc<str>,
        /// Which version it is of.
        version: VersionId,
        /// How old it is.
        age: Duration,
        /// How long it could be used.
        lease: Duration,
        /// What the last fetch ended with.
        cause: FetchError,
    },
    /// Whoever asked waited as long as they would.
    #[error(
        "{of}: Secrets Manager has not answered within {waited:?}; no key was used; it is asked on, and the next call may find one"
    )]
    Waited {
        /// The slot or the secret.
        of: Arc<str>,
        /// How long.
        waited: Duration,
    },
    /// A key that was held on to is past its lease.
    #[error(
        "{of}: this key of version {version} was fetched {age:?} ago and is past its lease; it may be revoked: ask for the key anew with each call"
    )]
    HeldTooLong {
        /// The slot or the secret.
        of: Arc<str>,
        /// Which version it is of.
        version: VersionId,
        /// How old it is.
        age: Duration,
    },
}

impl KeyError {
    /// Whether asking again later can bring a key without anybody's doing.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::None { cause, .. } | Self::LeaseOver { cause, .. } => cause.is_transient(),
            Self::Waited { .. } | Self::HeldTooLong { .. } => true,
        }
    }
}

/// Text from outside, fit for one line: control characters become spaces, and the rest is cut.
pub(crate) fn clean(text: &str) -> String {
    const MOST: usize = 256;
    let unfit = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let letters = text.chars().take(MOST);
    letters.map(|c| if unfit(c) { ' ' } else { c }).collect()
}
