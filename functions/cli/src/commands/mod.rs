//! The commands.

mod accept;
mod apply;
mod audit;
mod backtest;
mod break_glass;
mod completions;
mod confirm;
mod doctor;
mod drill;
mod enforce;
mod entered;
mod expect;
mod history;
mod import;
mod init_repo;
mod kill;
mod leak;
mod lockdown;
mod migrate;
mod offboard;
mod offline;
mod operations;
mod plan;
mod pool;
mod prices;
mod providers;
mod restore;
mod rotate;
mod scan;
mod status;

use anyhow::Result;
use keyward_backtest::Inject;
use keyward_core::ports::Pass;

pub(crate) use accept::Accept;
pub(crate) use audit::Audit;
pub(crate) use drill::Sealed;
pub(crate) use entered::Entered;
pub(crate) use expect::Factor;
pub(crate) use import::Import;
pub(crate) use init_repo::InitRepo;
pub(crate) use leak::Leak;
pub(crate) use lockdown::Lockdown;
pub(crate) use offboard::Offboard;
pub(crate) use offline::Offline;
pub(crate) use scan::Scan;

use crate::args::{Args, Command};
use crate::print::Outcome;

pub(crate) async fn run(args: Args) -> Result<Outcome> {
    match args.command {
        Command::Plan { file, out, json } => {
            let format = json.into();
            plan::plan(&plan::Wanted { file, out, format }).await
        }
        Command::Apply {
            file,
            reason,
            planned,
            json,
            ..
        } => {
            let format = json.into();
            match reason {
                Some(reason) => {
                    let wanted = apply::Wanted {
                        file,
                        reason,
                        planned,
                        format,
                    };
                    apply::apply(&wanted).await
                }
                None => {
                    let out = None;
                    plan::plan(&plan::Wanted { file, out, format }).await
                }
            }
        }
        Command::Import(wanted) => import::import(wanted).await,
        Command::Register {
            file,
            slot,
            reason,
            json,
        } => apply::register(&file, &slot, &reason, json.into()).await,
        Command::Enforce {
            slot,
            observe,
            reason,
            dry_run,
            json,
        } => {
            let request = serde_json::json!({
                "reason": reason.unwrap_or_default(),
                "slot": slot,
                "mode": enforce::mode(observe),
                "dry_run": dry_run,
            });
            enforce::enforce(&slot, &request, json.into()).await
        }
        Command::Accept(wanted) => accept::accept(wanted).await,
        Command::Audit(wanted) => audit::run(wanted).await,
        Command::Expect {
            slot,
            factor,
            until,
            incident,
            reason,
            dry_run,
            json,
            ..
        } => {
            let words = expect::Words {
                slot,
                more: factor.zip(until),
                incident,
                reason: (!dry_run).then(|| reason.unwrap_or_default()),
            };
            expect::expect(&words, json.into()).await
        }
        Command::Kill {
            slot,
            reason,
            leak,
            dry_run,
            yes,
            json,
            offline,
        } => {
            let order = kill::Order {
                slot,
                reason: reason.unwrap_or_default(),
                leak,
            };
            if let Some(whereabouts) = offline.whereabouts(&order.slot) {
                let accounts = offline.accounts();
                return match dry_run {
                    true => offline::foresee(&order, accounts, &whereabouts, json.into()).await,
                    false => {
                        let confirm = yes.into();
                        offline::kill(&order, accounts, &whereabouts, confirm, json.into()).await
                    }
                };
            }
            match dry_run {
                true => kill::foresee(&order, json.into()).await,
                false => kill::kill(&order, yes.into(), json.into()).await,
            }
        }
        Command::Leak(wanted) => leak::leak(wanted).await,
        Command::Scan(wanted) => scan::scan(&wanted),
        Command::Fingerprints => scan::export().await,
        Command::InitRepo(wanted) => init_repo::init_repo(&wanted),
        Command::Offboard(wanted) => offboard::run(wanted).await,
        Command::Restore {
            slot,
            reason,
            key,
            force,
            dry_run,
            json,
        } => {
            let request = serde_json::json!({
                "reason": reason.unwrap_or_default(),
                "slot": slot,
                "key": key,
                "force": force,
                "dry_run": dry_run,
            });
            restore::restore(&slot, &request, json.into()).await
        }
        Command::Migrate {
            reason,
            dry_run,
            json,
        } => {
            let pass = match dry_run {
                true => Pass::Look,
                false => Pass::Write,
            };
            migrate::migrate(&reason.unwrap_or_default(), pass, json.into()).await
        }
        Command::Drill {
            slot,
            reason,
            dry_run,
            wait,
            timeout,
            break_glass,
            yes,
            json,
        } => {
            let order = drill::Order {
                slot,
                reason: reason.unwrap_or_default(),
                wait: wait.then_some(timeout),
                break_glass,
            };
            match dry_run {
                true => drill::foresee(&order.slot, json.into()).await,
                false => drill::drill(&order, yes.into(), json.into()).await,
            }
        }
        Command::Status { slot, json } => status::status(slot.as_ref(), json.into()).await,
        Command::Rotate {
            slot,
            wait,
            timeout,
            dry_run,
            json,
        } => match dry_run {
            true => rotate::foresee(&slot, json.into()).await,
            false => rotate::rotate(&slot, wait.then_some(timeout), json.into()).await,
        },
        Command::Backtest {
            traces: Some(traces),
            inject,
            seeds,
            html,
            json,
            ..
        } => {
            let inject = match inject {
                true => Inject::All,
                false => Inject::Nothing,
            };
            backtest::run(&traces, inject, seeds, html.as_deref(), json.into())
        }
        Command::Backtest {
            slot, html, json, ..
        } => history::run(slot.as_ref(), html.as_deref(), json.into()).await,
        Command::Pool(pool) => pool::run(pool).await,
        Command::Doctor { entered, json } => match entered.run(json.into()).await {
            Some(done) => done,
            None => doctor::doctor(json.into()).await,
        },
        Command::Lockdown(wanted) => lockdown::run(wanted).await,
        Command::Completions { shell } => completions::completions(shell),
        Command::Prices(prices) => prices::run(prices).await,
        // The JSON has the operations of each provider anyway.
        Command::Providers {
            json: false,
            operations: true,
        } => {
            operations::show();
            Ok(Outcome::Done)
        }
        Command::Providers { json, .. } => providers::providers(json.into()).await,
    }
}

/// For whom a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// People.
    Table,
    /// Programs.
    Json,
}

impl From<bool> for Format {
    fn from(json: bool) -> Self {
        if json { Self::Json } else { Self::Table }
    }
}
