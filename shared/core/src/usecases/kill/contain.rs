//! Containment: every live version of the slot, all at once, listed again until nothing new appears.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use jiff::SignedDuration;

use super::CutVersion;
use super::save::update;
use crate::model::incident::{Containment, HowCut, Incident};
use crate::model::names::KeyHandle;
use crate::model::slot::{Scope, Slot};
use crate::model::text::OutsideText;
use crate::model::version::{IllegalTransition, Version, VersionId, VersionState};
use crate::ports::{
    Advice, Deadline, Fence, InventoryError, KeyProvider, ProviderError, Suspension,
};
use crate::rules::kill::{CutMade, contained_as, containment_of, is_to_be_cut};
use crate::usecases::find::{self, FindError};
use crate::usecases::{Ports, unmake};

/// How often one version is tried in one run.
const TRIES: u32 = 3;

/// How long is waited before what failed is tried again.
const WAIT: SignedDuration = SignedDuration::from_secs(2);

/// Time kept back of the invocation for what comes after containment.
const MARGIN: SignedDuration = SignedDuration::from_secs(15);

/// How often a record is written again on what somebody else has written.
const SAVE_TRIES: usize = 8;

/// Why a version is not contained.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotCut {
    #[error(transparent)]
    Find(#[from] FindError),
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error("it is cut off, but that could not be recorded: {0}")]
    Unrecorded(#[from] InventoryError),
    #[error(transparent)]
    Transition(#[from] IllegalTransition),
    #[error("its id at the provider is unknown")]
    Unnamed,
}

impl NotCut {
    /// Whether the same may succeed in a moment.
    fn may_pass(&self) -> bool {
        match self {
            Self::Find(FindError::Provider(error)) | Self::Provider(error) => {
                error.advice() != Advice::StopAndAlert
            }
            Self::Find(FindError::Inventory(error)) | Self::Unrecorded(error) => {
                error.is_retryable()
            }
            Self::Find(FindError::OtherUnderWay) => true,
            Self::Transition(_) | Self::Unnamed => false,
        }
    }
}

/// How one version fared.
#[derive(Debug)]
pub(super) struct Fared {
    /// How people know its key.
    pub(super) shown: OutsideText,
    /// What was done to it, or why nothing.
    pub(super) result: Result<HowCut, NotCut>,
    containment: Containment,
    tries: u32,
}

/// What containment came to.
#[derive(Debug, Default)]
pub(super) struct Contained {
    /// Each version that was to be cut off in this run.
    pub(super) versions: BTreeMap<VersionId, Fared>,
    /// How keys are suspended at the provider; `None` if its account could not be opened.
    pub(super) suspension: Option<Suspension>,
    /// Why its account could not be opened.
    pub(super) unreached: Option<ProviderError>,
    /// How hard it is.
    containment: Containment,
    /// Why it is not known whether these are all.
    pub(super) unlisted: Option<InventoryError>,
}

impl Contained {
    /// Nothing was done: the provider account could not be opened.
    pub(super) fn unreached(error: ProviderError) -> Self {
        Self {
            unreached: Some(error),
            ..Self::default()
        }
    }

    /// Why not everything is contained, in one sentence.
    pub(super) fn first_failure(&self) -> Option<String> {
        if let Some(error) = &self.unreached {
            return Some(error.to_string());
        }
        let failed = |fared: &Fared| match &fared.result {
            Err(error) if !matches!(error, NotCut::Unnamed) => {
                Some(format!("{}: {error}", fared.shown))
            }
            _ => None,
        };
        let failed = self.versions.values().find_map(failed);
        failed.or_else(|| self.unlisted.as_ref().map(ToString::to_string))
    }

    /// The error by which the provider refused the account's admin credential, if it did.
    pub(super) fn admin_refused(&self) -> Option<&ProviderError> {
        let of_versions = self
            .versions
            .values()
            .filter_map(|fared| match &fared.result {
                Err(NotCut::Provider(error) | NotCut::Find(FindError::Provider(error))) => {
                    Some(error)
                }
                _ => None,
            });
        let mut errors = self.unreached.iter().chain(of_versions);
        errors.find(|error| matches!(error, ProviderError::AdminCredential { .. }))
    }

    /// What was done to each version.
    pub(super) fn summary(&self) -> Vec<CutVersion> {
        let versions = self.versions.iter();
        versions
            .map(|(id, fared)| CutVersion {
                id: id.clone(),
                how: fared.result.as_ref().ok().copied(),
            })
            .collect()
    }

    /// How hard the slot was contained.
    pub(super) fn containment(&self) -> Containment {
        self.containment
    }

    /// Whether nothing is left that a further run could contain. A key that cannot be named is left to `retire`, which
    /// looks for it, and to people.
    pub(super) fn is_whole(&self) -> bool {
        self.first_failure().is_none()
    }

    /// Whether a version has to be cut off, still or more thoroughly.
    /// What was begun after the claim is the replacement's.
    fn wants(&self, version: &Version, incident: &Incident) -> bool {
        let containment = incident.containment;
        if version.epoch >= incident.epoch || !is_to_be_cut(version, containment) {
            return false;
        }
        self.versions.get(&version.id).is_none_or(|fared| {
            fared.containment < containment
                || fared.tries < TRIES && fared.result.as_ref().is_err_and(NotCut::may_pass)
        })
    }
}

/// What containment works with.
pub(super) struct Containing<'a> {
    pub(super) ports: &'a Ports,
    pub(super) slot: &'a Slot,
    pub(super) provider: Arc<dyn KeyProvider>,
    pub(super) deadline: Deadline,
}

