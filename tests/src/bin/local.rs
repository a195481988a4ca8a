//! `local`: a deployment on this machine for trying the command. Runs until it is interrupted.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command")]

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use keyward_tests::functions::build_command;
use keyward_tests::local::Local;

/// How often `retire` is woken: more often than the schedule does, so that there is something to see.
const RETIRE_EVERY: Duration = Duration::from_secs(10);

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
    let Some(local) = Local::start(&root.join(folder), &command).await else {
        eprintln!("there are no emulators: Python 3 with venv and pip is needed");
        return ExitCode::FAILURE;
    };
    println!(
        "Emulated AWS, a provider and the real functions run until you press Ctrl-C. In another terminal:\n\n    \
         . {0}/env\n    keyward apply {0}/fleet.json --reason \"first slots\"\n",
        folder.display()
    );
    let mut told = 0;
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return ExitCode::SUCCESS,
            () = tokio::time::sleep(RETIRE_EVERY) => {}
        }
        if let Err(failed) = local.deployment.retire().await {
            println!("retire: {}", failed.message);
        }
        let alerts = local.deployment.alerts().await;
        for alert in &alerts[told..] {
            println!("ALERT {}", alert.what);
        }
        told = alerts.len();
    }
}
