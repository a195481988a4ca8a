//! `keyward audit --discover`: first contact with an account.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use aws_config::Region;
use keyward_aws::LambdaFunctions;
use keyward_core::model::discovery::{Discovery, HoldingSecret, Power, Told};
use keyward_core::model::fleet::Fleet;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{Clock, Deadline};
use keyward_core::rules::discover::{Proposal, propose};
use keyward_core::usecases::discover::{DiscoverOrder, DiscoverPorts, Values, discover};
use keyward_lambda::clock::SystemClock;
use keyward_providers::config::ProviderAccounts;
use serde_json::json;

use super::super::Format;
use super::{Bar, LONGEST, ports};
use crate::aws::Aws;
use crate::fleet_file::USUAL;
use crate::print::{Outcome, Tint, clean, line, painted};

/// More rows of a kind than a person reads at once; --json has all.
const MOST: usize = 60;

/// What is wanted.
pub(super) struct Wanted {
    pub(super) read_values: bool,
    pub(super) accounts: Option<PathBuf>,
    pub(super) out: Option<PathBuf>,
    pub(super) format: Format,
}

pub(super) async fn run(wanted: &Wanted) -> Result<Outcome> {
    let accounts = accounts(wanted.accounts.as_deref())?;
    if let Some(file) = wanted.out.as_deref().filter(|file| file.exists()) {
        bail!(
            "{} is there already, and nothing was read: name another file",
            file.display()
        );
    }
    let aws = Aws::load().await?;
    let Some(region) = aws.config.region().map(Region::to_string) else {
        bail!("no region is set, and nothing was read: set AWS_REGION");
    };
    aws.credentials().await?;
    let order = DiscoverOrder {
        values: match wanted.read_values {
            true => Values::Read,
            false => Values::Left,
        },
        accounts: accounts.whose(),
        deadline: Deadline(SystemClock.now() + LONGEST),
    };
    let ports = open(&aws, accounts, &region).await?;
    let discovered = discover(&ports, &order, &Bar).await;
    let proposal = propose(&discovered.found, &discovered.shared);
    if let Some(file) = &wanted.out {
        keep(file, &proposal)?;
    }
    match wanted.format {
        Format::Json => line(&as_json(&discovered.found, &proposal)?),
        Format::Table => {
            let found = &discovered.found;
            for text in told(found, order.values, &region) {
                line(&text);
            }
            for text in go_on(found, &proposal, wanted, &discovered.shared) {
                line(&text);
            }
        }
    }
    Ok(match discovered.found.is_complete() {
        true => Outcome::Done,
        false => Outcome::MaybeMore,
    })
}

fn accounts(file: Option<&Path>) -> Result<ProviderAccounts> {
    let Some(file) = file else {
        return Ok(ProviderAccounts::default());
    };
    let text = std::fs::read_to_string(file).with_context(|| {
        format!(
            "{} cannot be read, and nothing was read in AWS",
            file.display()
        )
    })?;
    ProviderAccounts::from_json(&text)
        .with_context(|| format!("{} is refused, and nothing was read in AWS", file.display()))
}

async fn open(aws: &Aws, accounts: ProviderAccounts, region: &str) -> Result<DiscoverPorts> {
    let secrets = Arc::new(aws.secrets().await);
    let providers = ports::reading(aws, accounts).await?;
    Ok(DiscoverPorts {
        secrets: secrets.clone(),
        policies: secrets,
        functions: Arc::new(LambdaFunctions::new(&aws.config)),
        iam: Arc::new(providers.bedrock_users(region)),
        providers: Arc::new(providers),
        clock: Arc::new(SystemClock),
    })
}

/// The proposed file: one that `plan` takes, or none.
fn keep(file: &Path, proposal: &Proposal) -> Result<()> {
    Fleet::read_toml(&proposal.text)
        .context("the proposal is no fleet file, so none was written: please report it")?;
    std::fs::write(file, &proposal.text)
        .with_context(|| format!("{} cannot be written", file.display()))
}

fn as_json(found: &Discovery, proposal: &Proposal) -> Result<String> {
    let left_out = proposal.left_out.iter();
    let left_out: Vec<_> = left_out
        .map(|out| json!({"secret": out.secret, "why": out.why}))
        .collect();
    let mut json = serde_json::to_value(found)?;
    let coverage = found.coverage.iter().map(
        |(place, seen)| json!({"place": place, "seen": seen, "permission": place.permission()}),
    );
    json["coverage"] = coverage.collect();
    json["complete"] = found.is_complete().into();
    json["proposal"] =
        json!({"fleet": proposal.text, "slots": proposal.slots, "left_out": left_out});
    Ok(json.to_string())
}

