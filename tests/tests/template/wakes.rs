//! What wakes the functions, and who is told when something does not.

use std::collections::{BTreeMap, BTreeSet};

use keyward_core::model::metric::{HEARTBEAT, NAMESPACE, STACK};
use keyward_core::rules::secret_change;
use keyward_core::usecases::lockdown;
use keyward_tests::template::{FUNCTIONS, Stack, Template};
use serde_json::{Value, json};

/// Resources of one kind.
fn of_kind(stack: &Stack<'_>, kind: &str) -> BTreeMap<String, Value> {
    let resources = stack.resources().into_iter();
    let found = resources.filter(|(_, resource)| resource["Type"] == kind);
    found
        .map(|(name, resource)| (name.to_owned(), resource))
        .collect()
}

#[test]
fn only_aws_services_invoke_and_only_for_what_is_this_stacks() {
    let Some(template) = Template::read() else {
        return;
    };
    let stack = Stack::of(&template, &[]);
    let mut invokers: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for (name, permission) in of_kind(&stack, "AWS::Lambda::Permission") {
        let properties = &permission["Properties"];
        assert_eq!(properties["Action"], "lambda:InvokeFunction", "{name}");
        assert_eq!(properties["SourceAccount"], "111122223333", "{name}");
        let text = |field: &str| properties[field].as_str().unwrap_or_default().to_owned();
        let by = (text("Principal"), text("SourceArn"));
        invokers.entry(text("FunctionName")).or_default().push(by);
    }
    let arn = |end: &str| format!("arn:aws:{end}");
    let expected = [
        ("e2e-rotate", "secretsmanager", String::new()),
        (
            "e2e-kill-switch",
            "sns",
            arn("sns:us-east-1:111122223333:e2e-alarms"),
        ),
        (
            "e2e-retire",
            "events",
            arn("events:us-east-1:111122223333:rule/e2e-retire"),
        ),
        (
            "e2e-monitor",
            "events",
            arn("events:us-east-1:111122223333:rule/e2e-monitor"),
        ),
        (
            "e2e-audit",
            "events",
            arn("events:us-east-1:111122223333:rule/e2e-audit"),
        ),
        (
            "e2e-offboard",
            "events",
            arn("events:us-east-1:111122223333:rule/e2e-offboard"),
        ),
        (
            "e2e-offboard",
            "events",
            arn("events:us-east-1:111122223333:rule/e2e-offboarding/e2e-offboard-events"),
        ),
        (
            "e2e-offboard",
            "events",
            arn("events:us-east-1:111122223333:rule/e2e-secret-changes"),
        ),
    ];
    let mut all: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for (function, service, source) in expected {
        let by = (format!("{service}.amazonaws.com"), source);
        all.entry(function.to_owned()).or_default().push(by);
    }
    for by in invokers.values_mut().chain(all.values_mut()) {
        by.sort();
    }
    assert_eq!(invokers, all);
}

