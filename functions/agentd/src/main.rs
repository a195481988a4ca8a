//! The localhost sidecar `agentd`.

use std::process::ExitCode;

use keyward_agentd::{Config, run, started};
use keyward_lambda::config::environment;
use zeroizing_alloc::ZeroAlloc;

/// Wipes what is freed.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<std::alloc::System> = ZeroAlloc(std::alloc::System);

fn main() -> ExitCode {
    let name = std::env::args_os().next().unwrap_or_default();
    let config = Config::from_lookup(environment, |path| std::fs::read_to_string(path));
    started(config, async |config| run(config, &name).await)
}