/// What was found, and what was not seen.
fn told(found: &Discovery, values: Values, region: &str) -> Vec<String> {
    let (by_text, by_name) = found.told();
    let looked = match values {
        Values::Read => {
            format!("{by_text} hold keys by their text, {by_name} by what they are called")
        }
        Values::Left => format!(
            "{} may hold keys by what they are called; values were not read",
            found.secrets.len()
        ),
    };
    let mut lines = vec![format!(
        "{region}: {} secrets, of which {looked}; {} functions and versions; {} IAM users with keys for Bedrock",
        found.secrets_listed,
        found.functions_listed,
        found.users.len()
    )];
    lines.extend(not_seen(found));
    lines.extend(section("Secrets:", found.secrets.iter().map(secret)));
    let variables = found.variables.iter().map(|variable| {
        let version = variable.version.as_ref();
        let version =
            version.map_or_else(String::new, |v| format!(" (version {})", clean(v.as_str())));
        format!(
            "{} {}{version}: {}",
            clean(variable.function.as_str()),
            painted(&clean(variable.variable.as_str()), Tint::Red),
            variable.clue.why
        )
    });
    lines.extend(section(
        "Keys in variables of functions, where whoever may see the function sees them:",
        variables,
    ));
    let users = found.users.iter().map(|user| {
        let name = clean(user.user.as_str());
        format!(
            "{name}: {} keys, {} of them without an end",
            user.keys, user.without_end
        )
    });
    lines.extend(section("IAM users with keys for Bedrock:", users));
    let same = found.same.iter().map(|places| {
        let places: Vec<String> = places.iter().map(|place| clean(place.as_str())).collect();
        places.join(", ")
    });
    lines.extend(section("The same key in several places:", same));
    for account in &found.accounts {
        let heading = format!(
            "{} ({}): {} keys",
            account.account, account.provider, account.listed
        );
        lines.push(String::new());
        match &account.held_nowhere {
            None => lines.push(format!("{heading}; which of them a secret holds is not known without --read-values, or without all of them")),
            Some(strangers) => {
                lines.push(format!("{heading}, {} of them in no secret and no variable of this account and region", strangers.len()));
                let rows = strangers.iter().map(|key| {
                    let used = key.last_used.map_or_else(String::new, |at| format!(", last used {}", at.strftime("%Y-%m-%d")));
                    format!("  {} \"{}\"{used}", clean(&key.handle.to_string()), clean(key.label.as_str()))
                });
                lines.extend(rows.take(MOST));
            }
        }
    }
    lines
}

fn not_seen(found: &Discovery) -> Vec<String> {
    let missing = found.coverage.iter();
    let missing = missing.filter_map(|(place, seen)| Some((place, seen.why()?)));
    let rows = missing.map(|(place, why)| {
        let (place_, why) = (clean(&place.to_string()), clean(why.as_str()));
        format!("  {place_}: {why}; it takes {}", place.permission())
    });
    let rows: Vec<String> = rows.collect();
    if rows.is_empty() {
        return rows;
    }
    let what = painted("INCOMPLETE", Tint::Red);
    let heading = format!("{what}: not seen, so there may be more:");
    std::iter::once(heading).chain(rows).collect()
}

fn section(heading: &str, rows: impl Iterator<Item = String>) -> Vec<String> {
    let rows: Vec<String> = rows.map(|row| format!("  {row}")).collect();
    if rows.is_empty() {
        return rows;
    }
    let more = rows.len().saturating_sub(MOST);
    let mut lines = vec![String::new(), heading.to_owned()];
    lines.extend(rows.into_iter().take(MOST));
    if more > 0 {
        lines.push(format!("  {more} more: --json"));
    }
    lines
}

