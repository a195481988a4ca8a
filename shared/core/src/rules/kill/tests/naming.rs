//! Which slot an alarm means.

use super::*;

#[test]
fn a_slot_is_named_by_dimension_or_by_the_map_and_never_guessed() {
    let dimension = |slot| Ok((slot, NamedBy::Dimension));
    let by_map = |slot| Ok((slot, NamedBy::Map));
    let arn_of_theirs = arn(THEIRS);
    let foreign = WatchedMetric {
        account: Some(OutsideText::new("444455556666")),
        ..of_slot("chat-eu")
    };
    let twice = metric(
        "Keyward",
        &[("Stack", "prod"), ("Slot", "chat"), ("Slot", "chat-eu")],
    );
    let two_stacks = metric(
        "Keyward",
        &[("Stack", "prod"), ("Stack", "test"), ("Slot", "chat")],
    );
    let other_stack = metric("Keyward", &[("Stack", "test"), ("Slot", "chat")]);
    let without_stack = metric("Keyward", &[("Slot", "chat")]);
    let of_others = metric("LLM/Usage", &[("Stack", "prod"), ("Slot", "chat")]);
    let agent = metric("LLM/Usage", &[("Agent", "chat-eu")]);
    type Named<'a> = Result<(&'a str, NamedBy), NotKilled>;
    let ambiguous = Err(NotKilled::Ambiguous);
    let unmapped = Err(NotKilled::Unmapped);
    type Row<'a> = (&'a str, Vec<WatchedMetric>, Mapped<'a>, Named<'a>);
    let table: [Row; 18] = [
        ("one", vec![of_slot("chat")], &[], dimension("chat")),
        (
            "one, twice",
            vec![of_slot("chat"), of_slot("chat")],
            &[],
            dimension("chat"),
        ),
        (
            "among others",
            vec![agent.clone(), of_slot("chat")],
            &[],
            dimension("chat"),
        ),
        (
            "two",
            vec![of_slot("chat"), of_slot("chat-eu")],
            &[],
            ambiguous,
        ),
        ("two on one metric", vec![twice], &[], ambiguous),
        ("no slot's name", vec![of_slot("Chat EU")], &[], ambiguous),
        (
            "no slot's name beside one",
            vec![of_slot("chat"), of_slot("")],
            &[],
            ambiguous,
        ),
        ("another stack's", vec![other_stack], &[], unmapped),
        ("of two stacks", vec![two_stacks], &[], unmapped),
        ("of no stack", vec![without_stack], &[], unmapped),
        ("another namespace", vec![of_others], &[], unmapped),
        ("another account's metric", vec![foreign], &[], unmapped),
        ("an agent, which is no slot", vec![agent], &[], unmapped),
        (
            "by ARN",
            vec![],
            &[(&arn_of_theirs, "chat")],
            by_map("chat"),
        ),
        ("by name", vec![], &[(THEIRS, "chat")], by_map("chat")),
        (
            "names that begin alike",
            vec![],
            &[("llm-chat-eu", "chat-eu"), ("llm-chat", "chat")],
            unmapped,
        ),
        (
            "a map that contradicts itself",
            vec![],
            &[(&arn_of_theirs, "chat"), (THEIRS, "chat-eu")],
            ambiguous,
        ),
        (
            "a map that contradicts the dimension",
            vec![of_slot("chat")],
            &[(THEIRS, "chat-eu")],
            ambiguous,
        ),
    ];
    for (name, metrics, entries, expected) in table {
        let deployment = Deployment {
            map: map(entries),
            ..deployment()
        };
        let message = from_alarm(alarm(THEIRS, metrics));
        let sifted = sift(&message, &deployment, at(1));
        let named = match &sifted {
            Sifted::Ask(suspicion) => Ok((suspicion.slot.as_str(), suspicion.named_by)),
            Sifted::Decided(decision) => Err(outcome(decision).unwrap_err()),
        };
        assert_eq!(named, expected, "{name}");
    }
}

#[test]
fn an_alarm_on_alarms_is_named_by_the_map_alone() {
    let mut composite = alarm(OURS, vec![]);
    composite.watches = Watches::Alarms;
    let message = from_alarm(composite);
    let decision = judged(&message, &deployment(), &tagged("chat-eu", HOLDS));
    assert_eq!(outcome(&decision), Err(NotKilled::Unmapped));
    let mapped = Deployment {
        map: map(&[(OURS, "chat-eu")]),
        ..deployment()
    };
    let decision = judged(&message, &mapped, &OTHERS);
    assert_eq!(outcome(&decision), Ok(("chat-eu", Evidence::Alarm)));
}
