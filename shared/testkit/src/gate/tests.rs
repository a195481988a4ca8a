use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// How often a call named `name` had its effect, whether its caller saw the answer, and what was said of it.
async fn passed(gate: &Gate, name: &'static str) -> (usize, bool, Option<Fate>) {
    let effects = Rc::new(Cell::new(0));
    let call = async {
        effects.set(effects.get() + 1);
        true
    };
    let seen = gate.pass(name, || false, call).await;
    let fate = gate.take_passed().map(|passed| passed.fate);
    (effects.get(), seen, fate)
}

#[tokio::test]
async fn while_callers_take_turns_answers_and_requests_are_lost() {
    let gate = Gate::default();
    let losses = Losses {
        making_one_in: 0,
        other_one_in: 2,
    };
    gate.take_turns(1, losses);
    let mut fates = Vec::new();
    for _ in 0..40 {
        let (effects, seen, fate) = passed(&gate, "other").await;
        let expected = match fate {
            Some(Fate::Done) => (1, true),
            Some(Fate::AnswerLost) => (1, false),
            Some(Fate::RequestLost) => (0, false),
            None => panic!("the call was not seen"),
        };
        assert_eq!((effects, seen), expected, "{fate:?}");
        fates.extend(fate);
        assert_eq!(passed(&gate, ISSUE).await, (1, true, Some(Fate::Done)));
    }
    for fate in [Fate::Done, Fate::AnswerLost, Fate::RequestLost] {
        assert!(fates.contains(&fate), "{fate:?}");
    }
}

#[tokio::test]
async fn a_request_that_was_lost_can_arrive_once_later() {
    let gate = Gate::default();
    let losses = Losses {
        making_one_in: 1,
        other_one_in: 0,
    };
    gate.take_turns(1, losses);
    let effects = Arc::new(AtomicUsize::new(0));
    let mut arrived = 0;
    for _ in 0..20 {
        let count = || {
            let effects = effects.clone();
            async move {
                effects.fetch_add(1, Ordering::Relaxed);
            }
        };
        gate.pass_or_delay(ISSUE, || (), count(), count()).await;
        let fate = gate.take_passed().map(|passed| passed.fate);
        let before = effects.load(Ordering::Relaxed);
        let under_way = gate.take_under_way();
        assert_eq!(under_way.is_some(), fate == Some(Fate::RequestLost));
        if let Some(UnderWay { call, arrival }) = under_way {
            arrival.await;
            assert_eq!((call, effects.load(Ordering::Relaxed)), (ISSUE, before + 1));
            assert!(gate.take_under_way().is_none());
            arrived += 1;
        }
    }
    assert!(arrived > 0 && arrived < 20, "{arrived}");
    assert_eq!(effects.load(Ordering::Relaxed), 20);
}

#[tokio::test]
async fn a_part_that_is_down_loses_every_call_until_it_is_back() {
    let gate = Gate::default();
    gate.take_turns(1, Losses::default());
    gate.down(Some("inventory."));
    for _ in 0..10 {
        assert!(!passed(&gate, "inventory.slot").await.1);
        assert!(passed(&gate, "secrets.value").await.1);
    }
    gate.down(None);
    assert_eq!(
        passed(&gate, "inventory.slot").await,
        (1, true, Some(Fate::Done))
    );
}

#[tokio::test]
async fn calls_that_one_task_makes_at_once_pass_one_in_a_turn() {
    let gate = Gate::default();
    gate.take_turns(1, Losses::default());
    let call = |name| gate.pass(name, || (), async {});
    let both = futures::future::join(call("one"), call("other"));
    let mut both = std::pin::pin!(both);
    let mut turns = Vec::new();
    while one_turn(both.as_mut()).await.is_pending() {
        turns.extend(gate.take_passed().map(|passed| passed.call));
    }
    turns.extend(gate.take_passed().map(|passed| passed.call));
    assert_eq!(turns, ["one", "other"]);
}

/// One turn of a task.
async fn one_turn<F: Future>(mut task: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
    std::future::poll_fn(|cx| std::task::Poll::Ready(task.as_mut().poll(cx))).await
}
