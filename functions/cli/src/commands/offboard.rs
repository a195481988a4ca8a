//! `keyward offboard`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use jiff::Timestamp;
use keyward_core::model::act_kind::ActKind;
use keyward_core::model::names::{AgentName, Reader};
use keyward_core::model::offboarding::OffboardingId;
use keyward_core::ports::{Clock, Offboardings};
use keyward_core::usecases::offboard::{OffboardingRecord, SlotRecord, record_of};
use keyward_lambda::clock::SystemClock;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::Format;
use super::confirm::{Confirm, reasoned, typed};
use crate::aws::Aws;
use crate::control::Control;
use crate::print::{Outcome, clean, complain, line, table};
use crate::progress::bar;
use crate::settings::{TABLE, required};
use crate::waiting::until_left;

/// How often a case is looked at that is waited for.
const LOOK: Duration = Duration::from_secs(5);

/// Offboard an agent or a person: every key of theirs is dead or replaced within 24 hours, with evidence.
#[derive(Debug, Args)]
pub(crate) struct Offboard {
    /// The agent that is given up: its keys end for good, and its secrets after them.
    #[arg(long, required_unless_present = "person", conflicts_with_all = ["person", "also"])]
    agent: Option<AgentName>,
    /// The person who left, as the fleet file's owners have them, or the ARN of an IAM user.
    #[arg(long, value_name = "NAME|ARN")]
    person: Option<Reader>,
    /// A further name of the same person; can be given again.
    #[arg(long, value_name = "NAME|ARN", requires = "person")]
    also: Vec<Reader>,
    /// Why; goes into the record.
    #[arg(long, required_unless_present = "dry_run")]
    reason: Option<String>,
    /// Only say which slots and keys it is about.
    #[arg(long, conflicts_with_all = ["wait", "evidence"])]
    dry_run: bool,
    /// Wait until it is done, and show how far it is.
    #[arg(long)]
    wait: bool,
    /// How long to wait at most, in seconds.
    #[arg(long, default_value_t = 900, requires = "wait")]
    timeout: u32,
    /// Write the evidence into this file, as it stands when the command ends: it says what is not done yet.
    #[arg(long, value_name = "FILE")]
    evidence: Option<PathBuf>,
    /// Do not ask for the agent's name to be typed.
    #[arg(long)]
    yes: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
struct Opened {
    case: OffboardingId,
    result: String,
    deadline: Timestamp,
    begun: bool,
    #[serde(default)]
    unrecorded: bool,
}

#[derive(Deserialize)]
struct Foreseen {
    slots: Vec<ForeseenSlot>,
    #[serde(default)]
    reads_not_looked_up: bool,
}

#[derive(Deserialize)]
struct ForeseenSlot {
    slot: String,
    owner: String,
    #[serde(default)]
    backup_owner: Option<String>,
    environment: String,
    #[serde(default)]
    ties: Vec<String>,
    keys: Vec<Value>,
}

pub(super) async fn run(wanted: Offboard) -> Result<Outcome> {
    let format: Format = wanted.json.into();
    let control = Control::open(ActKind::Kill).await?;
    if wanted.dry_run {
        return foresee(&control, &wanted, format).await;
    }
    let reason = wanted.reason.clone().unwrap_or_default();
    reasoned(&reason)?;
    // What is looked at afterwards is found out before anything is begun.
    let looks = match wanted.wait || wanted.evidence.is_some() {
        true => Some(Looks::open().await?),
        false => None,
    };
    if let Some(agent) = &wanted.agent {
        let foreseen = ask(&control, &wanted, &reason, true).await?;
        let confirm: Confirm = wanted.yes.into();
        typed("agent", agent.as_str(), &question(&foreseen)?, confirm)?;
    }
    let answer = ask(&control, &wanted, &reason, false).await?;
    let opened: Opened =
        serde_json::from_value(answer.clone()).context("the answer cannot be read")?;
    let record = match &looks {
        Some(looks) => Some(look_on(looks, &opened, &wanted).await?),
        None => None,
    };
    if let (Some(path), Some(record)) = (&wanted.evidence, &record) {
        write(path, record)?;
    }
    match format {
        Format::Json => line(&json!({ "opened": answer, "record": record }).to_string()),
        Format::Table => print(&opened, record.as_ref(), &wanted),
    }
    if opened.unrecorded {
        complain("it is begun as said, but the record of acts does not have it whole");
    }
    let is_done = record.as_ref().is_none_or(OffboardingRecord::is_complete);
    Ok(match (is_done || !wanted.wait) && !opened.unrecorded {
        true => Outcome::Done,
        false => Outcome::NotAll,
    })
}

async fn ask(control: &Control, wanted: &Offboard, reason: &str, dry_run: bool) -> Result<Value> {
    let mut request = json!({ "reason": reason, "dry_run": dry_run });
    match (&wanted.agent, &wanted.person) {
        (Some(agent), _) => request["agent"] = json!(agent),
        (None, Some(person)) => {
            request["person"] = json!(person);
            request["also"] = json!(wanted.also);
        }
        (None, None) => {
            bail!("name who leaves: --agent NAME or --person NAME; nothing was changed")
        }
    }
    control.post("/offboard", &request).await
}

async fn foresee(control: &Control, wanted: &Offboard, format: Format) -> Result<Outcome> {
    let answer = ask(control, wanted, "", true).await?;
    if format == Format::Json {
        line(&answer.to_string());
        return Ok(Outcome::Done);
    }
    let foreseen: Foreseen = serde_json::from_value(answer).context("the answer cannot be read")?;
    let rows: Vec<[String; 6]> = foreseen.slots.iter().map(cells).collect();
    table(
        ["SLOT", "OWNER", "BACKUP", "ENVIRONMENT", "TIES", "KEYS"],
        &rows,
    );
    line(&format!(
        "nothing was changed; {} slots",
        foreseen.slots.len()
    ));
    if foreseen.reads_not_looked_up {
        line("what they read of other secrets is looked up once it is begun");
    }
    Ok(Outcome::Done)
}

fn cells(slot: &ForeseenSlot) -> [String; 6] {
    [
        clean(&slot.slot),
        clean(&slot.owner),
        slot.backup_owner.as_deref().map_or("-".to_owned(), clean),
        clean(&slot.environment),
        clean(&slot.ties.join(", ")),
        slot.keys.len().to_string(),
    ]
}

/// What an agent's end destroys.
fn question(answer: &Value) -> Result<String> {
    let foreseen: Foreseen =
        serde_json::from_value(answer.clone()).context("the answer cannot be read")?;
    let keys: usize = foreseen.slots.iter().map(|slot| slot.keys.len()).sum();
    let names: Vec<String> = foreseen
        .slots
        .iter()
        .map(|slot| clean(&slot.slot))
        .collect();
    Ok(format!(
        "{keys} keys of {} end for good, and their secrets are deleted",
        names.join(", ")
    ))
}

/// The inventory, in which a case is looked at.
struct Looks {
    inventory: keyward_aws::DynamoInventory,
}

impl Looks {
    async fn open() -> Result<Self> {
        let aws = Aws::load().await?;
        let [table] = required([TABLE])?;
        let inventory = aws.inventory(&table).await?;
        Ok(Self { inventory })
    }

