//! From `exec` to the first poll of the Runtime API.

use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::Result;

/// A process that has not asked for its first event by then has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a process that is waited for is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// What a function asks first:
/// <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html#runtimes-api-next>.
pub(crate) const FIRST_POLL: &str = "GET /2018-06-01/runtime/invocation/next ";

/// The whole environment of a measured process. Nothing is called with these values.
const ENVIRONMENT: [(&str, &str); 16] = [
    ("AWS_ACCESS_KEY_ID", "EXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "EXAMPLE"),
    ("AWS_SESSION_TOKEN", "EXAMPLE"),
    ("AWS_REGION", "eu-central-1"),
    ("AWS_DEFAULT_REGION", "eu-central-1"),
    ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
    ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
    ("KEYWARD_TABLE", "keyward"),
    (
        "KEYWARD_ALERT_TOPIC_ARN",
        "arn:aws:sns:eu-central-1:111122223333:keyward-alerts",
    ),
    ("KEYWARD_ACCOUNTS", "{}"),
    ("KEYWARD_CALLERS", "people"),
    ("KEYWARD_STACK", "prod"),
    ("KEYWARD_REPORTS", "prod-reports"),
    (
        "KEYWARD_ALARM_TOPIC_ARN",
        "arn:aws:sns:eu-central-1:111122223333:keyward-alarms",
    ),
    (
        "KEYWARD_KILL_SWITCH_ARN",
        "arn:aws:lambda:eu-central-1:111122223333:function:keyward-kill-switch",
    ),
];

/// One start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    pub(crate) ms: f64,
    pub(crate) peak_mb: f64,
}

/// What becomes of the process once it has polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// It is killed at once.
    Kill,
    /// Its poll is cut off, at which it ends by itself, and a tool around it can finish.
    LetEnd,
}

/// Starts `command` and measures until its first poll. No process is left behind, whatever happens.
pub(crate) fn start(command: &mut Command, then: Then) -> Result<Start> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    command
        .env_clear()
        .envs(ENVIRONMENT)
        .envs(search_path())
        .env("AWS_LAMBDA_RUNTIME_API", listener.local_addr()?.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    let (sender, polled) = mpsc::channel();
    std::thread::spawn(move || sender.send(first_poll(&listener)));

    let begin = now();
    let mut group = Group(command.spawn()?);
    let (end, connection) = wait_for(&polled, &mut group)??;
    let ms = (end - begin).as_secs_f64() * 1000.0;
    let status = std::fs::read_to_string(format!("/proc/{}/status", group.0.id()))?;
    let peak_mb = peak_mb(&status).ok_or("the kernel does not tell peak memory")?;
    drop(connection);
    if then == Then::LetEnd {
        group.wait_to_end()?;
    }
    Ok(Start { ms, peak_mb })
}

type Polled = std::io::Result<(Instant, TcpStream)>;

/// When the first poll arrived, and the connection that it still waits on.
fn first_poll(listener: &TcpListener) -> Polled {
    let (mut connection, _) = listener.accept()?;
    let mut request = vec![0; FIRST_POLL.len()];
    connection.read_exact(&mut request)?;
    let arrived = now();
    if request == FIRST_POLL.as_bytes() {
        Ok((arrived, connection))
    } else {
        let asked = String::from_utf8_lossy(&request).into_owned();
        Err(std::io::Error::other(format!(
            "unexpected request: {asked}"
        )))
    }
}

fn wait_for(polled: &mpsc::Receiver<Polled>, group: &mut Group) -> Result<Polled> {
    let begin = now();
    loop {
        match polled.recv_timeout(LOOK) {
            Ok(result) => return Ok(result),
            Err(RecvTimeoutError::Disconnected) => return Err("the listener is gone".into()),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if let Some(status) = group.0.try_wait()? {
            return Err(format!("ended with {status} before its first poll").into());
        }
        if now() - begin > PATIENCE {
            return Err("did not poll in time".into());
        }
    }
}

/// A child that leads a process group of its own, which ends with this value.
struct Group(Child);

impl Group {
    fn wait_to_end(&mut self) -> Result<()> {
        let begin = now();
        while self.0.try_wait()?.is_none() {
            if now() - begin > PATIENCE {
                return Err("did not end when its poll was cut off".into());
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            // A tool's own child is in the group too; the child itself is still there, so its id is its own.
            let group = format!("-{}", self.0.id());
            let mut kill = Command::new("kill");
            let _ = kill.args(["-KILL", "--", &group]).status();
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

/// `VmHWM` of `/proc/<pid>/status` in megabytes: <https://man7.org/linux/man-pages/man5/proc_pid_status.5.html>.
pub(crate) fn peak_mb(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u32 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(f64::from(kib) * 1024.0 / 1_000_000.0)
}

/// Where tools are looked for: the one variable that is handed on.
#[expect(
    clippy::disallowed_methods,
    reason = "not configuration: a child process is found by it"
)]
fn search_path() -> Option<(&'static str, std::ffi::OsString)> {
    std::env::var_os("PATH").map(|path| ("PATH", path))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures the time that really passes"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use keyward_lambda::config::{AuditConfig, Config, ControlConfig, KillConfig, MonitorConfig};

    use super::*;

    /// Else a function would end before its first poll, and a whole run of the benchmark with it.
    #[test]
    fn every_function_takes_the_environment() {
        let set = |name: &str| {
            let mut found = ENVIRONMENT.iter().filter(|(known, _)| *known == name);
            found.next().map(|(_, value)| (*value).to_owned())
        };
        Config::from_lookup(set).unwrap();
        MonitorConfig::from_lookup(set).unwrap();
        KillConfig::from_lookup(set).unwrap();
        ControlConfig::from_lookup(set).unwrap();
        AuditConfig::from_lookup(set).unwrap();
    }

    #[test]
    fn peak_memory_is_read_in_megabytes() {
        let status =
            "Name:\tbootstrap\nVmPeak:\t   99999 kB\nVmHWM:\t    6952 kB\nVmRSS:\t    6000 kB\n";
        assert_eq!(peak_mb(status), Some(7.118_848));
        assert_eq!(peak_mb("Name:\tbootstrap\n"), None);
    }

    #[test]
    fn a_process_that_ends_without_a_poll_is_an_error() {
        let error = start(&mut Command::new("false"), Then::Kill).unwrap_err();
        assert!(
            error.to_string().contains("before its first poll"),
            "{error}"
        );
    }
}
