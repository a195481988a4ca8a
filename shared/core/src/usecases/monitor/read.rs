//! Reports and lists read whole, or not at all.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::NotSeen;
use crate::model::slot::{Scope, Slot};
use crate::ports::{
    Clock, Cost, Deadline, KeyProvider, KeyRecord, PageToken, Usage, UsageReports, Window,
};

/// A page takes so long at most.
const PAGE: SignedDuration = SignedDuration::from_secs(10);

/// Reads pages while there is time, and counts them.
pub(in crate::usecases) struct Reader<'a> {
    pub(in crate::usecases) clock: &'a dyn Clock,
    pub(in crate::usecases) deadline: Deadline,
    pub(in crate::usecases) calls: usize,
}

/// The places that the slots' keys live in, each once.
pub(in crate::usecases) fn places<'a>(slots: impl IntoIterator<Item = &'a Slot>) -> Vec<Scope> {
    let mut places: Vec<Scope> = Vec::new();
    for slot in slots {
        let place = Scope {
            workspace: slot.scope.workspace.clone(),
            project: slot.scope.project.clone(),
            user: slot.scope.user.clone(),
            ..Scope::default()
        };
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places
}

impl Reader<'_> {
    fn turn(&mut self) -> Result<(), NotSeen> {
        if !self.deadline.allows(self.clock, PAGE) {
            return Err(NotSeen::OutOfTime);
        }
        self.calls += 1;
        Ok(())
    }

    /// All rows of a report of all keys of an account.
    pub(super) async fn usage(
        &mut self,
        reports: &dyn UsageReports,
        window: &Window,
        mut row: impl FnMut(&Usage) + Send,
    ) -> Result<(), NotSeen> {
        let scope = Scope::default();
        let mut next: Option<PageToken> = None;
        loop {
            self.turn()?;
            let page = reports.usage(&scope, window, next.as_ref()).await?;
            page.rows.iter().for_each(&mut row);
            match page.next {
                Some(token) => next = Some(token),
                None => return Ok(()),
            }
        }
    }

    /// All rows of a report of costs.
    pub(super) async fn costs(
        &mut self,
        reports: &dyn UsageReports,
        scope: &Scope,
        window: &Window,
    ) -> Result<Vec<Cost>, NotSeen> {
        let mut rows = Vec::new();
        let mut next: Option<PageToken> = None;
        loop {
            self.turn()?;
            let page = reports.costs(scope, window, next.as_ref()).await?;
            rows.extend(page.rows);
            match page.next {
                Some(token) => next = Some(token),
                None => return Ok(rows),
            }
        }
    }

    /// All keys of the places that slots live in, by handle: one list for each place, however many slots it has.
    pub(in crate::usecases) async fn list(
        &mut self,
        provider: &dyn KeyProvider,
        places: &[Scope],
    ) -> Result<BTreeMap<String, KeyRecord>, NotSeen> {
        let mut keys = BTreeMap::new();
        for place in places {
            let mut next: Option<PageToken> = None;
            loop {
                self.turn()?;
                let page = provider.list(place, next.as_ref()).await?;
                let named = page.keys.into_iter();
                keys.extend(named.map(|key| (key.handle.to_string(), key)));
                match page.next {
                    Some(token) => next = Some(token),
                    None => break,
                }
            }
        }
        Ok(keys)
    }
}
