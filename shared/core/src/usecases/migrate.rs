//! Bringing the inventory to the schema of this release, page by page, after an upgrade. And a look at every item, whether
//! this release can read it: before an upgrade, or after a table was put back.

use jiff::SignedDuration;
use serde::Serialize;

use crate::ports::{Clock, Deadline, Migration, MigrationError, PageToken, Pass, Unreadable};

/// Time kept back for the page at hand: each of its items may be written.
const MARGIN: SignedDuration = SignedDuration::from_secs(15);

/// Items that cannot be read are named up to so many; all are counted.
pub const NAMED: usize = 50;

/// What was seen and done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Migrated {
    /// All items that were looked at.
    pub items: u64,
    /// Those that are still of the schema before: nothing was to be written, or somebody else wrote them meanwhile.
    pub of_before: u64,
    /// Those that were written anew.
    pub written: u64,
    /// Those that cannot be read, and were left as they are.
    pub unreadable: u64,
    /// The first of those.
    pub named: Vec<Unreadable>,
    /// Where to go on; `None` if the end was reached.
    pub next: Option<PageToken>,
}

/// Goes over the items from `from` on while there is time. At least one page is done, so that calls come to an end.
///
/// # Errors
/// [`MigrationError`]; what was written stays, and the same call may be repeated.
pub async fn migrate(
    items: &dyn Migration,
    clock: &dyn Clock,
    from: Option<PageToken>,
    pass: Pass,
    deadline: Deadline,
) -> Result<Migrated, MigrationError> {
    let mut done = Migrated {
        next: from,
        ..Migrated::default()
    };
    loop {
        let page = items.page(done.next.as_ref(), pass).await?;
        done.items += page.items;
        done.of_before += page.of_before;
        done.written += page.written;
        done.unreadable += page.unreadable.len() as u64;
        let room = NAMED.saturating_sub(done.named.len());
        done.named.extend(page.unreadable.into_iter().take(room));
        done.next = page.next;
        if done.next.is_none() || !deadline.allows(clock, MARGIN) {
            return Ok(done);
        }
    }
}
