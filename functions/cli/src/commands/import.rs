//! `keyward import`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use jiff::Timestamp;
use keyward_core::model::act_kind::ActKind;
use keyward_core::model::key_like::{may_be_a_key, words};
use keyward_core::model::names::{AccountName, IamUser, ScopeId, SecretArn};
use keyward_core::model::slot::{ProviderName, Scope};
use keyward_core::model::text::without_keys;
use keyward_core::rules::naming::{agent_name, words_of};
use serde::Deserialize;
use serde_json::json;

use crate::control::Control;
use crate::fleet_file;
use crate::print::{Outcome, clean, line};

/// What is looked through.
#[derive(Args)]
pub(crate) struct Import {
    /// The provider account, which the fleet file must name.
    account: AccountName,
    /// The fleet file (TOML, or JSON).
    #[arg(long, default_value = fleet_file::USUAL)]
    file: PathBuf,
    /// A secret that may hold one of the keys, by its full ARN; can be given several times.
    #[arg(long = "secret", value_name = "ARN")]
    secrets: Vec<SecretArn>,
    /// Anthropic, OpenRouter: the workspace whose keys are listed.
    #[arg(long)]
    workspace: Option<ScopeId>,
    /// OpenAI, Gemini: the project whose keys are listed.
    #[arg(long)]
    project: Option<ScopeId>,
    /// Bedrock: the IAM user whose keys are listed.
    #[arg(long)]
    user: Option<IamUser>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
struct Report {
    keys: Vec<Key>,
    claimed: usize,
    #[serde(default)]
    in_a_slots_place: Vec<Key>,
    secrets: Vec<Secret>,
}

#[derive(Deserialize)]
struct Key {
    handle: String,
    label: String,
    redacted: String,
    suspended: Option<bool>,
    created: Option<Timestamp>,
    last_used: Option<Timestamp>,
    spent: Option<String>,
    secrets: Vec<String>,
}

#[derive(Deserialize)]
struct Secret {
    secret: String,
    holds: String,
    more: Option<String>,
}

pub(super) async fn import(wanted: Import) -> Result<Outcome> {
    let fleet = fleet_file::read(&wanted.file)?;
    let Some(account) = fleet.accounts.get(&wanted.account) else {
        bail!(
            "{} names no account {}, and nothing was sent: add it with its provider",
            wanted.file.display(),
            wanted.account
        );
    };
    let provider = account.provider;
    let in_projects = matches!(provider, ProviderName::OpenAi | ProviderName::Gemini);
    if in_projects && wanted.project.is_none() {
        bail!(
            "the keys of {provider} live in projects, and nothing was sent: name one with --project"
        );
    }
    let scope = Scope {
        workspace: wanted.workspace,
        project: wanted.project,
        user: wanted.user,
        ..Scope::default()
    };
    let request = json!({
        "account": wanted.account,
        "provider": provider,
        "scope": scope,
        "secrets": wanted.secrets,
    });
    let answer = Control::open(ActKind::See)
        .await?
        .post("/import", &request)
        .await?;
    let report: Report =
        serde_json::from_value(answer.clone()).context("the answer cannot be read")?;
    let outcome = outcome_of(&report);
    if wanted.json {
        line(&answer.to_string());
        return Ok(outcome);
    }
    let mut taken: BTreeSet<String> = fleet.agents.keys().map(ToString::to_string).collect();
    for text in proposal(&report, &wanted.account, provider, &scope, &mut taken) {
        line(&text);
    }
    Ok(outcome)
}

/// Whether everything was seen: of a secret that could not be read, nobody knows which key it holds.
fn outcome_of(report: &Report) -> Outcome {
    let is_seen = |secret: &Secret| matches!(secret.holds.as_str(), "nothing" | "of_slot" | "key");
    match report.secrets.iter().all(is_seen) {
        true => Outcome::Done,
        false => Outcome::Differs,
    }
}

/// Entries for the fleet file. What only a person knows is left open, as comments: without it the file is refused.
fn proposal(
    report: &Report,
    account: &AccountName,
    provider: ProviderName,
    scope: &Scope,
    taken: &mut BTreeSet<String>,
) -> Vec<String> {
    let (open, claimed) = (report.keys.len(), report.claimed);
    let mut lines = vec![format!(
        "# {account}: {open} keys belong to no slot, {claimed} to a slot or a pool."
    )];
    if open > 0 {
        lines.push("# Fill in what is left open, put what you want to keep into the fleet file, then: keyward plan".to_owned());
    }
    if !report.in_a_slots_place.is_empty() {
        lines.push("# Where a slot's keys live, and in no record: no other slot can take them over. Made by hand, or about to be recorded:".to_owned());
        let placed = report.in_a_slots_place.iter();
        lines.extend(placed.map(|key| format!("#   {}", told(key))));
    }
    for key in &report.keys {
        let agent = name_of(&key.label, taken);
        lines.push(String::new());
        lines.extend(entry(key, &agent, account, provider, scope));
    }
    let unused = report.secrets.iter().filter(|secret| secret.holds != "key");
    lines.extend(unused.map(of_secret));
    lines
}

fn entry(
    key: &Key,
    agent: &str,
    account: &AccountName,
    provider: ProviderName,
    scope: &Scope,
) -> Vec<String> {
    let mut lines = vec![
        format!("# {}", told(key)),
        format!("[agents.{agent}]"),
        "# owner = who answers for it".to_owned(),
        "# environment = dev, staging or prod".to_owned(),
        String::new(),
        format!("[slots.{agent}-{provider}]"),
        format!("agent = \"{agent}\""),
        format!("account = \"{account}\""),
    ];
    let place = [
        ("workspace", scope.workspace.as_ref().map(ScopeId::as_str)),
        ("project", scope.project.as_ref().map(ScopeId::as_str)),
        ("user", scope.user.as_ref().map(IamUser::as_str)),
    ];
    for (field, value) in place {
        lines.extend(value.map(|value| format!("scope.{field} = \"{value}\"")));
    }
    lines.extend(match &key.secrets[..] {
        [] => vec!["# secret = the full ARN of the secret that agents fetch it from; to find it: --secret ARN".to_owned()],
        [secret] => vec![format!("secret = \"{}\"", clean(secret))],
        several => {
            let shared = several.iter().map(|secret| format!("# secret = \"{}\"", clean(secret)));
            let heading = "# It stands in several secrets; keys are never shared: choose one, and give the others keys of their own.";
            [heading.to_owned()].into_iter().chain(shared).collect()
        }
    });
    lines
}

fn told(key: &Key) -> String {
    let day = |at: Timestamp| at.strftime("%Y-%m-%d").to_string();
    let parts = [
        Some(format!("key {}", clean(&key.redacted))),
        Some(format!("\"{}\"", clean(&label_of(&key.label)))),
        Some(format!("id {}", short(&clean(&key.handle)))),
        key.created.map(|at| format!("made {}", day(at))),
        key.last_used.map(|at| format!("last used {}", day(at))),
        key.spent
            .as_ref()
            .map(|spent| format!("spent {}", clean(spent))),
        (key.suspended == Some(true)).then(|| "suspended".to_owned()),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The beginning of an id: some are as long as keys, and what looks like a key is refused in a fleet file.
fn short(id: &str) -> String {
    const SHOWN: usize = 12;
    match id.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &id[..end]),
        None => id.to_owned(),
    }
}

fn of_secret(secret: &Secret) -> String {
    let more = secret.more.as_deref().map(clean).unwrap_or_default();
    let what = match secret.holds.as_str() {
        "nothing" => "has no value".to_owned(),
        "of_slot" => format!("belongs to slot {more}"),
        "unknown" => "holds a key that was not singled out in the list".to_owned(),
        _ => format!("could not be read: {more}"),
    };
    format!("# {}: {what}", clean(&secret.secret))
}

/// A key's name at the provider. People give keys names that are keys: such a one is cut.
pub(super) fn label_of(label: &str) -> String {
    match words(label).any(may_be_a_key) {
        true => without_keys(label),
        false => label.to_owned(),
    }
}

/// A name for an agent, out of the key's name at the provider; none stands twice.
fn name_of(label: &str, taken: &mut BTreeSet<String>) -> String {
    agent_name(words_of(&label_of(label)), taken)
}

#[cfg(test)]
mod tests {
    use keyward_core::model::fleet::Fleet;

