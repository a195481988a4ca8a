//! Whoever watches a long reading.

/// What is read in an audit, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Which slots there are.
    Slots,
    /// What is around them: secrets, alarms, functions, IAM, people.
    Around,
    /// The keys that provider accounts list.
    Accounts,
    /// Each slot with its keys.
    Keys,
    /// Each secret, where nothing is known of slots yet.
    Secrets,
}

/// Is told how far a reading is. It decides nothing, and is told often: it must be quick.
pub trait Progress: Send + Sync {
    /// So many of so many are read.
    fn at(&self, stage: Stage, done: usize, all: usize);
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Progress for Unwatched {
    fn at(&self, _: Stage, _: usize, _: usize) {}
}
