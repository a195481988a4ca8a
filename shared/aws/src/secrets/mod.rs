//! Secrets Manager.

mod found;
mod lists;
mod roles;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType, RotationRulesType, Tag};
use futures::future::try_join_all;
use jiff::Timestamp;
use keyward_core::model::admin_document::AdminDocument;
use keyward_core::model::key::AdminKey;
use keyward_core::model::names::{SecretArn, SecretVersionId, SlotName};
use keyward_core::model::secret_document::SecretText;
use keyward_core::ports::{
    RotationToken, SecretDescription, SecretError, SecretStore, Stage, TAG_SLOT, VersionSelector,
};
use secrecy::ExposeSecret;

use crate::fault::{Failure, examine};
pub(crate) use lists::moment;
use roles::Others;
pub use roles::{SecretRoles, SecretRolesError};

/// Secrets in Secrets Manager.
#[derive(Debug, Clone)]
pub struct SecretsManager {
    client: Client,
    others: Others,
}

/// What AWS answers when a parameter does not fit the secret as it is, among them a label that is not where the
/// request says: <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html>.
const BAD_PARAMETER: &str = "InvalidParameterException";

/// What AWS answers when the secret's state does not allow the request, among them an unfinished rotation:
/// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html>.
const BAD_REQUEST: &str = "InvalidRequestException";

pub(crate) const NOT_FOUND: &str = "ResourceNotFoundException";

impl SecretsManager {
    /// Secrets of the account and region of `config`.
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            client: Client::new(config),
            others: Others::default(),
        }
    }

    /// The same, and secrets of other accounts by a role of each. Nothing is asked until one is used.
    #[must_use]
    pub async fn with_roles(self, config: &SdkConfig, roles: &SecretRoles) -> Self {
        let others = Others::new(config, roles).await;
        Self { others, ..self }
    }

    /// The client for the secret with this name or ARN.
    fn of(&self, id: &str) -> &Client {
        self.others.of(id).unwrap_or(&self.client)
    }

    /// The admin credential in the current version of secret `arn`: the whole text, or the field `api_key` or
    /// `admin_key` of a JSON object. The key file of a Google service account is a credential as a whole:
    /// <https://docs.cloud.google.com/iam/docs/keys-create-delete>.
    ///
    /// # Errors
    /// [`SecretError::NotFound`] too if the secret has no value.
    pub async fn admin_key(&self, arn: &SecretArn) -> Result<AdminKey, SecretError> {
        let answer = self.get(arn, VersionSelector::Current).await;
        let answer = answer.map_err(|failure| failed(failure, arn.as_str()))?;
        let document = AdminDocument::parse(&text_of(answer)?.1)
            .map_err(|error| SecretError::Refused(error.to_string()))?;
        Ok(document.key().clone())
    }

    /// Turns rotation by `function` on, every so many days, and starts one now under `token`.
    /// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html>
    ///
    /// # Errors
    /// [`SecretError`].
    pub async fn rotate_by(
        &self,
        arn: &SecretArn,
        token: &SecretVersionId,
        function: &str,
        days: i64,
    ) -> Result<(), SecretError> {
        let rules = RotationRulesType::builder().automatically_after_days(days);
        let request = self.of(arn.as_str()).rotate_secret();
        let done = request
            .secret_id(arn.as_str())
            .client_request_token(token.as_str())
            .rotation_lambda_arn(function)
            .rotation_rules(rules.build())
            .send()
            .await;
        match done {
            Ok(_) => Ok(()),
            Err(error) => Err(failed(examine("RotateSecret", &error), arn.as_str())),
        }
    }

    async fn get(
        &self,
        arn: &SecretArn,
        version: VersionSelector<'_>,
    ) -> Result<GetSecretValueOutput, Failure> {
        let request = self
            .of(arn.as_str())
            .get_secret_value()
            .secret_id(arn.as_str());
        let request = match version {
            VersionSelector::Current => request.version_stage(Stage::Current.to_string()),
            VersionSelector::Id(id) => request.version_id(id.as_str()),
        };
        let answer = request.send().await;
        answer.map_err(|error| examine("GetSecretValue", &error))
    }

    async fn move_stage(
        &self,
        arn: &SecretArn,
        stage: &Stage,
        to: Option<&SecretVersionId>,
        from: Option<&SecretVersionId>,
    ) -> Result<(), Failure> {
        let request = self.of(arn.as_str()).update_secret_version_stage();
        let answer = request
            .secret_id(arn.as_str())
            .version_stage(stage.to_string())
            .set_move_to_version_id(to.map(ToString::to_string))
            .set_remove_from_version_id(from.map(ToString::to_string))
            .send()
            .await;
        match answer {
            Ok(_) => Ok(()),
            Err(error) => Err(examine("UpdateSecretVersionStage", &error)),
        }
    }
}

