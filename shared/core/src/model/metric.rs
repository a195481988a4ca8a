//! The metrics that Keyward puts: how far each slot is from its line, and that the monitor runs.

use jiff::Timestamp;

use super::names::SlotName;

/// The namespace of all of them.
pub const NAMESPACE: &str = "Keyward";

/// The dimension that names the deployment. All of them have it.
pub const STACK: &str = "Stack";

/// The dimension that names the slot.
pub const SLOT: &str = "Slot";

/// The metric of [`KillScore`], with the dimensions [`STACK`] and [`SLOT`]. Its alarm reads the maximum of a minute, so
/// that a value which is put twice counts once.
pub const KILL_SCORE: &str = "KillScore";

/// The metric that says that the monitor ran, with the dimension [`STACK`] alone: 1 each time. Its alarm is set off where
/// there is none.
pub const HEARTBEAT: &str = "Heartbeat";

/// How far one slot is from being cut off, at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KillScore {
    /// The slot.
    pub slot: SlotName,
    /// Its score in thousandths; from [`KillScore::LINE`] on it is to be cut off.
    pub thousandths: u32,
    /// When it was judged. CloudWatch takes times up to two weeks ago and two hours ahead:
    /// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html>.
    pub at: Timestamp,
}

impl KillScore {
    /// From this score on, in thousandths, a slot is to be cut off.
    pub const LINE: u32 = 1000;

    /// The score as the metric's value.
    pub fn value(&self) -> f64 {
        f64::from(self.thousandths) / 1000.0
    }
}
