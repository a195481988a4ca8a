//! All secrets, as an audit reads them: no value among it.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_secretsmanager::primitives::DateTime;
use aws_sdk_secretsmanager::types::{SecretListEntry, Tag};
use jiff::Timestamp;
use keyward_core::model::names::{SecretArn, SecretVersionId};
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{
    ListError, ListPage, ListedSecret, PageToken, SecretLists, Stage, TAG_SLOT,
};

use super::{NOT_FOUND, SecretsManager};
use crate::fault::examine;

/// The most that a page may hold:
/// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ListSecrets.html>.
pub(super) const PAGE: i32 = 100;

#[async_trait]
impl SecretLists for SecretsManager {
    async fn secrets(
        &self,
        after: Option<&PageToken>,
    ) -> Result<ListPage<ListedSecret>, ListError> {
        // One account after the other: slots' secrets may lie in any that there is a role for.
        let (at, token) = after.map_or((0, None), account_and_page);
        let mut clients = std::iter::once(&self.client).chain(self.others.all());
        let client = clients.nth(at).ok_or_else(|| {
            ListError::Refused(OutsideText::new("the page is of no list of secrets"))
        })?;
        let request = client.list_secrets().include_planned_deletion(true);
        let page = request
            .max_results(PAGE)
            .set_next_token(token)
            .send()
            .await
            .map_err(|error| examine("ListSecrets", &error).of_list())?;
        let entries = page.secret_list.unwrap_or_default().into_iter();
        Ok(ListPage {
            items: entries.map(listed).collect::<Result<_, _>>()?,
            next: match (page.next_token, clients.next()) {
                (Some(token), _) => Some(PageToken(format!("{at} {token}"))),
                (None, Some(_)) => Some(PageToken(format!("{} ", at + 1))),
                (None, None) => None,
            },
        })
    }

    async fn secret(&self, secret: &SecretArn) -> Result<Option<ListedSecret>, ListError> {
        let arn = secret.as_str();
        let request = self.of(arn).describe_secret().secret_id(arn);
        match request.send().await {
            Ok(answer) => described(answer).map(Some),
            Err(error) => match examine("DescribeSecret", &error) {
                failure if failure.code() == NOT_FOUND => Ok(None),
                failure => Err(failure.of_list()),
            },
        }
    }

    async fn policy(&self, secret: &SecretArn) -> Result<Option<String>, ListError> {
        let arn = secret.as_str();
        let request = self.of(arn).get_resource_policy().secret_id(arn);
        match request.send().await {
            Ok(answer) => Ok(answer.resource_policy),
            Err(error) => match examine("GetResourcePolicy", &error) {
                failure if failure.code() == NOT_FOUND => Ok(None),
                failure => Err(failure.of_list()),
            },
        }
    }
}

/// Which of the accounts a page is of, and the page in Secrets Manager's own words; `None` for the first.
fn account_and_page(token: &PageToken) -> (usize, Option<String>) {
    let (at, page) = token.0.split_once(' ').unwrap_or_default();
    let page = (!page.is_empty()).then(|| page.to_owned());
    (at.parse().unwrap_or(usize::MAX), page)
}

/// A secret that cannot be named fails the page: it would be missing in the list.
fn listed(entry: SecretListEntry) -> Result<ListedSecret, ListError> {
    let stages = entry.secret_versions_to_stages.unwrap_or_default();
    Ok(ListedSecret {
        arn: named(entry.arn)?,
        rotates: entry.rotation_enabled.unwrap_or(false),
        created: entry.created_date.and_then(moment),
        last_rotated: entry.last_rotated_date.and_then(moment),
        next_rotation: entry.next_rotation_date.and_then(moment),
        deleted: entry.deleted_date.and_then(moment),
        slot: slot_tag(entry.tags.unwrap_or_default()),
        current: holder(&stages, &Stage::Current),
        pending: holder(&stages, &Stage::Pending),
    })
}

