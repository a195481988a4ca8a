//! The answers that are held: one leased value for each that was asked for.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use keyward_client::leased::{Lease, Leased};
use keyward_client::{KeyError, KeywardClient, Query};

use crate::ready::Ready;
use crate::request::Freshness;

/// So many are held at most: with the longest secrets there are (64 KB), 6 MB. The one that was asked for longest ago goes.
const MOST: usize = 96;

/// What is held for whoever asks.
#[derive(Debug)]
pub struct Answers {
    keys: KeywardClient,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    answers: HashMap<Query, Entry>,
    asked: u64,
}

#[derive(Debug)]
struct Entry {
    answer: Leased<Ready>,
    asked: u64,
}

impl Answers {
    /// Of what `keys` fetches.
    pub fn new(keys: KeywardClient) -> Self {
        Self {
            keys,
            held: Mutex::default(),
        }
    }

    /// The answer.
    ///
    /// # Errors
    /// [`KeyError`].
    pub(crate) async fn get(
        &self,
        query: Query,
        fresh: Freshness,
    ) -> Result<Lease<Ready>, KeyError> {
        let answer = self.of(query);
        match fresh {
            Freshness::Leased => answer.get().await,
            Freshness::Now => answer.refresh().await,
        }
    }

    fn of(&self, query: Query) -> Leased<Ready> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.asked += 1;
        let asked = held.asked;
        if let Some(entry) = held.answers.get_mut(&query) {
            entry.asked = asked;
            return entry.answer.clone();
        }
        if held.answers.len() >= MOST {
            let longest_ago = held.answers.iter().min_by_key(|(_, entry)| entry.asked);
            if let Some(query) = longest_ago.map(|(query, _)| query.clone()) {
                held.answers.remove(&query);
            }
        }
        let answer = self
            .keys
            .value(query.clone(), |value| Ok(Ready::of(&value)));
        let entry = Entry {
            answer: answer.clone(),
            asked,
        };
        held.answers.insert(query, entry);
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyward_client::testing::MemorySource;
    use keyward_client::{Environment, SecretId, Settings};

    #[tokio::test(start_paused = true)]
    async fn so_many_are_held_and_the_one_asked_for_longest_ago_goes() {
        let source = MemorySource::new();
        let keys = KeywardClient::new(source.clone(), Settings::of(Environment::Prod));
        let answers = Answers::new(keys.unwrap());
        let query = |n: usize| Query::current(SecretId::new(&format!("s{n}")).unwrap());
        for n in 0..MOST {
            source.put(&format!("s{n}"), "v1", "EXAMPLE");
            answers.get(query(n), Freshness::Leased).await.unwrap();
        }
        answers.get(query(0), Freshness::Leased).await.unwrap();
        assert_eq!(source.gets(), MOST);
        source.put("s1000", "v1", "EXAMPLE");
        answers.get(query(1000), Freshness::Leased).await.unwrap();
        answers.get(query(0), Freshness::Leased).await.unwrap();
        assert_eq!(source.gets(), MOST + 1);
        answers.get(query(1), Freshness::Leased).await.unwrap();
        assert_eq!(source.gets(), MOST + 2, "it had to go");
    }
}
