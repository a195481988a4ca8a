//! One running emulator.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::environment::{python, scripts, target};

/// How long an emulator gets to end by itself: 250 times 20 ms.
const LOOKS: u32 = 250;
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// A running script of `tests/emulators`. Ends when dropped: its script sees standard input close.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    pub(super) url: String,
}

impl Process {
    /// Starts `script` and waits until it says its port; `None` where there is no Python for it.
    pub(super) fn start(script: &str, arguments: &[&OsStr]) -> Option<Self> {
        let python = python()?;
        let calls = super::calls_folder();
        fs::create_dir_all(&calls).unwrap();
        let log = target().join(format!("logs/{script}-{}.log", std::process::id()));
        let mut child = Command::new(python)
            .arg(scripts().join(script))
            .args(arguments)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("KEYWARD_CALLS", calls)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let Ok(port) = line.trim().parse::<u16>() else {
            let status = child.wait();
            let log = fs::read_to_string(log).unwrap_or_default();
            panic!("{script} did not start: {status:?}\n{log}");
        };
        Some(Self {
            child,
            url: format!("http://127.0.0.1:{port}"),
        })
    }

    /// A folder of this process's own for what `of` leaves behind.
    pub(super) fn folder(of: &str) -> PathBuf {
        let folder = target().join(format!("logs/{of}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// The processes that it started and that run `program` at this moment.
    pub(super) fn running(&self, program: &Path) -> Vec<u32> {
        let own = self.child.id().to_string();
        let is_child = |pid: &String| {
            // `pid (name) state ppid …`, and the name may hold anything.
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let fields = stat.rsplit(") ").next().unwrap_or_default();
            fields.split(' ').nth(1) == Some(&own)
        };
        let runs = |pid: &String| {
            fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|running| running == program)
        };
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let names = processes.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let found = names.filter(|pid| is_child(pid) && runs(pid));
        found.map(|pid| pid.parse().unwrap()).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        for _ in 0..LOOKS {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(BETWEEN_LOOKS);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
