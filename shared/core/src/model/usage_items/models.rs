//! What was used of each model.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::usage::Counts;

/// What was used of each model, by name. Most slots use one or two, and thousands of these are held at once: a map takes a
/// node for eleven.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, Counts>", into = "BTreeMap<String, Counts>")]
pub struct Models(Box<[(String, Counts)]>);

impl Models {
    /// How many there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none was used.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each with its name, in order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Counts)> {
        self.0.iter().map(|(name, counts)| (name.as_str(), *counts))
    }
}

/// What is told twice of a model adds up.
impl FromIterator<(String, Counts)> for Models {
    fn from_iter<T: IntoIterator<Item = (String, Counts)>>(models: T) -> Self {
        let mut models: Vec<(String, Counts)> = models.into_iter().collect();
        models.sort_by(|(a, _), (b, _)| a.cmp(b));
        models.dedup_by(|(name, more), (kept, counts)| {
            let is_same = name == kept;
            if is_same {
                *counts += *more;
            }
            is_same
        });
        Self(models.into())
    }
}

impl From<BTreeMap<String, Counts>> for Models {
    fn from(models: BTreeMap<String, Counts>) -> Self {
        models.into_iter().collect()
    }
}

impl From<Models> for BTreeMap<String, Counts> {
    fn from(models: Models) -> Self {
        models.0.into_iter().collect()
    }
}