fn described(answer: DescribeSecretOutput) -> Result<ListedSecret, ListError> {
    let stages = answer.version_ids_to_stages.unwrap_or_default();
    Ok(ListedSecret {
        arn: named(answer.arn)?,
        rotates: answer.rotation_enabled.unwrap_or(false),
        created: answer.created_date.and_then(moment),
        last_rotated: answer.last_rotated_date.and_then(moment),
        next_rotation: answer.next_rotation_date.and_then(moment),
        deleted: answer.deleted_date.and_then(moment),
        slot: slot_tag(answer.tags.unwrap_or_default()),
        current: holder(&stages, &Stage::Current),
        pending: holder(&stages, &Stage::Pending),
    })
}

pub(super) fn named(arn: Option<String>) -> Result<SecretArn, ListError> {
    let arn = arn.unwrap_or_default().parse();
    arn.map_err(|_| ListError::Refused(OutsideText::new("a secret's ARN cannot be read")))
}

fn slot_tag(tags: Vec<Tag>) -> Option<OutsideText> {
    let tag = tags.into_iter().find(|tag| tag.key() == Some(TAG_SLOT))?;
    tag.value().map(OutsideText::new)
}

fn holder(stages: &HashMap<String, Vec<String>>, stage: &Stage) -> Option<SecretVersionId> {
    let label = stage.to_string();
    let mut holders = stages.iter().filter(|(_, labels)| labels.contains(&label));
    holders.next().and_then(|(version, _)| version.parse().ok())
}

