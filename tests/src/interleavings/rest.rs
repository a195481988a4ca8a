//! What must hold once work has come to rest.

use jiff::SignedDuration;
use keyward_core::model::version::{Confirmation, VersionState};
use keyward_core::ports::{Clock, SecretStore, Stage, TAG_HANDLE_PREFIX};

use super::scene::Scene;
use crate::support::{check_rules, token};

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
        let agents = self.draw(2) as u32;
        self.agents_fetch(agents);
        world.live_through(SignedDuration::from_hours(4)).await;
        self.watch.borrow().contained_keys_stay_dead();
        let key = world.current_key();
        assert!(
            self.provider.accepts(&key) || self.watch.borrow().excuses(&key),
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
        check_rules(world, "at rest").await;
        self.watch.borrow().contained_keys_stay_dead();
        self.versions_are_at_rest().await;
        self.handles_are_mirrored_no_longer_than_needed().await;
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