#[test]
fn no_schedule_and_no_subscription_comes_before_its_permission() {
    let Some(template) = Template::read() else {
        return;
    };
    let stack = Stack::of(&template, &[]);
    let permissions = of_kind(&stack, "AWS::Lambda::Permission");
    let of_function = |function: &str, source: &str| {
        let by = |p: &Value| {
            p["Properties"]["SourceArn"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let mut found = permissions.iter().filter(|(_, p)| {
            p["Properties"]["FunctionName"] == function && by(p).ends_with(source)
        });
        found.next().unwrap().0.clone()
    };
    let waits_for = |resource: &Value| match &resource["DependsOn"] {
        Value::String(one) => vec![one.clone()],
        several => several
            .as_array()
            .unwrap()
            .iter()
            .map(|n| n.as_str().unwrap().to_owned())
            .collect(),
    };
    let rules = of_kind(&stack, "AWS::Events::Rule");
    let rates: Vec<&str> = rules
        .values()
        .filter_map(|r| r["Properties"]["ScheduleExpression"].as_str())
        .collect();
    assert_eq!(
        rates,
        [
            "cron(0 6 * * ? *)",
            "rate(1 minute)",
            "rate(5 minutes)",
            "rate(5 minutes)"
        ]
    );
    for rule in rules.values() {
        let name = rule["Properties"]["Name"].as_str().unwrap();
        let function = match name {
            "e2e-secret-changes" => "e2e-offboard",
            _ => name.strip_suffix("-events").unwrap_or(name),
        };
        let permission = of_function(function, &format!("/{name}"));
        assert!(waits_for(rule).contains(&permission), "{name}");
    }
    let alarms = &stack.resources()["AlarmSubscription"];
    assert!(waits_for(alarms).contains(&of_function("e2e-kill-switch", "")));
    assert_eq!(
        alarms["Properties"]["RedrivePolicy"]["deadLetterTargetArn"],
        "arn:aws:sqs:us-east-1:111122223333:e2e-alarms-dead"
    );
}

#[test]
fn what_is_invoked_asynchronously_leaves_its_failures_in_a_queue() {
    let Some(template) = Template::read() else {
        return;
    };
    let stack = Stack::of(&template, &[]);
    for (name, retries, seconds) in [
        ("Retire", 0, 300),
        ("Monitor", 0, 60),
        ("KillSwitch", 2, 3600),
        ("Audit", 2, 7200),
        ("Offboard", 2, 3600),
    ] {
        let invoked = stack.properties(&format!("{name}Function"))["EventInvokeConfig"].clone();
        assert_eq!(invoked["MaximumRetryAttempts"], retries, "{name}");
        assert_eq!(invoked["MaximumEventAgeInSeconds"], seconds, "{name}");
        let queue = &invoked["DestinationConfig"]["OnFailure"]["Destination"];
        let policy = stack.policy(&format!("{name}Role"));
        let sends = policy.0.iter().find(|s| s.sid == "Failures").unwrap();
        assert_eq!(json!(sends.resources), json!([queue]), "{name}");
    }
}

#[test]
fn alarms_tell_of_errors_throttles_dead_letters_and_silence() {
    let Some(template) = Template::read() else {
        return;
    };
    let stack = Stack::of(&template, &[]);
    let alarms = of_kind(&stack, "AWS::CloudWatch::Alarm");
    let watched = |namespace: &str, metric: &str, dimension: &str| {
        alarms
            .values()
            .map(|alarm| &alarm["Properties"])
            .find(|alarm| {
                alarm["Namespace"] == namespace
                    && alarm["MetricName"] == metric
                    && alarm["Dimensions"][0]["Value"] == dimension
            })
    };
    for (name, _) in FUNCTIONS {
        for metric in ["Errors", "Throttles"] {
            let alarm = watched("AWS/Lambda", metric, &format!("e2e-{name}"));
            assert!(alarm.is_some(), "{name}: {metric}");
        }
    }
    for queue in of_kind(&stack, "AWS::SQS::Queue").keys() {
        let alarm = watched(
            "AWS/SQS",
            "ApproximateNumberOfMessagesVisible",
            &format!("{queue}.QueueName"),
        );
        assert!(alarm.is_some(), "{queue}");
    }
    let silence = watched(NAMESPACE, HEARTBEAT, "e2e").unwrap();
    assert_eq!(silence["Dimensions"][0]["Name"], STACK);
    for alarm in [
        silence,
        watched("AWS/Lambda", "Invocations", "e2e-retire").unwrap(),
        watched("AWS/Lambda", "Invocations", "e2e-offboard").unwrap(),
    ] {
        assert_eq!(alarm["TreatMissingData"], "breaching");
        assert_eq!(alarm["ComparisonOperator"], "LessThanThreshold");
    }
    // The audit is woken once a day: that a new stack's was not yet is no news, that it is no more is.
    let audit = watched("AWS/Lambda", "Invocations", "e2e-audit").unwrap();
    assert_eq!(audit["TreatMissingData"], "missing");
    assert_eq!(audit["InsufficientDataActions"], audit["AlarmActions"]);
    assert_eq!(
        audit["Period"].as_u64().unwrap() * audit["EvaluationPeriods"].as_u64().unwrap(),
        2 * 86_400
    );
    for (name, alarm) in &alarms {
        let properties = &alarm["Properties"];
        let tells = json!(["arn:aws:sns:us-east-1:111122223333:e2e-alerts"]);
        assert_eq!(properties["AlarmActions"], tells, "{name}");
        // The monitor takes away what is called so and guards no slot.
        let called = properties["AlarmName"].as_str().unwrap();
        assert!(!called.starts_with("keyward-e2e-kill-"), "{name}");
        assert!(
            called.starts_with("keyward-e2e-ops-"),
            "{name}: may not publish under its name"
        );
    }
}

/// What the schedule sends has the audit of each month made once.
#[test]
fn the_audit_is_asked_for_every_day_and_made_once_a_month() {
    let Some(template) = Template::read() else {
        return;
    };
    let stack = Stack::of(&template, &[]);
    let rule = stack.properties("AuditSchedule");
    let input = rule["Targets"][0]["Input"].as_str().unwrap();
    let event: Value = serde_json::from_str(input).unwrap();
    let now = "2026-12-20T06:00:00Z".parse().unwrap();
    let order = keyward_audit::order(&event, now).unwrap();
    assert_eq!(order.period.to_string(), "2026-11");
    assert_eq!(
        order.wanted,
        keyward_core::usecases::audit::Wanted::UnlessDone
    );
}

#[test]
fn logs_are_kept_for_a_while_and_under_the_key() {
    let Some(template) = Template::read() else {
        return;
    };
    let stack = Stack::of(&template, &[]);
    for (name, logical) in FUNCTIONS {
        let group = stack.properties(&format!("{logical}Logs"));
        assert_eq!(group["LogGroupName"], format!("/aws/lambda/e2e-{name}"));
        assert_eq!(group["RetentionInDays"], "90");
        let function = stack.properties(&format!("{logical}Function"));
        assert_eq!(
            function["LoggingConfig"]["LogGroup"],
            format!("{logical}Logs")
        );
    }
}

#[test]
fn the_kill_switch_has_concurrency_of_its_own() {
    let Some(template) = Template::read() else {
        return;
    };
    let reserved = |parameters: &[(&str, &str)]| {
        let stack = Stack::of(&template, parameters);
        stack.properties("KillSwitchFunction")["ReservedConcurrentExecutions"].clone()
    };
    assert_eq!(reserved(&[]), "10");
    // Zero would keep it from running at all.
    assert_eq!(reserved(&[("ReservedConcurrency", "0")]), Value::Null);
}

#[test]
fn agents_that_tell_of_their_use_starve_nobody() {
    let Some(template) = Template::read() else {
        return;
    };
    let stack = Stack::of(&template, &[]);
    let reserved = &stack.properties("UsageFunction")["ReservedConcurrentExecutions"];
    assert_eq!(*reserved, 10);
}

#[test]
fn the_dashboard_can_be_read() {
    let Some(template) = Template::read() else {
        return;
    };
    let dashboard = Stack::of(&template, &[]).properties("Dashboard");
    let body: Value = serde_json::from_str(dashboard["DashboardBody"].as_str().unwrap()).unwrap();
    let scores = body["widgets"][0]["properties"]["metrics"].to_string();
    assert!(scores.contains(r#"Stack=\"e2e\""#), "{scores}");
}

/// Who may say that somebody leaves is named, and what is said reaches the function or a queue.
#[test]
fn leaving_is_said_by_named_principals_on_a_bus_of_its_own() {
    let Some(template) = Template::read() else {
        return;
    };
    let sender = "arn:aws:iam::444455556666:role/hr";
    for (parameters, principal) in [
        (
            &[][..],
            json!("arn:aws:iam:us-east-1:111122223333:OffboardSender"),
        ),
        (&[("OffboardPrincipals", sender)], json!([sender])),
    ] {
        let stack = Stack::of(&template, parameters);
        let bus = stack.properties("OffboardBus");
        let [allows, denies] = &bus["Policy"]["Statement"].as_array().unwrap()[..] else {
            panic!("{bus}");
        };
        assert_eq!(allows["Effect"], "Allow");
        assert_eq!(allows["Action"], "events:PutEvents");
        assert_eq!(allows["Principal"]["AWS"], principal);
        // Whatever a role of the account itself is allowed.
        assert_eq!(denies["Effect"], "Deny");
        assert_eq!(denies["Principal"], "*");
        assert_eq!(denies["Resource"], allows["Resource"]);
        let besides = &denies["Condition"]["ArnNotEquals"]["aws:PrincipalArn"];
        assert_eq!(*besides, principal);
    }
    let stack = Stack::of(&template, &[]);
    let rule = stack.properties("OffboardEvents");
    assert_eq!(rule["EventBusName"], "OffboardBus");
    assert!(
        rule["Targets"][0]["DeadLetterConfig"]["Arn"].is_string(),
        "{rule}"
    );
    let input = stack.properties("OffboardSchedule")["Targets"][0]["Input"].clone();
    let event: Value = serde_json::from_str(input.as_str().unwrap()).unwrap();
    let senders = keyward_offboard::Senders {
        stack: "e2e".parse().unwrap(),
        account: "111122223333".to_owned(),
        sources: std::collections::BTreeSet::new(),
        accounts: std::collections::BTreeSet::new(),
    };
    let now = "2026-12-01T09:00:00Z".parse().unwrap();
    assert_eq!(
        keyward_offboard::read(&event, &senders, now),
        Ok(keyward_offboard::Event::Due)
    );
}

/// Whatever the function knows as a change of a secret is handed to it, or goes to a queue.
#[test]
fn who_changes_secrets_is_told_to_offboard() {
    let Some(template) = Template::read() else {
        return;
    };
    let rule = Stack::of(&template, &[]).properties("SecretChanges");
    assert_eq!(rule["EventBusName"], Value::Null, "CloudTrail has no other");
    let pattern = &rule["EventPattern"];
    assert_eq!(pattern["source"], json!([secret_change::SOURCE]));
    assert_eq!(pattern["detail-type"], json!([secret_change::DETAIL_TYPE]));
    let calls = secret_change::Change::CALLS.map(|(call, _)| call);
    assert_eq!(pattern["detail"]["eventName"], json!(calls));
    assert_eq!(pattern["detail"]["errorCode"], json!([{"exists": false}]));
    assert!(
        rule["Targets"][0]["DeadLetterConfig"]["Arn"].is_string(),
        "{rule}"
    );
}

/// A function that a lockdown does not know goes on.
#[test]
fn a_lockdown_stops_every_function_of_the_template() {
    let known: BTreeSet<&str> = lockdown::FUNCTIONS.into_iter().collect();
    assert_eq!(known, FUNCTIONS.iter().map(|(name, _)| *name).collect());
}
