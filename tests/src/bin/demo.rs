//! `demo [--break overlap|intent]`: a day of three agents, and what became of their keys. Exit 1 if a rule was broken.
#![expect(clippy::print_stderr, reason = "a command")]

use std::io::Write;
use std::process::ExitCode;

use keyward_tests::demo::{Break, run};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let fault = match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        [] => None,
        ["--break", what] => match what.parse::<Break>() {
            Ok(fault) => Some(fault),
            Err(error) => return usage(&error),
        },
        _ => return usage("unknown arguments"),
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let totals = runtime.block_on(run(fault, &mut say));
    say(&totals.to_json());
    for broken in &totals.broken {
        eprintln!("BROKEN {broken}");
    }
    if totals.broken.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// One line on standard output. That nobody reads any more, as behind `head`, changes nothing.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn usage(problem: &str) -> ExitCode {
    eprintln!("{problem}\nusage: demo [--break overlap|intent]");
    ExitCode::from(2)
}
