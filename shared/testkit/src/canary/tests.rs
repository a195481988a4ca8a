use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use keyward_core::model::key::{AdminKey, ApiKey, KeyFormat};

use super::*;

const FORMAT: KeyFormat = KeyFormat {
    prefix: "sk-or-v1-",
    also: &[],
    not: &[],
    alphabet: "0123456789abcdef",
};

/// 57 hex digits after the marker.
const SECRET: &str = "sk-or-v1-EXAMPLE3b9e41f07ad25c86e01b7f94d3a8526c0f1e7b98a4d3562c10f9e8b7a";
/// Holds characters that the two base64 alphabets write differently.
const ODD: &str = "sk-or-v1-EXAMPLE~~~???>>>~~~???>>>~~~???>>>";

fn forms(haystack: &str) -> Vec<Form> {
    let mut forms: Vec<Form> = Canary::new([SECRET])
        .find(haystack)
        .iter()
        .map(|finding| finding.form)
        .collect();
    forms.sort();
    forms
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn each(text: &str, write: impl Fn(usize, u8) -> String) -> String {
    text.bytes().enumerate().map(|(i, b)| write(i, b)).collect()
}

#[test]
fn each_form_is_found_and_named() {
    let bytes = SECRET.as_bytes();
    let shift = |n: usize| [vec![b'x'; n], bytes.to_vec()].concat();
    let odd = |i: usize| i % 2 == 1;
    for (name, planted, form) in [
        ("as it is", SECRET.to_owned(), Form::Plain),
        ("a window", SECRET[30..42].to_owned(), Form::Plain),
        (
            "its last window",
            SECRET[SECRET.len() - 12..].to_owned(),
            Form::Plain,
        ),
        ("upper case", SECRET.to_ascii_uppercase(), Form::Plain),
        ("base64, offset 0", STANDARD.encode(shift(0)), Form::Base64),
        ("base64, offset 1", STANDARD.encode(shift(1)), Form::Base64),
        ("base64, offset 2", STANDARD.encode(shift(2)), Form::Base64),
        (
            "base64, bare",
            STANDARD_NO_PAD.encode(shift(1)),
            Form::Base64,
        ),
        ("base64url", URL_SAFE.encode(shift(1)), Form::Base64),
        (
            "base64url, bare",
            URL_SAFE_NO_PAD.encode(shift(2)),
            Form::Base64,
        ),
        ("hex", hex(SECRET), Form::Hex),
        (
            "hex, upper case",
            hex(SECRET).to_ascii_uppercase(),
            Form::Hex,
        ),
        (
            "percent",
            each(SECRET, |_, b| format!("%{b:02X}")),
            Form::Plain,
        ),
        (
            "percent, partly",
            each(SECRET, |i, b| {
                if odd(i) {
                    format!("%{b:02x}")
                } else {
                    char::from(b).into()
                }
            }),
            Form::Plain,
        ),
        (
            "JSON",
            each(SECRET, |_, b| format!("\\u{b:04x}")),
            Form::Plain,
        ),
        (
            "JSON, partly",
            each(SECRET, |i, b| {
                if odd(i) {
                    format!("\\u{b:04X}")
                } else {
                    char::from(b).into()
                }
            }),
            Form::Plain,
        ),
        (
            "JSON in JSON",
            each(SECRET, |_, b| format!("\\\\u{b:04x}")),
            Form::Plain,
        ),
        (
            "Debug of chars",
            SECRET.escape_unicode().to_string(),
            Form::Plain,
        ),
        (
            "Debug of byte strings",
            each(SECRET, |_, b| format!("\\x{b:02x}")),
            Form::Plain,
        ),
        ("Debug of a vector", format!("{bytes:?}"), Form::ByteList),
        (
            "pretty Debug of a vector",
            format!("{bytes:#?}"),
            Form::ByteList,
        ),
        (
            "JSON of bytes",
            serde_json::to_string(bytes).unwrap(),
            Form::ByteList,
        ),
        (
            "base64, percent",
            each(&STANDARD.encode(bytes), |_, b| format!("%{b:02x}")),
            Form::Base64,
        ),
        (
            "broken over lines",
            each(SECRET, |i, b| {
                format!("{}{}", char::from(b), if odd(i) { "\n" } else { "" })
            }),
            Form::Plain,
        ),
    ] {
        let haystack = format!("{{\"detail\":\"100 % sure\\n\",\"x\":\"{planted}\"}}");
        assert_eq!(forms(&haystack), [form], "{name}");
    }
}

#[test]
fn both_base64_alphabets_are_known() {
    for encoded in [STANDARD.encode(ODD), URL_SAFE.encode(ODD)] {
        let finding = &Canary::new([ODD]).find(encoded)[0];
        assert_eq!(
            (finding.form, finding.reading),
            (Form::Base64, Reading::AsIs)
        );
    }
}

#[test]
fn one_window_in_base64_is_found_at_every_offset() {
    for offset in 0..3 {
        let piece = format!("{}{}zz", &"xyz"[..offset], &SECRET[30..42]);
        assert_eq!(forms(&STANDARD.encode(piece)), [Form::Base64], "{offset}");
    }
}

#[test]
fn what_may_be_shown_is_no_find() {
    let key = ApiKey::new(SECRET);
    let shown = format!(
        "{key:?} {} {} {} sk-or-v1-EXA...{} sk-or-v1-EXAMPLE {} 100%25 \\u0041 {}",
        key.hint(&FORMAT),
        key.fingerprint(),
        key.fingerprint().to_hex(),
        &SECRET[SECRET.len() - 4..],
        &SECRET[..SECRET.len() - 57 + 11],
        hex("sk-or-v1-EXAMPLE"),
    );
    assert_eq!(Canary::new([SECRET]).find(&shown), []);
    let other = "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";
    let without_marker = Canary::new([other]);
    assert_eq!(without_marker.find("sk-or-v1-9f8...b1a0"), []);
    assert_eq!(without_marker.find(other).len(), 1);
}

#[test]
fn a_finding_names_the_secret_and_the_place_but_nothing_of_it() {
    let admin = AdminKey::new("sk-or-v1-EXAMPLEaaaabbbbccccddddeeeeffff0000");
    let key = ApiKey::new(SECRET);
    let token = "b3b0f1d2-7c11-4a2e-9d55-0c8f6e4a1b27".to_owned();
    let secrets: [&dyn ExposeSecret<str>; 3] = [&admin, &key, &secrecy::SecretString::from(token)];
    let canary = Canary::of(secrets);
    let findings = canary.find(format!("token=b3b0f1d2-7c11-4a2e; key={SECRET}"));
    let found: Vec<_> = findings.iter().map(|f| (f.secret, f.at)).collect();
    assert_eq!(found, [(2, 6), (1, 46)]);
    assert_eq!(findings[0].before, "token=");
    let panic = std::panic::catch_unwind(|| canary.assert_absent("the logs", SECRET)).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.starts_with("key text in the logs:"), "{message}");
    assert_eq!(
        Canary::new([SECRET]).find(format!("{message} {canary:?}")),
        []
    );
}

#[test]
#[should_panic(expected = "too short to hunt for")]
fn a_secret_that_proves_nothing_is_refused() {
    Canary::new(["sk-or-v1-EXAMPLEother"]);
}
