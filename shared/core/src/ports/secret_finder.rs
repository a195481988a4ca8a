//! Secrets of an account that nobody has told us of.

use async_trait::async_trait;
use jiff::Timestamp;

use super::lists::{ListError, ListPage};
use super::provider::PageToken;
use crate::model::key::ApiKey;
use crate::model::names::SecretArn;
use crate::model::text::OutsideText;

/// A secret with what people wrote beside it, without its value:
/// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_SecretListEntry.html>.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundSecret {
    /// Its ARN.
    pub arn: SecretArn,
    /// Its name.
    pub name: OutsideText,
    /// What it is for, by whoever made it.
    pub description: OutsideText,
    /// Its tags.
    pub tags: Vec<(OutsideText, OutsideText)>,
    /// Whether rotation is on.
    pub rotates: bool,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// On which day it was last read; `None` if it never was, or not lately.
    pub last_read: Option<Timestamp>,
    /// When its deletion was asked for; `None` if it was not.
    pub deleted: Option<Timestamp>,
}

/// Finds secrets.
#[async_trait]
pub trait SecretFinder: Send + Sync {
    /// One page of the secrets of the account and region.
    ///
    /// # Errors
    /// [`ListError`].
    async fn found(&self, after: Option<&PageToken>) -> Result<ListPage<FoundSecret>, ListError>;

    /// The whole value of a secret, whatever is in it, kept as if it were a key; `None` if it has none, or one that is no
    /// text.
    ///
    /// # Errors
    /// [`ListError`].
    async fn text(&self, secret: &SecretArn) -> Result<Option<ApiKey>, ListError>;
}
