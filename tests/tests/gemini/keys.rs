//! What only Google's keys have: ids that are chosen here, texts that can be read at any time, restrictions, service
//! accounts, and 30 days in which a deleted key can be brought back.

use keyward_core::model::money::{CapPeriod, MicroDollars, SpendCap};
use keyward_core::model::slot::Scope;
use keyward_core::model::version::{KeyLabel, VersionId};
use keyward_core::ports::{
    Clock, Disabled, Extent, IssueRequest, KeyProvider, LookUp, ProviderError, Verdict,
};
use keyward_core::usecases::register::{Registered, register};
use keyward_lambda::http::{Http, HttpSettings as TlsSettings};
use keyward_testkit::contract::provider::ProviderWorld;
use keyward_tests::support::{agent_call, fleet_at};
use secrecy::ExposeSecret;

use super::*;

struct Project {
    simulator: Simulator,
    driver: Arc<dyn KeyProvider>,
    clock: Arc<ManualClock>,
}

async fn project_with(settings: Settings) -> Project {
    let clock = Arc::new(ManualClock::start());
    let simulated = Simulated::start(clock.clone(), settings).await;
    Project {
        driver: simulated.driver(),
        simulator: simulated.simulator,
        clock,
    }
}

async fn project() -> Project {
    project_with(settings()).await
}

fn request(scope: Scope, attempt: u32) -> IssueRequest {
    let id = VersionId {
        secret_version: token(7),
        attempt,
    };
    IssueRequest {
        label: KeyLabel::new(&"support-bot-gemini".parse().unwrap(), &id),
        scope,
        cap: SpendCap {
            amount: MicroDollars::from_dollars(5),
            period: CapPeriod::Daily,
        },
        expires: "2027-01-31T09:00:00Z".parse().unwrap(),
        keep: Vec::new(),
    }
}

impl Project {
    fn scope(&self) -> Scope {
        ProviderWorld::scope(&self.simulator)
    }

    async fn agent_is_served(&self, text: &str) -> bool {
        let http = Http::new(&TlsSettings {
            extra_roots: None,
            timeout: std::time::Duration::from_secs(10),
        })
        .unwrap();
        let http = http.fresh_builder().build().unwrap();
        let failed = self.simulator.failed_agent_calls().len();
        agent_call(&http, &self.simulator, text).await;
        self.simulator.failed_agent_calls().len() == failed
    }
}

/// A name is given once, for 30 days after its key was deleted too.
#[tokio::test]
async fn an_id_that_is_taken_is_ambiguous_and_makes_no_second_key() {
    let project = project().await;
    let issuer = project.driver.issuer().unwrap();
    let asked = request(project.scope(), 1);
    let issued = issuer.issue(&asked).await.unwrap();
    assert_eq!(
        issuer.handle_of(&asked.scope, &asked.label),
        Some(issued.handle.clone())
    );
    project.driver.delete(&issued.handle).await.unwrap();
    for days in [0, 29] {
        project.clock.advance(SignedDuration::from_hours(24 * days));
        let again = issuer.issue(&asked).await;
        assert!(
            matches!(again, Err(ProviderError::Ambiguous { .. })),
            "{again:?}"
        );
    }
    assert_eq!(project.simulator.keys().len(), 1);
}

/// Deleted keys are gone, and told as what could be brought back: neither live nor listed.
#[tokio::test]
async fn deleted_keys_are_told_apart_for_thirty_days() {
    let project = project().await;
    let scope = project.scope();
    let issuer = project.driver.issuer().unwrap();
    let kept = issuer.issue(&request(scope.clone(), 1)).await.unwrap();
    let deleted = issuer.issue(&request(scope.clone(), 2)).await.unwrap();
    let at = project.clock.now();
    project.driver.delete(&deleted.handle).await.unwrap();
    let listed = project.driver.list(&scope, None).await.unwrap().keys;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].handle, kept.handle);
    let gone = project.driver.restorable(&scope, None).await.unwrap().keys;
    assert_eq!(gone.len(), 1);
    assert_eq!(gone[0].handle, deleted.handle);
    assert_eq!(
        gone[0].label.as_str(),
        request(scope.clone(), 2).label.as_str()
    );
    assert_eq!(
        gone[0].until,
        Some(at + SignedDuration::from_hours(30 * 24))
    );
    assert_eq!(project.driver.get(&deleted.handle).await, Ok(None));
    for _ in 0..2 {
        let again = project.driver.delete(&deleted.handle).await;
        assert_eq!(again, Err(ProviderError::NotFound));
    }
    project.clock.advance(SignedDuration::from_hours(31 * 24));
    let gone = project.driver.restorable(&scope, None).await.unwrap().keys;
    assert_eq!(gone, []);
}

/// A suspended key works from nowhere; a resumed one reaches what its scope permits, and no more.
#[tokio::test]
async fn a_suspension_is_an_address_that_is_nobodys() {
    let project = project().await;
    let scope = Scope {
        endpoints: vec![
            "GenerateContent".parse().unwrap(),
            "ListModels".parse().unwrap(),
        ],
        ..project.scope()
    };
    let issuer = project.driver.issuer().unwrap();
    let issued = issuer.issue(&request(scope.clone(), 1)).await.unwrap();
    let text = issued.key.expose_secret();
    assert!(project.agent_is_served(text).await);
    let disabled = project.driver.disable(&issued.handle).await;
    assert_eq!(disabled, Ok(Disabled::Now));
    assert!(!project.agent_is_served(text).await);
    let record = project.driver.get(&issued.handle).await.unwrap().unwrap();
    assert_eq!(record.suspended, Some(true));
    assert!(matches!(&record.reach.addresses, Extent::Only(ips) if ips.len() == 1));
    let verdict = project.driver.verify(&issued.key).await;
    assert!(
        matches!(verdict, Verdict::BlockedForScope(_)),
        "known as a key: {verdict:?}"
    );
    project
        .driver
        .restore(&issued.handle, &scope)
        .await
        .unwrap();
    assert!(project.agent_is_served(text).await);
    let record = project.driver.get(&issued.handle).await.unwrap().unwrap();
    assert_eq!(record.suspended, Some(false));
    assert_eq!(record.reach.addresses, Extent::All);
    assert!(matches!(&record.reach.endpoints, Extent::Only(methods) if methods.len() == 2));
}

