//! No text of an admin credential gets out: its flows with everything logged and each fault, and a search through what came out.

use jiff::SignedDuration;
use keyward_core::usecases::rotate::RotationError;
use keyward_lambda::diagnostic::chain;
use keyward_testkit::canary::Canary;
use keyward_testkit::logs::CapturedLogs;
use keyward_testkit::simulator::{Body, Fault, FaultRule};
use keyward_tests::support::token;
use secrecy::ExposeSecret;

use super::lockdown::InOneGo;
use super::scene::{World, account, arn};

const ALL: &str = "/organization/admin_api_keys";
const ONE: &str = "/organization/admin_api_keys/*";

/// A rotation, what `retire` does after it, a value that cannot be used, and a lockdown: what was said of them.
async fn everything(world: &World) -> String {
    let mut said = String::new();
    let failed = |error: &RotationError| format!("{error} {error:?} {}\n", chain(error));
    for number in [2, 2, 3] {
        if let Err(error) = world.rotate(&token(number)).await {
            said += &failed(&error);
        }
        world.live_through(SignedDuration::from_mins(90)).await;
    }
    let used = world.current().expose_secret().to_owned();
    for (number, value) in [
        (4, format!("{{\"key\":\"{used}\",}}")),
        (5, format!("[\"{used}\"]")),
    ] {
        world.secrets.put_current(&arn(), &token(number), &value);
        if let Err(error) = world.rotate(&token(number + 10)).await {
            said += &failed(&error);
        }
    }
    world.secrets.put_current(&arn(), &token(6), &used);
    for number in [7, 8] {
        match InOneGo::replace(&world.open, number).await {
            Ok(replaced) => said += &format!("{replaced:?}\n"),
            Err(error) => said += &format!("{error} {error:?} {}\n", chain(&error)),
        }
    }
    let record = keyward_core::ports::Inventory::admin(world.inventory.as_ref(), &account()).await;
    said += &format!("{:?} {:?}", record.unwrap(), world.inventory.dump());
    for alert in world.alerts.sent() {
        said += &format!("{alert:?} {}\n", serde_json::to_string(&alert).unwrap());
    }
    said
}

#[tokio::test]
async fn no_text_of_an_admin_credential_in_anything_that_comes_out() {
    let logs = CapturedLogs::default();
    let (mut said, mut secrets) = (String::new(), Vec::new());
    {
        let _guard = logs.on_this_thread();
        for fault in [
            None,
            Some(Fault::lost_after()),
            Some(Fault::half_sent()),
            Some(Fault::truncated()),
            Some(Fault::status(500, Body::Html)),
            Some(Fault::status(401, Body::Json)),
            Some(Fault::error_object()),
        ] {
            for (method, path) in [("POST", ALL), ("GET", ALL), ("DELETE", ONE)] {
                let world = World::plain().await;
                if let Some(fault) = &fault {
                    let rule = FaultRule::on(method, path, fault.clone());
                    world.simulator.inject(rule.times(2));
                }
                said += &everything(&world).await;
                secrets.extend(world.simulator.admin_secrets());
            }
        }
    }
    secrets.sort_unstable();
    secrets.dedup();
    assert!(secrets.len() > 5, "only {} were in play", secrets.len());
    let canary = Canary::new(&secrets);
    let log = logs.text();
    assert!(log.contains("TRACE") && log.contains("hyper_util"));
    for what in [
        "AdminCredentialRefused",
        "Document",
        "Revoked",
        "Replaced {",
    ] {
        assert!(said.contains(what), "{what} did not come about");
    }
    canary.assert_absent("the log", &log);
    canary.assert_absent("errors, alerts and the record", &said);
    let planted = format!("{said}{}", secrets[0]);
    assert_eq!(canary.find(planted).len(), 1, "a planted leak is not found");
}
