//! What an audit of a large deployment takes: CPU, memory and calls, from the lists of AWS and of providers to the last file of
//! its report. One key in a hundred is older than its policy allows.

mod aws;
mod cbor;
mod openai;
mod ports;

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use keyward_core::model::slot::ProviderName;
use keyward_core::ports::{Clock as _, Deadline};
use keyward_core::usecases::audit::AuditOrder;
use keyward_reports::{Place, renders};
use keyward_testkit::clock::ManualClock;
use serde::{Deserialize, Serialize};

use crate::launch::peak_mb;
use crate::monitor::scene::{ACCOUNTS, account, deployment};
use crate::monitor::{clock, cpu_s};
use crate::stats::round;
use crate::{Bound, Report, Result};

/// The word that makes this binary audit; behind it stands a [`Task`].
pub(crate) const COMMAND: &str = "--audit-keys";

/// Keys of one slot: the current one, and those before it whose overlap is not over.
const KEYS_OF_A_SLOT: usize = 10;

/// The current key of one slot in so many is too old.
const OLD: usize = 10;

/// When it is audited.
const NOW: &str = "2026-12-01T06:00:00Z";

/// What is audited, and what that must keep to: keys, seconds of CPU, megabytes.
const SIZES: [(&str, usize, Option<f64>, f64); 2] = [
    ("audit_10k", 10_000, Some(60.0), 128.0),
    ("audit_100k", 100_000, None, 256.0),
];

/// What the auditing process is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Task {
    slots: usize,
    /// Where AWS answers.
    aws: String,
    /// Where the provider answers for each account.
    providers: Vec<String>,
}

/// What the auditing process saw.
#[derive(Debug, Serialize, Deserialize)]
struct Audited {
    cpu_s: f64,
    wall_s: f64,
    peak_mb: f64,
    /// Memory before the audit.
    before_mb: f64,
    /// Findings by their rule.
    findings: BTreeMap<String, usize>,
    /// The files of the report, with their bytes.
    files: Vec<(String, usize)>,
}

/// Measures the audit.
pub(crate) fn audit(report: &mut Report) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    println!("\nauditing keys in slots of {KEYS_OF_A_SLOT} at {ACCOUNTS} accounts");
    for (name, keys, most_cpu_s, most_mb) in SIZES {
        let (audited, calls) = runtime.block_on(measure(keys / KEYS_OF_A_SLOT))?;
        let findings: usize = audited.findings.values().sum();
        println!(
            "  {keys} keys: {:.2} s of CPU in {:.2} s, peak memory {:.1} MB ({:.1} before), {calls} calls, {} findings",
            audited.cpu_s, audited.wall_s, audited.peak_mb, audited.before_mb, findings
        );
        for (rule, count) in &audited.findings {
            println!("    {rule:<20}{count:>12} findings");
        }
        for (file, bytes) in &audited.files {
            println!("    {file:<20}{bytes:>12} bytes");
        }
        let (cpu_s, peak_mb) = (format!("{name}.cpu_s"), format!("{name}.peak_mb"));
        report.figure(&cpu_s, round(audited.cpu_s));
        report.figure(&peak_mb, round(audited.peak_mb));
        report.figure(&format!("{name}.calls"), calls);
        report.figure(&format!("{name}.findings"), findings);
        if let Some(most) = most_cpu_s {
            report.target(&cpu_s, audited.cpu_s, Bound::AtMost, most);
        }
        report.target(&peak_mb, audited.peak_mb, Bound::AtMost, most_mb);
    }
    Ok(())
}

/// Audits in a process of its own, and counts what it asked.
async fn measure(slots: usize) -> Result<(Audited, usize)> {
    let calls = Arc::new(AtomicUsize::new(0));
    let mut providers = Vec::new();
    for n in 0..ACCOUNTS {
        providers.push(openai::serve(n, slots, calls.clone()).await?);
    }
    let aws = aws::serve(slots, calls.clone()).await?;
    // What was asked to learn what items look like is not the audit's.
    calls.store(0, Ordering::Relaxed);
    let task = Task {
        slots,
        aws,
        providers,
    };
    let task = serde_json::to_string(&task)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args([COMMAND, &task]).stdout(Stdio::piped());
    let output = tokio::task::spawn_blocking(move || command.spawn()?.wait_with_output()).await??;
    match output.status.success() {
        true => Ok((
            serde_json::from_slice(&output.stdout)?,
            calls.load(Ordering::Relaxed),
        )),
        false => Err(format!("auditing ended with {}", output.status).into()),
    }
}

/// The auditing process.
pub(crate) fn audits(task: &str) -> Result<String> {
    let task: Task = serde_json::from_str(task)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let audited = runtime.block_on(run(&task))?;
    Ok(serde_json::to_string(&audited)?)
}

async fn run(task: &Task) -> Result<Audited> {
    let clock_of_all = Arc::new(ManualClock::at(NOW.parse()?));
    let accounts = (0..ACCOUNTS).map(|n| Ok((account(n)?, ProviderName::OpenAi)));
    let order = AuditOrder {
        period: "2026-11".parse()?,
        deployment: deployment()?,
        accounts: accounts.collect::<Result<_>>()?,
        deadline: Deadline(clock_of_all.now() + jiff::SignedDuration::from_mins(15)),
    };
    let place = Place {
        partition: "aws".to_owned(),
        region: "us-east-1".to_owned(),
        account: "111122223333".to_owned(),
    };
    let (ports, sink) = ports::ports(task, &clock_of_all).await?;
    let before_mb = memory()?;
    let (cpu, wall) = (cpu_s()?, clock());
    let done = keyward_core::usecases::audit::audit(&ports, &order, &renders(&place)).await?;
    let report = &done.report;
    let mut findings = BTreeMap::new();
    for entry in &report.findings {
        *findings.entry(entry.finding.rule.to_string()).or_default() += 1;
    }
    let old = findings.get("key-too-old").copied().unwrap_or_default();
    let audited = Audited {
        cpu_s: cpu_s()? - cpu,
        wall_s: wall.elapsed().as_secs_f64(),
        peak_mb: memory()?,
        before_mb,
        findings,
        files: sink.files(),
    };
    let keys = task.slots * KEYS_OF_A_SLOT;
    let seen = (
        report.is_complete(),
        report.totals.slots as usize,
        report.totals.listed as usize,
        old,
    );
    let expected = (true, task.slots, keys, task.slots.div_ceil(OLD));
    match seen == expected {
        true => Ok(audited),
        false => {
            let unseen = report
                .coverage
                .iter()
                .filter_map(|(source, seen)| Some(format!("{source}: {}", seen.why()?)));
            let unseen: Vec<String> = unseen.collect();
            Err(format!("not all was seen: {seen:?} of {expected:?}, {unseen:?}").into())
        }
    }
}

fn memory() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    peak_mb(&status).ok_or_else(|| "the kernel does not tell peak memory".into())
}
