//! What is found in an account that has never seen Keyward. No key text is in it.

use jiff::Timestamp;
use serde::Serialize;

use super::audit::Seen;
use super::finding::ShownHandle;
use super::names::{AccountName, SecretArn};
use super::slot::ProviderName;
use super::text::OutsideText;

/// What there is to read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The list of secrets.
    Secrets,
    /// Policies of secrets that may hold keys.
    Policies,
    /// Values of secrets.
    Values,
    /// Variables of Lambda functions.
    Functions,
    /// IAM's credentials for Bedrock.
    Iam,
    /// The keys of a provider account.
    Keys(AccountName),
    /// The same where they are listed place by place, and a place has to be known first: OpenAI's and Gemini's projects.
    Projects(AccountName),
}

impl Place {
    /// What reading it takes: a permission, or what has to be known.
    pub const fn permission(&self) -> &'static str {
        match self {
            Self::Secrets => "secretsmanager:ListSecrets",
            Self::Policies => "secretsmanager:GetResourcePolicy",
            Self::Values => "secretsmanager:GetSecretValue, and kms:Decrypt on the secret's key",
            Self::Functions => "lambda:ListFunctions, and kms:Decrypt on the functions' keys",
            Self::Iam => "iam:ListServiceSpecificCredentials",
            Self::Keys(_) => "secretsmanager:GetSecretValue on the account's read secret",
            Self::Projects(_) => "a project's name: keyward import ACCOUNT --project PROJECT",
        }
    }
}

/// In words.
impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Secrets => f.write_str("the list of secrets"),
            Self::Policies => f.write_str("the policies of secrets"),
            Self::Values => f.write_str("the values of secrets"),
            Self::Functions => f.write_str("the variables of Lambda functions"),
            Self::Iam => f.write_str("IAM's credentials for Bedrock"),
            Self::Keys(account) => write!(f, "the keys of {account}"),
            Self::Projects(account) => write!(f, "the keys of {account}, project by project"),
        }
    }
}

/// How it is told that something holds a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// The text itself begins as keys do.
    ByText,
    /// What people called it says so.
    ByName,
}

/// What a key can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Power {
    /// It calls models.
    Calls,
    /// It makes and ends other keys.
    Administers,
}

/// Why something is taken for a place of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Clue {
    /// Whose key; `None` where that is not told.
    pub provider: Option<ProviderName>,
    /// How that is told.
    pub told: Told,
    /// What the key can do, as far as its text says.
    pub power: Power,
    /// In words.
    pub why: String,
}

/// A secret that holds a key, by all that can be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HoldingSecret {
    /// Its ARN.
    pub arn: SecretArn,
    /// Its name.
    pub name: OutsideText,
    /// Why it is taken for one.
    #[serde(flatten)]
    pub clue: Clue,
    /// The slot that its tag names: Keyward looks after it already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot: Option<OutsideText>,
    /// Where the agent runs, as far as names say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<super::slot::Environment>,
    /// Whether rotation is on.
    pub rotates: bool,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// On which day it was last read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_read: Option<Timestamp>,
    /// Who may read it by its resource policy, beside what IAM allows.
    pub readable_by: Vec<String>,
}

/// A variable of a function that holds a key, by all that can be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HoldingVariable {
    /// The function's ARN.
    pub function: OutsideText,
    /// The published version; absent for what is edited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<OutsideText>,
    /// The variable's name.
    pub variable: OutsideText,
    /// Why it is taken for one.
    #[serde(flatten)]
    pub clue: Clue,
}

/// A user of IAM with keys for Bedrock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HoldingUser {
    /// Its name.
    pub user: OutsideText,
    /// How many keys.
    pub keys: usize,
    /// How many of them have no end.
    pub without_end: usize,
}

/// A key that a provider lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedKey {
    /// What names it there.
    pub handle: ShownHandle,
    /// Its name there; what looks like a key in it is cut.
    pub label: OutsideText,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// When it was last used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used: Option<Timestamp>,
}

/// What a provider account lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedAccount {
    /// The account.
    pub account: AccountName,
    /// Whose.
    pub provider: ProviderName,
    /// How many keys it lists.
    pub listed: usize,
    /// Those that no secret and no variable holds that was read; absent where values were not read, so that nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_nowhere: Option<Vec<ListedKey>>,
}

/// All that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Discovery {
    /// How many secrets there are.
    pub secrets_listed: usize,
    /// How many functions and published versions there are.
    pub functions_listed: usize,
    /// Secrets that hold keys.
    pub secrets: Vec<HoldingSecret>,
    /// Variables that do.
    pub variables: Vec<HoldingVariable>,
    /// IAM's users that have keys for Bedrock.
    pub users: Vec<HoldingUser>,
    /// Provider accounts.
    pub accounts: Vec<ListedAccount>,
    /// Places that have the same key, group by group.
    pub same: Vec<Vec<OutsideText>>,
    /// How much of each place was read.
    pub coverage: Vec<(Place, Seen)>,
}

impl Discovery {
    /// Whether all of it was read that was asked for.
    pub fn is_complete(&self) -> bool {
        self.coverage.iter().all(|(_, seen)| seen.is_whole())
    }
}
