//! What people, agents and strangers may do.

use keyward_tests::template::policy::{Policy, Request};
use keyward_tests::template::{Stack, Template};
use serde_json::json;

const SECRET: &str = "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/support-bot-a1B2c3";
const STACK: (&str, &str) = ("aws:ResourceTag/keyward:stack", "e2e");
const ENVIRONMENT: &str = "aws:ResourceTag/keyward:environment";

fn allows(policy: &Policy, action: &str, resource: &str, context: &[(&str, &str)]) -> bool {
    let values = context
        .iter()
        .map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()]));
    policy.allows(&Request {
        action: action.to_owned(),
        resource: resource.to_owned(),
        context: values.collect(),
    })
}

#[test]
fn no_developer_reads_a_secret_of_production() {
    let Some(template) = Template::read() else {
        return;
    };
    let stack = Stack::of(&template, &[]);
    let mut policy = stack.policy("DeveloperPolicy");
    let read = |policy: &Policy, resource: &str, context: &[(&str, &str)]| {
        allows(policy, "secretsmanager:GetSecretValue", resource, context)
    };
    let admin =
        "arn:aws:secretsmanager:us-east-1:111122223333:secret:keyward/e2e/admin/openai-main-a1B2c3";
    assert!(read(&policy, SECRET, &[STACK, (ENVIRONMENT, "dev")]));
    // Whatever else they are allowed.
    let everything =
        json!({"Statement": [{"Sid": "All", "Effect": "Allow", "Action": "*", "Resource": "*"}]});
    policy.0.extend(Policy::read(&everything).0);
    assert!(
        read(&policy, SECRET, &[]),
        "the policy is about this stack alone"
    );
    for (resource, context) in [
        (SECRET, &[STACK, (ENVIRONMENT, "prod")][..]),
        (SECRET, &[STACK]),
        (admin, &[]),
        (admin, &[STACK, (ENVIRONMENT, "dev")]),
    ] {
        assert!(!read(&policy, resource, context), "{resource} {context:?}");
    }
}

/// A policy lets a function be called by its URL, and neither past it nor any other function.
fn is_called_by_its_url_alone(policy: &str, logical: &str, function: &str, others: &[&str]) {
    let Some(template) = Template::read() else {
        return;
    };
    let stack = Stack::of(&template, &[]);
    let policy = stack.policy(policy);
    let via = |how| [("lambda:InvokedViaFunctionUrl", how)];
    assert!(allows(
        &policy,
        "lambda:InvokeFunction",
        function,
        &via("true")
    ));
    assert!(!allows(
        &policy,
        "lambda:InvokeFunction",
        function,
        &via("false")
    ));
    assert!(!allows(&policy, "lambda:InvokeFunction", function, &[]));
    let signed = [("lambda:FunctionUrlAuthType", "AWS_IAM")];
    assert!(allows(
        &policy,
        "lambda:InvokeFunctionUrl",
        function,
        &signed
    ));
    for other in others {
        let (by_url, past) = ("lambda:InvokeFunctionUrl", "lambda:InvokeFunction");
        assert!(!allows(&policy, by_url, other, &signed), "{other}");
        assert!(!allows(&policy, past, other, &via("true")), "{other}");
    }
    let url = &stack.properties(logical)["FunctionUrlConfig"];
    assert_eq!(*url, json!({"AuthType": "AWS_IAM"}));
}

#[test]
fn people_call_control_by_its_url_alone() {
    let others = ["function:e2e-kill-switch", "function:e2e-usage"];
    let control = ("ControlFunction", "function:e2e-control");
    is_called_by_its_url_alone("OperatorPolicy", control.0, control.1, &others);
}

#[test]
fn agents_tell_of_their_use_and_call_nothing_else() {
    let others = ["function:e2e-kill-switch", "function:e2e-control"];
    let usage = ("UsageFunction", "function:e2e-usage");
    is_called_by_its_url_alone("AgentPolicy", usage.0, usage.1, &others);
}

/// Of a topic's policy, who may publish what.
fn publishers(stack: &Stack<'_>, policy: &str) -> Vec<String> {
    let document = &stack.properties(policy)["PolicyDocument"];
    let statements = document["Statement"].as_array().unwrap().iter();
    let allowed = statements.filter(|s| s["Effect"] == "Allow");
    allowed.map(|s| s["Principal"].to_string()).collect()
}

#[test]
fn nobody_but_the_alarms_of_slots_can_publish_an_order() {
    let Some(template) = Template::read() else {
        return;
    };
    let mapped = [(
        "MappedAlarmArns",
        "arn:aws:cloudwatch:us-east-1:111122223333:alarm:spend",
    )];
    for (parameters, further) in [(&[][..], false), (&mapped[..], true)] {
        let stack = Stack::of(&template, parameters);
        let cloudwatch = r#"{"Service":"cloudwatch.amazonaws.com"}"#;
        let publishers = publishers(&stack, "AlarmTopicPolicy");
        assert!(publishers.iter().all(|p| p == cloudwatch), "{publishers:?}");
        let policy = Policy::read(&stack.properties("AlarmTopicPolicy")["PolicyDocument"]);
        let publish = |account: &str, alarm: &str, service: &str| {
            let arn = format!("arn:aws:cloudwatch:us-east-1:{account}:alarm:{alarm}");
            let context = [
                ("aws:SourceAccount", account),
                ("aws:SourceArn", arn.as_str()),
                ("aws:PrincipalIsAWSService", service),
            ];
            allows(&policy, "sns:Publish", "e2e-alarms", &context)
        };
        let own = "111122223333";
        assert!(publish(own, "keyward-e2e-kill-support-bot", "true"));
        assert_eq!(publish(own, "spend", "true"), further);
        assert!(!publish(
            "444455556666",
            "keyward-e2e-kill-support-bot",
            "true"
        ));
        assert!(!publish(own, "keyward-other-kill-support-bot", "true"));
        assert!(!publish(own, "keyward-e2e-kill-support-bot", "false"));
    }
}

#[test]
fn k_32_alarms_can_publish_to_topics_under_the_customers_key() {
    let Some(template) = Template::read() else {
        return;
    };
    let stack = Stack::of(&template, &[]);
    let key = Policy::read(&stack.properties("Key")["KeyPolicy"]);
    let alarm = "arn:aws:cloudwatch:us-east-1:111122223333:alarm:keyward-e2e-kill-support-bot";
    for topic in ["AlarmTopic", "AlertTopic"] {
        assert_eq!(stack.properties(topic)["KmsMasterKeyId"], "Key", "{topic}");
    }
    let statements = key
        .0
        .iter()
        .filter(|s| s.sid == "AlarmsOfThisAccountPublish");
    let key = Policy(statements.cloned().collect());
    for action in ["kms:Decrypt", "kms:GenerateDataKey*"] {
        let of = |account| [("aws:SourceAccount", account), ("aws:SourceArn", alarm)];
        assert!(
            allows(&key, action, "key/Key", &of("111122223333")),
            "{action}"
        );
        assert!(
            !allows(&key, action, "key/Key", &of("444455556666")),
            "{action}"
        );
    }
}
