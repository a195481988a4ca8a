//! `keyward kill --offline`: the built command cuts a slot off while every AWS endpoint is closed.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use keyward_core::model::slot::{ProviderName, Scope};
use keyward_lambda::clock::SystemClock;
use keyward_testkit::canary::Canary;
use keyward_testkit::contract::provider::{ProviderCall, ProviderWorld as _};
use keyward_testkit::simulator::{Body, Fault, FaultRule, Settings, Simulator};
use keyward_tests::functions::build_command;
use keyward_tests::support::account_entry;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

/// Where the SDK looks for AWS and for credentials of it: <https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html>.
const ENDPOINTS: [&str; 8] = [
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_SECRETS_MANAGER",
    "AWS_ENDPOINT_URL_DYNAMODB",
    "AWS_ENDPOINT_URL_SNS",
    "AWS_ENDPOINT_URL_STS",
    "AWS_ENDPOINT_URL_LAMBDA",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];

/// Where every part of AWS is for a command: whoever comes is counted and answered by nothing.
struct NoAws(TcpListener);

impl NoAws {
    fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    /// What a command is told of AWS: that is all here, and there are no credentials but what is handed out here.
    fn told(&self) -> Vec<(&'static str, String)> {
        let here = format!("http://{}", self.0.local_addr().unwrap());
        let mut told: Vec<_> = ENDPOINTS.iter().map(|name| (*name, here.clone())).collect();
        told.push(("AWS_REGION", "us-east-1".to_owned()));
        told
    }

    /// How many came. Connections wait for this to be asked, whether they were given up or not.
    fn came(&self) -> usize {
        std::iter::from_fn(|| self.0.accept().ok()).count()
    }
}

const ADMIN: &str = "arn:aws:secretsmanager:us-east-1:111122223333:secret:keyward/admin-a1B2c3";
const POOL: &str = "arn:aws:secretsmanager:us-east-1:111122223333:secret:keyward/pool-a1B2c3";

/// The name of a key that Keyward made for a slot.
fn label(slot: &str, number: u32) -> String {
    format!("keyward-{slot}--11111111-aaaa-4bbb-8ccc-{number:012}-1")
}

async fn simulator(provider: ProviderName) -> Simulator {
    let settings = Settings {
        provider,
        ..Settings::default()
    };
    Simulator::start(Arc::new(SystemClock), settings).await
}

fn accounts(simulator: &Simulator) -> String {
    json!({"main": account_entry(simulator, ADMIN, POOL)}).to_string()
}

/// The command, with the provider's admin credential on standard input.
async fn run(simulator: &Simulator, arguments: Vec<String>) -> Output {
    let accounts = ("KEYWARD_ACCOUNTS", accounts(simulator));
    run_with(simulator, Some(accounts), arguments).await
}

