//! One slot under watch: buckets in, judgements out.

use serde::{Deserialize, Serialize};

use super::finding::{Act, Finding, Measured, Rule};
use super::form::{Facts, Fired, Score};
use super::recent::Recent;
use super::requests;
use super::settings::{ALERT, Evidence, KILL, Limits};
use crate::model::baseline::{Baseline, Mean, Place, Span, month_of};
use crate::model::kill_order::Basis;
use crate::model::money::MicroDollars;
use crate::model::text::OutsideText;
use crate::model::usage::{Bucket, Reading};

/// A slot is learned when it was used on so many of the last 14 whole days,
const LEARNED_DAYS: u32 = 5;
const LEARNED_OF: u32 = 14;
/// and its normal day costs at least a cent.
const LEAST_DAY: u64 = 10_000;
/// An alert ends after so many buckets below 1.2 times normal: two hours.
const CALM: u32 = 24;
const WEEK: u32 = 7 * Bucket::PER_DAY;

/// What is remembered of a slot between polls, beside its [`Baseline`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// The first bucket of the alert that is on.
    alert_since: Option<Bucket>,
    calm: u32,
    /// Sums begin after it.
    contained: Option<Bucket>,
    /// What is set apart, first and last bucket; older ones than 36 days are dropped.
    apart: Vec<(Bucket, Bucket)>,
    told: Vec<(Rule, Act, Bucket)>,
    /// Late spend that fired: when, and what.
    late: Option<(Bucket, Fired)>,
}

impl Memory {
    /// The first bucket of the alert that is on.
    pub const fn alert_since(&self) -> Option<Bucket> {
        self.alert_since
    }

    /// Whether a bucket says something about what is normal.
    pub fn place(&self, bucket: Bucket) -> Place {
        let within = |&(from, to): &(Bucket, Bucket)| (from..=to).contains(&bucket);
        match self.apart.iter().any(within) {
            true => Place::Apart,
            false => Place::Normal,
        }
    }

    /// Of these findings, those that people were not told in the last 24 hours, by rule and act: an alert that grows into
    /// a kill is always told. They count as told from now on.
    pub fn untold(&mut self, findings: Vec<Finding>) -> Vec<Finding> {
        let mut untold = Vec::new();
        for finding in findings {
            let Finding { rule, act, at, .. } = finding;
            self.told
                .retain(|&(_, _, told)| told.plus(Bucket::PER_DAY) > at);
            if !self.told.iter().any(|&(r, a, _)| (r, a) == (rule, act)) {
                self.told.push((rule, act, at));
                untold.push(finding);
            }
        }
        untold
    }
}

impl Memory {
    /// Late spend fires once, when it is told: it stands for a while, so that whoever acts on it has the time.
    fn lasting(&mut self, now: Bucket, fired: Option<Fired>) -> Option<Finding> {
        if let Some(fired) = fired {
            self.late = Some((now, fired));
        }
        let lasts = |(at, _): &(Bucket, Fired)| now <= at.plus(super::recent::HOT);
        self.late = self.late.filter(lasts);
        let (_, fired) = self.late?;
        Some(Finding::spend(Act::Kill, Rule::LateSpend, now, fired))
    }
}

/// The mean of a bucket, where the slot has a baseline.
fn learned(baseline: &Baseline, now: Bucket) -> Option<Mean> {
    let used = baseline.used_days(now, LEARNED_OF);
    let mean = baseline.mean()?;
    let day = mean.times(Bucket::PER_DAY);
    (used >= LEARNED_DAYS && day >= LEAST_DAY).then_some(mean)
}

/// What a slot spends on a day on the mean; `None` until it has a baseline.
pub fn normal_day(baseline: &Baseline, now: Bucket) -> Option<MicroDollars> {
    learned(baseline, now).map(|mean| MicroDollars(mean.times(Bucket::PER_DAY)))
}

/// Whether the baseline has to be made again from what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// All that is set apart is less than a day old.
    Kept,
    /// Some is in the baseline already: [`Baseline::rebuilt`], with [`Memory::place`].
    Rebuild,
}

/// The judgement of one bucket by the rules on money.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judgement {
    /// What asks for a kill.
    pub kill: Option<Finding>,
    /// What asks for an alert; there whenever a kill is.
    pub alert: Option<Finding>,
}

