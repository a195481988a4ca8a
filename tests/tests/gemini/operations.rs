//! Creates that go on after their answer: for longer than an invocation, for longer than their rotation, and to a bad end.

use keyward_core::model::alert::AlertKind;
use keyward_core::model::version::{Confirmation, Version};
use keyward_core::usecases::rotate::RotationError;
use keyward_rotate::RotateError;

use super::*;

const KEYS: &str = "/v2/projects/*/locations/global/keys";
const OPERATION: &str = "/v2/operations/*";

fn takes(delay: SignedDuration) -> Settings {
    Settings {
        operation_delay: delay,
        ..settings()
    }
}

fn is_under_way(error: &RotateError) -> bool {
    matches!(error, RotateError::Step(RotationError::UnderWay))
}

/// An operation that outlives three invocations: one create, one operation, one key.
#[tokio::test]
async fn an_operation_that_outlives_its_invocation_is_gone_on_with() {
    let (world, simulator) = world_with(Arc::default(), takes(SignedDuration::from_mins(15))).await;
    let secrets = &world.outside.secrets;
    secrets.begin_rotation(&world.secret, &token(2));
    for call in 0..3 {
        let error = world.step("createSecret", &token(2)).await.unwrap_err();
        assert!(
            is_under_way(&error) && error.is_retryable(),
            "{call}: {error}"
        );
        let begun: &Version = &world.versions().await[1];
        assert!(begun.operation.is_some() && begun.fingerprint.is_none());
    }
    world.rotate(&token(2)).await.unwrap();
    assert_eq!(simulator.requests_to("POST", KEYS).len(), 1);
    assert_eq!(world.versions().await[1].operation, None);
    world.live_through(SignedDuration::from_hours(27)).await;
    check_rules(&world, "a long operation").await;
    assert_eq!(simulator.keys().len(), 2);
}

/// An operation that ends after its rotation was given up: the key is revoked as soon as it comes to be. It is looked for
/// for a day.
#[tokio::test]
async fn a_key_that_comes_after_its_rotation_was_given_up_is_revoked() {
    for hours in [3, 23] {
        let (world, simulator) =
            world_with(Arc::default(), takes(SignedDuration::from_hours(hours))).await;
        assert!(is_under_way(&world.rotate(&token(2)).await.unwrap_err()));
        simulator.configure(|settings| settings.operation_delay = SignedDuration::ZERO);
        world
            .live_through(SignedDuration::from_hours(hours - 1))
            .await;
        let late = world.versions().await.remove(1);
        assert_eq!(late.state, VersionState::Revoking, "{hours} hours");
        world.live_through(SignedDuration::from_mins(90)).await;
        let late = world.versions().await.remove(1);
        assert_eq!(late.state, VersionState::Revoked, "{hours} hours");
        // Nobody ever read its text.
        let confirmed = late.revoke_confirmed.unwrap();
        assert_eq!(confirmed.by, Confirmation::ListOnly);
        assert!(late.handle.is_some());
        let label = late.label.unwrap();
        let key = simulator.key_by_label(label.as_str()).unwrap();
        assert!(!key.is_live(), "{key:?}");
        check_rules(&world, "a late key").await;
    }
}

/// One that never ends is given up after a day.
#[tokio::test]
async fn what_never_comes_is_given_up_after_a_day() {
    let (world, _) = world_with(Arc::default(), takes(SignedDuration::from_hours(1000))).await;
    assert!(is_under_way(&world.rotate(&token(2)).await.unwrap_err()));
    world.live_through(SignedDuration::from_hours(23)).await;
    assert_eq!(world.versions().await[1].state, VersionState::Revoking);
    world.live_through(SignedDuration::from_hours(3)).await;
    let never = world.versions().await.remove(1);
    let confirmed = never.revoke_confirmed.unwrap();
    assert_eq!(confirmed.by, Confirmation::NeverMade);
}

/// A kill while the key is being made: it is not promoted, and revoked once it comes to be.
#[tokio::test]
async fn a_kill_during_an_operation_ends_the_key_that_comes_of_it() {
    let (world, simulator) = world_with(Arc::default(), takes(SignedDuration::from_mins(20))).await;
    assert!(is_under_way(&world.rotate(&token(2)).await.unwrap_err()));
    world.kill().await;
    simulator.configure(|settings| settings.operation_delay = SignedDuration::ZERO);
    world.rotate(&token(2)).await.unwrap();
    assert_eq!(world.versions().await[2].state, VersionState::Current);
    world.live_through(SignedDuration::from_hours(2)).await;
    let cut = world.versions().await.remove(1);
    assert_eq!(cut.state, VersionState::Revoked);
    let key = simulator.key_by_label(cut.label.unwrap().as_str()).unwrap();
    assert!(!key.is_live(), "{key:?}");
    check_rules(&world, "a kill during an operation").await;
}

/// The end of an operation without a key is told with Google's words; what is no refusal is tried again.
#[tokio::test]
async fn an_operation_that_ends_badly_makes_no_key_and_says_why() {
    for (code, retryable) in [(8, false), (7, false), (9, false), (13, true), (14, true)] {
        let (world, simulator) = world_with(Arc::default(), slow()).await;
        let failed = |name: &str| {
            format!(
                r#"{{"name":"{name}","done":true,"error":{{"code":{code},"message":"Quota exceeded","details":[]}}}}"#
            )
        };
        let fault = Fault::recorded(200, None, failed("operations/akmf.EXAMPLE"));
        simulator.inject(FaultRule::on("POST", KEYS, fault));
        let error = world.rotate(&token(2)).await.unwrap_err();
        assert_eq!(error.is_retryable(), retryable, "{code}: {error}");
        let told = keyward_lambda::diagnostic::chain(&error);
        assert!(told.contains("Quota exceeded"), "{told}");
        assert_eq!(simulator.keys().len(), 1, "{code}");
        if !retryable {
            let alerts = world.outside.alerts.count(AlertKind::RotationFailed);
            assert_eq!(alerts, 1, "{code}");
        }
        world.pass(SignedDuration::from_mins(6));
        world.rotate(&token(2)).await.unwrap();
        assert_eq!(simulator.requests_to("GET", OPERATION).len(), 3);
        world.live_through(SignedDuration::from_hours(27)).await;
        check_rules(&world, "an operation that failed").await;
    }
}

/// A key that comes with fewer restrictions than asked, or that is another one, is not used.
#[tokio::test]
async fn a_key_that_is_not_as_asked_is_cut_off() {
    let (world, simulator) = world_with(Arc::default(), settings()).await;
    let asked = |restrictions: &str| {
        format!(
            r#"{{"name":"operations/akmf.EXAMPLE","done":true,"response":{{"name":"projects/1/locations/global/keys/x","restrictions":{restrictions}}}}}"#
        )
    };
    let fault = Fault::recorded(200, None, asked("{}")).after_effect();
    simulator.inject(FaultRule::on("POST", KEYS, fault));
    let error = world.rotate(&token(2)).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert_eq!(simulator.live_keys().len(), 1, "only the key in use");
    world.rotate(&token(2)).await.unwrap();
    world.live_through(SignedDuration::from_hours(27)).await;
    check_rules(&world, "another key").await;
}
