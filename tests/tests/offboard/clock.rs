//! The clock of 24 hours, moved, with a provider that does not answer for most of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use keyward_core::model::alert::{Alert, AlertKind, Severity};
use keyward_core::model::names::AccountName;
use keyward_core::model::offboarding::Leaver;
use keyward_core::model::slot::ProviderName;
use keyward_core::model::text::OutsideText;
use keyward_core::ports::{KeyProvider, PoolSettings, ProviderError, Providers};
use keyward_core::usecases::offboard::Offboarder;
use keyward_testkit::gate::Gate;
use keyward_testkit::memory::KillSwitchHere;

use super::scene::{Scene, agent, ana};

/// Accounts that do not answer while they are down.
struct Down {
    inner: Arc<dyn Providers>,
    is_down: AtomicBool,
}

#[async_trait]
impl Providers for Down {
    async fn open(
        &self,
        account: &AccountName,
        provider: ProviderName,
    ) -> Result<Arc<dyn KeyProvider>, ProviderError> {
        match self.is_down.load(Ordering::SeqCst) {
            false => self.inner.open(account, provider).await,
            true => Err(ProviderError::RetryAfter {
                after: None,
                detail: OutsideText::new("503"),
            }),
        }
    }

    fn pool(&self, account: &AccountName) -> Option<PoolSettings> {
        self.inner.pool(account)
    }

    fn pools(&self) -> Vec<AccountName> {
        self.inner.pools()
    }
}

async fn scene() -> (Scene, Arc<Down>) {
    let gate = Arc::new(Gate::default());
    let mut scene = Scene::new(&gate).await;
    let down = Arc::new(Down {
        inner: scene.world.open.providers.clone(),
        is_down: AtomicBool::new(true),
    });
    scene.world.open.providers = down.clone();
    scene.open = Offboarder {
        ports: scene.world.open.clone(),
        orders: Arc::new(KillSwitchHere::on(&scene.world.open)),
        ..scene.open
    };
    (scene, down)
}

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// When, after the case was opened, people were told of its time, and how gravely.
fn reminders(told: &[Alert], opened: Timestamp) -> Vec<(i64, Severity)> {
    let of_time = told.iter().filter(|a| a.kind == AlertKind::OffboardBehind);
    of_time
        .map(|a| (a.at.unwrap().duration_since(opened).as_mins(), a.severity))
        .collect()
}

/// Lets a provider be down for so many hours from the start of a case.
async fn down_for(hours: i32, leaver: Leaver) -> (Scene, Timestamp) {
    let (scene, down) = scene().await;
    let opened = scene.open_case(leaver, "event-1").await.case().opened;
    scene.run().await;
    scene.live_through(HOUR * hours).await;
    down.is_down.store(false, Ordering::SeqCst);
    (scene, opened)
}

#[tokio::test]
async fn an_agents_keys_die_in_time_although_the_provider_is_down_for_twenty_hours() {
    let (scene, opened) = down_for(20, agent()).await;
    assert_eq!(scene.live(), 1);
    scene.live_through(HOUR).await;
    scene
        .check_ended(&agent(), "an hour after it is back")
        .await;
    let case = scene.case(&agent()).await;
    assert!(case.closed.unwrap() < case.deadline);
    let told = reminders(&scene.outside().alerts.take(), opened);
    let warned = |minutes: i64| (minutes, Severity::Warning);
    assert_eq!(
        told,
        [warned(12 * 60), warned(19 * 60 + 15)],
        "half, and four fifths"
    );
}

#[tokio::test]
async fn past_the_deadline_people_are_paged_until_the_keys_are_dead() {
    let (scene, opened) = down_for(31, agent()).await;
    scene.live_through(HOUR).await;
    scene.check_ended(&agent(), "late").await;
    let told = reminders(&scene.outside().alerts.take(), opened);
    let pages: Vec<_> = told
        .iter()
        .filter(|(_, s)| *s == Severity::Page)
        .map(|(at, _)| *at)
        .collect();
    assert_eq!(
        pages,
        [24 * 60, 30 * 60],
        "when it is over, and after six hours again"
    );
}

#[tokio::test]
async fn a_persons_key_is_replaced_in_time_although_the_provider_is_down_for_twenty_hours() {
    let (scene, opened) = down_for(20, ana()).await;
    let old = scene.world.current_key();
    scene.live_through(HOUR * 5).await;
    scene.check_replaced(&ana(), &old, "within the day").await;
    let record = scene.record(&scene.case(&ana()).await);
    let dead = record.slots[0].keys[0].revoke_confirmed.unwrap();
    assert!(
        dead <= opened + HOUR * 24 + SignedDuration::from_mins(10),
        "{dead}"
    );
    let told = reminders(&scene.outside().alerts.take(), opened);
    assert_eq!(
        told[..2],
        [
            (12 * 60, Severity::Warning),
            (19 * 60 + 15, Severity::Warning)
        ]
    );
}

/// The old key is used on and on: its drain would hold it for 24 hours from its promotion.
#[tokio::test]
async fn at_the_deadline_an_old_key_is_revoked_although_its_agent_still_uses_it() {
    let (scene, opened) = down_for(10, ana()).await;
    let old = scene.world.current_key();
    let provider = &scene.outside().provider;
    let mut died = None;
    for _ in 0..12 * 16 {
        if !provider.call(&old) {
            died.get_or_insert(scene.now());
        }
        provider.call(&scene.world.current_key());
        scene.live_through(SignedDuration::from_mins(5)).await;
    }
    let died = died.unwrap().duration_since(opened);
    assert!(
        died >= HOUR * 24 && died <= HOUR * 24 + SignedDuration::from_mins(10),
        "{died}"
    );
    scene.check_replaced(&ana(), &old, "by force").await;
    let told = scene.outside().alerts.take();
    assert!(told.iter().any(|a| a.kind == AlertKind::DeadlineRevocation));
    let pages = reminders(&told, opened);
    assert!(pages.contains(&(24 * 60, Severity::Page)), "{pages:?}");
}

#[tokio::test]
async fn a_key_that_has_no_replacement_at_the_deadline_is_left_in_use_and_pages() {
    let (scene, opened) = down_for(25, ana()).await;
    let old = scene.world.current_key();
    assert!(
        scene.outside().provider.accepts(&old),
        "an agent that must work keeps working"
    );
    let told = reminders(&scene.outside().alerts.take(), opened);
    assert_eq!(told.last(), Some(&(24 * 60, Severity::Page)));
    scene.live_through(HOUR).await;
    assert!(
        !scene.outside().provider.accepts(&old),
        "no overlap is left once it is replaced"
    );
    scene
        .check_replaced(&ana(), &old, "as soon as it can be")
        .await;
}
