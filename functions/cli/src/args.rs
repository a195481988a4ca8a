//! What the command takes.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use keyward_core::model::names::{AccountName, SlotName};

/// Looks after the API keys that AI agents use.
///
/// Acts (apply, register, enforce, pool add) go through the deployment's control function, which records who asked and
/// why. Everything else only reads, with your own AWS credentials; `rotate` asks Secrets Manager itself.
#[derive(Parser)]
#[command(name = "keyward", version, after_help = SETTINGS)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const SETTINGS: &str = "\
Settings, by environment variables:
  KEYWARD_CONTROL_URL  the control function's URL (apply, register, enforce, pool add)
  KEYWARD_TABLE        the inventory's table (status, rotate, pool status)
  KEYWARD_ACCOUNTS     the provider accounts, as the functions have them (providers; optional)
  AWS_REGION, AWS_PROFILE, AWS_ACCESS_KEY_ID, ...  as AWS's own tools read them";

/// Arguments longer than this that are no path are not repeated whole: one may be a key.
const MAX_REPEATED: usize = 24;
const SHOWN: usize = 11;

/// Says what is wrong with the command line, or prints what was asked for, as `--help`. What might be a key is not
/// repeated.
pub(crate) fn explain(refused: &clap::Error) -> ExitCode {
    if !refused.use_stderr() {
        crate::print::line(refused.to_string().trim_end());
        return ExitCode::SUCCESS;
    }
    let mut text = refused.to_string();
    for argument in std::env::args_os().skip(1) {
        let argument = argument.to_string_lossy();
        let is_path = argument.contains(['/', '.', '\\']);
        if !is_path && argument.chars().count() > MAX_REPEATED {
            let shown: String = argument.chars().take(SHOWN).collect();
            text = text.replace(argument.as_ref(), &format!("{shown}…"));
        }
    }
    crate::print::complain(text.trim_end());
    ExitCode::from(2)
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Bring the inventory up to a fleet file: register new slots, change owners, policies and expected spend.
    ///
    /// Nothing is ever removed. Example: keyward apply fleet.json --reason "onboard the search bot"
    Apply {
        /// The fleet file (JSON).
        file: PathBuf,
        /// Why; goes into the record.
        #[arg(long, required_unless_present = "plan")]
        reason: Option<String>,
        /// Only say what would be done.
        #[arg(long, conflicts_with = "reason")]
        plan: bool,
    },
    /// Register one slot of a fleet file.
    Register {
        /// The fleet file (JSON).
        file: PathBuf,
        /// The slot.
        slot: SlotName,
        /// Why; goes into the record.
        #[arg(long)]
        reason: String,
    },
    /// Let a slot's usage statistics kill, or with --observe only report.
    Enforce {
        /// The slot.
        slot: SlotName,
        /// Only report what would have been done.
        #[arg(long)]
        observe: bool,
        /// Why; goes into the record.
        #[arg(long)]
        reason: String,
    },
    /// Show slots and their keys.
    Status {
        /// One slot; all if left out.
        slot: Option<SlotName>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Rotate a slot's key now.
    ///
    /// Agents go on working: the old key stays valid beside the new one. Example: keyward rotate search-bot --wait
    Rotate {
        /// The slot.
        slot: SlotName,
        /// Wait until the new key is in use, and say how it went.
        #[arg(long)]
        wait: bool,
        /// How long to wait at most, in seconds.
        #[arg(long, default_value_t = 300, requires = "wait")]
        timeout: u32,
    },
    /// Standby keys for providers whose API makes none.
    #[command(subcommand)]
    Pool(Pool),
    /// Show what each provider's API can do, and the configured accounts.
    Providers {
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// Each request that Keyward sends, and which published description it was checked against.
        #[arg(long)]
        operations: bool,
    },
}

#[derive(Subcommand)]
pub(crate) enum Pool {
    /// Put keys into an account's pool. They are read from standard input, one a line.
    ///
    /// A key is never taken as an argument: those are seen by everybody on the machine and stay in the shell's
    /// history. Example: keyward pool add anthropic-main --reason "monthly refill" < keys.txt
    Add {
        /// The provider account.
        account: AccountName,
        /// Why; goes into the record.
        #[arg(long)]
        reason: String,
    },
    /// Show how many keys stand by, and how old they are.
    Status {
        /// The provider account.
        account: AccountName,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}
