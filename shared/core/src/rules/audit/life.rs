//! What becomes of findings from audit to audit: new, still open, accepted, fixed, came back; and not seen.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::SCHEMA;
use crate::model::audit::{
    AcceptedRisk, Counts, Coverage, Entry, PastAudit, Period, Seen, Source, Standing,
};
use crate::model::finding::{Finding, FindingId};

/// For how many audits a finding that is gone is remembered, so that it can be said to have come back.
const REMEMBERED: usize = 13;

/// How many audits before are told of.
const TOLD_OF: usize = 24;

/// What is remembered of the audits so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// The form of this: 1.
    pub schema: u32,
    /// Every finding that is there, or was lately.
    pub entries: Vec<Entry>,
    /// How the audits so far ended, oldest first; one for each period.
    pub past: Vec<PastAudit>,
    /// What people were last told; absent before the first time.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub told: Option<Told>,
    /// The latest period whose audit read everything and was told of, so that it need not be made again.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub done: Option<Period>,
}

/// A summary that people were sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Of which period.
    pub period: Period,
    /// The SHA-256 of what it said, in hex digits.
    pub digest: String,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            schema: SCHEMA,
            entries: Vec::new(),
            past: Vec::new(),
            told: None,
            done: None,
        }
    }
}

/// One audit's findings, and what they are held against.
#[derive(Debug)]
pub struct Audited<'a> {
    /// Which month it is of.
    pub period: Period,
    /// When it was made.
    pub now: Timestamp,
    /// What was read.
    pub coverage: &'a Coverage,
    /// Who answers for what.
    pub accepted: &'a [AcceptedRisk],
    /// What was found.
    pub found: Vec<Finding>,
}

/// The ledger after an audit. Made again for the same period, it says the same: what was new in the period still is.
pub fn carry(before: Ledger, audited: Audited<'_>) -> Ledger {
    let Audited {
        period,
        now,
        coverage,
        accepted,
        found,
    } = audited;
    let accepted: BTreeMap<FindingId, &AcceptedRisk> = accepted
        .iter()
        .filter(|risk| risk.until > now)
        .map(|risk| (risk.finding, risk))
        .collect();
    let mut known: BTreeMap<FindingId, Entry> = before
        .entries
        .into_iter()
        .map(|entry| (entry.finding.id, entry))
        .collect();
    let mut entries = BTreeMap::new();
    for finding in found {
        let id = finding.id;
        let prior = known.remove(&id);
        let risk = accepted.get(&id).copied().cloned();
        entries.insert(id, there(finding, prior, risk, period, now));
    }
    for (id, prior) in known {
        let risk = accepted.get(&id).copied().cloned();
        entries.insert(id, not_found(prior, risk, coverage, period));
    }
    let mut entries: Vec<Entry> = entries.into_values().collect();
    let oldest = (0..REMEMBERED).fold(period, |period, _| period.before());
    entries.retain(|entry| entry.fixed_in.is_none_or(|fixed| fixed >= oldest));
    entries.sort_by_cached_key(urgency);
    let open = Counts::open(&entries);
    let mut past = before.past;
    past.retain(|audit| audit.period != period);
    past.push(PastAudit { period, open });
    past.sort_by_key(|audit| audit.period);
    let surplus = past.len().saturating_sub(TOLD_OF);
    past.drain(..surplus);
    Ledger {
        schema: SCHEMA,
        entries,
        past,
        told: before.told,
        done: before.done,
    }
}

impl Ledger {
    /// What a report of this period tells: all that is there, and what was fixed in it.
    pub fn of(&self, period: Period) -> Vec<Entry> {
        let told = self.entries.iter();
        let told = told.filter(|e| e.fixed_in.is_none_or(|fixed| fixed == period));
        told.cloned().collect()
    }

    /// The audits before this period.
    pub fn before(&self, period: Period) -> Vec<PastAudit> {
        let past = self.past.iter().filter(|audit| audit.period < period);
        past.copied().collect()
    }
}

