//! Usage of all accounts, side by side: one paged report for each, however many slots it has.

use std::collections::BTreeMap;

use futures::future::join_all;
use jiff::Timestamp;

use super::keep::Noted;
use super::read::{Reader, places};
use super::{AccountPull, NotSeen, PullSettings, Pulled, Sight, UsagePorts, Watched, bills, keep};
use crate::model::names::{AccountName, SlotName};
use crate::model::price::PriceTable;
use crate::model::slot::{ProviderName, Scope};
use crate::model::usage::{Bucket, Counts};
use crate::model::usage_items::{AccountUsage, Backlog, Cell, Figure, Span, UNTOLD_MODEL};
use crate::model::version::{Version, VersionState};
use crate::ports::{Deadline, KeyProvider, ProviderError, UsageReports, Width, Window};
use crate::rules::usage::{Folded, Owner, Owners, growth, vanished, wait};

/// Buckets that are read at a time, at most: an hour.
const HOUR: u32 = Bucket::PER_HOUR;

/// Parts of the backlog that are read in a run.
const PARTS: usize = 2;

/// Rows that are asked for at a time, if each key has one of each minute. Drivers read answers of 8 MB, which is a little
/// more, and what is read at a time is held at once.
const ROWS: usize = 20_000;

/// Pulls what the slots of `fleet` used, keeps what changed of the buckets that are over, and tells of each account how
/// far it is known. One account's failure is no other's. What is not read whole is not seen: of a part that is not, nothing
/// is kept, and the next pull begins where the last whole one ended.
///
/// It can be stopped anywhere, run again, run twice at once or late: buckets are absolute, later readings win over earlier
/// ones, and an account counts as read only after its buckets are kept. Where a provider tells running totals alone, sums
/// stay exact and when within a gap they grew is an estimate: [`growth`].
pub async fn pull(
    ports: &UsagePorts,
    settings: &PullSettings,
    prices: &PriceTable,
    fleet: &[Watched],
    deadline: Deadline,
) -> Pulled {
    let mut accounts: BTreeMap<(&AccountName, ProviderName), Vec<&Watched>> = BTreeMap::new();
    for watched in fleet {
        let account = (&watched.slot.account, watched.slot.provider);
        accounts.entry(account).or_default().push(watched);
    }
    let turns = accounts.into_iter().map(|((account, provider), fleet)| {
        let turn = Turn {
            ports,
            settings,
            prices,
            fleet,
            deadline,
            account,
            provider,
            now: ports.clock.now(),
        };
        turn.run()
    });
    let accounts = join_all(turns).await;
    Pulled { accounts }
}

/// The pull of one account.
pub(super) struct Turn<'a> {
    pub(super) ports: &'a UsagePorts,
    pub(super) settings: &'a PullSettings,
    prices: &'a PriceTable,
    fleet: Vec<&'a Watched>,
    deadline: Deadline,
    pub(super) account: &'a AccountName,
    pub(super) provider: ProviderName,
    pub(super) now: Timestamp,
}

/// What a pull is to read.
struct Plan {
    newest: Span,
    backlog: Option<Backlog>,
    /// Keys are listed, and the last day read again.
    reread: bool,
}

/// What was read whole and kept: what is known by that.
struct Harvest {
    /// The newest first.
    spans: Vec<Span>,
    backlog: Option<Backlog>,
    reread: bool,
    figures: BTreeMap<String, Figure>,
}

