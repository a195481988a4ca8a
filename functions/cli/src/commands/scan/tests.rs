use keyward_core::model::key::ApiKey;
use keyward_core::model::key_formats::{KeyShape, Mixed, Part, SHAPES};
use keyward_core::model::version::VersionState;

use super::finder::{Finder, Found};
use super::known::{Holder, Known};
use super::say;

/// A line as people write it, with a key in it.
fn assigned(shape: &KeyShape, key: &str) -> Vec<String> {
    let word = shape.named.first().unwrap_or(&"llm").to_uppercase();
    let word = match shape.named {
        ["cohere", ..] => "COHERE".to_owned(),
        _ => word,
    };
    vec![
        format!("{word}_API_KEY={key}"),
        format!("export {word}_KEY='{key}'"),
        format!("let client = {{ {word}Key: \"{key}\" }};"),
        format!("  \"{word}_token\": \"{key}\","),
        format!("{word}.api_key = `{key}`;"),
        format!("client = {word}(api_key=\"{key}\")"),
        format!("client = {word}.Client('{key}')"),
        format!("const {word}_KEY: &str = \"{key}\";"),
        format!("{word}_key: str = \"{key}\""),
        format!("\"os.environ[\\\"{word}_API_KEY\\\"] = \\\"{key}\\\"\\n\","),
        format!("run --{word}-key {key}"),
        format!("ENV {word}_API_KEY {key}"),
        format!("<{word}-key>{key}</{word}-key>"),
    ]
}

fn ids(found: &[Found]) -> Vec<&str> {
    let ids = found.iter().filter_map(|found| found.shape);
    ids.map(|shape| shape.id).collect()
}

#[test]
fn every_made_up_key_of_every_shape_is_found_where_people_write_it() {
    let finder = Finder::new(Known::default());
    for shape in SHAPES {
        let key = shape.made_up();
        for text in assigned(shape, &key) {
            for text in [text.clone(), format!("# a line\n{text}\nanother\n")] {
                let found = finder.find(text.as_bytes());
                assert_eq!(ids(&found), [shape.id], "{text}");
                assert_eq!(found[0].fingerprint, ApiKey::new(&key).fingerprint());
                let column = text.lines().nth(found[0].line - 1).unwrap().find(&key);
                assert_eq!(Some(found[0].column - 1), column, "{text}");
            }
        }
    }
}

#[test]
fn a_near_miss_is_no_key() {
    let finder = Finder::new(Known::default());
    for shape in SHAPES {
        let key = shape.made_up();
        let same =
            |c: char| key.replace(|found: char| found.is_ascii_alphanumeric(), &c.to_string());
        let mut misses = vec![
            key[..key.len() - 2].to_owned(),
            format!("x{key}"),
            same('x'),
        ];
        if let Some(Part::Chars(_, least, most)) = shape.rest.last()
            && least == most
        {
            misses.push(format!("{key}a0"));
        }
        if shape.mixed == Mixed::Needed {
            misses.push(key.to_lowercase());
        }
        for same in ["x", "0", "a"] {
            let (begins, _) = shape.random();
            misses.push(key[..begins].to_owned() + &same.repeat(key.len() - begins));
        }
        for miss in misses {
            for text in assigned(shape, &miss) {
                let found = finder.find(text.as_bytes());
                assert!(!ids(&found).contains(&shape.id), "{}: {text}", shape.id);
            }
        }
    }
}

#[test]
fn a_key_without_a_beginning_is_told_by_its_name_only() {
    let finder = Finder::new(Known::default());
    for shape in SHAPES.iter().filter(|shape| !shape.named.is_empty()) {
        let key = shape.made_up();
        for text in [format!("checksum = \"{key}\""), key.clone()] {
            assert_eq!(ids(&finder.find(text.as_bytes())), [""; 0], "{text}");
        }
    }
}

fn known(key: &str, state: VersionState) -> Finder {
    let holder = Holder {
        slot: "search-bot-openai".parse().unwrap(),
        state,
    };
    Finder::new(Known::of([(ApiKey::new(key).fingerprint(), holder)]))
}

