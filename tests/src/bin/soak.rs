//! `soak [--seeds N] [--seed N]`: many interleavings of rotations and kills, or one with every turn shown. Exit 1 if a
//! rule was broken, if fewer than nine in ten schedules were distinct, or if something that a big run must try never
//! happened.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command")]

use std::process::ExitCode;

use keyward_testkit::gate::Fate;
use keyward_tests::interleavings::{Shown, many, one};

/// How many seeds are tried unless said otherwise.
const SEEDS: u64 = 100_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.replace('_', "").parse::<u64>().ok();
    match arguments.as_slice() {
        [] => soak(SEEDS),
        ["--seeds", seeds] => number(seeds)
            .filter(|seeds| *seeds > 0)
            .map_or_else(usage, soak),
        ["--seed", seed] => number(seed).map_or_else(usage, replay),
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: soak [--seeds N | --seed N]");
    ExitCode::from(2)
}

#[expect(clippy::disallowed_methods, reason = "real seconds are reported")]
fn soak(seeds: u64) -> ExitCode {
    let begun = std::time::Instant::now();
    let totals = match many(0..seeds) {
        Ok(totals) => totals,
        Err(broken) => {
            eprintln!("BROKEN {broken}");
            return ExitCode::FAILURE;
        }
    };
    for (what, seeds) in &totals.seen {
        println!("{seeds:>9}  {what}");
    }
    println!("{totals}, no rule broken, {} s", begun.elapsed().as_secs());
    let missed = totals.missed();
    for what in &missed {
        eprintln!("MISSED: it happened in fewer than one seed in a thousand: {what}");
    }
    if !totals.are_various() {
        eprintln!("fewer than nine in ten schedules were distinct");
    }
    match missed.is_empty() && totals.are_various() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Plays one seed and shows it: number of the turn, task, call, what happened to the call.
fn replay(seed: u64) -> ExitCode {
    let mut number = 0;
    let played = one(seed, &mut |shown| match shown {
        Shown::Plan(plan) => println!("{plan:#?}"),
        Shown::Turn(turn) => {
            if let Some(passed) = turn.passed {
                number += 1;
                let fate = match passed.fate {
                    Fate::Done => "",
                    Fate::AnswerLost => "  (answer lost)",
                    Fate::RequestLost => "  (request lost)",
                };
                println!("{number:>5}  {:<16} {}{fate}", turn.task, passed.call);
            }
        }
        Shown::Note(task, note) => println!("       {task:<16} {note}"),
        Shown::Rest => println!("all tasks have ended; work comes to rest"),
    });
    match played {
        Ok(_) => {
            println!("seed {seed}: {number} calls, no rule broken");
            ExitCode::SUCCESS
        }
        Err(broken) => {
            eprintln!("BROKEN seed {seed}: {}", broken.why);
            ExitCode::FAILURE
        }
    }
}
