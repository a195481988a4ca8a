//! `make bench`: how fast the functions start, in how much memory, and how large they are, against Python; how fast
//! slots are cut off; what watching ten thousand slots takes; what an audit of ten times as many keys takes; how long looking for
//! keys in source takes; what the sidecar gives; and what the rules on usage do with recorded traffic.
//!
//! See `tests/bench/README.md`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command")]

mod audit;
mod backtest;
mod build;
mod kill;
mod launch;
mod list;
mod monitor;
mod results;
mod scan;
mod serve;
mod sidecar;
mod stats;
mod trace;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use serde_json::{Map, Value};

use build::Function;
use keyward_core::model::slot::ProviderName;
use launch::{Start, Then};
use list::Keep;
use stats::{Bound, Series, Target, round};

/// Whatever goes wrong here ends the benchmark.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Measured starts of each process; they take turns, so that what slows the machine slows all of them.
const RUNS: usize = 30;

/// Starts before those, to fill the page cache.
const WARM_UP: usize = 2;

/// How many times faster than Python a function starts.
const RATIO: f64 = 25.0;

/// Peak memory up to the first poll, in megabytes.
const PEAK_MB: f64 = 12.0;

/// Memory for a page of keys and what comes with reading it, in megabytes.
const LIST_MB: f64 = 1.0;

/// The argument for the lists alone.
const LISTS: &str = "--lists";

/// The argument for the kills alone.
const KILLS: &str = "--kills";

/// The argument for the monitor alone.
const MONITOR: &str = "--monitor";

/// The argument for the audit alone.
const AUDIT: &str = "--audit";

/// The argument for the search for keys alone.
const SCAN: &str = "--scan";

/// The argument for the sidecar alone.
const SIDECAR: &str = "--sidecar";

/// The argument for the backtest alone, or beside the functions; behind it stands the folder of the traces.
const TRACES: &str = "--traces";

/// The size of a deployed function whose start Secrets Manager, a key that lives too long or a theft waits for, in bytes.
const ZIP_BYTES: f64 = 3_500_000.0;

/// The functions that [`ZIP_BYTES`] bounds.
const WAITED_FOR: [&str; 3] = ["rotate", "retire", "kill-switch"];

