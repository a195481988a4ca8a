//! Keys made up for tests.

use crate::DAY;
use crate::key::Key;
use crate::traces::Traffic;

/// What a mean day costs follows from the name.
fn traffic(name: &str, requests: impl Fn(usize) -> f64, sizes: Vec<f64>) -> Key {
    let requests = (0..14 * DAY).map(requests).collect();
    let traffic = Traffic {
        name: name.to_owned(),
        requests,
        sizes,
    };
    Key::new(&traffic).expect("there are more than ten days, and requests")
}

/// 14 days of this traffic, $9 a day.
pub(crate) fn key(requests: impl Fn(usize) -> f64) -> Key {
    traffic("made-up-7", requests, Vec::new())
}

/// The same in every bucket, $100 a day in requests of 1,000 tokens.
pub(crate) fn sized_key() -> Key {
    traffic("made-up-9", |_| 1.0, vec![1_000.0; 14 * 24])
}
