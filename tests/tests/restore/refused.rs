//! What is not restored, and why.

use super::*;

async fn why(world: &World, key: Option<Wanted>, says: Option<AlarmState>) -> Refused {
    let before = (world.slot().await, world.versions().await);
    let error = restore_on(&world.open, &order(world, key), says)
        .await
        .unwrap_err();
    assert_eq!((world.slot().await, world.versions().await), before);
    match error {
        RestoreError::Refused(refused) => refused,
        other => panic!("{other:?}"),
    }
}

const NEWEST: Option<Wanted> = Some(Wanted::Newest);

#[tokio::test]
async fn an_alarm_that_goes_on_or_cannot_be_asked_stands_in_the_way_unless_forced() {
    for key in [None, NEWEST] {
        for (says, stands) in [
            (Some(AlarmState::Alarm), true),
            (None, true),
            (Some(AlarmState::new("Odd")), true),
            (Some(AlarmState::Ok), false),
            (Some(AlarmState::InsufficientData), false),
        ] {
            let (world, _) = killed(&Arc::default(), Evidence::Alarm).await;
            if stands {
                let refused = why(&world, key.clone(), says.clone()).await;
                let is_in_alarm = says == Some(AlarmState::Alarm);
                match refused {
                    Refused::StillInAlarm(arn) if is_in_alarm => assert_eq!(arn.to_string(), ALARM),
                    Refused::AlarmUnknown(arn) if !is_in_alarm => {
                        assert_eq!(arn.to_string(), ALARM);
                    }
                    other => panic!("{other:?}"),
                }
            }
            let forced = RestoreOrder {
                alarm: match stands {
                    true => AlarmCounts::Forced,
                    false => AlarmCounts::Yes,
                },
                ..order(&world, key.clone())
            };
            let outcome = restore_on(&world.open, &forced, says).await;
            assert!(
                matches!(outcome, Ok(RestoreOutcome::Restored(_))),
                "{outcome:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_leaked_key_and_one_that_is_gone_stay_dead() {
    let (world, _) = killed(&Arc::default(), Evidence::Leak).await;
    assert!(matches!(
        why(&world, NEWEST, None).await,
        Refused::Deleted(_)
    ));

    let (world, key) = killed(&Arc::default(), Evidence::Person).await;
    cut_off(&world, Evidence::Leak).await;
    assert!(matches!(
        why(&world, NEWEST, None).await,
        Refused::Deleted(_)
    ));
    assert!(!world.outside.provider.accepts(&key));

    let (world, _) = killed(&Arc::default(), Evidence::Person).await;
    let id = world.versions().await[1].id.clone();
    world.live_through(SignedDuration::from_hours(75)).await;
    let refused = why(&world, Some(Wanted::Version(id)), None).await;
    assert!(matches!(refused, Refused::Deleted(_)), "{refused:?}");
}

#[tokio::test]
async fn what_was_not_cut_off_is_not_restored() {
    let world = rotated(&Arc::default()).await;
    let refused = why(&world, NEWEST, None).await;
    assert!(
        matches!(refused, Refused::NothingToRestore(_)),
        "{refused:?}"
    );
    let other = "11111111-aaaa-4bbb-8ccc-000000000099.1".parse().unwrap();
    let refused = why(&world, Some(Wanted::Version(other)), None).await;
    assert!(
        matches!(refused, Refused::NoSuchVersion { .. }),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_slot_that_is_not_cut_off_whole_or_is_being_worked_on_is_not_restored() {
    let gate = Arc::new(Gate::default());
    let world = rotated(&gate).await;
    gate.silence(&["provider.disable"]);
    let now = world.outside.clock.now();
    let order = KillOrder {
        slot: world.slot.clone(),
        trigger: TriggerId::new("person@1"),
        evidence: Evidence::Person,
        cause: OutsideText::new("a test"),
        seen: now,
        figures: Figures::OfLiveKeys,
    };
    let killer = invocation(world.open.clock.as_ref(), "killer");
    let outcome = kill(&world.ports, &order, &killer).await.unwrap();
    assert!(matches!(outcome, KillOutcome::Unfinished(_)), "{outcome:?}");
    for key in [None, NEWEST] {
        let refused = why(&world, key, None).await;
        assert!(
            matches!(refused, Refused::NotContainedYet(_)),
            "{refused:?}"
        );
    }
    gate.disarm();
    let outcome = kill(&world.ports, &order, &killer).await.unwrap();
    assert!(matches!(outcome, KillOutcome::Contained(_)), "{outcome:?}");
    let mut incident = incident(&world).await;
    let until = world.outside.clock.now() + TIMEOUT;
    incident.lease(&OwnerId::new("retire"), until);
    world
        .outside
        .inventory
        .save_incident(&incident)
        .await
        .unwrap();
    assert_eq!(why(&world, NEWEST, None).await, Refused::Busy(until));
}
