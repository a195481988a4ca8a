//! What tokens cost: a dated table, as data.
//!
//! The table is of list prices. What it cannot know (discounts, batches, surcharges for long contexts, what tools cost)
//! comes with the provider's own report of costs, where there is one.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::money::MicroDollars;
use super::slot::ProviderName;
use crate::ports::{Tokens, Usage};

/// The layout of tables that this release reads.
const SCHEMA: u32 = 1;

/// The table that this release was made with.
const SHIPPED: &str = include_str!("../../prices/prices.json");

/// Tokens that a price is for.
const PER: u128 = 1_000_000;

/// No price may be above $10,000 a million tokens.
const DEAREST: u64 = 10_000_000_000;

/// A price that changes by more than this factor at once is a slip.
const LARGEST_CHANGE: u64 = 20;

/// Longer tables are refused unread.
const LONGEST: usize = 300_000;

/// What one model costs, in micro-dollars for a million tokens of each kind. Where a cache costs nothing extra, its
/// tokens have the price of those that are read. Of several prices for writing to a cache it is that of the shortest
/// time: reports do not tell them apart in general.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Read by the model.
    pub input: u64,
    /// Written by the model.
    pub output: u64,
    /// Read from a cache.
    pub cache_read: u64,
    /// Written to a cache.
    pub cache_write: u64,
}

impl Price {
    const fn kinds(self) -> [u64; 4] {
        [self.input, self.output, self.cache_read, self.cache_write]
    }

    fn dearer(self, other: Self) -> Self {
        Self {
            input: self.input.max(other.input),
            output: self.output.max(other.output),
            cache_read: self.cache_read.max(other.cache_read),
            cache_write: self.cache_write.max(other.cache_write),
        }
    }

    /// What `tokens` cost: exact, and rounded once, half a micro-dollar up. A kind that is not told adds nothing.
    pub fn of(self, tokens: Tokens) -> MicroDollars {
        let counts = [
            tokens.input,
            tokens.output,
            tokens.cache_read,
            tokens.cache_write,
        ];
        let parts = counts.into_iter().zip(self.kinds());
        let sum: u128 = parts
            .map(|(count, price)| u128::from(count.unwrap_or(0)) * u128::from(price))
            .sum();
        MicroDollars(u64::try_from((sum + PER / 2) / PER).unwrap_or(u64::MAX))
    }
}

/// Where prices come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceSource {
    /// What it is called.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// Under which licence it is used.
    pub licence: String,
}

/// Whose models they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vendor {
    /// Nova.
    Amazon,
    /// Claude.
    Anthropic,
    /// Gemini.
    Google,
    /// Llama.
    Meta,
    /// GPT and the o series.
    #[serde(rename = "openai")]
    OpenAi,
}

impl Vendor {
    const ALL: [Self; 5] = [
        Self::Amazon,
        Self::Anthropic,
        Self::Google,
        Self::Meta,
        Self::OpenAi,
    ];

    /// Whose models a provider offers. Exhaustive on purpose.
    const fn at(provider: ProviderName) -> &'static [Self] {
        match provider {
            ProviderName::OpenAi | ProviderName::Azure => &[Self::OpenAi],
            ProviderName::Anthropic => &[Self::Anthropic],
            ProviderName::Gemini => &[Self::Google],
            ProviderName::Bedrock => &[Self::Anthropic, Self::Amazon, Self::Meta],
            ProviderName::OpenRouter | ProviderName::LiteLlm => &Self::ALL,
        }
    }
}

/// How sure a price is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// The table has the model.
    Listed,
    /// The table has no such model, or the report names none: it is priced at the dearest of the provider, each kind of
    /// token by itself.
    AtDearest,
}

/// A table of prices that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceTable(Table);

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    schema: u32,
    as_of: Date,
    sources: Vec<PriceSource>,
    vendors: BTreeMap<Vendor, BTreeMap<String, Price>>,
}

/// Why a table is not used. The one before it stays in use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PriceRefusal {
    /// It is no table of this layout.
    #[error("the price table cannot be read ({0})")]
    Unreadable(String),
    /// It is of another layout.
    #[error("the price table has schema {0}, this release reads {SCHEMA}")]
    Schema(u32),
    /// It does not say where its prices are from.
    #[error("the price table names no source")]
    NoSource,
    /// It has no model of a vendor.
    #[error("the price table has no models of {0:?}")]
    NoModels(Vendor),
    /// A price is zero or absurd.
    #[error("the price table has a price of `{0}` that is zero or above $10,000 a million tokens")]
    OutOfBounds(String),
    /// It is older than the one in use.
    #[error("the price table is of {given}, the one in use of {used}")]
    Older {
        /// The date of the one that is refused.
        given: Date,
        /// The date of the one that stays.
        used: Date,
    },
    /// Its date is yet to come.
    #[error("the price table is of {0}, which is yet to come")]
    Future(Date),
    /// A price moved further than prices do.
    #[error("the price table changes a price of `{0}` more than {LARGEST_CHANGE} times")]
    Jump(String),
}

impl PriceTable {
    /// The table that this release was made with.
    ///
    /// # Panics
    /// Never: it is part of the program, and a test reads it.
    pub fn shipped() -> Self {
        Self::read(SHIPPED).expect("the shipped table was checked")
    }

