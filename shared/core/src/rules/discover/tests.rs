use std::collections::BTreeSet;

use super::*;
use crate::model::discovery::{Discovery, HoldingSecret, ListedAccount};
use crate::model::fleet::Fleet;
use crate::model::names::SecretArn;
use crate::model::text::OutsideText;

#[test]
fn a_text_tells_whose_key_it_is_by_how_it_begins() {
    for (text, provider, power) in [
        (
            "sk-or-v1-EXAMPLE0123456789",
            Some(ProviderName::OpenRouter),
            Power::Calls,
        ),
        (
            "sk-ant-api03-EXAMPLE0123456789",
            Some(ProviderName::Anthropic),
            Power::Calls,
        ),
        (
            "sk-ant-admin01-EXAMPLE0123456",
            Some(ProviderName::Anthropic),
            Power::Administers,
        ),
        (
            "sk-admin-EXAMPLE0123456789abc",
            Some(ProviderName::OpenAi),
            Power::Administers,
        ),
        (
            "sk-proj-EXAMPLE0123456789abcd",
            Some(ProviderName::OpenAi),
            Power::Calls,
        ),
        (
            "AIzaEXAMPLE0123456789abcdefgh",
            Some(ProviderName::Gemini),
            Power::Calls,
        ),
        (
            "ABSKEXAMPLE0123456789abcdefgh",
            Some(ProviderName::Bedrock),
            Power::Calls,
        ),
        ("postgres://user:EXAMPLE0123456789", None, Power::Calls),
        ("sk-EXAMPLE", None, Power::Calls),
    ] {
        let told = by_text(&ApiKey::new(text), None);
        assert_eq!(
            told.as_ref().and_then(|clue| clue.provider),
            provider,
            "{text}"
        );
        if let Some(told) = told {
            assert_eq!((told.power, told.told), (power, Told::ByText), "{text}");
            assert!(!told.why.contains("EXAMPLE"), "{}", told.why);
        }
    }
    let named = by_name([("name", "litellm/search")]);
    let told = by_text(&ApiKey::new("sk-EXAMPLE0123456789abcdef"), named.as_ref());
    assert_eq!(told.unwrap().provider, Some(ProviderName::LiteLlm));
}

#[test]
fn a_name_tells_whose_key_it_may_be() {
    for (name, told) in [
        (
            "prod/search/OPENAI_API_KEY",
            Some(Some(ProviderName::OpenAi)),
        ),
        ("OpenAiKey", Some(Some(ProviderName::OpenAi))),
        ("azure-openai/chat", Some(Some(ProviderName::Azure))),
        ("openrouter", Some(Some(ProviderName::OpenRouter))),
        ("claude_token", Some(Some(ProviderName::Anthropic))),
        (
            "AWS_BEARER_TOKEN_BEDROCK",
            Some(Some(ProviderName::Bedrock)),
        ),
        ("team/llm/search", Some(None)),
        ("film-archive", None),
        ("prod/database", None),
    ] {
        let clue = by_name([("name", name)]);
        assert_eq!(clue.map(|clue| clue.provider), told, "{name}");
    }
    let clue = by_name([("name", "prod/x"), ("tag", "uses Anthropic")]).unwrap();
    assert_eq!(clue.why, "its tag says `anthropic`");
}

fn secret(name: &str, clue: Clue) -> HoldingSecret {
    let arn = format!("arn:aws:secretsmanager:us-east-1:111122223333:secret:{name}-a1B2c3");
    HoldingSecret {
        arn: arn.parse().unwrap(),
        name: OutsideText::new(name),
        clue,
        slot: None,
        environment: environment([name]),
        rotates: false,
        created: None,
        last_read: None,
        readable_by: Vec::new(),
    }
}

fn of(provider: Option<ProviderName>) -> Clue {
    Clue {
        provider,
        told: Told::ByName,
        power: Power::Calls,
        why: "its name says so".to_owned(),
    }
}

fn found(secrets: Vec<HoldingSecret>) -> Discovery {
    Discovery {
        secrets,
        ..Discovery::default()
    }
}

