//! What every implementation of a port must do, the stand-in as well as the real one: one suite for each port.

pub mod provider;
