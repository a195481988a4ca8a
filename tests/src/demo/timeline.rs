use jiff::Timestamp;
use jiff::tz::Offset;
use keyward_core::model::alert::Alert;

/// Writes what happens, a line each.
pub(super) struct Timeline<'a> {
    out: &'a mut (dyn FnMut(&str) + Send),
    alerts_told: usize,
}

impl<'a> Timeline<'a> {
    pub(super) fn new(out: &'a mut (dyn FnMut(&str) + Send)) -> Self {
        Self {
            out,
            alerts_told: 0,
        }
    }

    pub(super) fn line(&mut self, at: Timestamp, text: &str) {
        let time = Offset::UTC.to_datetime(at).strftime("%H:%M");
        (self.out)(&format!("{time}  {text}"));
    }

    /// Tells of the alerts that were not told of yet.
    pub(super) fn alerts(&mut self, at: Timestamp, alerts: &[Alert]) {
        for alert in &alerts[self.alerts_told..] {
            self.line(at, &format!("ALERT {}", alert.what));
        }
        self.alerts_told = alerts.len();
    }
}
