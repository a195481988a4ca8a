//! When the event is wanted again, and what its repetition does.

use keyward_core::model::kill_order::{Basis, MonitorOrder};
use keyward_core::model::text::OutsideText;

use super::*;

#[tokio::test]
async fn an_event_is_wanted_again_as_long_as_something_of_it_is_left() {
    type Make = fn(&Switched) -> Value;
    let kill: Make = Switched::fires;
    let recovered: Make = |s| s.message(s.now(), "OK");
    let no_slot: Make = |s| {
        let order = "no-such-slot";
        json!({"keyward": "kill", "schema": 1, "stack": "prod", "slot": order,
            "score_thousandths": 2400, "basis": "usual", "judged": s.now(), "reason": "x"})
    };
    let cases: [(&str, Make, &[&'static str], bool); 9] = [
        ("nothing is wrong", kill, &[], false),
        ("the provider is down", kill, &["provider.disable"], true),
        ("the inventory is down", kill, &READS, true),
        (
            "the claim is refused",
            kill,
            &["inventory.open_incident"],
            true,
        ),
        (
            "nothing answers",
            kill,
            &["inventory.slot", "secrets.tagged"],
            true,
        ),
        (
            "the replacement cannot be asked for",
            kill,
            &["secrets.rotate_now"],
            false,
        ),
        (
            "nobody can be told of what kills nobody",
            recovered,
            &["alerts.send"],
            true,
        ),
        (
            "nobody can be told of an order for no slot",
            no_slot,
            &["alerts.send"],
            true,
        ),
        ("an order for no slot", no_slot, &[], false),
    ];
    for (name, make, silent, is_wanted) in cases {
        let switched = Switched::new().await;
        let message = make(&switched);
        let event = match message.get("keyward") {
            Some(_) => message,
            None => event(&[message]),
        };
        switched.gate.silence(silent);
        let first = switched.handle(&event).await;
        assert_eq!(first.is_err(), is_wanted, "{name}: {first:?}");
        if let Err(error) = &first {
            assert!(error.is_retryable(), "{name}");
        }
        switched.gate.disarm();
        let again = switched.handle(&event).await;
        assert!(again.is_ok(), "{name}: {again:?}");
        assert!(switched.incidents().len() <= 1, "{name}");
    }
}

/// Nobody was told of a slot that only observes: the event comes again until somebody is.
#[tokio::test]
async fn what_would_have_been_cut_off_is_told_in_the_end() {
    let switched = Switched::new().await;
    let slot = Slot {
        mode: Mode::Observe,
        ..switched.world.slot().await
    };
    switched
        .world
        .outside
        .inventory
        .save_slot(&slot)
        .await
        .unwrap();
    let event = event(&[switched.fires()]);
    switched.gate.silence(&["alerts.send"]);
    switched.handle(&event).await.unwrap_err();
    switched.gate.disarm();
    assert_eq!(switched.handle(&event).await.unwrap(), report(0, 1));
    assert_eq!(switched.alerts(AlertKind::WouldContain).len(), 1);
    assert!(switched.is_alive());
}

#[tokio::test]
async fn one_slots_failure_costs_no_other() {
    let switched = Switched::new().await;
    let broken = Slot {
        name: "broken".parse().unwrap(),
        agent: "another-agent".parse().unwrap(),
        account: "no-such-account".parse().unwrap(),
        secret: "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/broken-a1B2c3"
            .parse()
            .unwrap(),
        ..switched.world.slot().await
    };
    switched
        .world
        .outside
        .inventory
        .create_slot(&broken, None)
        .await
        .unwrap();
    let alarm = arn("keyward-prod-kill-broken");
    switched
        .alarms
        .make(&alarm, &[(TAG_STACK, "prod"), (TAG_SLOT, "broken")]);
    switched
        .alarms
        .change(&alarm, switched.now(), AlarmState::Alarm);
    let other = message_of(&alarm, "broken", switched.now(), "ALARM");
    let event = event(&[json!("hello"), other, switched.fires()]);
    let KillSwitchError::Unfinished { report } = switched.handle(&event).await.unwrap_err();
    assert_eq!(
        report,
        Report {
            messages: 3,
            contained: 1,
            passed: 1,
            unfinished: 1
        }
    );
    assert!(!switched.is_alive());
    assert_eq!(switched.alerts(AlertKind::Contained).len(), 1);
    assert_eq!(switched.alerts(AlertKind::KillRefused).len(), 1);
    assert_eq!(switched.incidents().len(), 2);
}

/// SNS and Lambda deliver more than once, at times at once.
#[tokio::test]
async fn an_event_that_comes_twice_is_one_kill() {
    let switched = Switched::new().await;
    let fires = switched.fires();
    let event = event(&[fires.clone(), fires]);
    let (one, two) = tokio::join!(
        switched.handle_as(&event, "one"),
        switched.handle_as(&event, "two"),
    );
    for report in [
        one.unwrap(),
        two.unwrap(),
        switched.handle(&event).await.unwrap(),
    ] {
        assert_eq!(report.messages, 2);
    }
    let [incident] = &switched.incidents()[..] else {
        panic!("one incident");
    };
    assert_eq!(incident.triggers.len(), 1);
    assert_eq!(switched.alerts(AlertKind::Contained).len(), 1);
    assert!(!switched.is_alive());
}

/// The monitor judges all slots at the same time.
#[tokio::test]
async fn two_slots_over_their_line_at_one_time_are_two_kills() {
    let switched = Switched::new().await;
    let slot = switched.world.slot().await;
    let other = Slot {
        name: "other".parse().unwrap(),
        agent: "another-agent".parse().unwrap(),
        secret: "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/other-a1B2c3"
            .parse()
            .unwrap(),
        ..slot.clone()
    };
    let inventory = &switched.world.outside.inventory;
    inventory.create_slot(&other, None).await.unwrap();
    for (name, id) in [(&other.name, "one"), (&slot.name, "two")] {
        let order = MonitorOrder {
            stack: "prod".parse().unwrap(),
            slot: name.clone(),
            score_thousandths: 2000,
            judged: switched.now(),
            basis: Basis::Usual,
            reason: OutsideText::new("cost per hour"),
        };
        let report = switched.handle_as(&order.to_json(), id).await.unwrap();
        assert_eq!(report.contained, 1, "{name}: {report:?}");
    }
    assert!(!switched.is_alive());
    assert_eq!(switched.incidents().len(), 2);
}