fn secret(secret: &HoldingSecret) -> String {
    let provider = secret.clue.provider;
    let provider = provider.map_or_else(|| "of somebody".to_owned(), |p| p.to_string());
    let sure = match secret.clue.told {
        Told::ByText => "",
        Told::ByName => "perhaps ",
    };
    let parts = [
        Some(format!("{sure}{provider}, {}", secret.clue.why)),
        (secret.clue.power == Power::Administers)
            .then(|| painted("it administers keys", Tint::Red)),
        secret
            .slot
            .as_ref()
            .map(|slot| format!("of the slot {}", clean(slot.as_str()))),
        (!secret.rotates).then(|| "not rotated".to_owned()),
        secret
            .created
            .map(|at| format!("made {}", at.strftime("%Y-%m-%d"))),
        Some(match secret.last_read {
            Some(at) => format!("last read {}", at.strftime("%Y-%m-%d")),
            None => "not read lately".to_owned(),
        }),
    ];
    let mut text = format!("{}: ", clean(secret.name.as_str()));
    text += &parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    for reader in &secret.readable_by {
        text += "; ";
        text += &painted(&clean(reader), Tint::Red);
    }
    text
}

/// What is proposed, and the commands to go on with.
fn go_on(
    found: &Discovery,
    proposal: &Proposal,
    wanted: &Wanted,
    shared: &BTreeSet<keyward_core::model::names::SecretArn>,
) -> Vec<String> {
    let left_out = proposal.left_out.iter().map(|out| {
        let secret = OutsideText::new(out.secret.as_str());
        format!("{}: {}", clean(secret.as_str()), clean(&out.why))
    });
    let mut lines = section("Not proposed:", left_out);
    lines.push(String::new());
    let mut steps = Vec::new();
    match &wanted.out {
        Some(file) => {
            let file = file.display();
            lines.push(format!("{file} has {} slots. Go on:", proposal.slots));
            steps.push(format!(
                "fill in what {file} marks with TODO, then: keyward plan {file}"
            ));
        }
        None => {
            lines.push(format!("{} slots can be proposed. Go on:", proposal.slots));
            steps.push(format!("keyward audit --discover --out {USUAL}"));
        }
    }
    if !wanted.read_values {
        steps.push(
            "with --read-values keys are told by their text, and which are the same".to_owned(),
        );
    }
    if !shared.is_empty() {
        steps.push("give each agent that shares a key one of its own".to_owned());
    }
    let strangers = found.accounts.iter();
    for account in
        strangers.filter(|a| a.held_nowhere.as_ref().is_some_and(|keys| !keys.is_empty()))
    {
        steps.push(format!("keyward import {}", account.account));
    }
    if !found.variables.is_empty() {
        steps.push("let each function with a key in its variables fetch it from a secret, and replace the key".to_owned());
    }
    steps.push("infra/README.md says how the deployment is set up".to_owned());
    lines.extend(steps.into_iter().map(|step| format!("  {step}")));
    lines
}

#[cfg(test)]
mod tests {
    use keyward_core::model::audit::Seen;
    use keyward_core::model::discovery::{Clue, HoldingVariable, Place};
    use keyward_core::model::slot::ProviderName;

    use super::*;

    fn clue() -> Clue {
        Clue {
            provider: Some(ProviderName::OpenAi),
            told: Told::ByName,
            power: Power::Calls,
            why: "its name says `openai`".to_owned(),
        }
    }

    /// Whatever people called things: each is one line, and steers no terminal.
    #[test]
    fn hostile_names_are_harmless_in_a_terminal() {
        let evil = OutsideText::new("a\u{1b}[2J\n\u{202e}b");
        let found = Discovery {
            variables: vec![HoldingVariable {
                function: evil.clone(),
                version: Some(evil.clone()),
                variable: evil.clone(),
                clue: clue(),
            }],
            same: vec![vec![evil.clone(), evil]],
            coverage: vec![(Place::Iam, Seen::not("denied\u{1b}[1m"))],
            ..Discovery::default()
        };
        for text in told(&found, Values::Left, "eu-central-1") {
            assert!(
                text.chars().all(|c| !c.is_control() && c != '\u{202e}'),
                "{text:?}"
            );
        }
    }

    #[test]
    fn what_was_not_seen_is_said_with_the_permission_that_it_takes() {
        let found = Discovery {
            coverage: vec![
                (Place::Secrets, Seen::Whole),
                (Place::Iam, Seen::not("AccessDenied")),
            ],
            ..Discovery::default()
        };
        let lines = not_seen(&found);
        assert_eq!(lines.len(), 2);
        assert!(
            lines[1].contains("AccessDenied; it takes iam:ListServiceSpecificCredentials"),
            "{lines:?}"
        );
    }
}
