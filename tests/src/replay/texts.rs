//! Keys of a file, and the made-up keys of the provider's form that stand for them.

use keyward_core::model::slot::ProviderName;

/// What stands for what. The same text always has the same key.
#[derive(Debug, Default)]
pub(super) struct Texts(Vec<(String, String)>);

/// What the provider's keys begin with.
pub(super) const fn prefix_of(provider: ProviderName) -> &'static str {
    match provider {
        ProviderName::OpenRouter => "sk-or-v1-",
        ProviderName::OpenAi => "sk-svcacct-",
        ProviderName::Anthropic => "sk-ant-api03-",
        ProviderName::Bedrock => "ABSK",
        ProviderName::LiteLlm => "sk-",
        ProviderName::Gemini => "AIzaSy",
        ProviderName::Azure => "",
    }
}

impl Texts {
    /// Key texts and key ids in a value, JSON or not: words that begin as keys do (`EXAMPLE-`, `sk-`), and words that
    /// begin as ids do (`key_`, `apikey_`).
    pub(super) fn found_in(value: &str) -> (Vec<String>, Vec<String>) {
        let in_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let mut found = (Vec::new(), Vec::new());
        for word in value.split(|c| !in_word(c)) {
            if word.len() < 12 {
                continue;
            }
            if word.starts_with("EXAMPLE-") || word.starts_with("sk-") {
                found.0.push(word.to_owned());
            } else if word.starts_with("key_") || word.starts_with("apikey_") {
                found.1.push(word.to_owned());
            }
        }
        found
    }

    /// Whether a text has its key already.
    pub(super) fn has(&self, found: &str) -> bool {
        self.0.iter().any(|(known, _)| known == found)
    }

    /// A text and its ids are replaced by a key and its handle from now on.
    pub(super) fn learn(&mut self, found: &str, text: &str, ids: &[String], handle: &str) {
        self.0.push((found.to_owned(), text.to_owned()));
        for id in ids {
            self.0.push((id.clone(), handle.to_owned()));
        }
    }

    /// The value with everything known replaced.
    pub(super) fn translate(&self, value: &str) -> String {
        let replace = |text: String, (from, to): &(String, String)| text.replace(from, to);
        self.0.iter().fold(value.to_owned(), replace)
    }
}
