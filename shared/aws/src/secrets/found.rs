//! Secrets that nobody has told us of.

use async_trait::async_trait;
use aws_sdk_secretsmanager::types::SecretListEntry;
use keyward_core::model::key::ApiKey;
use keyward_core::model::names::SecretArn;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{
    FoundSecret, ListError, ListPage, PageToken, SecretFinder, VersionSelector,
};

use super::lists::{PAGE, moment, named};
use super::{NOT_FOUND, SecretsManager};
use crate::fault::examine;

#[async_trait]
impl SecretFinder for SecretsManager {
    async fn found(&self, after: Option<&PageToken>) -> Result<ListPage<FoundSecret>, ListError> {
        let request = self.client.list_secrets().max_results(PAGE);
        let page = request
            .set_next_token(after.map(|token| token.0.clone()))
            .send()
            .await
            .map_err(|error| examine("ListSecrets", &error).of_list())?;
        let entries = page.secret_list.unwrap_or_default().into_iter();
        Ok(ListPage {
            items: entries.map(found).collect::<Result<_, _>>()?,
            next: page.next_token.map(PageToken),
        })
    }

    /// A secret that never got a value has no version under AWSCURRENT.
    async fn text(&self, secret: &SecretArn) -> Result<Option<ApiKey>, ListError> {
        match self.get(secret, VersionSelector::Current).await {
            Ok(answer) => Ok(answer.secret_string.as_deref().map(ApiKey::new)),
            Err(failure) if failure.code() == NOT_FOUND => Ok(None),
            Err(failure) => Err(failure.of_list()),
        }
    }
}

/// A secret that cannot be named fails the page: it would be missing in the list.
fn found(entry: SecretListEntry) -> Result<FoundSecret, ListError> {
    let text = |text: Option<String>| OutsideText::new(&text.unwrap_or_default());
    let tags = entry.tags.unwrap_or_default().into_iter();
    Ok(FoundSecret {
        arn: named(entry.arn)?,
        name: text(entry.name),
        description: text(entry.description),
        tags: tags.map(|tag| (text(tag.key), text(tag.value))).collect(),
        rotates: entry.rotation_enabled.unwrap_or(false),
        created: entry.created_date.and_then(moment),
        last_read: entry.last_accessed_date.and_then(moment),
        deleted: entry.deleted_date.and_then(moment),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::recorded::{Answer, Recorded};

    const ARN: &str = "arn:aws:secretsmanager:us-east-1:111122223333:secret:llm/bot-a1B2c3";

    fn secrets(answers: impl IntoIterator<Item = Answer>) -> SecretsManager {
        SecretsManager::new(&Recorded::new(answers).config())
    }

    #[tokio::test]
    async fn what_people_wrote_beside_a_secret_is_read() {
        let page = json!({"SecretList": [{
            "ARN": ARN, "Name": "llm/bot", "Description": "OpenAI\nkey",
            "Tags": [{"Key": "team", "Value": "search"}], "LastAccessedDate": 1_790_000_000,
        }], "NextToken": "more"});
        let page = secrets([Answer::ok(&page)]).found(None).await.unwrap();
        let secret = &page.items[0];
        assert_eq!(secret.name.as_str(), "llm/bot");
        assert_eq!(secret.description.as_str(), "OpenAI key", "on one line");
        assert_eq!(secret.tags[0].1.as_str(), "search");
        assert!(secret.last_read.is_some() && !secret.rotates);
        assert!(page.next.is_some());
        let nameless = Answer::ok(&json!({"SecretList": [{"Name": "x"}]}));
        assert!(secrets([nameless]).found(None).await.is_err());
    }

    #[tokio::test]
    async fn no_value_is_not_the_same_as_one_that_was_not_read() {
        let arn: SecretArn = ARN.parse().unwrap();
        let value = json!({"ARN": ARN, "SecretString": " sk-EXAMPLE "});
        let binary = json!({"ARN": ARN, "SecretBinary": "AAAA"});
        for (answer, has) in [
            (
                Answer::ok(&value),
                Some(ApiKey::new("sk-EXAMPLE").fingerprint()),
            ),
            (Answer::ok(&binary), None),
            (Answer::error(400, NOT_FOUND, "no value"), None),
        ] {
            let read = secrets([answer]).text(&arn).await.unwrap();
            assert_eq!(read.map(|key| key.fingerprint()), has);
        }
        let denied = Answer::error(400, "AccessDeniedException", "not you");
        assert!(secrets([denied]).text(&arn).await.is_err());
    }
}
