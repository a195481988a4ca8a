//! The admin credential of a provider account: fetched when it is first needed, dropped when it is refused.

use std::sync::Arc;

use async_trait::async_trait;
use keyward_core::model::key::AdminKey;
use keyward_core::model::names::SecretArn;
use keyward_core::ports::ProviderError;
use tokio::sync::Mutex;

/// Reads admin credentials where they are kept.
#[async_trait]
pub trait AdminKeySource: Send + Sync {
    /// The credential in the secret `arn`, as it is now.
    ///
    /// # Errors
    /// [`ProviderError::AdminCredential`] if it cannot be read, [`ProviderError::RetryAfter`] if it may be in a moment.
    async fn admin_key(&self, arn: &SecretArn) -> Result<AdminKey, ProviderError>;
}

/// One account's admin credential. Kept in memory until the provider refuses it: then it may have been rotated, and
/// the next call fetches it anew.
pub struct AdminCredential {
    source: Arc<dyn AdminKeySource>,
    arn: SecretArn,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    key: Option<AdminKey>,
    fetches: u64,
}

/// Which fetch a credential came from.
#[derive(Clone, Copy)]
pub(crate) struct Fetch(u64);

impl AdminCredential {
    /// The credential in the secret `arn`, read through `source`. Nothing is read yet.
    pub fn new(source: Arc<dyn AdminKeySource>, arn: SecretArn) -> Self {
        Self {
            source,
            arn,
            kept: Mutex::default(),
        }
    }

    /// The credential; one fetch at a time.
    pub(crate) async fn get(&self) -> Result<(AdminKey, Fetch), ProviderError> {
        let mut kept = self.kept.lock().await;
        let key = match kept.key.clone() {
            Some(key) => key,
            None => {
                let key = self.source.admin_key(&self.arn).await?;
                kept.fetches += 1;
                kept.key.insert(key).clone()
            }
        };
        Ok((key, Fetch(kept.fetches)))
    }

    /// Drops the credential of that fetch; one fetched since then stays.
    pub(crate) async fn drop_refused(&self, fetch: Fetch) {
        let mut kept = self.kept.lock().await;
        if kept.fetches == fetch.0 {
            kept.key = None;
        }
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// `ADMIN-EXAMPLE-<n>` at the n-th fetch.
    #[derive(Default)]
    pub(crate) struct CountingSource(AtomicUsize);

    impl CountingSource {
        pub(crate) fn fetches(&self) -> usize {
            self.0.load(Ordering::SeqCst)
        }
    }

    #[async_trait]
    impl AdminKeySource for CountingSource {
        async fn admin_key(&self, _: &SecretArn) -> Result<AdminKey, ProviderError> {
            let n = self.0.fetch_add(1, Ordering::SeqCst) + 1;
            Ok(AdminKey::new(&format!("ADMIN-EXAMPLE-{n}")))
        }
    }

    pub(crate) fn arn() -> SecretArn {
        "arn:aws:secretsmanager:us-east-1:111122223333:secret:keyward/openrouter-admin-a1B2c3"
            .parse()
            .unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{CountingSource, arn};
    use super::*;

    #[tokio::test]
    async fn it_is_fetched_once_and_again_after_a_refusal() {
        let source = Arc::new(CountingSource::default());
        let admin = AdminCredential::new(source.clone(), arn());
        assert_eq!(source.fetches(), 0);
        let (_, first) = admin.get().await.unwrap();
        admin.get().await.unwrap();
        assert_eq!(source.fetches(), 1);
        admin.drop_refused(first).await;
        admin.get().await.unwrap();
        assert_eq!(source.fetches(), 2);
        // A late refusal of the old one does not cost the new one.
        admin.drop_refused(first).await;
        admin.get().await.unwrap();
        assert_eq!(source.fetches(), 2);
    }
}
