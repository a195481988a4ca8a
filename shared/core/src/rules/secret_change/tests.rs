use serde_json::json;

use super::*;

const ACCOUNT: &str = "111122223333";
const ARN: &str = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:llm/search-bot-a1B2c3";
const RETIRE: &str = "arn:aws:iam::111122223333:role/keyward-retire";

/// A record as CloudTrail writes it of a session's call.
fn event(call: &str) -> Value {
    json!({
        "version": "0", "id": "e1506fd5-9e7b-434f-bd42-4f8fa224b599",
        "detail-type": DETAIL_TYPE, "source": SOURCE, "account": ACCOUNT,
        "time": "2026-11-28T09:12:18Z", "region": "eu-central-1", "resources": [],
        "detail": {
            "eventVersion": "1.08",
            "userIdentity": {
                "type": "AssumedRole", "principalId": "AROAEXAMPLE:ana",
                "arn": "arn:aws:sts::111122223333:assumed-role/admins/ana", "accountId": ACCOUNT,
                "sessionContext": {"sessionIssuer": {
                    "type": "Role", "arn": "arn:aws:iam::111122223333:role/admins", "userName": "admins",
                }},
            },
            "eventTime": "2026-11-28T09:12:17Z", "eventSource": "secretsmanager.amazonaws.com",
            "eventName": call, "awsRegion": "eu-central-1", "sourceIPAddress": "198.51.100.7",
            "requestParameters": {"secretId": "llm/search-bot"},
            "responseElements": {"arn": ARN},
        },
    })
}

fn changed(event: &Value) -> SecretChange {
    match read(event, ACCOUNT) {
        Ok(Record::Changed(change)) => change,
        other => panic!("{other:?}: {event}"),
    }
}

#[test]
fn each_call_that_matters_is_read_with_who_made_it() {
    for (call, expected) in Change::CALLS {
        let change = changed(&event(call));
        assert_eq!(change.change, expected, "{call}");
        assert_eq!(change.secret, ARN);
        assert_eq!(
            change.by.as_str(),
            "arn:aws:sts::111122223333:assumed-role/admins/ana"
        );
        assert_eq!(change.from.as_str(), "198.51.100.7");
        assert_eq!(change.at, "2026-11-28T09:12:17Z".parse().unwrap());
    }
    for call in [
        "GetSecretValue",
        "TagResource",
        "RotateSecret",
        "DescribeSecret",
    ] {
        assert_eq!(read(&event(call), ACCOUNT), Ok(Record::Nothing), "{call}");
    }
    let mut failed = event("DeleteSecret");
    failed["detail"]["errorCode"] = json!("AccessDenied");
    assert_eq!(read(&failed, ACCOUNT), Ok(Record::Nothing));
}

/// Not every call answers with the ARN, and not every caller is a session.
#[test]
fn what_a_record_lacks_is_taken_from_elsewhere_or_told() {
    let mut bare = event("CancelRotateSecret");
    bare["detail"]["responseElements"] = Value::Null;
    bare["detail"]["userIdentity"] =
        json!({"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/ben"});
    let change = changed(&bare);
    assert_eq!(change.secret, "llm/search-bot");
    assert_eq!(
        (change.by.as_str(), change.role),
        ("arn:aws:iam::111122223333:user/ben", None)
    );
    bare["detail"]["userIdentity"] =
        json!({"type": "AWSService", "invokedBy": "cloudformation.amazonaws.com"});
    assert_eq!(changed(&bare).by.as_str(), "cloudformation.amazonaws.com");
    bare["detail"]["userIdentity"] = Value::Null;
    assert_eq!(changed(&bare).by.as_str(), "somebody");
    for (pointer, field) in [
        ("/detail/requestParameters/secretId", "secretId"),
        ("/detail/eventTime", "eventTime"),
        ("/detail/eventName", "eventName"),
    ] {
        let mut less = event("DeleteSecret");
        less["detail"]["responseElements"] = Value::Null;
        *less.pointer_mut(pointer).unwrap() = Value::Null;
        assert_eq!(read(&less, ACCOUNT), Err(Unreadable::Field(field)));
    }
}

#[test]
fn events_of_others_are_refused() {
    for (pointer, value, why) in [
        ("/source", "com.example", Unreadable::Other),
        ("/detail-type", "Offboarding", Unreadable::Other),
        (
            "/detail/eventSource",
            "iam.amazonaws.com",
            Unreadable::Other,
        ),
        ("/account", "444455556666", Unreadable::Account),
    ] {
        let mut forged = event("DeleteSecret");
        *forged.pointer_mut(pointer).unwrap() = json!(value);
        assert_eq!(read(&forged, ACCOUNT), Err(why), "{pointer}");
    }
    assert_eq!(read(&Value::Null, ACCOUNT), Err(Unreadable::Other));
}

/// A role is told by its ARN: a session can be called as its holder likes.
#[test]
fn only_the_deployments_roles_are_its_own() {
    let own = [RETIRE.to_owned()];
    let mut by = event("PutSecretValue");
    assert!(!is_own(&changed(&by), &own));
    by["detail"]["userIdentity"]["arn"] =
        json!("arn:aws:sts::111122223333:assumed-role/admins/keyward-retire");
    assert!(!is_own(&changed(&by), &own));
    by["detail"]["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"] = json!(RETIRE);
    assert!(is_own(&changed(&by), &own));
    assert!(!is_own(&changed(&by), &[]));
}
