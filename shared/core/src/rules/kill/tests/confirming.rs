//! What CloudWatch's answer makes of an alarm.

use super::*;

#[test]
fn cloudwatch_has_the_last_word_where_it_can_be_asked() {
    let killed = Ok(("chat-eu", Evidence::Alarm));
    let unchecked = Ok(("chat-eu", Evidence::UncheckedAlarm));
    let ours = ours();
    let theirs = alarm(THEIRS, vec![]);
    let lookalike = alarm("warn-chat-eu", vec![of_slot("chat-eu")]);
    let mapped = [(THEIRS, "chat-eu")];
    let holds = tagged("chat-eu", HOLDS);
    type Row<'a> = (
        &'a str,
        &'a AlarmMessage,
        Mapped<'a>,
        AlarmCheck,
        Outcome<'a>,
    );
    let table: [Row; 16] = [
        ("ours", &ours, &[], holds.clone(), killed),
        (
            "ours, forged",
            &ours,
            &[],
            tagged("chat-eu", LACKS),
            Err(NotKilled::NotConfirmed),
        ),
        (
            "ours, another slot's tag",
            &ours,
            &[],
            tagged("chat", HOLDS),
            Err(NotKilled::Ambiguous),
        ),
        (
            "our name without our tag",
            &ours,
            &[],
            OTHERS,
            Err(NotKilled::NotOurs),
        ),
        (
            "ours, deleted",
            &ours,
            &[],
            AlarmCheck::NotThere,
            Err(NotKilled::NotConfirmed),
        ),
        (
            "ours, nobody answers",
            &ours,
            &[],
            AlarmCheck::CouldNotAsk,
            unchecked,
        ),
        ("theirs", &theirs, &mapped, OTHERS, killed),
        (
            "theirs, forged",
            &theirs,
            &mapped,
            AlarmCheck::NotOurs { history: LACKS },
            Err(NotKilled::NotConfirmed),
        ),
        (
            "theirs, nobody answers",
            &theirs,
            &mapped,
            AlarmCheck::CouldNotAsk,
            unchecked,
        ),
        (
            "theirs, not there",
            &theirs,
            &mapped,
            AlarmCheck::NotThere,
            Err(NotKilled::NotConfirmed),
        ),
        (
            "theirs, not in the map",
            &theirs,
            &[],
            OTHERS,
            Err(NotKilled::Unmapped),
        ),
        (
            "theirs, not in the map, nobody answers",
            &theirs,
            &[],
            AlarmCheck::CouldNotAsk,
            Err(NotKilled::Unmapped),
        ),
        (
            "on our metric, with our tag",
            &lookalike,
            &[],
            holds.clone(),
            killed,
        ),
        (
            "on our metric, not ours",
            &lookalike,
            &[],
            OTHERS,
            Err(NotKilled::NotOurs),
        ),
        (
            "on our metric, nobody answers",
            &lookalike,
            &[],
            AlarmCheck::CouldNotAsk,
            Err(NotKilled::NotOurs),
        ),
        (
            "on our metric and in the map",
            &lookalike,
            &[("warn-chat-eu", "chat-eu")],
            OTHERS,
            killed,
        ),
    ];
    for (name, alarm, entries, check, expected) in table {
        let deployment = Deployment {
            map: map(entries),
            ..deployment()
        };
        let decision = judged(&from_alarm(alarm.clone()), &deployment, &check);
        assert_eq!(outcome(&decision), expected, "{name}");
    }
}
