//! Telling what holds a key of an LLM provider from what does not: by what people called it, and by how the text begins.

mod proposal;
#[cfg(test)]
mod tests;

use crate::model::discovery::{Clue, Power, Told};
use crate::model::key::ApiKey;
use crate::model::key_formats;
use crate::model::slot::{Environment, ProviderName};

pub use proposal::{LeftOut, Proposal, propose};

/// What names have in them that are about a provider's keys, the one that says more before the one that says less.
const NAMES: [(&str, ProviderName); 14] = [
    ("openrouter", ProviderName::OpenRouter),
    ("azureopenai", ProviderName::Azure),
    ("azureai", ProviderName::Azure),
    ("aoai", ProviderName::Azure),
    ("openai", ProviderName::OpenAi),
    ("chatgpt", ProviderName::OpenAi),
    ("anthropic", ProviderName::Anthropic),
    ("claude", ProviderName::Anthropic),
    ("gemini", ProviderName::Gemini),
    ("generativelanguage", ProviderName::Gemini),
    ("googleai", ProviderName::Gemini),
    ("litellm", ProviderName::LiteLlm),
    ("bedrock", ProviderName::Bedrock),
    ("awsbearertoken", ProviderName::Bedrock),
];

/// Words that say that a model is called, and not whose.
const GENERAL: [&str; 4] = ["llm", "gpt", "genai", "aigateway"];

/// What a text says by itself: whose key it is. LiteLLM's is told by its name alone.
pub fn by_text(piece: &ApiKey, name: Option<&Clue>) -> Option<Clue> {
    if !piece.begins_as_keys_do() {
        return None;
    }
    let shape = key_formats::by_beginning(|begins| piece.begins_with(begins))?;
    let named = name.and_then(|clue| clue.provider);
    let (beginning, provider) = match (shape.begins, named) {
        ("sk-", Some(ProviderName::LiteLlm)) => ("sk-", ProviderName::LiteLlm),
        (beginning, _) => (beginning, shape.driver?),
    };
    Some(Clue {
        provider: Some(provider),
        told: Told::ByText,
        power: shape.power,
        why: format!("its text begins as keys of {provider} do (`{beginning}`)"),
    })
}

/// What names, descriptions and tags say: whose key it is, or only that it may be one. The first text that says anything
/// counts.
pub fn by_name<'a>(texts: impl IntoIterator<Item = (&'static str, &'a str)>) -> Option<Clue> {
    texts.into_iter().find_map(|(what, text)| {
        let squashed = squashed(text);
        let mut named = NAMES.iter().filter(|(name, _)| squashed.contains(name));
        if let Some((name, provider)) = named.next() {
            return Some(clue(Some(*provider), what, name));
        }
        let mut words = words(text);
        let general = words.find(|word| GENERAL.contains(&word.as_str()))?;
        Some(clue(None, what, &general))
    })
}

fn clue(provider: Option<ProviderName>, what: &str, word: &str) -> Clue {
    Clue {
        provider,
        told: Told::ByName,
        power: Power::Calls,
        why: format!("its {what} says `{word}`"),
    }
}

/// Where an agent runs, by words of names.
pub fn environment<'a>(texts: impl IntoIterator<Item = &'a str>) -> Option<Environment> {
    texts
        .into_iter()
        .flat_map(words)
        .find_map(|word| match word.as_str() {
            "prod" | "production" | "prd" | "live" => Some(Environment::Prod),
            "staging" | "stage" | "stg" | "uat" | "preprod" => Some(Environment::Staging),
            "dev" | "development" | "test" | "sandbox" | "qa" => Some(Environment::Dev),
            _ => None,
        })
}

fn squashed(text: &str) -> String {
    let letters = text.chars().filter(char::is_ascii_alphanumeric);
    letters.map(|c| c.to_ascii_lowercase()).collect()
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
}
