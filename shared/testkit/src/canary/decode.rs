//! Takes off one layer of percent-encoding and backslash escapes.

/// Layers taken off at most: a text escaped more often than that got out on purpose.
pub(super) const MAX_LAYERS: u32 = 4;

/// The text with each `%XX`, `\xXX`, `\uXXXX`, `\u{X…}` and other backslash escape resolved; `None` if it has none.
pub(super) fn layer(text: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(step) = text[at..].iter().position(|b| matches!(b, b'%' | b'\\')) {
        at += step;
        let Some((character, length)) = escape(&text[at..]) else {
            at += 1;
            continue;
        };
        decoded.extend_from_slice(&text[copied..at]);
        decoded.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        at += length;
        copied = at;
    }
    decoded.extend_from_slice(&text[copied..]);
    (copied > 0).then_some(decoded)
}

/// What the escape at the start of `text` stands for, and its length.
fn escape(text: &[u8]) -> Option<(char, usize)> {
    match text {
        [b'%', rest @ ..] => digits(rest, 2).map(|c| (c, 3)),
        [b'\\', b'x', rest @ ..] => digits(rest, 2).map(|c| (c, 4)),
        [b'\\', b'u', b'{', rest @ ..] => {
            let length = rest.iter().take(7).position(|b| *b == b'}')?;
            digits(rest, length).map(|c| (c, length + 4))
        }
        [b'\\', b'u', rest @ ..] => digits(rest, 4).map(|c| (c, 6)),
        [b'\\', b'n' | b'r' | b't', ..] => Some((' ', 2)),
        [b'\\', other, ..] if other.is_ascii_punctuation() => Some((char::from(*other), 2)),
        _ => None,
    }
}

fn digits(text: &[u8], count: usize) -> Option<char> {
    let digits = text.get(..count).filter(|digits| !digits.is_empty())?;
    let value = digits.iter().try_fold(0, |value, digit| {
        Some(value * 16 + char::from(*digit).to_digit(16)?)
    })?;
    char::from_u32(value)
}
