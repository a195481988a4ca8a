//! `keyward drill`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use jiff::Timestamp;
use keyward_core::model::act::ActId;
use keyward_core::model::act_kind::ActKind;
use keyward_core::model::drill::{DrillStage, SETS_OFF_WITHIN, TAKEN_ON_WITHIN, stages};
use keyward_core::model::incident::{KillStep, Stage};
use keyward_core::model::names::SlotName;
use keyward_core::ports::InventoryError;
use keyward_core::usecases::Ports;
use keyward_providers::config::ProviderAccounts;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Format;
use super::break_glass::{BreakGlass, Tried};
use super::confirm::{Confirm, confirmed, reasoned};
use super::entered::accounts;
use crate::aws::Aws;
use crate::control::Control;
use crate::print::{Outcome, clean, complain, line};
use crate::settings::{TABLE, required};
use crate::waiting::until_left;

/// How often the incident is looked at while waiting.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Whom to drill, why, and how long to wait for it.
pub(super) struct Order {
    pub(super) slot: SlotName,
    pub(super) reason: String,
    /// Seconds; `None` if it is not waited for.
    pub(super) wait: Option<u32>,
    pub(super) break_glass: Sealed,
}

/// The break-glass credential of the slot's account, as it is tried with the drill.
#[derive(Debug, Clone, Args)]
pub(crate) struct Sealed {
    /// Try the break-glass credential of the slot's provider account first, from standard input, and have that recorded.
    ///
    /// Needs KEYWARD_TABLE, and the provider accounts. If it is refused, the drill is made all the same, and the command ends
    /// with 1.
    #[arg(long, conflicts_with = "dry_run", requires = "yes")]
    break_glass: bool,
    /// A file with the provider accounts, as the functions have them in KEYWARD_ACCOUNTS; without it, that variable.
    #[arg(long, requires = "break_glass", value_name = "FILE")]
    accounts: Option<PathBuf>,
}

impl Sealed {
    /// Tries it, if that was asked for.
    async fn tried(&self, slot: &SlotName, reason: &str) -> Result<Option<Tried>> {
        if !self.break_glass {
            return Ok(None);
        }
        let accounts = accounts(self.accounts.as_deref())?;
        let known = ports().await?.inventory.slot(slot).await?;
        let Some(known) = known else {
            bail!("there is no slot `{slot}`; nothing was changed");
        };
        let command = format!("keyward drill {slot} --break-glass --yes --reason TEXT < FILE");
        let given = BreakGlass::of(&known.account, accounts, &command)?;
        given.tried(&known.scope, reason).await.map(Some)
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    drill: Option<ActId>,
    #[serde(default)]
    started: Option<Timestamp>,
    #[serde(default)]
    alarm: Option<String>,
    #[serde(default)]
    unrecorded: bool,
}

/// Says whether a drill could begin.
pub(super) async fn foresee(slot: &SlotName, format: Format) -> Result<Outcome> {
    let request = json!({ "slot": slot, "dry_run": true });
    let answer = Control::open(ActKind::Operate)
        .await?
        .post("/drill", &request)
        .await?;
    let read = read(&answer)?;
    match format {
        Format::Json => line(&answer.to_string()),
        Format::Table => line(&format!(
            "{slot}: nothing was changed; its score would be put, and its key cut off through the alarm {}",
            read.alarm.as_deref().map_or("?".to_owned(), clean)
        )),
    }
    Ok(Outcome::Done)
}

/// Begins a drill, and waits for its end if that is wanted.
pub(super) async fn drill(order: &Order, confirm: Confirm, format: Format) -> Result<Outcome> {
    let slot = &order.slot;
    reasoned(&order.reason)?;
    // What waiting needs is looked for before anything is cut off.
    let waiting = match order.wait {
        Some(seconds) => Some((ports().await?, seconds)),
        None => None,
    };
    let control = Control::open(ActKind::Operate).await?;
    let tried = order.break_glass.tried(slot, &order.reason).await?;
    if let Some(tried) = tried.as_ref().filter(|_| format == Format::Table) {
        tried.show();
    }
    let of_it = tried.as_ref().map_or(Outcome::Done, Tried::outcome);
    let what =
        format!("The key of the canary {slot} is cut off within minutes, to see that it can be");
    confirmed(slot, &what, confirm)?;
    let request = json!({ "reason": order.reason, "slot": slot });
    let left = format!(
        "{slot}: no longer waited for. A drill that was begun goes on by itself, and an alert tells its end: keyward status {slot}"
    );
    let mut answer = until_left(control.post("/drill", &request), &left).await?;
    if let Some(tried) = &tried {
        answer["break_glass"] = tried.json();
    }
    let begun = read(&answer)?;
    if begun.unrecorded {
        complain(&format!(
            "{slot}: the drill is under way, but the record of acts does not have it whole"
        ));
    }
    let (Some(id), Some(started)) = (begun.drill.clone(), begun.started) else {
        bail!(
            "the answer cannot be read: it names no drill. Look at it with keyward status {slot}"
        );
    };
    let Some((ports, seconds)) = waiting else {
        match format {
            Format::Json => line(&answer.to_string()),
            Format::Table => line(&format!(
                "{slot}: drill {} is under way; an alert tells its end with the time of each stage, or within 20 minutes that it set nothing off",
                id.as_str()
            )),
        }
        return Ok(outcome(&begun, of_it));
    };
    if format == Format::Table {
        line(&format!("{slot}: {:>8.1} s  score put", 0.0));
    }
    let watch = Watch {
        ports: &ports,
        slot,
        id: &id,
        started,
        format,
    };
    let reached = until_left(watch.until_done(seconds), &left).await?;
    if format == Format::Json {
        line(&with_stages(answer, &reached).to_string());
    }
    Ok(outcome(&begun, of_it))
}

const fn outcome(begun: &Answer, break_glass: Outcome) -> Outcome {
    match begun.unrecorded {
        true => Outcome::NotAll,
        false => break_glass,
    }
}

fn read(answer: &Value) -> Result<Answer> {
    serde_json::from_value(answer.clone()).context("the answer cannot be read")
}

async fn ports() -> Result<Ports> {
    let [table] = required([TABLE])?;
    let aws = Aws::load().await?;
    aws.ports(&table, ProviderAccounts::default()).await
}

/// The answer with what was reached, and that it is done.
fn with_stages(mut answer: Value, reached: &[DrillStage]) -> Value {
    answer["result"] = json!("done");
    answer["stages"] = json!(reached);
    answer
}

/// How a drill stands.
enum Standing {
    /// Its incident has reached these stages.
    UnderWay(Vec<DrillStage>),
    /// Its incident is done.
    Done(Vec<DrillStage>),
    /// Its incident is done, and left the slot without a replacement.
    Suspended,
    /// It set off no incident of its own, or one that is in earnest by now.
    Nothing,
}

/// A drill that is waited for.
struct Watch<'a> {
    ports: &'a Ports,
    slot: &'a SlotName,
    id: &'a ActId,
    started: Timestamp,
    format: Format,
}

