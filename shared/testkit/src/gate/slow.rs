//! Calls that take their time, and when each was made: for measuring what a caller waits for.

use std::time::Duration;

use tokio::time::Instant;

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
    /// When it had its answer; `None` if it never had.
    pub ended: Option<Instant>,
}

impl Gate {
    /// From now on every call takes as much of tokio's time more as `latency` says for its name, beside what else it was
    /// told to meet. Calls that are made at once take it at once. What was timed before is forgotten.
    pub fn slow_down(&self, latency: impl Fn(&'static str) -> Duration + Send + 'static) {
        self.state().slow = Some(Slow {
            latency: Box::new(latency),
            timed: Vec::new(),
        });
    }

    /// The calls since they are slow, in the order in which they were begun.
    pub fn timed(&self) -> Vec<Timed> {
        let state = self.state();
        let slow = state.slow.as_ref();
        slow.map(|slow| slow.timed.clone()).unwrap_or_default()
    }

    /// Takes the call's time. What is returned tells the call apart from others.
    pub(super) async fn take_time(&self, call: &'static str) -> Option<usize> {
        let (number, latency) = {
            let mut state = self.state();
            let slow = state.slow.as_mut()?;
            slow.timed.push(Timed {
                call,
                begun: Instant::now(),
                ended: None,
            });
            (slow.timed.len() - 1, (slow.latency)(call))
        };
        tokio::time::sleep(latency).await;
        Some(number)
    }

    pub(super) fn took_time(&self, number: Option<usize>) {
        let mut state = self.state();
        let timed = state.slow.as_mut().map(|slow| &mut slow.timed);
        let timed = timed.zip(number).and_then(|(timed, n)| timed.get_mut(n));
        if let Some(timed) = timed {
            timed.ended = Some(Instant::now());
        }
    }
}

/// How many of the calls were waited for one after the other: the longest chain in which each began when the one before
/// had ended.
pub fn in_sequence(calls: &[Timed]) -> usize {
    let spans = calls
        .iter()
        .filter_map(|call| Some((call.ended?, call.begun)));
    let mut spans: Vec<(Instant, Instant)> = spans.collect();
    spans.sort_unstable();
    let mut until = None;
    let mut count = 0;
    for (ended, begun) in spans {
        if until.is_none_or(|until| begun >= until) {
            count += 1;
            until = Some(ended);
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_side_by_side_count_once() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let calls = |spans: &[(u64, u64)]| {
            let timed = |&(begun, ended): &(u64, u64)| Timed {
                call: "x",
                begun: at(begun),
                ended: Some(at(ended)),
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

    #[tokio::test(start_paused = true)]
    async fn a_slow_call_takes_its_time_and_is_timed() {
        let gate = Gate::default();
        gate.slow_down(|_| Duration::from_millis(20));
        assert_eq!(gate.pass("x", || 0, async { 7 }).await, 7);
        let [timed] = gate.timed()[..] else {
            panic!("one call");
        };
        let took = timed.ended.unwrap() - timed.begun;
        assert_eq!((timed.call, took), ("x", Duration::from_millis(20)));
        gate.slow_down(|_| Duration::ZERO);
        assert_eq!(gate.timed(), []);
    }
}
