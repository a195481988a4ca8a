//! The command against emulated AWS and the real functions, as a new user runs it: each line of README's section.
#![allow(clippy::unwrap_used, reason = "test code")]

#[path = "command/audited.rs"]
mod audited;
#[path = "command/died.rs"]
mod died;
#[path = "command/discovered.rs"]
mod discovered;
#[path = "command/drilled.rs"]
mod drilled;
#[path = "command/elsewhere.rs"]
mod elsewhere;
#[path = "command/faulty/mod.rs"]
mod faulty;
#[path = "command/killed.rs"]
mod killed;
#[path = "command/planned.rs"]
mod planned;
#[path = "command/rebuilt.rs"]
mod rebuilt;
#[path = "command/runbook.rs"]
mod runbook;
#[path = "command/scanned.rs"]
mod scanned;
#[path = "command/told.rs"]
mod told;
#[path = "command/watched.rs"]
mod watched;

use std::path::{Path, PathBuf};
use std::process::Output;

use jiff::SignedDuration;
use keyward_core::model::act::Phase;
use keyward_core::model::version::{Confirmation, VersionState};
use keyward_tests::end_to_end::Secret;
use keyward_tests::functions::build_command;
use keyward_tests::local::Local;

/// Files of one test's own.
fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()))
}

async fn local(name: &str) -> Option<Local> {
    let command = tokio::task::spawn_blocking(build_command).await.unwrap();
    Local::start(&folder(name), &command.unwrap()).await
}

