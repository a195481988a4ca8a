//! The header that carries a key, and keeping its text out of everything else.

use http::{HeaderName, HeaderValue, header};
use secrecy::ExposeSecret;

/// Text that shares this many characters in a row with the credential is hidden.
const WINDOW: usize = 12;

/// What stands where text was hidden.
const HIDDEN: &str = "[hidden]";

/// Words that begin so and are this long are hidden whosever key they may be.
const KEY_PREFIXES: &[&str] = &["sk-", "ABSK", "AIzaSy"];
const KEY_LENGTH: usize = 24;

/// The same where a dot, which no word has in it, stands before the rest, and between its parts: `ya29.c.…`.
const DOTTED_PREFIXES: &[&str] = &["AQ.", "ya29."];

/// Azure's keys begin with nothing: so many letters and digits in a row are one.
const BARE_LENGTH: usize = 32;

/// So many digits in what follows a prefix within a word make it a key.
const DIGITS: usize = 3;

/// Which header carries a key, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// `Authorization: Bearer <key>`
    Bearer,
    /// A header of this name, in lower case, that holds the key alone.
    Header(&'static str),
}

/// The header that carries a key, and those that a signature needs beside it, their values marked sensitive: HTTP
/// libraries neither print nor index them. Without a name, it is in the body. No `Debug`.
pub(crate) struct Credential(
    Option<HeaderName>,
    HeaderValue,
    Vec<(HeaderName, HeaderValue)>,
);

impl Credential {
    /// The header for `secret`; `None` if the text cannot stand in one.
    pub(crate) fn new(scheme: Scheme, secret: &impl ExposeSecret<str>) -> Option<Self> {
        let text = secret.expose_secret();
        // A document is what a credential is made of, not one: a service account's key file goes nowhere.
        if text.is_empty() || text.trim_start().starts_with('{') {
            return None;
        }
        let (name, value) = match scheme {
            Scheme::Bearer => (
                header::AUTHORIZATION,
                HeaderValue::try_from(format!("Bearer {text}")),
            ),
            Scheme::Header(name) => (HeaderName::from_static(name), HeaderValue::try_from(text)),
        };
        let mut value = value.ok()?;
        value.set_sensitive(true);
        Some(Self(Some(name), value, Vec::new()))
    }

    /// One that the request's body carries; `None` if the text could not stand in a header.
    pub(crate) fn in_body(secret: &impl ExposeSecret<str>) -> Option<Self> {
        let Self(_, value, others) = Self::new(Scheme::Header("x"), secret)?;
        Some(Self(None, value, others))
    }

    /// The headers of a signature, `authorization` among them; `None` if it is not.
    pub(crate) fn signed(mut headers: Vec<(HeaderName, HeaderValue)>) -> Option<Self> {
        headers
            .iter_mut()
            .for_each(|(_, value)| value.set_sensitive(true));
        let at = headers
            .iter()
            .position(|(name, _)| *name == header::AUTHORIZATION)?;
        let (name, value) = headers.swap_remove(at);
        Some(Self(Some(name), value, headers))
    }

    pub(super) fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        Some((self.0.clone()?, self.1.clone()))
    }

    /// What goes with it.
    pub(super) fn others(&self) -> &[(HeaderName, HeaderValue)] {
        &self.2
    }

    /// `text` without anything that could be a piece of this credential, or another key: providers echo what they
    /// were sent. Upper and lower case are the same here.
    pub(super) fn scrub(&self, text: &str) -> String {
        let value = self.1.as_bytes();
        // Elsewhere the value is the secret alone.
        let has_scheme = self.0 == Some(header::AUTHORIZATION);
        let space = value.iter().position(|b| *b == b' ');
        let secret = match space.filter(|_| has_scheme) {
            Some(space) => &value[space + 1..],
            None => value,
        };
        let others = self.2.iter().map(|(_, value)| value.as_bytes());
        std::iter::once(secret)
            .chain(others)
            .fold(hide_words(text), |text, secret| hide_pieces(&text, secret))
    }
}

