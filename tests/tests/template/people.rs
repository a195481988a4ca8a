//! What people, agents and strangers may do.

use keyward_core::model::act_kind::ActKind;
use keyward_tests::template::policy::{Policy, Request};
use keyward_tests::template::{FUNCTIONS, Stack, Template};
use serde_json::{Value, json};

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

#[test]
fn no_agent_outside_production_reads_a_secret_of_it() {
    let Some(template) = Template::read() else {
        return;
    };
    let mut policy = Stack::of(&template, &[]).policy("AgentPolicy");
    // Whatever else its role is allowed, as where it was tagged with a slot of production.
    let everything =
        json!({"Statement": [{"Sid": "All", "Effect": "Allow", "Action": "*", "Resource": "*"}]});
    policy.0.extend(Policy::read(&everything).0);
    let role = |says| ("aws:PrincipalTag/keyward:environment", says);
    for (context, may) in [
        (&[STACK, role("dev"), (ENVIRONMENT, "prod")][..], false),
        (&[STACK, role("staging"), (ENVIRONMENT, "prod")], false),
        // Nothing said is production.
        (&[STACK, role("dev")], false),
        (&[STACK, role("dev"), (ENVIRONMENT, "dev")], true),
        (&[STACK, role("prod"), (ENVIRONMENT, "prod")], true),
        (&[STACK, (ENVIRONMENT, "prod")], true),
        (&[role("dev")], true),
    ] {
        let reads = allows(&policy, "secretsmanager:GetSecretValue", SECRET, context);
        assert_eq!(reads, may, "{context:?}");
    }
}

/// A policy lets a function, or an alias of one, be called by its URL, and neither past it nor any other.
fn is_called_by_its_url_alone(policy: &str, function: &str, others: &[&str]) {
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
}

/// What the policy for a kind of acts is called.
fn policy_of(kind: ActKind) -> &'static str {
    match kind {
        ActKind::See => "ViewerPolicy",
        ActKind::Operate => "OperatePolicy",
        ActKind::Kill => "KillPolicy",
        ActKind::Enforce => "EnforcePolicy",
        ActKind::Restore => "RestorePolicy",
    }
}

fn alias_of(kind: ActKind) -> String {
    format!("function:e2e-control:{}", kind.name())
}

#[test]
fn people_call_the_url_of_their_kind_of_acts_and_no_other() {
    for kind in ActKind::ALL {
        let mut others = vec![
            "function:e2e-kill-switch".to_owned(),
            "function:e2e-usage".to_owned(),
            // What is allowed on an alias is not allowed on the function, whose event would name anybody as the caller.
            "function:e2e-control".to_owned(),
            "function:e2e-control:$LATEST".to_owned(),
        ];
        others.extend(
            ActKind::ALL
                .into_iter()
                .filter(|k| *k != kind)
                .map(alias_of),
        );
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        is_called_by_its_url_alone(policy_of(kind), &alias_of(kind), &others);
    }
}

#[test]
fn each_kind_of_acts_has_a_signed_url_and_the_function_itself_none() {
    let Some(template) = Template::read() else {
        return;
    };
    let stack = Stack::of(&template, &[]);
    let control = stack.properties("ControlFunction");
    assert_eq!(control["FunctionUrlConfig"], Value::Null);
    let variables = stack.variables("ControlFunction");
    assert_eq!(variables["KEYWARD_URLS"], "apart");
    let resources = stack.resources();
    let of_kind = |kind: &str| {
        let found = resources.iter().filter(|(_, r)| r["Type"] == kind);
        found.map(|(name, _)| *name).collect::<Vec<_>>()
    };
    assert_eq!(of_kind("AWS::Lambda::Alias").len(), ActKind::ALL.len());
    assert_eq!(of_kind("AWS::Lambda::Url").len(), ActKind::ALL.len());
    let settings = stack.output("CommandSettings");
    for kind in ActKind::ALL {
        let mut logical = kind.name().to_owned();
        logical[..1].make_ascii_uppercase();
        let alias = stack.properties(&format!("Control{logical}"));
        assert_eq!(alias["Name"], kind.name());
        assert_eq!(alias["FunctionName"], "e2e-control");
        let url = stack.properties(&format!("Control{logical}Url"));
        assert_eq!(url["Qualifier"], kind.name());
        assert_eq!(url["AuthType"], "AWS_IAM");
        let line = format!("export {}=Control{logical}Url.FunctionUrl", kind.setting());
        assert!(settings.lines().any(|l| l == line), "{settings}");
    }
}

