//! Whether a slot's usage is abuse. Pure: buckets of five minutes in, findings out, in whole numbers throughout.
//!
//! With `S(w)` what was spent over the last 1, 6 or 24 hours, `mean` the bucket on the mean of the seven days that ended a
//! day ago, `B(w)` that times the buckets of `w`, `P(w)` the largest `S(w)` on record that ended a day ago or before,
//! `E` the declared normal day and `N` the larger of `E` and the mean day:
//!
//! | | kill | alert |
//! | --- | --- | --- |
//! | 1. `S(w) >` | 2 B(w) | 1.5 B(w) |
//! | 2. and `S(w) >` the smaller of P(w) + $250 and P(w) times | 3, 2, 1.5 | 2, 1.5, 1.15 |
//! | 3. and `S(w) - B(w) >` the larger of a floor and N times | 0.5, 0.75, 1 | 0.25, 0.35, 0.5 |
//! | 4. and the last 15 minutes are above, times the mean, | 2 | 1.5 |
//! | floor | $25 | $10 |
//! | without a baseline: S(24 h) > the larger of the floor and the smaller of E + $250 and E times; and any spend in the last 15 minutes | 3 | 2 |
//!
//! A slot has a baseline when it was used on at least 5 of the last 14 whole days and a normal day costs a cent or more.
//! A theft does not raise its own measure: everything normal ends a day ago. An incident, from its first alert up to the
//! containment, never becomes normal unless a person says so, and sums begin at zero after it.
//!
//! Where the last hour's requests are far larger than nearly all of the last 14 days (tokens per request above three times
//! the 99th percentile, 20 requests at least), a slot with a baseline is judged by half of the factors of P(w) and of N.
//! Why this sign counts and others do not: the README of `keyward-backtest`.
//!
//! A rate of requests is told when it is above 150 % of the mean *and* above any hour on record: the mean alone would tell
//! of every working day's noon.

mod column;
mod finding;
mod foreseen;
mod form;
mod month;
mod recent;
mod requests;
mod settings;
mod watch;

pub use finding::{Act, BLIND, Finding, Measured, OtherCalls, Rule, blind};
pub use foreseen::{Foreseen, Past, foresee};
pub use form::Score;
pub use settings::Limits;
pub use watch::{Assessment, Hour, Judgement, Memory, Settled, Watch, normal_day};

#[cfg(test)]
mod tests;
