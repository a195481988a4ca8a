//! What watching slots that are in use all the time takes: CPU, memory, calls of providers, and dollars.

mod day;
mod dollars;
mod kept;
mod made_up;
pub(crate) mod pages;
pub(crate) mod scene;

use std::collections::HashMap;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use jiff::SignedDuration;
use keyward_core::model::key::AdminKey;
use keyward_core::model::usage::Bucket;
use keyward_core::ports::{Clock as _, Inventory as _};
use keyward_testkit::clock::ManualClock;
use keyward_testkit::memory::MemoryMetrics;
use serde::{Deserialize, Serialize};

use crate::launch::peak_mb;
use crate::stats::round;
use crate::{Bound, Report, Result};
use day::Teller;
use kept::Kept;
use made_up::{MadeAlarms, MadeUp};
use scene::{ACCOUNTS, Parts, Scene};

/// The word that makes this binary watch; behind it stands a [`Task`].
pub(crate) const COMMAND: &str = "--watch-slots";

/// Slots, and fewer of them to compare.
const SLOTS: usize = 10_000;
const FEWER: usize = 1_000;

/// Runs after the first, a minute apart: a bucket closes in one of them, and all slots are read again in one.
const RUNS: usize = 7;

/// Processes of an agent that tell of it.
const PROCESSES: usize = 2;

/// What a monitor of that many slots must keep to.
const CPU_S: f64 = 15.0;
const PEAK_MB: f64 = 256.0;
const DOLLARS: f64 = 0.15;
/// Calls of ten times the slots, for one of theirs: reports are paged by what an answer can hold.
const MORE_CALLS: f64 = 2.0;

/// What the watching process is to do.
#[derive(Debug, Serialize, Deserialize)]
struct Task {
    slots: usize,
    urls: Vec<String>,
}

/// One run.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Ran {
    cpu_s: f64,
    wall_s: f64,
    calls: usize,
}

/// What the watching process saw.
#[derive(Debug, Serialize, Deserialize)]
struct Watched {
    /// The first run of a process, which makes all detectors from the store.
    first: Ran,
    /// Later ones.
    steady: Vec<Ran>,
    /// One in which the last day is read again.
    reread: Ran,
    peak_mb: f64,
}

impl Watched {
    /// The dearest of the later runs.
    fn dearest(&self) -> Ran {
        let dearer = |a: &&Ran, b: &&Ran| a.cpu_s.total_cmp(&b.cpu_s);
        self.steady
            .iter()
            .max_by(dearer)
            .copied()
            .unwrap_or_default()
    }
}

/// Measures the monitor.
pub(crate) fn monitor(report: &mut Report) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    println!("\nwatching slots at {ACCOUNTS} accounts, with a row for each key and minute");
    let few = runtime.block_on(measure(FEWER))?;
    let all = runtime.block_on(measure(SLOTS))?;
    for (slots, watched) in [(FEWER, &few), (SLOTS, &all)] {
        let Watched { first, reread, .. } = watched;
        println!("  {slots} slots, peak memory {:.1} MB", watched.peak_mb);
        for (what, ran) in [
            ("first run", first),
            ("dearest later run", &watched.dearest()),
            ("last day read again", reread),
        ] {
            println!(
                "    {what:<20}{:>8.2} s of CPU {:>8.2} s {:>6} calls",
                ran.cpu_s, ran.wall_s, ran.calls
            );
        }
    }
    let (steady, before) = (all.dearest(), few.dearest());
    let more = steady.calls as f64 / before.calls as f64;
    for (key, value, limit) in [
        ("monitor.cpu_s", steady.cpu_s, CPU_S),
        ("monitor.peak_mb", all.peak_mb, PEAK_MB),
        ("monitor.provider_calls_by_tenfold", more, MORE_CALLS),
    ] {
        report.figure(key, round(value));
        report.target(key, value, Bound::AtMost, limit);
    }
    report.figure("monitor.provider_calls", steady.calls);
    report.figure("monitor.first_cpu_s", round(all.first.cpu_s));
    report.figure("monitor.reread_cpu_s", round(all.reread.cpu_s));
    for (key, teller, by) in [
        (
            "monitor.dollars_per_slot_month",
            Teller::Provider,
            "told by its provider",
        ),
        (
            "monitor.told_dollars_per_slot_month",
            Teller::Agents(PROCESSES),
            "told by two processes of its agent",
        ),
    ] {
        let day = runtime.block_on(day::day(teller))?;
        let dollars = dollars::of_a_month(&day, SLOTS, steady.cpu_s);
        println!(
            "\ndollars for a slot of {SLOTS} and a month, {by}, {}",
            dollars::DATED
        );
        for (what, dollars) in &dollars {
            println!("  {what:<44}{dollars:>9.5}");
        }
        let sum: f64 = dollars.iter().map(|(_, dollars)| dollars).sum();
        report.figure(key, round(sum));
        report.target(key, sum, Bound::AtMost, DOLLARS);
    }
    Ok(())
}