/// A judgement by all rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// The slot's KillScore.
    pub score: Score,
    /// What its line is made of.
    pub basis: Basis,
    /// What was found, told before or not.
    pub findings: Vec<Finding>,
}

/// How the last hour stands to what is normal. Micro-dollars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Hour {
    /// What was spent in it.
    pub spent: MicroDollars,
    /// What is spent in an hour on the mean; `None` without a baseline.
    pub normal: Option<MicroDollars>,
    /// What an hour that goes on may spend at most before it asks for a kill by itself; `None` without a record.
    pub limit: Option<MicroDollars>,
}

/// One slot under watch.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    baseline: Baseline,
    memory: Memory,
    recent: Recent,
    woke: Option<Finding>,
    models: Vec<Finding>,
    late: Vec<(Bucket, u64)>,
}

impl Watch {
    /// Goes on from what was written down. What the baseline has not taken in yet comes by [`advance`](Self::advance).
    pub fn new(baseline: Baseline, memory: Memory) -> Self {
        Self {
            baseline,
            memory,
            ..Self::default()
        }
    }

    /// What is normal, to be written down.
    pub const fn baseline(&self) -> &Baseline {
        &self.baseline
    }

    /// What is remembered, to be written down.
    pub const fn memory(&self) -> &Memory {
        &self.memory
    }

    /// To note what was told.
    pub const fn memory_mut(&mut self) -> &mut Memory {
        &mut self.memory
    }

    /// Puts in a baseline that was made again.
    pub fn set_baseline(&mut self, baseline: Baseline) {
        self.baseline = baseline;
    }

    /// Takes in a bucket. Those that were skipped are unknown; one that is there already is overwritten.
    pub fn advance(&mut self, bucket: Bucket, reading: Reading) {
        if let Some(to) = self.recent.to() {
            if bucket <= to {
                self.overwrite(bucket, reading);
                return;
            }
            // A day and more of nothing pushes everything out; the baseline fills the rest.
            let first = to.plus(1).max(bucket.minus(2 * Bucket::PER_DAY));
            for missed in first.0..bucket.0 {
                self.push(Bucket(missed), Reading::Unknown);
            }
        }
        self.push(bucket, reading);
    }

    /// Takes in a bucket that is told of after its time: what was spent in it counts as told late.
    pub fn catch_up(&mut self, bucket: Bucket, reading: Reading) {
        if self.recent.to().is_some_and(|to| bucket <= to) {
            return self.overwrite(bucket, reading);
        }
        self.advance(bucket, reading);
        let spent = reading.known().map_or(0, |counts| counts.cost.0);
        if spent > 0 {
            self.late.push((bucket, spent));
        }
    }

    fn push(&mut self, bucket: Bucket, reading: Reading) {
        self.use_seen(bucket, reading);
        if let Some((old, entry)) = self.recent.push(bucket, reading) {
            self.baseline.settle(old, entry.reading(), entry.place);
        }
        if self.memory.contained.is_some_and(|last| bucket <= last) {
            self.recent.restart_after(bucket);
        }
        if self.memory.place(bucket) == Place::Apart {
            self.recent.set_place(bucket, bucket, Place::Apart);
        }
    }

    fn use_seen(&mut self, bucket: Bucket, reading: Reading) {
        if !reading.known().is_some_and(|counts| counts.used()) {
            return;
        }
        if let Some(last) = self.baseline.last_used()
            && bucket.0.saturating_sub(last.0) > WEEK
        {
            let silent = bucket.begins().duration_since(last.ends());
            self.woke = Some(Finding {
                act: Act::Alert,
                rule: Rule::FirstUse,
                at: bucket,
                measured: Measured::Silence(silent),
            });
        }
        self.baseline.use_seen(bucket);
    }

    /// Puts what is told of a bucket of the last 24 hours in the place of what was told before.
    pub fn overwrite(&mut self, bucket: Bucket, reading: Reading) {
        let Some(more) = self.recent.overwrite(bucket, reading) else {
            return;
        };
        self.use_seen(bucket, reading);
        if more > 0 {
            self.late.push((bucket, more));
        }
    }

