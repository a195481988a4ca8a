//! `fuzz [--seconds N] [--seed N] [--only TARGET] [--input FILE [--status N]]`: mutated answers for every parser of
//! every provider and mutated messages for the kill switch, or one input for all of them. Exit 1 if something was found: the input is kept in `target/fuzz`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use keyward_core::model::slot::ProviderName;
use keyward_providers::fuzzing::{CREDENTIAL, Input, PROVIDERS, Provider};
use keyward_tests::fuzz::{Found, Fuzzer, Limits, Parsed, Parser, Seeds, Target, kill_switch};

/// Seconds for each target unless said otherwise.
const SECONDS: u64 = 30;

/// How long one target is at work before the next has its turn.
const TURN: Duration = Duration::from_secs(1);

/// A parser that is at work for so long will not come back.
const HANGS: Duration = Duration::from_secs(10);

type Error = Box<dyn std::error::Error>;

struct Arguments {
    seconds: u64,
    seed: u64,
    only: Option<String>,
    input: Option<PathBuf>,
    status: u16,
}

fn main() -> ExitCode {
    let ended = arguments().and_then(|arguments| match &arguments.input {
        Some(input) => replay(&arguments, input),
        None => fuzz(&arguments),
    });
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn arguments() -> Result<Arguments, Error> {
    let mut arguments = Arguments {
        seconds: SECONDS,
        seed: fastrand::u64(..1_000_000_000),
        only: None,
        input: None,
        status: 200,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words
            .next()
            .ok_or_else(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--seconds" => arguments.seconds = value.parse()?,
            "--seed" => arguments.seed = value.parse()?,
            "--only" => arguments.only = Some(value),
            "--input" => arguments.input = Some(value.into()),
            "--status" => arguments.status = value.parse()?,
            _ => return Err(format!("no such argument: {word}").into()),
        }
    }
    Ok(arguments)
}

/// The workspace.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

fn targets(only: Option<&str>) -> Result<Vec<Target>, Error> {
    let is_there = |name: &ProviderName| PROVIDERS.iter().any(|p| p.name == name.as_str());
    if let Some(missing) = ProviderName::ALL.iter().find(|name| !is_there(name)) {
        return Err(format!("no parsers of {missing} are known").into());
    }
    let providers: Result<Vec<Target>, Error> = PROVIDERS.iter().map(target).collect();
    let mut targets = providers?;
    targets.push(kill_switch(&root().join("tests/fixtures/cases"))?);
    targets.retain(|target| only.is_none_or(|only| only == target.name));
    match targets {
        targets if targets.is_empty() => Err("no such target".into()),
        targets => Ok(targets),
    }
}

/// Recorded answers of all providers: what one never sent may come from a proxy.
fn target(provider: &'static Provider) -> Result<Target, Error> {
    let mut seeds = Seeds::default();
    seeds.folder(&root().join("shared/providers/fixtures"))?;
    seeds.folder(&root().join("tests/fixtures/cases/provider"))?;
    for sample in provider.samples {
        match serde_json::from_str(sample) {
            Ok(value) => seeds.document(&value),
            Err(_) => seeds.markup(sample),
        }
    }
    let secrets = vec![provider.key.to_owned(), CREDENTIAL.to_owned()];
    let parsers = provider.parsers.iter().map(|parser| Parser {
        name: parser.name,
        parse: Box::new(|status, body| {
            let parsed = (parser.parse)(&Input { status, body });
            Parsed {
                whole: parsed.whole,
                printed: parsed.printed,
                wrong: None,
            }
        }),
    });
    Ok(Target {
        name: provider.name.to_owned(),
        parsers: parsers.collect(),
        seeds: seeds.planted(&secrets),
        secrets,
    })
}

/// One target's turn after the other's, on every processor.
struct Job {
    name: String,
    fuzzer: Mutex<Fuzzer>,
    /// Milliseconds that it was at work.
    spent: AtomicU64,
    /// When its latest input began, in milliseconds since the start; 0: none is under way.
    begun: AtomicU64,
}

fn fuzz(arguments: &Arguments) -> Result<bool, Error> {
    // What is found is told here, not by the hook.
    std::panic::set_hook(Box::new(|_| {}));
    let start = now();
    let jobs: Vec<Job> = targets(arguments.only.as_deref())?
        .into_iter()
        .map(|target| Job {
            name: target.name.clone(),
            fuzzer: Mutex::new(Fuzzer::new(target, arguments.seed, Limits::default())),
            spent: AtomicU64::new(0),
            begun: AtomicU64::new(0),
        })
        .collect();
    println!("SEED={} SECONDS={}", arguments.seed, arguments.seconds);
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    let stop = AtomicBool::new(false);
    let found = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers)
            .map(|_| scope.spawn(|| work(&jobs, arguments.seconds * 1000, start, &stop)))
            .collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            watch(&jobs, arguments, start);
            std::thread::sleep(Duration::from_millis(100));
        }
        workers
            .into_iter()
            .find_map(|worker| worker.join().ok().flatten())
    });
    for job in &jobs {
        let fuzzer = job.fuzzer.lock().unwrap_or_else(PoisonError::into_inner);
        println!(
            "{:<12}{:>10} inputs {:>11} executions {:>6.1} s, corpus {:>6}, {:>6} ways through the parsers",
            fuzzer.name(),
            fuzzer.inputs(),
            fuzzer.runs(),
            job.spent.load(Ordering::Relaxed) as f64 / 1000.0,
            fuzzer.corpus(),
            fuzzer.ways()
        );
    }
    println!(
        "{:.1} s on {workers} threads",
        (now() - start).as_secs_f64()
    );
    match found {
        None => Ok(true),
        Some(found) => tell(&found, arguments.seed).map(|()| false),
    }
}