    use super::*;

    fn key(label: &str, secrets: &[&str]) -> serde_json::Value {
        json!({
            "handle": "0123456789abcdef".repeat(4), "label": label, "redacted": "sk-or-v1-aaa...111",
            "suspended": false, "created": "2026-01-02T03:04:05Z", "last_used": null,
            "spent": "$1.20", "secrets": secrets,
        })
    }

    fn told_of(keys: serde_json::Value) -> Vec<String> {
        let report = json!({ "keys": keys, "claimed": 4, "secrets": [
            {"secret": "arn:aws:secretsmanager:us-east-1:111122223333:secret:b-a1B2c3",
             "holds": "of_slot", "more": "chat"},
        ]});
        let report: Report = serde_json::from_value(report).expect("a report");
        let account = "openrouter-main".parse().expect("a name");
        let scope = Scope::default();
        let mut taken = BTreeSet::from(["my-bot".to_owned()]);
        proposal(
            &report,
            &account,
            ProviderName::OpenRouter,
            &scope,
            &mut taken,
        )
    }

    #[test]
    fn what_is_proposed_is_a_fleet_once_it_is_filled_in() {
        let arn = "arn:aws:secretsmanager:us-east-1:111122223333:secret:a-a1B2c3";
        let told = told_of(json!([key("My Bot!\n[evil]", &[arn]), key("", &[])])).join("\n");
        assert!(
            told.starts_with("# openrouter-main: 2 keys belong to no slot, 4 to a slot or a pool.")
        );
        assert!(told.contains("# key sk-or-v1-aaa...111, \"My Bot! [evil]\", id 0123456789ab…, made 2026-01-02, spent $1.20\n[agents.my-bot-evil]"), "{told}");
        assert!(told.contains("[slots.agent-openrouter]"), "{told}");
        assert!(told.ends_with("belongs to slot chat"), "{told}");
        let account = "version = 1\n[accounts.openrouter-main]\nprovider = \"openrouter\"\n";
        let open = Fleet::read_toml(&format!("{account}{told}")).expect_err("it is not whole");
        assert!(open.to_string().contains("missing field `owner`"), "{open}");
        let other = arn.replace("a-a1B2c3", "c-a1B2c3");
        let whole = told
            .replace("# owner = who answers for it", "owner = \"ana\"")
            .replace(
                "# environment = dev, staging or prod",
                "environment = \"dev\"",
            )
            .replace(
                "# secret = the full",
                &format!("secret = \"{other}\" # the full"),
            );
        let fleet = Fleet::read_toml(&format!("{account}{whole}")).expect("a fleet");
        assert_eq!(fleet.slots.len(), 2);
    }

