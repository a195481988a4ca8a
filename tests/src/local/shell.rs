//! Lines given to a shell that has read the settings, as a person gives them.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use super::Local;

impl Local {
    /// Runs a line as a shell does after reading the settings, with `input` on standard input.
    ///
    /// # Panics
    /// If there is no shell.
    pub async fn shell(&self, line: &str, input: &str) -> Output {
        let settings = self.settings.display();
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &format!(". {settings}; {line}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let input = input.to_owned();
        let run = move || {
            let mut child = shell.spawn().unwrap();
            let mut stdin = child.stdin.take().unwrap();
            // A command that refuses before it reads closes its end.
            let _ = stdin.write_all(input.as_bytes());
            drop(stdin);
            child.wait_with_output().unwrap()
        };
        tokio::task::spawn_blocking(run).await.unwrap()
    }
}