/// A method that a key is not permitted is refused, and by the method alone.
#[tokio::test]
async fn a_key_is_kept_to_its_methods_and_addresses() {
    let project = project().await;
    let methods = Scope {
        endpoints: vec!["List*".parse().unwrap()],
        ..project.scope()
    };
    let issuer = project.driver.issuer().unwrap();
    let listing = issuer.issue(&request(methods, 1)).await.unwrap();
    assert_eq!(project.driver.verify(&listing.key).await, Verdict::Live);
    assert!(!project.agent_is_served(listing.key.expose_secret()).await);
    let elsewhere = Scope {
        addresses: vec!["198.51.100.0/24".parse().unwrap()],
        ..project.scope()
    };
    let far = issuer.issue(&request(elsewhere, 2)).await.unwrap();
    let verdict = project.driver.verify(&far.key).await;
    assert!(
        matches!(verdict, Verdict::BlockedForScope(_)),
        "{verdict:?}"
    );
}

/// A key that is bound to a service account has another form, and lists models while it may not be used.
#[tokio::test]
async fn a_bound_key_is_tested_by_counting_tokens() {
    let project = project_with(Settings {
        operation_delay: SignedDuration::ZERO,
        ..bound()
    })
    .await;
    let asked = request(project.scope(), 1);
    assert!(asked.scope.service_account.is_some());
    let issued = project
        .driver
        .issuer()
        .unwrap()
        .issue(&asked)
        .await
        .unwrap();
    let format = project.driver.abilities().format;
    assert!(issued.key.begins_with("AQ.") && issued.key.looks_like(&format));
    assert_eq!(project.driver.verify(&issued.key).await, Verdict::Live);
    let count = "/v1beta/models/example-model:countTokens";
    assert_eq!(project.simulator.requests_to("POST", count).len(), 1);
    let denied = Fault::status(403, Body::Json);
    project
        .simulator
        .inject(FaultRule::on("POST", count, denied));
    let verdict = project.driver.verify(&issued.key).await;
    assert!(matches!(verdict, Verdict::Unknown(_)), "{verdict:?}");
}

/// The key in a secret is found by the texts of the project's keys, of which the list shows nothing.
#[tokio::test]
async fn a_key_that_was_made_by_hand_is_found_by_its_text() {
    let (world, simulator) = world_with(Arc::default(), slow()).await;
    simulator.configure(|settings| settings.page_size = 2);
    for n in 0..4 {
        simulator.seed(&format!("somebody's {n}"));
    }
    let driver = world.outside.provider.driver();
    let scope = world.outside.provider.scope();
    let theirs = simulator.seed("the agent's");
    let found = driver.look_up(&scope, &theirs).await.unwrap();
    assert!(matches!(&found, LookUp::Is(Some(key)) if key.label.as_str() == "the agent's"));
    let unknown = keyward_core::model::key::ApiKey::new("AIzaSyEXAMPLE0123456789012345678901");
    assert_eq!(driver.look_up(&scope, &unknown).await, Ok(LookUp::Is(None)));
    // A project of another name has no such key.
    simulator.add_workspace();
    let other = ProviderWorld::other_scope(&simulator).unwrap();
    assert_eq!(driver.look_up(&other, &theirs).await, Ok(LookUp::Is(None)));
    let planned = fleet_at(ProviderName::Gemini, &scope);
    let registered = register(&world.open, &planned[0]).await.unwrap();
    assert!(
        !matches!(
            registered,
            Registered::WithKey {
                handle_known: false
            }
        ),
        "{registered:?}"
    );
    let no_text_in_a_query = |path: &str| !path.contains("keyString=") && !path.contains("AIza");
    assert!(
        simulator
            .requests()
            .iter()
            .all(|r| no_text_in_a_query(&r.path))
    );
}

/// A whole rotation with bound keys, after which the old one, a standard key, ends.
#[tokio::test]
async fn a_standard_key_is_replaced_by_a_bound_one() {
    let (world, _) = world_with(Arc::default(), bound()).await;
    let old = world.current_key();
    assert!(old.starts_with("AIzaSy"));
    world.rotate(&token(2)).await.unwrap();
    assert!(world.current_key().starts_with("AQ."));
    world.live_through(SignedDuration::from_hours(27)).await;
    check_rules(&world, "bound").await;
    assert!(!world.outside.provider.accepts(&old));
}

/// Deleting takes effect late: the key is confirmed dead once it is refused, and not before.
#[tokio::test]
async fn a_deleted_key_that_works_on_is_not_dead() {
    let late = Settings {
        change_delay: SignedDuration::from_mins(40),
        ..slow()
    };
    let (world, _) = world_with(Arc::default(), late).await;
    world.rotate(&token(2)).await.unwrap();
    world.outside.provider.call(&world.current_key());
    world.live_through(SignedDuration::from_hours(4)).await;
    let old = world.versions().await.remove(0);
    let (accepted, confirmed) = (old.revoke_accepted.unwrap(), old.revoke_confirmed.unwrap());
    assert!(confirmed.at > accepted + SignedDuration::from_mins(40));
    let told = world.outside.alerts.count(AlertKind::RevokeUnconfirmed);
    assert_eq!(told, 1);
}
