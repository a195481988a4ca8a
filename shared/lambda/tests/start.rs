//! Starting up, in a process of its own: it takes over logging and panics.

use std::process::ExitCode;

use keyward_lambda::start::start;

fn complete(name: &str) -> Option<String> {
    let value = match name {
        "KEYWARD_TABLE" => "keyward",
        "KEYWARD_ALERT_TOPIC_ARN" => "arn:aws:sns:eu-central-1:111122223333:keyward-alerts",
        "KEYWARD_ACCOUNTS" => "{}",
        _ => return None,
    };
    Some(value.to_owned())
}

#[test]
fn main_runs_with_a_good_configuration() {
    let mut table = None;
    let code = start(complete, async |config| {
        table = Some(config.table);
        Ok(())
    });
    assert_eq!(code, ExitCode::SUCCESS);
    assert_eq!(table.as_deref(), Some("keyward"));
}

#[test]
fn main_does_not_run_without_one() {
    let mut ran = false;
    let code = start(
        |_| None,
        async |_| {
            ran = true;
            Ok(())
        },
    );
    assert_eq!(code, ExitCode::FAILURE);
    assert!(!ran);
}

#[test]
fn an_error_of_main_is_a_failure_of_the_process() {
    let code = start(complete, async |_| Err("no network".into()));
    assert_eq!(code, ExitCode::FAILURE);
}
