//! A fleet file that would bring what was found under management. What only a person knows is marked with TODO.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::model::discovery::{Clue, Discovery, HoldingSecret, Power};
use crate::model::fleet::Fleet;
use crate::model::key_like::{may_be_a_key, words};
use crate::model::names::{AccountName, SecretArn};
use crate::model::slot::{Environment, ProviderName};
use crate::ports::TAG_STACK;
use crate::rules::naming::{agent_name, words_of};

/// What is proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The file: a fleet that the parser takes, in which every owner is still to be named.
    pub text: String,
    /// How many slots it has.
    pub slots: usize,
    /// The secrets that are not in it.
    pub left_out: Vec<LeftOut>,
}

/// A secret that was found and not proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The secret.
    pub secret: SecretArn,
    /// Why.
    pub why: String,
}

/// Words of a secret's name that say nothing of the agent.
const SAY_NOTHING: [&str; 24] = [
    "openrouter",
    "openai",
    "anthropic",
    "claude",
    "gemini",
    "litellm",
    "bedrock",
    "azure",
    "api",
    "key",
    "apikey",
    "secret",
    "token",
    "llm",
    "ai",
    "prod",
    "production",
    "staging",
    "stage",
    "dev",
    "test",
    "live",
    "credentials",
    "keys",
];

/// Proposes a slot for every secret that holds a key of a known provider, and is nobody's yet. `same` are the secrets whose key
/// another one has too.
pub fn propose(found: &Discovery, same: &BTreeSet<SecretArn>) -> Proposal {
    let mut names = BTreeSet::new();
    let mut accounts = Accounts::of(found);
    let (mut entries, mut left_out) = (Vec::new(), Vec::new());
    for secret in &found.secrets {
        match entry(secret, same, &mut names, &mut accounts) {
            Ok(entry) => entries.push(entry),
            Err(why) => left_out.push(LeftOut {
                secret: secret.arn.clone(),
                why,
            }),
        }
    }
    let mut text = String::from(
        "# Proposed by keyward audit --discover. TODO marks what only a person knows: fill it in, then see what applying it\n\
         # would do with: keyward plan\n\
         version = 1\n\n[accounts]\n",
    );
    text.push_str(&accounts.lines());
    entries.iter().for_each(|entry| text.push_str(entry));
    Proposal {
        text,
        slots: entries.len(),
        left_out,
    }
}

/// The lines of one secret's agent and slot, or why it has none.
fn entry(
    secret: &HoldingSecret,
    same: &BTreeSet<SecretArn>,
    names: &mut BTreeSet<String>,
    accounts: &mut Accounts,
) -> Result<String, String> {
    let Clue {
        provider, power, ..
    } = &secret.clue;
    if let Some(slot) = &secret.slot {
        return Err(format!("it belongs to the slot `{slot}`"));
    }
    if *power == Power::Administers {
        return Err(
            "it administers keys: it is no agent's; see the admin secrets in infra/README.md"
                .to_owned(),
        );
    }
    if same.contains(&secret.arn) {
        return Err(
            "its key stands in another secret too: give each agent a key of its own first"
                .to_owned(),
        );
    }
    let provider = provider.ok_or("whose key it is cannot be told without --read-values")?;
    let agent = agent_of(secret, names);
    let account = accounts.for_slot(provider, &agent);
    let guess = match secret.environment {
        Some(_) => "as its name says",
        None => "TODO: dev, staging or prod",
    };
    let environment = environment_word(secret.environment.unwrap_or(Environment::Prod));
    let mut lines = format!(
        "\n# {}\n[agents.{agent}]\nowner = \"TODO\" # who answers for it\nenvironment = \"{environment}\" # {guess}\n\
         \n[slots.{agent}-{provider}]\nagent = \"{agent}\"\naccount = \"{account}\"\n\
         # It is handed over to the stack by its tag: aws secretsmanager tag-resource --secret-id {arn} --tags Key={TAG_STACK},Value=STACK\n\
         secret = \"{arn}\"\n",
        secret.clue.why,
        arn = secret.arn
    );
    if let Some((field, what)) = place_of(provider) {
        let _ = writeln!(lines, "scope.{field} = \"TODO-{agent}\" # {what}");
    }
    let alone =
        format!("version = 1\n[accounts]\n{account} = {{ provider = \"{provider}\" }}\n{lines}");
    match Fleet::read_toml(&alone) {
        Ok(_) => {
            accounts.use_for(provider, account);
            Ok(lines)
        }
        Err(_) => {
            names.remove(&agent);
            Err("its name cannot stand in a fleet file: it looks like a key, or holds what cannot be written there".to_owned())
        }
    }
}

/// What a scope must name, and what that is.
const fn place_of(provider: ProviderName) -> Option<(&'static str, &'static str)> {
    match provider {
        ProviderName::OpenAi => Some((
            "project",
            "TODO: the project that its keys are made in, `proj_…`",
        )),
        ProviderName::Gemini => Some((
            "project",
            "TODO: the Google Cloud project that its keys are made in",
        )),
        ProviderName::Anthropic => Some(("workspace", "TODO: its workspace, `wrkspc_…`")),
        ProviderName::Bedrock => Some(("user", "TODO: the IAM user that is this slot's alone")),
        ProviderName::OpenRouter | ProviderName::LiteLlm | ProviderName::Azure => None,
    }
}

const fn environment_word(environment: Environment) -> &'static str {
    match environment {
        Environment::Dev => "dev",
        Environment::Staging => "staging",
        Environment::Prod => "prod",
    }
}

/// A name for the agent, out of the secret's; none stands twice.
fn agent_of(secret: &HoldingSecret, taken: &mut BTreeSet<String>) -> String {
    let name = secret.name.as_str();
    let name = match words(name).any(may_be_a_key) {
        true => "",
        false => name,
    };
    let telling = words_of(name).filter(|word| !SAY_NOTHING.contains(&word.as_str()));
    agent_name(telling, taken)
}

/// The provider accounts of the file.
struct Accounts {
    known: BTreeMap<ProviderName, Vec<AccountName>>,
    used: BTreeMap<String, ProviderName>,
}

impl Accounts {
    fn of(found: &Discovery) -> Self {
        let mut known: BTreeMap<ProviderName, Vec<AccountName>> = BTreeMap::new();
        for account in &found.accounts {
            known
                .entry(account.provider)
                .or_default()
                .push(account.account.clone());
        }
        Self {
            known,
            used: BTreeMap::new(),
        }
    }

    /// The account's name. At Azure an account is one resource with one pair of keys, so each slot has one of its own.
    fn for_slot(&self, provider: ProviderName, agent: &str) -> String {
        match (provider, self.known.get(&provider).map(Vec::as_slice)) {
            (ProviderName::Azure, _) => format!("{provider}-{agent}"),
            (_, Some([only])) => only.to_string(),
            _ => format!("{provider}-main"),
        }
    }

    fn use_for(&mut self, provider: ProviderName, account: String) {
        self.used.insert(account, provider);
    }

    fn lines(&self) -> String {
        let line = |(account, provider): (&String, &ProviderName)| {
            let of_provider = self.known.get(provider).into_iter().flatten();
            let is_known = of_provider
                .into_iter()
                .any(|known| known.as_str() == account);
            let remark = match is_known {
                true => "",
                false => " # TODO: the name that ProviderAccounts has for it",
            };
            format!("{account} = {{ provider = \"{provider}\" }}{remark}\n")
        };
        self.used.iter().map(line).collect()
    }
}
