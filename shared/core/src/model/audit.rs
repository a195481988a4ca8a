//! An audit: what was looked at, what was found, and what became of what was found before.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::act::Act;
use super::finding::{Finding, FindingId, Gravity};
use super::money::MicroDollars;
use super::names::{AccountName, AgentName, Principal, SlotName};
use super::slot::{Environment, ProviderName, SlotState};
use super::text::{AlertText, OutsideText};

/// The month that an audit is of, UTC: `2026-11`. An audit that is made again for its month takes the place of the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Period {
    year: i16,
    month: i8,
}

impl Period {
    /// The month that a moment is in.
    pub fn of(at: Timestamp) -> Self {
        let day = Offset::UTC.to_datetime(at).date();
        let (year, month) = (day.year(), day.month());
        Self { year, month }
    }

    /// The month after.
    #[must_use]
    pub const fn after(self) -> Self {
        match self.month {
            12 => Self {
                year: self.year + 1,
                month: 1,
            },
            month => Self {
                year: self.year,
                month: month + 1,
            },
        }
    }

    /// The month before.
    #[must_use]
    pub const fn before(self) -> Self {
        match self.month {
            1 => Self {
                year: self.year - 1,
                month: 12,
            },
            month => Self {
                year: self.year,
                month: month - 1,
            },
        }
    }

    /// When it begins, UTC.
    pub fn begins(self) -> Timestamp {
        let first = Date::new(self.year, self.month, 1).unwrap_or_default();
        let begins = Offset::UTC.to_timestamp(first.at(0, 0, 0, 0));
        begins.unwrap_or(Timestamp::MIN)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

/// A text that names no month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a period is a month, as 2026-11")]
pub struct NoPeriod;

impl FromStr for Period {
    type Err = NoPeriod;

    fn from_str(text: &str) -> Result<Self, NoPeriod> {
        let (year, month) = text.split_once('-').ok_or(NoPeriod)?;
        let is_number = |text: &str, digits: usize| {
            text.len() == digits && text.bytes().all(|b| b.is_ascii_digit())
        };
        if !is_number(year, 4) || !is_number(month, 2) {
            return Err(NoPeriod);
        }
        let year: i16 = year.parse().map_err(|_| NoPeriod)?;
        let month: i8 = month.parse().map_err(|_| NoPeriod)?;
        let is_a_month = (1970..=9998).contains(&year) && (1..=12).contains(&month);
        is_a_month.then_some(Self { year, month }).ok_or(NoPeriod)
    }
}

impl JsonSchema for Period {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Period".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9]{4}-(0[1-9]|1[0-2])$"})
    }
}

impl Serialize for Period {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Something that an audit reads.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The inventory's slots and keys.
    Inventory,
    /// The items of one slot. Told of only where one of them cannot be read.
    Slot(SlotName),
    /// The list of secrets.
    Secrets,
    /// The resource policies of slots' secrets.
    Policies,
    /// A provider account's list of keys, where slots' keys live.
    Keys(AccountName),
    /// The projects or users of a provider account in which no slot's keys live, where its keys are listed by those.
    Places(AccountName),
    /// Who watches what a provider account's keys use.
    Usage(AccountName),
    /// The alarms of the region.
    Alarms,
    /// The standby pool of a provider account.
    Pool(AccountName),
    /// The age of a provider account's admin credential.
    Credential(AccountName),
    /// IAM's list of credentials for Bedrock.
    Iam,
    /// The environment variables of the region's Lambda functions.
    Functions,
    /// Which people have left.
    People,
}

/// In words.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inventory => f.write_str("the inventory"),
            Self::Slot(slot) => write!(f, "the items of {slot}"),
            Self::Secrets => f.write_str("Secrets Manager's list"),
            Self::Policies => f.write_str("the policies of secrets"),
            Self::Keys(account) => write!(f, "the keys of {account}"),
            Self::Places(account) => write!(f, "the keys of {account} where no slot lives"),
            Self::Usage(account) => write!(f, "who watches {account}"),
            Self::Alarms => f.write_str("CloudWatch's alarms"),
            Self::Pool(account) => write!(f, "the pool of {account}"),
            Self::Credential(account) => write!(f, "the admin credential of {account}"),
            Self::Iam => f.write_str("IAM's credentials for Bedrock"),
            Self::Functions => f.write_str("the variables of Lambda functions"),
            Self::People => f.write_str("who has left"),
        }
    }
}

