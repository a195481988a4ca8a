use super::super::key::ApiKey;
use super::super::key_like;
use super::*;

fn format_of(driver: ProviderName) -> KeyFormat {
    match driver {
        ProviderName::OpenRouter => OPENROUTER,
        ProviderName::OpenAi => OPENAI,
        ProviderName::Anthropic => ANTHROPIC,
        ProviderName::Bedrock => BEDROCK,
        ProviderName::LiteLlm => LITELLM,
        ProviderName::Gemini => GEMINI,
        ProviderName::Azure => AZURE,
    }
}

#[test]
fn each_driver_has_a_shape_and_takes_keys_of_it_for_its_own() {
    for driver in ProviderName::ALL {
        let mut own = SHAPES.iter().filter(|shape| shape.driver == Some(driver));
        let is_key = |shape: &&KeyShape| shape.power == Power::Calls;
        let first = own.find(is_key).unwrap();
        let key = ApiKey::new(&first.made_up());
        assert!(key.looks_like(&format_of(driver)), "{}", first.id);
    }
}

#[test]
fn an_administering_key_is_never_taken_for_one_that_agents_use() {
    for shape in SHAPES
        .iter()
        .filter(|shape| shape.power == Power::Administers)
    {
        let Some(driver) = shape.driver else { continue };
        let key = ApiKey::new(&shape.made_up());
        assert!(!key.looks_like(&format_of(driver)), "{}", shape.id);
    }
}

#[test]
fn a_made_up_key_of_every_shape_is_kept_out_where_no_key_may_stand() {
    for shape in SHAPES {
        let key = shape.made_up();
        let found =
            key_like::words(&key).any(key_like::may_be_a_key) || key_like::begins_as_keys_do(&key);
        assert!(found, "{}", shape.id);
    }
}

#[test]
fn the_longer_beginning_tells_whose_a_key_is() {
    for (text, id) in [
        ("sk-or-v1-", Some("openrouter-key")),
        ("sk-ant-admin01-", Some("anthropic-admin-key")),
        ("sk-ant-sid01-", Some("anthropic-key")),
        ("sk-admin-", Some("openai-admin-key")),
        ("sk-", Some("openai-project-key")),
        ("xai-token-", Some("xai-management-key")),
        ("xai-", Some("xai-key")),
        ("s", None),
    ] {
        let found = by_beginning(|begins| text.starts_with(begins));
        assert_eq!(found.map(|shape| shape.id), id, "{text}");
    }
}

#[test]
fn ids_are_said_once() {
    let mut ids: Vec<&str> = SHAPES.iter().map(|shape| shape.id).collect();
    ids.sort_unstable();
    let all = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), all);
}

#[test]
fn an_expression_names_its_parts() {
    let of = |id| {
        let shape = SHAPES.iter().find(|shape| shape.id == id).unwrap();
        shape.expression()
    };
    assert_eq!(
        of("openrouter-key"),
        r"(?:\b|\\[nrtbf]|%[0-9A-Fa-f]{2})(sk-or-v1-[0-9a-f]{64})(?:[^0-9A-Za-z_-]|$)"
    );
    assert_eq!(
        of("gemini-bound-key"),
        r"(?:\b|\\[nrtbf]|%[0-9A-Fa-f]{2})(AQ\.[0-9A-Za-z_-]{40,120})(?:[^0-9A-Za-z_-]|$)"
    );
    assert!(of("mistral-key").starts_with("(?i:mistral)"));
}

#[test]
fn no_expression_counts_further_than_go_does() {
    for shape in SHAPES {
        for part in shape.rest {
            if let Part::Chars(_, least, most) = part {
                assert!(least <= most && *most <= MANY, "{}", shape.id);
            }
        }
    }
}

/// As keys come: with few of the characters that a shape lets come.
#[test]
fn keys_that_chance_draws_count_and_placeholders_do_not() {
    let mut state = 7u32;
    let mut chance = |chars: &[u8]| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        chars[usize::try_from(state >> 16).unwrap() % chars.len()]
    };
    for shape in SHAPES {
        let mut lost = 0;
        for _ in 0..2000 {
            let key = drawn(shape, &mut chance);
            lost += u32::from(!shape.counts(key.as_bytes()));
        }
        // Letters of one size alone come once in some million keys.
        assert_eq!(lost, 0, "{}", shape.id);
        for same in [b'0', b'x', b'a'] {
            let placeholder = drawn(shape, &mut |_: &[u8]| same);
            assert!(!shape.counts(placeholder.as_bytes()), "{placeholder}");
        }
    }
    let hugging = SHAPES.iter().find(|shape| shape.id == "hugging-face-token");
    let letters = format!("hf_{}", "ExAmPle".repeat(5));
    assert!(
        hugging.unwrap().counts(&letters.as_bytes()[..37]),
        "no digit"
    );
}

/// A text of the shape, its random characters drawn from their alphabets.
fn drawn(shape: &KeyShape, draw: &mut dyn FnMut(&[u8]) -> u8) -> String {
    let mut key = shape.begins.to_owned();
    for part in shape.rest {
        match part {
            Part::Text(text) => key.push_str(text),
            Part::Chars(alphabet, least, _) => {
                let chars = alphabet.chars().as_bytes();
                key.extend((0..*least).map(|_| char::from(draw(chars))));
            }
            Part::Padding(_) => {}
        }
    }
    key
}
