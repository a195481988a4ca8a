//! Mutations of JSON as such, and of bytes.

use fastrand::Rng;
use serde_json::{Map, Number, Value, json};

/// No input is longer, and few are longer than the usual: speed is worth more than size.
const LONGEST: usize = 256 * 1024;
const USUAL: usize = 4 * 1024;

/// How deep a value is wrapped at most; parsers have a limit of their own below it.
const DEEPEST: usize = 300;

/// Numbers at which something ends.
const NUMBERS: [&str; 16] = [
    "0",
    "-1",
    "1",
    "255",
    "65536",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e308",
    "-1e308",
    "1e-308",
    "0.1",
    "1795564800",
    "253402300800",
    "-377705116800",
];

/// Texts at which something ends, or that mean something to a parser.
const TEXTS: [&str; 20] = [
    "",
    " ",
    "null",
    "1e400",
    "1e-400",
    "-0.0",
    "99999999999999999999",
    "1e99999999999999999999",
    "NaN",
    "2026-11-24",
    "2026-11-24T00:00:00Z",
    "+262143-12-31T23:59:59Z",
    "2026-02-30T00:00:00Z",
    "\u{0}",
    "é\u{202e}\u{200b}",
    "a/b",
    "..",
    "page",
    "error",
    "usd",
];

/// A new input out of those kept.
pub(super) fn mutate(rng: &mut Rng, kept: &[Vec<u8>], secrets: &[String]) -> Vec<u8> {
    let mut body = pick(rng, kept).cloned().unwrap_or_default();
    let value = serde_json::from_slice::<Value>(&body);
    if let (Ok(mut value), true) = (value, rng.u8(..) < 200) {
        for _ in 0..=rng.u8(..4) {
            let place = rng.usize(..count(&value));
            change(rng, at(&mut value, &mut { place }), kept, secrets);
        }
        body = write(rng, &value);
    }
    if rng.u8(..) < 90 {
        for _ in 0..=rng.u8(..4) {
            change_bytes(rng, &mut body, kept, secrets);
        }
    }
    body.truncate(if rng.u8(..) == 0 { LONGEST } else { USUAL });
    body
}

fn pick<'a, T>(rng: &mut Rng, of: &'a [T]) -> Option<&'a T> {
    (!of.is_empty()).then(|| &of[rng.usize(..of.len())])
}

/// Values in a value, itself included.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(list) => list.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    }
}

/// The nth value in a value, from 0.
fn at<'a>(value: &'a mut Value, n: &mut usize) -> &'a mut Value {
    if *n == 0 {
        return value;
    }
    *n -= 1;
    let inside: Vec<&mut Value> = match value {
        Value::Array(list) => list.iter_mut().collect(),
        Value::Object(fields) => fields.values_mut().collect(),
        // A place that is there is never in a leaf.
        leaf => return leaf,
    };
    let mut inside = inside.into_iter().peekable();
    while let Some(value) = inside.next() {
        let size = count(value);
        if *n < size || inside.peek().is_none() {
            return at(value, n);
        }
        *n -= size;
    }
    unreachable!("a value that is counted is there")
}

/// Another one of those kept.
fn other(rng: &mut Rng, kept: &[Vec<u8>]) -> Value {
    let other = pick(rng, kept).and_then(|other| serde_json::from_slice(other).ok());
    other.unwrap_or(Value::Null)
}

/// One change of one value.
fn change(rng: &mut Rng, value: &mut Value, kept: &[Vec<u8>], secrets: &[String]) {
    match (rng.u8(..12), &mut *value) {
        (0..=3, Value::Object(fields)) => change_fields(rng, fields, kept),
        (0..=3, Value::Array(list)) => change_list(rng, list, kept),
        (0..=2, Value::String(text)) => change_text(rng, text, secrets),
        (0..=2, Value::Number(number)) => *value = near(rng, number),
        (4, _) => *value = other(rng, kept),
        (5, _) => {
            for _ in 0..rng.usize(..DEEPEST) {
                let inner = std::mem::take(value);
                *value = if rng.bool() {
                    json!([inner])
                } else {
                    json!({ "data": inner })
                };
            }
        }
        (6, _) => *value = leaf(rng, secrets),
        (7, Value::String(text)) => *value = serde_json::from_str(text).unwrap_or(Value::Null),
        (7, _) => *value = Value::String(value.to_string()),
        _ => *value = leaf(rng, secrets),
    }
}

fn leaf(rng: &mut Rng, secrets: &[String]) -> Value {
    match rng.u8(..9) {
        0 => Value::Null,
        1 => Value::Bool(rng.bool()),
        2 | 3 => number(NUMBERS[rng.usize(..NUMBERS.len())]),
        4 => json!(TEXTS[rng.usize(..TEXTS.len())]),
        5 => json!(NUMBERS[rng.usize(..NUMBERS.len())]),
        6 => pick(rng, secrets).map_or(Value::Null, |secret| json!(secret)),
        7 => json!([]),
        _ => json!({}),
    }
}

fn number(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}

fn near(rng: &mut Rng, number: &Number) -> Value {
    match (number.as_i64(), rng.u8(..4)) {
        (Some(n), 0) => json!(n.wrapping_add(1)),
        (Some(n), 1) => json!(n.wrapping_neg()),
        (Some(n), 2) => json!(n.wrapping_mul(86_400)),
        (_, 3) => Value::String(number.to_string()),
        _ => self::number(NUMBERS[rng.usize(..NUMBERS.len())]),
    }
}