/// How much of a source was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "seen")]
pub enum Seen {
    /// All of it.
    Whole,
    /// Nobody has set up what it would be read from, so there was nothing to read. What would be in it is not known.
    Absent {
        /// What is not there.
        why: AlertText,
    },
    /// Not to its end: what was read counts, and what is missing in it proves nothing.
    Part {
        /// What came between.
        why: AlertText,
    },
    /// Nothing of it.
    Not {
        /// Why.
        why: AlertText,
    },
}

impl Seen {
    /// Not there to be read, for this reason.
    pub fn absent(why: &str) -> Self {
        let why = AlertText::new(why);
        Self::Absent { why }
    }

    /// Not read, for this reason.
    pub fn not(why: &str) -> Self {
        let why = AlertText::new(why);
        Self::Not { why }
    }

    /// Not read to its end, for this reason.
    pub fn part(why: &str) -> Self {
        let why = AlertText::new(why);
        Self::Part { why }
    }

    /// Whether what is not in it is not there.
    pub const fn is_whole(&self) -> bool {
        matches!(self, Self::Whole)
    }

    /// Why not all of it was read.
    pub const fn why(&self) -> Option<&AlertText> {
        match self {
            Self::Whole => None,
            Self::Absent { why } | Self::Part { why } | Self::Not { why } => Some(why),
        }
    }

    /// Whether reading it failed: there was something to read, and not all of it was.
    pub const fn has_failed(&self) -> bool {
        match self {
            Self::Whole | Self::Absent { .. } => false,
            Self::Part { .. } | Self::Not { .. } => true,
        }
    }
}

/// What was read, and what was not. A source that is not in it was not there to read: an account without a pool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage(BTreeMap<Source, Seen>);

impl Coverage {
    /// Says how much of a source was read. Said twice, the lesser counts.
    pub fn put(&mut self, source: Source, seen: Seen) {
        let known = self.0.entry(source).or_insert(Seen::Whole);
        let is_lesser = match (&*known, &seen) {
            (Seen::Whole, _) | (Seen::Part { .. }, Seen::Not { .. }) => true,
            (Seen::Absent { .. }, other) => other.has_failed(),
            (Seen::Part { .. }, _) | (Seen::Not { .. }, _) => false,
        };
        if is_lesser {
            *known = seen;
        }
    }

    /// How much of a source was read; `None` if it is not one of this audit's.
    pub fn of(&self, source: &Source) -> Option<&Seen> {
        self.0.get(source)
    }

    /// Whether all of a source was read. One that is not known was not.
    pub fn is_whole(&self, source: &Source) -> bool {
        self.of(source).is_some_and(Seen::is_whole)
    }

    /// Whether all that there was to read was read whole.
    pub fn is_complete(&self) -> bool {
        !self.0.values().any(Seen::has_failed)
    }

    /// What was not read whole although it was there to be read, and why.
    pub fn missing(&self) -> impl Iterator<Item = (&Source, &AlertText)> {
        let failed = self.0.iter().filter(|(_, seen)| seen.has_failed());
        failed.filter_map(|(source, seen)| Some((source, seen.why()?)))
    }

    /// What was not read because nobody has set up how, and why.
    pub fn absent(&self) -> impl Iterator<Item = (&Source, &AlertText)> {
        let absent = self.0.iter().filter(|(_, seen)| !seen.has_failed());
        absent.filter_map(|(source, seen)| Some((source, seen.why()?)))
    }

    /// Every source, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Source, &Seen)> {
        self.0.iter()
    }
}

/// One source, and how much of it was read.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Read {
    source: Source,
    #[serde(flatten)]
    seen: Seen,
}

impl Serialize for Coverage {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rows = self.0.iter().map(|(source, seen)| Read {
            source: source.clone(),
            seen: seen.clone(),
        });
        serializer.collect_seq(rows)
    }
}

impl<'de> Deserialize<'de> for Coverage {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let rows = Vec::<Read>::deserialize(deserializer)?.into_iter();
        Ok(Self(rows.map(|row| (row.source, row.seen)).collect()))
    }
}

