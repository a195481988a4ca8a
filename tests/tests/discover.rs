//! First contact with an account, in memory: every place broken in turn, and what may be concluded of the rest.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use keyward_core::model::audit::Seen;
use keyward_core::model::discovery::{Discovery, Place, Power, Told};
use keyward_core::model::names::AccountName;
use keyward_core::model::slot::ProviderName;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{
    BedrockCredential, Clock, Deadline, FoundSecret, KeyProvider, PoolSettings, ProviderError,
    Providers, Unwatched,
};
use keyward_core::usecases::discover::{
    DiscoverOrder, DiscoverPorts, Discovered, Values, discover,
};
use keyward_testkit::clock::ManualClock;
use keyward_testkit::memory::{Break, ListName, MemoryLists, MemoryProvider};

/// One account of OpenRouter's.
struct One(Arc<MemoryProvider>);

#[async_trait]
impl Providers for One {
    async fn open(
        &self,
        _: &AccountName,
        _: ProviderName,
    ) -> Result<Arc<dyn KeyProvider>, ProviderError> {
        Ok(self.0.clone())
    }

    fn pool(&self, _: &AccountName) -> Option<PoolSettings> {
        None
    }
}

struct Scene {
    lists: Arc<MemoryLists>,
    clock: Arc<ManualClock>,
    provider: Arc<MemoryProvider>,
}

fn secret(name: &str) -> FoundSecret {
    let arn = format!("arn:aws:secretsmanager:us-east-1:111122223333:secret:{name}-a1B2c3");
    FoundSecret {
        arn: arn.parse().unwrap(),
        name: OutsideText::new(name),
        description: OutsideText::default(),
        tags: Vec::new(),
        rotates: false,
        created: None,
        last_read: None,
        deleted: None,
    }
}

const FUNCTION: &str = "arn:aws:lambda:us-east-1:111122223333:function:bot";

impl Scene {
    /// Two keys in secrets, one in a variable too, and one nowhere.
    fn new() -> Self {
        let clock = Arc::new(ManualClock::start());
        let scene = Self {
            lists: Arc::new(MemoryLists::default()),
            provider: Arc::new(MemoryProvider::new(clock.clone())),
            clock,
        };
        let seed = |name: &str| scene.provider.seed(name);
        let (held, other, _nowhere) = (seed("held"), seed("other"), seed("nowhere"));
        let lists = &scene.lists;
        lists.put_found(secret("prod/openrouter/bot"), Some(&held));
        let json = format!("{{\"user\": \"x\", \"key\": \"{other}\"}}");
        lists.put_found(secret("team/settings"), Some(&json));
        lists.put_found(
            secret("prod/database"),
            Some("postgres://EXAMPLE:0123456789@db"),
        );
        lists.put_function(FUNCTION, &[("KEY", &held), ("LOG", "info")]);
        lists.put_credential(BedrockCredential {
            user: OutsideText::new("ana"),
            id: OutsideText::new("ACCAEXAMPLE"),
            created: None,
            expires: None,
        });
        scene
    }

    async fn discover(&self, values: Values) -> Discovered {
        self.discover_at(ProviderName::OpenRouter, values).await
    }

    async fn discover_at(&self, provider: ProviderName, values: Values) -> Discovered {
        let ports = DiscoverPorts {
            secrets: self.lists.clone(),
            policies: self.lists.clone(),
            functions: self.lists.clone(),
            iam: self.lists.clone(),
            providers: Arc::new(One(self.provider.clone())),
            clock: self.clock.clone(),
        };
        let order = DiscoverOrder {
            values,
            accounts: vec![("main".parse().unwrap(), provider)],
            deadline: Deadline(self.clock.now() + SignedDuration::from_hours(1)),
        };
        discover(&ports, &order, &Unwatched).await
    }
}

fn names(found: &Discovery) -> Vec<&str> {
    found.secrets.iter().map(|s| s.name.as_str()).collect()
}

fn nowhere(found: &Discovery) -> Option<Vec<&str>> {
    let keys = found.accounts[0].held_nowhere.as_ref()?;
    Some(keys.iter().map(|key| key.label.as_str()).collect())
}

#[tokio::test]
async fn without_values_secrets_are_told_by_their_names_and_nothing_is_said_of_their_keys() {
    let scene = Scene::new();
    // Reading a value would fail, and does not come about.
    scene.lists.break_list(ListName::Values, Break::Refused);
    let found = scene.discover(Values::Left).await.found;
    assert_eq!(names(&found), ["prod/openrouter/bot"]);
    assert_eq!(found.secrets[0].clue.told, Told::ByName);
    assert_eq!(
        nowhere(&found),
        None,
        "nobody knows which keys secrets hold"
    );
    assert_eq!(found.accounts[0].listed, 3);
    assert_eq!((found.secrets_listed, found.functions_listed), (3, 1));
    assert_eq!(found.users[0].without_end, 1);
    assert!(found.is_complete(), "{:?}", found.coverage);
}

