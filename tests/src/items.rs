//! What the inventory's items hold, type by type, as it is written down for each schema in `fixtures/items`.

use std::collections::BTreeMap;

use keyward_core::model::act::{Act, Phase, Subject};
use keyward_core::model::admin::{
    AdminRecord, AdminState, AdminVersion, BreakGlassResult, BreakGlassTest,
};
use keyward_core::model::audit::AcceptedRisk;
use keyward_core::model::drill::{Drill, DrillOutcome, DrillStage, DrillUnderWay};
use keyward_core::model::incident::{
    Containment, Evidence, HowCut, Incident, KillStep, Stage, StepResult, StepTaken, Suspends,
    Triggered, Undo,
};
use keyward_core::model::money::{CapPeriod, SpendCap};
use keyward_core::model::offboarding::{
    AskedFor, CaseTold, HandedOver, Leaver, Offboarding, Person, ReadsLook, SecretEnd, SlotTask,
    Tie,
};
use keyward_core::model::pool::{DrawnKey, Pool, StandbyKey};
use keyward_core::model::slot::{
    AcceptedLoss, Asked, CredentialKind, Drilled, Environment, Expectation, ExpectedSpend, Killed,
    Mode, PendingSeen, Policy, ProviderName, Scope, Slot, SlotState,
};
use keyward_core::model::told::ToldHour;
use keyward_core::model::usage::{Counts, TokenCounts};
use keyward_core::model::usage_items::{
    AccountUsage, Backlog, Cell, Figure, Source, Span, StoredWatch, UsageHour,
};
use keyward_core::model::version::{
    Confirmation, Confirmed, Refusals, SpentBefore, Tested, Told, UsageSeen, Version, VersionState,
};
use serde::de::{self, DeserializeOwned, Deserializer, Visitor};
use serde::{Deserialize, Serialize, forward_to_deserialize_any};
use serde_json::Value;

/// What was written down of one schema.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Which.
    pub schema: u32,
    /// The fields of each struct, and the variants of each enum, that items hold.
    pub fields: BTreeMap<String, Vec<String>>,
    /// One item of each kind, with every field set.
    pub samples: BTreeMap<String, Value>,
}

impl Kept {
    /// What was written down of `schema`; `None` if nothing was.
    ///
    /// # Panics
    /// If it cannot be read.
    pub fn of(schema: u32) -> Option<Self> {
        let text = std::fs::read_to_string(path(schema)).ok()?;
        Some(serde_json::from_str(&text).expect("it is what was written"))
    }
}

/// Where it is written down.
pub fn path(schema: u32) -> String {
    let folder = env!("CARGO_MANIFEST_DIR");
    format!("{folder}/fixtures/items/schema-{schema}.json")
}

macro_rules! fields {
    ($($type:ident),* $(,)?) => {
        BTreeMap::from([$((stringify!($type).to_owned(), fields_of::<$type>())),*])
    };
}

/// The fields and variants that this release reads and writes. A type with a flattened field tells none: its sample shows it.
pub fn fields() -> BTreeMap<String, Vec<String>> {
    fields![
        AcceptedLoss,
        AcceptedRisk,
        AccountUsage,
        Act,
        AdminRecord,
        AdminState,
        AdminVersion,
        Asked,
        AskedFor,
        Backlog,
        BreakGlassResult,
        BreakGlassTest,
        CapPeriod,
        CaseTold,
        Cell,
        Confirmation,
        Confirmed,
        Containment,
        Counts,
        CredentialKind,
        DrawnKey,
        Drill,
        DrillOutcome,
        DrillStage,
        DrillUnderWay,
        Drilled,
        Environment,
        Evidence,
        Expectation,
        ExpectedSpend,
        Figure,
        HandedOver,
        HowCut,
        Incident,
        KillStep,
        Killed,
        Leaver,
        Mode,
        Offboarding,
        PendingSeen,
        Person,
        Phase,
        Policy,
        Pool,
        ProviderName,
        ReadsLook,
        Refusals,
        Scope,
        SecretEnd,
        Slot,
        SlotState,
        SlotTask,
        Source,
        Span,
        SpendCap,
        SpentBefore,
        Stage,
        StandbyKey,
        StepResult,
        StepTaken,
        StoredWatch,
        Subject,
        Suspends,
        Tested,
        Tie,
        TokenCounts,
        Told,
        ToldHour,
        Triggered,
        Undo,
        UsageHour,
        UsageSeen,
        Version,
        VersionState,
    ]
}

/// How an item is read, and what it is written as again.
pub type Reread = fn(&Value) -> Result<Value, serde_json::Error>;

/// Each kind of item, by the type that it is read as.
pub const KINDS: [(&str, Reread); 13] = [
    ("AcceptedRisk", reread::<AcceptedRisk>),
    ("AccountUsage", reread::<AccountUsage>),
    ("Act", reread::<Act>),
    ("AdminRecord", reread::<AdminRecord>),
    ("Drill", reread::<Drill>),
    ("Incident", reread::<Incident>),
    ("Offboarding", reread::<Offboarding>),
    ("Pool", reread::<Pool>),
    ("Slot", reread::<Slot>),
    ("StoredWatch", reread::<StoredWatch>),
    ("ToldHour", reread::<ToldHour>),
    ("UsageHour", reread::<UsageHour>),
    ("Version", reread::<Version>),
];

fn reread<T: Serialize + DeserializeOwned>(item: &Value) -> Result<Value, serde_json::Error> {
    serde_json::to_value(T::deserialize(item)?)
}

/// What a derived type says that it has, when it is asked to read something:
/// <https://docs.rs/serde/latest/serde/trait.Deserializer.html#tymethod.deserialize_struct>.
fn fields_of<T: DeserializeOwned>() -> Vec<String> {
    let told = T::deserialize(Asking).err().map_or(&[][..], |told| told.0);
    told.iter().map(|name| (*name).to_owned()).collect()
}

struct Asking;

/// Nothing is read: the answer is the error.
#[derive(Debug, thiserror::Error)]
#[error("{0:?}")]
struct Names(&'static [&'static str]);

impl de::Error for Names {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self(&[])
    }
}

impl<'de> Deserializer<'de> for Asking {
    type Error = Names;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Names> {
        Err(Names(&[]))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Names> {
        Err(Names(fields))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Names> {
        Err(Names(variants))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map identifier ignored_any
    }
}
