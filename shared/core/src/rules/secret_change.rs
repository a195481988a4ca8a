//! Changes to a secret that Keyward did not make: what CloudTrail's record of a call says, and whose call it was.
//!
//! The records come by EventBridge, as `AWS API Call via CloudTrail`:
//! <https://docs.aws.amazon.com/secretsmanager/latest/userguide/monitoring-eventbridge.html>. Their fields:
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html>. Events whose
//! source begins with `aws.` are AWS's own: nobody else can put one on a bus
//! (<https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsRequestEntry.html>). The ARN in an answer is called
//! `arn`, or `aRN` (<https://repost.aws/knowledge-center/secrets-manager-arn>).

use jiff::Timestamp;
use serde_json::Value;

use crate::model::act::CallerArn;
use crate::model::key_like;
use crate::model::text::OutsideText;

/// What EventBridge calls such a record.
pub const DETAIL_TYPE: &str = "AWS API Call via CloudTrail";

/// Where it comes from.
pub const SOURCE: &str = "aws.secretsmanager";

/// A call that changes what agents fetch, who may fetch it, or whether it is rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// The secret goes: agents cannot fetch their key any more.
    Delete,
    /// A deletion is taken back.
    Restore,
    /// Rotation is off.
    CancelRotation,
    /// Another value can be fetched, or another version is the one that is.
    Value,
    /// Who may read it is said anew.
    Policy,
}

impl Change {
    /// The calls, by the names that CloudTrail has for them. What `UpdateSecret` and `UpdateSecretVersionStage` do is what
    /// `PutSecretValue` does.
    pub const CALLS: [(&str, Self); 8] = [
        ("DeleteSecret", Self::Delete),
        ("RestoreSecret", Self::Restore),
        ("CancelRotateSecret", Self::CancelRotation),
        ("PutSecretValue", Self::Value),
        ("UpdateSecret", Self::Value),
        ("UpdateSecretVersionStage", Self::Value),
        ("PutResourcePolicy", Self::Policy),
        ("DeleteResourcePolicy", Self::Policy),
    ];

    fn of(call: &str) -> Option<Self> {
        let mut calls = Self::CALLS.iter();
        calls
            .find(|(name, _)| *name == call)
            .map(|(_, change)| *change)
    }

    /// What was done, for people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Delete => "was deleted",
            Self::Restore => "was brought back from its deletion",
            Self::CancelRotation => "is not rotated any more",
            Self::Value => "was changed, so that another value may be fetched",
            Self::Policy => "may be read by others than before",
        }
    }
}

/// A call that changed a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretChange {
    /// What it did.
    pub change: Change,
    /// The secret: the ARN of the answer where there is one, else the ARN or name that was asked for.
    pub secret: String,
    /// Who called.
    pub by: CallerArn,
    /// The role of the session that called; `None` for a user, the root user or a service of AWS.
    pub role: Option<String>,
    /// From where.
    pub from: OutsideText,
    /// When.
    pub at: Timestamp,
}

/// What a record is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A change that was made.
    Changed(SecretChange),
    /// A call that failed, or one that changes nothing that matters here.
    Nothing,
}

/// Why a record cannot be read. Nothing of it is quoted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is no such record.
    #[error("the event is no record of CloudTrail about Secrets Manager")]
    Other,
    /// It is another account's.
    #[error("the event is another account's")]
    Account,
    /// It lacks a field, or has it in another form.
    #[error("the record of CloudTrail has no {0} that can be read")]
    Field(&'static str),
}

/// Longest name of a secret, and of its ARN, with room to spare:
/// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html>.
const LONGEST_SECRET: usize = 2048;

/// Reads an event as EventBridge hands it on.
///
/// # Errors
/// [`Unreadable`]: something may have been changed, and it is not known what.
pub fn read(event: &Value, account: &str) -> Result<Record, Unreadable> {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
    let is_one = text("/source") == Some(SOURCE) && text("/detail-type") == Some(DETAIL_TYPE);
    if !is_one || text("/detail/eventSource") != Some("secretsmanager.amazonaws.com") {
        return Err(Unreadable::Other);
    }
    if text("/account") != Some(account) {
        return Err(Unreadable::Account);
    }
    let call = text("/detail/eventName").ok_or(Unreadable::Field("eventName"))?;
    let Some(change) = Change::of(call) else {
        return Ok(Record::Nothing);
    };
    if text("/detail/errorCode").is_some() {
        return Ok(Record::Nothing);
    }
    let answered = text("/detail/responseElements/arn").or(text("/detail/responseElements/aRN"));
    let secret = answered.or(text("/detail/requestParameters/secretId"));
    let fits = |secret: &&str| !secret.is_empty() && secret.len() <= LONGEST_SECRET;
    let secret = secret.filter(fits).ok_or(Unreadable::Field("secretId"))?;
    let at = text("/detail/eventTime").and_then(|at| at.parse().ok());
    Ok(Record::Changed(SecretChange {
        change,
        secret: secret.to_owned(),
        by: CallerArn::new(&caller(event)),
        role: text("/detail/userIdentity/sessionContext/sessionIssuer/arn").map(str::to_owned),
        from: shown(text("/detail/sourceIPAddress").unwrap_or("an unknown address")),
        at: at.ok_or(Unreadable::Field("eventTime"))?,
    }))
}

/// A user's or session's ARN; a service's name; else what kind of caller it was.
fn caller(event: &Value) -> String {
    let of = |name: &str| {
        let identity = event.pointer("/detail/userIdentity");
        identity.and_then(|it| it.get(name)).and_then(Value::as_str)
    };
    let named = of("arn").or(of("invokedBy")).or(of("principalId"));
    named.or(of("type")).unwrap_or("somebody").to_owned()
}

fn shown(text: &str) -> OutsideText {
    match key_like::words(text).any(key_like::may_be_a_key) {
        true => OutsideText::new("?"),
        false => OutsideText::new(text),
    }
}

/// Whether the call was made by one of these roles, which are the deployment's own functions'.
pub fn is_own(change: &SecretChange, own: &[String]) -> bool {
    let role = change.role.as_ref();
    role.is_some_and(|role| own.contains(role))
}

#[cfg(test)]
mod tests;
