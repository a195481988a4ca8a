//! What the command takes.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use clap_complete::Shell;
use keyward_core::model::names::{AccountName, SlotName};

use crate::commands::{
    Accept, Audit, Entered, Factor, Import, InitRepo, Leak, Lockdown, Offboard, Offline, Scan,
    Sealed,
};
use crate::fleet_file::USUAL;

/// Looks after the API keys that AI agents use.
///
/// Acts (apply, register, enforce, accept, expect, kill, leak, offboard, restore, drill, migrate, pool add, prices put) go through the deployment's control function, which records who asked and
/// why; plan, import and doctor ask it too, and change nothing. Everything else only reads, with your own AWS credentials; `rotate` asks Secrets Manager itself.
#[derive(Parser)]
#[command(name = "keyward", version, after_help = SETTINGS)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const SETTINGS: &str = "\
Settings, by environment variables:
  KEYWARD_CONTROL_URL  the control function's URL, where one serves all kinds of acts; else one for each kind:
    ..._URL_SEE        plan, import, doctor
    ..._URL_OPERATE    apply, register, expect, drill, migrate, pool add, prices put, doctor --break-glass
    ..._URL_KILL       kill, leak, offboard
    ..._URL_ENFORCE    enforce, accept
    ..._URL_RESTORE    restore, lockdown --lift
  KEYWARD_TABLE        the inventory's table (status, rotate, doctor, audit, fingerprints, backtest --slot, drill --wait, offboard --wait and --evidence, pool status, prices show)
  KEYWARD_STACK, KEYWARD_ALARM_TOPIC_ARN, KEYWARD_ALARM_MAP  the deployment, as the functions have it (audit; the first also
                       doctor --bootstrap and lockdown)
  KEYWARD_REPORTS      the bucket of reports (audit; optional: what earlier audits found)
  KEYWARD_ACCOUNTS     the provider accounts, as the functions have them (kill --offline, where --accounts names no file;
                       audit, providers and pool status, optional; doctor --bootstrap and --break-glass, lockdown)
  AWS_REGION, AWS_PROFILE, AWS_ACCESS_KEY_ID, ...  as AWS's own tools read them

