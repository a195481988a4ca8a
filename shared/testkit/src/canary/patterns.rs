//! The forms of a secret.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::{Form, WINDOW};

const MARKER: &str = "EXAMPLE";

/// Where a prefix such as `sk-or-v1-` ends at the latest.
const LONGEST_PREFIX: usize = 16;

/// Whose pattern it is, and of which form.
pub(super) struct Pattern {
    pub(super) secret: usize,
    pub(super) form: Form,
}

/// Every window of the text's random part in every form.
pub(super) fn of(text: &str) -> Vec<(Form, Vec<u8>)> {
    let random = random_part(text).as_bytes();
    assert!(
        random.len() >= WINDOW,
        "a secret with {} random characters is too short to hunt for",
        random.len()
    );
    random.windows(WINDOW).flat_map(forms).collect()
}

/// What only the secret's holder knows.
fn random_part(text: &str) -> &str {
    if let Some((_, random)) = text.split_once(MARKER) {
        return random;
    }
    let is_key = text.starts_with("sk-");
    let dash = text
        .char_indices()
        .take(LONGEST_PREFIX)
        .filter(|(_, c)| *c == '-')
        .last();
    match dash {
        Some((at, _)) if is_key => &text[at + 1..],
        _ => text,
    }
}

fn forms(window: &[u8]) -> Vec<(Form, Vec<u8>)> {
    let hex: String = window.iter().map(|byte| format!("{byte:02x}")).collect();
    let list: Vec<String> = window.iter().map(u8::to_string).collect();
    let mut forms = vec![
        (Form::Plain, window.to_vec()),
        (Form::Hex, hex.into_bytes()),
        (Form::ByteList, list.join(",").into_bytes()),
        (Form::ByteList, list.join(", ").into_bytes()),
    ];
    for offset in 0..3 {
        for engine in [STANDARD, URL_SAFE] {
            forms.push((Form::Base64, base64_core(window, offset, &engine)));
        }
    }
    forms
}

/// The base64 characters that depend on nothing but `window` if it begins `offset` bytes into a group of three.
fn base64_core(window: &[u8], offset: usize, engine: &impl Engine) -> Vec<u8> {
    let mut bytes = vec![0; offset];
    bytes.extend_from_slice(window);
    let from = (offset * 8).div_ceil(6);
    let to = bytes.len() * 8 / 6;
    engine.encode(&bytes).into_bytes()[from..to].to_vec()
}
