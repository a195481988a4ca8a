//! Text from outside: no key of it is shown, and it stays on its line.

use super::*;

/// Wherever a key is put in a message, nothing that is made of the message shows it.
#[test]
fn s_01_no_key_in_a_message_comes_out_of_it() {
    let markers = fixture("S-01-marker-values.json")["markers"].clone();
    let mut markers: Vec<String> = serde_json::from_value(markers).unwrap();
    markers.push("sk-or-v1-EXAMPLE0123456789abcdef0123456789abcdef".to_owned());
    markers.retain(|marker| marker.len() > 24);
    assert!(markers.len() > 3, "{markers:?}");
    for file in [
        "K-01-metric-alarm.json",
        "K-05-composite.json",
        "K-06-metric-math.json",
        "K-09-plain-text.json",
        "K-10-budget-actual.json",
        "K-18-eventbridge-alarm.json",
    ] {
        for marker in &markers {
            let mut places = 0;
            while let Some(event) = with_text(&fixture(file), places, marker) {
                places += 1;
                for message in read(&event) {
                    let decision = decide(&message, &deployment());
                    let all = format!("{message:?} {decision:?}");
                    assert!(!all.contains(marker.as_str()), "{file}, {places}: {all}");
                }
            }
            assert!(places > 5, "{file}: {places}");
        }
    }
}

/// The event with another text at one of its texts, those within messages and their lines included.
fn with_text(event: &Value, at: usize, text: &str) -> Option<Value> {
    let mut event = event.clone();
    let mut left = at;
    put(&mut event, &mut left, text).then_some(event)
}

fn put(value: &mut Value, left: &mut usize, text: &str) -> bool {
    match value {
        Value::Object(map) => map.values_mut().any(|inner| put(inner, left, text)),
        Value::Array(list) => list.iter_mut().any(|inner| put(inner, left, text)),
        Value::String(found) => {
            if let Ok(mut inner @ Value::Object(_)) = serde_json::from_str(found) {
                let done = put(&mut inner, left, text);
                *found = inner.to_string();
                return done;
            }
            for (start, _) in found.clone().match_indices(' ').chain([(0, "")]) {
                if *left == 0 {
                    found.insert_str(start, &format!(" {text} "));
                    return true;
                }
                *left -= 1;
            }
            if *left == 0 {
                *found = text.to_owned();
                return true;
            }
            *left -= 1;
            false
        }
        _ => false,
    }
}

#[test]
fn s_02_line_breaks_of_an_alarm_do_not_come_through() {
    let name = "S-02-newline-in-alarm.json";
    assert_eq!(outcomes(name), [[killed("agent-billing")]]);
    let mut event = fixture(name);
    let sns = &mut event["Records"][0]["Sns"];
    let told = sns["Message"].as_str().unwrap();
    let forged = "Crossed\\r\\n2026-11-25T15:00:00Z INFO all is well\\u2028";
    sns["Message"] = told.replace("Threshold Crossed", forged).into();
    let messages = read(&event);
    let Decision::Kill(kill) = decide(&messages[0], &deployment()) else {
        panic!("{messages:?}");
    };
    let cause = kill.cause.as_str();
    assert!(
        cause.contains("Crossed  2026-11-25T15:00:00Z INFO all is well "),
        "{cause}"
    );
    let in_its_name = told_name(&mut event, "agent\\nbilling");
    assert_eq!(*unreadable(&in_its_name), Unreadable::Field("AlarmArn"));
}

/// The first message with another name of the alarm.
fn told_name(event: &mut Value, name: &str) -> KillMessage {
    let sns = &mut event["Records"][0]["Sns"];
    let told = sns["Message"].as_str().unwrap();
    sns["Message"] = told.replace("agent-billing-spend", name).into();
    read(event).remove(0)
}