Ends with:
  0  everything was done; plan: all was seen, and nothing is left to do
  1  something was refused or failed; plan: there is no plan; audit: there is no report; doctor: something is wrong
  2  the command line is wrong; plan: something differs, or was not seen; import, doctor: something was not seen; audit:
     something is wrong that --fail-on names; init-repo: --check found a file that is missing or differs
  3  kill --offline: what was found is done, and there may be more; audit: nothing such was found, and not all was seen;
     leak: of something that was found the text could not be looked at; scan: no key was found, and something could not be read";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show what applying a fleet file would do, and what is not as it should be. Changes nothing.
    ///
    /// The file is held against the inventory, Secrets Manager, the providers' keys and their limits, and the alarms that
    /// guard slots: `+` is registered and `~` changed by apply, `!` is for a person, `=` is set right by Keyward itself, `?`
    /// was not seen, and `-` is in the inventory alone, where it stays. Ends with 0 if nothing differs and all was seen, 2 if
    /// something differs or was not seen, 1 if there is no plan. Example: keyward plan --out today.plan
    Plan {
        /// The fleet file (TOML, or JSON).
        #[arg(default_value = USUAL)]
        file: PathBuf,
        /// Keep the plan in this file, for keyward apply --planned.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Bring the inventory up to a fleet file: register new slots, change owners, policies and expected spend.
    ///
    /// Nothing is ever removed. Nothing is begun while a slot of the file is refused, or while one is no longer what it was
    /// planned on. Example: keyward apply keyward.toml --reason "onboard the search bot"
    Apply {
        /// The fleet file (TOML, or JSON).
        #[arg(default_value = USUAL)]
        file: PathBuf,
        /// Why; goes into the record.
        #[arg(long, required_unless_present = "dry_run")]
        reason: Option<String>,
        /// Only what this plan of keyward plan --out shows: what moved since stops it.
        #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
        planned: Option<PathBuf>,
        /// Only say what would be done: the same as keyward plan.
        #[arg(long, alias = "plan", conflicts_with = "reason")]
        dry_run: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show keys at a provider that belong to no slot, as entries for the fleet file. Changes nothing.
    ///
    /// Name the secrets that may hold one of them, and each is told beside its key. What only a person knows is left open. Example:
    /// keyward import openrouter-main --secret arn:aws:secretsmanager:... >> keyward.toml
    Import(Import),
    /// Register one slot of a fleet file.
    Register {
        /// The fleet file (TOML, or JSON).
        file: PathBuf,
        /// The slot.
        slot: SlotName,
        /// Why; goes into the record.
        #[arg(long)]
        reason: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Let a slot's usage statistics kill, or with --observe only report.
    Enforce {
        /// The slot.
        slot: SlotName,
        /// Only report what would have been done.
        #[arg(long)]
        observe: bool,
        /// Why; goes into the record.
        #[arg(long, required_unless_present = "dry_run")]
        reason: Option<String>,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Answer for what an audit finds until a day: it counts as accepted, and is open again after.
    ///
    /// Who asks is who answers; each report shows that, with the reason. Who may say what statistics may do may say this.
    /// Example: keyward accept 0f3a5c7e9b1d2f4a6c8e0b2d4f6a8c0e --until 2027-03-01 --reason "moves in February"
    Accept(Accept),
    /// Say which keys there are, whose they are, and what is wrong with them. Changes nothing.
    ///
    /// The same as the deployment does every month, with your own credentials: inventory, Secrets Manager, providers, alarms,
    /// Lambda variables, IAM. What you may not read is told as not seen, never as well. Ends with 0 if all was seen and nothing
    /// of --fail-on or worse is open, 2 if something is, 3 if nothing such was found but not all was seen, 1 if there is no
    /// report. Example: keyward audit --out reports/
    ///
    /// With --discover, for an AWS account that has never seen Keyward, no table and no stack are needed: secrets, Lambda
    /// variables and IAM users that hold LLM keys by all that can be told, and a fleet file that would bring them under
    /// management. Example: keyward audit --discover --out keyward.toml
    Audit(Audit),
    /// Say that a slot will spend more for a while: a launch, the end of a month.
    ///
    /// Its limit at the provider and what counts as far above normal follow until then. Example: keyward expect search-bot
    /// x2 --until 2026-12-01T00:00:00Z --reason "launch week"
    Expect {
        /// The slot.
        slot: SlotName,
        /// How many times what is normal: x2, x1.5, up to x20.
        #[arg(required_unless_present_any = ["normal", "incident"], requires = "until")]
        factor: Option<Factor>,
        /// Until when (UTC, as 2026-12-01T00:00:00Z), within the next 35 days.
        #[arg(long, requires = "factor", value_parser = moment)]
        until: Option<jiff::Timestamp>,
        /// What is normal is expected again.
        #[arg(long, conflicts_with_all = ["factor", "until"])]
        normal: bool,
        /// What this incident of the slot's last kill spent was rightful use: it counts as normal from now on.
        #[arg(long, conflicts_with_all = ["factor", "until", "normal"])]
        incident: Option<String>,
        /// Why; goes into the record.
        #[arg(long, required_unless_present = "dry_run")]
        reason: Option<String>,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Cut a slot off now: every key of it, and a replacement is made.
    ///
    /// Keys are suspended where the provider can, and can be restored for 72 hours; with --leak they are revoked for
    /// good. Ends with 0 only if every key is cut off. With AWS down: --offline. Example: keyward kill search-bot --reason
    /// "calls at night"
    Kill {
        /// The slot.
        slot: SlotName,
        /// Why; goes into the record.
        #[arg(long, required_unless_present_any = ["dry_run", "offline"])]
        reason: Option<String>,
        /// A key of it was found where it must not be: for good.
        #[arg(long)]
        leak: bool,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
        /// Do not ask for the slot's name to be typed.
        #[arg(long)]
        yes: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        offline: Offline,
    },
    /// Keys were found where they must not be: say whose they are, and cut off for good what is alive.
    ///
    /// Only fingerprints leave this machine. A slot with a key that is alive is cut off as by kill --leak; keys of no slot that look
    /// like keys are told to people. Ends with 0 if nothing that was found is left alive, 1 if something is, 3 if of something
    /// the text could not be looked at. Example: keyward leak gitleaks.json --yes --reason "found in CI"
    Leak(Leak),
    /// Look for keys of LLM providers in files. Asks nobody: no network, no AWS.
    ///
    /// With --known, whose a key is and whether it lives is told too, from a list that keyward fingerprints wrote. No key text is
    /// printed. A line with `keyward:allow` in it is passed over, unless the list knows its key. Ends with 0 if there is no key, 1 if
    /// there is one, 3 if there is none and something could not be read. Example: keyward scan --staged --known fingerprints.json
    Scan(Scan),
    /// Write the list of keys that are known, for keyward scan --known: SHA-256 of each key with its slot and state, as JSON.
    ///
    /// No key can be made from it. It tells the names of slots: give it to whom those may be told. Example: keyward
    /// fingerprints > fingerprints.json
    Fingerprints,
    /// Write what keeps keys out of a repository: hooks for gitleaks and detect-secrets, a CI workflow, rules for every
    /// provider's key formats, and what people are to do.
    ///
    /// Files that are there and differ are left as they are, and told. Ends with 0 if all stands as it should, 1 if a file was
    /// left, 2 if --check found one that is missing or differs. Example: keyward init-repo
    InitRepo(InitRepo),
    /// An agent is given up, or a person has left: every key of theirs is dead or replaced within 24 hours.
    ///
    /// It goes on by itself once it is begun. Agents of a person's slots go on working. Example: keyward offboard
    /// --person ana@example.com --reason "ticket 7" --wait --evidence ana.json
    Offboard(Offboard),
    /// Bring back what a kill took away: lift a slot's restriction or suspension, and with --key a key that was cut off.
    ///
    /// A key comes back only if its provider is seen to accept it; a kill that comes meanwhile wins. Where the deployment
    /// wants two people, the same command by a second one within an hour does it. Example: keyward restore search-bot
    /// --key newest --reason "it was our load test"
    Restore {
        /// The slot.
        slot: SlotName,
        /// Why; goes into the record.
        #[arg(long, required_unless_present = "dry_run")]
        reason: Option<String>,
        /// The key to bring back: `newest`, or the id that `kill` showed.
        #[arg(long, value_name = "VERSION")]
        key: Option<String>,
        /// Even though the alarm is still in ALARM, or cannot be asked.
        #[arg(long)]
        force: bool,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// After an upgrade: write every item of the inventory as this release does. Or only look whether it can read them all.
    ///
    /// A release reads what the one before wrote, and writes so too until the deployment's parameter Schema says otherwise:
    /// until then the release before can take over again. Ends with 0 if all items are this release's, 2 if some are still
    /// the one before's, 1 if some cannot be read. Example: keyward migrate --dry-run
    Migrate {
        /// Why; goes into the record.
        #[arg(long, required_unless_present = "dry_run")]
        reason: Option<String>,
        /// Only look.
        #[arg(long)]
        dry_run: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Cut a canary off by the kill switch's real path, to see that it works and how long each stage takes.
    ///
    /// The slot must be a canary by the fleet file, and enforce. Its score is put, and its alarm does the rest; its agent gets
    /// a new key. With --wait, ends with 0 only if the key was seen refused and a replacement is in use. Example: keyward
    /// drill canary-openrouter --wait --yes --break-glass --reason "monthly drill" < break-glass.txt
    Drill {
        /// The slot.
        slot: SlotName,
        /// Why; goes into the record.
        #[arg(long, required_unless_present = "dry_run")]
        reason: Option<String>,
        /// Only say whether a drill could begin.
        #[arg(long, conflicts_with = "wait")]
        dry_run: bool,
        /// Wait for its end, and print each stage as it comes.
        #[arg(long)]
        wait: bool,
        /// How long to wait at most, in seconds.
        #[arg(long, default_value_t = 1200, requires = "wait")]
        timeout: u32,
        #[command(flatten)]
        break_glass: Sealed,
        /// Do not ask for the slot's name to be typed.
        #[arg(long)]
        yes: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show slots: their keys, what they spend against what they may, and what ends it if it is too much.
    ///
    /// PROTECTED is `provider` where the provider's own limit was set and read back, `Keyward` where the kill switch acts on
    /// what is seen, and `nothing` else. SCORE is the slot's KillScore: it is cut off from 1 on.
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
        /// Only say whether it could begin.
        #[arg(long, conflicts_with = "wait")]
        dry_run: bool,
        /// As JSON, once it is over.
        #[arg(long)]
        json: bool,
    },
    /// Replay recorded usage through the detector and show what it would have done.
    ///
    /// A folder of traces: false kills and alerts are counted; with --inject, thefts and harmless changes are put in. Ends with
    /// 0 only if every figure is what it must be. Example: keyward backtest traces/ --inject --html report.html
    ///
    /// Slots: what is kept of their own usage, 40 days at most. Nothing is fed back: usage goes on as it was, also after a kill.
    /// Example: keyward backtest --slot search-bot
    Backtest {
        /// A folder of CSV traces.
        #[arg(required_unless_present_any = ["slot", "slots"], conflicts_with_all = ["slot", "slots"])]
        traces: Option<PathBuf>,
        /// Put thefts and harmless changes in.
        #[arg(long, conflicts_with_all = ["slot", "slots"])]
        inject: bool,
        /// How many times, each with other chance; figures are of all together.
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=100))]
        seeds: u64,
        /// One slot, from the table.
        #[arg(long, value_name = "NAME")]
        slot: Option<SlotName>,
        /// All slots, from the table.
        #[arg(long, conflicts_with = "slot")]
        slots: bool,
        /// Write a page with a curve for each key to this file as well.
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Standby keys for providers whose API makes none.
    #[command(subcommand)]
    Pool(Pool),
    /// What models cost: the table that usage is priced by.
    #[command(subcommand)]
    Prices(Prices),
    /// Look whether an installation is well, end to end. Changes nothing.
    ///
    /// Your own access, the control function, clocks, the table, work that is overdue, one read from each provider with the
    /// credential that only reads, usage, secrets, alarms, the last drill. What is wrong is told with what mends it. Ends with 0 if all is
    /// well, 1 if something is wrong, 2 if something was not seen.
    Doctor {
        #[command(flatten)]
        entered: Box<Entered>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Stop Keyward itself: for when it, or one of its admin credentials, may be in somebody else's hands.
    ///
    /// Every function of the stack is stopped, each admin credential is replaced where its provider can make them, and what the
    /// functions did lately is listed. All of it from here, with your own AWS credentials: neither control nor the table is
    /// asked. Keys are not touched, and agents keep working; nothing is rotated or cut off until --lift, but by kill
    /// --offline. Example: keyward lockdown --since 48 --reason "admin key in a paste"
    Lockdown(Lockdown),
    /// Print what a shell needs to complete this command's words.
    ///
    /// Example, for bash: keyward completions bash > ~/.local/share/bash-completion/completions/keyward
    Completions {
        /// The shell.
        shell: Shell,
    },
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

/// A time on the command line.
fn moment(text: &str) -> Result<jiff::Timestamp, &'static str> {
    text.parse()
        .map_err(|_| "write day, time and zone, as 2026-12-01T00:00:00Z")
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
        #[arg(long, required_unless_present = "dry_run")]
        reason: Option<String>,
        /// Only say which of them would be put in.
        #[arg(long)]
        dry_run: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
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

#[derive(Subcommand)]
pub(crate) enum Prices {
    /// Show of which day the table in use is, and where its prices are from.
    Show {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Put a table in place of the one in use, without a release.
    ///
    /// It has the form of shared/core/prices/prices.json. One that is older, of a day to come, or in which a price moves
    /// more than twentyfold is refused. Example: keyward prices put prices.json --reason "new models"
    Put {
        /// The table (JSON).
        file: PathBuf,
        /// Why; goes into the record.
        #[arg(long, required_unless_present = "dry_run")]
        reason: Option<String>,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_cannot_be_read_is_answered_with_an_example() {
        assert!(moment("2026-12-01T00:00:00Z").is_ok());
        for text in ["tomorrow", "2026-12-01", "2026-12-01 00:00", ""] {
            let said = moment(text).expect_err(text);
            assert!(said.contains("2026-12-01T00:00:00Z"), "{said}");
        }
    }
}
