//! The main job on embedded parts: three agents, their keys rotated twice, old keys drained, revoked and confirmed
//! dead, while the agents work on. The functions are the deployed ones; the provider is a simulator over HTTP.

mod agents;
mod deployment;
mod timeline;
mod totals;

use jiff::SignedDuration;
use keyward_core::ports::Clock;

use agents::Agents;
use deployment::Deployment;
use timeline::Timeline;
pub use totals::Totals;

/// A deliberate fault, to see that the demo notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// Old keys get no overlap.
    Overlap,
    /// The inventory forgets the intent to create a key.
    Intent,
}

impl std::str::FromStr for Break {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "overlap" => Ok(Self::Overlap),
            "intent" => Ok(Self::Intent),
            other => Err(format!(
                "`{other}` is nothing to break; known are overlap and intent"
            )),
        }
    }
}

/// When each slot is rotated, in minutes from the start.
const ROTATIONS: [(i64, usize); 6] = [(15, 0), (40, 1), (75, 2), (480, 0), (500, 1), (520, 2)];

/// How long the demo's time runs: the last overlap, the straggler's extra hours and the confirmations fit in.
const MINUTES: i64 = 840;

/// Runs the demo, writing each line of its timeline to `out`. What it counted is read off the simulator's log and key
/// list at the end.
pub async fn run(fault: Option<Break>, out: &mut (dyn FnMut(&str) + Send)) -> Totals {
    let deployment = Deployment::start(fault).await;
    let mut timeline = Timeline::new(out);
    let mut agents = Agents::new(&deployment);
    deployment.register_all(&mut timeline).await;
    for minute in 0..MINUTES {
        for (_, slot) in ROTATIONS.iter().filter(|(at, _)| *at == minute) {
            deployment.rotate(*slot, &mut timeline).await;
        }
        agents.minute(&deployment, minute, &mut timeline).await;
        if minute % 5 == 0 {
            deployment.retire(&mut timeline).await;
        }
        deployment.clock.advance(SignedDuration::from_mins(1));
    }
    timeline.line(deployment.clock.now(), "the day is over");
    Totals::read(&deployment).await
}
