//! What keys used and cost, as their provider tells it.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::provider::{PageToken, ProviderError};
use crate::model::money::MicroDollars;
use crate::model::names::KeyHandle;
use crate::model::slot::Scope;
use crate::model::text::OutsideText;

/// A provider's reports of usage and cost. One query covers every key of a place: it is never asked key by key where
/// the provider can group.
#[async_trait]
pub trait UsageReports: Send + Sync {
    /// What can be asked.
    fn reporting(&self) -> Reporting;

    /// One page of what the keys in `scope` used.
    ///
    /// # Errors
    /// [`ProviderError::Unsupported`] where usage is not told, or not so finely. A page that cannot be read is an error,
    /// never an empty page: not seen is not zero.
    async fn usage(
        &self,
        scope: &Scope,
        window: &Window,
        page: Option<&PageToken>,
    ) -> Result<UsagePage, ProviderError>;

    /// One page of what the keys in `scope` cost.
    ///
    /// # Errors
    /// As for [`usage`](Self::usage).
    async fn costs(
        &self,
        scope: &Scope,
        window: &Window,
        page: Option<&PageToken>,
    ) -> Result<CostPage, ProviderError>;
}

/// What a provider tells, at its finest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reporting {
    /// Requests and tokens by key, in buckets of this width; `None`: not told by key.
    pub usage: Option<Width>,
    /// Money by key, in buckets of this width; `None`: not told by key.
    pub costs: Option<Width>,
}

/// How long a bucket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Width {
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day, from midnight UTC.
    Day,
}

impl Width {
    /// The length of a bucket.
    pub const fn duration(self) -> SignedDuration {
        match self {
            Self::Minute => SignedDuration::from_mins(1),
            Self::Hour => SignedDuration::from_hours(1),
            Self::Day => SignedDuration::from_hours(24),
        }
    }
}

/// What is asked for: the buckets that begin from `from` on and before `until`. Those that have not begun are in no
/// report, and the latest may still grow, for hours where a provider counts late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first moment.
    pub from: Timestamp,
    /// The moment after the last.
    pub until: Timestamp,
    /// How long the buckets are.
    pub width: Width,
}

/// How a report names a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ByKey {
    /// By the key's own id: the last of a handle's.
    Id(OutsideText),
    /// The report names no key: a console, another credential, or a key that is long gone.
    Unnamed,
}

impl ByKey {
    /// Whether it names this key.
    pub fn is(&self, handle: &KeyHandle) -> bool {
        match self {
            Self::Id(id) => handle.as_str().rsplit('/').next() == Some(id.as_str()),
            Self::Unnamed => false,
        }
    }
}

/// What one key used of one model in one bucket. Rows of one report add up: there may be several of the same key, model
/// and bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Whose it is.
    pub key: ByKey,
    /// The model; `None` where the report does not tell.
    pub model: Option<OutsideText>,
    /// When the bucket began.
    pub from: Timestamp,
    /// Calls; `None` is not told.
    pub requests: Option<u64>,
    /// Tokens.
    pub tokens: Tokens,
}

/// Tokens of the four kinds that are priced apart. `None` is not told, never zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Read by the model, cached ones left out.
    pub input: Option<u64>,
    /// Written by the model.
    pub output: Option<u64>,
    /// Read from a cache.
    pub cache_read: Option<u64>,
    /// Written to a cache.
    pub cache_write: Option<u64>,
}

/// What one key cost in one bucket. Rows of one report add up, as those of [`Usage`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// Whose it is.
    pub key: ByKey,
    /// When the bucket began.
    pub from: Timestamp,
    /// The money.
    pub amount: MicroDollars,
}

/// One page of usage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsagePage {
    /// The rows, in no order.
    pub rows: Vec<Usage>,
    /// The next page; `None` on the last.
    pub next: Option<PageToken>,
}

/// One page of cost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CostPage {
    /// The rows, in no order.
    pub rows: Vec<Cost>,
    /// The next page; `None` on the last.
    pub next: Option<PageToken>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_by_the_last_part_of_its_handle() {
        let named = ByKey::Id(OutsideText::new("key_EXAMPLE"));
        for (handle, is_it) in [
            ("key_EXAMPLE", true),
            ("proj_EXAMPLE/-/key_EXAMPLE", true),
            ("key_EXAMPLE/other", false),
            ("xkey_EXAMPLE", false),
        ] {
            let handle = handle.parse().unwrap();
            assert_eq!(named.is(&handle), is_it, "{handle}");
            assert!(!ByKey::Unnamed.is(&handle));
        }
    }
}
