//! Standby keys that somebody found where they must not be.

use keyward_core::model::key::Fingerprint;
use keyward_core::usecases::leak::{Whose, trace};
use keyward_core::usecases::pool::{Ended, end};

use super::side_by_side::slot_with;
use super::*;

/// The oldest key that stands by: what the next rotation would draw.
async fn next_drawn(world: &World) -> Fingerprint {
    let pool = pool(world).await;
    let oldest = pool
        .standby
        .iter()
        .min_by_key(|key| (key.created, key.fingerprint));
    oldest.unwrap().fingerprint
}

async fn end_on(ports: &Ports, print: Fingerprint) -> Option<Ended> {
    let orders = KillSwitchHere::on(ports);
    let ended = end(ports, &orders, &account(), &[print]).await.ok()?;
    ended.into_iter().map(|(_, ended)| ended).next()
}

async fn is_ended(world: &World, print: Fingerprint) -> bool {
    let pool = pool(world).await;
    let mut leaked = pool.leaked.iter();
    leaked.any(|key| key.key.fingerprint == print && key.ended.is_some())
}

#[tokio::test]
async fn a_leaked_standby_key_is_never_drawn_and_ends_at_its_provider() {
    let (world, provider) = start().await;
    let text = provider.seed("new");
    put(&world, std::slice::from_ref(&text)).await.unwrap();
    let print = ApiKey::new(&text).fingerprint();
    let before = pool(&world).await.standby.len();
    assert_eq!(end_on(&world.open, print).await, Some(Ended::Ended));
    assert!(provider.record(&text).is_none(), "gone at its provider");
    assert_eq!(pool(&world).await.standby.len(), before - 1);
    assert!(is_ended(&world, print).await);
    let whose = trace(&world.open, &[print]).await.unwrap();
    assert!(
        matches!(whose[0].1, Whose::Standby { is_ended: true, .. }),
        "{whose:?}"
    );

    let written = world.outside.inventory.dump();
    assert_eq!(end_on(&world.open, print).await, Some(Ended::Ended));
    assert_eq!(world.outside.inventory.dump(), written, "once is enough");
    assert_eq!(why_refused(&world, &text).await, NotAdded::Leaked);
    check_pool(&world, &provider, "after a leak").await;
}

/// What cannot be asked for is told as alive, stays out of reach of every slot, and ends with the next try.
#[tokio::test]
async fn a_key_that_could_not_be_ended_is_out_of_the_pool_all_the_same() {
    let (world, provider) = start().await;
    let print = next_drawn(&world).await;
    let ended = end(&world.open, &NoAnswer, &account(), &[print])
        .await
        .unwrap();
    assert!(matches!(&ended[..], [(_, Ended::Not(_))]), "{ended:?}");
    world.rotate(&token(2)).await.unwrap();
    assert_ne!(ApiKey::new(&world.current_key()).fingerprint(), print);
    assert!(!is_ended(&world, print).await);
    assert_eq!(end_on(&world.open, print).await, Some(Ended::Ended));
    check_pool(&world, &provider, "after both").await;
}

/// It became a slot's by another way meanwhile: its agent is not hit by this.
#[tokio::test]
async fn a_leaked_key_that_a_slot_has_is_left_to_its_kill() {
    let (world, provider) = start().await;
    let text = provider.seed("new");
    put(&world, std::slice::from_ref(&text)).await.unwrap();
    provider.relist(&text, |key| key.suspended = Some(false));
    let (slot, _) = slot_with(&world, &text).await;
    let print = ApiKey::new(&text).fingerprint();
    assert_eq!(
        end_on(&world.open, print).await,
        Some(Ended::InUse(slot.clone()))
    );
    assert!(provider.accepts(&text));
    let whose = trace(&world.open, &[print]).await.unwrap();
    assert!(
        matches!(&whose[0].1, Whose::Slot { slot: of, .. } if *of == slot),
        "{whose:?}"
    );
}

/// Ending the key that would be drawn next.
struct Ending;

struct EndWorld {
    world: World,
    provider: Arc<MemoryProvider>,
    print: Fingerprint,
}

impl Scenario for Ending {
    type World = EndWorld;

    async fn world(&self, gate: &Arc<Gate>) -> EndWorld {
        let (world, provider) = start_with(gate.clone()).await;
        let print = next_drawn(&world).await;
        EndWorld {
            world,
            provider,
            print,
        }
    }

    async fn operation(&self, it: &EndWorld) {
        end_on(&it.world.ports, it.print).await;
    }

    /// Sent again, it ends; or a slot drew it first, and then it works.
    async fn recover_and_check(&self, it: &EndWorld, point: Option<Point>) {
        let (world, context) = (&it.world, format!("end a standby key {point:?}"));
        let again = end_on(&world.open, it.print).await;
        let current = ApiKey::new(&world.current_key());
        if current.fingerprint() == it.print {
            assert_eq!(again, None, "{context}");
            assert!(it.provider.accepts(&world.current_key()), "{context}");
        } else {
            assert_eq!(again, Some(Ended::Ended), "{context}");
            assert!(is_ended(world, it.print).await, "{context}");
        }
        check_pool(world, &it.provider, &context).await;
        for number in 20..26 {
            if pool(world).await.standby.is_empty() {
                break;
            }
            world.pass(SignedDuration::from_mins(11));
            world
                .rotate(&token(number))
                .await
                .unwrap_or_else(|e| panic!("{context}: {e:?}"));
            let drawn = ApiKey::new(&world.current_key()).fingerprint();
            assert_ne!(drawn, it.print, "a leaked key was drawn; {context}");
        }
        check_rules(world, &context).await;
    }
}

#[tokio::test]
async fn crash_at_every_call_of_ending_a_standby_key() {
    let ran = crash_at_every_call(&Ending).await;
    say(format_args!("end a standby key: {ran} points"));
    assert!(ran >= 3 * 6);
}

#[tokio::test]
async fn a_rotation_between_any_two_calls_draws_another_key_or_keeps_it() {
    let event = |it: &EndWorld| crashes::rotation(&it.world);
    let ran = disturb_before_every_call(&Ending, event).await;
    say(format_args!(
        "end a standby key, a rotation before each call: {ran} points"
    ));
}
