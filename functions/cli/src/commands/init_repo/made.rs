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
        if shape.mixed == Mixed::Needed {
            text.push_str(&unmixed(shape));
        }
    }
    text
}

/// Lets go what is not mixed: each expression takes texts that lack one kind of character.
fn unmixed(shape: &KeyShape) -> String {
    let begins = shape.begins.replace('.', r"\.");
    let lacks = ["0-9", "a-z", "A-Z"].map(|class| format!("'''^{begins}[^{class}]*$'''"));
    format!(
        "[[rules.allowlists]]\ndescription = \"a name, not a key\"\nregexes = [{}]\n",
        lacks.join(", ")
    )
}

/// <https://github.com/Yelp/detect-secrets/blob/master/docs/plugins.md>
fn detect_secrets() -> String {
    let keys = SHAPES.iter().fold(String::new(), |mut keys, shape| {
        let mixed = match shape.mixed {
            Mixed::Either => "False",
            Mixed::Needed => "True",
        };
        let _ = writeln!(
            keys,
            "    (\"{}\", r'''{}''', {}, {mixed}),",
            shape.id,
            shape.expression(),
            shape.begins.len()
        );
        keys
    });
    include_str!("files/llm_keys.py").replace("@KEYS@", &keys)
}