    async fn record(&self, id: &OffboardingId) -> Result<OffboardingRecord> {
        let case = self.inventory.offboarding(id).await?;
        let case = case.with_context(|| format!("there is no case {id} in the table"))?;
        Ok(record_of(&self.inventory, &case, SystemClock.now()).await?)
    }
}

/// The evidence as it stands, or once the case is closed where that is waited for.
async fn look_on(looks: &Looks, opened: &Opened, wanted: &Offboard) -> Result<OffboardingRecord> {
    let left = format!("{}: it goes on by itself", opened.case);
    let looking = async {
        let mut tries = match wanted.wait {
            true => u64::from(wanted.timeout) / LOOK.as_secs(),
            false => 0,
        };
        loop {
            let record = looks.record(&opened.case).await?;
            let done = record
                .slots
                .iter()
                .filter(|slot| slot.done.is_some())
                .count();
            if wanted.wait {
                bar(done, record.slots.len().max(1), "slots");
            }
            if record.closed.is_some() || tries == 0 {
                return Ok(record);
            }
            tries -= 1;
            sleep(LOOK).await;
        }
    };
    until_left(looking, &left).await
}

fn write(path: &Path, record: &OffboardingRecord) -> Result<()> {
    std::fs::write(path, record.to_json() + "\n").with_context(|| {
        format!(
            "the evidence could not be written to {}; the offboarding goes on, and its function keeps the evidence in the bucket of reports",
            path.display()
        )
    })
}

fn print(opened: &Opened, record: Option<&OffboardingRecord>, wanted: &Offboard) {
    let case = opened.case.as_str();
    let word = match opened.result.as_str() {
        "opened" => "begun",
        "joined" => "begun before, and this is noted in it",
        _ => "asked for before",
    };
    line(&format!(
        "{case}: {word}; every key is dead or replaced by {:.0}",
        opened.deadline
    ));
    if !opened.begun {
        line("its function could not be reached just now: it goes on within 5 minutes");
    }
    let Some(record) = record else { return };
    let rows: Vec<[String; 4]> = record.slots.iter().map(row).collect();
    table(["SLOT", "KEYS DEAD", "OWNER NOW", "WAITS FOR"], &rows);
    if let Some(why) = record
        .reads
        .as_ref()
        .and_then(|reads| reads.not_seen.as_ref())
    {
        line(&format!(
            "NOT SEEN is what they read of other secrets: {why}"
        ));
    }
    if wanted.person.is_some() && !record.slots.is_empty() {
        line("the fleet file still names them: keyward plan shows what differs");
    }
    if let Some(path) = &wanted.evidence {
        let state = match record.is_complete() {
            true => "complete",
            false => "as it stands, not complete",
        };
        line(&format!("evidence, {state}: {}", path.display()));
    }
}

fn row(slot: &SlotRecord) -> [String; 4] {
    let dead = slot
        .keys
        .iter()
        .filter(|key| key.revoke_confirmed.is_some())
        .count();
    let waits_for = match (&slot.done, &slot.waits_for) {
        (Some(_), _) => "done".to_owned(),
        (None, Some(why)) => why.to_string(),
        (None, None) => "its turn".to_owned(),
    };
    [
        slot.slot.to_string(),
        format!("{dead} of {}", slot.keys.len()),
        slot.handed_over
            .as_ref()
            .map_or("-".to_owned(), |handed| handed.owner.to_string()),
        waits_for,
    ]
}
