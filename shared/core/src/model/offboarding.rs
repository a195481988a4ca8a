//! Offboarding: an agent is given up, or a person has left, and how far the keys that they had have come to their end.

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::act::CallerArn;
use super::incident::{OwnerId, TriggerId};
use super::names::{AgentName, Principal, Reader, SlotName};
use super::slot::Revision;
use super::text::OutsideText;

/// Every key of who left is dead or replaced within so long.
pub const WITHIN: SignedDuration = SignedDuration::from_hours(24);

/// The id of a case: what left, and the how manieth time. The same for every message about the same leaving.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct OffboardingId(String);

impl OffboardingId {
    /// The `number`th case, from 1, of who left. A person's names are in it as a digest only: it is part of an object's
    /// name in S3.
    pub fn of(leaver: &Leaver, number: u32) -> Self {
        Self(format!("{}-{number}", leaver.slug()))
    }

    /// Reads an id; `None` if it cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let is_one = (1..=128).contains(&text.len()) && text.chars().all(is_part);
        is_one.then(|| Self(text.to_owned()))
    }

    /// The id as text: lower-case letters, digits and dashes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for OffboardingId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who or what leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Leaver {
    /// An agent is given up, with all of its slots.
    Agent(AgentName),
    /// One slot is given up.
    Slot(SlotName),
    /// A person has left: their keys are replaced, and what they answered for is handed over.
    Person(Person),
}

impl Leaver {
    fn slug(&self) -> String {
        match self {
            Self::Agent(agent) => format!("agent-{agent}"),
            Self::Slot(slot) => format!("slot-{slot}"),
            Self::Person(person) => {
                use sha2::{Digest, Sha256};
                let name = person.name.as_str().to_ascii_lowercase();
                let digest = Sha256::digest(name.as_bytes());
                let digits: String = digest.iter().take(6).map(|b| format!("{b:02x}")).collect();
                format!("person-{digits}")
            }
        }
    }

    /// Whether the keys end without a replacement.
    pub const fn ends_slots(&self) -> bool {
        matches!(self, Self::Agent(_) | Self::Slot(_))
    }
}

impl std::fmt::Display for Leaver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Agent(agent) => write!(f, "agent {agent}"),
            Self::Slot(slot) => write!(f, "slot {slot}"),
            Self::Person(person) => write!(f, "{}", person.name),
        }
    }
}

/// A person, by every name that the fleet file, IAM or CloudTrail may have for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// The name that they are known by: one of an owner, or an ARN.
    pub name: Reader,
    /// Further ones, [`Person::MAX_OTHERS`] at most.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    #[schemars(length(max = 8))]
    pub also: Vec<Reader>,
}

impl Person {
    /// How many names a person can have beside the first.
    pub const MAX_OTHERS: usize = 8;

    /// All names, the first one first.
    pub fn names(&self) -> impl Iterator<Item = &Reader> {
        std::iter::once(&self.name).chain(&self.also)
    }

    /// Whether this owner is meant. Names are compared as mail addresses and directories do: without regard to case.
    pub fn is_owner(&self, owner: &Principal) -> bool {
        let owner = owner.as_str();
        self.names()
            .any(|name| name.as_str().eq_ignore_ascii_case(owner))
    }

    /// Whether this reader is meant.
    pub fn is_reader(&self, reader: &Reader) -> bool {
        let reader = reader.as_str();
        self.names()
            .any(|name| name.as_str().eq_ignore_ascii_case(reader))
    }
}

/// One message or act that asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AskedFor {
    /// The id of the act or of the event: what comes again with the same one is the same.
    pub request: TriggerId,
    /// Who: the ARN that AWS authenticated, or where the event came from.
    pub by: CallerArn,
    /// Why.
    pub reason: OutsideText,
    /// When.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
}

/// What tied a person to a slot.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Tie {
    /// They answered for it.
    Owner,
    /// They were to take over.
    BackupOwner,
    /// They may read its secret.
    Reader,
    /// CloudTrail says that they read its secret.
    HasRead,
}

/// What became of what a person answered for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HandedOver {
    /// When.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// Who answers for the slot now.
    pub owner: Principal,
    /// Whether the owner changed.
    pub is_new_owner: bool,
    /// Whether nobody is there to take over from that owner.
    pub lacks_backup: bool,
    /// Whether that owner is who left: there was nobody to hand it over to.
    pub is_ownerless: bool,
}

/// That a slot's secret is scheduled for deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretEnd {
    /// When that was done, or first seen.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// From when it can be gone for good: until then RestoreSecret brings it back, with its dead key. Absent where the
    /// answer that says so was lost, or where somebody else deleted it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub until: Option<Timestamp>,
}

/// One slot of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotTask {
    /// The slot.
    pub slot: SlotName,
    /// What tied the person to it; empty where a slot is given up.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub ties: Vec<Tie>,
    /// Keys that were begun up to then are to be dead.
    pub known_until: Timestamp,
    /// What became of the ownership.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub handed: Option<HandedOver>,
    /// How often a cut, or a new key, was asked for and taken.
    #[serde(default)]
    pub asked: u32,
    /// When that was last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub asked_at: Option<Timestamp>,
    /// That its secret is scheduled for deletion.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub secret_end: Option<SecretEnd>,
    /// What it waits for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub waits_for: Option<OutsideText>,
    /// When nothing was left to do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub done: Option<Timestamp>,
}

