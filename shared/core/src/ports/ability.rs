//! What a provider's API may be able to do for a single key, and what it lacks.

use std::fmt;

use serde::Serialize;

use super::provider::{KeyProvider, Suspension};
use super::usage::Reporting;

/// Something that Keyward would do with a single key, had its provider a call for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ability {
    /// Making it.
    Create,
    /// Suspending it, so that it can be resumed.
    Suspend,
    /// Suspending it in such a way that it is refused, which proves that it is cut off.
    Refuse,
    /// An end from birth.
    Expire,
    /// A hard limit on what it may spend.
    Cap,
    /// Limiting it to models.
    LimitModels,
    /// Limiting it to parts of the API.
    LimitEndpoints,
    /// Limiting it to addresses.
    LimitAddresses,
    /// Telling its requests or tokens.
    Usage,
    /// Telling what it cost.
    Costs,
}

impl Ability {
    /// Every ability, in the order of a key's life.
    pub const ALL: [Self; 10] = [
        Self::Create,
        Self::LimitModels,
        Self::LimitEndpoints,
        Self::LimitAddresses,
        Self::Expire,
        Self::Cap,
        Self::Usage,
        Self::Costs,
        Self::Suspend,
        Self::Refuse,
    ];

    /// Whether a provider has it. Exhaustive on purpose.
    pub fn is_of(self, provider: &dyn KeyProvider) -> bool {
        let abilities = provider.abilities();
        let told = provider
            .reports()
            .map_or_else(Reporting::default, |reports| reports.reporting());
        match self {
            Self::Create => provider.issuer().is_some(),
            Self::Suspend => abilities.suspension != Suspension::None,
            Self::Refuse => abilities.suspension == Suspension::Refuses,
            Self::Expire => abilities.expiry,
            Self::Cap => provider.caps().is_some(),
            Self::LimitModels => abilities.limits.models,
            Self::LimitEndpoints => abilities.limits.endpoints,
            Self::LimitAddresses => abilities.limits.addresses,
            Self::Usage => told.usage.is_some(),
            Self::Costs => told.costs.is_some(),
        }
    }

    /// Whether a key is worse protected without it: against use after its theft, or after Keyward stopped running.
    /// Limits are not among them: a slot that asks for one its provider lacks is refused.
    pub const fn protects(self) -> bool {
        match self {
            Self::Create | Self::Suspend | Self::Expire | Self::Cap | Self::Usage | Self::Costs => {
                true
            }
            Self::Refuse | Self::LimitModels | Self::LimitEndpoints | Self::LimitAddresses => false,
        }
    }
}

impl Ability {
    /// What it means for a slot that it is missing.
    pub const fn without(self) -> &'static str {
        match self {
            Self::Create => "people make its keys ahead, into a pool",
            Self::LimitModels => "its keys reach every model that the account does",
            Self::LimitEndpoints => "its keys reach every part of the API",
            Self::LimitAddresses => "its keys work from everywhere",
            Self::Expire => "a key lives until it is revoked, even if Keyward stops running",
            Self::Cap => {
                "nothing at the provider ends a single key's spending: if its account or project can be limited, do that by hand"
            }
            Self::Usage => "what a single key uses is not seen",
            Self::Costs => "what a single key costs is not seen",
            Self::Suspend => "a key that is cut off is gone for good",
            Self::Refuse => "a suspended key is cut off, but only its deletion can be confirmed",
        }
    }
}

/// What follows "it cannot".
impl fmt::Display for Ability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "make keys",
            Self::Suspend => "suspend a key",
            Self::Refuse => "refuse a suspended key",
            Self::Expire => "give a key an end from birth",
            Self::Cap => "cap what a key spends",
            Self::LimitModels => "limit a key to models",
            Self::LimitEndpoints => "limit a key to parts of the API",
            Self::LimitAddresses => "limit a key to addresses",
            Self::Usage => "tell a key's usage",
            Self::Costs => "tell a key's cost",
        })
    }
}

/// What a provider's API cannot do for a single key. Nothing that is on this list is ever taken for done.
pub fn missing(provider: &dyn KeyProvider) -> Vec<Ability> {
    let all = Ability::ALL.into_iter();
    all.filter(|ability| !ability.is_of(provider)).collect()
}
