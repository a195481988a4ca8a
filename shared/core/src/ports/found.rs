//! What is found of a key beside the list of keys.

use jiff::Timestamp;

use super::{KeyRecord, PageToken};
use crate::model::names::KeyHandle;
use crate::model::text::OutsideText;

/// How the key with a given text is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookUp {
    /// By what the list shows of texts: see [`KeyProvider::fits`](super::KeyProvider::fits).
    ByTheList,
    /// It is this one, or none in that scope.
    Is(Option<Box<KeyRecord>>),
}

/// A key that was deleted, and that the provider keeps for a while: refused, listed no more, but not gone for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// What it was named by.
    pub handle: KeyHandle,
    /// Its name.
    pub label: OutsideText,
    /// Until when it could be brought back; `None` if the provider does not tell.
    pub until: Option<Timestamp>,
}

/// One page of a list of deleted keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GonePage {
    /// The keys on it.
    pub keys: Vec<Gone>,
    /// The next page; `None` on the last.
    pub next: Option<PageToken>,
}