impl SlotTask {
    /// The task as it begins.
    pub fn new(slot: SlotName, known_until: Timestamp) -> Self {
        Self {
            slot,
            ties: Vec::new(),
            known_until,
            handed: None,
            asked: 0,
            asked_at: None,
            secret_end: None,
            waits_for: None,
            done: None,
        }
    }
}

/// How far CloudTrail was asked which secrets a person has read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReadsLook {
    /// From when on.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub from: Timestamp,
    /// Until when.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub to: Timestamp,
    /// How many of the person's names are looked up.
    pub names_done: usize,
    /// Of the name at hand, everything later than this is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub back_to: Option<Timestamp>,
    /// It is the second look, for what CloudTrail delivered late.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub is_second: bool,
    /// Why something was not seen: who read what is then not known, which is not that nobody did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub not_seen: Option<OutsideText>,
    /// When the looks were over.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub over: Option<Timestamp>,
}

/// What people were told of a case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CaseTold {
    /// That half of the time is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub half: Option<Timestamp>,
    /// That four fifths are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub four_fifths: Option<Timestamp>,
    /// That the deadline is past: when last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late: Option<Timestamp>,
    /// That slots are without an owner or a backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ownerless: Option<Timestamp>,
    /// That it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub done: Option<Timestamp>,
}

/// One leaving, from what asked for it to its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offboarding {
    /// The item layout.
    pub schema: u32,
    /// Counts the writes of this item.
    pub revision: Revision,
    /// Its id.
    pub id: OffboardingId,
    /// Who or what leaves.
    pub leaver: Leaver,
    /// What asked for it, oldest first, [`Offboarding::MAX_ASKED`] at most.
    pub asked: Vec<AskedFor>,
    /// When it was opened.
    pub opened: Timestamp,
    /// When every key is to be dead or replaced.
    pub deadline: Timestamp,
    /// Who is at work on it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner: Option<OwnerId>,
    /// Until when: after that anybody goes on with it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lease_until: Option<Timestamp>,
    /// When its slots were listed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub listed: Option<Timestamp>,
    /// Its slots, [`Offboarding::MAX_SLOTS`] at most.
    #[serde(default)]
    pub slots: Vec<SlotTask>,
    /// How many slots there was no room for: they need another case, once this one is over.
    #[serde(default)]
    pub left_out: usize,
    /// How far CloudTrail was asked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reads: Option<ReadsLook>,
    /// What people were told.
    #[serde(default)]
    pub told: CaseTold,
    /// Where its evidence was put last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub evidence: Option<OutsideText>,
    /// When nothing was left to do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub closed: Option<Timestamp>,
    /// When it is looked at next; absent when nothing is left to do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub due_at: Option<Timestamp>,
}

impl Offboarding {
    /// So many messages about one leaving are kept.
    pub const MAX_ASKED: usize = 20;

    /// So many slots fit into one item, which has 400 KB at most:
    /// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>.
    pub const MAX_SLOTS: usize = 400;

    /// Whether what came with this request is known already.
    pub fn knows(&self, request: &TriggerId) -> bool {
        self.asked.iter().any(|asked| asked.request == *request)
    }

    /// Gives the work on it to `owner`, until `until`: then it is due again.
    pub fn lease(&mut self, owner: &OwnerId, until: Timestamp) {
        self.owner = Some(owner.clone());
        self.lease_until = Some(until);
        self.due_at = Some(until);
    }

    /// Whether somebody other than `owner` is at work on it.
    pub fn is_leased_by_another(&self, owner: &OwnerId, now: Timestamp) -> bool {
        self.owner.as_ref().is_some_and(|by| by != owner)
            && self.lease_until.is_some_and(|until| until > now)
    }

    /// The task of a slot.
    pub fn task(&mut self, slot: &SlotName) -> Option<&mut SlotTask> {
        self.slots.iter_mut().find(|task| task.slot == *slot)
    }

    /// The slots that are not done.
    pub fn open_tasks(&self) -> impl Iterator<Item = &SlotTask> {
        self.slots.iter().filter(|task| task.done.is_none())
    }

    /// Takes a slot in, or a further tie to one: a longer time in which its key was known counts.
    pub fn take_in(&mut self, task: SlotTask) {
        if let Some(known) = self.task(&task.slot) {
            let new: Vec<Tie> = task
                .ties
                .into_iter()
                .filter(|tie| !known.ties.contains(tie))
                .collect();
            known.ties.extend(new);
            if task.known_until > known.known_until {
                known.known_until = task.known_until;
                known.done = None;
            }
            return;
        }
        match self.slots.len() < Self::MAX_SLOTS {
            true => self.slots.push(task),
            false => self.left_out += 1,
        }
    }
}