impl Turn<'_> {
    async fn run(self) -> AccountPull {
        let mut out = AccountPull::new(self.account, self.provider, self.now);
        let state = match self.ports.usage.account_or_empty(self.account).await {
            Ok(state) => state,
            Err(error) => {
                out.sight = Sight::NotSeen(self.now, error.into());
                return out;
            }
        };
        out.before = state.read_at;
        if self.is_early(&state) {
            out.sight = Sight::Waiting(state.blind_since);
            return out;
        }
        let mut reader = Reader {
            clock: &*self.ports.clock,
            deadline: self.deadline,
            calls: 0,
        };
        out.sight = match self.turn(&state, &mut reader, &mut out).await {
            Ok(sight) => sight,
            Err(why) => self.failed(state, why).await,
        };
        out.calls = reader.calls;
        out
    }

    fn is_early(&self, state: &AccountUsage) -> bool {
        let next = state.read_at.map(|at| at + self.settings.poll_every);
        // A time that lies ahead is a clock's fault, and not waited for.
        let polled = next
            .is_some_and(|next| next > self.now && state.read_at.is_some_and(|at| at <= self.now));
        let asked = state.wait_until.is_some_and(|until| until > self.now);
        asked || polled && state.failures == 0
    }

    async fn turn(
        &self,
        state: &AccountUsage,
        reader: &mut Reader<'_>,
        out: &mut AccountPull,
    ) -> Result<Sight, NotSeen> {
        let open = self.ports.providers.open(self.account, self.provider);
        let provider = open.await?;
        let Some(reports) = provider.reports() else {
            return Ok(Sight::Untold);
        };
        let harvest = match reports.reporting().usage {
            Some(Width::Minute) => self.rows(state, reports, reader, out).await?,
            Some(_) | None => self.totals(state, &*provider, reader, out).await?,
        };
        if harvest.reread && reports.reporting().usage == Some(Width::Minute) {
            match reader.list(&*provider, &self.places()).await {
                Ok(listed) => {
                    let listed = listed.into_keys().collect();
                    out.vanished = vanished(self.versions(), &listed);
                }
                Err(why) => out.unlisted = Some(why),
            }
        }
        let span = harvest.spans[0];
        self.keep(state.clone(), harvest).await?;
        if self.bills_are_due(state) {
            let read = bills::read(self, reports, reader, out).await;
            out.bills = self.billed(read).await.err();
        }
        Ok(Sight::Seen(span.from, span.until))
    }

    /// Buckets as the provider has them: those since the last that was known, an hour at most and a few that still grow, and
    /// then as much of the backlog as a run has the time for, each part kept before the next is read: a day of thousands of
    /// keys is never held at once.
    async fn rows(
        &self,
        state: &AccountUsage,
        reports: &dyn UsageReports,
        reader: &mut Reader<'_>,
        out: &mut AccountPull,
    ) -> Result<Harvest, NotSeen> {
        let Plan {
            newest,
            backlog,
            reread,
        } = self.plan(state);
        let owners = self.owners();
        let at_a_time = self.buckets_at_a_time().min(HOUR);
        let mut until = newest.until;
        loop {
            let part = Span {
                from: newest.from.max(until.minus(at_a_time)),
                until,
            };
            let cells = self.part(&owners, part, reports, reader, out).await?;
            self.keep_cells(cells, Noted::All, out).await?;
            until = part.from;
            if until <= newest.from {
                break;
            }
        }
        let mut spans = vec![newest];
        let backlog = self
            .work_off(backlog, &owners, reports, reader, out, &mut spans)
            .await;
        Ok(Harvest {
            spans,
            backlog,
            reread,
            figures: BTreeMap::new(),
        })
    }

    /// Reads some of the backlog, and returns what is left. That it cannot be read now costs the newest buckets nothing.
    async fn work_off(
        &self,
        backlog: Option<Backlog>,
        owners: &Owners,
        reports: &dyn UsageReports,
        reader: &mut Reader<'_>,
        out: &mut AccountPull,
        spans: &mut Vec<Span>,
    ) -> Option<Backlog> {
        let mut left = backlog;
        for _ in 0..PARTS {
            let Some(Backlog { span, is_news }) = left else {
                break;
            };
            let part = Span {
                from: span.from.max(span.until.minus(self.buckets_at_a_time())),
                until: span.until,
            };
            let noted = match is_news {
                true => Noted::Nothing,
                false => Noted::Changed,
            };
            let read = async {
                let cells = self.part(owners, part, reports, reader, out).await?;
                self.keep_cells(cells, noted, out).await
            };
            if let Err(error) = read.await {
                tracing::warn!(account = %self.account, %error, "older usage could not be read now");
                let is_refused = matches!(error, NotSeen::Provider(ProviderError::Refused { .. }));
                return left.filter(|_| !is_refused);
            }
            spans.push(part);
            left = left.and_then(|left| left.within(span.from, part.from));
            // Whoever holds a detector makes it again, once.
            out.only_in_store |= is_news && left.is_none();
        }
        left
    }

    /// The cells of the closed buckets of a part of a report; with its last, what was used since.
    async fn part(
        &self,
        owners: &Owners,
        part: Span,
        reports: &dyn UsageReports,
        reader: &mut Reader<'_>,
        out: &mut AccountPull,
    ) -> Result<BTreeMap<SlotName, Vec<Cell>>, NotSeen> {
        let open = Bucket::of(self.now);
        let window = Window {
            from: part.from.begins(),
            until: match part.until == open {
                true => self.now,
                false => part.until.begins(),
            },
            width: Width::Minute,
        };
        let mut folded = Folded::default();
        let rows = reader.usage(reports, &window, |row| {
            folded.add(owners, self.prices, self.provider, row);
        });
        rows.await?;
        let mut cells: BTreeMap<SlotName, Vec<Cell>> = BTreeMap::new();
        for ((slot, version, bucket), models) in folded.cells {
            let cell = Cell::new(version, bucket, self.now, models);
            if bucket < open {
                cells.entry(slot).or_default().push(cell);
            } else {
                let owner = (slot, cell.version.clone());
                *out.open.entry(owner).or_default() += cell.counts();
            }
        }
        out.unattributed.extend(folded.unattributed);
        out.unknown_models.extend(folded.unknown_models);
        Ok(cells)
    }

    /// Fewer where there are many keys.
    fn buckets_at_a_time(&self) -> u32 {
        let live = self
            .versions()
            .filter(|version| version.state != VersionState::Revoked);
        let rows = live.count().max(1) * Bucket::WIDTH.as_mins() as usize;
        u32::try_from(ROWS / rows)
            .unwrap_or(HOUR)
            .clamp(1, self.settings.catch_up.max(1))
    }

    /// What to read. There is always a bucket that is over: providers refuse a range without one. After a failure a whole
    /// hour is read, so that a range that was refused is not asked again.
    fn plan(&self, state: &AccountUsage) -> Plan {
        let settings = self.settings;
        let open = Bucket::of(self.now);
        let day = open.minus(settings.reread.max(1));
        let oldest = open.minus(settings.catch_up);
        let is_due = state
            .reread_at
            .is_none_or(|at| self.now.duration_since(at) >= settings.reread_every);
        let last = state.seen_until().unwrap_or(day);
        let last = last
            .minus(settings.trail)
            .min(open.minus(settings.trail.max(1)));
        let hour = open.minus(HOUR);
        let from = match state.failures {
            0 => last.max(hour),
            _ => hour,
        };
        let of = |from, is_news| Backlog {
            span: Span { from, until: hour },
            is_news,
        };
        let missed = of(last, true).within(oldest, from);
        let again = is_due.then(|| of(day, false));
        let backlog = [missed, again, state.backlog].into_iter().flatten();
        let backlog = backlog.reduce(|all, more| all.and(Some(more)));
        Plan {
            newest: Span { from, until: open },
            backlog: backlog.and_then(|all| all.within(oldest, from)),
            reread: is_due,
        }
    }

    /// Running totals, from the list of keys.
    async fn totals(
        &self,
        state: &AccountUsage,
        provider: &dyn KeyProvider,
        reader: &mut Reader<'_>,
        out: &mut AccountPull,
    ) -> Result<Harvest, NotSeen> {
        let open = Bucket::of(self.now);
        let listed = reader.list(provider, &self.places()).await?;
        let mut cells: BTreeMap<SlotName, Vec<Cell>> = BTreeMap::new();
        let mut figures = BTreeMap::new();
        for version in self.versions() {
            let Some(handle) = version.handle.as_ref().map(|handle| handle.as_str()) else {
                continue;
            };
            let Some(key) = listed.get(handle) else {
                continue;
            };
            let owner: Owner = (version.slot.clone(), version.id.clone());
            let Some(spent) = key.spent else {
                out.untold.push(owner);
                continue;
            };
            let is_new = state.read_at.is_some_and(|at| version.created > at);
            let born = is_new.then(|| Bucket::of(version.created));
            let known = state.figures.get(handle).copied();
            let growth = growth(known, spent, open, born);
            if growth.fell {
                out.fell.push(owner.clone());
            }
            let slot = cells.entry(version.slot.clone()).or_default();
            for (bucket, cost) in growth.closed {
                let counts = Counts {
                    cost,
                    ..Counts::default()
                };
                let models = BTreeMap::from([(UNTOLD_MODEL.to_owned(), counts)]);
                slot.push(Cell::new(version.id.clone(), bucket, self.now, models));
            }
            if growth.open.0 > 0 {
                out.open.entry(owner).or_default().cost = growth.open;
            }
            figures.insert(handle.to_owned(), growth.figure);
        }
        out.vanished = vanished(self.versions(), &listed.into_keys().collect());
        self.keep_cells(cells, Noted::All, out).await?;
        let from = state.seen_until().unwrap_or(open).min(open);
        Ok(Harvest {
            spans: vec![Span { from, until: open }],
            backlog: None,
            reread: true,
            figures,
        })
    }

    /// Keeps cells, and tells of them what is to be noted.
    async fn keep_cells(
        &self,
        cells: BTreeMap<SlotName, Vec<Cell>>,
        noted: Noted,
        out: &mut AccountPull,
    ) -> Result<(), NotSeen> {
        let store = &*self.ports.usage;
        let (kept, failed) = keep::cells(store, cells, noted, self.settings.at_once).await;
        for (slot, kept) in kept {
            out.note(&slot, kept);
        }
        match failed {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    /// Keeps that the account was read: its cells are kept.
    async fn keep(&self, state: AccountUsage, harvest: Harvest) -> Result<(), NotSeen> {
        let store = &*self.ports.usage;
        let saw = |state: &mut AccountUsage| {
            for span in &harvest.spans {
                state.see(*span, self.now);
            }
            // Another run that asked later has said more.
            if state.read_at.is_some_and(|at| at > self.now) {
                return;
            }
            state.read_at = Some(self.now);
            // It tells itself: nobody else's word is asked for.
            state.told_at = None;
            state.backlog = harvest.backlog;
            if harvest.reread {
                state.reread_at = Some(self.now);
            }
            (state.wait_until, state.blind_since, state.failures) = (None, None, 0);
            state.figures.clone_from(&harvest.figures);
        };
        Ok(keep::account(store, self.account, state, saw).await?)
    }

    /// What stays known of an account that could not be read.
    async fn failed(&self, state: AccountUsage, why: NotSeen) -> Sight {
        let since = state.blind_since.or(state.read_at).unwrap_or(self.now);
        let failures = state.failures.saturating_add(1);
        let until = match &why {
            NotSeen::Provider(error) => Some(self.now + wait(self.account, error, failures)),
            NotSeen::Store(_) | NotSeen::OutOfTime => None,
        };
        let failed = |state: &mut AccountUsage| {
            if state.read_at.is_some_and(|at| at > self.now) {
                return;
            }
            state.failures = failures;
            state.blind_since = Some(since);
            state.wait_until = until;
        };
        let kept = keep::account(&*self.ports.usage, self.account, state, failed).await;
        if let Err(error) = kept {
            tracing::error!(account = %self.account, %error, "that an account is not seen was not kept");
        }
        Sight::NotSeen(since, why)
    }

    /// Keeps that costs were read; those that could not be are asked for again when the last day is.
    async fn billed(&self, read: Result<(), NotSeen>) -> Result<(), NotSeen> {
        let at = match &read {
            Ok(()) => self.now,
            Err(_) => self.now - self.settings.bills_every + self.settings.reread_every,
        };
        let store = &*self.ports.usage;
        let state = store.account_or_empty(self.account).await?;
        let kept = keep::account(store, self.account, state, |state| {
            state.costs_at = Some(at);
        });
        kept.await?;
        read
    }

    fn bills_are_due(&self, state: &AccountUsage) -> bool {
        let every = self.settings.bills_every;
        let last = state.costs_at;
        last.is_none_or(|at| self.now.duration_since(at) >= every)
    }

    pub(super) fn versions(&self) -> impl Iterator<Item = &Version> {
        self.fleet.iter().flat_map(|watched| &watched.versions)
    }

    pub(super) fn owners(&self) -> Owners {
        Owners::of(self.versions())
    }

    /// The places that the slots' keys live in, each once.
    pub(super) fn places(&self) -> Vec<Scope> {
        places(self.fleet.iter().map(|watched| &watched.slot))
    }
}