/// The base URLs of accounts that these slots are shared out to.
async fn accounts(slots: usize) -> Result<Vec<String>> {
    let mut urls = Vec::new();
    for n in 0..ACCOUNTS {
        let keys = (0..slots).filter(|slot| slot % ACCOUNTS == n);
        urls.push(pages::serve(keys.collect()).await?);
    }
    Ok(urls)
}

/// Watches in a process of its own.
async fn measure(slots: usize) -> Result<Watched> {
    let urls = accounts(slots).await?;
    let task = serde_json::to_string(&Task { slots, urls })?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args([COMMAND, &task]).stdout(Stdio::piped());
    let output = tokio::task::spawn_blocking(move || command.spawn()?.wait_with_output()).await??;
    match output.status.success() {
        true => Ok(serde_json::from_slice(&output.stdout)?),
        false => Err(format!("watching ended with {}", output.status).into()),
    }
}

/// The watching process.
pub(crate) fn runs(task: &str) -> Result<String> {
    let task: Task = serde_json::from_str(task)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let watched = runtime.block_on(watch(&task))?;
    Ok(serde_json::to_string(&watched)?)
}

async fn watch(task: &Task) -> Result<Watched> {
    let clock = Arc::new(ManualClock::at("2026-12-01T09:00:10Z".parse()?));
    let now = clock.now();
    let inventory = Arc::new(MadeUp::of(task.slots)?);
    let alarms = Arc::new(MadeAlarms::of(scene::deployment()?));
    let from = Bucket::of(now).minus(2 * Bucket::PER_DAY);
    let mut states = HashMap::new();
    for n in 0..ACCOUNTS {
        let name = scene::account(n)?;
        let read = now - SignedDuration::from_mins(1);
        states.insert(name.clone(), kept::seen(&name, from, read));
    }
    let span = (from, Bucket::of(now));
    let slots = inventory.slot_names().await?;
    let (_, version) = scene::made(0)?;
    let store = Kept::new(slots, version.id, span, states, scene::remembered(now)?);
    let parts = Parts {
        inventory,
        alarm_source: alarms.clone(),
        alarms,
        usage: Arc::new(store),
        metrics: Arc::new(MemoryMetrics::default()),
    };
    let key = AdminKey::new("EXAMPLE-admin-key");
    let mut scene = Scene::new(&task.urls, key, clock, parts)?;
    let first = measured(&mut scene).await?;
    let mut steady = Vec::new();
    for _ in 0..RUNS {
        scene.pass();
        steady.push(measured(&mut scene).await?);
    }
    scene.settings.pull.reread_every = SignedDuration::from_mins(1);
    scene.pass();
    let reread = measured(&mut scene).await?;
    let status = std::fs::read_to_string("/proc/self/status")?;
    Ok(Watched {
        first,
        steady,
        reread,
        peak_mb: peak_mb(&status).ok_or("the kernel does not tell peak memory")?,
    })
}

async fn measured(scene: &mut Scene) -> Result<Ran> {
    let (cpu, wall) = (cpu_s()?, clock());
    let ran = scene.run().await?;
    Ok(Ran {
        cpu_s: cpu_s()? - cpu,
        wall_s: wall.elapsed().as_secs_f64(),
        calls: ran.calls,
    })
}

/// Real time, for what took how long.
#[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
pub(crate) fn clock() -> Instant {
    Instant::now()
}

/// CPU that this process took so far, in seconds: fields 14 and 15, in hundredths of a second.
/// <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>
pub(crate) fn cpu_s() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let fields: Vec<&str> = after_name.split(' ').collect();
    let ticks =
        |at: usize| -> Result<f64> { Ok(fields.get(at).ok_or("no such field")?.parse::<f64>()?) };
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}
