#![doc = include_str!("../README.md")]

mod args;
mod aws;
mod commands;
mod control;
#[cfg(test)]
mod documented;
mod fleet_file;
mod print;
mod progress;
mod settings;
mod waiting;
mod wrong_words;

use std::process::ExitCode;

use clap::Parser;

use args::Args;

/// Done, and everything asked for was done.
const DONE: u8 = 0;
/// Something was refused or failed.
const FAILED: u8 = 1;
/// Something differs, or was not seen.
const DIFFERS: u8 = 2;
/// Everything that was found was done, and there may be more.
const MAYBE_MORE: u8 = 3;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(refused) => return wrong_words::explain(&refused),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(commands::run(args)),
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(print::Outcome::Done) => DONE.into(),
        Ok(print::Outcome::NotAll) => FAILED.into(),
        Ok(print::Outcome::Differs) => DIFFERS.into(),
        Ok(print::Outcome::MaybeMore) => MAYBE_MORE.into(),
        Err(error) => {
            print::complain(&format!("keyward: {}", print::chain(&error)));
            FAILED.into()
        }
    }
}