fn change_fields(rng: &mut Rng, fields: &mut Map<String, Value>, kept: &[Vec<u8>]) {
    let names: Vec<String> = fields.keys().cloned().collect();
    match (pick(rng, &names), rng.u8(..4)) {
        (Some(name), 0) => drop(fields.remove(name)),
        (Some(name), 1) => {
            let moved = fields.remove(name).unwrap_or_default();
            let to = pick(rng, &names).cloned().unwrap_or_default();
            fields.insert(to, moved);
        }
        (_, 2) => {
            if let Value::Object(more) = other(rng, kept) {
                fields.extend(more);
            }
        }
        _ => drop(fields.insert("error".to_owned(), other(rng, kept))),
    }
}

fn change_list(rng: &mut Rng, list: &mut Vec<Value>, kept: &[Vec<u8>]) {
    match (list.is_empty(), rng.u8(..4)) {
        (false, 0) => drop(list.remove(rng.usize(..list.len()))),
        (false, 1) => {
            let again = list[rng.usize(..list.len())].clone();
            let times = 1 << rng.u8(..5);
            list.extend(std::iter::repeat_n(again, times));
        }
        (false, 2) => rng.shuffle(list),
        _ => list.push(other(rng, kept)),
    }
}

fn change_text(rng: &mut Rng, text: &mut String, secrets: &[String]) {
    let ends: Vec<usize> = (0..=text.len())
        .filter(|at| text.is_char_boundary(*at))
        .collect();
    let place = ends[rng.usize(..ends.len())];
    match rng.u8(..5) {
        0 => text.truncate(place),
        1 => text.insert_str(place, TEXTS[rng.usize(..TEXTS.len())]),
        2 => {
            if let Some(secret) = pick(rng, secrets) {
                text.insert_str(place, secret);
            }
        }
        3 => {
            let times = 1 << rng.u8(..6);
            let long = text.repeat(times);
            if long.len() < LONGEST {
                *text = long;
            }
        }
        _ => text.insert(place, char::from(rng.u8(..))),
    }
}

/// As JSON, with each letter of the first strings escaped now and then.
fn write(rng: &mut Rng, value: &Value) -> Vec<u8> {
    let text = value.to_string();
    if rng.u8(..) < 240 {
        return text.into_bytes();
    }
    text.replace("sk-", "\\u0073k-")
        .replace("EXAMPLE", "EX\\u0041MPLE")
        .into_bytes()
}

fn change_bytes(rng: &mut Rng, body: &mut Vec<u8>, kept: &[Vec<u8>], secrets: &[String]) {
    let (from, to) = (rng.usize(..=body.len()), rng.usize(..=body.len()));
    let (from, to) = (from.min(to), from.max(to));
    match rng.u8(..8) {
        0 => body.truncate(from),
        1 => drop(body.drain(from..to.min(from + 16))),
        2 => body.insert(from, rng.u8(..)),
        3 if from < body.len() => body[from] ^= 1 << rng.u8(..8),
        4 => {
            let again = body[from..to].to_vec();
            if body.len() + again.len() < LONGEST {
                body.splice(from..from, again);
            }
        }
        5 => {
            if let Some(other) = pick(rng, kept) {
                let cut = rng.usize(..=other.len());
                body.truncate(from);
                body.extend_from_slice(&other[cut..]);
            }
        }
        6 => {
            if let Some(secret) = pick(rng, secrets) {
                body.splice(from..from, secret.bytes());
            }
        }
        _ => drop(body.splice(from..from, NUMBERS[rng.usize(..NUMBERS.len())].bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_inputs_of_bounded_length() {
        let kept = [
            br#"{"data":[{"id":"a","n":[1,2.5,null]}],"more":true}"#.to_vec(),
            b"not JSON".to_vec(),
            Vec::new(),
        ];
        let secrets = ["sk-EXAMPLE".to_owned()];
        let inputs = |seed| {
            let mut rng = Rng::with_seed(seed);
            let inputs = (0..1_000).map(|_| mutate(&mut rng, &kept, &secrets));
            inputs.collect::<Vec<_>>()
        };
        let all = inputs(7);
        assert_eq!(all, inputs(7));
        assert_ne!(all, inputs(8));
        assert!(all.iter().all(|input| input.len() <= LONGEST));
        let json = all
            .iter()
            .filter(|i| serde_json::from_slice::<Value>(i).is_ok());
        let json = json.count();
        assert!((200..950).contains(&json), "{json} are JSON");
        let planted = all
            .iter()
            .filter(|i| i.windows(10).any(|w| w == b"sk-EXAMPLE"));
        assert!(planted.count() > 30);
    }

    #[test]
    fn every_place_in_a_value_is_reached() {
        let value = json!({"a": [1, {"b": 2}], "c": 3});
        let reached: Vec<String> = (0..count(&value))
            .map(|n| at(&mut value.clone(), &mut { n }).to_string())
            .collect();
        assert_eq!(
            reached,
            [
                r#"{"a":[1,{"b":2}],"c":3}"#,
                r#"[1,{"b":2}]"#,
                "1",
                r#"{"b":2}"#,
                "2",
                "3"
            ]
        );
    }
}
