//! Two keys at most.