/// What is open first, the worst of it first.
fn urgency(entry: &Entry) -> impl Ord + use<> {
    let finding = &entry.finding;
    (
        !entry.standing.is_open(),
        std::cmp::Reverse(finding.gravity),
        entry.standing,
        finding.rule.clone(),
        finding.about.clone(),
        finding.id,
    )
}

fn there(
    finding: Finding,
    prior: Option<Entry>,
    accepted: Option<AcceptedRisk>,
    period: Period,
    now: Timestamp,
) -> Entry {
    let mut entry = Entry {
        finding,
        standing: Standing::New,
        first_seen: now,
        first_period: period,
        last_seen: now,
        fixed_in: None,
        back_in: None,
        accepted,
    };
    if let Some(prior) = prior {
        let was_accepted = prior.standing == Standing::Accepted && entry.accepted.is_none();
        let is_back = prior.fixed_in.is_some() || was_accepted;
        entry.back_in = if is_back { Some(period) } else { prior.back_in };
        (entry.first_seen, entry.first_period) = (prior.first_seen, prior.first_period);
    }
    entry.standing = match &entry {
        entry if entry.accepted.is_some() => Standing::Accepted,
        entry if entry.back_in == Some(period) => Standing::CameBack,
        entry if entry.first_period == period => Standing::New,
        _ => Standing::Open,
    };
    entry
}