fn hide_pieces(text: &str, secret: &[u8]) -> String {
    let window = WINDOW.min(secret.len());
    if window == 0 {
        return text.to_owned();
    }
    let secret = secret.to_ascii_lowercase();
    let bytes = text.as_bytes().to_ascii_lowercase();
    let mut hidden = vec![false; bytes.len()];
    for (at, piece) in bytes.windows(window).enumerate() {
        if secret.windows(window).any(|part| part == piece) {
            hidden[at..at + window].fill(true);
        }
    }
    let mut out = String::with_capacity(text.len());
    let mut before = false;
    for (at, c) in text.char_indices() {
        match (hidden[at], before) {
            (true, false) => out.push_str(HIDDEN),
            (true, true) => {}
            (false, _) => out.push(c),
        }
        before = hidden[at];
    }
    out
}

fn hide_words(text: &str) -> String {
    let of_a_key = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mut rest_of_a_key = false;
    text.split_inclusive(|c| !of_a_key(c))
        .map(|piece| {
            let word = piece.trim_end_matches(|c| !of_a_key(c));
            let rest = rest_of_a_key && word.len() >= WINDOW;
            let goes_on = rest_of_a_key && piece.ends_with('.');
            rest_of_a_key = goes_on || DOTTED_PREFIXES.iter().any(|p| piece.ends_with(p));
            match rest.then_some(0).or_else(|| key_in(word)) {
                Some(at) => format!("{}{HIDDEN}{}", &word[..at], &piece[word.len()..]),
                None => piece.to_owned(),
            }
        })
        .collect()
}

/// Where a key begins in a word: at its start or, as behind an escaped space (`%20sk-…`), after anything but a letter;
/// after a letter too where what follows has digits in it, as keys have and words have not.
fn key_in(word: &str) -> Option<usize> {
    let begins = |at: usize| !word[..at].ends_with(|c: char| c.is_ascii_alphabetic());
    let has_digits = |at: usize| {
        let digits = word[at..].bytes().filter(u8::is_ascii_digit);
        digits.count() >= DIGITS
    };
    KEY_PREFIXES
        .iter()
        .flat_map(|prefix| word.match_indices(prefix))
        .map(|(at, _)| at)
        .filter(|at| word.len() - at >= KEY_LENGTH && (begins(*at) || has_digits(*at)))
        .chain(holds_a_bare_key(word).then_some(0))
        .min()
}

/// Whether there is a long stretch of letters and digits, without what ids have between theirs.
fn holds_a_bare_key(word: &str) -> bool {
    word.split(['-', '_']).any(|stretch| {
        let digits = stretch.bytes().filter(u8::is_ascii_digit).count();
        stretch.len() >= BARE_LENGTH && (DIGITS..stretch.len()).contains(&digits)
    })
}

#[cfg(test)]
mod tests {
    use keyward_core::model::key::{AdminKey, ApiKey};

    use super::*;

    const KEY: &str = "sk-or-v1-EXAMPLE0123456789abcdef0123456789abcdef";

    #[test]
    fn pieces_of_the_credential_are_hidden() {
        let credential = Credential::new(Scheme::Bearer, &ApiKey::new(KEY)).unwrap();
        for (text, expected) in [
            (format!("bad key {KEY}!"), "bad key [hidden]!".to_owned()),
            (
                format!("bad key {}", KEY.to_uppercase()),
                "bad key [hidden]".to_owned(),
            ),
            (
                format!("ends with {}", &KEY[KEY.len() - 12..]),
                "ends with [hidden]".to_owned(),
            ),
            (
                format!("é{}é{}", &KEY[4..20], &KEY[..12]),
                "é[hidden]é[hidden]".to_owned(),
            ),
            (
                "sk-or-v1-0e6...1c96".to_owned(),
                "sk-or-v1-0e6...1c96".to_owned(),
            ),
            (
                "other key sk-or-v1-EXAMPLEffffffffffff, yes".to_owned(),
                "other key [hidden], yes".to_owned(),
            ),
            (
                format!("key ABSK{}= is bad", "QmVk".repeat(9)),
                "key [hidden]= is bad".to_owned(),
            ),
            (
                "ADMINsk-or-v1-EXAMPLE0123456789abcdef".to_owned(),
                "ADMIN[hidden]".to_owned(),
            ),
            (
                "GET /k?key=%20sk-or-v1-EXAMPLEffffffffffff".to_owned(),
                "GET /k?key=%20[hidden]".to_owned(),
            ),
            (
                "AIzaSyEXAMPLE0123456789abcdef and AQ.EXAMPLE0123456789, ok".to_owned(),
                "[hidden] and AQ.[hidden], ok".to_owned(),
            ),
            ("see FAQ.md".to_owned(), "see FAQ.md".to_owned()),
            (
                "a 0123456789abcdef0123456789abcdef, id 0a1b2c3d-1111-4222-8333-999999999999"
                    .to_owned(),
                "a [hidden], id 0a1b2c3d-1111-4222-8333-999999999999".to_owned(),
            ),
            (
                "in req_EXAMPLE0123456789abcdef0123456789abcdef".to_owned(),
                "in [hidden]".to_owned(),
            ),
            (
                "no task-force-with-a-long-name-that-is-none".to_owned(),
                "no task-force-with-a-long-name-that-is-none".to_owned(),
            ),
            (
                "Key limit exceeded".to_owned(),
                "Key limit exceeded".to_owned(),
            ),
        ] {
            assert_eq!(credential.scrub(&text), expected, "{text}");
        }
    }