#[test]
fn agents_tell_of_their_use_and_call_nothing_else() {
    let mut others = vec![
        "function:e2e-kill-switch".to_owned(),
        "function:e2e-control".to_owned(),
    ];
    others.extend(ActKind::ALL.map(alias_of));
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    is_called_by_its_url_alone("AgentPolicy", "function:e2e-usage", &others);
    let Some(template) = Template::read() else {
        return;
    };
    let usage = Stack::of(&template, &[]).properties("UsageFunction");
    assert_eq!(usage["FunctionUrlConfig"], json!({"AuthType": "AWS_IAM"}));
}

#[test]
fn an_auditor_reads_and_changes_nothing() {
    let Some(template) = Template::read() else {
        return;
    };
    let stack = Stack::of(&template, &[]);
    let document = &stack.properties("AuditorPolicy")["PolicyDocument"];
    for statement in document["Statement"].as_array().unwrap() {
        let actions = match &statement["Action"] {
            Value::Array(actions) => actions.clone(),
            action => vec![action.clone()],
        };
        for action in &actions {
            let name = action.as_str().unwrap().split(':').nth(1).unwrap();
            let reads = ["Get", "List", "Describe", "Query", "Decrypt"];
            assert!(reads.iter().any(|verb| name.starts_with(verb)), "{action}");
        }
    }
    let policy = stack.policy("AuditorPolicy");
    let credential = |kind: &str| {
        format!(
            "arn:aws:secretsmanager:us-east-1:111122223333:secret:keyward/e2e/{kind}/openai-main-a1B2c3"
        )
    };
    let value = "secretsmanager:GetSecretValue";
    assert!(allows(&policy, value, &credential("read"), &[]));
    assert!(!allows(&policy, value, &credential("admin"), &[]));
    assert!(!allows(&policy, value, SECRET, &[STACK]));
    let report = "arn:aws:s3:::e2e-reportsbucket/audits/2026-11/report.html";
    assert!(allows(&policy, "s3:GetObject", report, &[]));
    assert!(!allows(&policy, "s3:PutObject", report, &[]));
    let age = "secretsmanager:ListSecretVersionIds";
    assert!(allows(&policy, age, &credential("admin"), &[]));
    let settings = stack.output("CommandSettings");
    assert!(settings.contains("export KEYWARD_STACK=e2e"), "{settings}");
    assert!(
        settings.contains("export KEYWARD_ALARM_TOPIC_ARN="),
        "{settings}"
    );
}

/// Who gives orders to the kill switch: a policy for people, or for agents, never does.
#[test]
fn nobody_but_who_gives_orders_invokes_the_kill_switch() {
    let Some(template) = Template::read() else {
        return;
    };
    let stack = Stack::of(&template, &[]);
    let may = |policy: &str| {
        let policy = stack.policy(policy);
        allows(
            &policy,
            "lambda:InvokeFunction",
            "function:e2e-kill-switch",
            &[],
        )
    };
    let roles = FUNCTIONS
        .iter()
        .filter(|(_, logical)| may(&format!("{logical}Role")));
    let roles: Vec<&str> = roles.map(|(name, _)| *name).collect();
    assert_eq!(roles, ["monitor", "control", "offboard"]);
    let resources = stack.resources();
    let policies = resources
        .iter()
        .filter(|(_, r)| r["Type"] == "AWS::IAM::ManagedPolicy");
    for (name, _) in policies {
        assert!(!may(name), "{name}");
    }
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