#[async_trait]
impl SecretStore for SecretsManager {
    async fn describe(&self, id: &str) -> Result<SecretDescription, SecretError> {
        let answer = self.of(id).describe_secret().secret_id(id).send().await;
        let answer = answer.map_err(|error| failed(examine("DescribeSecret", &error), id))?;
        let labelled = answer.version_ids_to_stages.unwrap_or_default();
        let stages = labelled
            .into_iter()
            .map(|(version, labels)| {
                let labels = labels.iter().map(|label| Stage::from(label.as_str()));
                Ok((version_id(version)?, labels.collect()))
            })
            .collect::<Result<_, SecretError>>()?;
        let tags = answer.tags.unwrap_or_default().into_iter();
        Ok(SecretDescription {
            arn: parsed(answer.arn)?,
            rotation_enabled: answer.rotation_enabled.unwrap_or(false),
            is_deleted: answer.deleted_date.is_some(),
            stages,
            tags: tags
                .filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default())))
                .collect(),
        })
    }

    /// Those of every account that there is a role for. One that cannot be asked may have more: then none are told.
    async fn tagged(&self, slot: &SlotName) -> Result<Vec<SecretArn>, SecretError> {
        let clients = std::iter::once(&self.client).chain(self.others.all());
        let lists = try_join_all(clients.map(|client| tagged_in(client, slot))).await?;
        Ok(lists.into_iter().flatten().collect())
    }

    async fn value(
        &self,
        arn: &SecretArn,
        version: VersionSelector<'_>,
    ) -> Result<Option<(SecretVersionId, SecretText)>, SecretError> {
        match self.get(arn, version).await {
            Ok(answer) => text_of(answer).map(Some),
            // The same code stands for a secret that is not there and for a version without a value.
            Err(failure) if failure.code() == NOT_FOUND => {
                self.describe(arn.as_str()).await.map(|_| None)
            }
            Err(failure) => Err(failed(failure, arn.as_str())),
        }
    }

    /// Where this stores the first value that the secret ever had, Secrets Manager adds AWSCURRENT by itself:
    /// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html>.
    async fn put_pending(
        &self,
        arn: &SecretArn,
        token: &SecretVersionId,
        rotation_token: Option<&RotationToken>,
        text: &SecretText,
    ) -> Result<(), SecretError> {
        let request = self.of(arn.as_str()).put_secret_value();
        let answer = request
            .secret_id(arn.as_str())
            .client_request_token(token.as_str())
            .set_rotation_token(rotation_token.map(|t| t.expose_secret().to_owned()))
            .secret_string(text.expose_secret())
            .version_stages(Stage::Pending.to_string())
            .send()
            .await;
        let Err(error) = answer else {
            return Ok(());
        };
        Err(not_put(examine("PutSecretValue", &error), arn, token))
    }

    async fn store(
        &self,
        arn: &SecretArn,
        version: &SecretVersionId,
        text: &SecretText,
    ) -> Result<(), SecretError> {
        let request = self.of(arn.as_str()).put_secret_value();
        let answer = request
            .secret_id(arn.as_str())
            .client_request_token(version.as_str())
            .secret_string(text.expose_secret())
            .send()
            .await;
        let Err(error) = answer else {
            return Ok(());
        };
        Err(not_put(examine("PutSecretValue", &error), arn, version))
    }

    async fn promote(
        &self,
        arn: &SecretArn,
        to: &SecretVersionId,
        from: Option<&SecretVersionId>,
    ) -> Result<(), SecretError> {
        let from = from.filter(|from| *from != to);
        let moved = self.move_stage(arn, &Stage::Current, Some(to), from).await;
        let Err(failure) = moved else {
            return Ok(());
        };
        if !concerns_labels(&failure) {
            return Err(failed(failure, arn.as_str()));
        }
        let now = self.describe(arn.as_str()).await?;
        if now.has(to, &Stage::Current) {
            Ok(())
        } else if now.holder(&Stage::Current) != from {
            Err(SecretError::Moved)
        } else {
            Err(failed(failure, arn.as_str()))
        }
    }

    async fn unstage_pending(
        &self,
        arn: &SecretArn,
        from: &SecretVersionId,
    ) -> Result<(), SecretError> {
        let moved = self.move_stage(arn, &Stage::Pending, None, Some(from));
        let Err(failure) = moved.await else {
            return Ok(());
        };
        if concerns_labels(&failure) {
            let now = self.describe(arn.as_str()).await?;
            if !now.has(from, &Stage::Pending) {
                return Ok(());
            }
        }
        Err(failed(failure, arn.as_str()))
    }

    async fn tag(&self, arn: &SecretArn, key: &str, value: &str) -> Result<(), SecretError> {
        let tag = Tag::builder().key(key).value(value).build();
        let request = self
            .of(arn.as_str())
            .tag_resource()
            .secret_id(arn.as_str())
            .tags(tag);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(failed(examine("TagResource", &error), arn.as_str())),
        }
    }

    async fn untag(&self, arn: &SecretArn, key: &str) -> Result<(), SecretError> {
        let request = self.of(arn.as_str()).untag_resource();
        let request = request.secret_id(arn.as_str()).tag_keys(key);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(failed(examine("UntagResource", &error), arn.as_str())),
        }
    }

    async fn rotate_now(
        &self,
        arn: &SecretArn,
        token: &SecretVersionId,
    ) -> Result<(), SecretError> {
        let request = self.of(arn.as_str()).rotate_secret();
        let request = request
            .secret_id(arn.as_str())
            .client_request_token(token.as_str());
        let Err(error) = request.send().await else {
            return Ok(());
        };
        let failure = examine("RotateSecret", &error);
        if failure.code() != BAD_REQUEST {
            return Err(failed(failure, arn.as_str()));
        }
        // The code stands for an unfinished rotation and for a secret that cannot be rotated at all: the labels tell.
        let now = self.describe(arn.as_str()).await?;
        if now.stages.contains_key(token) {
            return Ok(());
        }
        match now.holder(&Stage::Pending) {
            Some(pending) if !now.has(pending, &Stage::Current) => {
                Err(SecretError::RotationUnfinished)
            }
            _ => Err(failed(failure, arn.as_str())),
        }
    }

    async fn schedule_deletion(
        &self,
        arn: &SecretArn,
        days: u16,
    ) -> Result<Option<Timestamp>, SecretError> {
        let request = self.of(arn.as_str()).delete_secret();
        let request = request
            .secret_id(arn.as_str())
            .recovery_window_in_days(days.into());
        let failure = match request.send().await {
            Ok(answer) => return Ok(answer.deletion_date.and_then(moment)),
            Err(error) => examine("DeleteSecret", &error),
        };
        // The code stands for a secret that is scheduled already, too: its description tells.
        if failure.code() == BAD_REQUEST && self.describe(arn.as_str()).await?.is_deleted {
            return Ok(None);
        }
        Err(failed(failure, arn.as_str()))
    }
}

