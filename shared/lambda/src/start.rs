//! From `exec` to the first event.

use std::process::ExitCode;

use tracing::Level;

use crate::config::{
    AuditConfig, Config, ConfigError, ControlConfig, KillConfig, MonitorConfig, OffboardConfig,
};
use crate::diagnostic::chain;
use crate::logging;

/// Reads the configuration, sets up logging, and runs `main` on a single-threaded runtime. Whatever fails is logged:
/// every problem of the configuration as a record of its own.
///
/// `lookup` finds a variable by its name; in a deployed function it is [`crate::config::environment`].
pub fn start<F>(lookup: impl Fn(&str) -> Option<String>, main: F) -> ExitCode
where
    F: AsyncFnOnce(Config) -> Result<(), lambda_runtime::Error>,
{
    let config = Config::from_lookup(lookup);
    started(config, |config| config.log, main)
}

/// The same for the kill switch, which is told more.
pub fn start_kill_switch<F>(lookup: impl Fn(&str) -> Option<String>, main: F) -> ExitCode
where
    F: AsyncFnOnce(KillConfig) -> Result<(), lambda_runtime::Error>,
{
    let config = KillConfig::from_lookup(lookup);
    started(config, |config| config.common.log, main)
}

/// The same for the control function, which may be told more.
pub fn start_control<F>(lookup: impl Fn(&str) -> Option<String>, main: F) -> ExitCode
where
    F: AsyncFnOnce(ControlConfig) -> Result<(), lambda_runtime::Error>,
{
    let config = ControlConfig::from_lookup(lookup);
    started(config, |config| config.common.log, main)
}

/// The same for the monitor, which is told more.
pub fn start_monitor<F>(lookup: impl Fn(&str) -> Option<String>, main: F) -> ExitCode
where
    F: AsyncFnOnce(MonitorConfig) -> Result<(), lambda_runtime::Error>,
{
    let config = MonitorConfig::from_lookup(lookup);
    started(config, |config| config.common.log, main)
}

/// The same for the audit, which is told more.
pub fn start_audit<F>(lookup: impl Fn(&str) -> Option<String>, main: F) -> ExitCode
where
    F: AsyncFnOnce(AuditConfig) -> Result<(), lambda_runtime::Error>,
{
    let config = AuditConfig::from_lookup(lookup);
    started(config, |config| config.common.log, main)
}

/// The same for offboarding, which is told more.
pub fn start_offboard<F>(lookup: impl Fn(&str) -> Option<String>, main: F) -> ExitCode
where
    F: AsyncFnOnce(OffboardConfig) -> Result<(), lambda_runtime::Error>,
{
    let config = OffboardConfig::from_lookup(lookup);
    started(config, |config| config.common.log, main)
}

fn started<C, F>(config: Result<C, ConfigError>, log: fn(&C) -> Level, main: F) -> ExitCode
where
    F: AsyncFnOnce(C) -> Result<(), lambda_runtime::Error>,
{
    let config = match config {
        Ok(config) => config,
        Err(refused) => {
            logging::install(Level::INFO);
            for problem in &refused.0 {
                tracing::error!(
                    variable = problem.variable,
                    problem = problem.problem,
                    "the configuration is refused"
                );
            }
            return ExitCode::FAILURE;
        }
    };
    logging::install(log(&config));
    match block_on(main(config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = chain(&*error), "the function stopped");
            ExitCode::FAILURE
        }
    }
}

fn block_on(
    main: impl Future<Output = Result<(), lambda_runtime::Error>>,
) -> Result<(), lambda_runtime::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(main)
}
