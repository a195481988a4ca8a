//! Names that are proposed for what has none yet.

use std::collections::BTreeSet;

/// With the provider's name and a number behind it, a slot's name has 63 characters at most.
const LONGEST: usize = 40;

/// A name for an agent, out of words of `a-z` and `0-9`; `agent` where there are none. None stands twice: what is given is added
/// to `taken`.
pub fn agent_name(words: impl IntoIterator<Item = String>, taken: &mut BTreeSet<String>) -> String {
    let words: Vec<String> = words.into_iter().collect();
    let mut name = words.join("-");
    name.truncate(LONGEST);
    let name = match name.trim_end_matches('-') {
        "" => "agent".to_owned(),
        name => name.to_owned(),
    };
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let mut names = std::iter::once(name.clone()).chain(numbered);
    let free = names.find(|name| taken.insert(name.clone()));
    free.unwrap_or(name)
}

/// The words of a text, in lower case.
pub fn words_of(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
}
