//! The admin credential of a provider account: fetched when it is first needed, dropped when it is refused.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use keyward_core::model::key::{AdminKey, Fingerprint};
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

/// Turns an admin credential into what requests carry, where that is not the credential itself: an access token.
#[async_trait]
pub(crate) trait Exchange: Send + Sync {
    /// A token, and until when it is good.
    ///
    /// # Errors
    /// [`ProviderError::AdminCredential`] if the credential is refused, [`ProviderError::RetryAfter`] if it may do in a
    /// moment.
    async fn exchange(&self, credential: &AdminKey)
    -> Result<(AdminKey, Timestamp), ProviderError>;
}

/// So long before its end a token is exchanged anew.
const MARGIN: SignedDuration = SignedDuration::from_mins(2);

/// One account's admin credential. Kept in memory until the provider refuses it: then it may have been rotated, and is
/// fetched anew.
pub struct AdminCredential {
    source: Arc<dyn AdminKeySource>,
    arn: SecretArn,
    exchange: Option<Box<dyn Exchange>>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    key: Option<(AdminKey, Fingerprint, Option<Timestamp>)>,
    fetches: u64,
}

/// Which fetch a credential came from, and what was fetched.
#[derive(Clone, Copy)]
pub(crate) struct Fetch(u64, Fingerprint);

impl AdminCredential {
    /// The credential in the secret `arn`, read through `source`. Nothing is read yet.
    pub fn new(source: Arc<dyn AdminKeySource>, arn: SecretArn) -> Self {
        Self {
            source,
            arn,
            exchange: None,
            kept: Mutex::default(),
        }
    }

    /// The same, exchanged for tokens.
    pub(crate) fn exchanged(self, exchange: impl Exchange + 'static) -> Self {
        Self {
            exchange: Some(Box::new(exchange)),
            ..self
        }
    }

    /// What requests carry, good at `now`; one fetch at a time.
    pub(crate) async fn get(&self, now: Timestamp) -> Result<(AdminKey, Fetch), ProviderError> {
        let mut kept = self.kept.lock().await;
        let good = |until: Option<Timestamp>| until.is_none_or(|until| now + MARGIN < until);
        if let Some((key, stored, until)) = &kept.key
            && good(*until)
        {
            return Ok((key.clone(), Fetch(kept.fetches, *stored)));
        }
        let stored = self.source.admin_key(&self.arn).await?;
        let fingerprint = stored.fingerprint();
        let (key, until) = match &self.exchange {
            None => (stored, None),
            Some(exchange) => {
                let (token, until) = exchange.exchange(&stored).await?;
                (token, Some(until))
            }
        };
        kept.fetches += 1;
        kept.key = Some((key.clone(), fingerprint, until));
        Ok((key, Fetch(kept.fetches, fingerprint)))
    }

    /// The credential of that fetch was refused: what is in its place by now, good at `now`; `None` if it is the same.
    pub(crate) async fn replacement(
        &self,
        fetch: Fetch,
        now: Timestamp,
    ) -> Result<Option<AdminKey>, ProviderError> {
        let refused = {
            let mut kept = self.kept.lock().await;
            if kept.fetches == fetch.0 {
                kept.key = None;
            }
            fetch.1
        };
        let (key, Fetch(_, stored)) = self.get(now).await?;
        Ok((stored != refused).then_some(key))
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
        let (_, first) = admin.get(Timestamp::UNIX_EPOCH).await.unwrap();
        admin.get(Timestamp::UNIX_EPOCH).await.unwrap();
        assert_eq!(source.fetches(), 1);
        let now = Timestamp::UNIX_EPOCH;
        assert!(admin.replacement(first, now).await.unwrap().is_some());
        admin.get(now).await.unwrap();
        assert_eq!(source.fetches(), 2);
        // A late refusal of the old one does not cost the new one.
        assert!(admin.replacement(first, now).await.unwrap().is_some());
        admin.get(now).await.unwrap();
        assert_eq!(source.fetches(), 2);
    }

    /// Tokens that are good for an hour.
    struct Hourly(Arc<std::sync::Mutex<Timestamp>>);

    #[async_trait]
    impl Exchange for Hourly {
        async fn exchange(&self, _: &AdminKey) -> Result<(AdminKey, Timestamp), ProviderError> {
            let until = *self.0.lock().unwrap() + SignedDuration::from_hours(1);
            Ok((AdminKey::new("TOKEN-EXAMPLE"), until))
        }
    }

    #[tokio::test]
    async fn a_token_is_exchanged_anew_before_its_end() {
        let source = Arc::new(CountingSource::default());
        let clock = Arc::new(std::sync::Mutex::new(Timestamp::UNIX_EPOCH));
        let admin = AdminCredential::new(source.clone(), arn()).exchanged(Hourly(clock.clone()));
        for (minute, fetches) in [(0, 1), (57, 1), (58, 2), (59, 2), (500, 3)] {
            let now = Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute);
            *clock.lock().unwrap() = now;
            admin.get(now).await.unwrap();
            assert_eq!(source.fetches(), fetches, "minute {minute}");
        }
    }
}
