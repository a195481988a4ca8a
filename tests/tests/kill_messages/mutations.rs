//! Damaged messages: none makes the reader panic, none vanishes, and none kills a slot that it does not name.

use fastrand::Rng;

use super::*;

/// Events that are damaged in each file.
const ROUNDS: usize = 400;

/// What values are replaced by.
fn odd(rng: &mut Rng) -> Value {
    let texts = [
        "",
        "{",
        "{}",
        "\"{\\\"Records\\\":[{}]}\"",
        "ALARM",
        "é\u{202e}\n",
        "null",
    ];
    let deep = (0..200).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
    match rng.u8(..10) {
        0 => Value::Null,
        1 => Value::Bool(true),
        2 => (-1).into(),
        3 => u64::MAX.into(),
        4 => f64::MIN_POSITIVE.into(),
        5 => Value::Array(Vec::new()),
        6 => serde_json::json!({}),
        7 => "x".repeat(300_000).into(),
        8 => deep,
        _ => texts[rng.usize(..texts.len())].into(),
    }
}

/// Damages one value somewhere within, or the text of one that is JSON.
fn damage(rng: &mut Rng, value: &mut Value) {
    let stay = rng.u8(..12) == 0;
    match value {
        Value::Object(map) if !map.is_empty() && !stay => {
            let at = rng.usize(..map.len());
            let (key, inner) = map.iter_mut().nth(at).unwrap();
            let key = key.clone();
            match rng.u8(..20) {
                0 => drop(map.remove(&key)),
                1 => {
                    let inner = inner.clone();
                    map.insert(key.to_uppercase(), inner);
                }
                _ => damage(rng, inner),
            }
        }
        Value::Array(list) if !list.is_empty() && !stay => {
            let at = rng.usize(..list.len());
            match rng.u8(..10) {
                0 => list.push(list[at].clone()),
                1 => drop(list.remove(at)),
                _ => damage(rng, &mut list[at]),
            }
        }
        Value::String(text) if !stay => match serde_json::from_str::<Value>(text) {
            Ok(mut inner) if inner.is_object() => {
                damage(rng, &mut inner);
                *text = inner.to_string();
            }
            _ => cut(rng, text),
        },
        other => *other = odd(rng),
    }
}

/// Damages a text.
fn cut(rng: &mut Rng, text: &mut String) {
    let mut chars: Vec<char> = text.chars().collect();
    let at = rng.usize(..=chars.len());
    match rng.u8(..3) {
        0 => chars.truncate(at),
        1 => chars.insert(at, rng.char(..)),
        _ => {
            if let Some(char) = chars.get_mut(at) {
                *char = rng.char('!'..='~');
            }
        }
    }
    *text = chars.into_iter().collect();
}

fn files() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cases/alarms");
    let names = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.len() > 20, "{names:?}");
    names
}

#[test]
fn damaged_messages_never_panic_never_vanish_and_kill_only_whom_they_name() {
    let deployment = deployment();
    let (mut killed, mut unreadable) = (0, 0);
    for (seed, file) in files().iter().enumerate() {
        let mut rng = Rng::with_seed(seed as u64);
        for event in events(file) {
            for _ in 0..ROUNDS {
                let mut damaged = event.clone();
                for _ in 0..rng.usize(1..=3) {
                    damage(&mut rng, &mut damaged);
                }
                let messages = read(&damaged);
                assert!(!messages.is_empty(), "{file}: {damaged}");
                for message in &messages {
                    let is_alarm = matches!(message.content, Content::Alarm(_));
                    match decide(message, &deployment) {
                        Decision::GoOn(incident) => panic!("{incident}"),
                        Decision::CarryOut(order) => panic!("{order:?}"),
                        Decision::Kill(kill) => {
                            assert!(is_alarm, "{file}: {message:?}");
                            assert!(names(message, kill.slot.as_str()), "{file}: {message:?}");
                            killed += 1;
                        }
                        Decision::AlertOnly(alert) => {
                            assert!(!alert.why.as_str().is_empty());
                            unreadable += usize::from(alert.kind == NotKilled::Unreadable);
                        }
                    }
                }
            }
        }
    }
    assert!(killed > 1000 && unreadable > 1000, "{killed} {unreadable}");
}

/// The message tells of an ALARM of an alarm of our account that the map names with this slot.
fn names(message: &KillMessage, slot: &str) -> bool {
    use keyward_core::model::alarm::AlarmState;
    let Content::Alarm(alarm) = &message.content else {
        return false;
    };
    let arn = alarm.transition.alarm();
    alarm.new_state == AlarmState::Alarm
        && (arn.account(), arn.region()) == ("111122223333", "us-east-1")
        && MAP.contains(&(arn.name(), slot))
}