#[test]
fn what_is_proposed_is_a_fleet_with_an_owner_to_be_named() {
    let mut secrets = Vec::new();
    for provider in ProviderName::ALL {
        for name in ["prod/search", "search", "staging/chat-bot"] {
            let name = format!("{name}/{provider}");
            secrets.push(secret(&name, of(Some(provider))));
        }
    }
    let mut found = found(secrets);
    found.accounts.push(ListedAccount {
        account: "our-openai".parse().unwrap(),
        provider: ProviderName::OpenAi,
        listed: 0,
        held_nowhere: None,
    });
    let proposal = propose(&found, &BTreeSet::new());
    let fleet =
        Fleet::read_toml(&proposal.text).unwrap_or_else(|e| panic!("{e}\n{}", proposal.text));
    assert_eq!(fleet.slots.len(), 21);
    assert_eq!((proposal.slots, proposal.left_out), (21, vec![]));
    assert!(
        fleet
            .agents
            .values()
            .all(|agent| agent.owner.as_str() == "TODO")
    );
    assert!(fleet.accounts.contains_key(&"our-openai".parse().unwrap()));
    let chat = &fleet.agents[&"chat-bot".parse().unwrap()];
    assert_eq!(chat.environment, Environment::Staging);
}

/// What people call a secret steers neither the file nor whoever reads it.
#[test]
fn hostile_names_are_left_out_or_harmless() {
    let key = "sk-or-v1-0123456789abcdef0123456789abcdef";
    let openrouter = || of(Some(ProviderName::OpenRouter));
    let hostile = [
        "a\"\n[slots.evil]\nx=\"",
        "a\u{1b}[2J\u{202e}b",
        "\"\"\"",
        "../../etc/passwd",
        "",
        &"x".repeat(500),
    ];
    let mut secrets: Vec<HoldingSecret> = hostile
        .iter()
        .map(|name| HoldingSecret {
            name: OutsideText::new(name),
            ..secret("plain", openrouter())
        })
        .collect();
    for (number, secret) in secrets.iter_mut().enumerate() {
        let arn = format!("{}{number}", secret.arn);
        secret.arn = arn.parse().unwrap();
    }
    secrets.push(secret(key, openrouter()));
    let mut quoted = secret("quoted", openrouter());
    let arn = "arn:aws:secretsmanager:us-east-1:111122223333:secret:a\"b#-a1B2c3";
    quoted.arn = arn.parse().unwrap();
    secrets.push(quoted);
    let proposal = propose(&found(secrets), &BTreeSet::new());
    let fleet =
        Fleet::read_toml(&proposal.text).unwrap_or_else(|e| panic!("{e}\n{}", proposal.text));
    assert_eq!(fleet.slots.len(), hostile.len());
    assert!(!fleet.slots.contains_key(&"evil".parse().unwrap()));
    assert_eq!(proposal.left_out.len(), 2);
    assert!(!proposal.text.contains(key) && !proposal.text.contains('\u{1b}'));
}

#[test]
fn what_is_nobodys_agent_is_said_and_not_proposed() {
    let mut owned = secret("a", of(Some(ProviderName::OpenAi)));
    owned.slot = Some(OutsideText::new("bot"));
    let mut admin = secret("b", of(Some(ProviderName::OpenAi)));
    admin.clue.power = Power::Administers;
    let shared = secret("c", of(Some(ProviderName::OpenAi)));
    let same: BTreeSet<SecretArn> = BTreeSet::from([shared.arn.clone()]);
    let unknown = secret("d", of(None));
    let proposal = propose(&found(vec![owned, admin, shared, unknown]), &same);
    assert_eq!(proposal.slots, 0);
    let why: Vec<&str> = proposal
        .left_out
        .iter()
        .map(|out| out.why.as_str())
        .collect();
    for (said, part) in why.iter().zip([
        "slot `bot`",
        "administers",
        "another secret",
        "--read-values",
    ]) {
        assert!(said.contains(part), "{said}");
    }
    assert!(
        Fleet::read_toml(&proposal.text).is_ok(),
        "{}",
        proposal.text
    );
}
