//! The files' texts, made from the table of key formats.

use std::fmt::Write;

use keyward_core::model::key_formats::{KeyShape, Mixed, SHAPES};

/// Each file of a repository with its text.
pub(super) fn files() -> Vec<(&'static str, String)> {
    vec![
        (
            ".pre-commit-config.yaml",
            include_str!("files/pre-commit-config.yaml").to_owned(),
        ),
        (".gitleaks.toml", gitleaks()),
        (".keyward/llm_keys.py", detect_secrets()),
        (
            ".keyward/README.md",
            include_str!("files/README.md").to_owned(),
        ),
        (
            ".github/workflows/llm-keys.yml",
            include_str!("files/workflow.yml").to_owned(),
        ),
    ]
}

/// <https://github.com/gitleaks/gitleaks#configuration>
fn gitleaks() -> String {
    let mut text = include_str!("files/gitleaks.toml").to_owned();
    for shape in SHAPES {
        let keywords = shape.keywords();
        let keywords: Vec<String> = keywords.iter().map(|word| format!("\"{word}\"")).collect();
        let _ = write!(
            text,
            "\n[[rules]]\nid = \"{}\"\ndescription = \"{} key\"\nregex = '''{}'''\nsecretGroup = 1\nkeywords = [{}]\n",
            shape.id,
            shape.provider,
            shape.expression(),
            keywords.join(", "),
        );
        text.push_str(&allowed(shape));
    }
    text
}

/// Lets go what is no key by the same rules as [`KeyShape::counts`]: each expression takes some of it.
fn allowed(shape: &KeyShape) -> String {
    let (begins, _) = shape.random();
    let lets = match shape.mixed {
        Mixed::Needed => ["a-z", "A-Z"]
            .map(|class| format!("'''^.{{{begins}}}[^{class}]*$'''"))
            .to_vec(),
        // The usual placeholders: RE2 cannot say "the same again".
        Mixed::Either => ["0", "x", "X", "1", "a", "A"]
            .map(|one| format!("'''^.{{{begins}}}{one}{{8}}'''"))
            .to_vec(),
    };
    let lets = lets.join(", ");
    format!(
        "[[rules.allowlists]]\ndescription = \"a name or a placeholder, not a key\"\nregexes = [{lets}]\n"
    )
}

/// <https://github.com/Yelp/detect-secrets/blob/master/docs/plugins.md>
fn detect_secrets() -> String {
    let keys = SHAPES.iter().fold(String::new(), |mut keys, shape| {
        let mixed = match shape.mixed {
            Mixed::Either => "False",
            Mixed::Needed => "True",
        };
        let (begins, least) = shape.random();
        let _ = writeln!(
            keys,
            "    (\"{}\", r'''{}''', {begins}, {least}, {mixed}),",
            shape.id,
            shape.expression(),
        );
        keys
    });
    include_str!("files/llm_keys.py").replace("@KEYS@", &keys)
}
