//! `local`: a deployment on this machine for trying the command. Runs until it is interrupted.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command")]

use std::fs::File;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use keyward_tests::end_to_end::Failed;
use keyward_tests::functions::build_command;
use keyward_tests::local::Local;

/// How often `retire` is woken: more often than the schedule does, so that there is something to see.
const RETIRE_EVERY: Duration = Duration::from_secs(10);

/// How often the monitor is, as its schedule does it; the agents have worked for so long then.
const MONITOR_EVERY: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let command = match build_command() {
        Ok(command) => command,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    let folder = Path::new("target/local");
    // Held until the process ends, however it ends.
    let _alone = match alone(&root.join(folder)) {
        Ok(lock) => lock,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    let Some(mut local) = Local::start(&root.join(folder), &command).await else {
        eprintln!("there are no emulators: Python 3 with venv and pip is needed");
        return ExitCode::FAILURE;
    };
    let guard = local.with_drills().await;
    local.deployment.watch(&guard).await;
    local.with_reports().await;
    println!(
        "Emulated AWS, three providers and the real functions run until you press Ctrl-C. In another terminal:\n\n    \
         . {0}/env\n    keyward apply {0}/fleet.json --reason \"first slots\"\n\n\
         README.md goes on from there. The ports and the keys are new with each start: read {0}/env again then.\n",
        folder.display()
    );
    let mut told = 0;
    let mut retire = tokio::time::interval(RETIRE_EVERY);
    let mut monitor = tokio::time::interval(MONITOR_EVERY);
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return ExitCode::SUCCESS,
            _ = retire.tick() => say_failed("retire", local.deployment.retire().await.err()),
            _ = monitor.tick() => {
                local.agents_work().await;
                local.write_report().await;
                say_failed("monitor", local.deployment.monitor().await.err());
            }
        }
        let alerts = local.deployment.alerts().await;
        for alert in &alerts[told..] {
            println!("ALERT {} {} {}", alert.what, alert.done, alert.left);
        }
        told = alerts.len();
    }
}

fn say_failed(function: &str, failed: Option<Failed>) {
    if let Some(failed) = failed {
        println!("{function}: {}", failed.message);
    }
}

/// The lock of the folder: two deployments would overwrite each other's files.
fn alone(folder: &Path) -> Result<File, String> {
    let path = folder.join("lock");
    let open = || {
        std::fs::create_dir_all(folder)?;
        File::create(&path)
    };
    let file = open().map_err(|e| format!("{} cannot be written: {e}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => Err(format!(
            "{} is in use: another `make local` runs. End it first, with Ctrl-C in its terminal",
            folder.display()
        )),
    }
}
