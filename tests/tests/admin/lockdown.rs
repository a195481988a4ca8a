//! A lockdown: every function stopped, every credential replaced in one go, and the way back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::SignedDuration;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{Concurrency, FunctionState, FunctionSwitch, ListError, Stage, Verdict};
use keyward_core::rules::rotation::RotationStep;
use keyward_core::usecases::Ports;
use keyward_core::usecases::admin::{ReplaceError, Replaced, Replacing, replace};
use keyward_core::usecases::lockdown::{self, FunctionDone, Switched};
use keyward_testkit::drive::{Point, Scenario, crash_at_every_call, disturb_before_every_call};
use keyward_testkit::gate::Gate;
use keyward_tests::support::{say, token};

use super::scene::{World, arn};

/// Replacing in one go, as a lockdown does: without the inventory.
pub(super) struct InOneGo;

impl InOneGo {
    pub(super) async fn replace(ports: &Ports, n: u32) -> Result<Replaced, ReplaceError> {
        let of = ports.providers.administered().remove(0);
        let driver = ports.providers.open(&of.account, of.provider).await?;
        let on = Replacing {
            secrets: ports.secrets.as_ref(),
            driver: driver.as_ref(),
            of: &of,
            break_glass: None,
            clock: ports.clock.as_ref(),
        };
        replace(&on, &token(n)).await
    }
}

impl Scenario for InOneGo {
    type World = World;

    /// A rotation was made before: its label AWSPENDING may stand where AWSCURRENT does.
    async fn world(&self, gate: &Arc<Gate>) -> World {
        let world = World::new(gate).await;
        world.rotate(&token(2)).await.unwrap();
        world
    }

    async fn operation(&self, world: &World) {
        let _ = Self::replace(&world.ports, 7).await;
    }

    async fn recover_and_check(&self, world: &World, point: Option<Point>) {
        let context = format!("in one go {point:?}");
        assert_eq!(
            world.accepts(&world.current()).await,
            Verdict::Live,
            "{context}"
        );
        let again = Self::replace(&world.open, 8).await;
        let again = again.unwrap_or_else(|error| panic!("{context}: {error:?}"));
        assert_eq!(again.pending, None, "{context}");
        // Else Secrets Manager begins no rotation any more.
        let holder = |stage| world.secrets.holder(&arn(), &stage);
        let pending = holder(Stage::Pending);
        assert!(
            pending.is_none() || pending == holder(Stage::Current),
            "{context}: {pending:?}"
        );
        let listed = world.listed().await;
        assert_eq!(listed.len(), 1, "{context}: {listed:?}");
        assert!(
            world.current().fits(listed[0].redacted.as_str()),
            "{context}"
        );
    }
}

#[tokio::test]
async fn crash_at_every_call_of_replacing_in_one_go() {
    let ran = crash_at_every_call(&InOneGo).await;
    say(format_args!("admin credential, in one go: {ran} points"));
    assert!(ran >= 3 * 9);
}

/// A step of a rotation that was under way when a lockdown came: it goes on to its end.
struct UnderWay(RotationStep);

impl Scenario for UnderWay {
    type World = World;

    async fn world(&self, gate: &Arc<Gate>) -> World {
        let world = World::new(gate).await;
        world.secrets.begin_rotation(&arn(), &token(2));
        let before = RotationStep::ALL.into_iter();
        for step in before.take_while(|step| *step != self.0) {
            world.step(&world.open, step, &token(2)).await.unwrap();
        }
        world
    }

    async fn operation(&self, world: &World) {
        let _ = world.step(&world.ports, self.0, &token(2)).await;
    }

    /// The lockdown is given again once nothing can be under way, and lifted: rotations go on, and nothing else is alive.
    async fn recover_and_check(&self, world: &World, point: Option<Point>) {
        let context = format!("{:?} {point:?}", self.0);
        world.clock.advance(SignedDuration::from_mins(15));
        let again = InOneGo::replace(&world.open, 8).await;
        again.unwrap_or_else(|error| panic!("{context}: {error:?}"));
        assert_eq!(
            world.accepts(&world.current()).await,
            Verdict::Live,
            "{context}"
        );
        let rotated = world.rotate(&token(9)).await;
        rotated.unwrap_or_else(|error| panic!("{context}: {error:?}"));
        world.live_through(SignedDuration::from_mins(150)).await;
        world.check_settled(&context).await;
    }
}