    /// Notes that a model was used.
    pub fn model_seen(&mut self, bucket: Bucket, model: &OutsideText) {
        if self.baseline.model_seen(model) {
            self.models.push(Finding {
                act: Act::Alert,
                rule: Rule::NewModel,
                at: bucket,
                measured: Measured::Model(model.clone()),
            });
        }
    }

    /// The slot was contained in this bucket: sums begin at zero after it, and the incident, from its first alert on, is
    /// no measure for later.
    pub fn contained(&mut self, last: Bucket) -> Settled {
        let first = self.memory.alert_since.take().unwrap_or(last);
        self.memory.calm = 0;
        self.memory.contained = Some(last);
        self.memory.late = None;
        self.recent.restart_after(last);
        self.late.clear();
        self.set_apart(first, last)
    }

    /// These buckets are no measure for later: an incident, or an alert that a person confirmed.
    pub fn set_apart(&mut self, first: Bucket, last: Bucket) -> Settled {
        let oldest = last.minus(36 * Bucket::PER_DAY);
        self.memory.apart.retain(|&(_, to)| to >= oldest);
        self.memory.apart.push((first, last));
        self.recent.set_place(first, last, Place::Apart);
        self.settled(first)
    }

    /// A person says that the incident that ended with the containment in this bucket was rightful use: it is a measure for
    /// later after all. Sums still begin after it.
    pub fn rightful(&mut self, last: Bucket) -> Settled {
        let (back, apart) = std::mem::take(&mut self.memory.apart)
            .into_iter()
            .partition(|&(_, to): &(Bucket, Bucket)| to == last);
        self.memory.apart = apart;
        let back: Vec<(Bucket, Bucket)> = back;
        let mut settled = Settled::Kept;
        for (from, to) in back {
            self.recent.set_place(from, to, Place::Normal);
            if self.settled(from) == Settled::Rebuild {
                settled = Settled::Rebuild;
            }
        }
        settled
    }

    fn settled(&self, first: Bucket) -> Settled {
        match self.baseline.last() {
            Some(last) if first <= last => Settled::Rebuild,
            _ => Settled::Kept,
        }
    }