#[tokio::test]
async fn with_values_keys_are_told_by_their_text_and_held_against_the_provider() {
    let scene = Scene::new();
    let Discovered { found, shared } = scene.discover(Values::Read).await;
    assert_eq!(names(&found), ["prod/openrouter/bot", "team/settings"]);
    for secret in &found.secrets {
        assert_eq!(secret.clue.told, Told::ByText);
        assert_eq!(secret.clue.power, Power::Calls);
    }
    assert_eq!(nowhere(&found), Some(vec!["nowhere"]));
    let [places] = &found.same[..] else {
        panic!("{:?}", found.same);
    };
    assert_eq!(places.len(), 2, "the secret and the variable");
    assert!(shared.is_empty(), "no two secrets have the same key");
    let json = serde_json::to_string(&found).unwrap();
    let text = scene.provider.seed("again");
    assert!(!json.contains(&text[..14]), "no key text: {json}");
}

/// A place that cannot be read is told, stops no other, and nothing is concluded from what is not in it.
#[tokio::test]
async fn a_place_that_cannot_be_read_stops_no_other_and_proves_nothing() {
    for (list, place, proves) in [
        (ListName::Secrets, Place::Secrets, false),
        (ListName::Values, Place::Values, false),
        (ListName::Functions, Place::Functions, false),
        (ListName::Policies, Place::Policies, true),
        (ListName::Iam, Place::Iam, true),
    ] {
        let scene = Scene::new();
        scene.lists.break_list(list, Break::Refused);
        let found = scene.discover(Values::Read).await.found;
        assert!(!found.is_complete(), "{list:?}");
        for (known, seen) in &found.coverage {
            assert_eq!(
                seen.is_whole(),
                *known != place,
                "{list:?}: {known:?} {seen:?}"
            );
        }
        assert_eq!(nowhere(&found).is_some(), proves, "{list:?}");
    }
}

/// Where keys are listed by project, nobody looks without one, and no account is said to have none.
#[tokio::test]
async fn keys_that_are_listed_project_by_project_were_not_seen() {
    for provider in [ProviderName::OpenAi, ProviderName::Gemini] {
        let scene = Scene::new();
        let found = scene.discover_at(provider, Values::Read).await.found;
        assert!(!found.is_complete() && found.accounts.is_empty());
        let place = Place::Projects("main".parse().unwrap());
        let seen = found.coverage.iter().find(|(known, _)| *known == place);
        assert!(matches!(seen, Some((_, Seen::Not { .. }))), "{seen:?}");
    }
    // IAM lists its users by itself, and where it did not, there may be more.
    for (iam, is_whole) in [(None, true), (Some(ListName::Iam), false)] {
        let scene = Scene::new();
        if let Some(list) = iam {
            scene.lists.break_list(list, Break::Refused);
        }
        let found = scene
            .discover_at(ProviderName::Bedrock, Values::Read)
            .await
            .found;
        let place = Place::Keys("main".parse().unwrap());
        let seen = found.coverage.iter().find(|(known, _)| *known == place);
        assert_eq!(seen.unwrap().1.is_whole(), is_whole);
    }
}

#[tokio::test]
async fn variables_that_cannot_be_decrypted_were_not_seen() {
    let scene = Scene::new();
    scene
        .lists
        .put_encrypted_function("arn:aws:lambda:us-east-1:111122223333:function:dark");
    let found = scene.discover(Values::Read).await.found;
    let functions = found
        .coverage
        .iter()
        .find(|(place, _)| *place == Place::Functions);
    let (_, seen) = functions.unwrap();
    assert!(matches!(seen, Seen::Part { .. }), "{seen:?}");
    assert!(
        seen.why().unwrap().as_str().contains("function:dark"),
        "{seen:?}"
    );
    assert_eq!(found.variables.len(), 1, "the others were read");
    assert_eq!(nowhere(&found), None);
}

#[tokio::test]
async fn secrets_that_share_a_key_are_named_and_those_that_are_being_deleted_are_left() {
    let scene = Scene::new();
    let key = scene.provider.seed("twice");
    for name in ["one", "two"] {
        scene.lists.put_found(secret(name), Some(&key));
    }
    let deleted: Timestamp = scene.clock.now();
    let gone = FoundSecret {
        deleted: Some(deleted),
        ..secret("openai-gone")
    };
    scene.lists.put_found(gone, Some(&key));
    let Discovered { found, shared } = scene.discover(Values::Read).await;
    let shared: Vec<&str> = shared.iter().map(|arn| arn.as_str()).collect();
    assert_eq!(shared.len(), 2, "{shared:?}");
    assert!(!names(&found).contains(&"openai-gone"));
}
