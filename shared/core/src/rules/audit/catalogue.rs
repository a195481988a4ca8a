//! The page that explains every rule, made from the rules themselves.

use std::fmt::Write;

use super::{Mend, RULES, Rule};
use crate::model::finding::{Owasp, RuleId};

/// The catalogue as Markdown: `shared/core/AUDIT.md`.
pub fn markdown() -> String {
    let mut page = String::from(
        "# What an audit finds\n\n\
         Written by `cargo run -q -p keyward-tests --example audit-rules` from the rules in `src/rules/audit`. A rule's name stays\n\
         the same from release to release. What was not read gives no finding, and is told as not seen. The OWASP numbers are\n\
         those of the [Non-Human Identities Top 10](https://owasp.org/www-project-non-human-identities-top-10/2025/) (NHI) and\n\
         of the [Top 10 for LLM Applications](https://genai.owasp.org/llm-top-10/) (LLM).\n\n\
         | rule | gravity | what is wrong | OWASP |\n| --- | --- | --- | --- |\n",
    );
    for rule in &RULES {
        let owasp: Vec<&str> = rule.owasp.iter().copied().map(Owasp::as_str).collect();
        put(
            &mut page,
            format_args!(
                "| [`{0}`](#{0}) | {1} | {2} | {3} |\n",
                rule.id,
                rule.gravity,
                rule.title,
                owasp.join(", ")
            ),
        );
    }
    for rule in &RULES {
        section(&mut page, rule);
    }
    page
}

fn section(page: &mut String, rule: &Rule) {
    put(
        page,
        format_args!(
            "\n## {}\n\n{}. {} {}\n",
            rule.id, rule.title, rule.why, rule.mend
        ),
    );
    if let Some(command) = command(rule.command) {
        put(page, format_args!("\n```sh\n{command}\n```\n"));
    }
}

/// The command with an example's name where it is about one slot or account.
fn command(mend: Mend) -> Option<String> {
    let with = |words: &str, name: &str, options: &str| {
        let command = format!("keyward {words} {name} {options}");
        command.trim_end().to_owned()
    };
    match mend {
        Mend::Slot(words, options) => Some(with(words, "search-bot", options)),
        Mend::Account(words, options) => Some(with(words, "openrouter-main", options)),
        Mend::General(words) => Some(with(words, "", "")),
        Mend::Canary(words, options, _) => Some(with(words, "canary-bot", options)),
        Mend::Person => None,
    }
}

/// Where the catalogue explains a rule.
pub fn anchor(rule: &RuleId) -> String {
    format!("shared/core/AUDIT.md#{rule}")
}

/// Writing to a string does not fail.
fn put(page: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = page.write_fmt(text);
}