impl Containing<'_> {
    /// Contains `versions`, which were read when the claim was made, and whatever is listed after it. One version's
    /// failure holds up no other.
    pub(super) async fn contain(
        &self,
        mut incident: Incident,
        mut versions: Vec<Version>,
    ) -> (Incident, Contained) {
        let mut contained = Contained {
            suspension: Some(self.provider.abilities().suspension),
            ..Contained::default()
        };
        loop {
            let containment = incident.containment;
            contained.containment = containment;
            incident = self.note_cuts_of_others(incident, &versions).await;
            versions.retain(|v| contained.wants(v, &incident));
            if !versions.is_empty() {
                let all_failed = versions
                    .iter()
                    .all(|v| contained.versions.contains_key(&v.id));
                if all_failed && !self.wait().await {
                    return (incident, contained);
                }
                incident = self.note(incident, &versions).await;
                self.cut_all(&versions, containment, &mut contained).await;
                incident = self.note_cuts(incident, &contained).await;
            }
            versions = match self.ports.inventory.versions(&self.slot.name).await {
                Ok(versions) => versions,
                Err(error) => {
                    contained.unlisted = Some(error);
                    return (incident, contained);
                }
            };
            if !versions.iter().any(|v| contained.wants(v, &incident)) {
                return (incident, contained);
            }
        }
    }

    /// Waits before what failed is tried again; `false` if there is no time left for that.
    async fn wait(&self) -> bool {
        let clock = self.ports.clock.as_ref();
        let has_time = self.deadline.allows(clock, WAIT + MARGIN);
        if has_time {
            clock.sleep(WAIT).await;
        }
        has_time
    }

    /// Records versions as they are, before anything is changed.
    async fn note(&self, incident: Incident, versions: &[Version]) -> Incident {
        update(self.ports, incident, |incident| {
            versions.iter().for_each(|version| incident.note(version));
        })
        .await
    }

    async fn note_cuts(&self, incident: Incident, contained: &Contained) -> Incident {
        let now = self.ports.clock.now();
        update(self.ports, incident, |incident| {
            for undo in &mut incident.undo {
                let fared = contained.versions.get(&undo.version);
                if let Some(Ok(how)) = fared.map(|fared| &fared.result)
                    && undo.cut.is_none_or(|(before, _)| before != *how)
                {
                    undo.cut = Some((*how, now));
                }
            }
        })
        .await
    }

    /// Notes what the versions' records say of cuts that the incident does not: a run ended in between.
    async fn note_cuts_of_others(&self, incident: Incident, versions: &[Version]) -> Incident {
        let now = self.ports.clock.now();
        let suspension = self.provider.abilities().suspension;
        update(self.ports, incident, |incident| {
            let containment = incident.containment;
            let unknown = incident.undo.iter_mut().filter(|undo| undo.cut.is_none());
            for undo in unknown {
                let version = versions.iter().find(|v| v.id == undo.version);
                let version = version.filter(|v| !is_to_be_cut(v, containment));
                undo.cut = version.map(|version| (how_cut(version, suspension), now));
            }
        })
        .await
    }

    async fn cut_all(
        &self,
        versions: &[Version],
        containment: Containment,
        contained: &mut Contained,
    ) {
        let cuts = versions
            .iter()
            .map(|version| self.cut(version, containment));
        let results = join_all(cuts).await;
        for (version, result) in versions.iter().zip(results) {
            if let Err(error) = &result {
                tracing::warn!(slot = %self.slot.name, version = %version.id, %error, "a version is not contained");
            }
            let before = contained.versions.get(&version.id);
            let tries = before.map_or(1, |fared| fared.tries + 1);
            let fared = Fared {
                shown: OutsideText::new(&version.shown()),
                result,
                containment,
                tries,
            };
            contained.versions.insert(version.id.clone(), fared);
        }
    }

    /// Cuts one version off: at the provider first, then in the record.
    async fn cut(&self, version: &Version, containment: Containment) -> Result<HowCut, NotCut> {
        let made = match self.handle_of(version).await? {
            Some(handle) => CutMade {
                how: self.cut_key(version, &handle, containment).await?,
                handle: Some(handle),
            },
            None => CutMade {
                how: HowCut::NothingFound,
                handle: None,
            },
        };
        self.record(version, &made, containment).await?;
        match made.how {
            HowCut::NothingFound if version.label.is_none() => Err(NotCut::Unnamed),
            how => Ok(how),
        }
    }

    async fn handle_of(&self, version: &Version) -> Result<Option<KeyHandle>, NotCut> {
        if let Some(handle) = &version.handle {
            return Ok(Some(handle.clone()));
        }
        let found = find::key_of(self.ports, self.provider.as_ref(), version).await?;
        Ok(found.map(|key| key.handle))
    }

    async fn cut_key(
        &self,
        version: &Version,
        handle: &KeyHandle,
        containment: Containment,
    ) -> Result<HowCut, ProviderError> {
        let containment = containment_of(version, containment);
        cut_key(self.provider.as_ref(), &version.scope, handle, containment).await
    }

    /// Records what was done, whoever writes to the version meanwhile.
    async fn record(
        &self,
        version: &Version,
        made: &CutMade,
        containment: Containment,
    ) -> Result<(), NotCut> {
        let inventory = &self.ports.inventory;
        let mut stored = Some(version.clone());
        let mut last = InventoryError::Conflict;
        for _ in 0..SAVE_TRIES {
            let Some(known) = stored.take() else {
                match inventory.versions(&self.slot.name).await {
                    Ok(all) => stored = all.into_iter().find(|v| v.id == version.id),
                    Err(error) if error.is_retryable() => last = error,
                    Err(error) => return Err(error.into()),
                }
                continue;
            };
            let now = self.ports.clock.now();
            let Some(next) = contained_as(known, made, containment, now)? else {
                return Ok(());
            };
            match inventory.save_versions(&[next], Fence::None).await {
                Ok(()) => return Ok(()),
                Err(error) if error.is_retryable() => last = error,
                Err(error) => return Err(error.into()),
            }
        }
        Err(last.into())
    }
}

