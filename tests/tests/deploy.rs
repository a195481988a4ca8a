//! `make deploy` as a new user gives it: AWS SAM itself, with each example, to an emulated account.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use keyward_tests::emulators::{Ministack, REGION};
use keyward_tests::template::FUNCTIONS;

/// What `deploy.py` does once the built functions were checked.
const SCRIPT: &str = "import deploy, pathlib, sys, tools
config, root = map(pathlib.Path, sys.argv[1:])
tools.main(lambda: deploy.deploy(config, 'x86_64', root))";

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().unwrap()
}

/// A checkout's template, beside functions that do nothing.
fn checkout() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("deploy");
    std::fs::create_dir_all(folder.join("infra")).unwrap();
    let template = "infra/template.yaml";
    std::fs::copy(root().join(template), folder.join(template)).unwrap();
    for (function, _) in FUNCTIONS {
        let function = folder.join("target/lambda").join(function);
        std::fs::create_dir_all(&function).unwrap();
        std::fs::write(function.join("bootstrap"), "#!/bin/sh\n").unwrap();
    }
    folder
}

/// Deploys an example, and answers SAM's question whether to.
fn deploy(url: &str, example: &str, answer: &str) -> Output {
    let mut python = Command::new("python3");
    python
        .args(["-B", "-c", SCRIPT])
        .arg(root().join("infra/examples").join(example))
        .arg(checkout())
        .current_dir(root().join("infra/release"))
        .env("AWS_ENDPOINT_URL", url)
        .env("AWS_ACCESS_KEY_ID", "testing")
        .env("AWS_SECRET_ACCESS_KEY", "testing")
        .env("AWS_DEFAULT_REGION", REGION)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("SAM_CLI_TELEMETRY", "0")
        .env_remove("AWS_PROFILE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = python.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(answer.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

#[tokio::test]
async fn each_example_is_deployed_once_it_was_agreed_to() {
    let Some(account) = Ministack::start().await else {
        return;
    };
    let url = account.url().to_owned();
    let deployed = tokio::task::spawn_blocking(move || {
        [
            ("bedrock.toml", "n\n"),
            ("bedrock.toml", "y\n"),
            ("openai-anthropic.toml", "y\n"),
        ]
        .map(|(example, answer)| (example, answer, deploy(&url, example, answer)))
    });
    for (example, answer, output) in deployed.await.unwrap() {
        let said = String::from_utf8_lossy(&output.stdout);
        let complaint = String::from_utf8_lossy(&output.stderr);
        let is_done = said.contains("Successfully created/updated stack - keyward");
        assert_eq!(is_done, answer == "y\n", "{example}: {said}\n{complaint}");
        if is_done {
            assert!(output.status.success(), "{example}: {complaint}");
            for output in ["CommandSettings", "TableName", "RotateFunctionArn"] {
                assert!(said.contains(output), "{example}: {output} is missing");
            }
        }
    }
}