    /// A service account's tokens have a short piece between: `ya29.c.…`.
    #[test]
    fn a_token_is_hidden_whose_first_pieces_are_short() {
        let credential = Credential::new(Scheme::Bearer, &AdminKey::new("EXAMPLE1")).unwrap();
        for (text, expected) in [
            ("no ya29.c.EXAMPLEtokenofsomebodyelse", "no ya29.c.[hidden]"),
            (
                "no ya29.c.d.EXAMPLEtokenofsomebody!",
                "no ya29.c.d.[hidden]!",
            ),
            (
                "ya29.EXAMPLEtokenofsomebody.EXAMPLErestofit",
                "ya29.[hidden].[hidden]",
            ),
            (
                "ends with ya29. And_then_another_word",
                "ends with ya29. And_then_another_word",
            ),
        ] {
            assert_eq!(credential.scrub(text), expected, "{text}");
        }
    }

    #[test]
    fn a_key_with_a_space_in_it_is_hidden_whole() {
        let key = ApiKey::new("EXAMPLEfirsthalf EXAMPLEsecond");
        let credential = Credential::new(Scheme::Header("api-key"), &key).unwrap();
        let shown = credential.scrub("bad EXAMPLEfirsthalf EXAMPLEsecond");
        assert_eq!(shown, "bad [hidden]");
    }

    #[test]
    fn a_short_credential_is_hidden_whole() {
        let credential = Credential::new(Scheme::Bearer, &AdminKey::new("EXAMPLE1")).unwrap();
        assert_eq!(credential.scrub("no EXAMPLE1 here"), "no [hidden] here");
    }

    #[test]
    fn a_signature_is_sensitive_and_hidden_with_all_that_goes_with_it() {
        let header = |name: &'static str, value: &'static str| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        let token = "EXAMPLEsessiontoken0123456789";
        let signed = Credential::signed(vec![
            header("x-amz-date", "20261201T090000Z"),
            header("x-amz-security-token", token),
            header("authorization", "AWS4-HMAC-SHA256 Signature=EXAMPLE0123"),
        ]);
        let signed = signed.unwrap();
        let (name, value) = signed.header().unwrap();
        assert_eq!(name, header::AUTHORIZATION);
        assert!(value.is_sensitive());
        assert!(signed.others().iter().all(|(_, v)| v.is_sensitive()));
        let shown = signed.scrub(&format!("{token} Signature=EXAMPLE0123"));
        assert_eq!(shown, "[hidden] [hidden]");
        assert!(Credential::signed(vec![header("x-amz-date", "x")]).is_none());
    }

    #[test]
    fn the_header_is_sensitive_and_odd_text_makes_none() {
        let credential = Credential::new(Scheme::Bearer, &ApiKey::new(KEY)).unwrap();
        assert!(credential.header().unwrap().1.is_sensitive());
        assert!(!format!("{:?}", credential.header()).contains("EXAMPLE"));
        let in_body = Credential::in_body(&ApiKey::new(KEY)).unwrap();
        assert_eq!(in_body.header(), None);
        assert_eq!(in_body.scrub(&format!("bad {KEY}")), "bad [hidden]");
        assert!(Credential::new(Scheme::Bearer, &ApiKey::new("a\nb")).is_none());
        assert!(Credential::new(Scheme::Bearer, &ApiKey::new(" ")).is_none());
        let document = ApiKey::new(r#" {"type":"service_account","private_key":"EXAMPLE"}"#);
        assert!(Credential::new(Scheme::Bearer, &document).is_none());
        assert!(Credential::in_body(&document).is_none());
    }
}