/// [`Local::shell`].
async fn shell(local: &Local, line: &str, input: &str) -> Output {
    local.shell(line, input).await
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A section of README: its first two blocks, without their fences.
fn readme(title: &str) -> (String, String) {
    let readme = include_str!("../../README.md");
    let section = readme.split(&format!("\n## {title}\n")).nth(1).unwrap();
    let mut blocks = section.split("```").skip(1).step_by(2);
    let mut block = || {
        blocks
            .next()
            .unwrap()
            .split_once('\n')
            .unwrap()
            .1
            .to_owned()
    };
    (block(), block())
}

/// What differs from run to run, taken out: rotation ids, ends of keys, times. Columns close up.
fn still(output: &str) -> Vec<String> {
    let word = |word: &str| {
        let is_id = word.len() == 32 && word.bytes().all(|b| b.is_ascii_hexdigit());
        let is_time =
            word.len() >= 5 && word.as_bytes()[0].is_ascii_digit() && word.contains(['-', ':']);
        let is_version = word.split('.').next().is_some_and(|id| {
            id.len() == 36 && id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
        });
        match word.split_once('…') {
            Some((prefix, _)) => format!("{prefix}…"),
            None if is_id || is_version => "ID".to_owned(),
            None if is_time => "TIME".to_owned(),
            None => word.to_owned(),
        }
    };
    let line = |line: &str| {
        line.split_whitespace()
            .map(word)
            .collect::<Vec<_>>()
            .join(" ")
    };
    output.lines().map(line).collect()
}

/// The folder that stands for `target/local`.
fn files(local: &Local) -> String {
    local.fleet.parent().unwrap().display().to_string()
}

/// The one line of README that begins so and holds that.
fn printed(local: &Local, begins: &str, holds: &str) -> String {
    let lines = include_str!("../../README.md").lines();
    let mut lines = lines.filter(|line| line.starts_with(begins) && line.contains(holds));
    let line = lines.next().unwrap().replace("target/local", &files(local));
    assert_eq!(lines.next(), None, "{line}");
    line
}

/// Runs the commands of a section, and compares what they say with the sample below them. How many there were.
async fn says_what_readme_says(local: &Local, title: &str) -> usize {
    let (commands, sample) = readme(title);
    let mut shown = String::new();
    let mut ran = 0;
    for line in commands.lines().filter(|line| line.starts_with("keyward ")) {
        let line = line.replace("target/local", &files(local));
        let output = shell(local, &line, "").await;
        let said = text(&output.stderr);
        assert!(output.status.success(), "{line}: {said}");
        assert_eq!(said, "", "{line}");
        shown += &text(&output.stdout);
        ran += 1;
    }
    assert_eq!(
        still(&shown),
        still(&sample),
        "README's sample is not what the commands say:\n{shown}"
    );
    ran
}

#[tokio::test]
async fn a_fleet_is_registered_rotated_and_looked_at_as_readme_says() {
    let Some(local) = local("readme").await else {
        return;
    };
    let ran = says_what_readme_says(&local, "Try the command").await;
    assert!(ran >= 7, "README shows {ran} commands");

    let deployment = &local.deployment;
    let secrets = local.secrets();
    for secret in &secrets {
        let current = deployment
            .version(&secret.slot, VersionState::Current)
            .await;
        assert_eq!(current.id.attempt, 1, "{} was rotated", secret.slot);
        deployment
            .version(&secret.slot, VersionState::Retiring)
            .await;
    }
    let all: Vec<&Secret> = secrets.iter().collect();
    deployment.retire().await.unwrap();
    deployment.pass(&all, SignedDuration::from_hours(2)).await;
    for secret in &secrets {
        deployment.retire_all(secret).await;
        let dead = deployment
            .version(&secret.slot, VersionState::Revoked)
            .await;
        let confirmed = dead.revoke_confirmed.unwrap().by;
        assert_eq!(confirmed, Confirmation::Refused, "{}", secret.slot);
        let current = deployment
            .version(&secret.slot, VersionState::Current)
            .await;
        deployment
            .assert_at_provider(&secret.slot, &dead, false)
            .await;
        deployment
            .assert_at_provider(&secret.slot, &current, true)
            .await;
    }
    deployment.assert_no_key_text().await;
}

#[tokio::test]
async fn the_command_refuses_clearly_and_changes_nothing() {
    let Some(local) = local("refusals").await else {
        return;
    };
    let fleet = local.fleet.display().to_string();
    let key = "sk-or-v1-EXAMPLE0123456789abcdef0123456789abcdef0123456789abcdef";
    for (line, input, code, expected) in [
        (
            "keyward apply /nowhere.json --reason x".to_owned(),
            "",
            1,
            "/nowhere.json cannot be read",
        ),
        (format!("keyward apply {fleet}"), "", 2, "--reason"),
        (
            format!("keyward apply {fleet} --reason ' '"),
            "",
            1,
            "1 to 256",
        ),
        (
            format!("keyward apply {fleet} --reason x --plan"),
            "",
            2,
            "cannot be used with",
        ),
        (
            "keyward status nobody".to_owned(),
            "",
            1,
            "no slot `nobody`",
        ),
        ("keyward status Nobody".to_owned(), "", 2, "lower-case"),
        (
            "keyward rotate nobody".to_owned(),
            "",
            1,
            "no slot `nobody`",
        ),
        (
            "keyward enforce nobody --reason x".to_owned(),
            "",
            1,
            "keyward status",
        ),
        (
            format!("keyward pool add {key} --reason x"),
            "",
            2,
            "provider account",
        ),
        (
            "keyward pool add openrouter-main --reason x".to_owned(),
            "",
            1,
            "no key on standard input",
        ),
        (
            "keyward pool add openrouter-main --reason x".to_owned(),
            key,
            1,
            "no standby pool is configured",
        ),
        (
            "unset KEYWARD_CONTROL_URL; keyward enforce nobody --reason x".to_owned(),
            "",
            1,
            "KEYWARD_CONTROL_URL is not set",
        ),
        (
            "KEYWARD_CONTROL_URL=http://example.com/ keyward enforce nobody --reason x".to_owned(),
            "",
            1,
            "https://",
        ),
        (
            "AWS_SECRET_ACCESS_KEY=other keyward enforce nobody --reason x".to_owned(),
            "",
            1,
            "HTTP 403",
        ),
        (
            "env -u AWS_REGION keyward status".to_owned(),
            "",
            1,
            "set AWS_REGION",
        ),
        (
            "env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY HOME=/nowhere keyward status"
                .to_owned(),
            "",
            1,
            "no AWS credentials were found",
        ),
        (
            "KEYWARD_CONTROL_URL=http://127.0.0.1:1/ keyward enforce nobody --reason x".to_owned(),
            "",
            1,
            "http://127.0.0.1:1 cannot be reached, and nothing was changed",
        ),
        (
            "keyward pool status openai-main".to_owned(),
            "",
            1,
            "has no standby pool",
        ),
        (
            "KEYWARD_TABLE=another keyward status".to_owned(),
            "",
            1,
            "the table another in us-east-1 refused to be read: KEYWARD_TABLE",
        ),
        (
            "keyward expect nobody x2 --until tomorrow --reason x".to_owned(),
            "",
            2,
            "as 2026-12-01T00:00:00Z",
        ),
        (
            "unset KEYWARD_TABLE; keyward status".to_owned(),
            "",
            1,
            "KEYWARD_TABLE is not set",
        ),
    ] {
        let output = shell(&local, &line, input).await;
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{line}: {said}");
        assert!(said.contains(expected), "{line}: {said}");
        assert!(!said.contains("0123456789abcdef01"), "{line}: {said}");
        assert_eq!(text(&output.stdout), "", "{line}");
    }
    let output = shell(&local, "keyward status", "").await;
    assert!(text(&output.stdout).starts_with("no slot is registered"));
    for line in [
        "keyward plan",
        "keyward apply --dry-run",
        "keyward apply --plan",
    ] {
        let plan = shell(&local, &format!("{line} {fleet}"), "").await;
        assert_eq!(
            plan.status.code(),
            Some(2),
            "{line}: {}",
            text(&plan.stderr)
        );
        assert_eq!(text(&plan.stdout).matches("+ slot ").count(), 3, "{line}");
    }
    let output = shell(&local, "keyward status", "").await;
    assert!(text(&output.stdout).starts_with("no slot is registered"));
    assert_eq!(local.deployment.acts().await, []);
}

#[tokio::test]
async fn acts_of_people_are_in_the_record_with_their_reason() {
    let Some(local) = local("acts").await else {
        return;
    };
    let fleet = local.fleet.display();
    let slot = "support-bot-openrouter";
    for line in [
        format!("keyward register {fleet} {slot} --reason 'the first one'"),
        format!("keyward enforce {slot} --reason 'two quiet weeks'"),
        format!("keyward enforce {slot} --observe --reason 'too eager'"),
        format!("keyward expect {slot} x2 --until $(date -u -d +1day +%FT%TZ) --reason launch"),
        format!("keyward expect {slot} --normal --reason 'it is over'"),
    ] {
        let output = shell(&local, &line, "").await;
        assert!(output.status.success(), "{line}: {}", text(&output.stderr));
    }
    let acts = local.deployment.acts().await;
    let said: Vec<_> = acts
        .iter()
        .map(|act| (act.phase, act.operation.as_str(), act.reason.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            (Phase::Begun, "/register", "the first one"),
            (Phase::Ended, "/register", "the first one"),
            (Phase::Begun, "/enforce", "two quiet weeks"),
            (Phase::Ended, "/enforce", "two quiet weeks"),
            (Phase::Begun, "/enforce", "too eager"),
            (Phase::Ended, "/enforce", "too eager"),
            (Phase::Begun, "/expect", "launch"),
            (Phase::Ended, "/expect", "launch"),
            (Phase::Begun, "/expect", "it is over"),
            (Phase::Ended, "/expect", "it is over"),
        ]
    );
    assert!(
        acts.iter()
            .all(|act| act.caller.as_str().ends_with("user/operator"))
    );
    let table = shell(&local, "keyward status | head -1", "").await;
    assert!(table.status.success() && text(&table.stderr).is_empty());
}

/// A rotation that could not succeed is not begun: its label would stand in the way of the next.
#[tokio::test]
async fn a_rotation_that_cannot_succeed_now_is_not_begun() {
    let Some(local) = local("too-soon").await else {
        return;
    };
    let apply = format!("keyward apply {} --reason first", local.fleet.display());
    assert!(shell(&local, &apply, "").await.status.success());
    let refusal = async |line: &str| {
        let output = shell(&local, line, "").await;
        assert_eq!(output.status.code(), Some(1), "{line}");
        assert_eq!(text(&output.stdout), "", "{line}");
        text(&output.stderr)
    };
    // A rotation is that of the slot which the secret's tag names.
    let secrets = local.secrets();
    let openai = secrets
        .iter()
        .find(|s| s.slot.as_str() == "search-bot-openai");
    let openai = openai.unwrap();
    local.deployment.tag_slot(openai, "another").await;
    let said = refusal("keyward rotate search-bot-openai --wait").await;
    assert!(
        said.contains("tagged for the slot `another`") && said.contains("nothing was changed"),
        "{said}"
    );
    let said = refusal("keyward rotate billing-bot-anthropic --wait").await;
    assert!(
        said.contains("nothing was changed") && said.contains("keyward pool add anthropic-main"),
        "{said}"
    );
    let add = "keyward pool add anthropic-main --reason first";
    let keys = std::fs::read_to_string(&local.standby).unwrap();
    let added = shell(&local, add, &format!("# new\nno key\n{keys}")).await;
    let report = text(&added.stdout);
    assert!(
        report.contains("NOT added, line 2: it does not begin"),
        "{report}"
    );
    for slot in ["billing-bot-anthropic", "support-bot-openrouter"] {
        let rotate = format!("keyward rotate {slot} --wait");
        let output = shell(&local, &rotate, "").await;
        assert!(output.status.success(), "{}", text(&output.stderr));
        let said = refusal(&rotate).await;
        assert!(
            said.contains("less than 10 minutes ago") && said.contains("nothing was changed"),
            "{said}"
        );
    }
}