/// A finding that somebody answers for until a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AcceptedRisk {
    /// The item layout.
    pub schema: u32,
    /// Which finding.
    pub finding: FindingId,
    /// Who answers for it.
    pub owner: Principal,
    /// Why it may stay.
    pub reason: OutsideText,
    /// Until when; from then on it is open again.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub until: Timestamp,
}

/// What became of a finding since the audits before.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It was there before, was gone, and is there again.
    CameBack,
    /// It was found in this period for the first time.
    New,
    /// It was there before, and still is.
    Open,
    /// It was there before, and what would show it was not read: nobody knows.
    NotSeen,
    /// It is there, and somebody answers for it.
    Accepted,
    /// It was there before, and is no more.
    Fixed,
}

impl Standing {
    /// Every standing, most urgent first.
    pub const ALL: [Self; 6] = [
        Self::CameBack,
        Self::New,
        Self::Open,
        Self::NotSeen,
        Self::Accepted,
        Self::Fixed,
    ];

    /// Whether somebody should do something about it.
    pub const fn is_open(self) -> bool {
        match self {
            Self::CameBack | Self::New | Self::Open | Self::NotSeen => true,
            Self::Accepted | Self::Fixed => false,
        }
    }

    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CameBack => "came back",
            Self::New => "new",
            Self::Open => "still open",
            Self::NotSeen => "not seen",
            Self::Accepted => "accepted",
            Self::Fixed => "fixed",
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A finding with what is known of it from audit to audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// The finding, as it was last seen.
    #[serde(flatten)]
    pub finding: Finding,
    /// What became of it.
    pub standing: Standing,
    /// When it was first found.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub first_seen: Timestamp,
    /// In the audit of which period.
    pub first_period: Period,
    /// When it was last found.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub last_seen: Timestamp,
    /// The period whose audit found it gone; absent while it is there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fixed_in: Option<Period>,
    /// The last period whose audit found it again after it was gone.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub back_in: Option<Period>,
    /// Who answers for it, why and until when, where somebody does.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub accepted: Option<AcceptedRisk>,
}

/// One slot at a glance, for charts and tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SlotLine {
    /// Its name.
    pub slot: SlotName,
    /// Its agent.
    pub agent: AgentName,
    /// Who answers for it.
    pub owner: Principal,
    /// Where the agent runs.
    pub environment: Environment,
    /// Its provider.
    pub provider: ProviderName,
    /// Its provider account.
    pub account: AccountName,
    /// What it may do.
    pub state: SlotState,
    /// How old its current key is, in whole days; absent without one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub age_days: Option<u32>,
    /// How old it may become.
    pub max_age_days: u32,
    /// What it spent in the period, up to the audit, as far as that was seen, in micro-dollars; absent where nothing was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub spent: Option<MicroDollars>,
    /// What it spends in a month by what people said.
    pub expected: MicroDollars,
    /// What it spends on a day by its learned baseline, in micro-dollars; absent until that is learned.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub normal_day: Option<MicroDollars>,
    /// What it may spend in a month.
    pub cap: MicroDollars,
}

/// How many findings were open after one audit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// The worst.
    pub critical: u32,
    /// Of high gravity.
    pub high: u32,
    /// Of medium gravity.
    pub medium: u32,
    /// Of low gravity.
    pub low: u32,
}

impl Counts {
    /// Of the entries that are open.
    pub fn open<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut counts = Self::default();
        let open = entries.into_iter().filter(|e| e.standing.is_open());
        for entry in open {
            *counts.at(entry.finding.gravity) += 1;
        }
        counts
    }

    fn at(&mut self, gravity: Gravity) -> &mut u32 {
        match gravity {
            Gravity::Critical => &mut self.critical,
            Gravity::High => &mut self.high,
            Gravity::Medium => &mut self.medium,
            Gravity::Low => &mut self.low,
        }
    }

    /// How many there are of one gravity.
    pub const fn of(&self, gravity: Gravity) -> u32 {
        match gravity {
            Gravity::Critical => self.critical,
            Gravity::High => self.high,
            Gravity::Medium => self.medium,
            Gravity::Low => self.low,
        }
    }

    /// All of them.
    pub const fn total(&self) -> u32 {
        self.critical + self.high + self.medium + self.low
    }
}

/// How one audit before this one ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PastAudit {
    /// Its period.
    pub period: Period,
    /// What was open after it.
    pub open: Counts,
}

