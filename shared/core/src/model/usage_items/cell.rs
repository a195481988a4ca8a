//! What one version used in one bucket, and whose word that is.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Models;
use crate::model::money::MicroDollars;
use crate::model::text::OutsideText;
use crate::model::usage::{Bucket, Counts};
use crate::model::version::VersionId;

/// Models of one version and bucket that are kept apart. Those that cost least stand together as [`OTHER_MODELS`].
pub(super) const MOST_MODELS: usize = 16;

/// Models of all versions of one bucket that are kept apart where agents tell, who may name as many as they like: an
/// item of an hour stays some 40 KB at the most, far below the 400 KB of
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>.
const MOST_TOLD: usize = MOST_MODELS;

/// What agents tell of one model in a cell counts up to this, in micro-dollars as in tokens: a million dollars. Sums of sums
/// stay far from where numbers end.
const MOST_OF_MODEL: u64 = 1 << 40;

/// The models beyond those that are kept apart.
pub const OTHER_MODELS: &str = "(other)";

/// The model of usage that no model is told of.
pub const UNTOLD_MODEL: &str = "(untold)";

/// Whose word usage is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The provider's: all that its key was used for.
    #[default]
    Provider,
    /// That of the slot's own agents: what others use the key for is not in it.
    Agents,
}

impl Source {
    fn is_provider(&self) -> bool {
        *self == Self::Provider
    }
}

/// What one version used in one bucket. All of it is absolute: it overwrites what was known before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// Whose it is.
    pub version: VersionId,
    /// When it was.
    pub bucket: Bucket,
    /// When the provider was asked. What was asked for later wins.
    pub read_at: Timestamp,
    /// By model, priced by the table.
    pub models: Models,
    /// Who told it.
    #[serde(skip_serializing_if = "Source::is_provider", default)]
    pub source: Source,
    /// What the provider's own report of costs makes of it, once it tells.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub billed: Option<MicroDollars>,
}

impl Cell {
    /// A cell of these models, the smallest put together where there are too many.
    pub fn new(
        version: VersionId,
        bucket: Bucket,
        read_at: Timestamp,
        models: impl IntoIterator<Item = (String, Counts)>,
    ) -> Self {
        Self {
            version,
            bucket,
            read_at,
            models: gathered(models, MOST_MODELS),
            source: Source::Provider,
            billed: None,
        }
    }

    /// The word of agents, of one of so many versions that they tell of in the bucket. One without use is kept too: that
    /// nothing was used is known by it alone.
    pub fn told(
        version: VersionId,
        bucket: Bucket,
        read_at: Timestamp,
        models: impl IntoIterator<Item = (String, Counts)>,
        versions: usize,
    ) -> Self {
        let most = MOST_TOLD / versions.max(1);
        let models = gathered(models, most.max(1));
        let models = models.iter();
        Self {
            version,
            bucket,
            read_at,
            models: models
                .map(|(model, counts)| (model.to_owned(), counts.at_most(MOST_OF_MODEL)))
                .collect(),
            source: Source::Agents,
            billed: None,
        }
    }

    /// All models together, with the bill in place of the table's price where there is one.
    pub fn counts(&self) -> Counts {
        let mut all = Counts::default();
        for (_, counts) in self.models.iter() {
            all += counts;
        }
        Counts {
            cost: self.billed.unwrap_or(all.cost),
            ..all
        }
    }

    /// The models that are known by name.
    pub fn named_models(&self) -> impl Iterator<Item = OutsideText> {
        let names = self.models.iter().map(|(name, _)| name);
        let named = names.filter(|name| ![OTHER_MODELS, UNTOLD_MODEL].contains(name));
        named.map(OutsideText::new)
    }

    /// What the table makes of it.
    pub fn priced(&self) -> MicroDollars {
        let costs = self.models.iter().map(|(_, counts)| counts.cost.0);
        MicroDollars(costs.fold(0, u64::saturating_add))
    }
}

/// Models with use, the cheapest put together where there are more than `most`.
fn gathered(models: impl IntoIterator<Item = (String, Counts)>, most: usize) -> Models {
    let used = models.into_iter().filter(|(_, counts)| counts.used());
    let mut models: Vec<(String, Counts)> = used.collect();
    if models.len() > most {
        models.sort_by(|(a, x), (b, y)| y.cost.cmp(&x.cost).then_with(|| a.cmp(b)));
        for (_, counts) in models.split_off(most - 1) {
            models.push((OTHER_MODELS.to_owned(), counts));
        }
    }
    models.into_iter().collect()
}
