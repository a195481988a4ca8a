//! Keys without names.