/// How many keys and slots there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Totals {
    /// Slots that were read.
    pub slots: u32,
    /// Keys of theirs that may be alive.
    pub keys: u32,
    /// Keys that providers list.
    pub listed: u32,
}

/// Whether the audits before are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum History {
    /// They are: what is new is new.
    #[default]
    Known,
    /// They could not be read: every finding stands as new, and nobody knows since when it is there.
    Unknown,
}

/// What an audit says. Its JSON form is for programs of others and has a schema, `shared/reports/report.schema.json`: under one
/// number in `schema` only fields and rules are added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditReport {
    /// The form of this report: 1.
    pub schema: u32,
    /// The deployment.
    pub stack: OutsideText,
    /// The month.
    pub period: Period,
    /// When it was made.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub made: Timestamp,
    /// Whether it was held against the audits before.
    #[serde(default)]
    pub history: History,
    /// What was read, and what was not.
    #[schemars(with = "Vec<Read>")]
    pub coverage: Coverage,
    /// How much there is.
    pub totals: Totals,
    /// Every finding, most urgent first.
    pub findings: Vec<Entry>,
    /// Every slot that was read.
    pub slots: Vec<SlotLine>,
    /// The audits before, oldest first.
    pub past: Vec<PastAudit>,
    /// What people did in the period, oldest first.
    pub acts: Vec<Act>,
}

impl AuditReport {
    /// The form that this release writes.
    pub const SCHEMA: u32 = 1;

    /// Whether everything was read. If not, what was found is true, and nothing else is known to be well.
    pub fn is_complete(&self) -> bool {
        self.coverage.is_complete()
    }

    /// The JSON Schema of a report's JSON form.
    pub fn json_schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }

    /// What is open.
    pub fn open(&self) -> Counts {
        Counts::open(&self.findings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_a_month() {
        let at: Timestamp = "2026-12-01T06:00:00Z".parse().unwrap();
        let december = Period::of(at);
        assert_eq!(december.to_string(), "2026-12");
        assert_eq!(december.begins().to_string(), "2026-12-01T00:00:00Z");
        assert_eq!(december.before().to_string(), "2026-11");
        assert_eq!(december.after().to_string(), "2027-01");
        assert_eq!(december.before().after(), december);
        let january: Period = "2027-01".parse().unwrap();
        assert_eq!(january.before(), december);
        assert_eq!(january.begins().to_string(), "2027-01-01T00:00:00Z");
        for wrong in [
            "", "2026", "2026-13", "2026-00", "26-11", "2026-1", "+026-11",
        ] {
            assert_eq!(wrong.parse::<Period>(), Err(NoPeriod), "{wrong}");
        }
    }

    #[test]
    fn what_was_read_in_part_is_not_made_whole_by_another_reading() {
        let mut coverage = Coverage::default();
        assert!(!coverage.is_whole(&Source::Iam), "not known");
        coverage.put(Source::Iam, Seen::Whole);
        assert!(coverage.is_complete());
        coverage.put(Source::People, Seen::absent("no directory"));
        coverage.put(Source::People, Seen::Whole);
        assert!(coverage.is_complete(), "there was nothing to read");
        assert!(!coverage.is_whole(&Source::People), "nothing is known");
        assert_eq!(coverage.missing().count(), 0);
        assert_eq!(coverage.absent().count(), 1);
        coverage.put(Source::Iam, Seen::part("throttled"));
        coverage.put(Source::Iam, Seen::Whole);
        assert_eq!(coverage.of(&Source::Iam), Some(&Seen::part("throttled")));
        coverage.put(Source::Iam, Seen::not("denied"));
        coverage.put(Source::Iam, Seen::part("throttled"));
        assert_eq!(coverage.of(&Source::Iam), Some(&Seen::not("denied")));
        assert!(!coverage.is_complete());
        let missing: Vec<&Source> = coverage.missing().map(|(source, _)| source).collect();
        assert_eq!(missing, [&Source::Iam]);
        let json = serde_json::to_string(&coverage).unwrap();
        let people = r#"{"source":"people","seen":"absent","why":"no directory"}"#;
        let iam = r#"{"source":"iam","seen":"not","why":"denied"}"#;
        assert_eq!(json, format!("[{iam},{people}]"));
        assert_eq!(serde_json::from_str::<Coverage>(&json).unwrap(), coverage);
    }
}
