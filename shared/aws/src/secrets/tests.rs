use serde_json::{Value, json};

use super::*;
use crate::recorded::{Answer, Recorded};

const ARN: &str = "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/a-b1C2d3";
const TEXT: &str = "sk-or-v1-EXAMPLE-text";
const ROTATION_TOKEN: &str = "EXAMPLE-rotation-token-EXAMPLE-rotation-token";

fn arn() -> SecretArn {
    ARN.parse().unwrap()
}

fn id(n: u32) -> SecretVersionId {
    format!("11111111-aaaa-4bbb-8ccc-{n:012}").parse().unwrap()
}

/// An answer of DescribeSecret: which versions carry which labels.
fn labels(stages: &[(u32, &[&str])]) -> Answer {
    let stages: serde_json::Map<String, Value> = stages
        .iter()
        .map(|(n, labels)| (id(*n).to_string(), json!(labels)))
        .collect();
    Answer::ok(&json!({"ARN": ARN, "Name": "llm/a", "VersionIdsToStages": stages}))
}

fn store(answers: impl IntoIterator<Item = Answer>) -> (SecretsManager, Recorded) {
    let recorded = Recorded::new(answers);
    (SecretsManager::new(&recorded.config()), recorded)
}

async fn put(store: &SecretsManager) -> Result<(), SecretError> {
    let token = RotationToken::new(ROTATION_TOKEN.to_owned());
    let text = SecretText::new(TEXT.to_owned());
    store.put_pending(&arn(), &id(2), Some(&token), &text).await
}

/// The name of an error's variant, with what the caller decides by.
fn kind(error: &SecretError) -> &'static str {
    match error {
        SecretError::NotFound(_) => "not found",
        SecretError::Binary => "binary",
        SecretError::TokenTaken(_) => "token taken",
        SecretError::VersionQuota => "quota",
        SecretError::Moved => "moved",
        SecretError::RotationUnfinished => "unfinished",
        SecretError::Denied { kms: true } => "denied by KMS",
        SecretError::Denied { kms: false } => "denied",
        SecretError::Refused(_) => "refused",
        SecretError::Unavailable(_) => "unavailable",
    }
}

#[tokio::test]
async fn every_error_of_a_write_has_its_meaning_and_quotes_nothing() {
    let quoting =
        format!("Value '{TEXT}' at 'secretString', '{ROTATION_TOKEN}' at 'rotationToken'");
    let error = |status, code| Answer::error(status, code, &quoting);
    for (answer, expected) in [
        (error(400, "ResourceExistsException"), "token taken"),
        (error(400, "LimitExceededException"), "quota"),
        (error(400, "ResourceNotFoundException"), "not found"),
        (error(400, "EncryptionFailure"), "denied by KMS"),
        (error(400, "DecryptionFailure"), "denied by KMS"),
        (error(400, "InvalidRequestException"), "refused"),
        (error(400, "ValidationException"), "refused"),
        (error(400, "ThrottlingException"), "unavailable"),
        (error(400, "ExpiredTokenException"), "unavailable"),
        (error(500, "InternalServiceError"), "unavailable"),
        (error(400, "InternalServiceError"), "unavailable"),
        (error(503, "Unheard"), "unavailable"),
        (error(429, "Unheard"), "unavailable"),
        (Answer::Body(403, format!("<html>{TEXT}")), "unavailable"),
        (Answer::Body(502, format!("<html>{TEXT}")), "unavailable"),
        (Answer::Body(200, format!("{{{TEXT}")), "unavailable"),
        (Answer::TimedOut, "unavailable"),
    ] {
        let (store, _) = store([answer.clone()]);
        let error = put(&store).await.unwrap_err();
        assert_eq!(kind(&error), expected, "{answer:?}");
        let mut shown = format!("{error} {error:?}");
        let mut next = std::error::Error::source(&error);
        while let Some(cause) = next {
            shown.push_str(&format!(" {cause} {cause:?}"));
            next = cause.source();
        }
        assert!(!shown.contains("EXAMPLE"), "{shown}");
    }
}

#[tokio::test]
async fn kms_is_told_apart_from_secrets_manager_itself() {
    for (message, expected) in [
        ("Access to KMS is not allowed", "denied by KMS"),
        (
            "User: arn:aws:sts::1:x is not authorized to perform: secretsmanager:GetSecretValue",
            "denied",
        ),
    ] {
        let (store, _) = store([Answer::error(400, "AccessDeniedException", message)]);
        let error = store.value(&arn(), VersionSelector::Current).await;
        assert_eq!(kind(&error.unwrap_err()), expected);
    }
}

#[tokio::test]
async fn a_pending_value_is_sent_with_its_token_and_one_label() {
    let (store, recorded) = store([Answer::ok(&json!({}))]);
    put(&store).await.unwrap();
    let sent = recorded.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].operation, "PutSecretValue");
    assert_eq!(
        sent[0].body,
        json!({
            "SecretId": ARN,
            "ClientRequestToken": id(2),
            "SecretString": TEXT,
            "VersionStages": ["AWSPENDING"],
            "RotationToken": ROTATION_TOKEN,
        })
    );
}

