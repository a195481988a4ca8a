//! Calls that take their time, and when each was made: for measuring what a caller waits for.

use std::time::{Duration, Instant};

use super::Gate;

/// How long a call takes, by its name.
type Latency = Box<dyn Fn(&'static str) -> Duration + Send>;

/// How long calls take, and when each was made.
pub(super) struct Slow {
    latency: Latency,
    timed: Vec<Timed>,
}

/// When a call was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timed {
    /// The call's name.
    pub call: &'static str,
    /// When its caller began to wait.
    pub begun: Instant,
    /// When it had its answer.
    pub ended: Instant,
}

impl Gate {
    /// From now on every call takes as much real time more as `latency` says for its name.
    pub fn slow_down(&self, latency: impl Fn(&'static str) -> Duration + Send + 'static) {
        *self.state() = super::State {
            slow: Some(Slow {
                latency: Box::new(latency),
                timed: Vec::new(),
            }),
            ..super::State::default()
        };
    }

    /// The calls since they are slow or this was last asked, in the order in which they ended.
    pub fn take_timed(&self) -> Vec<Timed> {
        let mut state = self.state();
        let timed = state.slow.as_mut().map(|slow| &mut slow.timed);
        timed.map(std::mem::take).unwrap_or_default()
    }

    pub(super) fn latency(&self, call: &'static str) -> Option<Duration> {
        Some((self.state().slow.as_ref()?.latency)(call))
    }

    pub(super) async fn take_time<T>(
        &self,
        call: &'static str,
        latency: Duration,
        work: impl Future<Output = T>,
    ) -> T {
        let begun = now();
        tokio::time::sleep(latency).await;
        let done = work.await;
        if let Some(slow) = &mut self.state().slow {
            slow.timed.push(Timed {
                call,
                begun,
                ended: now(),
            });
        }
        done
    }
}

/// How many of the calls were waited for one after the other: the longest chain in which each began when the one before
/// had ended.
pub fn in_sequence(calls: &[Timed]) -> usize {
    let mut calls: Vec<&Timed> = calls.iter().collect();
    calls.sort_by_key(|call| call.ended);
    let mut until = None;
    let mut count = 0;
    for call in calls {
        if until.is_none_or(|until| call.begun >= until) {
            count += 1;
            until = Some(call.ended);
        }
    }
    count
}

#[expect(
    clippy::disallowed_methods,
    reason = "it measures time that really passes"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_side_by_side_count_once() {
        let start = now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let calls = |spans: &[(u64, u64)]| {
            let timed = |&(begun, ended): &(u64, u64)| Timed {
                call: "x",
                begun: at(begun),
                ended: at(ended),
            };
            spans.iter().map(timed).collect::<Vec<_>>()
        };
        for (name, spans, expected) in [
            ("none", &[][..], 0),
            ("one after the other", &[(0, 20), (20, 40), (41, 61)], 3),
            ("side by side", &[(0, 20), (1, 21), (5, 20)], 1),
            ("two rounds", &[(0, 20), (0, 25), (25, 45), (26, 40)], 2),
            (
                "a long one beside two short",
                &[(0, 50), (0, 20), (21, 40)],
                2,
            ),
        ] {
            assert_eq!(in_sequence(&calls(spans)), expected, "{name}");
        }
    }

    #[tokio::test]
    async fn a_slow_call_takes_its_time_and_is_timed() {
        let gate = Gate::default();
        gate.slow_down(|_| Duration::from_millis(2));
        assert_eq!(gate.pass("x", || 0, async { 7 }).await, 7);
        let timed = gate.take_timed();
        assert_eq!(timed.len(), 1);
        assert!(timed[0].ended - timed[0].begun >= Duration::from_millis(2));
        assert_eq!(gate.take_timed(), []);
    }
}