/// The size of the others, which reports, usage APIs and S3 make larger, in bytes.
const OTHERS_ZIP_BYTES: f64 = 5_000_000.0;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [list::COMMAND, task] = [0, 1].map(|n| arguments.get(n).map_or("", String::as_str)) {
        return told(list::list(task).and_then(|listed| Ok(serde_json::to_string(&listed)?)));
    }
    if let [kill::COMMAND, task] = [0, 1].map(|n| arguments.get(n).map_or("", String::as_str)) {
        return told(kill::kill_slots(task));
    }
    if let [monitor::COMMAND, task] = [0, 1].map(|n| arguments.get(n).map_or("", String::as_str)) {
        return told(monitor::runs(task));
    }
    if let [audit::COMMAND, task] = [0, 1].map(|n| arguments.get(n).map_or("", String::as_str)) {
        return told(audit::audits(task));
    }
    if arguments.is_empty() {
        eprintln!(
            "usage: bench FUNCTION[=BINARY]... [{TRACES} FOLDER] | bench {LISTS} | bench {KILLS} | bench {MONITOR} | bench {AUDIT} | bench {SCAN} | bench {SIDECAR} | bench {TRACES} FOLDER"
        );
        return ExitCode::FAILURE;
    }
    match bench(&arguments) {
        Ok(targets) => {
            println!("\ntargets");
            targets
                .iter()
                .for_each(|target| println!("{}", target.line()));
            ExitCode::from(u8::from(!targets.iter().all(Target::is_met)))
        }
        Err(error) => {
            eprintln!("the benchmark failed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn bench(arguments: &[String]) -> Result<Vec<Target>> {
    let mut report = Report::default();
    match arguments {
        [one] if one == LISTS => lists(&mut report)?,
        [one] if one == KILLS => kill::kills(&mut report)?,
        [one] if one == MONITOR => monitor::monitor(&mut report)?,
        [one] if one == AUDIT => audit::audit(&mut report)?,
        [one] if one == SCAN => scan::scan(&mut report)?,
        [one] if one == SIDECAR => sidecar::sidecar(&mut report)?,
        [one, folder] if one == TRACES => backtest::backtest(folder.as_ref(), &mut report)?,
        [functions @ .., flag, folder] if flag == TRACES => {
            all(functions, &mut report)?;
            backtest::backtest(folder.as_ref(), &mut report)?;
        }
        functions => {
            all(functions, &mut report)?;
            println!("\nrecorded traffic: not measured, {TRACES} names no folder of traces");
        }
    }
    results::merge_into(&root().join("target/bench.json"), report.figures)?;
    Ok(report.targets)
}

/// Everything that needs nothing from outside the project.
fn all(functions: &[String], report: &mut Report) -> Result<()> {
    measure_functions(functions, report)?;
    lists(report)?;
    kill::kills(report)?;
    monitor::monitor(report)?;
    audit::audit(report)?;
    scan::scan(report)?;
    sidecar::sidecar(report)
}

fn measure_functions(arguments: &[String], report: &mut Report) -> Result<()> {
    let python = build::python()?;
    let functions = build::functions(arguments)?;
    starts(&functions, &python, report)?;
    sizes(&functions, &python, report)?;
    for function in &functions {
        breakdown(function, report)?;
    }
    Ok(())
}

/// What was measured, and what of it must be reached.
#[derive(Default)]
struct Report {
    figures: Map<String, Value>,
    targets: Vec<Target>,
}

impl Report {
    fn figure(&mut self, key: &str, value: impl Into<Value>) {
        self.figures.insert(key.to_owned(), value.into());
    }

    /// A figure that is in the results already.
    fn target(&mut self, key: &str, value: f64, bound: Bound, limit: f64) {
        self.targets.push(Target {
            key: key.to_owned(),
            value,
            bound,
            limit,
        });
    }
}

fn starts(functions: &[Function], python: &Path, report: &mut Report) -> Result<()> {
    let run = |function: &Function| launch::start(&mut Command::new(&function.binary), Then::Kill);
    let script = root().join("tests/bench/start.py");
    let run_python = || launch::start(Command::new(python).arg(&script), Then::Kill);

    let mut measured: Vec<Vec<Start>> = vec![Vec::new(); functions.len()];
    let mut yardstick = Vec::new();
    for turn in 0..WARM_UP + RUNS {
        for (function, measured) in functions.iter().zip(&mut measured) {
            let start = run(function).map_err(|e| format!("{}: {e}", function.name))?;
            measured.extend((turn >= WARM_UP).then_some(start));
        }
        let start = run_python().map_err(|e| format!("start.py: {e}"))?;
        yardstick.extend((turn >= WARM_UP).then_some(start));
    }

    println!("exec to first poll of the Runtime API, median of {RUNS} (least to most)");
    let python = summary("python, boto3", &yardstick)?;
    let (mut slowest, mut peak) = (0.0_f64, 0.0_f64);
    for (function, measured) in functions.iter().zip(&measured) {
        let (ms, peak_mb) = summary(&function.name, measured)?;
        report.figure(&format!("start.{}.ms", function.name), round(ms));
        report.figure(&format!("start.{}.peak_mb", function.name), round(peak_mb));
        (slowest, peak) = (slowest.max(ms), peak.max(peak_mb));
    }
    let ratio = python.0 / slowest;
    report.figure("start.rust_ms", round(slowest));
    report.figure("start.python_ms", round(python.0));
    report.figure("start.python_peak_mb", round(python.1));
    report.figure("start.ratio", round(ratio));
    report.figure("start.peak_mb", round(peak));
    report.target("start.ratio", ratio, Bound::AtLeast, RATIO);
    report.target("start.peak_mb", peak, Bound::AtMost, PEAK_MB);
    Ok(())
}

/// Prints one process and returns its median time in milliseconds and peak memory in megabytes.
fn summary(name: &str, measured: &[Start]) -> Result<(f64, f64)> {
    let series = |of: fn(&Start) -> f64| {
        let values: Vec<f64> = measured.iter().map(of).collect();
        Series::of(&values).ok_or("nothing was measured")
    };
    let (ms, peak) = (series(|s| s.ms)?, series(|s| s.peak_mb)?);
    println!(
        "  {name:<16}{:>9.2} ms ({:.2} to {:.2}), peak memory {:.1} MB",
        ms.median, ms.least, ms.most, peak.median
    );
    Ok((ms.median, peak.median))
}

fn sizes(functions: &[Function], python: &Path, report: &mut Report) -> Result<()> {
    println!("\nsize in bytes");
    for Function { name, binary } in functions {
        let bytes = std::fs::metadata(binary)?.len();
        let zipped = build::zip_bytes(python, binary)?;
        println!("  {name:<16}{bytes:>12} binary {zipped:>12} zip");
        report.figure(&format!("size.{name}.binary_bytes"), bytes);
        let key = format!("size.{name}.zip_bytes");
        report.figure(&key, zipped);
        let zipped = u32::try_from(zipped)?.into();
        let most = if WAITED_FOR.contains(&name.as_str()) {
            ZIP_BYTES
        } else {
            OTHERS_ZIP_BYTES
        };
        report.target(&key, zipped, Bound::AtMost, most);
    }
    Ok(())
}

fn breakdown(Function { name, binary }: &Function, report: &mut Report) -> Result<()> {
    println!("\nwhere the time goes in {name}");
    match trace::syscalls(binary)? {
        None => println!("  system calls: not measured, strace is not installed"),
        Some(trace) => {
            println!(
                "  {} system calls (under strace, which slows each): loading {:.1} ms, setting up {:.1} ms, connecting {:.1} ms",
                trace.syscalls, trace.loading_ms, trace.setting_up_ms, trace.connecting_ms
            );
            println!("  files read: {}", trace.files.join(" "));
            report.figure(&format!("start.{name}.syscalls"), trace.syscalls);
        }
    }
    match trace::instructions(binary)? {
        None => println!("  instructions: not measured, valgrind is not installed"),
        Some(count) => {
            println!("  {count} instructions");
            report.figure(&format!("start.{name}.instructions"), count);
        }
    }
    Ok(())
}

/// Lists the same number of keys at each provider, holding one page; and, to compare, all of them. Where a slot's place
/// has a few keys at most, so has a list.
fn lists(report: &mut Report) -> Result<()> {
    println!(
        "\npeak memory of listing {} keys, beyond that of the first page",
        list::KEYS
    );
    let (mut keys, mut peak) = (usize::MAX, 0.0_f64);
    let many = ProviderName::ALL.into_iter();
    for provider in many.filter(|provider| provider.keys_at_a_time().is_none()) {
        let listed = list::measure(provider, Keep::One)?;
        println!("  {:<16}{:>9.2} MB", provider.to_string(), listed.peak_mb);
        report.figure(&format!("list.{provider}.peak_mb"), round(listed.peak_mb));
        (keys, peak) = (keys.min(listed.keys), peak.max(listed.peak_mb));
    }
    let all = list::measure(ProviderName::OpenRouter, Keep::All)?;
    println!("  {:<16}{:>9.2} MB", "all in memory", all.peak_mb);
    report.figure("list.keys", keys);
    report.figure("list.peak_mb", round(peak));
    report.figure("list.all_mb", round(all.peak_mb));
    let listed = u32::try_from(keys)?.into();
    report.target("list.keys", listed, Bound::AtLeast, list::KEYS as f64);
    report.target("list.peak_mb", peak, Bound::AtMost, LIST_MB);
    Ok(())
}

/// What a process of this binary measured.
fn told(measured: Result<String>) -> ExitCode {
    match measured {
        Ok(measured) => {
            println!("{measured}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
