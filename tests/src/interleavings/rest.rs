//! What must hold once work has come to rest.

use jiff::SignedDuration;
use keyward_core::model::alert::Severity;
use keyward_core::model::incident::OwnerId;
use keyward_core::model::slot::SlotState;
use keyward_core::model::version::{Confirmation, Version, VersionState};
use keyward_core::ports::{Clock, KeyProvider, SecretStore, Stage, TAG_HANDLE_PREFIX};

use keyward_core::usecases::kill::{Invocation, kill};

use super::scene::Scene;
use crate::support::{check_rules, check_rules_without_a_key, token};

/// The rotation that must succeed afterwards.
const NEXT: u32 = 50;

/// A revocation is confirmed within this time.
const CONFIRMED_WITHIN: SignedDuration = SignedDuration::from_mins(20);

impl Scene {
    /// Goes on as the outside would, until nothing is under way any more, and checks every rule.
    pub(super) async fn come_to_rest(&self) {
        let world = &self.world;
        let secrets = &world.outside.secrets;
        secrets.allow_rotation(&world.secret);
        self.give_dead_letters_again().await;
        let agents = self.draw(2) as u32;
        self.agents_fetch(agents);
        world.live_through(SignedDuration::from_hours(4)).await;
        self.watch.borrow_mut().catch_up();
        self.watch.borrow_mut().incidents.come_to_rest();
        self.watch.borrow().contained_keys_stay_dead();
        if world.slot().await.state == SlotState::Suspended {
            return self.suspended_at_rest().await;
        }
        let key = world.current_key();
        assert!(
            self.provider.accepts(&key) || self.watch.borrow().served.excuses(&key),
            "rule 1: four hours later AWSCURRENT does not work"
        );
        self.rotate_next().await;
        assert_ne!(
            world.current_key(),
            key,
            "rule 1: the next rotation changed nothing"
        );
        self.agents_fetch(agents);
        world.live_through(SignedDuration::from_hours(27)).await;
        self.part_with_neighbour().await;
        check_rules(world, "at rest").await;
        self.watch.borrow().contained_keys_stay_dead();
        self.incidents_are_over();
        self.versions_are_at_rest().await;
        self.handles_are_mirrored_no_longer_than_needed().await;
    }

    /// A person looks at the dead-letter queue and has its messages delivered again.
    async fn give_dead_letters_again(&self) {
        let orders = std::mem::take(&mut self.messages.borrow_mut().dead_letters);
        for (number, order) in orders.iter().enumerate() {
            let invocation = Invocation {
                owner: OwnerId::new(&format!("dead letter {number}")),
                deadline: self.world.deadline(),
            };
            let outcome = kill(&self.world.open, order, &invocation).await;
            self.watch.borrow_mut().catch_up();
            assert!(
                self.is_taken(order, &outcome),
                "rule 11: {} comes to nothing: {outcome:?}",
                order.trigger
            );
        }
    }

    fn incidents_are_over(&self) {
        self.watch.borrow_mut().catch_up();
        self.watch.borrow().incidents.are_over();
    }

    /// A suspended slot has no key, makes none, and a person knows.
    async fn suspended_at_rest(&self) {
        let world = &self.world;
        let sent = world.outside.alerts.sent();
        assert!(
            sent.iter().any(|alert| alert.severity == Severity::Page),
            "rule 7: nobody was paged"
        );
        world.live_through(SignedDuration::from_hours(27)).await;
        self.incidents_are_over();
        self.part_with_neighbour().await;
        self.watch.borrow().contained_keys_stay_dead();
        let made = self.provider.ever_made().len();
        let _ = world
            .outside
            .secrets
            .rotate_now(&world.secret, &token(NEXT))
            .await;
        world.outside.secrets.take_started();
        let rotated = world.rotate(&token(NEXT)).await;
        assert!(rotated.is_err(), "rule 7: a suspended slot was rotated");
        assert_eq!(
            self.provider.ever_made().len(),
            made,
            "rule 7: a key was made"
        );
        check_rules_without_a_key(world, "suspended, at rest").await;
        let epoch = world.slot().await.epoch;
        // What a person put into the secret since was taken in, and is not cut off; nor is a key that a person brought
        // back since, whose restore did not come to lift the slot.
        let by_a_person = |v: &Version| v.id.attempt == 0 || v.restored.is_some();
        let is_meant = |v: &Version| by_a_person(v) && v.epoch == epoch;
        for version in world.versions().await {
            assert!(
                is_meant(&version) || !version.state.may_become(VersionState::Contained),
                "rule 6: {} is {:?} in a suspended slot",
                version.id,
                version.state
            );
        }
    }

    /// The other slot's key goes, so that the rest is of this slot.
    async fn part_with_neighbour(&self) {
        let handle = self.watch.borrow().neighbours_key();
        self.provider.delete(&handle).await.expect("it is there");
    }

    /// This many agents call with what they fetch. Where none does, old keys are held to their deadline.
    fn agents_fetch(&self, agents: u32) {
        for _ in 0..agents {
            self.provider.call(&self.world.current_key());
        }
    }

    /// Secrets Manager accepts RotateSecret, and its rotation succeeds.
    async fn rotate_next(&self) {
        let world = &self.world;
        let secrets = &world.outside.secrets;
        world.pass(SignedDuration::from_mins(11));
        secrets
            .rotate_now(&world.secret, &token(NEXT))
            .await
            .unwrap_or_else(|e| panic!("rule 1: RotateSecret is refused: {e}"));
        secrets.take_started();
        world
            .rotate(&token(NEXT))
            .await
            .unwrap_or_else(|e| panic!("rule 1: the next rotation fails: {e:?}"));
    }

    async fn versions_are_at_rest(&self) {
        let world = &self.world;
        let now = world.outside.clock.now();
        let mut current = Vec::new();
        for version in world.versions().await {
            // What a kill contained is revoked 72 hours later, which may be just now.
            let begun = version.revoke_begun.unwrap_or_default();
            let at_rest = match version.state {
                VersionState::Current | VersionState::Revoked | VersionState::Contained => true,
                VersionState::Revoking => now < begun + CONFIRMED_WITHIN,
                _ => false,
            };
            assert!(at_rest, "{} is still {:?}", version.id, version.state);
            if version.state == VersionState::Current {
                current.push(version.id.secret_version.clone());
            }
            if let (Some(confirmed), Some(handle)) = (version.revoke_confirmed, &version.handle) {
                assert!(
                    confirmed.by == Confirmation::NeverMade || !self.provider.has(handle),
                    "rule 9: {} is revoked by {:?}, but {handle} is still there",
                    version.id,
                    confirmed.by
                );
            }
        }
        let holder = world.outside.secrets.holder(&world.secret, &Stage::Current);
        assert_eq!(
            current,
            Vec::from_iter(holder),
            "one version is current, and it is the one under AWSCURRENT"
        );
    }

    /// The tags that name handles for a kill are of keys that may be alive.
    async fn handles_are_mirrored_no_longer_than_needed(&self) {
        let world = &self.world;
        let secret = world
            .outside
            .secrets
            .describe(world.secret.as_str())
            .await
            .unwrap();
        for version in world.versions().await {
            let tag = format!("{TAG_HANDLE_PREFIX}{}", version.id);
            assert!(
                version.state != VersionState::Revoked || !secret.tags.contains_key(&tag),
                "{} is revoked, but its handle is still in the secret's tags",
                version.id
            );
        }
    }
}
