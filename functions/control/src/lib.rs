#![doc = include_str!("../README.md")]

mod operations;
mod record;
mod request;
mod response;

use std::sync::Arc;

use keyward_core::model::act_kind::Served;
use keyward_core::model::text::{OutsideText, without_keys};
use keyward_core::ports::{
    ActOrders, Acts, AlarmStates, Deadline, KillAlarms, Migration, OffboardOrders, Offboardings,
    RiskRegister, UsageStore,
};
use keyward_core::rules::consent::Second;
use keyward_core::rules::kill::Deployment;
use keyward_core::usecases::Ports;
use keyward_core::usecases::drill::Drills;
use keyward_core::usecases::report::Callers;
use keyward_core::usecases::survey::Guards;
use serde_json::Value;

use operations::carry_out;
use request::Request;
use response::{Refusal, answer};

/// What the function works on.
#[derive(Clone)]
pub struct Deps {
    /// The outside world.
    pub ports: Ports,
    /// What writes at a provider: the kill switch does it.
    pub orders: Arc<dyn ActOrders>,
    /// The cases of offboarding.
    pub cases: Arc<dyn Offboardings>,
    /// What carries them on.
    pub offboard: Arc<dyn OffboardOrders>,
    /// The record of acts.
    pub acts: Arc<dyn Acts>,
    /// Who answers for which finding.
    pub risks: Arc<dyn RiskRegister>,
    /// The items of the inventory's table as such.
    pub items: Arc<dyn Migration>,
    /// Where usage and prices are kept.
    pub usage: Arc<dyn UsageStore>,
    /// Whether the alarm that set a kill off goes on.
    pub alarms: Arc<dyn AlarmStates>,
    /// What a drill works with; `None` where the deployment does not say which alarms and topic are its own.
    pub drills: Option<Drills>,
    /// Whose calls are taken.
    pub callers: Callers,
    /// The alarms that guard slots, to be looked at, and whose they are; `None` where the deployment does not say.
    pub guards: Option<(Arc<dyn KillAlarms>, Deployment)>,
    /// Whether a restore waits for a second person.
    pub restore_second: Second,
    /// Whether another mode of a slot waits for a second person.
    pub enforce_second: Second,
}

impl Deps {
    fn guards(&self) -> Option<Guards<'_>> {
        let (alarms, deployment) = self.guards.as_ref()?;
        Some(Guards {
            alarms: alarms.as_ref(),
            deployment,
        })
    }
}

/// Carries out the act that the request asks for, if it is one of those that are `served` to whoever invoked the function.
/// Whatever happens is an HTTP answer: to its caller, a function URL tells nothing of a function's error but that there was
/// one.
pub async fn handle(deps: &Deps, served: Served, event: Value, deadline: Deadline) -> Value {
    let done = match Request::read(event) {
        Ok(request) => {
            let done = carry_out(deps, served, &request, deadline).await;
            log(&request, &done);
            done
        }
        Err(refusal) => {
            tracing::warn!(
                status = refusal.status,
                what = refusal.what,
                "a request was refused"
            );
            Err(refusal)
        }
    };
    answer(done)
}

fn log(request: &Request, done: &Result<Value, Refusal>) {
    let caller = &request.caller;
    let operation = OutsideText::new(&without_keys(&request.path));
    match done {
        Ok(_) => tracing::info!(%caller, %operation, "an act was carried out"),
        Err(refusal) => {
            tracing::warn!(%caller, %operation, status = refusal.status, what = refusal.what, "an act was refused or failed");
        }
    }
}