#[tokio::test]
async fn a_version_without_a_value_is_told_apart_from_a_secret_that_is_gone() {
    let missing = || Answer::error(400, "ResourceNotFoundException", "can't find");
    let (found, _) = store([missing(), labels(&[(2, &["AWSPENDING"])])]);
    let value = found.value(&arn(), VersionSelector::Id(&id(2))).await;
    assert!(value.unwrap().is_none());
    let (gone, _) = store([missing(), missing()]);
    let value = gone.value(&arn(), VersionSelector::Current).await;
    assert_eq!(kind(&value.unwrap_err()), "not found");
}

#[tokio::test]
async fn a_refused_promotion_is_judged_by_where_the_labels_are() {
    let refused = || Answer::error(400, "InvalidParameterException", "");
    for (name, now, expected) in [
        ("it was done before", labels(&[(2, &["AWSCURRENT"])]), None),
        (
            "it moved on",
            labels(&[(3, &["AWSCURRENT"])]),
            Some("moved"),
        ),
        ("nothing is current", labels(&[]), Some("moved")),
        (
            "another reason",
            labels(&[(1, &["AWSCURRENT"])]),
            Some("refused"),
        ),
    ] {
        let (store, _) = store([refused(), now]);
        let result = store.promote(&arn(), &id(2), Some(&id(1))).await;
        assert_eq!(result.as_ref().err().map(kind), expected, "{name}");
    }
    let (store, recorded) = store([Answer::error(400, "ThrottlingException", "")]);
    let result = store.promote(&arn(), &id(2), Some(&id(1))).await;
    assert_eq!(kind(&result.unwrap_err()), "unavailable");
    assert_eq!(recorded.sent().len(), 1);
}

#[tokio::test]
async fn a_label_that_is_gone_is_as_good_as_taken_off() {
    for (code, now, expected) in [
        (
            "InvalidParameterException",
            labels(&[(3, &["AWSPENDING"])]),
            None,
        ),
        ("ResourceNotFoundException", labels(&[]), None),
        (
            "InvalidRequestException",
            labels(&[(2, &["AWSPENDING"])]),
            Some("refused"),
        ),
    ] {
        let (store, _) = store([Answer::error(400, code, ""), now]);
        let result = store.unstage_pending(&arn(), &id(2)).await;
        assert_eq!(result.as_ref().err().map(kind), expected, "{code}");
    }
}

#[tokio::test]
async fn a_refused_rotation_is_judged_by_where_the_labels_are() {
    let refused = || Answer::error(400, "InvalidRequestException", "");
    for (name, now, expected) in [
        (
            "another is unfinished",
            labels(&[(1, &["AWSCURRENT"]), (2, &["AWSPENDING"])]),
            Some("unfinished"),
        ),
        (
            "this one was started before",
            labels(&[(1, &["AWSCURRENT"]), (3, &["AWSPENDING"])]),
            None,
        ),
        (
            "the secret cannot be rotated",
            labels(&[(1, &["AWSCURRENT", "AWSPENDING"])]),
            Some("refused"),
        ),
    ] {
        let (store, recorded) = store([refused(), now]);
        let result = store.rotate_now(&arn(), &id(3)).await;
        assert_eq!(result.as_ref().err().map(kind), expected, "{name}");
        assert_eq!(
            recorded.sent()[0].body["ClientRequestToken"],
            id(3).as_str()
        );
    }
}

#[tokio::test]
async fn labels_that_cannot_be_read_are_not_passed_over() {
    let answer = json!({"ARN": ARN, "VersionIdsToStages": {"short": ["AWSCURRENT"]}});
    let (store, _) = store([Answer::ok(&answer)]);
    let error = store.describe(ARN).await.unwrap_err();
    assert_eq!(kind(&error), "refused");
}

#[tokio::test]
async fn a_tag_finds_the_secrets_that_name_the_slot_and_no_others() {
    let secret =
        |arn: &str, slot: &str| json!({"ARN": arn, "Tags": [{"Key": TAG_SLOT, "Value": slot}]});
    let other = ARN.replace("llm/a", "llm/b");
    let (store, recorded) = store([
        Answer::ok(&json!({"SecretList": [secret(&other, "chat-eu-2")], "NextToken": "next"})),
        Answer::ok(&json!({"SecretList": [secret(ARN, "chat-eu")]})),
    ]);
    let slot = "chat-eu".parse().unwrap();
    assert_eq!(store.tagged(&slot).await.unwrap(), [arn()]);
    let sent = recorded.sent();
    let filters = json!([
        {"Key": "tag-key", "Values": [TAG_SLOT]},
        {"Key": "tag-value", "Values": ["chat-eu"]},
    ]);
    assert_eq!(sent[0].body["Filters"], filters);
    assert_eq!(sent[1].body["NextToken"], "next");
}
