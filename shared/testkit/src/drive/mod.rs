//! Drivers that try an operation in every way it can be repeated, cut off or run beside others.

mod interleave;

pub use interleave::{Schedule, Task, Turn, interleave};

use std::sync::Arc;

use crate::gate::{Cut, Gate};

/// One way in which an operation was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// The number of the call, from zero.
    pub number: usize,
    /// The call's name.
    pub call: &'static str,
    /// What was done to it; `None` where something else happened before it instead.
    pub cut: Option<Cut>,
}

/// A fresh world for each try, the operation under test, and what must hold afterwards.
#[expect(async_fn_in_trait, reason = "used with one executor, in tests")]
pub trait Scenario {
    /// What one try works on.
    type World;

    /// A world that is ready for the operation; its ports pass `gate`.
    async fn world(&self, gate: &Arc<Gate>) -> Self::World;

    /// The operation. Its error is part of what may happen.
    async fn operation(&self, world: &Self::World);

    /// Goes on as the outside would after the operation was cut off, then checks every rule.
    async fn recover_and_check(&self, world: &Self::World, point: Option<Point>);
}

/// Runs the operation once, and says which calls it made.
pub async fn calls_of(scenario: &impl Scenario) -> Vec<&'static str> {
    let gate = Arc::new(Gate::default());
    let world = scenario.world(&gate).await;
    gate.record();
    scenario.operation(&world).await;
    let (calls, _) = gate.disarm();
    scenario.recover_and_check(&world, None).await;
    calls
}

/// Cuts the operation off at each of its calls in each way. Returns how many points were tried, which is three for each
/// recorded call.
///
/// # Panics
/// If a point was not reached: then the operation is not the same each time.
pub async fn crash_at_every_call(scenario: &impl Scenario) -> usize {
    let calls = calls_of(scenario).await;
    let mut ran = 0;
    for (number, call) in calls.iter().copied().enumerate() {
        for cut in Cut::ALL {
            let gate = Arc::new(Gate::default());
            let world = scenario.world(&gate).await;
            gate.arm(number, cut);
            let stopped = gate
                .until_stopped(scenario.operation(&world))
                .await
                .is_none();
            let (_, fired) = gate.disarm();
            assert_eq!(
                fired,
                Some(call),
                "the cut fell on another call than was recorded"
            );
            assert_eq!(stopped, cut != Cut::AnswerLost, "{call} {cut:?}");
            scenario
                .recover_and_check(
                    &world,
                    Some(Point {
                        number,
                        call,
                        cut: Some(cut),
                    }),
                )
                .await;
            ran += 1;
        }
    }
    assert_eq!(ran, calls.len() * Cut::ALL.len());
    ran
}

/// Lets `event` happen before each call of the operation. Returns how many points were tried.
///
/// # Panics
/// If a point was not reached.
pub async fn disturb_before_every_call<S: Scenario>(
    scenario: &S,
    event: impl Fn(&S::World) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>>,
) -> usize {
    let calls = calls_of(scenario).await;
    for (number, call) in calls.iter().copied().enumerate() {
        let gate = Arc::new(Gate::default());
        let world = scenario.world(&gate).await;
        gate.before(number, event(&world));
        scenario.operation(&world).await;
        let (_, fired) = gate.disarm();
        assert_eq!(
            fired,
            Some(call),
            "the event fell on another call than was recorded"
        );
        scenario
            .recover_and_check(
                &world,
                Some(Point {
                    number,
                    call,
                    cut: None,
                }),
            )
            .await;
    }
    calls.len()
}