    /// A table, checked by itself.
    ///
    /// # Errors
    /// [`PriceRefusal`].
    pub fn read(json: &str) -> Result<Self, PriceRefusal> {
        if json.len() > LONGEST {
            return Err(PriceRefusal::Unreadable("it is too long".to_owned()));
        }
        let table: Table =
            serde_json::from_str(json).map_err(|e| PriceRefusal::Unreadable(e.to_string()))?;
        if table.schema != SCHEMA {
            return Err(PriceRefusal::Schema(table.schema));
        }
        if table.sources.is_empty() {
            return Err(PriceRefusal::NoSource);
        }
        for vendor in Vendor::ALL {
            if table.vendors.get(&vendor).is_none_or(BTreeMap::is_empty) {
                return Err(PriceRefusal::NoModels(vendor));
            }
        }
        let mut models = table.vendors.values().flatten();
        let absurd = models.find(|(_, price)| {
            price
                .kinds()
                .iter()
                .any(|kind| !(1..=DEAREST).contains(kind))
        });
        match absurd {
            Some((model, _)) => Err(PriceRefusal::OutOfBounds(model.clone())),
            None => Ok(Self(table)),
        }
    }

    /// The table in `json` in place of this one, on the day `today`.
    ///
    /// # Errors
    /// [`PriceRefusal`]: go on with this one, and tell people.
    pub fn refreshed(&self, json: &str, today: Date) -> Result<Self, PriceRefusal> {
        let new = Self::read(json)?;
        let (given, used) = (new.0.as_of, self.0.as_of);
        if given < used {
            return Err(PriceRefusal::Older { given, used });
        }
        if given > today {
            return Err(PriceRefusal::Future(given));
        }
        for (vendor, models) in &self.0.vendors {
            for (model, old) in models {
                let Some(now) = new.0.vendors.get(vendor).and_then(|all| all.get(model)) else {
                    continue;
                };
                let mut kinds = old.kinds().into_iter().zip(now.kinds());
                if kinds.any(|(old, now)| old.max(now) / old.min(now) > LARGEST_CHANGE) {
                    return Err(PriceRefusal::Jump(model.clone()));
                }
            }
        }
        Ok(new)
    }

    /// The day that the prices are of.
    pub const fn as_of(&self) -> Date {
        self.0.as_of
    }

    /// How many models it has.
    pub fn models(&self) -> usize {
        self.0.vendors.values().map(BTreeMap::len).sum()
    }

    /// Where the prices are from.
    pub fn sources(&self) -> &[PriceSource] {
        &self.0.sources
    }

    /// The price of a model as a provider calls it.
    pub fn price(&self, provider: ProviderName, model: Option<&str>) -> (Price, Known) {
        let vendors = Vendor::at(provider);
        let listed = model.and_then(|model| {
            let tables = vendors.iter().filter_map(|v| self.0.vendors.get(v));
            names(model).find_map(|name| tables.clone().find_map(|models| models.get(name)))
        });
        match listed {
            Some(price) => (*price, Known::Listed),
            None => (self.dearest(vendors), Known::AtDearest),
        }
    }

    /// What one row of a report costs.
    pub fn cost(&self, provider: ProviderName, row: &Usage) -> (MicroDollars, Known) {
        let model = row.model.as_ref().map(|model| model.as_str());
        let (price, known) = self.price(provider, model);
        (price.of(row.tokens), known)
    }

    fn dearest(&self, vendors: &[Vendor]) -> Price {
        let tables = vendors.iter().filter_map(|v| self.0.vendors.get(v));
        let none = Price {
            input: 0,
            output: 0,
            cache_read: 0,
            cache_write: 0,
        };
        tables
            .flat_map(BTreeMap::values)
            .fold(none, |dearest, price| dearest.dearer(*price))
    }
}

/// The names that a table may have a model under, the most exact first: as it is; without what stands before it
/// (`openai/gpt-5`, `us.anthropic.claude-opus-5`); without a date, a version or a tier at its end.
fn names(model: &str) -> impl Iterator<Item = &str> {
    let bare = model.rsplit('/').next().unwrap_or(model);
    let vendors = ["anthropic.", "amazon.", "meta."];
    let own = vendors
        .iter()
        .find_map(|vendor| bare.split_once(vendor).map(|(_, own)| own))
        .unwrap_or(bare);
    let untiered = own.split([':', '@']).next().unwrap_or(own);
    let unversioned = untiered
        .rsplit_once("-v")
        .filter(|(_, version)| version.bytes().all(|b| b.is_ascii_digit()))
        .map_or(untiered, |(name, _)| name);
    [
        model,
        bare,
        own,
        untiered,
        unversioned,
        undated(unversioned),
    ]
    .into_iter()
}

/// `gpt-4o-2024-08-06` and `claude-opus-4-5-20251101` without their dates.
fn undated(model: &str) -> &str {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let dashed = |text: &str| {
        let parts: Vec<&str> = text.split('-').collect();
        parts.len() == 3 && parts.iter().all(|part| digits(part)) && parts[0].len() == 4
    };
    for (length, is_date) in [
        (8, &digits as &dyn Fn(&str) -> bool),
        (10, &dashed as &dyn Fn(&str) -> bool),
    ] {
        let Some(at) = model.len().checked_sub(length + 1) else {
            continue;
        };
        if let Some((name, date)) = model.split_at_checked(at)
            && let Some(date) = date.strip_prefix('-')
            && is_date(date)
        {
            return name;
        }
    }
    model
}

#[cfg(test)]
mod tests;