#[test]
fn a_known_key_is_told_with_its_slot_whatever_it_looks_like() {
    for shape in SHAPES {
        let key = shape.made_up();
        let finder = known(&key, VersionState::Current);
        let text = match shape.named {
            [] => format!("key = \"{key}\"  # keyward:allow"),
            _ => format!("checksum = \"{key}\""),
        };
        let found = finder.find(text.as_bytes());
        let [found] = &found[..] else {
            panic!("{text}: {found:?}");
        };
        let holder = found.holder.as_ref().unwrap();
        assert_eq!(holder.slot.as_str(), "search-bot-openai");
        assert!(holder.is_live());
    }
}

#[test]
fn what_no_provider_takes_any_more_is_dead_and_what_is_unknown_is_not() {
    for state in VersionState::ALL {
        let dead = [
            VersionState::Revoked,
            VersionState::Abandoned,
            VersionState::Contained,
        ];
        let key = SHAPES[0].made_up();
        let found = known(&key, state).find(key.as_bytes());
        let is_live = found[0].holder.as_ref().unwrap().is_live();
        assert_eq!(is_live, !dead.contains(&state), "{state:?}");
    }
}

#[test]
fn a_comment_lets_a_line_pass_that_no_list_knows() {
    let finder = Finder::new(Known::default());
    let key = SHAPES[0].made_up();
    for word in [
        "keyward:allow",
        "gitleaks:allow",
        "pragma: allowlist secret",
    ] {
        let text = format!("a = \"{key}\" # {word}\nb = \"{key}\"\n");
        let lines: Vec<usize> = finder
            .find(text.as_bytes())
            .iter()
            .map(|f| f.line)
            .collect();
        assert_eq!(lines, [2], "{word}");
    }
}

#[test]
fn what_is_said_holds_no_twelve_characters_of_a_key() {
    let mut looked = super::files::Looked::default();
    let finder = Finder::new(Known::default());
    for shape in SHAPES {
        let text = assigned(shape, &shape.made_up()).remove(0);
        let found = finder.find(text.as_bytes()).into_iter();
        looked
            .found
            .extend(found.map(|found| ("a file.env".to_owned(), found)));
    }
    assert_eq!(looked.found.len(), SHAPES.len());
    let said = [
        say::as_json(&looked).to_string(),
        say::as_sarif(&looked).to_string(),
    ];
    for shape in SHAPES {
        let key = shape.made_up();
        for part in key.as_bytes().windows(16) {
            let part = std::str::from_utf8(part).unwrap();
            assert!(said.iter().all(|said| !said.contains(part)), "{part}");
        }
    }
    assert!(said[1].contains("a%20file.env"));
}

#[test]
fn a_list_of_another_layout_or_with_a_damaged_entry_is_refused() {
    let folder = std::env::temp_dir().join(format!("keyward-known-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("list.json");
    for (text, says) in [
        ("[]", "no list of keyward fingerprints"),
        (
            r#"{"schema":2,"made":"2026-11-28T00:00:00Z","keys":[]}"#,
            "has layout 2",
        ),
        (
            r#"{"schema":1,"made":"2026-11-28T00:00:00Z","keys":[{"sha256":"00","slot":"a-bot","state":"current"}]}"#,
            "an entry of a-bot that is no SHA-256",
        ),
    ] {
        std::fs::write(&file, text).unwrap();
        let error = Known::read(&file).err().unwrap();
        assert!(error.to_string().contains(says), "{error}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_key_is_found_behind_what_a_json_text_or_a_url_writes_for_another_character() {
    let finder = Finder::new(Known::default());
    for shape in SHAPES.iter().filter(|shape| shape.named.is_empty()) {
        let key = shape.made_up();
        for text in [
            format!("{{\"text\": \"first\\n{key}\\nlast\"}}"),
            format!("authorization=Bearer%20{key}&x=1"),
            format!("https://proxy.example.com/{key}.json"),
            format!("{key}\r\n"),
        ] {
            assert_eq!(ids(&finder.find(text.as_bytes())), [shape.id], "{text}");
        }
    }
}
