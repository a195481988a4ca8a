//! Telling what looks like a key from what does not, where no key may stand.

use super::key_formats::SHAPES;

/// How the keys of the providers begin that give theirs a beginning, and how long a word that begins so must be to be
/// taken for one.
const KEY_PREFIXES: [&str; 3] = ["sk-", "AIza", "ABSK"];
const KEY_LENGTH: usize = 24;

/// A hexadecimal number of so many digits may be a key too. A hash of Git's has 40, and is better cut.
const HEX_LENGTH: usize = 32;

/// So long a piece of letters of both sizes, behind what keys begin with, is no word.
const LETTERED: usize = 20;

/// Ids of providers' projects and workspaces are as mixed as keys, but shorter than this.
const LONGEST_ID: usize = 40;

/// Whether a word begins as keys do; or has a piece that is as long as one and as mixed, as keys without a beginning are.
pub fn may_be_a_key(word: &str) -> bool {
    is_key_like(word, KEY_LENGTH)
}

/// The first line, from 1 on, with a word in it that is a key by all that can be told; ids of projects, workspaces and
/// service accounts are none.
pub fn line_with_a_key(text: &str) -> Option<usize> {
    let holds_one = |line: &str| words(line).any(|word| is_key_like(word, LONGEST_ID));
    text.lines().position(holds_one).map(|before| before + 1)
}

/// The pieces of a text that a key would be whole in.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'))
}

/// The pieces of a text that are as long as keys are at least, whatever they are.
pub fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let in_key = |c: char| c.is_ascii_alphanumeric() || "-_.+/=~".contains(c);
    let pieces = text.split(move |c| !in_key(c));
    pieces.filter(|piece| piece.len() >= KEY_LENGTH)
}

/// Every piece of a text that a key would be, whatever stands around it: what is assigned to a name, a query's value, the
/// end of a sentence.
pub fn candidates(text: &str) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for piece in pieces(text) {
        let assigned = piece.match_indices('=').map(|(at, _)| &piece[at + 1..]);
        for whole in [piece].into_iter().chain(assigned) {
            let end = whole.trim_end_matches(['.', '/', '=']);
            let ends = [whole, whole.trim_end_matches('.'), end];
            for part in ends.into_iter().chain(end.split(['=', '/', '~'])) {
                if part.len() >= KEY_LENGTH && !found.contains(&part) {
                    found.push(part);
                }
            }
        }
    }
    found
}

/// Whether a piece begins as keys do, those of Gemini with a stop in them included.
pub fn begins_as_keys_do(piece: &str) -> bool {
    let mut prefixes = KEY_PREFIXES.iter().chain(&["AQ."]);
    piece.len() >= KEY_LENGTH && prefixes.any(|prefix| piece.starts_with(prefix))
}

fn is_key_like(word: &str, mixed_length: usize) -> bool {
    let begins_so = || KEY_PREFIXES.iter().any(|prefix| word.starts_with(prefix));
    if word.len() >= KEY_LENGTH && (begins_so() || has_a_known_shape(word)) {
        return true;
    }
    word.split(['-', '_']).any(|piece| {
        piece.len() >= mixed_length && is_mixed(piece) || piece.len() >= HEX_LENGTH && is_hex(piece)
    })
}

/// Whether a word begins as some provider's keys do, and goes on as no name does.
fn has_a_known_shape(word: &str) -> bool {
    let begins = SHAPES.iter().map(|shape| shape.begins);
    let rests = begins.filter(|begins| !begins.is_empty());
    let mut rests = rests.filter_map(|begins| word.strip_prefix(begins));
    // Names have letters of one size, or a hyphen before each of the other.
    let is_lettered = |rest: &str| {
        let longest = rest.split(['-', '_']).max_by_key(|piece| piece.len());
        longest.is_some_and(|piece| piece.len() >= LETTERED && has_both_sizes(piece))
    };
    rests
        .any(|rest| is_mixed(rest) || is_lettered(rest) || rest.len() >= KEY_LENGTH && is_hex(rest))
}

fn is_hex(piece: &str) -> bool {
    let mut bytes = piece.bytes();
    bytes.all(|b| b.is_ascii_hexdigit()) && piece.bytes().any(|b| b.is_ascii_digit())
}

fn is_mixed(piece: &str) -> bool {
    piece.bytes().any(|b| b.is_ascii_digit()) && has_both_sizes(piece)
}

fn has_both_sizes(piece: &str) -> bool {
    let has = |is: fn(&u8) -> bool| piece.as_bytes().iter().any(is);
    has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_candidate_whatever_stands_around_it() {
        for key in [
            "sk-or-v1-EXAMPLE0123456789abcdef",
            "AQ.EXAMPLE0123456789_abcdefgh",
            "ABSKEXAMPLE0123456789abcdefgh+/==",
        ] {
            for around in [
                key.to_owned(),
                format!("OPENAI_API_KEY={key}"),
                format!("export KEY='{key}'"),
                format!("{{\"key\": \"{key}\"}}"),
                format!("https://api.example.com/v1?key={key}&x=1"),
                format!("It is {key}."),
                format!("Bearer {key}\n"),
            ] {
                assert!(candidates(&around).contains(&key), "{around}");
            }
        }
        assert_eq!(candidates("a short one, and nothing else"), [""; 0]);
    }

    #[test]
    fn keys_are_told_from_names_and_ids() {
        let hex = "0123456789abcdef".repeat(2);
        let mixed = format!("{}EXAMPLE", "aB3".repeat(12));
        for (word, in_reason, in_file) in [
            ("support-bot-openrouter", false, false),
            ("sk-or-v1-EXAMPLE0123456789", true, true),
            ("sk-EXAMPLE", false, false),
            ("AIzaEXAMPLE0123456789abcdefghijk", true, true),
            ("ABSKEXAMPLE0123456789abcdefghijk", true, true),
            ("proj_EXAMPLEk3jVuSAm0123456789", true, false),
            ("0b7f2c1e-9a3d-4c1b-8e2f-1a2b3c4d5e6f", false, false),
            (hex.as_str(), true, true),
            (mixed.as_str(), true, true),
        ] {
            assert_eq!(may_be_a_key(word), in_reason, "{word}");
            let line = line_with_a_key(&format!("a = 1\nb = \"{word}\"\n"));
            assert_eq!(line, in_file.then_some(2), "{word}");
        }
    }
}
