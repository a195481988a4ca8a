//! Old keys: overlap, then drain, then revocation. And rotations that did not finish.

use jiff::SignedDuration;

use super::{ItemError, NEAR_END, ROUND, RetireReport, STUCK_AFTER, Work};
use crate::model::alert::{AlertKind, Command, Severity};
use crate::model::version::{UsageSeen, Version, VersionState};
use crate::ports::{Fence, SecretDescription, SecretError, Stage, Verdict};
use crate::rules::birth;
use crate::rules::overlap::{Drain, DrainFacts, Hold, Use, Why, drain, or_told};
use crate::usecases::adopt::retiring;
use crate::usecases::{rotate, unmake};

impl Work<'_> {
    /// Revokes an old key once it may go; holds one that is still in use, and says so.
    pub(super) async fn drain(
        &self,
        mut version: Version,
        report: &mut RetireReport,
    ) -> Result<(), ItemError> {
        let id = &version.id.secret_version;
        if self
            .labels()
            .await?
            .is_some_and(|secret| secret.has(id, &Stage::Current))
        {
            return self.hold_what_agents_fetch(version).await;
        }
        version.told.moved_back = None;
        if version.retire_after.is_none() {
            return self.begin_overlap_anew(version).await;
        }
        let seen = self.look_at_use(&mut version).await;
        let old = self.or_unknown_at_the_deadline(&version, seen)?;
        let (now, refresh) = (self.ports.clock.now(), self.slot.policy.refresh);
        let old = or_told(old, version.last_used, now, refresh);
        let facts = self.facts(&version, old).await?;
        match drain(&facts) {
            Drain::Hold(Hold::Overlap) => {
                let wait = facts.retire_after.duration_since(facts.now);
                self.put_off(version, Some(wait.min(self.slot.policy.refresh / 4)))
                    .await
            }
            Drain::Hold(Hold::ReplacementUnused | Hold::NotYetKnown) => {
                self.put_off(version, Some(ROUND)).await
            }
            Drain::Hold(Hold::StillUsed) => self.hold_what_is_used(version, &facts).await,
            Drain::Revoke(why) => self.begin_revoking(version, why, report).await,
        }
    }

    /// The secret's labels; `None` if the secret was deleted: then agents fetch nothing from it.
    async fn labels(&self) -> Result<Option<SecretDescription>, ItemError> {
        match self.ports.secrets.describe(self.slot.secret.as_str()).await {
            Err(SecretError::NotFound(_)) => Ok(None),
            answer => Ok(Some(answer?)),
        }
    }

    /// What cannot be read holds the old key back until its hard deadline, and no longer.
    fn or_unknown_at_the_deadline(
        &self,
        old: &Version,
        seen: Result<Use, ItemError>,
    ) -> Result<Use, ItemError> {
        let now = self.ports.clock.now();
        match seen {
            Err(error) if old.deadline.is_none_or(|deadline| deadline <= now) => {
                tracing::warn!(slot = %self.slot.name, version = %old.id, %error, "the use of a key cannot be read; the deadline of the old one stands");
                Ok(Use::Unknown)
            }
            seen => seen,
        }
    }

    /// Reads what the provider says of the key's use, and keeps it.
    async fn look_at_use(&self, version: &mut Version) -> Result<Use, ItemError> {
        let Some(handle) = &version.handle else {
            return Ok(Use::Unknown);
        };
        let Some(record) = self.provider.get(handle).await? else {
            return Ok(Use::Unknown);
        };
        let now = self.ports.clock.now();
        if let Some(at) = record.last_used {
            version.last_used = Some(at);
            return Ok(Use::Last(at));
        }
        let Some(total) = record.spent else {
            return Ok(Use::Unknown);
        };
        let seen = match version.usage_seen {
            Some(seen) if seen.total == total => seen,
            before => UsageSeen {
                total,
                since: now,
                watched_from: before.map_or(now, |seen| seen.watched_from),
            },
        };
        version.usage_seen = Some(seen);
        Ok(Use::Figure(seen))
    }

    async fn facts(&self, version: &Version, old: Use) -> Result<DrainFacts, ItemError> {
        let now = self.ports.clock.now();
        let mut new = Use::Unknown;
        let mut promoted = now;
        if let Some(current) = self
            .versions
            .iter()
            .find(|v| v.state == VersionState::Current)
        {
            promoted = current.promoted.unwrap_or(now);
            let seen = self.look_at_use(&mut current.clone()).await;
            new = self.or_unknown_at_the_deadline(version, seen)?;
        }
        Ok(DrainFacts {
            now,
            retire_after: version.retire_after.unwrap_or(now),
            deadline: version.deadline.unwrap_or(now),
            refresh: self.slot.policy.refresh,
            old,
            new,
            promoted,
        })
    }

    async fn hold_what_is_used(
        &self,
        mut version: Version,
        facts: &DrainFacts,
    ) -> Result<(), ItemError> {
        if version.told.still_used.is_none() {
            let alert = self.alert(Severity::Warning, AlertKind::OldKeyStillUsed, [&format!(
                    "Agent {} (owner {}) still uses the old key {} of slot {} after its overlap.",
                    self.slot.agent,
                    self.slot.owner,
                    version.shown(),
                    self.slot.name,
                ), &format!(
                    "The old key is held, at the latest until {}.",
                    facts.deadline
                ), &format!(
                    "Restart agent {}, or see that it fetches its key every {} minutes.",
                    self.slot.agent,
                    self.slot.policy.refresh.as_mins()
                )]);
            if self.ports.tell(alert).await {
                version.told.still_used = Some(facts.now);
            }
        }
        self.put_off(version, Some(ROUND)).await
    }

    /// Somebody has moved AWSCURRENT back to a key that was replaced: it is what agents fetch, so it is not revoked, and
    /// its overlap has no end until it is replaced again.
    async fn hold_what_agents_fetch(&self, mut version: Version) -> Result<(), ItemError> {
        if version.told.moved_back.is_none() {
            let alert = self
                .alert(
                    Severity::Page,
                    AlertKind::ForeignSecretChange,
                    [
                        &format!(
                            "AWSCURRENT of slot {} is back on the old key {}.",
                            self.slot.name,
                            version.shown()
                        ),
                        "The old key is not revoked while agents fetch it.",
                        "Find out who moved the label, then rotate the secret.",
                    ],
                )
                .with_command(Command::about("rotate", &self.slot.name));
            if self.ports.tell(alert).await {
                version.told.moved_back = Some(self.ports.clock.now());
            }
        }
        version.retire_after = None;
        version.deadline = None;
        self.put_off(version, Some(ROUND)).await
    }

    /// A key that AWSCURRENT was moved back to has been replaced again.
    async fn begin_overlap_anew(&self, mut version: Version) -> Result<(), ItemError> {
        let now = self.ports.clock.now();
        version.retire_after = Some(now + self.slot.policy.overlap);
        version.deadline = Some(now + self.slot.policy.deadline);
        self.put_off(version, Some(ROUND)).await
    }

    async fn begin_revoking(
        &self,
        version: Version,
        why: Why,
        report: &mut RetireReport,
    ) -> Result<(), ItemError> {
        let mut told = true;
        if let Why::Deadline { still_used: true } = why {
            let alert = self.alert(Severity::Page, AlertKind::DeadlineRevocation, [&format!(
                    "Agent {} (owner {}) still used the old key {} of slot {} at its hard deadline.",
                    self.slot.agent, self.slot.owner, version.shown(), self.slot.name,
                ), "The old key is being revoked; the agent fails until it fetches the new one.", &format!("Restart agent {}.", self.slot.agent)]);
            told = self.ports.tell(alert).await;
        }
        tracing::info!(slot = %self.slot.name, version = %version.id, ?why, "revoking an old key");
        self.revoke(version, report).await?;
        told.then_some(()).ok_or(ItemError::Untold)
    }

    /// A rotation left this version behind: if AWSCURRENT is on it, the records are brought up to that; else it is
    /// taken back, or retired if it was there, and its AWSPENDING label taken off.
    pub(super) async fn clear_stuck(
        &self,
        version: Version,
        report: &mut RetireReport,
    ) -> Result<(), ItemError> {
        let now = self.ports.clock.now();
        let begun = version.lease_until.unwrap_or(version.begun_at());
        let stuck_at = if version.state == VersionState::Intended {
            begun
        } else {
            begun + STUCK_AFTER
        };
        if version.epoch == self.slot.epoch && now < stuck_at {
            return self
                .put_off(version, Some(stuck_at.duration_since(now)))
                .await;
        }
        let secret = self.labels().await?;
        let has = |stage| {
            secret
                .as_ref()
                .is_some_and(|secret| secret.has(&version.id.secret_version, stage))
        };
        let (is_current, is_pending) = (has(&Stage::Current), has(&Stage::Pending));
        if is_current && version.epoch == self.slot.epoch {
            match self.is_fit_to_serve(&version).await? {
                Some(true) => return self.settle(version).await,
                Some(false) => {}
                None => return self.put_off(version, Some(ROUND)).await,
            }
        }
        let was_served = has(&Stage::Previous)
            && version.state == VersionState::Promoting
            && version.epoch == self.slot.epoch;
        let left = if was_served {
            self.let_retire(version).await?
        } else {
            self.abandon(version).await?
        };
        let mut told = true;
        if !is_current && is_pending {
            unmake::make_room_for_the_next(self.ports, self.slot, &left).await?;
            told = self.say_cleared(&left).await;
        }
        if left.state == VersionState::Abandoned {
            self.revoke(left, report).await?;
        }
        told.then_some(()).ok_or(ItemError::Untold)
    }

    async fn abandon(&self, version: Version) -> Result<Version, ItemError> {
        let mut abandoned = version.become_state(VersionState::Abandoned)?;
        abandoned.lease_until = None;
        abandoned.due_at = Some(self.ports.clock.now());
        self.save(abandoned).await
    }

    /// AWSCURRENT was on this version until somebody put another there: agents may have fetched its key, so it has its
    /// overlap.
    async fn let_retire(&self, version: Version) -> Result<Version, ItemError> {
        let now = self.ports.clock.now();
        let mut current = version.become_state(VersionState::Current)?;
        current.promoted = Some(now);
        current.lease_until = None;
        current.due_at = Some(now);
        let fence = Fence::Epoch(self.slot.epoch);
        let inventory = &self.ports.inventory;
        inventory
            .save_versions(std::slice::from_ref(&current), fence)
            .await?;
        current.revision = current.revision.next();
        let to = VersionState::Retiring;
        let retiring = retiring(current.clone(), self.slot, now);
        self.save(retiring.map_or_else(|| current.become_state(to), Ok)?)
            .await
    }

    /// Whether a key that stands under AWSCURRENT before its rotation is over can stay there: it was tested, or the
    /// provider accepts it now. `None` if that cannot be seen.
    async fn is_fit_to_serve(&self, version: &Version) -> Result<Option<bool>, ItemError> {
        if version
            .tested
            .is_some_and(|tested| tested.epoch == self.slot.epoch)
        {
            return Ok(Some(true));
        }
        let Some(key) = self.readable_key(version).await? else {
            return Ok(Some(false));
        };
        Ok(match self.provider.verify(&key).await {
            Verdict::Live | Verdict::BlockedForMoney(_) => Some(true),
            Verdict::Dead(_) | Verdict::BlockedForScope(_) => Some(false),
            Verdict::Unknown(_) => None,
        })
    }

    /// Brings the records of a version that is AWSCURRENT up to that, state by state.
    async fn settle(&self, mut version: Version) -> Result<(), ItemError> {
        for state in [VersionState::Pending, VersionState::Promoting] {
            if version.state.may_become(state) {
                version = self.save(version.become_state(state)?).await?;
            }
        }
        Ok(rotate::settle_promotion(self.ports, self.slot, &version).await?)
    }

    async fn say_cleared(&self, version: &Version) -> bool {
        let alert = self.alert(Severity::Warning, AlertKind::StuckPendingCleared, [&format!("A rotation of slot {} did not finish.", self.slot.name), &format!("Its key {} goes out of use and AWSPENDING was taken off; the current key is untouched.", version.shown()), "The next rotation can start. Look at the rotate function's log for the reason."]);
        self.ports.tell(alert).await
    }

    /// A current key that comes near its end pages once a day: a rotation that should have replaced it has not.
    pub(super) async fn watch_age(&self, mut version: Version) -> Result<(), ItemError> {
        let now = self.ports.clock.now();
        let end = birth::replace_by(&self.slot.policy, &version);
        let wait = end.duration_since(now) - NEAR_END;
        if wait.is_positive() {
            return self.put_off(version, Some(wait)).await;
        }
        let alert = self.alert(
            Severity::Page,
            AlertKind::KeyNearEnd,
            [
                &format!(
                    "The current key {} of slot {} ends at {end} and was not replaced.",
                    version.shown(),
                    self.slot.name
                ),
                "Nothing was changed; agents work until then.",
                "Rotate the secret now, and see why its schedule did not.",
            ],
        );
        if !self.ports.tell(alert).await {
            return self.put_off(version, Some(ROUND)).await;
        }
        version.told.near_end = Some(now);
        self.put_off(version, Some(SignedDuration::from_hours(24)))
            .await
    }
}