/// What was done to a version that its record says is cut off.
const fn how_cut(version: &Version, suspension: Suspension) -> HowCut {
    match (version.state, &version.handle, suspension) {
        (VersionState::Contained, None, _) => HowCut::NothingFound,
        (VersionState::Contained, Some(_), Suspension::Refuses) => HowCut::Suspended,
        (VersionState::Contained, Some(_), Suspension::Narrows) => HowCut::Narrowed,
        _ => HowCut::Deleted,
    }
}

/// Cuts one key off: suspends it where the provider can and takes that for this key, else deletes it.
pub(crate) async fn cut_key(
    provider: &dyn KeyProvider,
    scope: &Scope,
    handle: &KeyHandle,
    containment: Containment,
) -> Result<HowCut, ProviderError> {
    let suspended = match provider.abilities().suspension {
        Suspension::Refuses => HowCut::Suspended,
        Suspension::Narrows if containment == Containment::Reversible => HowCut::Narrowed,
        Suspension::Narrows | Suspension::None => {
            unmake::delete(provider, scope, handle).await?;
            return Ok(HowCut::Deleted);
        }
    };
    match provider.disable(handle).await {
        Ok(_) => Ok(suspended),
        Err(ProviderError::Unsupported(_) | ProviderError::Refused { .. }) => {
            unmake::delete(provider, scope, handle).await?;
            Ok(HowCut::Deleted)
        }
        Err(error) => {
            unmake::settle_not_found(provider, scope, handle, Err(error)).await?;
            Ok(HowCut::Deleted)
        }
    }
}