fn not_found(
    mut entry: Entry,
    accepted: Option<AcceptedRisk>,
    coverage: &Coverage,
    period: Period,
) -> Entry {
    if entry.fixed_in.is_some() {
        return entry;
    }
    let finding = &entry.finding;
    let sources = &finding.sources;
    // Told of only where there is more to say than that it was read: an account that has no pool has none to read, without
    // which no stranger of it would ever be fixed, and a slot has an entry of its own only where one of its items was not read.
    let is_whole = |source: &Source| match source {
        Source::Pool(_) => coverage.of(source).is_none_or(Seen::is_whole),
        Source::Slot(_) => coverage.of(source).is_none(),
        _ => coverage.is_whole(source),
    };
    let own = finding.slot.clone().map(Source::Slot);
    let was_read = sources.iter().chain(&own).all(is_whole);
    (entry.standing, entry.fixed_in) = match (was_read, &accepted) {
        (true, _) => (Standing::Fixed, Some(period)),
        (false, Some(_)) => (Standing::Accepted, None),
        (false, None) => (Standing::NotSeen, None),
    };
    entry.accepted = accepted;
    entry
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::finding::{About, Gravity, RuleId};
    use crate::model::text::{AlertText, OutsideText};
    use jiff::SignedDuration;

    const NOW: Timestamp = Timestamp::constant(1_795_600_000, 0);

    fn finding(name: &str) -> Finding {
        let (rule, about) = (RuleId::new("key-idle"), About::Row(OutsideText::new(name)));
        Finding {
            id: FindingId::new(&rule, &about, ""),
            rule,
            gravity: Gravity::Low,
            about,
            slot: None,
            owner: None,
            evidence: AlertText::new("seen"),
            since: None,
            command: None,
            sources: vec![Source::Inventory],
        }
    }

    fn period(text: &str) -> Period {
        text.parse().unwrap()
    }

    fn accepted(name: &str, until: Timestamp) -> AcceptedRisk {
        AcceptedRisk {
            schema: SCHEMA,
            finding: finding(name).id,
            owner: "ana".parse().unwrap(),
            reason: OutsideText::new("moves next month"),
            until,
        }
    }

    /// The ledger after an audit that found these and read the inventory so.
    fn after(
        ledger: &Ledger,
        month: &str,
        found: &[&str],
        seen: Seen,
        risks: &[AcceptedRisk],
    ) -> Ledger {
        let mut coverage = Coverage::default();
        coverage.put(Source::Inventory, seen);
        let months = i64::from(month[5..].parse::<u8>().unwrap());
        let audited = Audited {
            period: period(month),
            now: NOW + SignedDuration::from_hours(months * 24 * 30),
            coverage: &coverage,
            accepted: risks,
            found: found.iter().map(|name| finding(name)).collect(),
        };
        carry(ledger.clone(), audited)
    }

    fn standing(ledger: &Ledger, month: &str, name: &str) -> Option<Standing> {
        let told = ledger.of(period(month));
        let mut told = told.iter().filter(|e| e.finding.id == finding(name).id);
        told.next().map(|entry| entry.standing)
    }

    #[test]
    fn a_finding_is_new_then_open_then_fixed_then_back() {
        let mut ledger = Ledger::default();
        for (month, found, expected) in [
            ("2026-01", &["a"][..], Some(Standing::New)),
            ("2026-02", &["a"], Some(Standing::Open)),
            ("2026-03", &[], Some(Standing::Fixed)),
            ("2026-04", &[], None),
            ("2026-05", &["a"], Some(Standing::CameBack)),
            ("2026-06", &["a"], Some(Standing::Open)),
        ] {
            for again in 0..2 {
                ledger = after(&ledger, month, found, Seen::Whole, &[]);
                assert_eq!(standing(&ledger, month, "a"), expected, "{month} {again}");
            }
        }
        let open: Vec<u32> = ledger.past.iter().map(|audit| audit.open.total()).collect();
        assert_eq!(open, [1, 1, 0, 0, 1, 1]);
        assert_eq!(ledger.before(period("2026-02")).len(), 1);
    }

    #[test]
    fn what_was_not_read_is_neither_fixed_nor_open() {
        let before = after(&Ledger::default(), "2026-01", &["a"], Seen::Whole, &[]);
        for seen in [Seen::part("throttled"), Seen::not("denied")] {
            let ledger = after(&before, "2026-02", &[], seen, &[]);
            assert_eq!(standing(&ledger, "2026-02", "a"), Some(Standing::NotSeen));
            let ledger = after(&ledger, "2026-03", &["a"], Seen::Whole, &[]);
            assert_eq!(standing(&ledger, "2026-03", "a"), Some(Standing::Open));
        }
        let coverage = Coverage::default();
        let audited = Audited {
            period: period("2026-02"),
            now: NOW,
            coverage: &coverage,
            accepted: &[],
            found: Vec::new(),
        };
        let ledger = carry(before, audited);
        assert_eq!(standing(&ledger, "2026-02", "a"), Some(Standing::NotSeen));
    }

    #[test]
    fn an_accepted_risk_is_open_again_when_its_day_comes() {
        let until = NOW + SignedDuration::from_hours(75 * 24);
        let risks = [accepted("a", until)];
        let first = after(
            &Ledger::default(),
            "2026-01",
            &["a", "b"],
            Seen::Whole,
            &risks,
        );
        assert_eq!(standing(&first, "2026-01", "a"), Some(Standing::Accepted));
        assert_eq!(standing(&first, "2026-01", "b"), Some(Standing::New));
        let unread = after(&first, "2026-02", &[], Seen::not("denied"), &risks);
        assert_eq!(standing(&unread, "2026-02", "a"), Some(Standing::Accepted));
        assert_eq!(standing(&unread, "2026-02", "b"), Some(Standing::NotSeen));
        let mut ledger = after(&first, "2026-02", &["a"], Seen::Whole, &risks);
        assert_eq!(standing(&ledger, "2026-02", "a"), Some(Standing::Accepted));
        for _ in 0..2 {
            ledger = after(&ledger, "2026-03", &["a"], Seen::Whole, &risks);
            assert_eq!(standing(&ledger, "2026-03", "a"), Some(Standing::CameBack));
        }
    }

    #[test]
    fn what_is_long_gone_is_forgotten_and_audits_long_ago_too() {
        let mut ledger = after(&Ledger::default(), "2024-01", &["a"], Seen::Whole, &[]);
        for year in 2024..2027 {
            for month in 1..=12 {
                let month = format!("{year}-{month:02}");
                ledger = after(&ledger, &month, &[], Seen::Whole, &[]);
            }
        }
        assert!(ledger.entries.is_empty());
        assert_eq!(ledger.past.len(), TOLD_OF);
    }
}