async fn run_with(
    simulator: &Simulator,
    accounts: Option<(&'static str, String)>,
    arguments: Vec<String>,
) -> Output {
    let (output, came) = run_counted(simulator, accounts, arguments).await;
    assert_eq!(came, 0, "AWS was asked: {output:?}");
    output
}

/// The same, and how often AWS was asked.
async fn run_counted(
    simulator: &Simulator,
    settings: impl IntoIterator<Item = (&'static str, String)> + Send + 'static,
    arguments: Vec<String>,
) -> (Output, usize) {
    let credential = simulator.management_key().expose_secret().to_owned();
    let run = move || {
        let command: PathBuf = build_command().unwrap();
        let aws = NoAws::listen();
        let mut child = Command::new(command)
            .env_clear()
            .envs(settings)
            .envs(aws.told())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(credential.as_bytes()).unwrap();
        drop(stdin);
        (child.wait_with_output().unwrap(), aws.came())
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

/// Where the simulator's keys live, as options.
fn place(scope: &Scope) -> Vec<String> {
    let parts = [
        (
            "--workspace",
            scope.workspace.as_ref().map(|id| id.as_str()),
        ),
        ("--project", scope.project.as_ref().map(|id| id.as_str())),
        (
            "--service-account",
            scope.service_account.as_ref().map(|id| id.as_str()),
        ),
    ];
    let parts = parts
        .into_iter()
        .filter_map(|(name, value)| Some([name, value?]));
    parts.flatten().map(str::to_owned).collect()
}

#[tokio::test]
async fn every_key_of_the_slot_is_cut_off_without_aws_and_no_other() {
    for provider in [
        ProviderName::OpenRouter,
        ProviderName::OpenAi,
        ProviderName::LiteLlm,
        ProviderName::Gemini,
        ProviderName::Anthropic,
    ] {
        let simulator = simulator(provider).await;
        let mine = [1, 2].map(|n| simulator.seed(&label("support-bot", n)));
        let by_hand = simulator.seed("made by hand");
        let others = [
            label("support-bot-eu", 1),
            label("support", 1),
            "other".to_owned(),
        ]
        .map(|name| simulator.seed(&name));
        let handle = simulator.key_by_label("made by hand").unwrap().handle;
        let mut arguments = words("kill support-bot --offline --account main --yes --json");
        arguments.extend(place(&simulator.scope()));
        let named = match provider {
            ProviderName::OpenAi => None,
            ProviderName::Gemini => {
                let project = simulator.scope().project.unwrap();
                Some(format!("{project}/{handle}"))
            }
            _ => Some(handle.to_string()),
        };
        if let Some(handle) = &named {
            arguments.extend(["--handle".to_owned(), handle.clone()]);
        }
        let output = run(&simulator, arguments).await;
        let text = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{provider}: {text} {errors}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["result"], "maybe_more", "{provider}: {answer}");
        let unnamed = answer["unnamed"].as_array().unwrap().iter();
        let mut unnamed: Vec<&str> = unnamed.map(|key| key["name"].as_str().unwrap()).collect();
        unnamed.sort_unstable();
        let expected: &[&str] = match named {
            Some(_) => &["other"],
            None => &["made by hand", "other"],
        };
        assert_eq!(unnamed, expected, "{provider}: {answer}");
        let expected = 2 + usize::from(named.is_some());
        assert_eq!(
            answer["keys"].as_array().unwrap().len(),
            expected,
            "{answer}"
        );
        for key in &mine {
            assert!(!simulator.is_accepted(key), "{provider}");
        }
        assert_eq!(
            simulator.is_accepted(&by_hand),
            named.is_none(),
            "{provider}"
        );
        for key in &others {
            assert!(simulator.is_accepted(key), "{provider}: beyond the slot");
        }
        let secrets = simulator.secrets().into_iter();
        let mut secrets: Vec<String> = secrets.map(|k| k.expose_secret().to_owned()).collect();
        secrets.extend(simulator.admin_secrets());
        Canary::new(secrets).assert_absent("what the command printed", text + &errors);
    }
}

/// What counts the calls of AWS would see one: a command that needs AWS comes there.
#[tokio::test]
async fn a_command_that_needs_aws_is_seen_to_ask_it() {
    let simulator = simulator(ProviderName::OpenRouter).await;
    let table = ("KEYWARD_TABLE", "keyward".to_owned());
    for line in ["status", "lockdown --dry-run"] {
        let stack = ("KEYWARD_STACK", "prod".to_owned());
        let (output, came) = run_counted(&simulator, [table.clone(), stack], words(line)).await;
        assert!(!output.status.success(), "{line}: {output:?}");
        assert!(came > 0, "{line}: {output:?}");
    }
}

/// What is not known for sure is no success, and says what to do.
#[tokio::test]
async fn what_may_have_been_missed_is_said() {
    let simulator = simulator(ProviderName::OpenRouter).await;
    simulator.seed("made by hand");
    let arguments = words("kill support-bot --offline --account main --yes");
    let output = run(&simulator, arguments).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("no key that Keyward made for it is there"),
        "{text}"
    );
    assert!(
        text.contains("When AWS is back: keyward kill support-bot"),
        "{text}"
    );
    assert!(
        text.contains("NOT touched: 1 key there carries no name"),
        "{text}"
    );
    assert!(text.contains("made by hand"), "{text}");
    let refused = async |accounts, line: &str| {
        let output = run_with(&simulator, accounts, words(line)).await;
        assert_eq!(output.status.code(), Some(1), "{line}");
        String::from_utf8(output.stderr).unwrap()
    };
    let known = Some(("KEYWARD_ACCOUNTS", accounts(&simulator)));
    let other = "kill support-bot --offline --account other --yes";
    let errors = refused(known, other).await;
    assert!(errors.contains("names no account other"), "{errors}");
    let errors = refused(None, other).await;
    assert!(errors.contains("KEYWARD_ACCOUNTS is not set"), "{errors}");
    assert_eq!(simulator.live_keys().len(), 1);
}

#[tokio::test]
async fn a_place_without_its_project_is_refused_before_anything_is_sent() {
    let simulator = simulator(ProviderName::OpenAi).await;
    let arguments = words("kill support-bot --offline --account main --yes");
    let output = run(&simulator, arguments).await;
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("say --project ID"), "{errors}");
}

/// What people made is theirs to name: a rehearsal lists it, and the kill says that it left it.
#[tokio::test]
async fn a_rehearsal_lists_what_would_be_cut_off_and_changes_nothing() {
    for provider in [ProviderName::OpenRouter, ProviderName::Anthropic] {
        let simulator = simulator(provider).await;
        let by_hand = simulator.seed("made by hand");
        let handle = simulator.key_by_label("made by hand").unwrap().handle;
        let line = "kill support-bot --offline --account main --reason night";
        let rehearse = words(&format!("{line} --dry-run"));
        let output = run(&simulator, rehearse.clone()).await;
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{provider}: {text}");
        assert!(text.contains("0 keys at"), "{provider}: {text}");
        assert!(text.contains(handle.as_str()), "{provider}: {text}");
        let says_why = text.contains("people make the keys of anthropic");
        assert_eq!(says_why, provider == ProviderName::Anthropic, "{text}");

        let named = |mut arguments: Vec<String>| {
            arguments.extend(["--handle".to_owned(), handle.to_string()]);
            arguments
        };
        let output = run(&simulator, named(rehearse)).await;
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{provider}: {text}");
        assert!(text.contains("1 key at"), "{provider}: {text}");
        assert!(simulator.is_accepted(&by_hand), "{provider}");

        let output = run(&simulator, named(words(&format!("{line} --yes")))).await;
        let text = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{provider}: {text}{errors}");
        assert!(text.contains("1 of 1 key found"), "{provider}: {text}");
        assert!(errors.contains("nothing is recorded offline"), "{errors}");
        assert!(!simulator.is_accepted(&by_hand), "{provider}");
    }
}

/// A kill was here before: what it cut off is not counted among what would be.
#[tokio::test]
async fn a_rehearsal_says_what_is_cut_off_already() {
    let simulator = simulator(ProviderName::OpenRouter).await;
    let line = "kill support-bot --offline --account main";
    simulator.seed(&label("support-bot", 1));
    let output = run(&simulator, words(&format!("{line} --yes"))).await;
    assert!(output.status.success(), "{output:?}");
    simulator.seed(&label("support-bot", 2));
    for (options, expected) in [
        (
            "--dry-run",
            "1 key at openrouter would be cut off; 1 more is suspended already",
        ),
        (
            "--dry-run --leak",
            "2 keys at openrouter would be cut off\n",
        ),
    ] {
        let output = run(&simulator, words(&format!("{line} {options}"))).await;
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{text}");
        assert!(text.contains(expected), "{text}");
        let of = |number| label("support-bot", number);
        for (is, name) in [("suspended", of(1)), ("live", of(2))] {
            let mut lines = text.lines().filter(|line| line.contains(&name));
            let words: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
            assert_eq!(words[2], is, "{text}");
        }
    }
}

/// Azure's two keys have no names: the resource is the slot's, and both get a new text.
#[tokio::test]
async fn the_accounts_can_stand_in_a_file_and_both_keys_of_a_resource_are_cut_off() {
    let simulator = simulator(ProviderName::Azure).await;
    let keys: Vec<_> = simulator.secrets();
    assert_eq!(simulator.live_keys().len(), 2);
    let name = format!("accounts-{}.json", std::process::id());
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&file, accounts(&simulator)).unwrap();
    let line = "kill support-bot --offline --account main --yes --json --accounts";
    let mut arguments = words(line);
    arguments.push(file.to_str().unwrap().to_owned());
    let output = run_with(&simulator, None, arguments.clone()).await;
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text} {errors}");
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["keys"].as_array().unwrap().len(), 2, "{answer}");
    for key in &keys {
        assert!(!simulator.is_accepted(key));
    }
    std::fs::remove_file(&file).unwrap();
    let output = run_with(&simulator, None, arguments).await;
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("nothing was changed"), "{errors}");
}

