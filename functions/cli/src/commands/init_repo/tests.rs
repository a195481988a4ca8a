use std::path::PathBuf;

use keyward_core::model::key_formats::{Mixed, SHAPES};

use super::*;

struct Repository(PathBuf);

impl Repository {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("keyward-{name}-{}", std::process::id()));
        fs::create_dir_all(folder.join(".git")).unwrap();
        Self(folder)
    }

    fn wanted(&self) -> InitRepo {
        InitRepo {
            folder: self.0.clone(),
            force: false,
            dry_run: false,
            check: false,
            json: true,
        }
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_is_written_stands_and_what_somebody_changed_is_left() {
    let repository = Repository::new("init");
    let wanted = repository.wanted();
    let check = InitRepo {
        check: true,
        ..repository.wanted()
    };
    let dry = InitRepo {
        dry_run: true,
        ..repository.wanted()
    };
    assert_eq!(init_repo(&check).unwrap(), Outcome::Differs);
    assert_eq!(init_repo(&dry).unwrap(), Outcome::Done);
    assert!(!repository.0.join(".gitleaks.toml").exists());
    assert_eq!(init_repo(&wanted).unwrap(), Outcome::Done);
    assert_eq!(init_repo(&wanted).unwrap(), Outcome::Done);
    assert_eq!(init_repo(&check).unwrap(), Outcome::Done);

    let hooks = repository.0.join(".pre-commit-config.yaml");
    fs::write(&hooks, "repos: []\n").unwrap();
    assert_eq!(init_repo(&check).unwrap(), Outcome::Differs);
    assert_eq!(init_repo(&wanted).unwrap(), Outcome::NotAll);
    assert_eq!(fs::read_to_string(&hooks).unwrap(), "repos: []\n");
    let force = InitRepo {
        force: true,
        ..repository.wanted()
    };
    assert_eq!(init_repo(&force).unwrap(), Outcome::Done);
    assert_eq!(init_repo(&check).unwrap(), Outcome::Done);
}

#[test]
fn outside_a_repository_nothing_is_written() {
    let repository = Repository::new("none");
    fs::remove_dir_all(repository.0.join(".git")).unwrap();
    let error = init_repo(&repository.wanted()).unwrap_err();
    assert!(error.to_string().contains("no Git repository"), "{error}");
    assert_eq!(fs::read_dir(&repository.0).unwrap().count(), 0);
}

fn expression(text: &str) -> regex::bytes::Regex {
    let mut built = regex::bytes::RegexBuilder::new(text);
    built.unicode(false).build().unwrap()
}

/// The rules are read as gitleaks reads them, and find and let go what they should: gitleaks looks for a keyword, then for the
/// expression, then drops what one of the rule's allowed expressions takes.
#[test]
fn gitleaks_has_a_rule_for_each_shape_that_finds_its_keys() {
    let files = made::files();
    let (_, text) = files
        .iter()
        .find(|(path, _)| *path == ".gitleaks.toml")
        .unwrap();
    let config: toml::Table = text.parse().unwrap();
    assert_eq!(config["extend"]["useDefault"].as_bool(), Some(true));
    let rules = config["rules"].as_array().unwrap();
    assert_eq!(rules.len(), SHAPES.len());
    for (rule, shape) in rules.iter().zip(SHAPES) {
        assert_eq!(rule["id"].as_str(), Some(shape.id));
        let expression = expression(rule["regex"].as_str().unwrap());
        let finds = |key: &str| {
            let name = shape.named.first().unwrap_or(&"llm");
            let line = format!("{}_API_KEY = \"{key}\"", name.to_uppercase());
            let keywords = rule["keywords"].as_array().unwrap();
            let mut keywords = keywords.iter().filter_map(toml::Value::as_str);
            let lowered = line.to_lowercase();
            keywords.any(|word| lowered.contains(word))
                && expression.captures(line.as_bytes()).is_some_and(|found| {
                    let allowed = rule.get("allowlists").and_then(toml::Value::as_array);
                    let allowed = allowed
                        .into_iter()
                        .flatten()
                        .flat_map(|list| list["regexes"].as_array());
                    let mut allowed = allowed.flatten().filter_map(toml::Value::as_str);
                    !allowed.any(|lets| self::expression(lets).is_match(&found[1]))
                })
        };
        let key = shape.made_up();
        assert!(finds(&key), "{}", shape.id);
        assert!(!finds(&key[..key.len() - 2]), "{}", shape.id);
        if shape.mixed == Mixed::Needed {
            assert!(!finds(&key.to_lowercase()), "{}", shape.id);
        }
    }
}