    #[test]
    fn a_name_that_is_a_key_is_cut() {
        let text = "sk-or-v1-EXAMPLE0123456789abcdef0123456789abcdef";
        let told = told_of(json!([
            key(text, &[]),
            key(&format!("old {text} of ana"), &[])
        ]));
        let told = told.join("\n").to_ascii_lowercase();
        assert!(!told.contains("0123456789abcdef01"), "{told}");
        assert!(told.contains("of ana"), "{told}");
    }

    #[test]
    fn what_was_not_seen_is_told_by_the_exit_code() {
        for (holds, outcome) in [
            ("nothing", Outcome::Done),
            ("of_slot", Outcome::Done),
            ("key", Outcome::Done),
            ("unknown", Outcome::Differs),
            ("not_seen", Outcome::Differs),
        ] {
            let report = json!({"keys": [], "claimed": 0, "secrets": [
                {"secret": "arn:aws:secretsmanager:us-east-1:111122223333:secret:b-a1B2c3", "holds": holds, "more": null},
            ]});
            let report: Report = serde_json::from_value(report).expect("a report");
            assert_eq!(outcome_of(&report), outcome, "{holds}");
        }
    }

    #[test]
    fn no_name_is_proposed_twice() {
        let mut taken = BTreeSet::from(["bot".to_owned()]);
        assert_eq!(name_of("Bot", &mut taken), "bot-2");
        assert_eq!(name_of("bot", &mut taken), "bot-3");
        let long = name_of(&"x".repeat(99), &mut taken);
        assert_eq!(long.len(), 40);
    }
}