#[tokio::test]
async fn a_lockdown_between_any_two_calls_of_a_rotation() {
    for step in [
        RotationStep::Create,
        RotationStep::Test,
        RotationStep::Finish,
    ] {
        let lockdown = |world: &World| {
            let ports = world.open.clone();
            let replaced = async move { drop(InOneGo::replace(&ports, 7).await) };
            Box::pin(replaced) as std::pin::Pin<Box<dyn Future<Output = ()> + Send>>
        };
        let ran = disturb_before_every_call(&UnderWay(step), lockdown).await;
        say(format_args!(
            "admin credential, a lockdown before each call of {step:?}: {ran} points"
        ));
        assert!(ran >= 5, "{step:?}: {ran}");
    }
}

/// Functions as Lambda keeps them, some of which cannot be set.
#[derive(Default)]
struct Functions {
    state: Mutex<BTreeMap<String, FunctionState>>,
    denied: Mutex<Option<&'static str>>,
}

impl Functions {
    fn put(
        &self,
        function: &str,
        change: impl FnOnce(&mut FunctionState),
    ) -> Result<(), ListError> {
        if *self.denied.lock().unwrap() == Some(function) {
            return Err(ListError::Refused(OutsideText::new("not you")));
        }
        change(self.state.lock().unwrap().get_mut(function).unwrap());
        Ok(())
    }
}

#[async_trait]
impl FunctionSwitch for Functions {
    async fn state(&self, function: &str) -> Result<Option<FunctionState>, ListError> {
        Ok(self.state.lock().unwrap().get(function).cloned())
    }

    async fn remember(&self, function: &str, before: Concurrency) -> Result<(), ListError> {
        self.put(function, |state| state.before_lockdown = Some(before))
    }

    async fn forget(&self, function: &str) -> Result<(), ListError> {
        self.put(function, |state| state.before_lockdown = None)
    }

    async fn allow(&self, function: &str, concurrency: Concurrency) -> Result<(), ListError> {
        self.put(function, |state| state.concurrency = concurrency)
    }
}

#[tokio::test]
async fn a_lockdown_stops_every_function_and_its_way_back_restores_each() {
    let functions = Functions::default();
    for function in lockdown::FUNCTIONS
        .iter()
        .filter(|name| **name != "offboard")
    {
        let concurrency = match *function {
            "kill-switch" => Concurrency::Reserved(10),
            _ => Concurrency::Shared,
        };
        let state = FunctionState {
            concurrency,
            before_lockdown: None,
        };
        functions
            .state
            .lock()
            .unwrap()
            .insert(format!("prod-{function}"), state);
    }
    let before = functions.state.lock().unwrap().clone();
    let stack = "prod".parse().unwrap();
    *functions.denied.lock().unwrap() = Some("prod-rotate");
    let first = lockdown::stop(&functions, &stack).await;
    let failed = |done: &&FunctionDone| matches!(done.outcome, Switched::Failed(_));
    assert_eq!(
        first.iter().filter(failed).count(),
        1,
        "one holds up no other: {first:?}"
    );
    *functions.denied.lock().unwrap() = None;
    lockdown::stop(&functions, &stack).await;
    let again = lockdown::stop(&functions, &stack).await;
    assert!(
        again
            .iter()
            .all(|done| matches!(done.outcome, Switched::Already | Switched::NotThere)),
        "{again:?}"
    );
    let all_stopped = functions
        .state
        .lock()
        .unwrap()
        .values()
        .all(|state| state.concurrency == Concurrency::Reserved(0));
    assert!(all_stopped);
    lockdown::lift(&functions, &stack).await;
    assert_eq!(*functions.state.lock().unwrap(), before);
    let lifted = lockdown::lift(&functions, &stack).await;
    assert!(
        lifted.iter().all(|done| done.outcome != Switched::Now),
        "{lifted:?}"
    );
}
