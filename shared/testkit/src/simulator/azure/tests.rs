//! What the simulated resource answers.
