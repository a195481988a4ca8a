//! Where the time of a start goes, by the tools that are there.

use std::path::Path;
use std::process::Command;

use crate::launch::{FIRST_POLL, Then, start};
use crate::{Result, root};

/// One traced start.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Trace {
    pub(crate) syscalls: usize,
    /// From `exec` to the last shared library.
    pub(crate) loading_ms: f64,
    /// From there to the first socket of the Runtime API.
    pub(crate) setting_up_ms: f64,
    /// From there to the first poll.
    pub(crate) connecting_ms: f64,
    /// Files opened that are no libraries.
    pub(crate) files: Vec<String>,
}

/// System calls of one start; `None` without `strace`.
pub(crate) fn syscalls(binary: &Path) -> Result<Option<Trace>> {
    if !is_there("strace") {
        return Ok(None);
    }
    let file = root().join("target/bench-strace.txt");
    let mut command = Command::new("strace");
    command.args(["-f", "-ttt", "-s", "64", "-o"]).arg(&file);
    start(command.arg(binary), Then::LetEnd)?;
    let text = std::fs::read_to_string(&file)?;
    std::fs::remove_file(&file)?;
    let trace = read_trace(&text).ok_or("strace wrote nothing that can be read")?;
    Ok(Some(trace))
}

/// Instructions of one start; `None` without `valgrind`.
pub(crate) fn instructions(binary: &Path) -> Result<Option<u64>> {
    if !is_there("valgrind") {
        return Ok(None);
    }
    let file = root().join("target/bench-callgrind.txt");
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(format!("--log-file={}", file.display()))
        .arg(binary);
    start(&mut command, Then::LetEnd)?;
    let text = std::fs::read_to_string(&file)?;
    std::fs::remove_file(&file)?;
    let collected = read_collected(&text).ok_or("valgrind wrote nothing that can be read")?;
    Ok(Some(collected))
}

fn is_there(tool: &str) -> bool {
    Command::new(tool)
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Reads lines of `strace -f -ttt`: process id, seconds, call. What comes after the first poll does not count.
fn read_trace(text: &str) -> Option<Trace> {
    let calls: Vec<(f64, &str)> = text.lines().filter_map(read_call).collect();
    let polled = calls
        .iter()
        .position(|(_, call)| call.contains(FIRST_POLL))?;
    let calls = &calls[..=polled];
    let (begin, _) = calls.first()?;
    let (end, _) = calls.last()?;
    let opened = |call: &str| {
        let is_open = call.starts_with("open") && !call.contains("= -1 ");
        let path = call.split('"').nth(1)?;
        is_open.then(|| path.to_owned())
    };
    let is_library = |path: &str| path.contains(".so");
    let loaded = calls
        .iter()
        .rfind(|(_, call)| opened(call).is_some_and(|path| is_library(&path)))
        .map_or(*begin, |(time, _)| *time);
    let (socket, _) = calls
        .iter()
        .find(|(_, call)| call.starts_with("connect("))?;
    Some(Trace {
        syscalls: calls.len(),
        loading_ms: (loaded - begin) * 1000.0,
        setting_up_ms: (socket - loaded) * 1000.0,
        connecting_ms: (end - socket) * 1000.0,
        files: calls
            .iter()
            .filter_map(|(_, call)| opened(call))
            .filter(|path| !is_library(path))
            .collect(),
    })
}

fn read_call(line: &str) -> Option<(f64, &str)> {
    let (_, rest) = line.trim_start().split_once(char::is_whitespace)?;
    let (time, call) = rest.trim_start().split_once(' ')?;
    Some((time.parse().ok()?, call))
}

/// Callgrind's total: `==123== Collected : 4567`.
fn read_collected(text: &str) -> Option<u64> {
    let (_, after) = text.rsplit_once("Collected : ")?;
    after.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_split_at_the_last_library_and_at_the_socket() {
        let text = concat!(
            "271  100.000000 execve(\"bootstrap\", [\"bootstrap\"], 0x7f /* 11 vars */) = 0\n",
            "271  100.001000 openat(AT_FDCWD, \"/lib/libc.so.6\", O_RDONLY) = 3\n",
            "271  100.001500 openat(AT_FDCWD, \"/etc/ssl/none.pem\", O_RDONLY) = -1 ENOENT (No such file)\n",
            "271  100.002000 openat(AT_FDCWD, \"/proc/self/maps\", O_RDONLY) = 3\n",
            "272  100.003000 connect(6, {sa_family=AF_INET}, 16) = -1 EINPROGRESS\n",
            "272  100.003500 sendto(6, \"GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\n\"..., 110) = 110\n",
            "271  100.900000 exit_group(1) = ?\n",
        );
        let trace = read_trace(text).unwrap();
        assert_eq!(trace.syscalls, 6);
        assert_eq!(trace.files, ["/proc/self/maps"]);
        let ms = [trace.loading_ms, trace.setting_up_ms, trace.connecting_ms];
        assert_eq!(ms.map(f64::round), [1.0, 2.0, 1.0]);
        assert_eq!(read_trace("271  100.000000 execve() = 0\n"), None);
    }

    #[test]
    fn instructions_are_what_callgrind_collected() {
        let text = "==9== Events    : Ir\n==9== Collected : 3456789\n==9== \n";
        assert_eq!(read_collected(text), Some(3_456_789));
        assert_eq!(read_collected("==9== Events    : Ir\n"), None);
    }
}