/// A provider that does not take the change: what is safe and what to do is said.
#[tokio::test]
async fn a_key_that_is_not_cut_off_is_said_to_be_tried_again() {
    let simulator = simulator(ProviderName::OpenRouter).await;
    let key = simulator.seed(&label("support-bot", 1));
    let (method, path) = simulator.route(ProviderCall::Change);
    let down = Fault::status(503, Body::Html);
    simulator.inject(FaultRule::on(method, path, down).always());
    let arguments = words("kill support-bot --offline --account main --yes");
    let output = run(&simulator, arguments).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("NOT CUT OFF"), "{text}");
    assert!(text.contains("Run the same command again"), "{text}");
    assert!(simulator.is_accepted(&key));
}

/// Suspended first, which is quick, and then deleted: nobody else knows of the leak who would.
#[tokio::test]
async fn after_a_leak_the_keys_are_deleted() {
    for provider in [ProviderName::OpenRouter, ProviderName::Gemini] {
        let simulator = simulator(provider).await;
        let key = simulator.seed(&label("support-bot", 1));
        let mut arguments = words("kill support-bot --offline --account main --yes --leak");
        arguments.extend(place(&simulator.scope()));
        let output = run(&simulator, arguments).await;
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{provider}: {text}");
        assert!(text.contains("deleted"), "{provider}: {text}");
        assert!(
            text.contains("keyward kill support-bot --leak --reason"),
            "{text}"
        );
        assert!(!simulator.is_accepted(&key), "{provider}");
        assert_eq!(simulator.live_keys().len(), 0, "{provider}");
    }
}

/// A key that is only suspended after a leak is no success.
#[tokio::test]
async fn a_leaked_key_that_cannot_be_deleted_stays_suspended_and_is_said_to() {
    let simulator = simulator(ProviderName::OpenRouter).await;
    let key = simulator.seed(&label("support-bot", 1));
    let (method, path) = simulator.route(ProviderCall::Delete);
    let down = Fault::status(503, Body::Html);
    simulator.inject(FaultRule::on(method, path, down).always());
    let arguments = words("kill support-bot --offline --account main --yes --leak");
    let output = run(&simulator, arguments).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("suspended"), "{text}");
    assert!(text.contains("could be deleted for good"), "{text}");
    assert!(!simulator.is_accepted(&key));
}