pub(crate) fn moment(time: DateTime) -> Option<Timestamp> {
    let nanos = i32::try_from(time.subsec_nanos()).ok()?;
    Timestamp::new(time.secs(), nanos).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::recorded::{Answer, Recorded};

    const ARN: &str = "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/bot-a1B2c3";
    const VERSION: &str = "11111111-aaaa-4bbb-8ccc-000000000001";

    fn secrets(answers: impl IntoIterator<Item = Answer>) -> (SecretsManager, Recorded) {
        let recorded = Recorded::new(answers);
        (SecretsManager::new(&recorded.config()), recorded)
    }

    #[tokio::test]
    async fn a_page_is_read_and_leads_to_the_next() {
        let page = json!({
            "SecretList": [{
                "ARN": ARN, "RotationEnabled": true, "CreatedDate": 1_780_000_000.5,
                "LastRotatedDate": 1_787_000_000, "NextRotationDate": 1_790_000_000,
                "Tags": [{"Key": "keyward:slot", "Value": "bot"}],
                "SecretVersionsToStages": {VERSION: ["AWSCURRENT", "AWSPENDING"]},
            }, {"ARN": ARN, "DeletedDate": 1_790_000_000}],
            "NextToken": "more",
        });
        let (secrets, recorded) =
            secrets([Answer::ok(&page), Answer::ok(&json!({"SecretList": []}))]);
        let page = secrets.secrets(None).await.unwrap();
        let [first, second] = &page.items[..] else {
            panic!("{page:?}");
        };
        let at = |second| Timestamp::from_second(second).ok();
        assert_eq!(
            (first.rotates, first.next_rotation),
            (true, at(1_790_000_000))
        );
        assert_eq!(first.slot.as_ref().unwrap().as_str(), "bot");
        assert_eq!(first.current.as_ref().unwrap().as_str(), VERSION);
        assert_eq!(first.current, first.pending);
        assert_eq!((second.rotates, second.deleted), (false, at(1_790_000_000)));
        let last = secrets.secrets(page.next.as_ref()).await.unwrap();
        assert!(last.items.is_empty() && last.next.is_none());
        let sent = recorded.sent();
        assert_eq!(sent[1].body["NextToken"], "more");
        assert_eq!(sent[0].body["IncludePlannedDeletion"], true);
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_no_empty_list() {
        let nameless = json!({"SecretList": [{"RotationEnabled": true}]});
        for (answer, retryable) in [
            (Answer::error(400, "ThrottlingException", "slow down"), true),
            (
                Answer::error(400, "AccessDeniedException", "not you"),
                false,
            ),
            (Answer::ok(&nameless), false),
        ] {
            let (secrets, _) = secrets([answer]);
            let error = secrets.secrets(None).await.unwrap_err();
            assert_eq!(error.is_retryable(), retryable, "{error}");
        }
    }

    #[tokio::test]
    async fn secrets_of_other_accounts_are_listed_after_those_of_this_one() {
        let recorded = Recorded::new([
            Answer::ok(&json!({"SecretList": [{"ARN": ARN}], "NextToken": "more"})),
            Answer::ok(&json!({"SecretList": []})),
            Answer::ok(&json!({"SecretList": [{"ARN": ARN}]})),
        ]);
        let secrets = SecretsManager {
            others: super::super::roles::Others::one(&recorded.config(), "444455556666"),
            ..SecretsManager::new(&recorded.config())
        };
        let mut at = None;
        let mut counts = Vec::new();
        loop {
            let page = secrets.secrets(at.as_ref()).await.unwrap();
            counts.push(page.items.len());
            at = page.next;
            if at.is_none() {
                break;
            }
        }
        assert_eq!(counts, [1, 0, 1]);
        let tokens: Vec<Value> = recorded
            .sent()
            .iter()
            .map(|sent| sent.body["NextToken"].clone())
            .collect();
        assert_eq!(tokens, [Value::Null, json!("more"), Value::Null]);
        let beyond = PageToken("7 ".to_owned());
        assert!(secrets.secrets(Some(&beyond)).await.is_err());
    }

    #[tokio::test]
    async fn one_secret_is_read_as_it_is_now() {
        let arn: SecretArn = ARN.parse().unwrap();
        let answer = json!({
            "ARN": ARN, "RotationEnabled": true, "NextRotationDate": 1_790_000_000,
            "Tags": [{"Key": "keyward:slot", "Value": "bot"}],
            "VersionIdsToStages": {VERSION: ["AWSCURRENT"]},
        });
        let (secrets, recorded) = secrets([
            Answer::ok(&answer),
            Answer::error(400, NOT_FOUND, "no such secret"),
            Answer::error(400, "AccessDeniedException", "not you"),
        ]);
        let found = secrets.secret(&arn).await.unwrap().unwrap();
        assert_eq!((found.arn, found.rotates), (arn.clone(), true));
        assert_eq!(
            found.next_rotation,
            Timestamp::from_second(1_790_000_000).ok()
        );
        assert_eq!(found.slot.unwrap().as_str(), "bot");
        assert_eq!(found.current.unwrap().as_str(), VERSION);
        assert_eq!(secrets.secret(&arn).await.unwrap(), None);
        assert!(
            secrets.secret(&arn).await.is_err(),
            "not permitted is not gone"
        );
        assert_eq!(recorded.sent()[0].body["SecretId"], ARN);
    }

    #[tokio::test]
    async fn a_secret_without_a_policy_has_none() {
        let none = json!({"ARN": ARN});
        let some = json!({"ARN": ARN, "ResourcePolicy": "{}"});
        let arn: SecretArn = ARN.parse().unwrap();
        for (answer, policy) in [
            (Answer::ok(&none), None),
            (Answer::ok(&some), Some("{}".to_owned())),
            (Answer::error(400, NOT_FOUND, "no such secret"), None),
        ] {
            let (secrets, _) = secrets([answer]);
            assert_eq!(secrets.policy(&arn).await.unwrap(), policy);
        }
        let (secrets, _) = secrets([Answer::error(400, "AccessDeniedException", "not you")]);
        assert!(
            secrets.policy(&arn).await.is_err(),
            "not permitted is not none"
        );
    }
}
