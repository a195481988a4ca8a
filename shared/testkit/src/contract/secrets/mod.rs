//! What every [`SecretStore`] promises, by AWS's documentation of Secrets Manager.

mod basics;
mod labels;

use async_trait::async_trait;
use keyward_core::model::names::{SecretArn, SecretVersionId};
use keyward_core::model::secret_document::SecretText;
use keyward_core::ports::{
    RotationToken, SecretError, SecretStore, Stage, TAG_SLOT, VersionSelector,
};
use secrecy::ExposeSecret;

use super::{Check, checks};
use basics::*;
use labels::*;

/// What a secret is created with.
#[derive(Debug, Clone, Copy)]
pub enum First<'a> {
    /// No value.
    Nothing,
    /// A string, under AWSCURRENT.
    Text(&'a SecretVersionId, &'a str),
    /// Bytes, under AWSCURRENT.
    Bytes,
}

/// A [`SecretStore`] with which secrets can be made ready.
#[async_trait]
pub trait SecretSubject: Send + Sync {
    /// The port.
    fn store(&self) -> &dyn SecretStore;

    /// Creates a secret; each name is used once. Returns its ARN.
    async fn create(&self, name: &str, first: First<'_>) -> SecretArn;

    /// Turns scheduled rotation on, without starting a rotation.
    async fn turn_rotation_on(&self, arn: &SecretArn);

    /// Turns it off.
    async fn turn_rotation_off(&self, arn: &SecretArn);
}

/// The suite.
pub const CHECKS: &[Check<dyn SecretSubject>] = checks![dyn SecretSubject:
    an_unknown_secret_is_not_found,
    a_secret_is_described_by_arn_and_by_name,
    rotation_is_seen_on_and_off,
    the_current_value_is_read_with_its_version,
    a_secret_without_a_value_has_none,
    a_version_without_a_value_has_none,
    a_binary_secret_is_refused,
    a_pending_value_leaves_the_current_one,
    a_pending_value_takes_the_label_from_another,
    the_same_value_can_be_put_again,
    putting_again_what_was_promoted_moves_no_label,
    a_version_keeps_its_value,
    promotion_moves_current_and_previous,
    promotion_can_be_repeated,
    promotion_from_elsewhere_is_refused,
    promotion_from_nowhere_is_refused_where_there_is_a_current_one,
    a_first_value_becomes_current,
    pending_is_taken_off_one_version,
    pending_is_taken_off_where_it_is_not,
    tags_are_set_replaced_and_removed,
    a_rotation_is_refused_while_another_is_unfinished,
    a_rotation_starts_once_for_a_token,
];

/// Made-up texts carry `EXAMPLE`.
const OLD: &str = r#"{"api_key":"sk-or-v1-EXAMPLE-old","base_url":"https://example.com"}"#;
const NEW: &str = r#"{"api_key":"sk-or-v1-EXAMPLE-new","base_url":"https://example.com"}"#;

fn version(n: u32) -> SecretVersionId {
    format!("c0117ac7-aaaa-4bbb-8ccc-{n:012}")
        .parse()
        .expect("a valid version id")
}

fn text(text: &str) -> SecretText {
    SecretText::new(text.to_owned())
}

async fn with_old(subject: &dyn SecretSubject, name: &str) -> SecretArn {
    subject.create(name, First::Text(&version(1), OLD)).await
}

async fn put(subject: &dyn SecretSubject, arn: &SecretArn, n: u32, value: &str) {
    let put = subject
        .store()
        .put_pending(arn, &version(n), None, &text(value))
        .await;
    put.expect("stored");
}

/// The text of a version, or of the current one.
async fn read(
    subject: &dyn SecretSubject,
    arn: &SecretArn,
    selector: VersionSelector<'_>,
) -> Option<(SecretVersionId, String)> {
    let found = subject.store().value(arn, selector).await.expect("read");
    found.map(|(id, text)| (id, text.expose_secret().to_owned()))
}

/// Asserts which versions carry which labels; `None` is nowhere.
async fn assert_labels(
    subject: &dyn SecretSubject,
    arn: &SecretArn,
    expected: [(Stage, Option<u32>); 3],
) {
    let now = subject.store().describe(arn.as_str()).await.expect("read");
    for (stage, holder) in expected {
        assert_eq!(
            now.holder(&stage),
            holder.map(version).as_ref(),
            "{stage}: {now:?}"
        );
    }
}