/// ListSecrets takes the words of a tag's value as prefixes, so what it finds is looked at again:
/// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_Filter.html>.
async fn tagged_in(client: &Client, slot: &SlotName) -> Result<Vec<SecretArn>, SecretError> {
    let filter = |key, value: &str| Filter::builder().key(key).values(value).build();
    let mut pages = client
        .list_secrets()
        .filters(filter(FilterNameStringType::TagKey, TAG_SLOT))
        .filters(filter(FilterNameStringType::TagValue, slot.as_str()))
        .into_paginator()
        .send();
    let names_it = |tag: &Tag| tag.key() == Some(TAG_SLOT) && tag.value() == Some(slot.as_str());
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| failed(examine("ListSecrets", &error), slot.as_str()))?;
        for secret in page.secret_list.unwrap_or_default() {
            if secret.tags().iter().any(names_it) {
                found.push(parsed(secret.arn)?);
            }
        }
    }
    Ok(found)
}

impl Failure {
    fn without_message(mut self) -> Self {
        self.message = Default::default();
        self
    }
}

/// What a failure to store a value means. The message can quote what was sent.
fn not_put(failure: Failure, arn: &SecretArn, version: &SecretVersionId) -> SecretError {
    match failure.code() {
        "ResourceExistsException" => SecretError::TokenTaken(version.clone()),
        "LimitExceededException" => SecretError::VersionQuota,
        _ => failed(failure.without_message(), arn.as_str()),
    }
}

/// Whether a refused move of a label can have to do with where labels stand.
fn concerns_labels(failure: &Failure) -> bool {
    matches!(failure.code(), BAD_PARAMETER | BAD_REQUEST | NOT_FOUND)
}

/// What a failure means wherever the operation gives it no meaning of its own.
fn failed(failure: Failure, id: &str) -> SecretError {
    match failure.code() {
        NOT_FOUND => SecretError::NotFound(id.to_owned()),
        "DecryptionFailure" | "EncryptionFailure" => SecretError::Denied { kms: true },
        // Secrets Manager has one code for its own refusal and for that of KMS; the words only choose the advice.
        _ if failure.is_denied() => SecretError::Denied {
            kms: failure.message.as_str().contains("KMS"),
        },
        _ if failure.is_transient => SecretError::Unavailable(failure.fault.into()),
        _ if failure.message.as_str().is_empty() => SecretError::Refused(failure.fault.to_string()),
        _ => SecretError::Refused(format!("{}: {}", failure.fault, failure.message)),
    }
}

fn text_of(answer: GetSecretValueOutput) -> Result<(SecretVersionId, SecretText), SecretError> {
    let id = version_id(answer.version_id.unwrap_or_default())?;
    let text = answer.secret_string.ok_or(SecretError::Binary)?;
    Ok((id, SecretText::new(text)))
}

fn version_id(text: String) -> Result<SecretVersionId, SecretError> {
    parsed(Some(text))
}

fn parsed<T>(text: Option<String>) -> Result<T, SecretError>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    let text = text.unwrap_or_default();
    text.parse()
        .map_err(|e: T::Err| SecretError::Refused(format!("its answer cannot be used: {e}")))
}

#[cfg(test)]
mod tests;
