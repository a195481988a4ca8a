//! A stack made of the template on ministack, with the built functions.
//!
//! ministack takes roles, policies, encryption, reserved concurrency and settings of asynchronous invocation, and holds nobody to
//! them; it counts none of Lambda's and SQS's metrics, so the alarms on them stay silent; its function URL answers nobody here.

use keyward_core::model::alert::{Alert, AlertKind};
use keyward_core::ports::Clock as _;
use keyward_lambda::clock::SystemClock;
use keyward_tests::emulators::{Ministack, Topic};
use keyward_tests::functions::{Profile, build};
use keyward_tests::local::event;
use keyward_tests::template::{FUNCTIONS, Template, program};
use serde_json::{Value, json};

/// How often, and for how many seconds each time, an alert is waited for.
const LOOKS: usize = 20;
const WAIT: u32 = 3;

/// A message of CloudWatch's about an alarm that nobody has:
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html>.
fn alarm(topic: &str) -> Value {
    let place: Vec<&str> = topic.split(':').collect();
    let name = "keyward-e2e-kill-nobody";
    json!({
        "AlarmName": name,
        "AlarmArn": format!("arn:aws:cloudwatch:{}:{}:alarm:{name}", place[3], place[4]),
        "AWSAccountId": place[4],
        "NewStateValue": "ALARM",
        "OldStateValue": "OK",
        "StateChangeTime": SystemClock.now().to_string(),
        "Trigger": {"Namespace": "Keyward", "MetricName": "KillScore", "Dimensions": [
            {"name": "Stack", "value": "e2e"}, {"name": "Slot", "value": "nobody"},
        ]},
    })
}

#[tokio::test]
async fn a_stack_is_made_and_its_functions_run_as_it_configures_them() {
    let (Some(template), Some(ministack)) = (Template::read(), Ministack::start().await) else {
        return;
    };
    let build = || FUNCTIONS.map(|(name, _)| build(Profile::Dev, program(name)).unwrap());
    let programs = tokio::task::spawn_blocking(build).await.unwrap();
    let stack = ministack
        .deploy_stack("e2e", &template.0, &json!({}), &programs)
        .await;
    assert_eq!(stack.status, "CREATE_COMPLETE", "{:#?}", stack.failed);
    let unmade = stack
        .resources
        .iter()
        .filter(|(_, status)| *status != "CREATE_COMPLETE");
    assert_eq!(unmade.collect::<Vec<_>>(), []);
    let settings = &stack.outputs["CommandSettings"];
    assert!(
        settings.contains("export KEYWARD_CONTROL_URL_KILL=https://"),
        "{settings}"
    );

    let alerts = Topic::heard(&ministack, "people", &stack.outputs["AlertTopicArn"]).await;
    let scheduled = json!({"source": "aws.events", "detail-type": "Scheduled Event"});
    for function in ["retire", "monitor"] {
        let (answer, is_error) = ministack
            .invoke(&format!("e2e-{function}"), &scheduled)
            .await;
        assert!(
            !is_error,
            "{function}: {answer}\n{}",
            ministack.log(function)
        );
    }
    // It begins, with all that it is told; what it would read is not all there.
    let (answer, is_error) = ministack
        .invoke("e2e-audit", &json!({"period": "soon"}))
        .await;
    let said = answer["errorMessage"].as_str().unwrap_or_default();
    assert!(
        is_error && said.contains("names no month"),
        "{answer}\n{}",
        ministack.log("audit")
    );
    let fleet = json!({"version": 1, "accounts": {}, "agents": {}, "slots": {}});
    let asked = event(
        "POST",
        "/plan",
        json!({"fleet": fleet}).to_string().as_bytes(),
    );
    // Who is invoked past every alias serves nothing.
    for (invoked, status) in [
        ("e2e-control:see", 200),
        ("e2e-control:kill", 403),
        ("e2e-control", 403),
    ] {
        let (answer, is_error) = ministack.invoke(invoked, &asked).await;
        let said = answer["body"].as_str().unwrap_or_default();
        let is_told = said.contains("KEYWARD_CONTROL_URL_SEE");
        assert!(
            !is_error && answer["statusCode"] == status && is_told == (status == 403),
            "{invoked}: {answer}\n{}",
            ministack.log("control")
        );
    }
    let act = ministack.invoke("e2e-usage", &asked).await;
    assert!(act.0["statusCode"] != 200, "agents may act: {act:?}");
    let rotation = json!({
        "Step": "createSecret",
        "SecretId": "llm/nobody",
        "ClientRequestToken": "e2e00000-0000-4000-8000-000000000001",
    });
    let (answer, is_error) = ministack.invoke("e2e-rotate", &rotation).await;
    assert!(
        is_error && answer["errorType"] == "NonRetryable",
        "{answer}\n{}",
        ministack.log("rotate")
    );

    let topic = &stack.outputs["AlarmTopicArn"];
    let sns = aws_sdk_sns::Client::new(&ministack.sdk_config().await);
    let publish = sns
        .publish()
        .topic_arn(topic)
        .message(alarm(topic).to_string());
    publish.send().await.unwrap();
    // The alarms on silence tell people as well.
    let mut kinds = Vec::new();
    for _ in 0..LOOKS {
        let told = alerts.receive(WAIT).await;
        let read =
            |message: &Value| serde_json::from_str::<Alert>(message["Message"].as_str()?).ok();
        kinds.extend(told.iter().filter_map(read).map(|alert| alert.kind));
        if kinds.contains(&AlertKind::KillRefused) {
            return;
        }
    }
    panic!("{kinds:?}\n{}", ministack.log("kill-switch"));
}