/// Takes turns until every target had its time, or something was found.
fn work(jobs: &[Job], milliseconds: u64, start: Instant, stop: &AtomicBool) -> Option<Found> {
    loop {
        let least = |job: &&Job| job.spent.load(Ordering::Relaxed);
        let mut open: Vec<&Job> = jobs
            .iter()
            .filter(|job| least(job) < milliseconds)
            .collect();
        open.sort_by_key(least);
        if open.is_empty() || stop.load(Ordering::Relaxed) {
            return None;
        }
        let free = open
            .iter()
            .find_map(|job| Some((job, job.fuzzer.try_lock().ok()?)));
        let Some((job, mut fuzzer)) = free else {
            std::thread::sleep(Duration::from_millis(20));
            continue;
        };
        let begun = now();
        let mut outcome = Ok(());
        while outcome.is_ok() && now() - begun < TURN {
            let at = (now() - start).as_millis() as u64;
            job.begun.store(at.max(1), Ordering::Relaxed);
            outcome = fuzzer.step();
        }
        job.begun.store(0, Ordering::Relaxed);
        let spent = (now() - begun).as_millis() as u64;
        job.spent.fetch_add(spent, Ordering::Relaxed);
        if let Err(found) = outcome {
            stop.store(true, Ordering::Relaxed);
            return Some(found);
        }
    }
}

/// Ends the process if a parser does not come back: nothing else can.
fn watch(jobs: &[Job], arguments: &Arguments, start: Instant) {
    for job in jobs {
        let begun = job.begun.load(Ordering::Relaxed);
        let at = (now() - start).as_millis() as u64;
        if begun > 0 && at.saturating_sub(begun) > HANGS.as_millis() as u64 {
            let name = &job.name;
            eprintln!(
                "FOUND {name}: a parser does not come back; SEED={} ONLY={name}",
                arguments.seed
            );
            std::process::exit(1);
        }
    }
}

fn tell(found: &Found, seed: u64) -> Result<(), Error> {
    let folder = root().join("target/fuzz");
    std::fs::create_dir_all(&folder)?;
    let name = found.parser.replace([',', ' '], "-");
    let file = folder.join(format!("{name}-{seed}-{}.bin", found.number));
    std::fs::write(&file, &found.body)?;
    eprintln!(
        "FOUND {}: {:?}, input {} of SEED={seed}, HTTP {}, kept in {}",
        found.parser,
        found.what,
        found.number,
        found.status,
        file.display()
    );
    Ok(())
}

fn replay(arguments: &Arguments, input: &Path) -> Result<bool, Error> {
    let body = std::fs::read(input)?;
    for target in targets(arguments.only.as_deref())? {
        let mut fuzzer = Fuzzer::new(target, arguments.seed, Limits::default());
        if let Err(found) = fuzzer.replay(arguments.status, &body) {
            eprintln!("FOUND {}: {:?}", found.parser, found.what);
            return Ok(false);
        }
    }
    println!("nothing is wrong with it");
    Ok(true)
}

#[expect(clippy::disallowed_methods, reason = "it runs for real seconds")]
fn now() -> Instant {
    Instant::now()
}