    fn facts<'a>(&self, limits: &'a Limits, now: Bucket) -> Facts<'a> {
        let announced = limits.announced.map(|said| said.percent_at(now.begins()));
        let factor = announced.map_or(100, |percent| percent.max(100).into());
        let peak = |span| self.baseline.peak(span, limits.record_days);
        Facts {
            limits,
            learned: learned(&self.baseline, now),
            peaks: Span::ALL.map(peak),
            spent: self.recent.spent(),
            hot: self.recent.hot(),
            factor,
            evidence: Evidence::None,
        }
    }

    /// The facts with the signs beside money. Those are looked for only where they make a difference.
    fn weighed<'a>(&self, limits: &'a Limits, now: Bucket) -> Facts<'a> {
        let facts = self.facts(limits, now);
        let halved = Facts {
            evidence: Evidence::LargeRequests,
            ..facts
        };
        let (requests, tokens) = self.recent.requests();
        let matters = facts.learned.is_some() && halved.fires(&ALERT).is_some();
        match matters && requests::too_large(&self.baseline, requests, tokens).is_some() {
            true => halved,
            false => facts,
        }
    }

    /// How the last hour stands: to be shown, no judgement.
    pub fn hour(&self, limits: &Limits) -> Hour {
        let Some(now) = self.recent.to() else {
            return Hour::default();
        };
        let facts = self.weighed(limits, now);
        let normal = |mean| facts.normal(mean, Span::Hour);
        Hour {
            spent: MicroDollars(facts.spent[Span::Hour as usize]),
            normal: facts.learned.map(normal).map(MicroDollars),
            limit: facts.limit(&KILL, Span::Hour).map(MicroDollars),
        }
    }

    /// Judges the newest bucket by the rules on money, and keeps note of when an alert began.
    pub fn judge(&mut self, limits: &Limits) -> Judgement {
        let Some(now) = self.recent.to() else {
            return Judgement::default();
        };
        let facts = self.weighed(limits, now);
        let alert = facts.fires(&ALERT);
        let kill = alert.and_then(|_| facts.fires(&KILL));
        self.remember(&facts, now, alert);
        let rule = match facts.learned {
            Some(_) => Rule::AboveBaseline,
            None => Rule::NoBaseline,
        };
        let finding = |act, fired| Finding::spend(act, rule, now, fired);
        Judgement {
            kill: kill.map(|fired| finding(Act::Kill, fired)),
            alert: alert.map(|fired| finding(Act::Alert, fired)),
        }
    }

    fn remember(&mut self, facts: &Facts<'_>, now: Bucket, alert: Option<Fired>) {
        if alert.is_some() {
            self.memory.alert_since.get_or_insert(now);
            self.memory.calm = 0;
        } else if self.memory.alert_since.is_some() {
            self.memory.calm = match is_calm(facts) {
                true => self.memory.calm + 1,
                false => 0,
            };
            if self.memory.calm >= CALM {
                self.memory.alert_since = None;
            }
        }
    }

    /// Judges the newest bucket by all rules.
    pub fn assess(&mut self, limits: &Limits) -> Assessment {
        let judgement = self.judge(limits);
        let mut findings: Vec<Finding> = [judgement.kill, judgement.alert]
            .into_iter()
            .flatten()
            .collect();
        let Some(now) = self.recent.to() else {
            let score = Score::default();
            let basis = Basis::Declared;
            return Assessment {
                score,
                basis,
                findings,
            };
        };
        let facts = self.weighed(limits, now);
        let late = self.late_spend(&facts, now);
        let late = self.memory.lasting(now, late);
        let score = match late {
            Some(_) => facts.score(&KILL).max(Score::FIRES),
            None => facts.score(&KILL),
        };
        findings.extend(late);
        findings.extend(self.month(limits, now));
        findings.extend(self.requests(now, facts.learned.is_some()));
        findings.extend(self.woke.take());
        findings.append(&mut self.models);
        let basis = match facts.learned {
            Some(_) => Basis::Usual,
            None => Basis::Declared,
        };
        Assessment {
            score,
            basis,
            findings,
        }
    }

    /// Late data may fire a rule for the time that it belongs to, where it still goes on, or is much by itself.
    fn late_spend(&mut self, facts: &Facts<'_>, now: Bucket) -> Option<Fired> {
        let late = std::mem::take(&mut self.late);
        let late = late
            .into_iter()
            .filter(|(bucket, _)| bucket.plus(super::recent::HOT) <= now);
        let (first, more) = late.fold((now, 0u64), |(first, sum), (bucket, more)| {
            (first.min(bucket), sum.saturating_add(more))
        });
        if more == 0 {
            return None;
        }
        Span::ALL.into_iter().find_map(|span| {
            let goes_on = facts.goes_on(&KILL);
            let much = more > 2 * facts.accepted_excess(&KILL, span);
            if !goes_on && !much {
                return None;
            }
            (first.0..=now.0).find_map(|end| {
                let spent = self.recent.spent_until(Bucket(end), span)?;
                facts.exceeds(&KILL, span, spent)
            })
        })
    }

    /// What was spent in the month of a bucket, as far as it was taken in.
    pub fn month_spent(&self, now: Bucket) -> u64 {
        let (first, _) = month_of(now);
        let recent = self.recent.paid_since(Bucket(first * Bucket::PER_DAY));
        self.baseline.month_spent(now).saturating_add(recent)
    }

    fn month(&self, limits: &Limits, now: Bucket) -> Option<Finding> {
        let (first, next) = month_of(now);
        let first = Bucket(first * Bucket::PER_DAY);
        let spent = self.month_spent(now);
        super::month::judge(limits, first, Bucket(next * Bucket::PER_DAY), now, spent)
    }

    fn requests(&self, now: Bucket, learned: bool) -> Vec<Finding> {
        if !learned {
            return Vec::new();
        }
        let (requests, tokens) = self.recent.requests();
        requests::judge(&self.baseline, now, requests, tokens)
    }
}

/// All spans are below 1.2 times normal; without a baseline: below the limit of an alert.
fn is_calm(facts: &Facts<'_>) -> bool {
    match facts.learned {
        Some(mean) => Span::ALL.into_iter().all(|span| {
            let spent = u128::from(facts.spent[span as usize]);
            spent * 10 < u128::from(facts.normal(mean, span)) * 12
        }),
        None => facts.spent[Span::Day as usize] <= facts.unlearned_limit(&ALERT),
    }
}
