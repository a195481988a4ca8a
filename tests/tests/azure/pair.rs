//! What only a pair of keys has.
