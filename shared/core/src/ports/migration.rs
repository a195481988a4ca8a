//! Bringing a store from one schema to the next.

use async_trait::async_trait;
use serde::Serialize;

use super::{InventoryError, PageToken};
use crate::model::text::OutsideText;

/// Brings the items of a store to the schema of this release.
#[async_trait]
pub trait Migration: Send + Sync {
    /// Looks at one page of items; with [`Pass::Write`] those of the schema before are written anew, unless somebody
    /// writes them meanwhile. May be repeated.
    ///
    /// # Errors
    /// [`MigrationError`].
    async fn page(
        &self,
        from: Option<&PageToken>,
        pass: Pass,
    ) -> Result<MigratedPage, MigrationError>;
}

/// Why items were not brought to the schema of this release.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The deployment still has the schema before written, so that the release before can take over. A person has to
    /// change that first. Nothing was written.
    #[error("this deployment still writes schema {writes}, and this release's is {own}")]
    WritesBefore {
        /// What is written.
        writes: u32,
        /// This release's own.
        own: u32,
    },
    /// Some of the page may have been written. Do it again.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
}

/// What a pass over the items does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Nothing is written.
    Look,
    /// Items of the schema before are written anew.
    Write,
}

/// What was seen and done on one page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MigratedPage {
    /// All items on it.
    pub items: u64,
    /// Those that are still of the schema before.
    pub of_before: u64,
    /// Those that were written anew.
    pub written: u64,
    /// Those that this release cannot read. They are left as they are.
    pub unreadable: Vec<Unreadable>,
    /// The next page; `None` on the last.
    pub next: Option<PageToken>,
}

/// An item that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// Its key in the table.
    pub key: OutsideText,
    /// What is wrong with it.
    pub why: OutsideText,
}
