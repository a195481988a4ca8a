//! What every driver promises that makes admin credentials.

use jiff::{SignedDuration, Timestamp};
use keyward_core::model::admin::AdminLabel;
use keyward_core::model::key::AdminKey;
use keyward_core::model::names::SecretVersionId;
use keyward_core::model::version::VersionId;
use keyward_core::ports::{AdminCredentials, ListedAdmin, MintedAdmin, ProviderError, Verdict};

use super::{Check, checks};

/// A driver, and the provider account behind it.
pub trait AdminSubject: Send + Sync {
    /// The driver.
    fn admins(&self) -> &dyn AdminCredentials;
    /// A credential that a person made, which no check ends.
    fn first(&self) -> AdminKey;
    /// The provider's time.
    fn now(&self) -> Timestamp;
    /// Makes something go wrong until it is mended.
    fn spoil(&self, how: Spoiled);
    /// Mends it.
    fn mend(&self);
    /// How many creates arrived.
    fn creates(&self) -> usize;
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoiled {
    /// Creates take effect, and their answers are lost.
    LostMints,
    /// Creates are answered with success, and with nothing that can be read.
    UnreadableMints,
    /// Lists are answered with success, and with nothing that can be read.
    UnreadableLists,
    /// Deletes take effect, and the first answer is lost.
    LostRevoke,
    /// Whatever is asked, the provider is overloaded.
    Overloaded,
}

/// The suite. It may run against an account that has other admin credentials.
pub const CHECKS: &[Check<dyn AdminSubject>] = checks![dyn AdminSubject:
    a_new_credential_is_accepted_and_listed_as_asked,
    a_new_credential_ends_the_one_that_made_it,
    ending_twice_is_no_error,
    every_page_is_read,
    a_lost_mint_is_ambiguous_and_found_by_its_label,
    a_mint_that_cannot_be_read_is_ambiguous,
    an_unreadable_list_is_never_a_shorter_one,
    an_end_survives_a_lost_answer,
    a_refused_credential_is_told_apart,
    a_verdict_without_a_readable_answer_is_unknown,
];

/// A label that no other check uses.
fn label(n: u32) -> AdminLabel {
    let account = "openai-main".parse().expect("a name");
    let secret_version = SecretVersionId::from_seed(&format!("contract {n}"));
    AdminLabel::new(
        &account,
        &VersionId {
            secret_version,
            attempt: 1,
        },
    )
}

/// Asks for one that ends after a day.
async fn mint(
    subject: &dyn AdminSubject,
    by: &AdminKey,
    n: u32,
) -> Result<MintedAdmin, ProviderError> {
    let expires = subject.now() + SignedDuration::from_hours(24);
    subject.admins().mint(by, &label(n), expires).await
}

async fn minted(subject: &dyn AdminSubject, n: u32) -> MintedAdmin {
    let made = mint(subject, &subject.first(), n).await;
    made.expect("it is made")
}

async fn revoke(subject: &dyn AdminSubject, made: &MintedAdmin) -> Result<(), ProviderError> {
    let first = subject.first();
    subject.admins().revoke(&first, &made.handle).await
}

async fn listed(subject: &dyn AdminSubject) -> Vec<ListedAdmin> {
    let listed = subject.admins().listed(&subject.first()).await;
    listed.expect("it is listed")
}

async fn a_new_credential_is_accepted_and_listed_as_asked(subject: &dyn AdminSubject) {
    let made = minted(subject, 1).await;
    let asked = subject.now() + SignedDuration::from_hours(24);
    assert_eq!(subject.admins().accepts(&made.key).await, Verdict::Live);
    let ends = made.expires.expect("it ends by itself");
    assert!(ends <= asked && ends > subject.now(), "{ends}");
    let all = listed(subject).await;
    let mut own = all.iter().filter(|row| row.handle == made.handle);
    let row = own.next().expect("it is listed");
    assert_eq!(row.name.as_str(), label(1).as_str());
    assert!(made.key.fits(row.redacted.as_str()), "{row:?}");
    assert_eq!(row.expires, Some(ends));
    assert_eq!(row.last_used, None, "unknown is not 1970");
}

async fn a_new_credential_ends_the_one_that_made_it(subject: &dyn AdminSubject) {
    let old = minted(subject, 2).await;
    let new = mint(subject, &old.key, 3).await.expect("it is made");
    let ended = subject.admins().revoke(&new.key, &old.handle).await;
    ended.expect("it is ended");
    let verdict = subject.admins().accepts(&old.key).await;
    assert!(matches!(verdict, Verdict::Dead(_)), "{verdict:?}");
    assert_eq!(subject.admins().accepts(&new.key).await, Verdict::Live);
    let all = listed(subject).await;
    assert!(all.iter().all(|row| row.handle != old.handle), "{all:?}");
    assert!(all.iter().any(|row| row.handle == new.handle), "{all:?}");
}

async fn ending_twice_is_no_error(subject: &dyn AdminSubject) {
    let made = minted(subject, 4).await;
    revoke(subject, &made).await.expect("it is ended");
    let again = revoke(subject, &made).await;
    assert!(
        matches!(again, Ok(()) | Err(ProviderError::NotFound)),
        "{again:?}"
    );
}

async fn every_page_is_read(subject: &dyn AdminSubject) {
    let mut made = Vec::new();
    for n in 0..12 {
        made.push(minted(subject, 10 + n).await.handle);
    }
    let all = listed(subject).await;
    for handle in &made {
        let rows = all.iter().filter(|row| row.handle == *handle);
        assert_eq!(rows.count(), 1, "{handle}: {all:?}");
    }
}

async fn a_lost_mint_is_ambiguous_and_found_by_its_label(subject: &dyn AdminSubject) {
    subject.spoil(Spoiled::LostMints);
    let before = subject.creates();
    let lost = mint(subject, &subject.first(), 30).await;
    let lost = lost.expect_err("its answer is lost");
    subject.mend();
    assert!(matches!(lost, ProviderError::Ambiguous { .. }), "{lost:?}");
    assert_eq!(subject.creates(), before + 1, "no layer repeats it");
    let all = listed(subject).await;
    let own = all
        .iter()
        .filter(|row| row.name.as_str() == label(30).as_str());
    assert_eq!(own.count(), 1, "{all:?}");
}

async fn a_mint_that_cannot_be_read_is_ambiguous(subject: &dyn AdminSubject) {
    subject.spoil(Spoiled::UnreadableMints);
    let before = subject.creates();
    let unread = mint(subject, &subject.first(), 31).await;
    let unread = unread.expect_err("it cannot be read");
    subject.mend();
    assert!(
        matches!(unread, ProviderError::Ambiguous { .. }),
        "{unread:?}"
    );
    assert_eq!(subject.creates(), before + 1);
}

async fn an_unreadable_list_is_never_a_shorter_one(subject: &dyn AdminSubject) {
    subject.spoil(Spoiled::UnreadableLists);
    let unread = subject.admins().listed(&subject.first()).await;
    subject.mend();
    assert!(
        matches!(unread, Err(ProviderError::RetryAfter { .. })),
        "{unread:?}"
    );
}

async fn an_end_survives_a_lost_answer(subject: &dyn AdminSubject) {
    let made = minted(subject, 40).await;
    subject.spoil(Spoiled::LostRevoke);
    let ended = revoke(subject, &made).await;
    subject.mend();
    assert!(
        matches!(ended, Ok(()) | Err(ProviderError::NotFound)),
        "{ended:?}"
    );
    let verdict = subject.admins().accepts(&made.key).await;
    assert!(matches!(verdict, Verdict::Dead(_)), "{verdict:?}");
}

async fn a_refused_credential_is_told_apart(subject: &dyn AdminSubject) {
    let ended = minted(subject, 50).await;
    let other = minted(subject, 51).await;
    revoke(subject, &ended).await.expect("it is ended");
    let by = &ended.key;
    let refused = [
        subject.admins().listed(by).await.map(drop),
        subject.admins().revoke(by, &other.handle).await,
        subject
            .admins()
            .mint(
                by,
                &label(52),
                subject.now() + SignedDuration::from_hours(1),
            )
            .await
            .map(drop),
    ];
    for error in refused {
        let error = error.expect_err("it is refused");
        assert!(
            matches!(error, ProviderError::AdminCredential { .. }),
            "{error:?}"
        );
    }
    assert_eq!(subject.admins().accepts(&other.key).await, Verdict::Live);
}

async fn a_verdict_without_a_readable_answer_is_unknown(subject: &dyn AdminSubject) {
    let first = subject.first();
    for how in [Spoiled::UnreadableLists, Spoiled::Overloaded] {
        subject.spoil(how);
        let verdict = subject.admins().accepts(&first).await;
        subject.mend();
        assert!(
            matches!(verdict, Verdict::Unknown(_)),
            "{how:?}: {verdict:?}"
        );
    }
    assert_eq!(subject.admins().accepts(&first).await, Verdict::Live);
}
