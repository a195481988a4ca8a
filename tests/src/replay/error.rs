//! Why a file is not replayed.

/// A file cannot be replayed. Nothing was run, and nothing of the file's values is in the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// It is longer than [`MAX_BYTES`](super::MAX_BYTES).
    #[error("the file has {0} bytes; {max} are read at most", max = super::MAX_BYTES)]
    TooLarge(usize),
    /// It is not JSON.
    #[error("the file is not JSON (line {line}, column {column})")]
    NotJson {
        /// Line of the first fault, from 1.
        line: usize,
        /// Column of the first fault, from 1.
        column: usize,
    },
    /// It is recognised, and belongs to a part that is not there yet.
    #[error("the file is {what}: it joins with {part}")]
    Later {
        /// What it was recognised as.
        what: &'static str,
        /// What it waits for.
        part: &'static str,
    },
    /// It is JSON of a shape that no part takes.
    #[error("the file is none of the known forms: {0}")]
    Unknown(&'static str),
    /// A known form, with a field that is not as it must be.
    #[error("field `{field}` is not as it must be: {why}")]
    Field {
        /// The field.
        field: &'static str,
        /// What it must be.
        why: &'static str,
    },
    /// The fleet of `--seed` cannot be used.
    #[error("the fleet cannot be used: {0}")]
    Fleet(String),
    /// The slot could not be registered as the file has it.
    #[error("the slot cannot be registered: {0}")]
    Register(String),
}