impl Watch<'_> {
    /// Prints each stage as it is seen, and returns all of them.
    async fn until_done(&self, seconds: u32) -> Result<Vec<DrillStage>> {
        let slot = self.slot;
        let mut shown: Vec<Stage> = Vec::new();
        for _ in 0..=u64::from(seconds) / LOOK_EVERY.as_secs() {
            match self.look().await {
                Ok(Standing::UnderWay(reached)) => self.show(&reached, &mut shown),
                Ok(Standing::Done(reached)) => {
                    self.show(&reached, &mut shown);
                    return Ok(reached);
                }
                Ok(Standing::Suspended) => bail!(
                    "{slot}: its key was cut off, but no replacement could be made, and it is suspended. Its alerts say why; then: keyward restore {slot} --reason TEXT"
                ),
                Ok(Standing::Nothing) => bail!(
                    "{slot}: the drill did not come to its end: it set nothing off, or the slot was cut off in earnest; an alert says which, and where to look"
                ),
                Err(error) if error.is_retryable() => {}
                Err(error) => {
                    return Err(error).context(format!(
                        "{slot}: the drill goes on, but cannot be looked at; an alert tells its end"
                    ));
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let minutes = (SETS_OFF_WITHIN + TAKEN_ON_WITHIN).as_mins();
        match shown.is_empty() {
            true => bail!(
                "{slot}: the drill set nothing off within {seconds} s. It is waited for {minutes} minutes, then an alert says what to look at: whether the alarm changed, whether it could publish to its topic, and the log of the kill switch"
            ),
            false => bail!(
                "{slot}: the drill is not done after {seconds} s. It goes on by itself, and an alert tells its end. Look at it with keyward status {slot}"
            ),
        }
    }

    async fn look(&self) -> Result<Standing, InventoryError> {
        let inventory = &self.ports.inventory;
        let under_way = inventory.slot(self.slot).await?.and_then(|slot| slot.drill);
        let under_way = under_way.filter(|drill| drill.id == *self.id);
        let id = match under_way {
            Some(drill) => drill.incident,
            None => {
                let mut over = inventory.drills(self.slot).await?.into_iter();
                match over.rfind(|drill| drill.id == *self.id) {
                    Some(drill) if drill.incident.is_none() => return Ok(Standing::Nothing),
                    over => over.and_then(|drill| drill.incident),
                }
            }
        };
        let incident = match id {
            Some(id) => inventory.incident(&id).await?,
            None => None,
        };
        let Some(incident) = incident else {
            return Ok(Standing::UnderWay(Vec::new()));
        };
        if incident.drill.is_none() {
            return Ok(Standing::Nothing);
        }
        let reached = stages(self.started, &incident);
        Ok(match incident.done(KillStep::TellDone) {
            None => Standing::UnderWay(reached),
            Some(_) if incident.suspends.is_some() => Standing::Suspended,
            Some(_) => Standing::Done(reached),
        })
    }

    fn show(&self, reached: &[DrillStage], shown: &mut Vec<Stage>) {
        for stage in reached {
            if shown.contains(&stage.stage) {
                continue;
            }
            shown.push(stage.stage);
            if self.format == Format::Table {
                let seconds = stage.millis as f64 / 1000.0;
                line(&format!(
                    "{}: {seconds:>8.1} s  {}",
                    self.slot,
                    stage.words()
                ));
            }
        }
    }
}
